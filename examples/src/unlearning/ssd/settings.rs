//! What else is forgotten: a class, a style of one digit and random images, by a perceptron and a convolutional network.

use anyhow::Result;
use burn::module::Module;
use burn::tensor::{Int, Tensor};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use regimen_unlearning::Classifier;
use regimen_unlearning::methods::train::finetune::FineTune;

use super::job::Job;
use super::network::Network;
use super::subject::{Importances, Setting, Subject, fit, importance};
use crate::data::ImageBatch;
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

/// The settings on both networks; figures only, besides the bound of the ratios. `all` are the perceptron's importances.
/// The convolutional network trains for 8 epochs, to save time.
pub(super) fn run(
    job: &Job<'_>,
    trial: &mut Trial,
    original: &Network,
    all: Importances,
) -> Result<()> {
    let settings = settings(job);
    let perceptron = Subject {
        job,
        network: "mlp",
        original: original.clone(),
        untrained: job.new_model(0),
        bad: job.new_model(1),
        epochs: job.epochs(),
        all,
    };
    // The class on the perceptron is the experiment itself.
    perceptron.forget_all(trial, &settings[1..])?;
    let epochs = job.epochs().min(8);
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
    let all = Importances {
        batched: importance(job, &trained, &job.train, 32)?,
        single: importance(job, &trained, &job.train, 1)?,
    };
    let convolutional = Subject {
        job,
        network: "cnn",
        original: trained,
        untrained,
        bad: new(1),
        epochs,
        all,
    };
    convolutional.forget_all(trial, &settings)
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
