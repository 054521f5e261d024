//! PPO with verifiable rewards: a value function of its own, which starts from the policy's trunk, and several epochs of each batch of samples.

use anyhow::Result;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use regimen_rl_rewards::policy::{Rollouts, ScorePolicy, Sequences};
use regimen_rl_rewards::recipes::Rlvr;
use regimen_rl_rewards::{Returns, TokenBatch};

use super::policy::Policy;
use super::symbols::BLANK;
use crate::optim::adam;

/// Updates by the same samples.
const EPOCHS: usize = 4;

/// A transformer that says what a response will be worth, ahead of each of its tokens.
#[derive(Module, Debug)]
pub struct Critic {
    trunk: Policy,
    head: Linear,
}

impl Critic {
    /// From a policy, and 0 everywhere at first.
    #[must_use]
    pub fn from_policy(policy: &Policy, device: &Device) -> Self {
        let head = LinearConfig::new(policy.width(), 1);
        Self {
            trunk: policy.clone(),
            head: head.with_initializer(Initializer::Zeros).init(device),
        }
    }

    /// Values `[sequences, T]` ahead of each token of the completions.
    ///
    /// # Errors
    /// None for sequences of the trunk's words.
    pub fn values(&self, sequences: &Sequences) -> Result<Tensor<2>> {
        let values = self.head.forward(self.trunk.hidden(sequences.tokens()));
        Ok(sequences.before_each(values)?.squeeze_dim(2))
    }
}

/// A critic and the moments of both networks. The weight of the value's loss does not matter to Adam, as the networks share no weight.
pub struct Ppo {
    rlvr: Rlvr,
    critic: Critic,
    optims: [ModuleOptimizer; 2],
    rate: f64,
}

impl Ppo {
    /// From the policy that it will update.
    #[must_use]
    pub fn new(rlvr: Rlvr, policy: &Policy, rate: f64, device: &Device) -> Self {
        Self {
            rlvr,
            critic: Critic::from_policy(policy, device),
            optims: [adam(0.999), adam(0.999)],
            rate,
        }
    }

    /// The policy after four epochs of samples of it, and how many tokens a gradient was taken of. Log-probabilities of the `reference` are
    /// `[sequences, T]`.
    ///
    /// # Errors
    /// If there is not one finite reward a sample.
    pub fn update(
        &mut self,
        mut policy: Policy,
        rollouts: &Rollouts,
        rewards: &[f64],
        reference: Tensor<2>,
        device: &Device,
    ) -> Result<(Policy, usize)> {
        let plain = Sequences::new(rollouts, BLANK, &device.clone().inner())?;
        let old = policy.valid().log_probs(&plain)?;
        let values = self.critic.valid().values(&plain)?;
        let found = self.returns(rollouts, rewards, [&old, &reference, &values])?;
        let sequences = Sequences::new(rollouts, BLANK, device)?;
        let dims = values.dims();
        let returns = Tensor::from_data(TensorData::new(found.returns, dims), device);
        let batch = TokenBatch::of_sequences(&sequences)?;
        let inside = |tensor: &Tensor<2>| Tensor::from_inner(tensor.clone());
        for _ in 0..EPOCHS {
            let known = (Some(inside(&old)), None);
            let advantages = &found.advantages;
            let (loss, _) = self.rlvr.loss(&policy, &sequences, known, advantages)?;
            let grads = GradientsParams::from_grads(loss.backward(), &policy);
            policy = self.optims[0].step(self.rate, policy, grads);
            let now = self.critic.values(&sequences)?;
            let loss = self.rlvr.value_loss();
            let loss = loss.loss(now, inside(&values), returns.clone(), &batch)?;
            let grads = GradientsParams::from_grads(loss.backward(), &self.critic);
            self.critic = self.optims[1].step(self.rate, self.critic.clone(), grads);
        }
        Ok((policy, EPOCHS * rollouts.count_sampled()))
    }

    /// Whitened advantages and returns by log-probabilities of the sampler and of the reference, and values.
    fn returns(
        &self,
        rollouts: &Rollouts,
        rewards: &[f64],
        of_tokens: [&Tensor<2>; 3],
    ) -> Result<Returns> {
        let [old, reference, values] =
            of_tokens.map(|tensor| tensor.clone().try_into_vec_as::<f64>());
        let mask = Rlvr::token_mask(rollouts)?;
        let (old, reference, values) = (old?, reference?, values?);
        Ok(self
            .rlvr
            .returns(rewards, &old, &reference, &values, &mask)?)
    }
}
