//! What else is forgotten: a class, a style of one digit and random images, by a perceptron and a convolutional network.

use anyhow::Result;
use burn::data::dataloader::DataLoaderBuilder;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Int, Tensor};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::ParamVector;
use regimen_tensor::fisher::batch_diagonal;
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::bad_teacher::BadTeacher;
use regimen_unlearning::metrics::{Predictions, attack};
use regimen_unlearning::optimise::amnesiac::AmnesiacConfig;
use regimen_unlearning::optimise::finetune::FineTune;
use regimen_unlearning::{Classifier, Method, Prepared, SsdConfig, UnlearnConfig};

use super::{Job, Network};
use crate::data::{ImageBatch, ImageBatcher, Images};
use crate::experiment::Trial;
use crate::models::{Cnn, CnnConfig};

/// A convolutional network that forgets.
#[derive(Module, Debug)]
struct Convolutional {
    net: Cnn,
}

impl Classifier for Convolutional {
    type Batch = ImageBatch;

    fn logits(&self, batch: &ImageBatch) -> Tensor<2> {
        self.net.forward(batch.images.clone())
    }

    fn targets(batch: &ImageBatch) -> Tensor<1, Int> {
        batch.labels.clone()
    }
}

impl Classifier for Network {
    type Batch = ImageBatch;

    fn logits(&self, batch: &ImageBatch) -> Tensor<2> {
        self.net.forward(batch.images.clone())
    }

    fn targets(batch: &ImageBatch) -> Tensor<1, Int> {
        batch.labels.clone()
    }
}

/// What is to be forgotten: positions in the training data.
struct Setting {
    name: &'static str,
    forget: Vec<usize>,
}

/// A kind of network, its epochs, and what it is to forget.
struct Subject<'a, M> {
    job: &'a Job<'a>,
    network: &'static str,
    original: M,
    untrained: M,
    bad: M,
    epochs: usize,
}

/// Every setting on both networks; figures only, besides the bound of the ratios.
pub(super) fn run(job: &Job<'_>, trial: &mut Trial, original: &Network) -> Result<()> {
    let all = settings(job);
    let perceptron = Subject {
        job,
        network: "mlp",
        original: original.clone(),
        untrained: job.new_model(0),
        bad: job.new_model(1),
        epochs: job.epochs(),
    };
    // The class on the perceptron is the experiment itself.
    perceptron.all(trial, &all[1..])?;
    let epochs = job.epochs().min(15);
    let new = |offset: u64| {
        job.context.device.seed(job.seed + (offset << 32));
        let config = CnnConfig::new(job.train.width, job.train.classes).with_channels(8);
        Convolutional {
            net: config.init(&job.context.device),
        }
    };
    let untrained = new(0);
    let everything = job.everything();
    let mut sgd = job.sgd(0.05);
    let trained = fit(
        job,
        &untrained,
        &mut FineTune,
        &mut sgd,
        epochs,
        &everything,
    )?;
    let convolutional = Subject {
        job,
        network: "cnn",
        original: trained,
        untrained,
        bad: new(1),
        epochs,
    };
    convolutional.all(trial, &all)
}

/// The class; the third of its training images that lie nearest to its first one; a tenth of all at random.
fn settings(job: &Job<'_>) -> Vec<Setting> {
    let class = job.train.members(job.class);
    let size = job.train.pixels_per_image();
    let image = |i: usize| &job.train.pixels[i * size..(i + 1) * size];
    let distance = |i: usize| -> f32 {
        let pairs = image(i).iter().zip(image(class[0]));
        pairs.map(|(a, b)| (a - b).powi(2)).sum()
    };
    let mut style = class.clone();
    style.sort_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    style.truncate(class.len().div_ceil(3));
    let mut rng = ChaCha8Rng::seed_from_u64(job.seed);
    let total = job.train.labels.len();
    let random = sample(&mut rng, total, total / 10).into_vec();
    [("class", class), ("style", style), ("random", random)]
        .map(|(name, forget)| Setting { name, forget })
        .into()
}

/// Trains by a method; `data` are the forgotten and the retained images.
fn fit<M: Classifier<Batch = ImageBatch>>(
    job: &Job<'_>,
    model: &M,
    method: &mut impl Method<M>,
    (optim, rate): &mut (ModuleOptimizer, f64),
    epochs: usize,
    (forget, retain): &(Images, Images),
) -> Result<M> {
    let loader = |images: &Images| {
        DataLoaderBuilder::new(ImageBatcher)
            .batch_size(32)
            .shuffle(job.seed)
            .set_device(job.context.device.clone())
            .build(images.clone())
    };
    let (forget, retain) = (loader(forget), loader(retain));
    let mut run = UnlearnConfig::new(epochs).with_seed(job.seed).init()?;
    Ok(run.run(model, method, optim, rate, forget.as_ref(), retain.as_ref())?)
}

impl<M: Classifier<Batch = ImageBatch>> Subject<'_, M> {
    fn all(&self, trial: &mut Trial, settings: &[Setting]) -> Result<()> {
        let importance = |images: &Images, size: usize| -> Result<ParamVector> {
            let batches = self.job.batches(images, size);
            let loss = |model: &M, batch: ImageBatch| {
                cross_entropy(model.logits(&batch), batch.labels).mean()
            };
            Ok(batch_diagonal(&self.original, batches, loss)?)
        };
        let train = &self.job.train;
        let (batched, single) = (importance(train, 32)?, importance(train, 1)?);
        for Setting { name, forget } in settings {
            let name = format!("{} {name}", self.network);
            let kept: Vec<usize> = (0..train.labels.len())
                .filter(|i| !forget.contains(i))
                .collect();
            let bound = train.labels.len() as f64 / forget.len() as f64;
            let data = (train.select(forget), train.select(&kept));
            let (few, each) = (importance(&data.0, 32)?, importance(&data.0, 1)?);
            let share = largest_ratio(&each, &single)? / bound;
            trial.record(
                "ssd single alpha half",
                &format!("{name}: largest ratio / bound"),
                share,
            );
            for (arm, alpha, all, part) in [
                ("ssd", 10.0, &batched, &few),
                ("ssd single alpha half", bound / 2.0, &single, &each),
            ] {
                let ssd = SsdConfig::new().with_alpha(alpha).init()?;
                let model = ssd.dampen(self.original.clone(), all, part)?.model;
                self.measure(trial, arm, &name, &model, &data)?;
            }
            self.baselines(trial, &name, &data)?;
        }
        Ok(())
    }

    fn baselines(&self, trial: &mut Trial, name: &str, data: &(Images, Images)) -> Result<()> {
        let job = self.job;
        self.measure(trial, "original", name, &self.original, data)?;
        let model = fit(
            job,
            &self.untrained,
            &mut FineTune,
            &mut job.sgd(0.05),
            self.epochs,
            data,
        )?;
        self.measure(trial, "retrain", name, &model, data)?;
        let model = fit(
            job,
            &self.original,
            &mut FineTune,
            &mut job.sgd(0.02),
            5,
            data,
        )?;
        self.measure(trial, "finetune", name, &model, data)?;
        let mut method = AmnesiacConfig::new(job.train.classes)
            .with_seed(job.seed)
            .init()?;
        let model = fit(job, &self.original, &mut method, &mut job.adam(), 3, data)?;
        self.measure(trial, "amnesiac", name, &model, data)?;
        let mut method = BadTeacher::new(&self.original, &self.bad);
        let third: Vec<usize> = (0..data.1.labels.len()).filter(|i| i % 10 < 3).collect();
        let part = (data.0.clone(), data.1.select(&third));
        let model = fit(job, &self.original, &mut method, &mut job.adam(), 1, &part)?;
        self.measure(trial, "bad teacher", name, &model, data)
    }

    /// Accuracy on the forgotten training images and on test images, and membership inference.
    fn measure(
        &self,
        trial: &mut Trial,
        arm: &str,
        name: &str,
        model: &M,
        (forget, retain): &(Images, Images),
    ) -> Result<()> {
        let model = model.valid();
        let device = self.job.context.device.clone().inner();
        let of = |images: &Images| {
            let batch = Prepared(vec![images.batch(&device)]);
            Predictions::of(&model, &batch)
        };
        // Of a class, only the others' test images can be kept.
        let test = if name.ends_with("class") {
            &self.job.retain_test
        } else {
            &self.job.test
        };
        let (gone, kept, seen) = (of(forget)?, of(test)?, of(retain)?);
        let members = attack(&seen, &of(&self.job.test)?, &gone, Predictions::entropies)?;
        for (metric, value) in [
            ("forgotten, %", gone.accuracy()),
            ("test, %", kept.accuracy()),
            ("members, %", members),
        ] {
            trial.record(arm, &format!("{name}: {metric}"), 100.0 * value);
        }
        Ok(())
    }
}

/// The largest `I_forget / I_all` where `I_all` is a normal number.
fn largest_ratio(forget: &ParamVector, all: &ParamVector) -> Result<f64> {
    let (forget, all) = (forget.to_host()?.concat(), all.to_host()?.concat());
    let pairs = forget.into_iter().zip(all).filter(|(_, all)| *all > 1e-30);
    Ok(pairs
        .map(|(f, a)| f64::from(f) / f64::from(a))
        .fold(0.0, f64::max))
}
