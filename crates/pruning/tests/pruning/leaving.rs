//! From a PyTorch file to a pruned one and back, and on with training.

use std::collections::HashMap;
use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};
use regimen_pruning::after::{self, Pattern, Rule};
use regimen_pruning::mask::checkpoint::{self, Framework, load_model, masks_path};
use regimen_pruning::{Fixed, Masks, SparseLinear};
use safetensors::tensor::{Dtype, TensorView};

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    fn new(device: &Device) -> Self {
        Self {
            fc1: LinearConfig::new(8, 16).init(device),
            fc2: LinearConfig::new(16, 4).init(device),
        }
    }

    fn hidden(&self, x: Tensor<2>) -> Tensor<2> {
        relu(self.fc1.forward(x))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(self.hidden(x))
    }
}

/// What `safetensors.torch.save_file(model.state_dict(), path)` writes for two `torch.nn.Linear`.
fn write_torch_file(path: &Path) {
    let value = |i: usize| ((i * 37 + 5) % 41) as f32 / 20.0 - 1.0;
    let bytes = |from: usize, count: usize| -> Vec<u8> {
        (from..from + count)
            .flat_map(|i| value(i).to_le_bytes())
            .collect()
    };
    let parts = [
        ("fc1.weight", vec![16, 8], bytes(0, 128)),
        ("fc1.bias", vec![16], bytes(200, 16)),
        ("fc2.weight", vec![4, 16], bytes(300, 64)),
        ("fc2.bias", vec![4], bytes(400, 4)),
    ];
    let views = parts.iter().map(|(name, shape, bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let views: HashMap<&str, TensorView<'_>> = views.collect();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_model_of_a_pytorch_file_is_pruned_and_saved_back() {
    let folder = tempfile::tempdir().unwrap();
    let (trained, pruned) = (
        folder.path().join("mlp.safetensors"),
        folder.path().join("pruned.safetensors"),
    );
    write_torch_file(&trained);
    let device = Device::flex().autodiff();
    let data = Tensor::<2>::random([64, 8], Distribution::Default, &device);

    // The ten lines of the book.
    let model = load_model(Mlp::new(&device), &trained, Framework::PyTorch).unwrap();
    let masks = Masks::dense(&model).unwrap();
    let (model, masks) = after::prune(
        model,
        masks,
        Rule::SPARSE_GPT,
        Pattern::Share(0.5),
        |model, path| match path {
            "fc1.weight" => data.clone(),
            _ => model.hidden(data.clone()),
        },
    )
    .unwrap();
    checkpoint::save(&model, &masks, &pruned, Framework::PyTorch).unwrap();

    // PyTorch finds its own names and layouts, with half of the weights zero.
    let bytes = std::fs::read(&pruned).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weight = file.tensor("fc1.weight").unwrap();
    assert_eq!(weight.shape(), [16, 8]);
    let zeros = weight
        .data()
        .chunks_exact(4)
        .filter(|v| **v == [0; 4])
        .count();
    assert_eq!(zeros, 64);

    // Another process loads it, trains on under the masks, and runs a layer sparse.
    let (mut again, bound) =
        checkpoint::load(Mlp::new(&device), &pruned, Framework::PyTorch).unwrap();
    assert_eq!(bound.count(), masks.count());
    let outputs = |model: &Mlp| model.forward(data.clone()).into_data();
    assert_eq!(outputs(&again), outputs(&model));
    let pruner = Fixed::init(bound);
    let mut optim = SgdConfig::new().init();
    for _ in 0..5 {
        let loss = again.forward(data.clone()).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &again);
        again = pruner.optimize(again, &mut optim, 0.1, grads);
    }
    pruner.status().unwrap();
    assert_ne!(outputs(&again), outputs(&model));
    assert!(SparseLinear::new(&again.fc1).unwrap().count() <= 64);
}

#[test]
fn files_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let device = Device::flex();
    let model = Mlp::new(&device);
    let failure = |path: &Path| {
        let loaded = checkpoint::load(Mlp::new(&device), path, Framework::Burn);
        loaded.unwrap_err().to_string()
    };
    assert!(failure(&path).contains("no such file"));
    let masks = Masks::dense(&model).unwrap();
    checkpoint::save(&model, &masks, &path, Framework::Burn).unwrap();
    assert!(checkpoint::load(Mlp::new(&device), &path, Framework::Burn).is_ok());
    std::fs::write(masks_path(&path), "[").unwrap();
    assert!(failure(&path).contains("masks.json"));
    std::fs::write(&path, "not safetensors").unwrap();
    assert!(failure(&path).contains("model.safetensors"));
    let other = Masks::dense(&LinearConfig::new(3, 3).init(&device)).unwrap();
    assert!(checkpoint::save(&model, &other, &path, Framework::Burn).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
