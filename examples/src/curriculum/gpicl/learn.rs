//! Training on sequences, and the curve of a model over the places of a sequence.

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Int, Tensor};
use regimen_curriculum::tasks::{SequenceBatch, TaskSequences};
use regimen_tensor::per_example::cross_entropy;

use super::settings::{OTHER_LABELS, OWN_LABEL, Settings, WARM_UP};
use crate::experiment::Context;
use crate::models::{SequenceTransformer, SequenceTransformerConfig};

/// Sequences that are tested at once.
const AT_ONCE: usize = 128;

/// A trained model and the loss of each update.
pub(super) struct Learned {
    pub(super) model: SequenceTransformer,
    pub(super) losses: Vec<f64>,
}

/// What the model reads, broken by a fault or not.
fn inputs(context: &Context, batch: &SequenceBatch) -> Tensor<3> {
    let own = context.is_broken_by(OWN_LABEL);
    if !own && !context.is_broken_by(OTHER_LABELS) {
        return batch.inputs.clone();
    }
    let [rows, length, width] = batch.inputs.dims();
    let examples = width - batch.classes();
    let labels = if own {
        let labels: Tensor<3, Int> = batch.labels.clone().one_hot(batch.classes());
        labels.float()
    } else {
        // Those of the next sequence, which is of another task with other examples.
        let labels = batch.inputs.clone().narrow(2, examples, batch.classes());
        let rest = labels.clone().narrow(0, 1, rows - 1);
        Tensor::cat(vec![rest, labels.narrow(0, 0, 1)], 0)
    };
    let all = [0..rows, 0..length, examples..width];
    batch.inputs.clone().slice_assign(all, labels)
}

/// Trains a model on the sequences' tasks, from weights that follow from the device's generator.
pub(super) fn learn(
    context: &Context,
    settings: &Settings,
    sequences: &TaskSequences,
) -> Result<Learned> {
    let Settings {
        classes, length, ..
    } = *settings;
    let numbers = settings.projected + classes;
    let config = SequenceTransformerConfig::new(numbers, classes, length);
    let config = config
        .with_width(settings.width)
        .with_layers(settings.layers);
    let mut model = config.init(&context.device);
    let adam = AdamConfig::new().with_beta_1(0.9).with_beta_2(0.98);
    let mut optim = adam.init();
    let mut losses = Vec::with_capacity(settings.updates);
    for update in 0..settings.updates {
        let batch = sequences.seen(update as u64, settings.batch)?;
        let logits = model.forward(inputs(context, &batch));
        let places = settings.batch * length;
        let labels = batch.labels.reshape([places]);
        let loss = cross_entropy(logits.reshape([places, classes]), labels).mean();
        losses.push(loss.clone().detach());
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        let rate = settings.rate * ((update + 1) as f64 / WARM_UP as f64).min(1.0);
        model = optim.step(rate, model, grads);
    }
    let losses = Tensor::cat(losses, 0).try_into_vec_as::<f32>();
    let losses = losses.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    Ok(Learned {
        model,
        losses: losses.into_iter().map(f64::from).collect(),
    })
}

/// What predicts the labels of a batch.
pub(super) type Predict<'a> = &'a dyn Fn(&SequenceBatch) -> Result<Tensor<2, Int>>;

/// The accuracy at each place over so many batches, in percent.
pub(super) fn curve(
    batches: impl Iterator<Item = regimen_curriculum::Result<SequenceBatch>>,
    predict: Predict<'_>,
) -> Result<Vec<f64>> {
    let mut sums: Vec<f64> = Vec::new();
    let mut count = 0;
    for batch in batches {
        let batch = batch?;
        let found = batch.accuracy(predict(&batch)?)?;
        sums.resize(found.len(), 0.0);
        sums.iter_mut()
            .zip(found)
            .for_each(|(sum, one)| *sum += one);
        count += 1;
    }
    Ok(sums
        .into_iter()
        .map(|sum| 100.0 * sum / f64::from(count))
        .collect())
}

/// The model's predictions, on the device without gradients.
pub(super) fn predictions(
    context: &Context,
    model: &SequenceTransformer,
    batch: &SequenceBatch,
) -> Tensor<2, Int> {
    let [rows, length, _] = batch.inputs.dims();
    let logits = model.forward(inputs(context, batch));
    logits.argmax(2).reshape([rows, length])
}

/// The steps of a test of so many sequences, and the sequences of each.
pub(super) fn steps(tests: usize) -> (std::ops::Range<u64>, usize) {
    let at_once = AT_ONCE.min(tests);
    (0..(tests / at_once) as u64, at_once)
}

/// Without gradients.
pub(super) fn frozen(model: SequenceTransformer) -> SequenceTransformer {
    model.valid()
}
