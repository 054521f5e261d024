//! What a fitness counts for in a search.

use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError};

/// What two candidates of a pair get whose fitness is equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// The first, `mean + sigma e`, gets 0 and the second 1, as in the released code.
    #[default]
    Second,
    /// Both get a half: a tie moves nothing.
    Half,
}

/// What a fitness counts for.
///
/// | shaping | a candidate's utility | of a fitness that is NaN |
/// |---|---|---|
/// | `PairRanks` | 1 for the winner of its pair, 0 for the loser | it loses; two are a tie |
/// | `ZScored` | `(f - mean) / deviation` over all candidates, the deviation of the population; 0 where all are equal | an error |
/// | `Raw` | the fitness | an error |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shaping {
    /// Ranks within each pair.
    PairRanks(Ties),
    /// Standardised over the generation.
    ZScored,
    /// As it is.
    Raw,
}

impl Default for Shaping {
    fn default() -> Self {
        Self::PairRanks(Ties::default())
    }
}

impl Shaping {
    /// The utilities of pairs `[mean + sigma e, mean - sigma e]` from their fitness, higher better.
    ///
    /// ```
    /// use regimen_rl_rewards::recipes::learned::Shaping;
    ///
    /// let pairs = Shaping::default().utilities(&[[3.0, 1.0], [1.0, 2.0], [5.0, 5.0]])?;
    /// assert_eq!(pairs, [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]);
    /// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
    /// ```
    ///
    /// # Errors
    /// If a fitness is not finite, unless ranks are taken.
    pub fn utilities(self, fitness: &[[f64; 2]]) -> Result<Vec<[f64; 2]>> {
        if let Self::PairRanks(ties) = self {
            return Ok(fitness.iter().map(|pair| rank(*pair, ties)).collect());
        }
        if fitness.iter().flatten().any(|value| !value.is_finite()) {
            return Err(RlRewardsError::NotFinite { what: "fitness" });
        }
        if self == Self::Raw {
            return Ok(fitness.to_vec());
        }
        // Divided by the largest first: sums of huge numbers stay finite.
        let largest = fitness
            .iter()
            .flatten()
            .fold(0.0, |a: f64, b| a.max(b.abs()));
        if largest == 0.0 {
            return Ok(vec![[0.0; 2]; fitness.len()]);
        }
        let count = 2.0 * fitness.len() as f64;
        let scaled = || fitness.iter().flatten().map(|value| value / largest);
        let mean = scaled().sum::<f64>() / count;
        let squares = scaled().map(|value| (value - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        let of = |value: f64| {
            if deviation > 0.0 {
                (value / largest - mean) / deviation
            } else {
                0.0
            }
        };
        Ok(fitness.iter().map(|pair| pair.map(of)).collect())
    }
}

fn rank([plus, minus]: [f64; 2], ties: Ties) -> [f64; 2] {
    let [a, b] = [plus, minus].map(|value| {
        if value.is_nan() {
            f64::NEG_INFINITY
        } else {
            value
        }
    });
    let is_tie = a == b && plus.is_nan() == minus.is_nan();
    match ties {
        Ties::Half if is_tie => [0.5; 2],
        _ if is_tie => [0.0, 1.0],
        _ if a > b || minus.is_nan() => [1.0, 0.0],
        _ => [0.0, 1.0],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_has_one_rule() {
        let of = |ties, pair| Shaping::PairRanks(ties).utilities(&[pair]).unwrap()[0];
        assert_eq!(of(Ties::Second, [2.0, 2.0]), [0.0, 1.0]);
        assert_eq!(of(Ties::Half, [2.0, 2.0]), [0.5, 0.5]);
    }

    #[test]
    fn a_candidate_that_diverged_loses() {
        let of = |pair| Shaping::default().utilities(&[pair]).unwrap()[0];
        assert_eq!(of([f64::NAN, f64::NEG_INFINITY]), [0.0, 1.0]);
        assert_eq!(of([f64::NEG_INFINITY, f64::NAN]), [1.0, 0.0]);
        assert_eq!(of([f64::NAN, f64::NAN]), [0.0, 1.0]);
        assert!(Shaping::Raw.utilities(&[[f64::NAN, 1.0]]).is_err());
        assert!(Shaping::ZScored.utilities(&[[f64::INFINITY, 1.0]]).is_err());
    }

    #[test]
    fn standardised_over_the_generation() {
        let found = Shaping::ZScored
            .utilities(&[[1.0, 2.0], [3.0, 2.0]])
            .unwrap();
        let expected = 2.0_f64.sqrt();
        assert!((found[0][0] + expected).abs() < 1e-12 && (found[1][0] - expected).abs() < 1e-12);
        assert_eq!((found[0][1], found[1][1]), (0.0, 0.0));
        let same = Shaping::ZScored
            .utilities(&[[0.1, 0.1], [0.1, 0.1]])
            .unwrap();
        assert!(same.iter().flatten().all(|utility| utility.abs() < 2.0));
        let huge = Shaping::ZScored.utilities(&[[1e308, -1e308]]).unwrap();
        assert_eq!(huge, [[1.0, -1.0]]);
    }
}
