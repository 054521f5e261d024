//! # fisher
//!
//! The diagonal Fisher information of a classifier on a task's data, from the gradients of single examples.
//!
//! Source: Kirkpatrick et al. (arXiv 1612.00796); true and empirical after Kunstner et al. (arXiv 1905.12558).

use burn::data::dataloader::DataLoader;
use burn::tensor::activation::log_softmax;
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::{ParamVector, Watch, fisher as diagonal};
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::examples::{Examples, read};
use crate::{ContinualError, Result};

/// Which labels the gradients of the Fisher information are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fisher {
    /// A label drawn from the model's own distribution for each example: an unbiased estimate of the true Fisher information at one
    /// backward pass an example.
    #[default]
    Sampled,
    /// The expectation over the model's distribution: one backward pass a class and example.
    True,
    /// The data's label: the empirical Fisher information.
    Empirical,
    /// The data's label, and each square weighted by the model's probability of it, as Mammoth's online EWC and the released code of
    /// refresh learning have it.
    Weighted,
}

/// The mean over examples of the squared gradient of `log p(label | x)`, f32, on at most `examples` examples of `data`.
///
/// One example at a time, on a copy of the model: running statistics stay as they are. With batch norm, which takes a batch's own statistics
/// wherever a gradient is taken in Burn 0.22, each example is a batch of one: of a convolution its places, of a vector nothing. Where `watch` stops
/// it, the mean is over the examples so far.
///
/// # Errors
/// [`ContinualError::Empty`] without data; [`ContinualError::NotFinite`] if a gradient is not; errors of the loader and the device.
pub fn fisher<M: Classifier>(
    model: &M,
    data: &dyn DataLoader<M::Batch>,
    kind: Fisher,
    examples: usize,
    seed: u64,
    watch: &Watch,
) -> Result<ParamVector> {
    let rows = singles(data, examples)?;
    let diagonal = match kind {
        Fisher::True => {
            diagonal::true_diagonal_watched(model, rows, |model, row| model.logits(&row), watch)?
        }
        kind => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut failed = None;
            let loss = |model: &M, row: M::Batch| {
                let log_p = log_softmax(model.logits(&row).cast(FloatDType::F32), 1);
                let label = match kind {
                    Fisher::Sampled => drawn(&log_p, &mut rng),
                    _ => Ok(row.labels()),
                };
                let label = label.unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    row.labels()
                });
                let log_p = log_p.gather(1, label.reshape([1, 1])).reshape([1]);
                match kind {
                    // The gradient's square is to be weighted by p: the loss by its root.
                    Fisher::Weighted => log_p.clone() * (log_p.detach() * 0.5).exp(),
                    _ => log_p,
                }
            };
            let mean = diagonal::batch_diagonal_watched(model, rows, loss, watch)?;
            if let Some(error) = failed {
                return Err(error);
            }
            mean
        }
    };
    finite("the Fisher information", &diagonal)?;
    Ok(diagonal)
}

/// The first examples of a loader, one at a time.
pub(crate) fn singles<B: Examples>(data: &dyn DataLoader<B>, examples: usize) -> Result<Vec<B>> {
    let mut rows = Vec::new();
    for batch in data.iter() {
        let batch = batch?;
        let wanted = (examples - rows.len()).min(batch.count());
        rows.extend((0..wanted).map(|row| batch.rows(&[row])));
        if rows.len() == examples {
            break;
        }
    }
    if rows.is_empty() {
        return Err(ContinualError::Empty("the data of a task"));
    }
    Ok(rows)
}

/// A class drawn from log-probabilities `[1, classes]`.
fn drawn(log_p: &Tensor<2>, rng: &mut ChaCha8Rng) -> Result<Tensor<1, Int>> {
    let device = log_p.device();
    let p: Vec<f32> = read(
        "log-probabilities",
        log_p.clone().inner().exp().try_into_vec_as(),
    )?;
    let mut left: f32 = rng.random();
    let place = p.iter().position(|p| {
        left -= p;
        left < 0.0
    });
    let place = place.unwrap_or(p.len() - 1) as i64;
    Ok(Tensor::from_data(
        TensorData::new(vec![place], [1]),
        &device,
    ))
}

/// Refuses a vector that holds a value that is not finite: one read.
pub(crate) fn finite(what: &str, vector: &ParamVector) -> Result<()> {
    let sum = vector.l1();
    let sum = read(what, sum.try_into_vec_as::<f32>())?;
    match sum.iter().all(|sum| sum.is_finite()) {
        true => Ok(()),
        false => Err(ContinualError::NotFinite(what.to_owned())),
    }
}
