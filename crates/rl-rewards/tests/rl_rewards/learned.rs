//! A search over whole lives of bandit agents, whose rule is a network that reads the lifetime: the simulator of temporally aware objectives.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_rl_rewards::RlRewardsError;
use regimen_rl_rewards::recipes::learned::{Horizons, Lifetime, Lifetimes, OpenEsConfig};

const ARMS: usize = 10;
const HIDDEN: usize = 8;

/// `2 -> 8 -> 2` of tanh units on `[n / N, ln N / ln 250]`: the rate `.3 exp(clip(3 o_1, -5, 3))` and the weight of entropy `.3 o_2`.
fn rule(numbers: &[f64], inputs: [f64; 2]) -> [f64; 2] {
    let (first, rest) = numbers.split_at(2 * HIDDEN);
    let (bias, out) = rest.split_at(HIDDEN);
    let mut found = [out[2 * HIDDEN], out[2 * HIDDEN + 1]];
    for unit in 0..HIDDEN {
        let sum = bias[unit] + inputs[0] * first[unit] + inputs[1] * first[HIDDEN + unit];
        for (place, found) in found.iter_mut().enumerate() {
            *found += out[place * HIDDEN + unit] * sum.tanh();
        }
    }
    [
        0.3 * (3.0 * found[0]).clamp(-5.0, 3.0).exp(),
        0.3 * found[1],
    ]
}

/// Whether a rule is told where in its life it is.
struct Bandits {
    told: bool,
}

struct Level {
    means: [f64; ARMS],
    horizon: usize,
}

impl Bandits {
    fn draw(horizon: usize, rng: &mut ChaCha8Rng) -> Level {
        Level {
            means: std::array::from_fn(|_| rng.sample(StandardNormal)),
            horizon,
        }
    }

    /// The expected reward of the final policy, with a running baseline: the mean of the rewards before.
    fn live(&self, numbers: &[f64], level: &Level, seed: u64) -> Result<f64, RlRewardsError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut logits, mut baseline) = ([0.0_f64; ARMS], 0.0);
        let chances = |logits: &[f64; ARMS]| {
            let most = logits.iter().fold(f64::MIN, |a, b| a.max(*b));
            let chances = logits.map(|logit| (logit - most).exp());
            let sum: f64 = chances.iter().sum();
            chances.map(|chance| chance / sum)
        };
        for done in 0..level.horizon {
            let life = Lifetime::new(done, level.horizon)?;
            let inputs = if self.told {
                [life.fraction(), life.log_horizon() / 250.0_f64.ln()]
            } else {
                [0.0; 2]
            };
            let [rate, bonus] = rule(numbers, inputs);
            let p = chances(&logits);
            let mut left = rng.random::<f64>();
            let arm = p.iter().position(|chance| {
                left -= chance;
                left < 0.0
            });
            let arm = arm.unwrap_or(ARMS - 1);
            let reward = level.means[arm] + rng.sample::<f64, _>(StandardNormal);
            let entropy: f64 = p.iter().map(|p| -p * p.max(1e-300).ln()).sum();
            for k in 0..ARMS {
                let policy = (reward - baseline) * (f64::from(u8::from(k == arm)) - p[k]);
                let spread = -p[k] * (p[k].max(1e-300).ln() + entropy);
                logits[k] += rate * (policy + bonus * spread);
            }
            baseline += (reward - baseline) / (done + 1) as f64;
        }
        let p = chances(&logits);
        Ok(p.iter().zip(&level.means).map(|(p, mean)| p * mean).sum())
    }

    /// The mean final reward on fresh bandits, the same for all rules.
    fn test(&self, numbers: &[f64], horizon: usize) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(99);
        let total: f64 = (0..400)
            .map(|seed| {
                let level = Self::draw(horizon, &mut rng);
                self.live(numbers, &level, seed).unwrap()
            })
            .sum();
        total / 400.0
    }
}

impl Lifetimes for Bandits {
    type Level = Level;
    type Error = RlRewardsError;

    fn level(&self, seed: u64) -> Result<Level, RlRewardsError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let horizon = Horizons::new(10, 250)?.at(rng.random());
        Ok(Self::draw(horizon, &mut rng))
    }

    fn fitness(&self, numbers: &[f64], level: &Level, seed: u64) -> Result<f64, RlRewardsError> {
        self.live(numbers, level, seed)
    }
}

#[test]
fn a_rule_that_is_told_its_lifetime_learns_to_use_it() {
    let bandits = Bandits { told: true };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut start = vec![0.0; 2 * HIDDEN + HIDDEN + 2 * HIDDEN + 2];
    start[..2 * HIDDEN].fill_with(|| 0.7 * rng.sample::<f64, _>(StandardNormal));
    let config = OpenEsConfig::new().with_pairs(32).with_rate(0.03);
    let mut search = config.init(start.clone(), 0).unwrap();
    let found = search.evolve(&bandits, 80).unwrap();
    assert_eq!((found.len(), search.generation()), (80, 80));
    // A rate of .3 all life long is too low for ten updates; the oracle has 1.549.
    let gain = bandits.test(search.mean(), 10) - bandits.test(&start, 10);
    assert!(gain > 0.1, "{gain}");
    let rewards = [10, 30, 100, 250].map(|horizon| bandits.test(search.mean(), horizon));
    let expected = [0.875, 1.095, 1.279, 1.363];
    for (found, expected) in rewards.iter().zip(expected) {
        assert!((found - expected).abs() < 0.3, "{rewards:?}");
    }
    // It is not the same at every age.
    let at = |done, horizon| {
        let life = Lifetime::new(done, horizon).unwrap();
        rule(
            search.mean(),
            [life.fraction(), life.log_horizon() / 250.0_f64.ln()],
        )[0]
    };
    let change = (at(0, 100) / at(100, 100)).ln().abs();
    assert!(change > 0.1, "{change}");
}

#[test]
fn a_rule_that_is_told_nothing_is_the_same_at_every_age() {
    let bandits = Bandits { told: false };
    let level = Bandits::draw(20, &mut ChaCha8Rng::seed_from_u64(1));
    let mut numbers = vec![0.3; 42];
    let before = bandits.live(&numbers, &level, 5).unwrap();
    numbers[..2 * HIDDEN].fill(-2.0);
    assert_eq!(before, bandits.live(&numbers, &level, 5).unwrap());
    let told = Bandits { told: true };
    assert_ne!(before, told.live(&numbers, &level, 5).unwrap());
}

/// The search is a part of a run: stopped after any generation and gone on with, it ends with the same bits.
#[test]
fn a_stopped_search_goes_on_as_the_straight_one() {
    use regimen_tensor::{Part, Watch};
    let bandits = Bandits { told: true };
    let new = || {
        let config = OpenEsConfig::new().with_pairs(3);
        config.init(vec![0.1; 42], 11).unwrap()
    };
    let mut straight = new();
    straight.evolve(&bandits, 4).unwrap();
    let mut stopped = new();
    let watch = Watch::new().until(|| true);
    let done = stopped.evolve_watched(&bandits, 4, &watch).unwrap();
    assert!(done.len() < 4);
    let mut other = new();
    other.load(&stopped.save().unwrap()).unwrap();
    other.evolve(&bandits, 4 - done.len()).unwrap();
    assert_eq!(other, straight);
}
