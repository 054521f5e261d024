//! Every method of the pruning crate on one network and one data set: the table of peers in the book.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_pruning::grasp::grasp;
use regimen_pruning::lottery::rewind;
use regimen_pruning::snip::snip;
use regimen_pruning::synflow::synflow;
use regimen_pruning::{
    DynamicSparseConfig, Fixed, GraNetConfig, GrowthRule, Layout, MagnitudeConfig, Masks, Pruner,
    RigLConfig, SetConfig, TopKast, TopKastConfig,
};
use regimen_schedules::LrSchedule;
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::rank::{mean, standard_error};

use super::granet::{Pruned, Steps};
use crate::data::{ImageBatch, ImageBatcher, Images};
use crate::experiment::Context;
use crate::models::{Mlp, MlpConfig};
use crate::train::{accuracy, classify, fit};

const BATCH: usize = 32;
const EVERY: usize = 20;
const EPOCHS: usize = 40;
/// Trainings of iterative pruning: the share that goes after each follows from the sparsity.
const ROUNDS: usize = 5;

/// When a method prunes, its name, and how it makes a trained network.
type Row = (&'static str, &'static str, fn(&Job<'_>) -> Result<Mlp>);

const ROWS: [Row; 17] = [
    ("", "dense", |job| job.train_masked(job.dense()?, EPOCHS)),
    ("before", "random, uniform", |job| {
        job.train_masked(job.random(Layout::Uniform)?, EPOCHS)
    }),
    ("before", "random, ERK", |job| {
        job.train_masked(job.random(Layout::Erk)?, EPOCHS)
    }),
    ("before", "magnitude of the initial weights", |job| {
        job.train_masked(job.largest(&job.net())?, EPOCHS)
    }),
    ("before", "SNIP", |job| {
        let (net, masks) = (job.net(), job.dense()?);
        let masks = snip(&net, &job.gradients(&net, 1.0), masks, job.density())?;
        job.train_masked(masks, EPOCHS)
    }),
    ("before", "GraSP", |job| {
        // Logits over 200, as the authors have it.
        let of = |net: &Mlp| Ok(ParamVector::gradients(net, &job.gradients(net, 200.0)));
        let masks = grasp(&job.net(), job.dense()?, job.density(), of)?;
        job.train_masked(masks, EPOCHS)
    }),
    ("before", "SynFlow", |job| {
        let masks = synflow(&job.net(), job.dense()?, job.density(), 100, |net| {
            Ok(job.flow(net))
        })?;
        job.train_masked(masks, EPOCHS)
    }),
    ("during", "SET", |job| {
        let config = SetConfig::new(job.sparsity, job.steps(EPOCHS));
        let config = config.with_update_every(EVERY).with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("during", "RigL", |job| {
        let config = RigLConfig::new(job.sparsity, job.steps(EPOCHS));
        let config = config.with_update_every(EVERY).with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("during", "growth by momentum", |job| {
        let config = DynamicSparseConfig::new(job.sparsity, job.steps(EPOCHS))
            .with_growth(GrowthRule::Momentum)
            .with_until(Some(0.75))
            .with_update_every(EVERY)
            .with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("during", "Top-KAST, twice as many learn", |job| {
        let config = TopKastConfig::new(job.density(), 2.0 * job.density());
        job.train_kast(&config.with_update_every(EVERY).init(&job.net())?)
    }),
    ("during", "gradual magnitude pruning", |job| {
        let config = MagnitudeConfig::new(job.sparsity, job.steps(EPOCHS));
        job.train(config.with_update_every(EVERY).init(&job.net())?, EPOCHS)
    }),
    ("during", "GraNet from dense", |job| {
        let config = GraNetConfig::new(job.sparsity, job.steps(EPOCHS));
        job.train(config.with_update_every(EVERY).init(&job.net())?, EPOCHS)
    }),
    ("during", "GraNet from 50 %", |job| {
        let config = GraNetConfig::new(job.sparsity, job.steps(EPOCHS))
            .with_initial_sparsity(0.5)
            .with_update_every(EVERY)
            .with_seed(job.seed);
        job.train(config.init(&job.net())?, EPOCHS)
    }),
    ("after", "magnitude, no training", |job| {
        let trained = job.train_masked(job.dense()?, EPOCHS)?;
        Ok(job.largest(&trained)?.apply(trained)?)
    }),
    ("after", "magnitude, 10 epochs of fine-tuning", |job| {
        let trained = job.train_masked(job.dense()?, EPOCHS)?;
        let masks = job.largest(&trained)?;
        job.train_from(trained, Fixed::init(masks), EPOCHS / 4, 0.1)
    }),
    ("after", "lottery ticket, 5 rounds", |job| {
        let (early, mut masks) = (job.net(), job.dense()?);
        let share = 1.0 - job.density().powf(1.0 / ROUNDS as f64);
        for _ in 0..ROUNDS {
            let trained = job.train_masked(masks.clone(), EPOCHS)?;
            masks = rewind(&trained, early.clone(), masks, share)?.1;
        }
        job.train_masked(masks, EPOCHS)
    }),
];

/// The table in Markdown: accuracy in percent, mean and standard error over the seeds.
///
/// # Errors
/// If the data can't be read or a method refuses its input.
pub fn table(seeds: u64, sparsities: &[f64]) -> Result<String> {
    let context = Context::new(0);
    let parts = context.images()?.split_standardised(&[0.5, 0.5]);
    let columns: String = sparsities
        .iter()
        .map(|s| format!(" {:.0} % |", 100.0 * s))
        .collect();
    let mut text = format!(
        "| when | method |{columns}\n|---|---|{}\n",
        "---|".repeat(sparsities.len())
    );
    for (when, name, make) in ROWS {
        text += &format!("| {when} | {name} |");
        for sparsity in sparsities {
            let accuracies = (0..seeds).map(|seed| {
                context.device.seed(seed);
                let (pixels, classes) = (parts[0].pixels_per_image(), parts[0].classes);
                let sizes = vec![pixels, 256, 256, classes];
                let job = Job {
                    context: &context,
                    parts: &parts,
                    start: MlpConfig::new(sizes).init(&context.device),
                    sparsity: *sparsity,
                    seed,
                };
                let net = make(&job)?.valid();
                Ok(accuracy(&parts[1], &context.device, |x| net.forward(x)))
            });
            let all = accuracies.collect::<Result<Vec<f64>>>()?;
            text += &format!(" {:.1} ± {:.1} |", mean(&all), standard_error(&all));
        }
        text.push('\n');
    }
    Ok(text)
}

/// One seed at one sparsity.
struct Job<'a> {
    context: &'a Context,
    parts: &'a [Images],
    /// The network before training: the same for every method.
    start: Mlp,
    sparsity: f64,
    seed: u64,
}

impl Job<'_> {
    fn density(&self) -> f64 {
        1.0 - self.sparsity
    }

    fn steps(&self, epochs: usize) -> usize {
        epochs * self.parts[0].labels.len().div_ceil(BATCH)
    }

    /// The network before training.
    fn net(&self) -> Mlp {
        self.start.clone()
    }

    fn dense(&self) -> Result<Masks> {
        Ok(Masks::dense(&self.net())?)
    }

    fn random(&self, layout: Layout) -> Result<Masks> {
        Ok(self.dense()?.random(layout, self.density(), self.seed)?)
    }

    /// The masks of a network's largest weights, over all layers.
    fn largest(&self, net: &Mlp) -> Result<Masks> {
        let masks = Masks::dense(net)?;
        let weights = ParamVector::of(net).filter(|entry| entry.shape.len() == 2);
        let scores = weights.map(|_, values| values.abs()).to_host()?;
        Ok(masks.keep_top(&scores, self.density())?)
    }

    /// The gradients of one batch's mean loss, logits divided by `temperature`.
    fn gradients(&self, net: &Mlp, temperature: f64) -> GradientsParams {
        let first: Vec<usize> = (0..128).collect();
        let batch = self.parts[0].select(&first).batch(&self.context.device);
        let logits = net.forward(batch.images) / temperature;
        let loss = cross_entropy(logits, batch.labels).mean();
        GradientsParams::from_grads(loss.backward(), net)
    }

    /// The gradients of the summed outputs for an input of ones.
    fn flow(&self, net: &Mlp) -> ParamVector {
        let pixels = self.parts[0].pixels_per_image();
        let ones = Tensor::<2>::ones([1, pixels], &self.context.device);
        let grads = net.forward(ones).sum().backward();
        ParamVector::gradients(net, &GradientsParams::from_grads(grads, net))
    }

    fn train_masked(&self, masks: Masks, epochs: usize) -> Result<Mlp> {
        self.train(Fixed::init(masks), epochs)
    }

    fn train(&self, pruner: Pruner, epochs: usize) -> Result<Mlp> {
        self.train_from(self.net(), pruner, epochs, 1.0)
    }

    /// Trains a network with a pruner, at `scale` times the usual rates.
    fn train_from(&self, net: Mlp, pruner: Pruner, epochs: usize, scale: f64) -> Result<Mlp> {
        let model = Pruned {
            net: pruner.mask(net)?,
            pruner: pruner.clone(),
        };
        let net = self.fit(model, epochs, scale, 5e-4)?.net;
        pruner.status()?;
        Ok(net)
    }

    fn train_kast(&self, kast: &TopKast) -> Result<Mlp> {
        let model = Kast {
            net: kast.mask(self.net())?,
            kast: kast.clone(),
        };
        // The exploration penalty stands in the place of weight decay.
        let net = self.fit(model, EPOCHS, 1.0, 0.0)?.net;
        kast.status()?;
        Ok(net)
    }

    fn fit<M>(&self, model: M, epochs: usize, scale: f64, decay: f32) -> Result<M>
    where
        M: TrainStep<Input = ImageBatch> + Module,
    {
        use regimen_schedules::ScheduleExt;
        let loader: Arc<dyn DataLoader<ImageBatch>> = DataLoaderBuilder::new(ImageBatcher)
            .batch_size(BATCH)
            .shuffle(self.seed)
            .set_device(self.context.device.clone())
            .build(self.parts[0].clone());
        let mut config =
            SgdConfig::new().with_momentum(Some(MomentumConfig::new().with_dampening(0.0)));
        if decay > 0.0 {
            config = config.with_weight_decay(Some(WeightDecayConfig::new(decay)));
        }
        let mut rate = LrSchedule::new(Steps(self.steps(epochs)).scaled(scale));
        fit(
            model,
            loader.as_ref(),
            &mut config.init(),
            &mut rate,
            epochs,
        )
    }
}

/// A network that trains by Top-KAST.
#[derive(Module, Debug)]
struct Kast {
    net: Mlp,
    #[module(skip)]
    kast: TopKast,
}

impl TrainStep for Kast {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        self.kast.clone().optimize(self, optim, lr, grads)
    }
}
