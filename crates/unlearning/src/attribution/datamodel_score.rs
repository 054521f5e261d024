//! # datamodel_score
//!
//! How well a datamodel predicts the outputs of models that it has not seen.
//!
//! Source: Park, Georgiev, Ilyas, Leclerc and Madry, "TRAK", ICML 2023, definition 2.3: the linear datamodelling score.

use regimen_tensor::stats;

use super::outputs::same_length;
use super::{Datamodel, Outputs, Subsets};
use crate::error::{Result, check};

/// The linear datamodelling score of every output, `[n_eval * n_classes]`: higher is better, 1 is perfect, and models
/// re-trained on the same subsets score what the noise of training leaves, below 1.
///
/// Spearman's correlation over held-out subsets of the predicted and the true output; 0 if either is constant.
/// With one model a subset the noise of training lowers it: average the outputs of several models to lift it.
///
/// # Errors
/// If there are fewer than two subsets, or the datamodel, the subsets and the outputs do not agree.
///
/// ```
/// use regimen_unlearning::attribution::datamodel_score::linear_datamodelling_score;
/// use regimen_unlearning::{Datamodel, Outputs, Subsets};
///
/// let datamodel = Datamodel::new(1, 1, vec![0.0], vec![1.0, 2.0])?;
/// let subsets = Subsets::from_members(2, vec![vec![], vec![0], vec![1]])?;
/// let outputs = Outputs::new(vec![vec![0.1], vec![0.2], vec![0.9]], 1, 1)?;
/// assert_eq!(linear_datamodelling_score(&datamodel, &subsets, &outputs)?, [1.0]);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
pub fn linear_datamodelling_score(
    datamodel: &Datamodel,
    subsets: &Subsets,
    outputs: &Outputs,
) -> Result<Vec<f64>> {
    let (predicted, found) = columns(datamodel, subsets, outputs)?;
    let pairs = predicted.iter().zip(&found);
    pairs
        .map(|(predicted, found)| Ok(stats::spearman(predicted, found)?))
        .collect()
}

/// Nearer to 1 is better, 1 is perfect, and a re-trained model's outputs have the slope 1 against themselves.
///
/// The slope of the true on the predicted outputs: above 1 the effects are too small, below 1 too large, and 0 means that they
/// predict nothing.
///
/// Least squares over all outputs at once, each with its own intercept. Multiply the effects by it
/// ([`Datamodel::scaled`]): it repairs estimates of arbitrary scale, or made at another subset fraction.
///
/// # Errors
/// If there are fewer than two subsets, or the datamodel, the subsets and the outputs do not agree, or every
/// prediction is the same.
pub fn calibration(datamodel: &Datamodel, subsets: &Subsets, outputs: &Outputs) -> Result<f64> {
    let (predicted, found) = columns(datamodel, subsets, outputs)?;
    let (mut joint, mut square) = (0.0, 0.0);
    for (predicted, found) in predicted.iter().zip(&found) {
        let center = stats::mean(predicted);
        for (predicted, found) in predicted.iter().zip(found) {
            joint += (predicted - center) * found;
            square += (predicted - center).powi(2);
        }
    }
    let allowed = "a datamodel whose predictions differ";
    check("variance of the predictions", square, square > 0.0, allowed)?;
    Ok(joint / square)
}

type Columns = Vec<Vec<f64>>;

/// Predicted and true values of each output over the subsets.
fn columns(
    datamodel: &Datamodel,
    subsets: &Subsets,
    outputs: &Outputs,
) -> Result<(Columns, Columns)> {
    same_length(subsets, outputs)?;
    let count = subsets.len();
    check("subsets", count as f64, count >= 2, "2 or more")?;
    let width = datamodel.n_eval() * datamodel.n_classes();
    let found = outputs.points() * outputs.classes();
    check(
        "outputs",
        found as f64,
        width == found,
        "those of the datamodel",
    )?;
    let points = subsets.points();
    let good = points == datamodel.n_train();
    check(
        "points",
        points as f64,
        good,
        "the datamodel's training points",
    )?;
    let mut predicted = vec![Vec::with_capacity(count); width];
    let mut true_values = predicted.clone();
    for (subset, members) in subsets.iter().enumerate() {
        let pairs = datamodel.predict(members)?;
        for (output, (guess, value)) in pairs.iter().zip(outputs.row(subset)).enumerate() {
            predicted[output].push(f64::from(*guess));
            true_values[output].push(f64::from(*value));
        }
    }
    Ok((predicted, true_values))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::SubsetsConfig;

    fn exact() -> (Datamodel, Subsets, Outputs) {
        let effects: Vec<f32> = (0..24).map(|i| (i as f32 * 1.7).sin()).collect();
        let datamodel = Datamodel::new(2, 1, vec![1.0, -2.0], effects).unwrap();
        let subsets = SubsetsConfig::new(20).init(12).unwrap();
        let rows = subsets
            .iter()
            .map(|members| datamodel.predict(members).unwrap());
        let outputs = Outputs::new(rows.collect(), 2, 1).unwrap();
        (datamodel, subsets, outputs)
    }

    #[test]
    fn the_truth_scores_one() {
        let (datamodel, subsets, outputs) = exact();
        let score = linear_datamodelling_score(&datamodel, &subsets, &outputs).unwrap();
        assert!(
            score.iter().all(|score| (score - 1.0).abs() < 1e-9),
            "{score:?}"
        );
        let flipped = datamodel.clone().scaled(-1.0).unwrap();
        let score = linear_datamodelling_score(&flipped, &subsets, &outputs).unwrap();
        assert!(score.iter().all(|score| (score + 1.0).abs() < 1e-9));
    }

    #[test]
    fn calibration_finds_the_scale() {
        let (datamodel, subsets, outputs) = exact();
        let third = datamodel.clone().scaled(1.0 / 3.0).unwrap();
        let slope = calibration(&third, &subsets, &outputs).unwrap();
        assert!((slope - 3.0).abs() < 1e-5);
        let repaired = third.scaled(slope).unwrap();
        assert!((calibration(&repaired, &subsets, &outputs).unwrap() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn what_does_not_agree_is_refused() {
        let (datamodel, subsets, outputs) = exact();
        let (one, _) = subsets.split_at(1).unwrap();
        assert!(linear_datamodelling_score(&datamodel, &one, &outputs).is_err());
        let flat = datamodel.scaled(0.0).unwrap();
        assert!(calibration(&flat, &subsets, &outputs).is_err());
    }
}
