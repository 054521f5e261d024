//! # RobustPriorConfig
//!
//! The prior with which a Bayesian policy is good on every class of difficulty: an adversary puts weight on the items where it loses most.
//!
//! Source: Zhang, Jain and Jamieson, "Learning to Actively Learn: A Robust Approach", arXiv 2010.15382: min-max by gradients with softmax weights, the objective with
//! an offset for each class. That the adversary's weights are the policy's prior is the answer of a Bayesian to a mixture of problems

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::questions::NoisyQuestions;
use crate::error::{CurriculumError, Result, check, count, finite};

/// How the adversary's weights go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ascent {
    /// Along the gradient of the weighted loss, `p_i (a_i - sum_j p_j a_j)`, which is small where the weight `p_i` is.
    Gradient,
    /// Without the factor `p_i` (mirror ascent): an item of small weight comes back as fast as any other.
    Mirror,
}

/// The gradient of `sum_i softmax(w)_i a_i` in `w`, `p_i (a_i - sum_j p_j a_j)`, and its value.
///
/// # Errors
/// If there is no loss, not one weight a loss, or a number is not finite.
///
/// ```
/// use regimen_curriculum::active::robust::softmax_gradient;
///
/// let (value, gradient) = softmax_gradient(&[0.0, 1.0, 2.0], &[0.2, 0.5, 0.9])?;
/// assert!((value - 0.7390872).abs() < 1e-7 && (gradient[2] - 0.107046).abs() < 1e-6);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
pub fn softmax_gradient(weights: &[f64], losses: &[f64]) -> Result<(f64, Vec<f64>)> {
    finite("weights", weights)?;
    finite("losses", losses)?;
    let same = weights.len() == losses.len();
    count("losses", losses.len(), same, "one a weight")?;
    let chances = softmax(weights);
    let value: f64 = chances.iter().zip(losses).map(|(p, a)| p * a).sum();
    let gradient = chances.iter().zip(losses).map(|(p, a)| p * (a - value));
    Ok((value, gradient.collect()))
}

fn softmax(weights: &[f64]) -> Vec<f64> {
    let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = weights
        .iter()
        .map(|weight| (weight - largest).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Configuration of a game for a prior.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `rounds` | 40 | 1 to 2^20 |
/// | `games` | 40 games an item and round | 1 to 2^20 |
/// | `rate` | 2 | above 0, up to 1e6 |
/// | `ascent` | [`Ascent::Mirror`] | |
/// | `seed` | 0 | any |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct RobustPriorConfig {
    rounds: usize,
    games: usize,
    rate: f64,
    ascent: Ascent,
    seed: u64,
}

checked_serde!(RobustPriorConfig);

impl Default for RobustPriorConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl Checked for RobustPriorConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let good = |number: usize| (1..=1 << 20).contains(&number);
        count("rounds", self.rounds, good(self.rounds), "1 to 2^20")?;
        count("games", self.games, good(self.games), "1 to 2^20")?;
        check(
            "rate",
            self.rate,
            self.rate > 0.0 && self.rate <= 1e6,
            "above 0 and up to 1e6",
        )
    }
}

impl RobustPriorConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rounds: 40,
            games: 40,
            rate: 2.0,
            ascent: Ascent::Mirror,
            seed: 0,
        }
    }

    /// So many rounds of the adversary.
    #[must_use]
    pub fn with_rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// So many games an item and round.
    #[must_use]
    pub fn with_games(mut self, games: usize) -> Self {
        self.games = games;
        self
    }

    /// The adversary's rate.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// How its weights go up.
    #[must_use]
    pub fn with_ascent(mut self, ascent: Ascent) -> Self {
        self.ascent = ascent;
        self
    }

    /// The seed of all games.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The prior of the game in which the adversary gains each item's error less its offset, and chooses among the items with a `start` above 0, from
    /// the weights of `start`: the mean of its weights over the last half of the rounds.
    ///
    /// Stage by stage: with offsets of 0 and the items of one class, a policy of that class, whose worst error is measured
    /// ([`errors`](Self::errors)); with these as offsets ([`Levels::offsets`](super::Levels::offsets)) and all items, the robust policy.
    ///
    /// # Errors
    /// If a number lies outside its range, `start` is no prior, or there is not one finite offset an item.
    pub fn train(&self, game: &NoisyQuestions, start: &[f64], offsets: &[f64]) -> Result<Vec<f64>> {
        self.check()?;
        let mut prior = game.start(start)?;
        finite("offsets", offsets)?;
        count(
            "offsets",
            offsets.len(),
            offsets.len() == prior.len(),
            "one an item",
        )?;
        // Only differences count: equal offsets are the same game as none, to the last bit.
        let least = offsets.iter().copied().fold(f64::INFINITY, f64::min);
        let members: Vec<usize> = (0..prior.len()).filter(|item| prior[*item] > 0.0).collect();
        let mut weights: Vec<f64> = members.iter().map(|item| prior[*item].ln()).collect();
        let (mut sum, mut counted) = (vec![0.0; prior.len()], 0.0);
        for round in 0..self.rounds {
            let errors = self.played(game, &prior, &members, round as u64)?;
            let gains: Vec<f64> = members
                .iter()
                .zip(&errors)
                .map(|(item, error)| error - (offsets[*item] - least))
                .collect();
            let (value, gradient) = softmax_gradient(&weights, &gains)?;
            for (place, weight) in weights.iter_mut().enumerate() {
                *weight += self.rate
                    * match self.ascent {
                        Ascent::Gradient => gradient[place],
                        Ascent::Mirror => gains[place] - value,
                    };
            }
            for (item, chance) in members.iter().zip(softmax(&weights)) {
                prior[*item] = chance;
            }
            if 2 * (round + 1) > self.rounds {
                sum.iter_mut()
                    .zip(&prior)
                    .for_each(|(sum, chance)| *sum += chance);
                counted += 1.0;
            }
        }
        Ok(sum.into_iter().map(|sum| sum / counted).collect())
    }

    /// The share of wrong answers about each item under a prior, over so many fresh games an item, the same for every prior.
    ///
    /// # Errors
    /// If a number lies outside its range, or `prior` is none.
    pub fn errors(&self, game: &NoisyQuestions, prior: &[f64]) -> Result<Vec<f64>> {
        self.check()?;
        let items: Vec<usize> = (0..game.table().items()).collect();
        self.played(game, prior, &items, u64::MAX >> 24)
    }

    fn played(
        &self,
        game: &NoisyQuestions,
        prior: &[f64],
        items: &[usize],
        round: u64,
    ) -> Result<Vec<f64>> {
        let each = items.par_iter().map(|item| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream((round << 24) | *item as u64);
            let mut wrong = 0;
            for _ in 0..self.games {
                wrong += usize::from(game.play(prior, *item, &mut rng)?);
            }
            Ok(wrong as f64 / self.games as f64)
        });
        each.collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;

    use super::super::QuestionTable;
    use super::*;

    #[test]
    fn a_softmax_adversary_by_hand() {
        let (value, gradient) = softmax_gradient(&[0.0, 1.0, 2.0], &[0.2, 0.5, 0.9]).unwrap();
        assert_relative_eq!(value, 0.7390872, epsilon = 1e-7);
        for (found, expected) in gradient.iter().zip([-0.048534, -0.058511, 0.107046]) {
            assert_relative_eq!(*found, expected, epsilon = 1e-6);
        }
        assert_relative_eq!(gradient.iter().sum::<f64>(), 0.0, epsilon = 1e-12);
    }

    /// The adversary gives less weight to an item whose offset is high.
    #[test]
    fn an_offset_takes_weight_away() {
        let rows = vec![
            vec![true, true, true, true],
            vec![false, false, true, true],
            vec![false, false, false, true],
        ];
        let game = NoisyQuestions::new(QuestionTable::new(rows).unwrap(), 0.2, 3).unwrap();
        let config = RobustPriorConfig::new().with_rounds(20).with_games(50);
        let plain = config.train(&game, &[1.0; 3], &[0.0; 3]).unwrap();
        let uniform = config.errors(&game, &[1.0; 3]).unwrap();
        let hardest = (0..3)
            .max_by(|a, b| uniform[*a].total_cmp(&uniform[*b]))
            .unwrap();
        let mut offsets = [0.0; 3];
        offsets[hardest] = 0.5;
        let eased = config.train(&game, &[1.0; 3], &offsets).unwrap();
        assert!(eased[hardest] < plain[hardest]);
        assert_relative_eq!(eased.iter().sum::<f64>(), 1.0, epsilon = 1e-9);
    }

    #[test]
    fn equal_offsets_are_none() {
        let rows = vec![vec![true, false], vec![false, false], vec![true, true]];
        let game = NoisyQuestions::new(QuestionTable::new(rows).unwrap(), 0.1, 2).unwrap();
        let config = RobustPriorConfig::new().with_rounds(6).with_games(7);
        let trained = |offset: f64| config.train(&game, &[1.0; 3], &[offset; 3]).unwrap();
        assert_eq!(trained(0.0), trained(0.1));
    }

    #[test]
    fn an_item_outside_of_the_class_has_no_weight() {
        let rows = vec![vec![true, false], vec![false, false], vec![true, true]];
        let game = NoisyQuestions::new(QuestionTable::new(rows).unwrap(), 0.1, 2).unwrap();
        let config = RobustPriorConfig::new().with_rounds(4).with_games(5);
        let prior = config.train(&game, &[1.0, 0.0, 1.0], &[0.0; 3]).unwrap();
        assert_eq!(prior[1], 0.0);
    }
}
