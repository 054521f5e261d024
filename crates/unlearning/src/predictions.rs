use burn::data::dataloader::DataLoader;
use burn::tensor::activation::log_softmax;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::error::{self, Result, UnlearningError, same};
use crate::gradients::{reference, widen};
use crate::likelihoods::counts;
use crate::{Classifier, Likelihoods};

/// What a model says of a data set, on the host: one row an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Predictions {
    #[serde(with = "regimen_tensor::floats")]
    log_p: Vec<Vec<f64>>,
    targets: Vec<usize>,
}

regimen_tensor::checked_serde!(Predictions);

/// What rounding may add to a log-probability of 0.
const ROUNDING: f64 = 1e-3;

impl Checked for Predictions {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        if self.log_p.is_empty() {
            return Err(UnlearningError::Empty("evaluation"));
        }
        same("number of labels", self.log_p.len(), self.targets.len())?;
        for (row, target) in self.log_p.iter().zip(&self.targets) {
            if row.iter().any(|value| value.is_nan()) {
                return Err(UnlearningError::NotFinite("evaluation"));
            }
            if let Some(value) = row.iter().find(|value| **value > ROUNDING) {
                return Err(UnlearningError::OutOfRange {
                    field: "log_p",
                    value: value.to_string(),
                    allowed: "0 or less",
                });
            }
            error::label(i64::try_from(*target).unwrap_or(i64::MAX), row.len())?;
        }
        Ok(())
    }
}

impl Predictions {
    /// One pass over a loader with the model as it is used for inference: dropout off, running statistics in batch
    /// normalisation. Rows whose label is below 0 are left out.
    ///
    /// It holds every class's probability of every row on the host: of a language model take
    /// [`token_log_probabilities`] instead.
    ///
    /// # Errors
    /// If the loader fails or is empty, a label is no class, or a prediction is not finite.
    pub fn of<M: Classifier>(model: &M, data: &dyn DataLoader<M::Batch>) -> Result<Self> {
        let _span = tracing::info_span!("predictions", items = data.num_items()).entered();
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        let model = reference(model);
        for batch in data.iter() {
            let batch = batch?;
            let log_p = log_softmax(widen(model.logits(&batch).detach()), 1);
            let classes = log_p.dims()[1];
            let values: Vec<f64> = read(log_p.try_into_vec_as())?;
            let labels: Vec<i64> = read(M::targets(&batch).try_into_vec_as())?;
            for (row, label) in values.chunks(classes).zip(labels) {
                if let Ok(label) = usize::try_from(label) {
                    rows.push(row.to_vec());
                    targets.push(label);
                }
            }
        }
        Self::new(rows, targets)
    }

    /// From log-probabilities, `[examples][classes]`, and labels.
    ///
    /// # Errors
    /// If there is no example, a value is NaN or above 0 (by more than rounding, 1e-3), or a label is not one of its row's classes.
    pub fn new(log_p: Vec<Vec<f64>>, targets: Vec<usize>) -> Result<Self> {
        Self { log_p, targets }.checked()
    }

    /// Number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no example; never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Log-probabilities, one row an example.
    #[must_use]
    pub fn log_probabilities(&self) -> &[Vec<f64>] {
        &self.log_p
    }

    /// On retained and test data higher is better, 1 is perfect and the retrained reference scores near the original; on
    /// forgotten data nearer to the reference is better and its own score is perfect (0 for a whole class).
    ///
    /// The share of examples, `0..=1`, whose likeliest class is their own.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        let right = self.per_example(|row, target| {
            let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            f64::from(u8::from(best == Some(target)))
        });
        right.iter().sum::<f64>() / self.len() as f64
    }

    /// `-log p_y` of each example, in nats.
    #[must_use]
    pub fn losses(&self) -> Vec<f64> {
        self.per_example(|row, target| -row[target])
    }

    /// `p_y` of each example.
    #[must_use]
    pub fn confidences(&self) -> Vec<f64> {
        self.per_example(|row, target| row[target].exp())
    }

    /// Entropy of each prediction, in nats.
    #[must_use]
    pub fn entropies(&self) -> Vec<f64> {
        self.per_example(|row, _| -row.iter().map(|l| product(l.exp(), *l)).sum::<f64>())
    }

    /// The modified entropy `-(1 - p_y) log p_y - sum_{c != y} p_c log(1 - p_c)` of each example (Song and
    /// Mittal, USENIX Security 2021, equation 8); probabilities are kept from 0 and 1 by 1e-12.
    #[must_use]
    pub fn modified_entropies(&self) -> Vec<f64> {
        self.per_example(|row, target| {
            let term = |(class, l): (usize, &f64)| {
                let p = l.exp();
                if class == target {
                    -(1.0 - p) * l.max(1e-12_f64.ln())
                } else {
                    -p * (-p.min(1.0 - 1e-12)).ln_1p()
                }
            };
            row.iter().enumerate().map(term).sum()
        })
    }

    /// The margin `log(p_y / (1 - p_y))` of each example, kept within 50 nats: LiRA's statistic.
    #[must_use]
    pub fn margins(&self) -> Vec<f64> {
        self.per_example(|row, target| {
            let others = row.iter().enumerate().filter(|(class, _)| *class != target);
            let rest: f64 = others.map(|(_, l)| l.exp()).sum();
            (row[target] - rest.ln()).clamp(-50.0, 50.0)
        })
    }

    /// Higher is better, 1 is perfect (as ignorant as a random model), and the retrained reference scores somewhat less.
    ///
    /// [`zrf`](crate::metrics::zrf) from two models' predictions on the forget set, in the same order.
    ///
    /// # Errors
    /// If the numbers of examples or classes differ.
    pub fn zrf(&self, random: &Self) -> Result<f64> {
        same("number of examples", random.len(), self.len())?;
        let mut divergence = 0.0;
        for (p, q) in self.log_p.iter().zip(&random.log_p) {
            same("number of classes", q.len(), p.len())?;
            for (p, q) in p.iter().zip(q) {
                let mean = (0.5 * (p.exp() + q.exp())).ln();
                divergence += 0.5 * (product(p.exp(), p - mean) + product(q.exp(), q - mean));
            }
        }
        Ok(1.0 - divergence / self.len() as f64)
    }

    fn per_example(&self, f: impl Fn(&[f64], usize) -> f64) -> Vec<f64> {
        let rows = self.log_p.iter().zip(&self.targets);
        rows.map(|(row, target)| f(row, *target)).collect()
    }
}

/// The log-probabilities, in nats, of each example's labels that count, in their order: what the metrics of language models
/// ([`tofu`](crate::metrics::tofu), [`muse`](crate::metrics::muse)) are made from. Memory does not grow with the number of classes beyond what
/// the model's [`likelihoods`](Classifier::likelihoods) take; the model is taken as in inference and stays as it is.
///
/// # Errors
/// If the loader fails or is empty, a label is no class, or a log-probability is not finite.
pub fn token_log_probabilities<M: Classifier>(
    model: &M,
    data: &dyn DataLoader<M::Batch>,
) -> Result<Vec<Vec<f64>>> {
    let _span = tracing::info_span!("predictions", items = data.num_items()).entered();
    let (mut found, model) = (Vec::new(), reference(model));
    for batch in data.iter() {
        let batch = batch?;
        let Likelihoods { log_p, counted } = model.likelihoods(&batch);
        let [_, length] = log_p.dims();
        let log_p: Vec<f64> = read(log_p.try_into_vec_as())?;
        let counted: Vec<f64> = read(counted.try_into_vec_as())?;
        if log_p.iter().any(|value| !value.is_finite()) {
            check_labels(&model, &batch)?;
            return Err(UnlearningError::NotFinite("evaluation"));
        }
        for (row, counted) in log_p.chunks(length).zip(counted.chunks(length)) {
            let kept = row
                .iter()
                .zip(counted)
                .filter(|(_, counted)| **counted > 0.0);
            found.push(kept.map(|(value, _)| *value).collect());
        }
    }
    if found.is_empty() {
        return Err(UnlearningError::Empty("evaluation"));
    }
    Ok(found)
}

/// The share of labels that count, `0..=1`, whose class is the likeliest: as [`Predictions::accuracy`], counted on the device.
pub(crate) fn accuracy_of<M: Classifier>(
    model: &M,
    data: &dyn DataLoader<M::Batch>,
) -> Result<f64> {
    let (mut right, mut total, mut size) = (0, 0, 0.0);
    let model = reference(model);
    for batch in data.iter() {
        let batch = batch?;
        let (logits, labels) = (widen(model.logits(&batch).detach()), M::targets(&batch));
        size += logits.clone().max_dim(1).sum().into_scalar::<f64>();
        let classes = logits.dims()[1];
        let outside = labels.clone().greater_equal_elem(classes as i64);
        if outside.any().into_scalar::<bool>() {
            check_labels(&model, &batch)?;
        }
        let [met, counted] = counts(logits, labels);
        right += met;
        total += counted;
    }
    if total == 0 {
        return Err(UnlearningError::Empty("evaluation"));
    }
    if size.is_nan() {
        return Err(UnlearningError::NotFinite("evaluation"));
    }
    Ok(right as f64 / total as f64)
}

/// Refuses a batch with a label that is no class. It takes a forward pass, as in inference, and a read-back: for batches whose loss is not
/// finite.
pub(crate) fn check_labels<M: Classifier>(model: &M, batch: &M::Batch) -> Result<()> {
    let model = reference(model);
    let classes = match model.projected(batch) {
        Some(projected) => projected.weight.dims()[1],
        None => model.logits(batch).dims()[1],
    };
    let labels: Vec<i64> = read(M::targets(batch).try_into_vec_as())?;
    let mut labels = labels.into_iter();
    labels.try_for_each(|label| error::label(label, classes))
}

/// `p` times a logarithm, with `0 log 0 = 0`.
fn product(p: f64, log: f64) -> f64 {
    if p == 0.0 { 0.0 } else { p * log }
}

fn read<T, E: std::fmt::Debug>(values: Result<T, E>) -> Result<T> {
    values.map_err(|error| {
        UnlearningError::Tensor(regimen_tensor::TensorError::Read {
            what: "predictions".into(),
            reason: format!("{error:?}"),
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(p: [f64; 3], target: usize) -> Predictions {
        Predictions::new(vec![p.iter().map(|p| p.ln()).collect()], vec![target]).unwrap()
    }

    #[test]
    fn features_of_07_02_01() {
        let one = of([0.7, 0.2, 0.1], 0);
        assert!((one.entropies()[0] - 0.801_818_55).abs() < 1e-8);
        assert!((one.confidences()[0] - 0.7).abs() < 1e-12);
        assert!((one.losses()[0] - 0.356_674_94).abs() < 1e-8);
        assert!((one.margins()[0] - (0.7_f64 / 0.3).ln()).abs() < 1e-12);
    }

    #[test]
    fn the_modified_entropy_takes_the_logarithm_of_the_complement() {
        let expected = -0.3 * 0.7_f64.ln() - 0.2 * 0.8_f64.ln() - 0.1 * 0.9_f64.ln();
        let found = of([0.7, 0.2, 0.1], 0).modified_entropies()[0];
        assert!((found - expected).abs() < 1e-12);
        // Right and sure is 0, wrong and sure is large: the entropy can't tell them apart.
        assert!(of([1.0, 0.0, 0.0], 0).modified_entropies()[0].abs() < 1e-9);
        assert!(of([1.0, 0.0, 0.0], 1).modified_entropies()[0] > 20.0);
        assert_eq!(of([1.0, 0.0, 0.0], 1).entropies()[0], 0.0);
    }

    #[test]
    fn zrf_of_a_pair() {
        let (p, q) = (of([0.7, 0.2, 0.1], 0), of([0.3, 0.3, 0.4], 0));
        assert!((p.zrf(&q).unwrap() - (1.0 - 0.094_361_51)).abs() < 1e-8);
        assert_eq!(p.zrf(&p).unwrap(), 1.0);
        let (one, other) = (of([1.0, 0.0, 0.0], 0), of([0.0, 1.0, 0.0], 0));
        assert!((one.zrf(&other).unwrap() - (1.0 - std::f64::consts::LN_2)).abs() < 1e-12);
        let two = Predictions::new(vec![vec![0.0]; 2], vec![0; 2]).unwrap();
        assert!(p.zrf(&two).is_err());
    }

    #[test]
    fn bad_predictions_are_refused() {
        assert!(Predictions::new(vec![], vec![]).is_err());
        assert!(Predictions::new(vec![vec![0.0]], vec![1]).is_err());
        assert!(Predictions::new(vec![vec![f64::NAN]], vec![0]).is_err());
        assert!(Predictions::new(vec![vec![0.0]], vec![]).is_err());
    }
}
