//! The policy that all arms start from, the test, and the names of the arms.

use anyhow::Result;
use burn::module::Module;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::chain::{Chain, Class, Expert, Fact, Problem};
use crate::rl_rewards::bed::evaluate::{Draws, accuracy, pass, sampling};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::task::Part;
use crate::rl_rewards::bed::warm_up::WarmUp;

pub(super) const RL: &str = "rl";
pub(super) const SFT: &str = "sft";
pub(super) const LONG: &str = "sft, samples as updates";
pub(super) const AFTER: &str = "sft, then rl";
pub(super) const SUM: &str = "sum";
pub(super) const EARLY: &str = "early sft";
pub(super) const RANDOM: &str = "random gate";
pub(super) const HPT: &str = "hpt";

/// The share of facts in which the demonstrations are wrong.
pub(super) const WRONG: f64 = 0.2;

/// Updates of 32 demonstrations that train on about as many tokens as one update of the arms that sample.
pub(super) const EQUAL: usize = 4;

/// Prompts of each half of the test.
pub(super) const TESTED: usize = 500;

/// The policy after the warm-up, and what it is tested on.
pub(super) struct Bench {
    pub(super) chain: Chain,
    pub(super) expert: Expert,
    pub(super) base: Policy,
    pub(super) within: Vec<Problem>,
    pub(super) outside: Vec<Problem>,
}

/// Whether post-training may have a problem: it never has a doubtful fact at the third step.
pub(super) fn is_within(chain: &Chain, problem: &Problem) -> bool {
    chain
        .way(problem)
        .get(2)
        .is_none_or(|fact| *fact == Fact::Known)
}

/// A prompt of post-training.
pub(super) fn drawn(chain: &Chain, part: Part, rng: &mut ChaCha8Rng) -> Problem {
    loop {
        let problem = chain.problem(part, rng);
        if is_within(chain, &problem) {
            return problem;
        }
    }
}

impl Bench {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let chain = if context.full {
            Chain::large(seed)
        } else {
            Chain::new(seed)
        };
        let config = PolicyConfig::sized(context);
        let warm_up = WarmUp {
            updates: if context.full { 4000 } else { 560 },
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        device.seed(seed);
        let base = warm_up.teach(config.init(device), &chain, &mut rng, device)?;
        let tested = if context.small { TESTED / 2 } else { TESTED };
        let within = (0..tested).map(|_| drawn(&chain, Part::HeldOut, &mut rng));
        let within = within.collect();
        let outside = (0..tested).map(|_| {
            loop {
                let problem = chain.problem_of(3, Part::HeldOut, &mut rng);
                if !is_within(&chain, &problem) {
                    return problem;
                }
            }
        });
        Ok(Self {
            outside: outside.collect(),
            within,
            expert: Expert::new(&chain, WRONG, seed),
            base,
            chain,
        })
    }

    /// Tests a policy: greedy accuracies, and the chance of a right one among eight.
    pub(super) fn test(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        policy: &Policy,
    ) -> Result<()> {
        let (policy, device) = (policy.valid(), context.device.clone().inner());
        let of = |problems| accuracy(&policy, &self.chain, problems, &device);
        let (within, outside) = (of(&self.within)?, of(&self.outside)?);
        trial.record(arm, "main", (within.all + outside.all) / 2.0);
        trial.record(arm, "within the distribution", within.all);
        trial.record(arm, "out of distribution", outside.all);
        for class in Class::ALL {
            trial.record(arm, class.name(), within.of(class));
        }
        let few = &self.within[..self.within.len().min(200)];
        let draws = Draws {
            decoding: &sampling(&self.chain)?,
            samples: 8,
            seed: trial.seed,
        };
        let found = pass(&policy, &self.chain, few, draws, &[8], &device)?;
        trial.record(arm, "pass@8", found[0].all);
        Ok(())
    }
}
