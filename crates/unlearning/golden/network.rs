//! The residual network of `network.py`, with its weights, running statistics and data: a module of the tests of pruning
//! and of unlearning, that each use a part of it.
#![allow(dead_code, reason = "a test uses a part")]

use std::collections::BTreeMap;

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use regimen_tensor::ParamVector;

/// The rows of a golden file: values by what they are and of which parameter, in PyTorch's order.
pub(super) struct Golden(BTreeMap<(&'static str, &'static str), Vec<f32>>);

impl Golden {
    pub(super) fn read(text: &'static str) -> Self {
        let row = |line: &'static str| {
            let cells: Vec<&str> = line.splitn(3, ',').collect();
            let values = cells[2].split(' ').map(|v| v.parse().unwrap());
            ((cells[0], cells[1]), values.collect())
        };
        Self(text.lines().skip(2).map(row).collect())
    }

    pub(super) fn of(&self, what: &'static str, name: &str) -> &[f32] {
        let values = self.0.iter().find(|((w, n), _)| *w == what && *n == name);
        values.unwrap_or_else(|| panic!("{what} of {name}")).1
    }

    /// That a vector holds these values, each within `tolerance` of the largest of its parameter.
    pub(super) fn assert_near(&self, what: &'static str, vector: &ParamVector, tolerance: f32) {
        let found = vector.to_host().unwrap();
        assert!(!vector.is_empty());
        for (entry, found) in vector.entries().iter().zip(&found) {
            let expected = self.ours(what, &entry.path, &entry.shape);
            let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            assert_eq!(found.len(), expected.len(), "{}", entry.path);
            for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
                let off = (f - e).abs();
                assert!(
                    off <= tolerance * largest,
                    "{what} of {}[{i}]: {f}, {e}",
                    entry.path
                );
            }
        }
    }

    /// The values of a parameter in the order that they have here: a linear layer holds its weight transposed.
    pub(super) fn ours(&self, what: &'static str, path: &str, shape: &[usize]) -> Vec<f32> {
        let name = path.replace("gamma", "weight").replace("beta", "bias");
        let values = self.of(what, &name);
        let [inputs, outputs] = match shape {
            [inputs, outputs] => [*inputs, *outputs],
            _ => return values.to_vec(),
        };
        let cell = |i: usize| values[(i % outputs) * inputs + i / outputs];
        (0..values.len()).map(cell).collect()
    }
}

const CLASSES: usize = 3;

pub(super) type Batch = (Tensor<4>, Tensor<1, Int>);

#[derive(Module, Debug)]
pub(super) struct Block {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    short: Option<Conv2d>,
    short_norm: Option<BatchNorm>,
}

#[derive(Module, Debug)]
pub(super) struct Net {
    stem: Conv2d,
    norm: BatchNorm,
    block1: Block,
    block2: Block,
    head: Linear,
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = relu(self.norm1.forward(self.conv1.forward(x.clone())));
        let y = self.norm2.forward(self.conv2.forward(y));
        let x = match (&self.short, &self.short_norm) {
            (Some(short), Some(norm)) => norm.forward(short.forward(x)),
            _ => x,
        };
        relu(x + y)
    }

    fn norms(&mut self) -> impl Iterator<Item = &mut BatchNorm> {
        let short = self.short_norm.iter_mut();
        [&mut self.norm1, &mut self.norm2].into_iter().chain(short)
    }
}

impl Net {
    pub(super) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.stem.forward(images)));
        let x = self.block2.forward(self.block1.forward(x));
        let x: Tensor<2> = x.mean_dim(3).mean_dim(2).squeeze_dims(&[2, 3]);
        self.head.forward(x)
    }

    /// What the two wide convolutions of the second block get.
    pub(super) fn inputs_of_block2(&self, images: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let x = relu(self.norm.forward(self.stem.forward(images)));
        let first = self.block1.forward(x);
        let block = &self.block2;
        let second = relu(block.norm1.forward(block.conv1.forward(first.clone())));
        (first, second)
    }

    /// The network as it is used for inference: batch norm takes its running statistics, on any device.
    pub(super) fn evaluated(mut self) -> Self {
        let blocks = self.block1.norms().chain(self.block2.norms());
        for norm in blocks.chain([&mut self.norm]) {
            norm.training = Param::from_bool(false);
        }
        self
    }
}

/// Makes layers of what a file holds.
struct Reader {
    golden: Golden,
    device: Device,
    dtype: DType,
}

impl Reader {
    fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let values = self.golden.ours("state", name, &shape);
        Tensor::from_data(TensorData::new(values, shape), (&self.device, self.dtype))
    }

    fn conv(&self, name: &str, channels: [usize; 2], kernel: usize, stride: usize) -> Conv2d {
        let pad = kernel / 2;
        let mut conv = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .init(&self.device);
        let shape = [channels[1], channels[0], kernel, kernel];
        conv.weight = Param::from_tensor(self.tensor(&format!("{name}.weight"), shape));
        conv
    }

    fn norm(&self, name: &str, width: usize) -> BatchNorm {
        let tensor = |part: &str| self.tensor(&format!("{name}.{part}"), [width]);
        let mut norm = BatchNormConfig::new(width).init(&self.device);
        norm.gamma = Param::from_tensor(tensor("weight"));
        norm.beta = Param::from_tensor(tensor("bias"));
        norm.running_mean = RunningState::new(tensor("running_mean"));
        norm.running_var = RunningState::new(tensor("running_var"));
        norm
    }

    fn block(&self, name: &str, channels: [usize; 2], stride: usize) -> Block {
        let part = |part: &str| format!("{name}.{part}");
        let wide = channels[1];
        let short = stride != 1;
        Block {
            conv1: self.conv(&part("conv1"), channels, 3, stride),
            norm1: self.norm(&part("norm1"), wide),
            conv2: self.conv(&part("conv2"), [wide, wide], 3, 1),
            norm2: self.norm(&part("norm2"), wide),
            short: short.then(|| self.conv(&part("short"), channels, 1, stride)),
            short_norm: short.then(|| self.norm(&part("short_norm"), wide)),
        }
    }

    fn head(&self) -> Linear {
        let mut head = LinearConfig::new(6, CLASSES).init(&self.device);
        head.weight = Param::from_tensor(self.tensor("head.weight", [6, CLASSES]));
        head.bias = Some(Param::from_tensor(self.tensor("head.bias", [CLASSES])));
        head
    }
}

/// The images of some classes with their labels.
pub(super) struct Data {
    images: Vec<Vec<f32>>,
    labels: Vec<i32>,
    device: Device,
    dtype: DType,
}

const SHAPE: [usize; 3] = [2, 4, 4];

impl Data {
    pub(super) fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        let pairs = self.images.iter().zip(&self.labels);
        let (images, labels) = pairs
            .filter(|(_, label)| keep(**label as usize))
            .map(|(image, label)| (image.clone(), *label))
            .unzip();
        Self {
            images,
            labels,
            device: self.device.clone(),
            dtype: self.dtype,
        }
    }

    pub(super) fn batches(&self, size: usize) -> Vec<Batch> {
        let [c, h, w] = SHAPE;
        let batch = |(images, labels): (&[Vec<f32>], &[i32])| {
            let shape = [labels.len(), c, h, w];
            let images = TensorData::new(images.concat(), shape);
            (
                Tensor::from_data(images, (&self.device, self.dtype)),
                Tensor::from_data(labels, &self.device),
            )
        };
        let chunks = self.images.chunks(size).zip(self.labels.chunks(size));
        chunks.map(batch).collect()
    }
}

/// The network on an autodiff device, and all data, from the text of `network.csv`, in a float type.
pub(super) fn network(text: &'static str, dtype: DType) -> (Net, Data) {
    let device = Device::flex().autodiff();
    let golden = Golden::read(text);
    let images = golden.of("images", "").chunks(SHAPE.iter().product());
    let data = Data {
        images: images.map(<[f32]>::to_vec).collect(),
        labels: golden.of("labels", "").iter().map(|l| *l as i32).collect(),
        device: device.clone(),
        dtype,
    };
    let reader = Reader {
        golden,
        device,
        dtype,
    };
    let net = Net {
        stem: reader.conv("stem", [2, 4], 3, 1),
        norm: reader.norm("norm", 4),
        block1: reader.block("block1", [4, 4], 1),
        block2: reader.block("block2", [4, 6], 2),
        head: reader.head(),
    };
    assert_eq!(ParamVector::of(&net).len(), 1005);
    (net, data)
}
