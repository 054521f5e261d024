//! The policy that all arms start from, the scorers, the test, and the names of the arms.

use anyhow::{Result, ensure};
use burn::module::Module;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::scorer::{Annotator, Responses, Scorer, sampled};
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::chain::{Chain, Class, Problem};
use crate::rl_rewards::bed::evaluate::accuracy;
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::styles::{Styles, by_style};
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::warm_up::WarmUp;

pub(super) const BASE: &str = "base";
pub(super) const OUTCOME: &str = "outcome only";
pub(super) const HONEST: &str = "honest, full";
pub(super) const NONE: &str = "fooled, no safeguards";
pub(super) const FADING: &str = "fooled, annealing only";
pub(super) const FULL: &str = "fooled, full";
pub(super) const GATED: &str = "fooled, full + gate";
pub(super) const CONSTANT: &str = "fooled, constant weight";

/// Streams of a seed's generator: nothing is drawn twice from one. The facts of the chain are of the first.
const SHOWN: u64 = 10;
const TESTED: u64 = 11;
const LABELLED: u64 = 12;
pub(super) const POSTED: u64 = 13;

/// Accuracy that bare text must cost the base policy where there are several operations, in points.
const COST: f64 = 10.0;

/// The policy after the warm-up, what it is tested on, and two scorers.
pub(super) struct Bench {
    pub(super) task: Styles,
    pub(super) base: Policy,
    pub(super) tested: Vec<Problem>,
    pub(super) honest: Scorer,
    pub(super) fooled: Scorer,
}

/// A generator of a seed's stream.
pub(super) fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

impl Bench {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let chain = if context.full {
            Chain::large(seed)
        } else {
            Chain::new(seed)
        };
        let task = Styles::new(chain);
        // Bare text costs a smaller policy nothing.
        let config = if context.small {
            PolicyConfig::new()
        } else {
            PolicyConfig::sized(context)
        };
        let warm_up = WarmUp {
            updates: if context.full { 8000 } else { 1200 },
            ..WarmUp::default()
        };
        device.seed(seed);
        let mut rng = stream(seed, SHOWN);
        let base = warm_up.teach(config.init(device), &task, &mut rng, device)?;
        let tested = if context.small { 500 } else { 1000 };
        let mut rng = stream(seed, TESTED);
        let tested = (0..tested).map(|_| task.draw(Part::HeldOut, &mut rng));
        let tested = tested.collect();
        let labels = if context.full { 5000 } else { 600 };
        let mut rng = stream(seed, LABELLED);
        let responses = Responses::of_base(&base, &task, labels, &mut rng, device)?;
        let fit = |annotator| Scorer::fit(&base, &task, &responses, annotator, device);
        Ok(Self {
            honest: fit(Annotator::Honest)?,
            fooled: fit(Annotator::Fooled)?,
            tested,
            base,
            task,
        })
    }

    /// Tests a policy: greedy accuracy, and by samples the styles and how far the scorers agree with the truth.
    pub(super) fn test(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        policy: &Policy,
    ) -> Result<()> {
        let device = context.device.clone().inner();
        let found = accuracy(&policy.valid(), &self.task, &self.tested, &device)?;
        trial.record(arm, "main", found.all);
        for class in Class::ALL {
            trial.record(arm, class.name(), found.of(class));
        }
        if context.small && arm != BASE {
            // What follows is reported, and in no check.
            return Ok(());
        }
        let few = &self.tested[..self.tested.len().min(200)];
        let rollouts = sampled(policy, &self.task, few, 8, trial.seed, &context.device)?;
        for (style, right, share) in by_style(&self.task, few, &rollouts) {
            let name = style.name();
            trial.record(arm, &format!("{name}, share of samples"), share);
            trial.record(arm, &format!("{name}, right"), right);
        }
        for (name, scorer) in [("honest", &self.honest), ("fooled", &self.fooled)] {
            let found = scorer.agreement(&self.task, few, &rollouts)?;
            trial.record(arm, &format!("rank correlation, {name}"), found);
        }
        let tokens = rollouts.count_sampled() as f64 / rollouts.len() as f64;
        trial.record(arm, "tokens of a sample", tokens);
        Ok(())
    }

    /// Tests the base policy, whose bare text must cost accuracy.
    pub(super) fn test_base(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        self.test(context, trial, BASE, &self.base)?;
        let [full, bare] = ["full, right", "bare, right"].map(|name| trial.value(BASE, name));
        ensure!(
            full >= bare + COST,
            "the warm-up is outside of its band: {full:.1} % of full responses are right, {bare:.1} % of bare ones"
        );
        Ok(())
    }
}

impl Bench {
    /// The scorer of an arm.
    pub(super) fn scorer(&self, arm: &str) -> &Scorer {
        if arm.starts_with("honest") {
            &self.honest
        } else {
            &self.fooled
        }
    }
}
