//! # Datamodel
//!
//! Predicts what a model would output from which training points it saw, by a linear model.
//!
//! Source: Ilyas, Park, Engstrom, Leclerc and Madry, "Datamodels", ICML 2022; the difference of means is Feldman and
//! Zhang's, NeurIPS 2020.

use nalgebra::{DMatrix, DVector};
use regimen_tensor::checked::Checked;
use regimen_tensor::linalg::inverse_spd;
use serde::{Deserialize, Serialize};

use super::outputs::{same_length, width};
use super::{Outputs, Subsets};
use crate::error::{Result, UnlearningError, check, count, memory};

/// A linear model of outputs in the presence of training points:
/// `f_{x,c}(S) = b_{x,c} + sum_{i in S} beta_{x,c,i}`.
///
/// `beta` is the effect of *presence*: to predict the removal of points, subtract it.
///
/// ```
/// use regimen_unlearning::{Datamodel, Outputs, Subsets};
///
/// // Three training points with the effects 0.6, -0.2 and 0.1, on a base of 1.
/// let subsets = vec![vec![0, 1], vec![0, 2], vec![1, 2], vec![0, 1, 2], vec![2], vec![1]];
/// let rows = vec![vec![1.4], vec![1.7], vec![0.9], vec![1.5], vec![1.1], vec![0.8]];
/// let datamodel = Datamodel::ridge(&Subsets::from_members(3, subsets)?, &Outputs::new(rows, 1, 1)?, 0.0)?;
/// assert!((datamodel.effect(0)[0] - 0.6).abs() < 1e-5);
/// assert!((datamodel.predict(&[0, 2])?[0] - 1.7).abs() < 1e-5);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Datamodel {
    points: usize,
    classes: usize,
    bias: Vec<f32>,
    effects: Vec<f32>,
}

regimen_tensor::checked_serde!(Datamodel);

impl Checked for Datamodel {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        let width = width(self.points, self.classes)?;
        let length = self.bias.len();
        count("bias", length, length == width, "points * classes long")?;
        let length = self.effects.len();
        let good = length > 0 && length.is_multiple_of(width);
        count("effects", length, good, "n_train * points * classes long")?;
        let mut values = self.bias.iter().chain(&self.effects);
        if values.any(|value| !value.is_finite()) {
            return Err(UnlearningError::NotFinite("datamodel"));
        }
        Ok(())
    }
}

/// Outputs that are solved for at once: it bounds the memory, not the result.
const BLOCK: usize = 512;

/// Training points of a ridge regression at most.
const POINTS: usize = 1 << 16;

impl Datamodel {
    /// A datamodel from its parts: `bias`, `[points * classes]`, and `effects`,
    /// `[n_train, points, classes]` row-major.
    ///
    /// # Errors
    /// If the lengths do not agree or a value is not finite.
    pub fn new(points: usize, classes: usize, bias: Vec<f32>, effects: Vec<f32>) -> Result<Self> {
        let datamodel = Self {
            points,
            classes,
            bias,
            effects,
        };
        datamodel.checked()
    }

    /// Fits every output by ridge regression on the 0/1 inclusion vectors, with one factorisation:
    /// `beta = (X'X + penalty I)^-1 X'Y` with centred columns and a free intercept.
    ///
    /// With subsets of one size the sum of all effects can't be told from the intercept: the penalty sets it
    /// to 0.
    ///
    /// # Errors
    /// If the penalty is negative or not finite, the design and the outputs differ in length, the penalty is 0
    /// and the subsets do not determine the effects (always so with fewer subsets than points), there are more than 65,536 points, the
    /// memory for three matrices of `points * points` numbers is not to be had, or an effect is not finite.
    pub fn ridge(subsets: &Subsets, outputs: &Outputs, penalty: f64) -> Result<Self> {
        check("penalty", penalty, penalty >= 0.0, "0 or more")?;
        same_length(subsets, outputs)?;
        let (points, models) = (subsets.points(), subsets.len());
        let _span = tracing::info_span!("datamodel", points, models).entered();
        count("points", points, points <= POINTS, "at most 65,536")?;
        let fewer = penalty == 0.0 && subsets.len() < points;
        let allowed = "at least the number of points, where the penalty is 0";
        count("subsets", subsets.len(), !fewer, allowed)?;
        memory::<f64>("points", points, &[points, 3 * points + 3 * subsets.len()])?;
        Self::room(subsets, outputs)?;
        let mut design = inclusion(subsets);
        let share = design.row_mean();
        design.row_iter_mut().for_each(|mut row| row -= &share);
        let mut gram = design.tr_mul(&design);
        let identity = DMatrix::identity(gram.nrows(), gram.ncols());
        gram += identity * penalty;
        let solver = inverse_spd(gram)? * design.transpose();
        Self::fit(subsets, outputs, |values| &solver * values)
    }

    /// Feldman and Zhang's estimate: the mean output with a point minus the mean output without it.
    ///
    /// # Errors
    /// If the design and the outputs differ in length, a point is in all subsets or in none, or an effect is not finite.
    pub fn difference_in_means(subsets: &Subsets, outputs: &Outputs) -> Result<Self> {
        same_length(subsets, outputs)?;
        let members = subsets.iter().map(<[usize]>::len).sum::<usize>();
        let (points, allowed) = (subsets.points(), "at most the members of all subsets");
        count("points", points, points <= members, allowed)?;
        memory::<f64>("points", points, &[points, 3 * subsets.len()])?;
        Self::room(subsets, outputs)?;
        let mut weights = inclusion(subsets).transpose();
        let total = subsets.len() as f64;
        for mut row in weights.row_iter_mut() {
            let with = row.sum();
            let good = with > 0.0 && with < total;
            check("subsets with a point", with, good, "some, but not all")?;
            row.apply(|inside| *inside = *inside / with - (1.0 - *inside) / (total - with));
        }
        Self::fit(subsets, outputs, |values| &weights * values)
    }

    /// That the effects and a block of the fit have room.
    fn room(subsets: &Subsets, outputs: &Outputs) -> Result<()> {
        let (points, width) = (subsets.points(), outputs.width());
        memory::<f32>("points", points, &[points, width + 4 * BLOCK.min(width)])
    }

    /// Solves for blocks of outputs, and sets the intercepts so that the mean residual is 0.
    fn fit(
        subsets: &Subsets,
        outputs: &Outputs,
        effects_of: impl Fn(&DMatrix<f64>) -> DMatrix<f64>,
    ) -> Result<Self> {
        let (train, width) = (subsets.points(), outputs.width());
        let share = inclusion(subsets).row_mean().transpose();
        let mut effects = vec![0.0; train * width];
        let mut bias = Vec::with_capacity(width);
        for start in (0..width).step_by(BLOCK) {
            let values = outputs.columns(start, BLOCK.min(width - start));
            let block = effects_of(&values);
            let center: DVector<f64> = values.row_mean().transpose() - block.tr_mul(&share);
            bias.extend(center.iter().map(|value| *value as f32));
            for (column, values) in block.column_iter().enumerate() {
                for (point, value) in values.iter().enumerate() {
                    effects[point * width + start + column] = *value as f32;
                }
            }
        }
        Self::new(outputs.points(), outputs.classes(), bias, effects)
    }

    /// The number of training points.
    #[must_use]
    pub fn n_train(&self) -> usize {
        self.effects.len() / self.bias.len()
    }

    /// The number of evaluation points.
    #[must_use]
    pub fn n_eval(&self) -> usize {
        self.points
    }

    /// The number of outputs of a point.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.classes
    }

    /// The effect of a training point's presence on every output, `[n_eval * n_classes]`; none if there is no
    /// such point.
    #[must_use]
    pub fn effect(&self, point: usize) -> &[f32] {
        let mut rows = self.effects.chunks(self.bias.len());
        rows.nth(point).unwrap_or(&[])
    }

    /// The effect of a group's presence, the sum of its points' effects, `[n_eval * n_classes]`.
    ///
    /// # Errors
    /// If a point is not a training point.
    pub fn group_effect(&self, group: &[usize]) -> Result<Vec<f32>> {
        let mut sum = vec![0.0_f64; self.bias.len()];
        for point in group {
            let good = *point < self.n_train();
            count("point", *point, good, "a training point")?;
            let pairs = sum.iter_mut().zip(self.effect(*point));
            pairs.for_each(|(sum, effect)| *sum += f64::from(*effect));
        }
        Ok(sum.into_iter().map(|value| value as f32).collect())
    }

    /// The outputs after training on these points, `[n_eval * n_classes]`.
    ///
    /// # Errors
    /// If a point is not a training point.
    pub fn predict(&self, members: &[usize]) -> Result<Vec<f32>> {
        let effect = self.group_effect(members)?;
        Ok(effect.iter().zip(&self.bias).map(|(e, b)| e + b).collect())
    }

    /// The same with all effects times `factor`, such as the
    /// [`calibration`](super::datamodel_score::calibration).
    ///
    /// # Errors
    /// If an effect would not be finite.
    pub fn scaled(mut self, factor: f64) -> Result<Self> {
        check("factor", factor, true, "finite")?;
        let scale = |effect: &mut f32| *effect = (f64::from(*effect) * factor) as f32;
        self.effects.iter_mut().for_each(scale);
        self.checked()
    }
}

/// The 0/1 inclusion vectors, `[subsets, points]`.
fn inclusion(subsets: &Subsets) -> DMatrix<f64> {
    let mut design = DMatrix::zeros(subsets.len(), subsets.points());
    for (row, members) in subsets.iter().enumerate() {
        members.iter().for_each(|point| design[(row, *point)] = 1.0);
    }
    design
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn example() -> (Subsets, Outputs) {
        let effects = [0.6, -0.2, 0.1];
        let members = [
            vec![0, 1],
            vec![0, 2],
            vec![1, 2],
            vec![0, 1, 2],
            vec![2],
            vec![1],
        ];
        let value =
            |subset: &Vec<usize>| vec![1.0 + subset.iter().map(|i| effects[*i]).sum::<f32>()];
        let outputs = Outputs::new(members.iter().map(value).collect(), 1, 1).unwrap();
        (Subsets::from_members(3, members.to_vec()).unwrap(), outputs)
    }

    fn assert_effects(datamodel: &Datamodel, expected: [f32; 3]) {
        for (point, expected) in expected.iter().enumerate() {
            let found = datamodel.effect(point)[0];
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn ordinary_least_squares_is_exact() {
        let (subsets, outputs) = example();
        let datamodel = Datamodel::ridge(&subsets, &outputs, 0.0).unwrap();
        assert_effects(&datamodel, [0.6, -0.2, 0.1]);
        assert!((datamodel.predict(&[]).unwrap()[0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn difference_in_means_of_the_same_rows() {
        let (subsets, outputs) = example();
        let datamodel = Datamodel::difference_in_means(&subsets, &outputs).unwrap();
        assert_effects(&datamodel, [0.6, -0.25, 0.2]);
    }

    #[test]
    fn a_penalty_shrinks() {
        let (subsets, outputs) = example();
        let norm = |penalty: f64| {
            let datamodel = Datamodel::ridge(&subsets, &outputs, penalty).unwrap();
            (0..3).map(|i| datamodel.effect(i)[0].powi(2)).sum::<f32>()
        };
        assert!(norm(0.0) > norm(1.0) && norm(1.0) > norm(10.0));
    }

    #[test]
    fn bad_input_is_named() {
        let (subsets, outputs) = example();
        assert!(Datamodel::ridge(&subsets, &outputs, -1.0).is_err());
        let (few, rest) = subsets.split_at(2).unwrap();
        assert!(Datamodel::ridge(&few, &outputs, 1.0).is_err());
        let (some, _) = outputs.split_at(2).unwrap();
        assert!(Datamodel::ridge(&few, &some, 0.0).is_err());
        assert!(Datamodel::ridge(&few, &some, 0.1).is_ok());
        let (_, others) = outputs.split_at(5).unwrap();
        assert!(Datamodel::difference_in_means(&rest.split_at(3).unwrap().1, &others).is_err());
        assert!(Outputs::new(vec![vec![f32::NAN]], 1, 1).is_err());
        assert!(Outputs::new(vec![vec![0.0, 1.0]], 1, 1).is_err());
        let datamodel = Datamodel::ridge(&subsets, &outputs, 1.0).unwrap();
        let error = datamodel.group_effect(&[3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`point` is 3: allowed is a training point"
        );
        assert!(Datamodel::new(1, 2, vec![0.0], vec![0.0; 4]).is_err());
    }
}
