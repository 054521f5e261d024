//! Checkpoints: what comes back, what is refused, and what a kill loses.

mod damage;
mod epochs;
mod folders;
mod kills;
mod types;

use std::path::Path;

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::{Checkpoint, Exact, Part, PartError, json};

/// A counter that refuses numbers above a hundred.
#[derive(Debug, Clone, PartialEq)]
struct Count(u64);

impl Part for Count {
    fn kind(&self) -> String {
        "count 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(&self.0)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let count: u64 = json::load(bytes)?;
        if count > 100 {
            return Err(format!("`count` is {count}: allowed is 0 to 100").into());
        }
        self.0 = count;
        Ok(())
    }
}

/// A rate that falls by a line over 30 steps.
#[derive(Clone)]
struct Line(u64);

impl LrScheduler for Line {
    fn step(&mut self) -> f64 {
        self.0 += 1;
        0.05 - 0.0015 * self.0.min(30) as f64
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("step", self.0)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.0 = record.scalar("step").unwrap_or(self.0);
    }
}

/// A rate that halves with each step.
#[derive(Clone)]
struct Halves(f64);

impl LrScheduler for Halves {
    fn step(&mut self) -> f64 {
        self.0 *= 0.5;
        self.0
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("rate", self.0)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.0 = record.scalar("rate").unwrap_or(self.0);
    }
}

/// A linear layer, batch norm, and a head.
#[derive(Module, Debug)]
struct Net {
    first: Linear,
    norm: BatchNorm,
    head: Linear,
}

struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| {
            let tracked = values.is_require_grad();
            let values = Tensor::from_inner(values.inner().cast(self.0));
            if tracked {
                values.require_grad()
            } else {
                values
            }
        })
    }
}

/// A run in a loop of its own.
struct Run {
    net: Net,
    optim: ModuleOptimizer,
    scheduler: Line,
    batches: Count,
    dtype: DType,
}

impl Run {
    fn new(dtype: DType) -> Self {
        let device = Device::flex().autodiff();
        let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
        let net = Net {
            first: layer(3, 8),
            norm: BatchNormConfig::new(8).init(&device),
            head: layer(8, 1),
        };
        // The same start in every process: a formula.
        let mut at = 0;
        let state = ParamVector::of(&net).to_host().unwrap();
        let state = state.into_iter().map(|values| {
            let values = values.into_iter().map(|_| {
                at += 1;
                (at as f32 * 0.7).sin() * 0.5
            });
            values.collect::<Vec<f32>>()
        });
        let state = ParamVector::of(&net).from_host(state.collect()).unwrap();
        let net = state.write_to(net).unwrap().map(&mut Cast(dtype));
        Self {
            net,
            optim: ModuleOptimizer::from(Exact(AdamWConfig::new().with_amsgrad(true).build())),
            scheduler: Line(0),
            batches: Count(0),
            dtype,
        }
    }

    fn unit(&mut self, folder: &Path) -> Checkpoint<'_> {
        Checkpoint::new(folder)
            .with_model(&mut self.net)
            .with_optimizer(&mut self.optim)
            .with_scheduler(&mut self.scheduler)
            .with("batches", &mut self.batches)
    }

    fn step(&mut self) {
        let device = Device::flex().autodiff();
        let at = self.batches.0 as f32;
        let values = (0..12).map(|i| (at * 1.3 + i as f32 * 0.9).cos());
        let data = TensorData::new(values.collect::<Vec<f32>>(), [4, 3]);
        let x = Tensor::<2>::from_data(data, (&device, self.dtype));
        let target = x.clone().sum_dim(1);
        let hidden = self.net.norm.forward(self.net.first.forward(x));
        let loss = (self.net.head.forward(hidden) - target).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &self.net);
        let rate = self.scheduler.step();
        self.net = self.optim.step(rate, self.net.clone(), grads);
        self.batches.0 += 1;
    }

    /// The bits of all parameters and statistics.
    fn bits(&self) -> Vec<u8> {
        let record = self.net.valid().into_record().into_bytes().unwrap();
        let tensors = burn_pack::Reader::from_bytes(record)
            .unwrap()
            .into_tensors()
            .unwrap();
        tensors
            .iter()
            .flat_map(|tensor| tensor.to_bytes().unwrap().to_vec())
            .collect()
    }
}

/// What the error says.
fn text(error: &dyn std::error::Error) -> String {
    error.to_string()
}
