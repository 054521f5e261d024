//! The loss of a language model's sequences with its gradient: the last layer in chunks beside all logits at once, in time and in
//! the most memory that either holds.

use burn::module::Param;
use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::{Criterion, SamplingMode};
use regimen_unlearning::{Likelihoods, Projected};

const SEQUENCES: usize = 64;
const LENGTH: usize = 128;
const WIDTH: usize = 128;
const WORDS: usize = 32_000;
const CHUNK: usize = 256;

struct Model {
    hidden: Param<Tensor<3>>,
    weight: Param<Tensor<2>>,
    labels: Tensor<1, Int>,
}

impl Model {
    fn new(device: &Device) -> Self {
        let spread = Distribution::Uniform(-0.1, 0.1);
        let hidden = Tensor::random([SEQUENCES, LENGTH, WIDTH], spread, device);
        let weight = Tensor::random([WIDTH, WORDS], spread, device);
        let labels = Tensor::<1, Int>::arange(0..(SEQUENCES * LENGTH) as i64, device);
        Self {
            hidden: Param::from_tensor(hidden),
            weight: Param::from_tensor(weight),
            labels: (labels * 37).remainder_scalar(WORDS as i64),
        }
    }

    fn projected(&self) -> Projected {
        Projected {
            hidden: self.hidden.val(),
            weight: self.weight.val(),
            bias: None,
            chunk: CHUNK,
        }
    }

    /// Loss and a number of its gradient.
    fn step(&self, chunked: bool) -> [f32; 2] {
        let loss = |found: &Likelihoods| found.losses().mean();
        let loss = match chunked {
            true => self.projected().loss(self.labels.clone(), loss),
            false => {
                let (logits, labels) = (self.projected().logits(), self.labels.clone());
                loss(&Likelihoods::of_logits(logits, labels, LENGTH))
            }
        };
        let grads = loss.backward();
        let slope = self.weight.val().grad(&grads).unwrap().square().sum();
        let hidden = self.hidden.val().grad(&grads).unwrap().square().sum();
        [loss.into_scalar(), (slope + hidden).into_scalar()]
    }
}

pub(crate) fn sequences(criterion: &mut Criterion) {
    let model = Model::new(&Device::default().autodiff());
    // In this order: memory that the allocator keeps would count for the second.
    for (name, chunked) in [("in chunks", true), ("all logits", false)] {
        let start = memory("VmRSS");
        let cleared = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        let found = model.step(chunked);
        if let (Some(start), Some(peak), true) = (start, memory("VmHWM"), cleared) {
            println!(
                "{SEQUENCES} x {LENGTH} tokens, {WORDS} words, width {WIDTH}, {name}: {:.0} MB at most beyond the {:.0} MB before, loss and squared gradient {found:?}",
                (peak - start) / 1e3,
                start / 1e3
            );
        }
    }
    let mut group = criterion.benchmark_group("sequence-loss");
    group.sampling_mode(SamplingMode::Flat);
    for (name, chunked) in [("in chunks", true), ("all logits", false)] {
        group.bench_function(name, |bencher| bencher.iter(|| model.step(chunked)));
    }
    group.finish();
}

/// A line of the system's account of this process, in kB.
fn memory(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
