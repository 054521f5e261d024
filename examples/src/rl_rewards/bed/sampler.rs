//! A policy of the test bed with a task's tools, as what recipes sample from.

use burn::tensor::Device;
use regimen_rl_rewards::policy::{Decoding, NextToken, Rollouts, SamplePolicy, generate_with};
use regimen_rl_rewards::{Result, TokenSampler};
use regimen_schedules::Constant;

use super::symbols::END;
use super::task::Task;

/// Samples responses of a task at one temperature; prompts may go on over several lines.
#[derive(Clone, Copy, Debug)]
pub struct Sampler<'a, M, T> {
    /// The policy, without autodiff.
    pub policy: &'a M,
    /// The task, whose tools write into responses.
    pub task: &'a T,
    /// The temperature of all tokens.
    pub temperature: f64,
    /// Where the policy is.
    pub device: &'a Device,
}

impl<M: NextToken, T: Task> SamplePolicy for Sampler<'_, M, T> {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        let temperature = Constant::new(self.temperature).unwrap_or(Constant::ONE);
        let sampler = TokenSampler::new(temperature);
        let decoding = Decoding::new(sampler, END, self.task.response_length())?;
        let observer = |prompt: &[u32], so_far: &[u32]| self.task.observe(prompt, so_far);
        generate_with(
            self.policy,
            prompts,
            samples,
            &decoding,
            &observer,
            seed,
            self.device,
        )
    }
}
