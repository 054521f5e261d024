//! The task in text: chains of arithmetic with hints, and its policy.

use anyhow::Result;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End, Rollouts, ScorePolicy, Sequences, generate};

use super::super::bed::chain::{Chain, Class};
use super::super::bed::evaluate::{accuracy, sampling};
use super::super::bed::hints::{Hinted, Hints};
use super::super::bed::policy::{Policy, PolicyConfig};
use super::super::bed::symbols::{ANSWER, BLANK, LETTERS};
use super::super::bed::task::{Part, Task};
use super::super::bed::warm_up::WarmUp;
use super::learn::{Exercise, Side};
use crate::experiment::{Context, Trial};

/// Prompts of the test.
const TESTED: usize = 400;

/// Chains with hints, the policy after the warm-up, and the test.
pub(super) struct Text {
    pub(super) hints: Hints,
    pub(super) base: Policy,
    tested: Vec<Hinted>,
    device: Device,
}

impl Text {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let chain = if context.full {
            Chain::large(seed)
        } else {
            Chain::new(seed)
        };
        let hints = Hints::new(chain);
        let config = PolicyConfig::sized(context);
        let warm_up = WarmUp {
            updates: if context.full { 4000 } else { 700 },
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The facts were shared out by the first stream, prompts of post-training are drawn by the second.
        rng.set_stream(2);
        device.seed(seed);
        let base = warm_up.teach(config.init(device), &hints, &mut rng, device)?;
        let tested = (0..TESTED).map(|_| hints.half_hidden(Part::HeldOut, &mut rng));
        Ok(Self {
            tested: tested.collect(),
            hints,
            base,
            device: device.clone().inner(),
        })
    }

    /// A prompt of post-training.
    pub(super) fn exercise(&self, rng: &mut ChaCha8Rng) -> Exercise {
        let blank = self.hints.half_hidden(Part::Training, rng);
        let hinted = Hinted {
            is_hinted: true,
            ..blank.clone()
        };
        Exercise {
            prompt: self.hints.prompt(&blank),
            guided: self.hints.prompt(&hinted),
            expert: self.hints.expert(&blank.problem),
            own: self.hints.own(&blank.problem),
            answer: vec![self.hints.chain().answer(&blank.problem)],
        }
    }

    /// Greedy accuracy on held-out prompts: with a hidden fact, which is the arm's figure, and without.
    pub(super) fn test(&self, trial: &mut Trial, arm: &str, policy: &Policy) -> Result<()> {
        let found = accuracy(&policy.valid(), &self.hints, &self.tested, &self.device)?;
        trial.record(arm, "main", found.of(Class::Hidden));
        trial.record(arm, "all prompts", found.all);
        for class in [Class::Known, Class::OneWeak] {
            trial.record(arm, class.name(), found.of(class));
        }
        Ok(())
    }

    /// Greedy accuracy of a policy on the test with the hints in view.
    pub(super) fn with_hints(&self, policy: &Policy) -> Result<f64> {
        let hinted = self.tested.iter().map(|one| Hinted {
            is_hinted: true,
            ..one.clone()
        });
        let hinted: Vec<Hinted> = hinted.collect();
        Ok(accuracy(&policy.valid(), &self.hints, &hinted, &self.device)?.all)
    }
}

impl Side for Text {
    type Policy = Policy;

    const FILL: u32 = BLANK;

    fn sample(
        &self,
        policy: &Policy,
        prompts: &[Vec<u32>],
        samples: usize,
        seed: u64,
    ) -> regimen_rl_rewards::Result<Rollouts> {
        let decoding = sampling(&self.hints);
        let decoding = decoding
            .map_err(|error| regimen_rl_rewards::RlRewardsError::Read(error.to_string()))?;
        generate(policy, prompts, samples, &decoding, seed, &self.device)
    }

    fn log_probs(
        &self,
        policy: &Policy,
        sequences: &Sequences,
    ) -> regimen_rl_rewards::Result<Tensor<2>> {
        policy.log_probs(sequences)
    }

    /// In digits or in letters.
    fn is_right(&self, exercise: &Exercise, completion: &Completion) -> bool {
        let mut parts = completion.content().split(|token| *token == ANSWER);
        let answers = (parts.next(), parts.next(), parts.next());
        completion.end() == End::EndToken
            && matches!(answers, (Some(_), Some([found]), None)
                if exercise.answer == [*found] || exercise.answer == [found.wrapping_sub(LETTERS)])
    }
}
