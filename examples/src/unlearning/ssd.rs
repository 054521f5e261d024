//! A class forgotten by selective synaptic dampening, against training anew and the usual baselines.

mod settings;

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use burn::train::{ClassificationOutput, TrainOutput, TrainStep};
use regimen_schedules::{Constant, LrSchedule};
use regimen_tensor::ParamVector;
use regimen_tensor::fisher::batch_diagonal;
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::bad_teacher::BadTeacher;
use regimen_unlearning::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::metrics::softmax_entropy;
use regimen_unlearning::{SsdConfig, UnlearnConfig, lfssd, membership_inference, relabel};

use crate::data::{ImageBatch, ImageBatcher, Images};
use crate::experiment::{Better, Check, Context, DataKind, PaperEffect, System, Trial};
use crate::experiment::{differences, values};
use crate::models::{Mlp, MlpConfig};
use crate::train::{accuracy, classify, fit};

/// The experiment.
pub const SYSTEM: System = System {
    name: "ssd",
    number: 20,
    krate: "regimen-unlearning",
    paper: "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening (arXiv 2308.07707)",
    claim: "Dampening forgets a whole class of a trained classifier without a training step and keeps its accuracy on the others; with importances of single examples the same threshold forgets nothing",
    metric: "test accuracy on the forgotten class",
    unit: "%",
    better: Better::Lower,
    baseline: "finetune",
    method: "ssd",
    rule: "holds if, in the mean over seeds, with batches of 32, alpha 10 and lambda 1: accuracy on the forgotten class is below 2 %; accuracy on the others is at most 1 point below the original model's; with importances of single examples at alpha 10 the forgotten class stays above 90 %; and no ratio of importances of single examples exceeds |D| / |D_f|, in any setting on either network",
    paper_effect: PaperEffect::Shown,
    seeds: 10,
    source: "examples/src/unlearning/ssd.rs",
    data: DataKind::Images,
    curve: "share of weights edited, % / test accuracy, %",
    run,
    judge,
};

/// A perceptron as Burn's learner trains it.
#[derive(Module, Debug)]
struct Network {
    net: Mlp,
}

impl TrainStep for Network {
    type Input = ImageBatch;
    type Output = ClassificationOutput;

    fn step(&self, batch: ImageBatch) -> TrainOutput<ClassificationOutput> {
        classify(self, batch, |model, images| model.net.forward(images))
    }
}

fn loss(model: &Network, batch: ImageBatch) -> Tensor<1> {
    cross_entropy(model.net.forward(batch.images), batch.labels).mean()
}

/// One seed: the data in its parts, and the model that is to forget.
struct Job<'a> {
    context: &'a Context,
    seed: u64,
    class: usize,
    train: Images,
    retain: Images,
    forget: Images,
    retain_test: Images,
    forget_test: Images,
    test: Images,
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let job = Job::new(context, seed)?;
    let epochs = job.epochs();

    let original = job.train(job.new_model(0), &job.train, job.sgd(0.05), epochs)?;
    job.measure(&mut trial, "original", &original)?;
    job.dampen(&mut trial, &original)?;

    let retrained = job.train(job.new_model(0), &job.retain, job.sgd(0.05), epochs)?;
    job.measure(&mut trial, "retrain", &retrained)?;
    let tuned = job.train(original.clone(), &job.retain, job.sgd(0.02), 5)?;
    job.measure(&mut trial, "finetune", &tuned)?;
    let amnesiac = job.train(original.clone(), &job.relabelled()?, job.adam(), 3)?;
    job.measure(&mut trial, "amnesiac", &amnesiac)?;
    job.measure(
        &mut trial,
        "gradient ascent",
        &job.ascend(original.clone())?,
    )?;
    job.measure(&mut trial, "bad teacher", &job.imitate(&original)?)?;
    settings::run(&job, &mut trial, &original)?;
    Ok(trial)
}

impl<'a> Job<'a> {
    fn new(context: &'a Context, seed: u64) -> Result<Self> {
        let images = context.images()?;
        let class = seed as usize % images.classes;
        let mut parts = images.split_standardised(&[0.6, 0.4]);
        let (test, train) = (parts.remove(1), parts.remove(0));
        let part = |images: &Images, of_class: bool| {
            let chosen = |i: &usize| (images.labels[*i] == class) == of_class;
            let positions: Vec<usize> = (0..images.labels.len()).filter(chosen).collect();
            images.select(&positions)
        };
        Ok(Self {
            context,
            seed,
            class,
            retain: part(&train, false),
            forget: part(&train, true),
            retain_test: part(&test, false),
            forget_test: part(&test, true),
            train,
            test,
        })
    }

    /// The method: two passes over data and one edit, at several thresholds and batch sizes.
    fn dampen(&self, trial: &mut Trial, original: &Network) -> Result<()> {
        let importances = |batch: usize| -> Result<(ParamVector, ParamVector)> {
            let of = |images: &Images| batch_diagonal(original, self.batches(images, batch), loss);
            Ok((of(&self.train)?, of(&self.forget)?))
        };
        let (batched, single) = (importances(32)?, importances(1)?);
        for (arm, (all, forget), alpha) in [
            ("ssd", &batched, 10.0),
            ("ssd alpha 5", &batched, 5.0),
            ("ssd single alpha 10", &single, 10.0),
            ("ssd single alpha 3", &single, 3.0),
        ] {
            // The fault: a strength at which every factor is 1.
            let lambda = if self.context.fault { 1e30 } else { 1.0 };
            let ssd = SsdConfig::new()
                .with_alpha(alpha)
                .with_lambda(lambda)
                .init()?;
            let dampened = ssd.dampen(original.clone(), all, forget)?;
            self.measure(trial, arm, &dampened.model)?;
            trial.record(arm, "share of weights edited, %", 100.0 * dampened.share());
        }
        let all = self.label_free(original, &self.train)?;
        let forget = self.label_free(original, &self.forget)?;
        let dampened =
            SsdConfig::new()
                .with_alpha(3.0)
                .init()?
                .dampen(original.clone(), &all, &forget)?;
        self.measure(trial, "lfssd single alpha 3", &dampened.model)?;
        self.sweep(trial, original, &batched)
    }

    /// Accuracies over thresholds, for the plot.
    fn sweep(
        &self,
        trial: &mut Trial,
        original: &Network,
        importances: &(ParamVector, ParamVector),
    ) -> Result<()> {
        let (mut kept, mut forgotten) = (Vec::new(), Vec::new());
        for alpha in [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
            let ssd = SsdConfig::new().with_alpha(alpha).init()?;
            let dampened = ssd.dampen(original.clone(), &importances.0, &importances.1)?;
            let share = 100.0 * dampened.share();
            kept.push((share, self.accuracy(&dampened.model, &self.retain_test)));
            forgotten.push((share, self.accuracy(&dampened.model, &self.forget_test)));
        }
        trial.curve("other classes", kept);
        trial.curve("forgotten class", forgotten);
        Ok(())
    }

    fn label_free(&self, model: &Network, images: &Images) -> Result<ParamVector> {
        let batches = self.batches(images, 1);
        Ok(lfssd::importance(model, batches, |model, batch| {
            model.net.forward(batch.images)
        })?)
    }

    fn batches(&self, images: &Images, size: usize) -> Vec<ImageBatch> {
        let positions: Vec<usize> = (0..images.labels.len()).collect();
        let chunks = positions.chunks(size);
        chunks
            .map(|chunk| images.select(chunk).batch(&self.context.device))
            .collect()
    }

    fn epochs(&self) -> usize {
        if self.context.small { 15 } else { 40 }
    }

    /// All training data, nothing to be forgotten apart.
    fn everything(&self) -> (Images, Images) {
        (self.train.clone(), self.train.clone())
    }

    fn new_model(&self, offset: u64) -> Network {
        self.context.device.seed(self.seed + (offset << 32));
        let (pixels, classes) = (self.train.pixels_per_image(), self.train.classes);
        let config = MlpConfig::new(vec![pixels, 256, 256, classes]);
        Network {
            net: config.init(&self.context.device),
        }
    }

    fn sgd(&self, rate: f64) -> (ModuleOptimizer, f64) {
        let momentum = MomentumConfig::new().with_dampening(0.0);
        let optim = SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
            .init();
        (optim, rate)
    }

    fn adam(&self) -> (ModuleOptimizer, f64) {
        (AdamConfig::new().init(), 1e-4)
    }

    fn train(
        &self,
        model: Network,
        images: &Images,
        (mut optim, rate): (ModuleOptimizer, f64),
        epochs: usize,
    ) -> Result<Network> {
        let loader = self.loader(images);
        let mut rate = LrSchedule::new(Constant::new(rate)?);
        fit(model, loader.as_ref(), &mut optim, &mut rate, epochs)
    }

    fn loader(&self, images: &Images) -> Arc<dyn DataLoader<ImageBatch>> {
        DataLoaderBuilder::new(ImageBatcher)
            .batch_size(32)
            .shuffle(self.seed)
            .set_device(self.context.device.clone())
            .build(images.clone())
    }

    /// The training data with random wrong labels on the forgotten class.
    fn relabelled(&self) -> Result<Images> {
        let mut images = self.train.clone();
        let positions = images.members(self.class);
        let wrong = relabel(
            &vec![self.class; positions.len()],
            images.classes,
            self.seed,
        )?;
        for (position, label) in positions.into_iter().zip(wrong) {
            images.labels[position] = label;
        }
        Ok(images)
    }

    /// At most three epochs up the bounded loss of the forgotten class.
    fn ascend(&self, model: Network) -> Result<Network> {
        let bound = (self.train.classes as f64).ln();
        let mut method = GradientAscentConfig::new(bound).init()?;
        let clipping = GradientClippingConfig::Norm(1.0).init();
        let mut optim = SgdConfig::new().init().with_grad_clipping(clipping);
        let (forget, retain) = (self.loader(&self.forget), self.loader(&self.retain));
        let mut run = UnlearnConfig::new(3).init()?;
        let (forget, retain) = (forget.as_ref(), retain.as_ref());
        Ok(run.run(&model, &mut method, &mut optim, &mut 0.02, forget, retain)?)
    }

    /// One epoch of bad teaching on the forgotten class and 30 % of the rest.
    fn imitate(&self, original: &Network) -> Result<Network> {
        let third: Vec<usize> = (0..self.retain.labels.len())
            .filter(|i| i % 10 < 3)
            .collect();
        let mut method = BadTeacher::new(original, &self.new_model(1));
        let (mut optim, mut rate) = self.adam();
        let (forget, retain) = (
            self.loader(&self.forget),
            self.loader(&self.retain.select(&third)),
        );
        let mut run = UnlearnConfig::new(1).with_seed(self.seed).init()?;
        let (forget, retain) = (forget.as_ref(), retain.as_ref());
        Ok(run.run(original, &mut method, &mut optim, &mut rate, forget, retain)?)
    }

    fn accuracy(&self, model: &Network, images: &Images) -> f64 {
        let model = model.valid();
        accuracy(images, &self.context.device, |x| model.net.forward(x))
    }

    /// Accuracies and membership inference of a model.
    fn measure(&self, trial: &mut Trial, arm: &str, model: &Network) -> Result<()> {
        let valid = model.valid();
        let entropies = |images: &Images| -> Result<Vec<f64>> {
            let batch = images.batch(&self.context.device.clone().inner());
            let entropy = softmax_entropy(valid.net.forward(batch.images));
            Ok(entropy.try_into_vec_as::<f64>()?)
        };
        let attack = membership_inference(
            &entropies(&self.retain)?,
            &entropies(&self.test)?,
            &entropies(&self.forget)?,
        )?;
        trial.record(arm, "main", self.accuracy(model, &self.forget_test));
        trial.record(
            arm,
            "accuracy on the others",
            self.accuracy(model, &self.retain_test),
        );
        trial.record(arm, "membership inference, %", 100.0 * attack);
        Ok(())
    }
}

/// Settings beside the class that the perceptron forgets.
const RATIOS: [&str; 5] = [
    "mlp style",
    "mlp random",
    "cnn class",
    "cnn style",
    "cnn random",
];

fn judge(trials: &[Trial]) -> Vec<Check> {
    let lost = differences(trials, "original", "ssd", "accuracy on the others");
    let single = values(trials, "ssd single alpha 10", "main");
    let ratios = RATIOS.iter().flat_map(|setting| {
        let metric = format!("{setting}: largest ratio / bound");
        values(trials, "ssd single alpha half", &metric)
    });
    vec![
        Check::at_most(
            "accuracy on the forgotten class after ssd, below 2 %",
            values(trials, "ssd", "main"),
            2.0,
        ),
        Check::at_most(
            "accuracy on the others lost by ssd, at most 1 point",
            lost,
            1.0,
        ),
        Check::at_least(
            "forgotten class with single examples at alpha 10, above 90 %",
            single,
            90.0,
        ),
        Check::at_most(
            "largest ratio of importances of single examples over |D| / |D_f|, at most 1 (rounding aside)",
            vec![ratios.fold(0.0, f64::max); trials.len()],
            1.001,
        ),
    ]
}
