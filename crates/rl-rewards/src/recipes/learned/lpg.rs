//! # Lpg
//!
//! A network that makes an agent's loss from what it experienced: LPG, and TA-LPG, which knows how much of training is left.
//!
//! Source: LPG in "Discovering Reinforcement Learning Algorithms", arXiv 2007.08794; TA-LPG in "Discovering Temporally-Aware Reinforcement
//! Learning Algorithms", arXiv 2402.05828, equations 9 and 10.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::gru::{Gru, GruConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Bool, Device, Tensor};

use super::lifetime::Lifetime;
use crate::error::{Result, RlRewardsError, check};
use crate::objective::tensors::check_shape;

/// A network of this kind.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `width` | 256 | width of the recurrent layer |
/// | `categories` | 8 | entries of the agent's target vector |
/// | `embedding` | 16 | hidden units of `phi`, `categories -> embedding -> 1` |
/// | `lifetime` | false | TA-LPG: two inputs more, `n / N` and `ln N` |
#[derive(Config, Debug)]
pub struct LpgConfig {
    /// Width of the recurrent layer.
    #[config(default = 256)]
    pub width: usize,
    /// Entries of the agent's target vector.
    #[config(default = 8)]
    pub categories: usize,
    /// Hidden units of the embedding of targets.
    #[config(default = 16)]
    pub embedding: usize,
    /// Whether it reads the lifetime.
    #[config(default = false)]
    pub lifetime: bool,
}

/// What an agent experienced, of `batch` environments side by side over `time` steps.
#[derive(Clone, Debug)]
pub struct Experience {
    /// Rewards, `[batch, time]`.
    pub rewards: Tensor<2>,
    /// Whether the episode ended with the step, `[batch, time]`.
    pub dones: Tensor<2, Bool>,
    /// `ln pi(a|s)` of the actions that were taken, `[batch, time]`: the agent's gradient goes through it.
    pub log_probs: Tensor<2>,
    /// The agent's target vectors at the states, `[batch, time, categories]`, each a distribution: the agent's gradient goes through them.
    pub targets: Tensor<3>,
    /// Those at the states after, `[batch, time, categories]`.
    pub next_targets: Tensor<3>,
}

/// The network. See [`LpgConfig`].
///
/// Each step's inputs are `[r, d, pi(a|s), phi(y(s)), phi(y(s'))]`, with `phi(y(s')) = 0` where the episode ended, and with a lifetime
/// `[n / N, ln N]`. A recurrent layer runs over them backwards in time, its state 0 at an end of an episode, and after a ReLU two heads give
/// `pi_hat` and `y_hat`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_rl_rewards::recipes::learned::{Experience, Lifetime, LpgConfig};
///
/// let device = Device::flex().autodiff();
/// let network = LpgConfig::new().with_width(32).with_lifetime(true).init(&device)?;
/// let targets = Tensor::<3>::full([64, 20, 8], 0.125, &device);
/// let experience = Experience {
///     rewards: Tensor::zeros([64, 20], &device),
///     dones: Tensor::<2>::zeros([64, 20], &device).equal_elem(1.0),
///     log_probs: Tensor::full([64, 20], 0.25_f64.ln(), &device),
///     targets: targets.clone(),
///     next_targets: targets,
/// };
/// let wanted = network.forward(&experience, Some(Lifetime::new(3, 250)?))?;
/// let loss = wanted.loss(&experience)?; // the agent descends it
/// assert_eq!(loss.dims(), [1]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Module, Debug)]
#[doc(alias("TA-LPG"))]
pub struct Lpg {
    /// First layer of `phi`.
    pub embedding: Linear,
    /// Second layer of `phi`.
    pub embedded: Linear,
    /// The recurrent layer.
    pub recurrent: Gru,
    /// The head of `pi_hat`.
    pub policy: Linear,
    /// The head of `y_hat`.
    pub target: Linear,
    lifetime: bool,
}

impl LpgConfig {
    /// Draws the weights from the device's generator.
    ///
    /// # Errors
    /// If a size is 0 or above 2^14.
    pub fn init(&self, device: &Device) -> Result<Lpg> {
        for (field, size) in [
            ("width", self.width),
            ("categories", self.categories),
            ("embedding", self.embedding),
        ] {
            check(
                field,
                size as f64,
                (1..=1 << 14).contains(&size),
                "1 to 2^14",
            )?;
        }
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let inputs = if self.lifetime { 7 } else { 5 };
        Ok(Lpg {
            embedding: linear(self.categories, self.embedding),
            embedded: linear(self.embedding, 1),
            recurrent: GruConfig::new(inputs, self.width, true).init(device),
            policy: linear(self.width, 1),
            target: linear(self.width, self.categories),
            lifetime: self.lifetime,
        })
    }
}

impl Lpg {
    /// What the network wants of the agent. No gradient flows to the agent.
    ///
    /// # Errors
    /// If shapes differ, there is no step, or a lifetime is given where the network takes none, or missing where it takes one.
    pub fn forward(&self, experience: &Experience, life: Option<Lifetime>) -> Result<LpgTargets> {
        if life.is_some() != self.lifetime {
            return Err(RlRewardsError::OutOfRange {
                field: "life",
                value: if life.is_some() { "given" } else { "missing" }.to_owned(),
                allowed: "given where the network reads the lifetime, and only there",
            });
        }
        let [categories, _] = self.embedding.weight.dims();
        experience.check(categories)?;
        let inputs = self.inputs(experience, life);
        let [batch, time, _] = inputs.dims();
        let goes_on = self.number(experience.dones.clone()).neg() + 1.0;
        let [_, width] = self.recurrent.update_gate.hidden_transform.weight.dims();
        let mut state = Tensor::<2>::zeros([batch, width], (&inputs.device(), inputs.dtype()));
        let mut states = Vec::with_capacity(time);
        for step in (0..time).rev() {
            // What follows an end of an episode is another episode's.
            state = state * goes_on.clone().narrow(1, step, 1);
            let input = inputs.clone().narrow(1, step, 1);
            state = self.recurrent.forward(input, Some(state)).squeeze_dim(1);
            states.push(state.clone());
        }
        states.reverse();
        let states = relu(Tensor::stack::<3>(states, 1));
        let policy = self.policy.forward(states.clone()).squeeze_dim(2);
        let target = softmax(self.target.forward(states), 2);
        Ok(LpgTargets { policy, target })
    }

    /// `[batch, time, 5 or 7]`.
    fn inputs(&self, experience: &Experience, life: Option<Lifetime>) -> Tensor<3> {
        let dones = self.number(experience.dones.clone());
        let goes_on = dones.clone().neg() + 1.0;
        let rewards = self.constant(experience.rewards.clone());
        let mut inputs = vec![
            rewards.clone(),
            dones,
            self.constant(experience.log_probs.clone()).exp(),
            self.phi(experience.targets.clone()),
            self.phi(experience.next_targets.clone()) * goes_on,
        ];
        if let Some(life) = life {
            inputs.extend(life.inputs().map(|input| rewards.full_like(input)));
        }
        Tensor::stack(inputs, 2)
    }

    /// The embedding of target vectors, `[batch, time]`.
    fn phi(&self, targets: Tensor<3>) -> Tensor<2> {
        let hidden = relu(self.embedding.forward(self.constant(targets)));
        self.embedded.forward(hidden).squeeze_dim(2)
    }

    /// A tensor of the agent's without its tape, of the network's type.
    fn constant<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        values.detach().cast(self.policy.weight.val().dtype())
    }

    fn number(&self, mask: Tensor<2, Bool>) -> Tensor<2> {
        mask.float().cast(self.policy.weight.val().dtype())
    }

    /// The same network with two inputs more, whose weights are 0: TA-LPG that is this LPG until it learns.
    #[must_use]
    pub fn with_lifetime(mut self) -> Self {
        if !self.lifetime {
            for gate in [
                &mut self.recurrent.update_gate,
                &mut self.recurrent.reset_gate,
                &mut self.recurrent.new_gate,
            ] {
                let weight = gate.input_transform.weight.val();
                let [_, width] = weight.dims();
                let zeros = Tensor::zeros([2, width], (&weight.device(), weight.dtype()));
                let weight = Tensor::cat(vec![weight, zeros], 0).detach();
                gate.input_transform.weight = Param::from_tensor(weight);
            }
            self.lifetime = true;
        }
        self
    }
}

impl Experience {
    fn check(&self, categories: usize) -> Result<()> {
        let [batch, time] = self.rewards.dims();
        check(
            "rewards",
            (batch * time) as f64,
            batch * time > 0,
            "one step or more",
        )?;
        check_shape("dones", self.dones.dims(), [batch, time])?;
        check_shape("log_probs", self.log_probs.dims(), [batch, time])?;
        let wanted = [batch, time, categories];
        check_shape("targets", self.targets.dims(), wanted)?;
        check_shape("next_targets", self.next_targets.dims(), wanted)
    }
}

/// What a learned objective wants of an agent at each step.
#[derive(Clone, Debug)]
pub struct LpgTargets {
    /// `pi_hat`, `[batch, time]`: how much less likely the action should become; the sign is what the network learned.
    pub policy: Tensor<2>,
    /// `y_hat`, `[batch, time, categories]`, each a distribution.
    pub target: Tensor<3>,
}

impl LpgTargets {
    /// The agent's loss `[1]`: `mean(ln pi(a|s) pi_hat) + 0.5 mean(KL(y(s) || y_hat))`, with `KL(p || q) = sum p (ln(p + 1e-8) - ln(q +
    /// 1e-8))`. `pi_hat` and `y_hat` are constants in it.
    ///
    /// # Errors
    /// If the experience has other shapes than that of the targets.
    pub fn loss(&self, experience: &Experience) -> Result<Tensor<1>> {
        let [_, _, categories] = self.target.dims();
        experience.check(categories)?;
        check_shape("policy", self.policy.dims(), experience.log_probs.dims())?;
        let log_probs = experience.log_probs.clone();
        let wanted = self.policy.clone().detach().cast(log_probs.dtype());
        let actor = (log_probs * wanted).mean();
        let target = self.target.clone().detach();
        let target = target.cast(experience.targets.dtype());
        let kl = divergence(experience.targets.clone(), target).mean();
        Ok(actor + kl.cast(experience.log_probs.dtype()) * 0.5)
    }
}

/// `KL(p || q)` over the last axis.
fn divergence(p: Tensor<3>, q: Tensor<3>) -> Tensor<2> {
    let logs = (p.clone() + 1e-8).log() - (q + 1e-8).log();
    (p * logs).sum_dim(2).squeeze_dim(2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    /// Two environments, four steps; the episode of the first ends at its second.
    fn experience(device: &Device) -> Experience {
        let draw = || Tensor::<3>::random([2, 4, 8], Distribution::Normal(0.0, 1.0), device);
        let ends = Tensor::<2>::from_data([[0.0, 1.0, 0.0, 0.0], [0.0; 4]], device);
        Experience {
            rewards: Tensor::from_data([[1.0, 0.5, -1.0, 0.0], [0.0, 0.0, 2.0, 1.0]], device),
            dones: ends.equal_elem(1.0),
            log_probs: Tensor::full([2, 4], 0.25_f64.ln(), device),
            targets: softmax(draw(), 2),
            next_targets: softmax(draw(), 2),
        }
    }

    #[test]
    fn divergence_has_a_direction() {
        let device = Device::flex();
        let p = Tensor::<3>::from_data([[[0.7, 0.2, 0.1]]], &device);
        let q = Tensor::<3>::from_data([[[0.2, 0.3, 0.5]]], &device);
        let of = |p: &Tensor<3>, q: &Tensor<3>| numbers(divergence(p.clone(), q.clone()))[0];
        assert!((of(&p, &q) - 0.634_897_3).abs() < 1e-6);
        assert!((of(&q, &p) - 0.675_805_9).abs() < 1e-6);
    }

    #[test]
    fn actor_term_and_its_gradient() {
        let device = Device::flex().autodiff();
        let log_probs = Tensor::<2>::full([1, 1], 0.25_f64.ln(), &device).require_grad();
        let even = Tensor::<3>::full([1, 1, 8], 0.125, &device);
        let experience = Experience {
            rewards: Tensor::zeros([1, 1], &device),
            dones: Tensor::<2>::zeros([1, 1], &device).equal_elem(1.0),
            log_probs: log_probs.clone(),
            targets: even.clone(),
            next_targets: even.clone(),
        };
        let wanted = LpgTargets {
            policy: Tensor::full([1, 1], -1.5, &device),
            target: even,
        };
        let loss = wanted.loss(&experience).unwrap();
        let grads = loss.clone().backward();
        assert!((numbers(loss)[0] - 2.079_441_5).abs() < 1e-6);
        assert!((numbers(log_probs.grad(&grads).unwrap())[0] + 1.5).abs() < 1e-6);
    }

    #[test]
    fn without_weights_of_the_lifetime_it_is_lpg() {
        let device = Device::flex();
        let plain = LpgConfig::new().with_width(8).init(&device).unwrap();
        let experience = experience(&device);
        let timed = plain.clone().with_lifetime();
        let life = Some(Lifetime::new(7, 100).unwrap());
        let (a, b) = (
            plain.forward(&experience, None).unwrap(),
            timed.forward(&experience, life).unwrap(),
        );
        let far = |a: Vec<f32>, b: Vec<f32>| {
            let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
            far.fold(0.0, f32::max)
        };
        assert!(far(numbers(a.policy), numbers(b.policy)) < 1e-6);
        assert!(far(numbers(a.target), numbers(b.target)) < 1e-6);
        assert!(plain.forward(&experience, life).is_err());
        assert!(timed.forward(&experience, None).is_err());
    }

    #[test]
    fn reads_the_lifetime_where_it_has_weights() {
        let device = Device::flex();
        let config = LpgConfig::new().with_width(8).with_lifetime(true);
        let network = config.init(&device).unwrap();
        let experience = experience(&device);
        let of = |done, horizon| {
            let life = Lifetime::new(done, horizon).unwrap();
            numbers(network.forward(&experience, Some(life)).unwrap().policy)
        };
        assert_ne!(of(1, 10), of(9, 10));
        assert_ne!(of(1, 10), of(25, 250));
    }

    /// Backwards in time, and never over an end: what comes later changes earlier steps of its own episode only.
    #[test]
    fn what_follows_reaches_back_to_the_start_of_its_episode() {
        let device = Device::flex();
        let network = LpgConfig::new().with_width(8).init(&device).unwrap();
        let one = experience(&device);
        let bump = Tensor::<2>::from_data([[0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 5.0]], &device);
        let two = Experience {
            rewards: one.rewards.clone() + bump,
            ..one.clone()
        };
        let of = |experience| numbers(network.forward(experience, None).unwrap().policy);
        let changed: Vec<bool> = of(&one)
            .iter()
            .zip(of(&two))
            .map(|(a, b)| *a != b)
            .collect();
        assert_eq!(changed, [false, false, true, true, true, true, true, true]);
    }

    #[test]
    fn an_end_hides_the_next_state() {
        let device = Device::flex();
        let network = LpgConfig::new().with_width(8).init(&device).unwrap();
        let mut one = experience(&device);
        let before = numbers(network.forward(&one, None).unwrap().policy);
        let ends = one.dones.clone().float().unsqueeze_dim::<3>(2);
        one.next_targets = one.next_targets.clone() + ends * 3.0;
        assert_eq!(before, numbers(network.forward(&one, None).unwrap().policy));
    }

    #[test]
    fn no_gradient_flows_through_what_it_reads() {
        let device = Device::flex().autodiff();
        let network = LpgConfig::new().with_width(8).init(&device).unwrap();
        let mut one = experience(&device);
        one.log_probs = one.log_probs.require_grad();
        one.targets = one.targets.detach().require_grad();
        let wanted = network.forward(&one, None).unwrap();
        let grads = (wanted.policy.sum() + wanted.target.sum()).backward();
        assert!(one.log_probs.grad(&grads).is_none() && one.targets.grad(&grads).is_none());
        assert!(network.policy.weight.grad(&grads).is_some());
    }
}
