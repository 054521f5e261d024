//! # ability
//!
//! How able a subject is that answered items of known difficulty.
//!
//! Source: PUDF (arXiv 2408.05326) and its released code, whose estimate is the mode with a standard normal prior

use serde::{Deserialize, Serialize};

use super::model::{ItemParameters, softplus};
use crate::error::{CurriculumError, Result, check};
use regimen_tensor::checked::Checked;

/// Which value of the ability is taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AbilityEstimate {
    /// The mode with a normal prior around 0. It shrinks where there are few items: do not compare it between sets of different size.
    Map {
        /// The prior's standard deviation, above 0; 1 in the paper's code.
        prior: f64,
    },
    /// The most likely value: infinite where all answers are right or all are wrong.
    MaximumLikelihood,
}

impl Default for AbilityEstimate {
    fn default() -> Self {
        Self::Map { prior: 1.0 }
    }
}

/// Where the likelihood is looked at first.
const GRID: i32 = 60;
/// The largest ability that is searched for.
const LARGEST: f64 = 1e7;
const STEPS: usize = 200;
/// A step so near to the mode is that of a parabola.
const NEAR: f64 = 1e-5;

/// The ability of a subject with these answers.
///
/// ```
/// use regimen_curriculum::ability::irt::{AbilityEstimate, ItemParameters, ability};
///
/// let items = [-3.0, -2.0, -2.0, -1.0, -3.0].map(ItemParameters::of_difficulty);
/// let right = [true, false, true, true, false];
/// let theta = ability(&items, &right, AbilityEstimate::default())?;
/// assert!((theta + 0.848_772_192_4).abs() < 1e-9);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there is no item, their number is not that of the answers, a parameter of one or the prior lies outside its range.
pub fn ability(items: &[ItemParameters], right: &[bool], estimate: AbilityEstimate) -> Result<f64> {
    if items.is_empty() {
        return Err(CurriculumError::TooFew {
            field: "items",
            found: 0,
            needed: 1,
        });
    }
    if items.len() != right.len() {
        return Err(CurriculumError::Lengths {
            ids: items.len(),
            losses: right.len(),
        });
    }
    items.iter().try_for_each(Checked::check)?;
    let precision = match estimate {
        AbilityEstimate::Map { prior } => {
            let good = (1e-3..=1e6).contains(&prior);
            check("prior", prior, good, "0.001 to 1000000")?;
            1.0 / (prior * prior)
        }
        AbilityEstimate::MaximumLikelihood => {
            if right.iter().all(|right| *right) {
                return Ok(f64::INFINITY);
            }
            if right.iter().all(|right| !right) {
                return Ok(f64::NEG_INFINITY);
            }
            0.0
        }
    };
    Ok(Answers {
        items,
        right,
        precision,
    }
    .mode())
}

struct Answers<'a> {
    items: &'a [ItemParameters],
    right: &'a [bool],
    /// One over the prior's variance.
    precision: f64,
}

impl Answers<'_> {
    fn log_posterior(&self, theta: f64) -> f64 {
        let of = |(item, right): (&ItemParameters, &bool)| log_probability(item, theta, *right);
        let likelihood: f64 = self.items.iter().zip(self.right).map(of).sum();
        likelihood - 0.5 * self.precision * theta * theta
    }

    /// The slope and the expected curvature.
    fn slope(&self, theta: f64) -> (f64, f64) {
        let (mut slope, mut curvature) = (-self.precision * theta, self.precision);
        for (item, right) in self.items.iter().zip(self.right) {
            let p = item.probability(theta);
            let spread = p * (1.0 - p);
            let share = (p - item.guessing) / (item.upper - item.guessing);
            let rise = item.discrimination * (item.upper - item.guessing) * share * (1.0 - share);
            if spread > 0.0 && rise > 0.0 {
                slope += (f64::from(u8::from(*right)) - p) * rise / spread;
                curvature += rise * rise / spread;
            } else {
                // In the tails of a curve without guessing `rise / spread` is the discrimination.
                let sign = if *right { 1.0 - p } else { -p };
                slope += sign * item.discrimination;
            }
        }
        (slope, curvature)
    }

    /// From the best of a grid around the difficulties by steps that never go down.
    fn mode(&self) -> f64 {
        let difficulties = self.items.iter().map(|item| item.difficulty);
        let (low, high) = difficulties.fold((0.0, 0.0), |(low, high), difficulty: f64| {
            (difficulty.min(low), difficulty.max(high))
        });
        let (low, high): (f64, f64) = (low - 3.0, high + 3.0);
        let points =
            (0..=GRID).map(|place| low + (high - low) * f64::from(place) / f64::from(GRID));
        let mut best = (f64::NEG_INFINITY, 0.0);
        for theta in points {
            let value = self.log_posterior(theta);
            if value > best.0 {
                best = (value, theta);
            }
        }
        let (mut value, mut theta) = best;
        for _ in 0..STEPS {
            let (slope, curvature) = self.slope(theta);
            let mut step = slope / curvature.max(1e-12);
            // A step over more than the grid is none of a parabola.
            step = step.clamp(-(high - low), high - low);
            if step.abs() < NEAR {
                // The value is too coarse to compare by.
                theta += step;
                if step.abs() <= 1e-13 * (1.0 + theta.abs()) {
                    break;
                }
                continue;
            }
            let mut found = None;
            for _ in 0..60 {
                let next = (theta + step).clamp(-LARGEST, LARGEST);
                let at = self.log_posterior(next);
                if at >= value {
                    found = Some((at, next));
                    break;
                }
                step /= 2.0;
            }
            let Some((at, next)) = found else { break };
            (value, theta) = (at, next);
        }
        theta
    }
}

/// The logarithm of the chance of an answer.
pub(super) fn log_probability(item: &ItemParameters, theta: f64, right: bool) -> f64 {
    let x = item.discrimination * (theta - item.difficulty);
    if item.guessing == 0.0 && item.upper == 1.0 {
        return -softplus(if right { -x } else { x });
    }
    let p = item.probability(theta);
    let p = if right { p } else { 1.0 - p };
    p.max(f64::MIN_POSITIVE).ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(difficulties: &[f64], right: &[u8], estimate: AbilityEstimate) -> f64 {
        let items = difficulties
            .iter()
            .map(|b| ItemParameters::of_difficulty(*b));
        let right: Vec<bool> = right.iter().map(|right| *right == 1).collect();
        ability(&items.collect::<Vec<_>>(), &right, estimate).unwrap()
    }

    #[test]
    fn modes_and_most_likely_values() {
        let map = AbilityEstimate::default();
        let ml = AbilityEstimate::MaximumLikelihood;
        let five = [-3.0, -2.0, -2.0, -1.0, -3.0];
        let wide = [-1.0, -0.75, 0.02, 1.4, 3.2];
        for (difficulties, right, estimate, wanted) in [
            (five, [1, 0, 1, 1, 0], map, -0.848_772_192_4),
            (five, [1, 0, 1, 1, 0], ml, -1.749_786_080_1),
            (wide, [1, 1, 1, 0, 0], map, 0.464_573_380_2),
            (wide, [1, 0, 1, 0, 1], map, 0.464_573_380_2),
            (wide, [1, 1, 1, 0, 0], ml, 1.051_692_968_7),
            (wide, [1, 0, 1, 0, 1], ml, 1.051_692_968_7),
            (wide, [1; 5], map, 1.605_491_721_0),
            (wide, [0; 5], map, -1.170_553_252_9),
        ] {
            let found = of(&difficulties, &right, estimate);
            assert!(
                (found - wanted).abs() < 1e-9,
                "{right:?} {estimate:?}: {found}"
            );
        }
        assert_eq!(of(&wide, &[1; 5], ml), f64::INFINITY);
        assert_eq!(of(&wide, &[0; 5], ml), f64::NEG_INFINITY);
        let many = |count: usize| {
            let right: Vec<u8> = (0..count)
                .map(|place| u8::from(5 * place < 4 * count))
                .collect();
            of(&vec![0.0; count], &right, map)
        };
        assert!((many(10) - 0.896_893_343_6).abs() < 1e-9);
        assert!((many(1000) - 1.377_705_832_6).abs() < 1e-9);
    }

    #[test]
    fn the_mode_is_that_of_a_fine_grid_for_any_curve() {
        let items: Vec<ItemParameters> = (0..12)
            .map(|place| ItemParameters {
                difficulty: f64::from(place) / 3.0 - 2.0,
                discrimination: 0.5 + f64::from(place % 4),
                guessing: 0.05 * f64::from(place % 5),
                upper: 1.0 - 0.04 * f64::from(place % 3),
            })
            .collect();
        for pattern in 0..64_u32 {
            let right: Vec<bool> = (0..12)
                .map(|place| ((pattern * 67) >> place) & 1 == 1)
                .collect();
            let found = ability(&items, &right, AbilityEstimate::default()).unwrap();
            let answers = Answers {
                items: &items,
                right: &right,
                precision: 1.0,
            };
            let grid = (-6000..6000).map(|place| answers.log_posterior(f64::from(place) / 1000.0));
            let best = grid.fold(f64::NEG_INFINITY, f64::max);
            assert!(answers.log_posterior(found) >= best - 1e-9, "{pattern}");
        }
    }

    #[test]
    fn more_right_answers_are_more_ability_and_a_shift_is_a_shift() {
        let difficulties = [-1.0, 0.0, 0.5, 2.0];
        let scores = [[0; 4], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1; 4]];
        let found = scores.map(|right| of(&difficulties, &right, AbilityEstimate::default()));
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        let ml = AbilityEstimate::MaximumLikelihood;
        let shifted = difficulties.map(|b| b + 3.0);
        let (near, far) = (
            of(&difficulties, &scores[2], ml),
            of(&shifted, &scores[2], ml),
        );
        assert!((far - near - 3.0).abs() < 1e-9);
    }
}
