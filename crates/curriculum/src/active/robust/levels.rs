//! # Levels
//!
//! Nested classes of difficulty, and how far a policy is above the best worst case of each.
//!
//! Source: Zhang, Jain and Jamieson, "Learning to Actively Learn: A Robust Approach", arXiv 2010.15382

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count, finite};

/// Rising bounds of complexity. A class holds every problem up to its bound, so that classes are nested.
///
/// ```
/// use regimen_curriculum::active::robust::Levels;
///
/// let levels = Levels::quantiles(&[1.0, 4.0, 2.0, 3.0], 2)?;
/// assert_eq!(levels.bounds(), [2.0, 4.0]);
/// assert_eq!(levels.class(2.5), Some(1));
/// // Losses of four problems, and the best worst case of each class: .1 above the first one's, .05 above the second's.
/// assert!((levels.excess(&[1.0, 4.0, 2.0, 3.0], &[0.2, 0.3, 0.1, 0.35], &[0.1, 0.3])? - 0.1).abs() < 1e-12);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Levels {
    bounds: Vec<f64>,
}

checked_serde!(Levels);

impl Checked for Levels {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        finite("bounds", &self.bounds)?;
        let place = self.bounds.windows(2).position(|pair| pair[0] >= pair[1]);
        let value = place.map_or(0.0, |place| self.bounds[place + 1]);
        check("bounds", value, place.is_none(), "rising")
    }
}

impl Levels {
    /// With these bounds.
    ///
    /// # Errors
    /// If there is none, one is not finite, or they don't rise.
    pub fn new(bounds: Vec<f64>) -> Result<Self> {
        Self { bounds }.checked()
    }

    /// With so many classes of about as many problems each; fewer where complexities are the same.
    ///
    /// # Errors
    /// If there is no complexity, one is not finite, or there are more classes than problems, or none.
    pub fn quantiles(complexities: &[f64], classes: usize) -> Result<Self> {
        finite("complexities", complexities)?;
        let problems = complexities.len();
        count(
            "classes",
            classes,
            (1..=problems).contains(&classes),
            "1 to the number of problems",
        )?;
        let mut sorted = complexities.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |class: usize| sorted[(class * problems).div_ceil(classes) - 1];
        let mut bounds: Vec<f64> = (1..=classes).map(at).collect();
        bounds.dedup();
        Self::new(bounds)
    }

    /// The bounds, rising.
    #[must_use]
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// The smallest class that holds a problem of this complexity; none if it is above all bounds, or not a number.
    #[must_use]
    pub fn class(&self, complexity: f64) -> Option<usize> {
        self.bounds.iter().position(|bound| complexity <= *bound)
    }

    /// The largest loss within each class.
    ///
    /// # Errors
    /// If there are not as many losses as complexities, one is not finite, or a class is empty.
    pub fn worst(&self, complexities: &[f64], losses: &[f64]) -> Result<Vec<f64>> {
        finite("losses", losses)?;
        let same = complexities.len() == losses.len();
        count("losses", losses.len(), same, "one a problem")?;
        let worst = |bound: &f64| {
            let inside = complexities.iter().zip(losses);
            let inside = inside.filter(|(complexity, _)| *complexity <= bound);
            inside
                .map(|(_, loss)| *loss)
                .fold(f64::NEG_INFINITY, f64::max)
        };
        let worst: Vec<f64> = self.bounds.iter().map(worst).collect();
        finite("losses of a class", &worst)?;
        Ok(worst)
    }

    /// The objective: the largest, over classes, of the worst loss within the class minus the best worst loss that a policy of its own reaches there.
    ///
    /// # Errors
    /// As for [`worst`](Self::worst), or if there is not one `best` a class, or one is not finite.
    pub fn excess(&self, complexities: &[f64], losses: &[f64], best: &[f64]) -> Result<f64> {
        finite("best", best)?;
        count(
            "best",
            best.len(),
            best.len() == self.bounds.len(),
            "one a class",
        )?;
        let worst = self.worst(complexities, losses)?;
        let each = worst.iter().zip(best).map(|(worst, best)| worst - best);
        Ok(each.fold(f64::NEG_INFINITY, f64::max))
    }

    /// What is subtracted from the loss of each problem in the game: the best worst loss of the smallest class that holds it. Since classes are nested and
    /// these don't fall, the largest loss less its offset is the excess.
    ///
    /// # Errors
    /// If there is not one `best` a class, one is not finite, or a problem is in no class.
    pub fn offsets(&self, complexities: &[f64], best: &[f64]) -> Result<Vec<f64>> {
        finite("best", best)?;
        count(
            "best",
            best.len(),
            best.len() == self.bounds.len(),
            "one a class",
        )?;
        let offset = |complexity: &f64| {
            let class = self.class(*complexity).ok_or(CurriculumError::OutOfRange {
                field: "complexities",
                value: complexity.to_string(),
                allowed: "up to the highest bound",
            })?;
            Ok(best[class])
        };
        complexities.iter().map(offset).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two policies on three problems, each in a class of its own.
    #[test]
    fn the_offset_form_by_hand() {
        let levels = Levels::new(vec![1.0, 2.0, 3.0]).unwrap();
        let complexities = [1.0, 2.0, 3.0];
        let losses = [[0.1, 0.3, 0.5], [0.2, 0.25, 0.45]];
        let best = [0.1, 0.25, 0.45];
        let excess = losses.map(|losses| levels.excess(&complexities, &losses, &best).unwrap());
        approx::assert_relative_eq!(excess[0], 0.05, epsilon = 1e-12);
        approx::assert_relative_eq!(excess[1], 0.10, epsilon = 1e-12);
    }

    proptest! {
        /// The largest excess over nested classes is the largest loss less the offset of the smallest class.
        #[test]
        fn one_offset_a_problem_is_enough(
            problems in prop::collection::vec((0.0..4.0_f64, 0.0..1.0_f64), 8..20),
            mut best in prop::collection::vec(0.0..1.0_f64, 3),
        ) {
            let (complexities, losses): (Vec<f64>, Vec<f64>) = problems.into_iter().unzip();
            let levels = Levels::quantiles(&complexities, 3).unwrap();
            prop_assume!(levels.bounds().len() == 3);
            best.sort_unstable_by(f64::total_cmp);
            let offsets = levels.offsets(&complexities, &best).unwrap();
            let each = losses.iter().zip(offsets).map(|(loss, offset)| loss - offset);
            let largest = each.fold(f64::NEG_INFINITY, f64::max);
            let excess = levels.excess(&complexities, &losses, &best).unwrap();
            prop_assert!((largest - excess).abs() < 1e-12);
        }
    }
}
