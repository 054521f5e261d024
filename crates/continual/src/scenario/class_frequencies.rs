//! How often each class is drawn.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::check;
use crate::{ContinualError, Result};

/// Classes at most.
pub(super) const MOST: usize = 1 << 16;
/// `classes^2 per_task` of inclusion probabilities at most.
const WORK: usize = 1 << 21;
/// Steps of the quadrature over the logarithm of time; its error falls as `exp(-pi^2 / step)`.
const STEP: f64 = 0.125;

/// The probability of each class, of which the classes of a task are drawn one after the other without replacement.
///
/// ```
/// use regimen_continual::scenario::ClassFrequencies;
///
/// let frequencies = ClassFrequencies::imbalanced(10, 1.0)?;
/// assert!((frequencies.probabilities()[0] - 0.129_032).abs() < 1e-6);
/// assert!((frequencies.entropy() - 2.285_236).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ClassFrequencies {
    probabilities: Vec<f64>,
}
checked_serde!(ClassFrequencies);

impl ClassFrequencies {
    /// `1 / classes` each.
    ///
    /// # Errors
    /// If there are no classes, or more than 65,536.
    pub fn uniform(classes: usize) -> Result<Self> {
        Self::imbalanced(classes, 0.0)
    }

    /// `p_i = q_i^lambda / sum_j q_j^lambda` with `q_i` in proportion to `1 - c i` for the classes `i` from 0 on, and `c` .05 for up to 20 classes,
    /// `1 / classes` for more. A `lambda` of 0 is uniform; a larger one is of lower entropy.
    ///
    /// The first class is the most frequent: [`shuffled`](Self::shuffled) makes frequencies independent of labels.
    ///
    /// # Errors
    /// If there are no classes, or more than 65,536; if `lambda` is below 0 or not finite, or so large that a probability has no place in
    /// float64.
    pub fn imbalanced(classes: usize, lambda: f64) -> Result<Self> {
        count(classes)?;
        check("lambda", lambda, lambda >= 0.0, "0 or more, finite")?;
        let c = (1.0 / classes as f64).min(0.05);
        // The normalisation of q is the same factor for all.
        let weight = |class| (lambda * (1.0 - c * class as f64).ln()).exp();
        let weights: Vec<f64> = (0..classes).map(weight).collect();
        let smallest = weights[classes - 1];
        let allowed = "small enough that no probability vanishes";
        check("lambda", lambda, smallest.is_normal(), allowed)?;
        Self::of(weights)
    }

    /// In proportion to these weights.
    ///
    /// # Errors
    /// If there is none, or more than 65,536; if a weight is not above 0 and finite, or their sum or a probability has no place in float64.
    pub fn of(weights: Vec<f64>) -> Result<Self> {
        count(weights.len())?;
        let sum: f64 = weights.iter().sum();
        let normalised = weights.iter().map(|weight| {
            let good = *weight > 0.0 && sum.is_finite();
            check(
                "weight",
                *weight,
                good,
                "above 0, finite, with a finite sum",
            )?;
            Ok(weight / sum)
        });
        let probabilities = normalised.collect::<Result<_>>()?;
        Self { probabilities }.checked()
    }

    /// The same probabilities, given to the classes in an order that follows from the seed.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.probabilities.sort_by(|a, b| b.total_cmp(a));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.probabilities.shuffle(&mut rng);
        self
    }

    /// The probability of each class.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// `-sum_i p_i ln p_i`.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        self.probabilities.iter().map(|p| -p * p.ln()).sum()
    }

    /// The probability of each class to be in a task of so many. It is no multiple of `p_i` unless that is uniform: draws are without
    /// replacement.
    ///
    /// A class that waits an exponential time with the rate `p_i` is drawn if it is among the first `per_task`:
    /// `pi_i = integral p_i exp(-p_i t) P(fewer than per_task of the others before t) dt`, by the trapezoidal rule over `ln t`.
    ///
    /// # Errors
    /// If a task would have none of the classes, or more than there are; if `classes^2 per_task` is above 2^21.
    pub fn inclusion(&self, per_task: usize) -> Result<Vec<f64>> {
        let p = &self.probabilities;
        let classes = p.len();
        within(per_task, classes)?;
        let work = classes.saturating_mul(classes).saturating_mul(per_task);
        if work > WORK {
            let allowed = "at most 2^21 with `classes`^2";
            return Err(ContinualError::range("per_task", per_task, allowed));
        }
        let smallest = p.iter().fold(1.0, |least: f64, p| least.min(*p));
        // The logarithm of the quotient, which may have no place in float64.
        let (first, last) = (-45.0, 800.0_f64.ln() - smallest.ln());
        let steps = ((last - first) / STEP).ceil() as usize;
        let mut inclusion = vec![0.0; classes];
        for step in 0..=steps {
            let time = (first + step as f64 * STEP).exp();
            for (class, sum) in inclusion.iter_mut().enumerate() {
                let density = p[class] * time * (-p[class] * time).exp();
                if density > 0.0 {
                    *sum += STEP * density * fewer(p, class, time, per_task);
                }
            }
        }
        Ok(inclusion)
    }
}

/// The probability that fewer than `most` of the classes but this one come before a time.
fn fewer(p: &[f64], but: usize, time: f64, most: usize) -> f64 {
    let mut counts = vec![0.0; most];
    counts[0] = 1.0;
    for (class, p) in p.iter().enumerate() {
        if class != but {
            let came = -(-p * time).exp_m1();
            for count in (0..most).rev() {
                let below = if count > 0 { counts[count - 1] } else { 0.0 };
                counts[count] = counts[count] * (1.0 - came) + below * came;
            }
        }
    }
    counts.iter().sum()
}

fn count(classes: usize) -> Result<()> {
    match (1..=MOST).contains(&classes) {
        true => Ok(()),
        false => Err(ContinualError::range("classes", classes, "1 to 65,536")),
    }
}

/// Refuses a task of none of the classes, or of more than there are.
pub(super) fn within(per_task: usize, classes: usize) -> Result<()> {
    match (1..=classes).contains(&per_task) {
        true => Ok(()),
        false => {
            let allowed = format!("1 to {classes}, the classes");
            Err(ContinualError::range("per_task", per_task, &allowed))
        }
    }
}

impl Checked for ClassFrequencies {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        count(self.probabilities.len())?;
        for p in &self.probabilities {
            check("probability", *p, p.is_normal() && *p > 0.0, "above 0")?;
        }
        let sum: f64 = self.probabilities.iter().sum();
        check(
            "sum of the probabilities",
            sum,
            (sum - 1.0).abs() < 1e-9,
            "1",
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn probabilities_and_entropies_of_ten_classes() {
        let of = |lambda| ClassFrequencies::imbalanced(10, lambda).unwrap();
        let ends = |lambda| {
            let all = of(lambda).probabilities;
            (all[0], all[9])
        };
        assert_relative_eq!(ends(1.0).0, 0.129_032_26, epsilon = 1e-8);
        assert_relative_eq!(ends(1.0).1, 0.070_967_74, epsilon = 1e-8);
        assert_relative_eq!(ends(4.0).0, 0.229_445_62, epsilon = 1e-8);
        assert_relative_eq!(ends(4.0).1, 0.020_995_71, epsilon = 1e-8);
        let two = [
            0.160_965_79,
            0.145_271_63,
            0.130_382_29,
            0.116_297_79,
            0.103_018_11,
            0.090_543_26,
            0.078_873_24,
            0.068_008_05,
            0.057_947_69,
            0.048_692_15,
        ];
        for (found, expected) in of(2.0).probabilities.iter().zip(two) {
            assert_relative_eq!(*found, expected, epsilon = 1e-8);
        }
        for (lambda, entropy) in [
            (0.0, 10.0_f64.ln()),
            (1.0, 2.285_235_77),
            (2.0, 2.237_092_68),
            (4.0, 2.079_302_90),
        ] {
            assert_relative_eq!(of(lambda).entropy(), entropy, epsilon = 1e-8);
        }
        let hundred = ClassFrequencies::imbalanced(100, 2.0)
            .unwrap()
            .probabilities;
        assert_relative_eq!(hundred[0], 0.029_555_194_3, epsilon = 1e-10);
        assert_relative_eq!(hundred[99], 2.955_519_4e-6, epsilon = 1e-13);
    }

    #[test]
    fn inclusion_in_a_task_of_two() {
        let inclusion = |lambda| {
            let of = ClassFrequencies::imbalanced(10, lambda).unwrap();
            of.inclusion(2).unwrap()
        };
        let two = inclusion(2.0);
        assert_relative_eq!(two[0], 0.311_822_49, epsilon = 1e-8);
        assert_relative_eq!(two[9], 0.101_175_44, epsilon = 1e-8);
        for pi in inclusion(0.0) {
            assert_relative_eq!(pi, 0.2, epsilon = 1e-12);
            // Absent for 20 tasks in a row.
            assert_relative_eq!((1.0 - pi).powi(20), 0.011_529_22, epsilon = 1e-8);
        }
    }

    #[test]
    fn a_shuffle_depends_on_the_seed_alone() {
        let of = ClassFrequencies::imbalanced(10, 4.0).unwrap();
        let shuffled = of.clone().shuffled(3);
        assert_eq!(shuffled.clone().shuffled(3), shuffled);
        assert_ne!(of.clone().shuffled(4), shuffled);
        let mut sorted = shuffled.probabilities;
        sorted.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(sorted, of.probabilities);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        assert!(ClassFrequencies::uniform(0).is_err());
        assert!(ClassFrequencies::uniform(MOST + 1).is_err());
        assert!(ClassFrequencies::imbalanced(10, -1.0).is_err());
        assert!(ClassFrequencies::imbalanced(100, 1e6).is_err());
        assert!(ClassFrequencies::of(vec![1.0, 0.0]).is_err());
        assert!(ClassFrequencies::of(vec![f64::MAX, f64::MAX]).is_err());
        let of = ClassFrequencies::uniform(3).unwrap();
        assert!(of.inclusion(0).is_err() && of.inclusion(4).is_err());
        let large = ClassFrequencies::uniform(1000).unwrap();
        assert!(large.inclusion(10).is_err());
    }

    proptest! {
        /// They sum up to the size of a task; two draws have a closed form; one draw is the probability itself; a task of all has each.
        #[test]
        fn inclusion_is_that_of_sequential_draws(weights in proptest::collection::vec(0.01_f64..1.0, 2..9), per_task in 1_usize..9) {
            let of = ClassFrequencies::of(weights).unwrap();
            let p = of.probabilities();
            let per_task = per_task.min(p.len());
            let sum: f64 = of.inclusion(per_task).unwrap().iter().sum();
            prop_assert!((sum - per_task as f64).abs() < 1e-9, "{sum}");
            let two = of.inclusion(2).unwrap();
            for (class, pi) in two.iter().enumerate() {
                let others = p.iter().enumerate().filter(|(other, _)| *other != class);
                let second: f64 = others.map(|(_, other)| other * p[class] / (1.0 - other)).sum();
                prop_assert!((pi - p[class] - second).abs() < 1e-9);
            }
            for (pi, p) in of.inclusion(1).unwrap().iter().zip(p) {
                prop_assert!((pi - p).abs() < 1e-9);
            }
            for pi in of.inclusion(p.len()).unwrap() {
                prop_assert!((pi - 1.0).abs() < 1e-9);
            }
        }
    }
}
