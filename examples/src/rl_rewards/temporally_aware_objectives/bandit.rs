//! A softmax policy on a bandit of ten arms: one pull an update.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::family::{Agent, Family, softmax, step};
use super::rule::Now;

const ARMS: usize = 10;

/// Bandits of ten arms with means from `N(0, 1)` and noise of deviation 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bandits;

/// The agent on one of them.
#[derive(Clone, Debug)]
pub(super) struct Puller {
    means: [f64; ARMS],
    logits: [f64; ARMS],
    /// Of the rewards so far: how many, their mean, and the sum of squares around it.
    seen: (f64, f64, f64),
    rng: ChaCha8Rng,
}

impl Family for Bandits {
    type Agent = Puller;
    const NAME: &'static str = "bandit";
    const TESTED: [usize; 4] = [10, 30, 100, 250];
    const SCALE: f64 = 0.3;

    fn horizons(&self) -> (usize, usize) {
        (10, 250)
    }

    fn agent(&self, task: u64) -> Puller {
        let mut rng = ChaCha8Rng::seed_from_u64(task);
        Puller {
            means: std::array::from_fn(|_| rng.sample(StandardNormal)),
            logits: [0.0; ARMS],
            seen: (0.0, 0.0, 0.0),
            rng,
        }
    }
}

impl Agent for Puller {
    fn start(&mut self, stream: u64) {
        self.rng = ChaCha8Rng::seed_from_u64(stream);
    }

    /// The advantage is the reward less the mean of those before, over their deviation with one of 1 in front.
    fn update(&mut self, now: &Now) -> f64 {
        let (logs, chances, entropy) = softmax(&self.logits);
        let mut left = self.rng.random::<f64>();
        let mut arm = ARMS - 1;
        for (place, chance) in chances.iter().enumerate() {
            left -= chance;
            if left < 0.0 {
                arm = place;
                break;
            }
        }
        let reward = self.means[arm] + self.rng.sample::<f64, _>(StandardNormal);
        let (count, mean, squares) = self.seen;
        let deviation = ((1.0 + squares) / (1.0 + count)).sqrt();
        let advantage = (reward - mean) / deviation;
        let next = mean + (reward - mean) / (count + 1.0);
        self.seen = (
            count + 1.0,
            next,
            squares + (reward - mean) * (reward - next),
        );
        let most = (ARMS as f64).ln();
        let [w, c] = now.of(advantage, logs[arm], entropy / most);
        let mut weights = [0.0; ARMS];
        weights[arm] = w;
        let policy = (&logs, &chances, entropy);
        step(&mut self.logits, policy, &weights, c, Bandits::SCALE);
        entropy / most
    }

    fn worth(&self) -> f64 {
        let (_, chances, _) = softmax(&self.logits);
        chances
            .iter()
            .zip(&self.means)
            .map(|(p, mean)| p * mean)
            .sum()
    }

    fn best(&self) -> f64 {
        self.means.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b))
    }
}
