//! A warm-up on a fixed set, stopped where the loss on further demonstrations turns, or where a policy is good enough.

use anyhow::{Result, ensure};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, Rollouts, ScorePolicy, Sequences};

use super::kept::Kept;
use super::symbols::BLANK;
use super::warm_up::{imitation, pairs};

/// How it runs: AdamW, epoch after epoch over the set in an order drawn anew. When the loss on further demonstrations has not fallen for `patience`
/// looks the policy of the lowest goes on at .3 of the rate, and when it turns again is taken. A policy whose score at a look is `enough` is taken
/// before.
#[derive(Clone, Copy, Debug)]
pub struct UntilTurn {
    /// Demonstrations an update.
    pub batch: usize,
    /// The rate, which rises over the first 30 updates.
    pub rate: f64,
    /// The weight decay: with more of it a policy learns less of the set by heart.
    pub decay: f32,
    /// Updates between two looks at the loss.
    pub every: usize,
    /// Looks without a lower loss, after which it has turned.
    pub patience: usize,
    /// Updates at most.
    pub most: usize,
    /// The score that ends it.
    pub enough: f64,
}

impl Default for UntilTurn {
    fn default() -> Self {
        Self {
            batch: 32,
            rate: 2e-3,
            decay: 1e-4,
            every: 25,
            patience: 6,
            most: 2500,
            enough: f64::INFINITY,
        }
    }
}

/// What it gave.
#[derive(Clone, Debug)]
pub struct Turned<M> {
    /// The policy of the lowest loss, or the one that was good enough.
    pub policy: M,
    /// Updates that were made, up to the end.
    pub updates: usize,
    /// The loss on the further demonstrations at each look.
    pub losses: Vec<f64>,
    /// Whether it turned twice or a policy was good enough, before the updates were over.
    pub done: bool,
}

/// A prompt with its demonstration.
pub type Shown = (Vec<u32>, Completion);

/// What a policy has learned, on what it was not shown.
pub type Score<'a, M> = dyn Fn(&M) -> Result<f64> + 'a;

impl UntilTurn {
    /// The policy of [`run`](Self::run), which must be done, once for all runs of this program: generator and policy are then those of the first run.
    ///
    /// `named` tells sets and scores apart that come with the same generator. Another program, warm-up, policy at the start, generator or name is another run.
    ///
    /// # Errors
    /// If a demonstration has no token, the warm-up is not done when its updates are over, or the device can't return the policy.
    pub fn kept<M: ScorePolicy + Module + Clone>(
        &self,
        policy: M,
        named: &str,
        (set, further): (&[Shown], &[Shown]),
        score: &Score<'_, M>,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<M> {
        let kept = Kept::of(self, &policy, named, rng)?;
        if let Some(kept) = &kept
            && let Some(found) = kept.read(&policy, rng)?
        {
            return Ok(found);
        }
        let found = self.run(policy, (set, further), score, rng, device)?;
        ensure!(
            found.done,
            "the warm-up is not done after {} updates",
            found.updates
        );
        if let Some(kept) = kept {
            kept.write(&found.policy, rng)?;
        }
        Ok(found.policy)
    }

    /// Trains a policy on a set.
    ///
    /// # Errors
    /// If a demonstration has no token.
    pub fn run<M: ScorePolicy + Module + Clone>(
        &self,
        mut policy: M,
        (set, further): (&[Shown], &[Shown]),
        score: &Score<'_, M>,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Turned<M>> {
        let adam = || {
            let config = AdamWConfig::new().with_epsilon(1e-8);
            config.with_weight_decay(self.decay).init()
        };
        let mut optim = adam();
        let further = pairs(further.to_vec())?;
        let mut order: Vec<usize> = Vec::new();
        let (mut losses, mut best) = (Vec::new(), (f64::INFINITY, policy.clone()));
        let (mut since, mut turns) = (0, 0);
        let mut updates = 0;
        while updates < self.most && turns < 2 {
            let mut batch = Vec::new();
            while batch.len() < self.batch.min(set.len()) {
                if order.is_empty() {
                    order = (0..set.len()).collect();
                    order.shuffle(rng);
                }
                batch.extend(order.pop().map(|place| set[place].clone()));
            }
            let sequences = Sequences::new(&pairs(batch)?, BLANK, device)?;
            let grads = imitation(&policy, &sequences)?.backward();
            let grads = GradientsParams::from_grads(grads, &policy);
            let rise = ((updates + 1) as f64 / 30.0).min(1.0);
            let slower = [1.0, 0.3][turns.min(1)];
            policy = optim.step(self.rate * rise * slower, policy, grads);
            updates += 1;
            if !updates.is_multiple_of(self.every) {
                continue;
            }
            let loss = loss(&policy, &further, device)?;
            losses.push(loss);
            let found = score(&policy)?;
            if found >= self.enough {
                return Ok(Turned {
                    policy,
                    updates,
                    losses,
                    done: true,
                });
            }
            since += 1;
            if loss < best.0 {
                best = (loss, policy.clone());
                since = 0;
            }
            if since >= self.patience {
                (since, turns) = (0, turns + 1);
                policy = best.1.clone();
                optim = adam();
            }
        }
        Ok(Turned {
            policy: best.1,
            updates,
            losses,
            done: turns == 2,
        })
    }
}

/// The mean negative log-probability, without a gradient.
fn loss<M: ScorePolicy + Module>(policy: &M, shown: &Rollouts, device: &Device) -> Result<f64> {
    let sequences = Sequences::new(shown, BLANK, &device.clone().inner())?;
    Ok(imitation(&policy.valid(), &sequences)?.into_scalar::<f64>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::super::policy::PolicyConfig;
    use super::super::task::{Part, Task};
    use super::super::tools::Tools;
    use super::*;

    /// On a set that is far too small the loss on further demonstrations turns soon, and its lowest is taken.
    #[test]
    fn the_policy_of_the_lowest_loss_is_taken() {
        let device = Device::default().autodiff();
        device.seed(0);
        let (tools, mut rng) = (Tools::default(), ChaCha8Rng::seed_from_u64(0));
        let mut drawn = |count| -> Vec<Shown> {
            let requests: Vec<_> = (0..count)
                .map(|_| tools.request(Part::Training, &mut rng))
                .collect();
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let requests = requests.iter();
            requests
                .map(|one| (tools.prompt(one), tools.taught(one, &mut rng)))
                .collect()
        };
        let (set, further) = (drawn(32), drawn(32));
        let warm_up = UntilTurn {
            every: 5,
            patience: 2,
            most: 1000,
            ..UntilTurn::default()
        };
        let config = PolicyConfig::new().with_width(16).with_hidden(32);
        let found = warm_up.run(
            config.init(&device),
            (&set, &further),
            &|_| Ok(0.0),
            &mut rng,
            &device,
        );
        let found = found.unwrap();
        assert!(found.done && found.updates < 1000, "{:?}", found.losses);
        let lowest = found.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let of = loss(&found.policy, &pairs(further).unwrap(), &device).unwrap();
        assert!((of - lowest).abs() < 1e-4, "{of} {lowest}");
        assert!(found.losses.last().is_some_and(|last| *last > lowest));
    }
}
