//! The policy that all arms start from, and the prompts.

use anyhow::Result;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::Completion;
use regimen_rl_rewards::recipes::MultiTurn;

use crate::experiment::Context;
use crate::rl_rewards::bed::countdown::{Countdown, FEEDBACK, Instance};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::warm_up::WarmUp;

/// Answers to a prompt in the test, and of an episode in training.
pub(super) const TURNS: usize = 5;
/// Answers that a state keeps.
pub(super) const WINDOW: usize = 2;
/// Wrong attempts ahead of the line that a warm-up's update shows.
const SHOWN: [usize; 4] = [0, 1, 0, 2];

/// The policy after the warm-up, and the prompts.
pub(super) struct Bench {
    pub(super) task: Countdown,
    pub(super) base: Policy,
    /// Prompts of training.
    pub(super) prompts: Vec<Instance>,
    pub(super) tested: Vec<Instance>,
    /// Leaves out what is only reported.
    pub(super) brief: bool,
}

/// Episodes whose states keep the last wrong answers.
pub(super) fn turns() -> Result<MultiTurn> {
    Ok(MultiTurn::new(TURNS, FEEDBACK.to_vec())?.with_window(WINDOW))
}

impl Bench {
    pub(super) fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let task = if context.full {
            Countdown::large()
        } else {
            Countdown::new()
        };
        let config = PolicyConfig::sized(context);
        let warm_up = WarmUp {
            updates: match context {
                Context { full: true, .. } => 6000,
                Context { small: true, .. } => 600,
                _ => 640,
            },
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        device.seed(seed);
        let states = turns()?;
        let mut count = 0;
        let named = format!("{task:?} {SHOWN:?}");
        let base = warm_up.kept(config.init(device), &named, &mut rng, device, |rng| {
            let instance = task.draw(Part::Training, rng);
            let shown = SHOWN[count / warm_up.batch % SHOWN.len()];
            count += 1;
            let wrong: Vec<Completion> = (0..shown)
                .filter_map(|_| task.wrong(&instance, rng))
                .collect();
            let state = states.state(&task.prompt(&instance), &wrong);
            (state, task.taught(&instance, rng))
        })?;
        let drawn = |part, count: usize, rng: &mut ChaCha8Rng| {
            let mut all = task.instances(part).to_vec();
            all.shuffle(rng);
            all.truncate(count);
            all
        };
        let (prompts, tested) = match context {
            Context { full: true, .. } => (5000, 2000),
            Context { small: true, .. } => (80, 100),
            _ => (600, 844),
        };
        Ok(Self {
            prompts: drawn(Part::Training, prompts, &mut rng),
            tested: drawn(Part::HeldOut, tested, &mut rng),
            base,
            task,
            brief: false,
        })
    }

    /// Leaves out what is only reported.
    pub(super) fn brief(self) -> Self {
        Self {
            brief: true,
            ..self
        }
    }

    /// The prompts of instances.
    pub(super) fn tokens(&self, instances: &[Instance]) -> Vec<Vec<u32>> {
        instances.iter().map(|one| self.task.prompt(one)).collect()
    }

    /// 1 for a right answer to one of these instances, else 0.
    pub(super) fn reward<'a>(
        &'a self,
        instances: &'a [Instance],
    ) -> impl Fn(usize, &Completion) -> f64 + 'a {
        |place, answer| f64::from(u8::from(self.task.is_right(&instances[place], answer)))
    }
}
