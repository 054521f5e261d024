//! Mixtures from and to checkpoints in Hugging Face's layout.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::activation::{silu, softmax};
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};
use regimen_moe::*;
use safetensors::tensor::{Dtype, TensorView};

use crate::dense::assert_near;
use crate::routers::values;

const EXPERTS: usize = 5;
const MODEL: usize = 6;
const HIDDEN: usize = 9;

/// Tensors by name, in PyTorch's layout.
type Tensors = Vec<(String, Tensor<2>)>;

fn names(family: HuggingFaceFamily) -> (String, [&'static str; 3]) {
    match family {
        HuggingFaceFamily::Mixtral => ("block_sparse_moe".into(), ["w1", "w3", "w2"]),
        HuggingFaceFamily::Olmoe => ("mlp".into(), ["gate_proj", "up_proj", "down_proj"]),
    }
}

/// The tensors of layer 3.
fn layer(family: HuggingFaceFamily, dtype: DType) -> Tensors {
    let device = Device::flex();
    let random = |shape| {
        let drawn = Tensor::<2>::random(shape, Distribution::Normal(0.0, 0.5), &device);
        drawn.cast(dtype)
    };
    let (block, maps) = names(family);
    let prefix = format!("model.layers.3.{block}");
    let mut tensors = vec![(format!("{prefix}.gate.weight"), random([EXPERTS, MODEL]))];
    for expert in 0..EXPERTS {
        for (at, map) in maps.into_iter().enumerate() {
            let shape = if at == 2 {
                [MODEL, HIDDEN]
            } else {
                [HIDDEN, MODEL]
            };
            tensors.push((
                format!("{prefix}.experts.{expert}.{map}.weight"),
                random(shape),
            ));
        }
    }
    tensors
}

fn write(path: &Path, tensors: &[(String, Tensor<2>)]) -> PathBuf {
    let data: Vec<(&String, TensorData)> = tensors
        .iter()
        .map(|(name, tensor)| (name, tensor.clone().into_data()))
        .collect();
    let views = data.iter().map(|(name, data)| {
        let dtype = match data.dtype() {
            DType::F64 => Dtype::F64,
            DType::F32 => Dtype::F32,
            DType::F16 => Dtype::F16,
            DType::BF16 => Dtype::BF16,
            DType::I64 => Dtype::I64,
            other => panic!("{other:?}"),
        };
        let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes());
        (*name, view.unwrap())
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), path).unwrap();
    path.to_owned()
}

fn config(family: HuggingFaceFamily) -> HuggingFaceConfig {
    HuggingFaceConfig::new(family, 3).with_top_k(Some(2))
}

const FAMILIES: [HuggingFaceFamily; 2] = [HuggingFaceFamily::Mixtral, HuggingFaceFamily::Olmoe];

#[test]
fn a_layer_comes_back_to_the_same_bytes_in_every_type() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    for family in FAMILIES {
        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            device.seed(1);
            let file = write(&folder.path().join("in.safetensors"), &layer(family, dtype));
            let moe = config(family).load(&[&file], &device).unwrap();
            assert_eq!(moe.experts.up.val().dtype(), dtype);
            assert_eq!(moe.experts.up.val().dims(), [EXPERTS, MODEL, 2 * HIDDEN]);
            let back = folder.path().join("out.safetensors");
            config(family).save(&moe, &back).unwrap();
            let (found, expected) = (std::fs::read(back).unwrap(), std::fs::read(file).unwrap());
            assert!(found == expected, "{family:?} in {dtype:?}");
        }
    }
}

/// Every expert for every token, as the formula says, from the checkpoint's own tensors.
fn reference(family: HuggingFaceFamily, tensors: &Tensors, x: Tensor<2>) -> Tensor<2> {
    let linear = |x: &Tensor<2>, at: usize| x.clone().matmul(tensors[at].1.clone().transpose());
    let probabilities = softmax(linear(&x, 0), 1);
    let (best, _) = probabilities.clone().topk_with_indices(2, 1);
    let least = best.clone().narrow(1, 1, 1).expand(probabilities.dims());
    let mut gates = probabilities
        .clone()
        .mask_fill(probabilities.lower(least), 0.0);
    if family == HuggingFaceFamily::Mixtral {
        gates = gates.clone() / gates.sum_dim(1);
    }
    let mut sum = x.zeros_like();
    for expert in 0..EXPERTS {
        let [gate, up, down] = [1, 2, 3].map(|map| 3 * expert + map);
        let hidden = silu(linear(&x, gate)) * linear(&x, up);
        sum = sum + linear(&hidden, down) * gates.clone().narrow(1, expert, 1);
    }
    sum
}

#[test]
fn a_loaded_layer_computes_what_the_checkpoint_means() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    device.seed(2);
    for family in FAMILIES {
        let tensors = layer(family, DType::F32);
        // In two shards, whose order does not matter.
        let (a, b) = tensors.split_at(7);
        let shards = [
            write(&folder.path().join("b.safetensors"), b),
            write(&folder.path().join("a.safetensors"), a),
        ];
        let moe = config(family).load(&shards, &device).unwrap();
        let x = Tensor::<2>::random([12, MODEL], Distribution::Normal(0.0, 1.0), &device);
        let y = moe.forward(x.clone().unsqueeze()).0;
        let expected = reference(family, &tensors, x);
        assert_near(&format!("{family:?}"), &values(y), &values(expected), 1e-5);
    }
    let train = Device::flex().autodiff();
    let tensors = layer(HuggingFaceFamily::Olmoe, DType::F32);
    let file = write(&folder.path().join("c.safetensors"), &tensors);
    let moe = config(HuggingFaceFamily::Olmoe)
        .load(&[file], &train)
        .unwrap();
    let x = Tensor::<3>::random([2, 9, MODEL], Distribution::Normal(0.0, 1.0), &train);
    let grads = crate::dense::gradients(&moe, moe.forward(x).0.square().sum().backward());
    assert_eq!(grads.len(), 3, "router and both maps train");
}

/// What loading a changed checkpoint says.
fn refusal(change: impl Fn(&mut Tensors)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = layer(HuggingFaceFamily::Mixtral, DType::F32);
    change(&mut tensors);
    let file = write(&folder.path().join("model.safetensors"), &tensors);
    let loaded = config(HuggingFaceFamily::Mixtral).load(&[file], &Device::flex());
    loaded.unwrap_err().to_string()
}

#[test]
fn a_checkpoint_that_does_not_fit_is_an_error_that_names_the_tensor() {
    let device = Device::flex();
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &device);
    for at in [0, 1, 5, 15] {
        let name = layer(HuggingFaceFamily::Mixtral, DType::F32)[at].0.clone();
        let missing = refusal(|tensors| drop(tensors.remove(at)));
        assert!(
            missing.contains(&name) && missing.contains("no tensor"),
            "{missing}"
        );
        let other = refusal(|tensors| tensors[at].1 = zeros([MODEL + 1, HIDDEN]));
        assert!(other.contains("model.layers.3.block_sparse_moe"), "{other}");
        assert!(other.contains("was expected"), "{other}");
    }
    let shape = refusal(|tensors| tensors[6].1 = zeros([HIDDEN, MODEL]));
    assert!(
        shape.contains("experts.1.w2.weight` is [9, 6]: [6, 9]"),
        "{shape}"
    );
    let dtype = refusal(|tensors| tensors[6].1 = zeros([MODEL, HIDDEN]).cast(DType::BF16));
    assert!(
        dtype.contains("experts.1.w2.weight` is BF16: F32"),
        "{dtype}"
    );
    let more = refusal(|tensors| tensors[0].1 = zeros([EXPERTS - 1, MODEL]));
    assert!(more.contains("experts.4.w1.weight"), "{more}");
    let fewer = refusal(|tensors| tensors[0].1 = zeros([EXPERTS + 1, MODEL]));
    assert!(
        fewer.contains("no tensor") && fewer.contains("experts.5.w1"),
        "{fewer}"
    );
    let none = refusal(|tensors| tensors[0].1 = zeros([0, MODEL]));
    assert!(none.contains("experts.0.w1.weight"), "{none}");
    let idle = refusal(|tensors| {
        for (name, tensor) in tensors
            .iter_mut()
            .filter(|(name, _)| !name.contains("gate"))
        {
            let back = name.contains("w2");
            *tensor = zeros(if back { [MODEL, 0] } else { [0, MODEL] });
        }
    });
    assert!(
        idle.contains("[0, 6]: [d_hidden, 6] with a hidden unit"),
        "{idle}"
    );
    let narrow = refusal(|tensors| {
        for (name, tensor) in tensors.iter_mut() {
            if !name.contains("gate") {
                *tensor = zeros([0, 0]);
            }
        }
    });
    assert!(narrow.contains("was expected"), "{narrow}");
}

#[test]
fn other_layers_other_files_and_damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let family = HuggingFaceFamily::Olmoe;
    let file = write(
        &folder.path().join("model.safetensors"),
        &layer(family, DType::F32),
    );
    let other = HuggingFaceConfig::new(family, 4).load(&[&file], &device);
    assert!(matches!(other, Err(MoeError::MissingTensor { .. })));
    let other = config(HuggingFaceFamily::Mixtral).load(&[&file], &device);
    assert!(matches!(other, Err(MoeError::MissingTensor { .. })));
    let none: [&Path; 0] = [];
    assert!(matches!(
        config(family).load(&none, &device),
        Err(MoeError::MissingTensor { .. })
    ));
    // Eight experts a token, of five.
    let many = HuggingFaceConfig::new(family, 3).load(&[&file], &device);
    assert!(matches!(
        many,
        Err(MoeError::OutOfRange { field: "top_k", .. })
    ));
    let absent = config(family).load(&[folder.path().join("absent")], &device);
    assert!(matches!(absent, Err(MoeError::File { .. })));
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 7, 8, 100, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let cut = config(family).load(&[&file], &device);
        assert!(matches!(cut, Err(MoeError::File { .. })), "{length} bytes");
    }
    std::fs::write(&file, [255; 64]).unwrap();
    let noise = config(family).load(&[&file], &device);
    assert!(matches!(noise, Err(MoeError::File { .. })));
}

#[test]
fn what_a_checkpoint_can_not_hold_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let device = Device::flex();
    let swiglu = MoeConfig::new(MODEL, HIDDEN, EXPERTS, 2)
        .with_activation(Activation::Silu)
        .with_gated(true);
    let biased = SoftmaxRouterConfig::new().with_selection_bias(true);
    for bad in [
        swiglu.clone().with_activation(Activation::Gelu),
        swiglu.clone().with_gated(false),
        swiglu.clone().with_bias(true),
        swiglu.clone().with_shared(1),
        swiglu
            .clone()
            .with_router(RouterConfig::Hash(HashRouterConfig::new())),
        swiglu.clone().with_router(RouterConfig::Softmax(biased)),
    ] {
        let saved = config(HuggingFaceFamily::Olmoe).save(&bad.init(&device).unwrap(), &file);
        assert!(matches!(saved, Err(MoeError::OutOfRange { .. })), "{bad:?}");
    }
    let moe = swiglu.init(&device).unwrap();
    let nowhere = folder.path().join("no/such/folder.safetensors");
    let saved = config(HuggingFaceFamily::Olmoe).save(&moe, nowhere);
    assert!(matches!(saved, Err(MoeError::File { .. })));
    config(HuggingFaceFamily::Olmoe).save(&moe, &file).unwrap();
    let back = config(HuggingFaceFamily::Olmoe)
        .load(&[file], &device)
        .unwrap();
    assert_eq!(values(back.experts.up.val()), values(moe.experts.up.val()));
}
