//! # OpenEs
//!
//! Evolution strategies with antithetic pairs: finds the parameters of an objective by what agents that it trained are worth.
//!
//! Source: OpenES in "Evolution Strategies as a Scalable Alternative to Reinforcement Learning", arXiv 1703.03864, with the antithetic task
//! sampling and ranks of arXiv 2402.05828.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::Watch;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::adam::Adam;
use super::lifetime::Lifetimes;
use super::shaping::Shaping;
use crate::error::{Result, RlRewardsError, check, check_same};

/// Pairs of a generation at most, as a power of 2.
const PAIRS: u32 = 20;

/// The settings of a search.
///
/// | setting | default | meaning | range |
/// |---|---|---|---|
/// | `pairs` | 512 | antithetic pairs a generation | 1 to 2^20 |
/// | `sigma` | 0.1 | deviation of the candidates, constant | above 0 |
/// | `rate` | 1e-2 | Adam's rate at the start | above 0 |
/// | `decay` | 0.999 | its factor a generation | above 0, up to 1 |
/// | `floor` | 1e-5 | where it ends | 0 or more |
/// | `shaping` | ranks in pairs | what a fitness counts for | |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct OpenEsConfig {
    pairs: usize,
    sigma: f64,
    rate: f64,
    decay: f64,
    floor: f64,
    shaping: Shaping,
}
checked_serde!(OpenEsConfig);

impl Default for OpenEsConfig {
    fn default() -> Self {
        Self {
            pairs: 512,
            sigma: 0.1,
            rate: 1e-2,
            decay: 0.999,
            floor: 1e-5,
            shaping: Shaping::default(),
        }
    }
}

impl OpenEsConfig {
    /// The paper's settings for LPG.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many pairs.
    #[must_use]
    pub fn with_pairs(self, pairs: usize) -> Self {
        Self { pairs, ..self }
    }

    /// Another deviation of the candidates.
    #[must_use]
    pub fn with_sigma(self, sigma: f64) -> Self {
        Self { sigma, ..self }
    }

    /// Another rate at the start.
    #[must_use]
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// Another factor of the rate, and where it ends.
    #[must_use]
    pub fn with_decay(self, decay: f64, floor: f64) -> Self {
        Self {
            decay,
            floor,
            ..self
        }
    }

    /// Another shaping; LPO's search has [`Shaping::ZScored`].
    #[must_use]
    pub fn with_shaping(self, shaping: Shaping) -> Self {
        Self { shaping, ..self }
    }

    /// The rate of the generation after so many.
    #[must_use]
    pub fn rate_at(&self, generation: usize) -> f64 {
        let rate = self.rate * self.decay.powf(generation as f64);
        rate.max(self.floor)
    }

    /// A search from this mean; all its draws follow from the seed.
    ///
    /// # Errors
    /// If a setting is out of its range, or the mean is empty or holds a number that is not finite.
    pub fn init(&self, mean: Vec<f64>, seed: u64) -> Result<OpenEs> {
        OpenEs {
            config: self.clone(),
            adam: Adam::new(mean.len()),
            mean,
            seed,
            generation: 0,
        }
        .checked()
    }
}

impl Checked for OpenEsConfig {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let (pairs, decay) = (self.pairs, self.decay);
        let good = (1..=1 << PAIRS).contains(&pairs);
        check("pairs", pairs as f64, good, "1 to 2^20")?;
        check("sigma", self.sigma, self.sigma > 0.0, "above 0")?;
        check("rate", self.rate, self.rate > 0.0, "above 0")?;
        let good = decay > 0.0 && decay <= 1.0;
        check("decay", decay, good, "above 0, up to 1")?;
        check("floor", self.floor, self.floor >= 0.0, "0 or more")
    }
}

/// A search. See [`OpenEsConfig`].
///
/// Candidates are `mean + sigma e` and `mean - sigma e` of each pair, and the mean moves up `g = (1 / (P sigma)) sum_i u_i e_i` by Adam, with
/// the utility `u_i` of each of the `P` candidates and the noise `e_i` that it was made with, negative for the second of a pair. A constant
/// in the utilities changes nothing, and ranks of 0 and 1 give half the gradient of -1 and 1.
///
/// ```
/// use regimen_rl_rewards::recipes::learned::OpenEsConfig;
///
/// let mut search = OpenEsConfig::new().with_pairs(16).with_rate(0.1).init(vec![0.0, 0.0], 7)?;
/// for _ in 0..200 {
///     let value = |x: Vec<f64>| -(x[0] - 3.0).powi(2) - (x[1] + 1.0).powi(2);
///     let fitness: Vec<_> = search.candidates().map(|pair| pair.map(value)).collect();
///     search.update(&fitness)?;
/// }
/// assert!((search.mean()[0] - 3.0).abs() < 0.2 && (search.mean()[1] + 1.0).abs() < 0.2);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("evolution strategy", "ES"))]
pub struct OpenEs {
    config: OpenEsConfig,
    mean: Vec<f64>,
    adam: Adam,
    seed: u64,
    generation: usize,
}
checked_serde!(OpenEs);

impl OpenEs {
    /// The mean: what the search has found.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Generations that are done.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.generation
    }

    /// The candidates of this generation, the same at every call: a pair at a time, so that the parameters of one are in memory.
    pub fn candidates(&self) -> impl Iterator<Item = [Vec<f64>; 2]> + '_ {
        (0..self.config.pairs).map(|pair| {
            let noise = self.noise(pair);
            [self.config.sigma, -self.config.sigma].map(|sigma| {
                let values = self.mean.iter().zip(&noise);
                values.map(|(mean, e)| mean + sigma * e).collect()
            })
        })
    }

    fn noise(&self, pair: usize) -> Vec<f64> {
        let mut rng = self.stream(self.seed, pair);
        let noise = (0..self.mean.len()).map(|_| rng.sample(StandardNormal));
        noise.collect()
    }

    /// A generator of a pair of this generation.
    fn stream(&self, seed: u64, pair: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream((self.generation as u64) << PAIRS | pair as u64);
        rng
    }

    /// Ends a generation with the fitness of its candidates, higher better, and moves the mean.
    ///
    /// # Errors
    /// If there is not one pair of fitness a pair of candidates, a fitness is not finite (unless ranks are taken), or the mean would be no
    /// longer finite. Nothing is changed then.
    pub fn update(&mut self, fitness: &[[f64; 2]]) -> Result<()> {
        let pairs = fitness.len();
        let good = pairs == self.config.pairs;
        check(
            "fitness",
            pairs as f64,
            good,
            "one pair a pair of candidates",
        )?;
        let utilities = self.config.shaping.utilities(fitness)?;
        let noise = (0..pairs).map(|pair| self.noise(pair));
        let gradient = gradient(noise, &utilities, self.config.sigma);
        let (mut mean, mut adam) = (self.mean.clone(), self.adam.clone());
        let rate = self.config.rate_at(self.generation);
        let generation = self.generation.saturating_add(1);
        adam.ascend(&mut mean, &gradient, rate, generation);
        let next = Self {
            mean,
            adam,
            generation,
            ..self.clone()
        };
        if next.check().is_err() {
            return Err(RlRewardsError::NotFinite {
                what: "mean of the search",
            });
        }
        *self = next;
        Ok(())
    }

    /// One generation: a level a pair, one lifetime a candidate, one after another. For many cores take [`candidates`](Self::candidates) and
    /// [`update`](Self::update). Returns the mean fitness.
    ///
    /// # Errors
    /// The lifetimes', and those of [`update`](Self::update). Nothing is changed then.
    pub fn generate<L: Lifetimes>(&mut self, lifetimes: &L) -> Result<f64, L::Error> {
        let mut fitness = Vec::with_capacity(self.config.pairs);
        for (pair, candidates) in self.candidates().enumerate() {
            let [of_level, first, second] = self.seeds(pair);
            let level = lifetimes.level(of_level)?;
            fitness.push([
                lifetimes.fitness(&candidates[0], &level, first)?,
                lifetimes.fitness(&candidates[1], &level, second)?,
            ]);
        }
        self.update(&fitness)?;
        Ok(fitness.iter().flatten().sum::<f64>() / (2 * fitness.len()) as f64)
    }

    /// The seeds of a pair of this generation: of its level, and of the random streams of its two members.
    #[must_use]
    pub fn seeds(&self, pair: usize) -> [u64; 3] {
        let mut rng = self.stream(!self.seed, pair);
        std::array::from_fn(|_| rng.random())
    }

    /// So many generations. Returns the mean fitness of each.
    ///
    /// # Errors
    /// Those of [`generate`](Self::generate); what was reached before stays.
    pub fn evolve<L: Lifetimes>(
        &mut self,
        lifetimes: &L,
        generations: usize,
    ) -> Result<Vec<f64>, L::Error> {
        self.evolve_watched(lifetimes, generations, &Watch::default())
    }

    /// As [`evolve`](Self::evolve), with progress after each generation; where it is stopped, the generations that are done stay.
    ///
    /// # Errors
    /// Those of [`generate`](Self::generate).
    pub fn evolve_watched<L: Lifetimes>(
        &mut self,
        lifetimes: &L,
        generations: usize,
        watch: &Watch,
    ) -> Result<Vec<f64>, L::Error> {
        let _span = tracing::info_span!("evolve", generations, pairs = self.config.pairs).entered();
        let mut means = Vec::new();
        for generation in 0..generations {
            means.push(self.generate(lifetimes)?);
            if !watch.goes_on("evolve", generation + 1, generations) {
                break;
            }
        }
        Ok(means)
    }
}

/// `(1 / (P sigma)) sum_i u_i e_i` over the `P` candidates of antithetic pairs.
fn gradient(noise: impl Iterator<Item = Vec<f64>>, utilities: &[[f64; 2]], sigma: f64) -> Vec<f64> {
    let scale = 1.0 / (2.0 * utilities.len() as f64 * sigma);
    let mut sum = Vec::new();
    for (e, [plus, minus]) in noise.zip(utilities) {
        sum.resize(e.len(), 0.0);
        for (sum, e) in sum.iter_mut().zip(e) {
            *sum += (plus - minus) * e * scale;
        }
    }
    sum
}

impl Checked for OpenEs {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        let len = self.mean.len();
        check("mean", len as f64, len > 0, "1 number or more")?;
        let worst = self.mean.iter().find(|value| !value.is_finite());
        check("mean", worst.copied().unwrap_or(0.0), true, "finite")?;
        let good = self.adam.is_sound(len);
        check("adam", len as f64, good, "finite moments of each number")
    }
}

impl Part for OpenEs {
    fn kind(&self) -> String {
        "open-es 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("config", read.config == self.config)?;
        check_same("mean", read.mean.len() == self.mean.len())?;
        check_same("seed", read.seed == self.seed)?;
        *self = read;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::shaping::Ties;
    use super::*;

    const NOISE: [[f64; 2]; 2] = [[1.0, -2.0], [0.5, 0.25]];

    fn of(utilities: &[[f64; 2]]) -> Vec<f64> {
        gradient(NOISE.map(Vec::from).into_iter(), utilities, 0.1)
    }

    /// `+e1` 3, `+e2` 1, `-e1` 1, `-e2` 2.
    #[test]
    fn gradient_of_ranks_and_of_raw_fitness() {
        let fitness = [[3.0, 1.0], [1.0, 2.0]];
        let ranks = Shaping::default().utilities(&fitness).unwrap();
        assert_eq!(ranks, [[1.0, 0.0], [0.0, 1.0]]);
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(
                found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| (a - b).abs() < 1e-12),
                "{found:?}"
            );
        };
        near(of(&ranks), [1.25, -5.625]);
        near(
            of(&Shaping::Raw.utilities(&fitness).unwrap()),
            [3.75, -10.625],
        );
        // Ranks of -1 and 1: twice as much. A constant more: the same.
        near(of(&ranks.map_pairs(|u| 2.0 * u - 1.0)), [2.5, -11.25]);
        near(of(&ranks.map_pairs(|u| u + 7.0)), [1.25, -5.625]);
        // Swapped, the first pair's part has the other sign.
        near(of(&[[0.0, 1.0], [0.0, 1.0]]), [-3.75, 4.375]);
    }

    trait MapPairs {
        fn map_pairs(&self, f: impl Fn(f64) -> f64) -> Vec<[f64; 2]>;
    }

    impl MapPairs for Vec<[f64; 2]> {
        fn map_pairs(&self, f: impl Fn(f64) -> f64) -> Vec<[f64; 2]> {
            self.iter().map(|pair| pair.map(&f)).collect()
        }
    }

    #[test]
    fn rate_decays_to_its_floor() {
        let config = OpenEsConfig::new();
        assert!((config.rate_at(2500) - 0.000_819_8).abs() < 1e-7);
        assert_eq!(config.rate_at(usize::MAX), 1e-5);
    }

    #[test]
    fn a_tie_moves_nothing_where_it_counts_a_half() {
        let config = OpenEsConfig::new().with_pairs(3);
        let config = config.with_shaping(Shaping::PairRanks(Ties::Half));
        let mut search = config.init(vec![1.0; 4], 3).unwrap();
        search.update(&[[2.0; 2]; 3]).unwrap();
        assert_eq!(search.mean(), [1.0; 4]);
    }

    #[test]
    fn candidates_are_antithetic_and_of_the_generation() {
        let mut search = OpenEsConfig::new()
            .with_pairs(4)
            .init(vec![0.5; 3], 9)
            .unwrap();
        let all = |search: &OpenEs| search.candidates().collect::<Vec<_>>();
        let before = all(&search);
        assert_eq!(before, all(&search));
        for [a, b] in &before {
            assert!(a.iter().zip(b).all(|(a, b)| (a + b - 1.0).abs() < 1e-12));
        }
        let seeds: Vec<u64> = (0..4).flat_map(|pair| search.seeds(pair)).collect();
        let mut distinct = seeds.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), seeds.len());
        search.update(&[[1.0, 0.0]; 4]).unwrap();
        assert_ne!(before, all(&search));
        assert_ne!(seeds[0], search.seeds(0)[0]);
    }

    #[test]
    fn an_error_leaves_the_search_as_it_was() {
        let config = OpenEsConfig::new().with_pairs(2).with_shaping(Shaping::Raw);
        let mut search = config.init(vec![0.0], 0).unwrap();
        let before = search.clone();
        assert!(search.update(&[[1.0, 0.0]]).is_err());
        assert!(search.update(&[[1.0, f64::NAN], [0.0, 0.0]]).is_err());
        assert!(
            search
                .update(&[[f64::MAX, f64::MIN], [f64::MAX, f64::MIN]])
                .is_err()
        );
        assert_eq!(search, before);
    }

    #[test]
    fn goes_on_from_its_saved_state() {
        let mut search = OpenEsConfig::new()
            .with_pairs(2)
            .init(vec![0.0; 2], 5)
            .unwrap();
        let fitness = [[1.0, 0.0], [0.0, 2.0]];
        search.update(&fitness).unwrap();
        let mut other = OpenEsConfig::new()
            .with_pairs(2)
            .init(vec![0.0; 2], 5)
            .unwrap();
        other.load(&search.save().unwrap()).unwrap();
        search.update(&fitness).unwrap();
        other.update(&fitness).unwrap();
        assert_eq!(search, other);
        let mut wrong = OpenEsConfig::new()
            .with_pairs(2)
            .init(vec![0.0; 3], 5)
            .unwrap();
        assert!(wrong.load(&search.save().unwrap()).is_err());
    }
}
