//! What measuring plasticity adds to training: a hundred steps of a convolutional network, with one probe and without.

use burn::nn::PaddingConfig2d;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::Device;
use burn::tensor::activation::relu;
use burn::tensor::{Distribution, Int, Tensor};
use burn::{
    module::Module, nn::Linear, nn::LinearConfig, nn::conv::Conv2d, nn::conv::Conv2dConfig,
};
use criterion::{Criterion, SamplingMode};
use regimen_continual::plasticity::{Activations, ContinualBackpropConfig, Units, probe};
use regimen_continual::{Classifier, Probed, ReDoConfig, Strategy, plain_loss};

const SIDE: usize = 14;
const BATCH: usize = 32;
const STEPS: usize = 100;

type Batch = (Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
struct Net {
    convs: Vec<Conv2d>,
    head: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let conv = |from, to| {
            Conv2dConfig::new([from, to], [3, 3])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        Self {
            convs: vec![conv(1, 16), conv(16, 32)],
            head: LinearConfig::new(32 * 16, 10).init(device),
        }
    }

    fn units() -> Vec<Units> {
        vec![
            Units::new("convs.0").before("convs.1"),
            Units::new("convs.1").before("head"),
        ]
    }
}

impl Classifier for Net {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.probed(batch).unwrap().0
    }
}

impl Probed for Net {
    fn probed(
        &self,
        (images, _): &Batch,
    ) -> regimen_continual::Result<(Tensor<2>, Vec<Activations>)> {
        let [batch, _] = images.dims();
        let mut x = images.clone().reshape([batch, 1, SIDE, SIDE]);
        let mut shown = Vec::new();
        for (at, conv) in self.convs.iter().enumerate() {
            x = relu(conv.forward(x));
            shown.push(Activations::images(format!("convs.{at}"), x.clone()));
        }
        Ok((self.head.forward(x.flatten::<2>(1, 3)), shown))
    }
}

fn hundred(strategy: Option<&dyn Strategy<Net>>, probed: bool, start: &Net, batch: &Batch) {
    let (mut model, mut optim) = (start.clone(), AdamConfig::new().init());
    for _ in 0..STEPS {
        let loss = match strategy {
            Some(strategy) => strategy.loss(&model, batch).unwrap(),
            None => plain_loss(&model, batch),
        };
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = match strategy {
            Some(strategy) => strategy.update(model, &mut optim, 1e-3.into(), grads.into()),
            None => optim.step(1e-3, model, grads),
        };
    }
    if probed {
        probe(&model, batch, 0.025).unwrap();
    }
}

pub(crate) fn steps(criterion: &mut Criterion) {
    let device = Device::default().autodiff();
    let model = Net::new(&device);
    let images = Tensor::random([BATCH, SIDE * SIDE], Distribution::Default, &device);
    let batch = (
        images,
        Tensor::<1, Int>::arange(0..BATCH as i64, &device) % 10,
    );
    let redo = ReDoConfig::new(Net::units()).with_every(STEPS);
    let redo = redo.init(&model).unwrap();
    let backprop = ContinualBackpropConfig::new(Net::units());
    let backprop = backprop.init(&model).unwrap();
    let arms: [(&str, Option<&dyn Strategy<Net>>, bool); 4] = [
        ("plain", None, false),
        ("one probe", None, true),
        ("ReDo, one check", Some(&redo), false),
        ("continual backprop", Some(&backprop), false),
    ];
    let mut group = criterion.benchmark_group("plasticity-100-steps");
    group.sampling_mode(SamplingMode::Flat);
    for (name, strategy, probed) in arms {
        group.bench_function(name, |bencher| {
            bencher.iter(|| hundred(strategy, probed, &model, &batch));
        });
    }
    group.bench_function("the probe alone", |bencher| {
        bencher.iter(|| probe(&model, &batch, 0.025).unwrap());
    });
    group.finish();
}
