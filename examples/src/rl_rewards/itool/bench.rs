//! The fixed set of requests, the policy after the warm-up on it, the test, and the names of the arms.

use anyhow::{Result, ensure};
use burn::module::Module;
use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Rollouts, Sequences, generate};

use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::evaluate::greedy;
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::symbols::BLANK;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::tools::{Level, Request, Tools};
use crate::rl_rewards::bed::turn::{Shown, UntilTurn};
use crate::rl_rewards::bed::warm_up::pairs;

pub(super) const BASE: &str = "base";
pub(super) const SFT: &str = "sft on";
pub(super) const HARD: &str = "sft on hard requests";
pub(super) const EXACT: &str = "sft on own exact answers";
pub(super) const WHOLE: &str = "simpo of whole answers";
pub(super) const TRUTH: &str = "no search";
pub(super) const ITOOL: &str = "itool";
pub(super) const RANDOM: &str = "itool, random requests";

/// Streams of a seed's generator: nothing is drawn twice from one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Easy = 40,
    Set,
    Tested,
    Picked,
    Order,
}

/// A generator of a seed's stream.
pub(super) fn stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// Exact matches of the base on requests for two calls, in percent: where errors are the policy's own, and few enough.
const BAND: std::ops::RangeInclusive<f64> = 50.0..=80.0;

/// How a base policy is made: easy requests first, for one call or none, then the fixed set; each until the loss on others turns or as many of the
/// others are right as are enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) task: Tools,
    /// How many easy requests there are.
    pub(super) easy: usize,
    pub(super) before: UntilTurn,
    pub(super) until: UntilTurn,
}

/// The set, the policy after the warm-up, and what it is tested on.
pub(super) struct Bench {
    pub(super) task: Tools,
    pub(super) base: Policy,
    /// The fixed set.
    pub(super) set: Vec<Request>,
    /// Fresh requests for two calls.
    pub(super) tested: Vec<Request>,
    /// Fresh requests without a function that fits.
    nothing: Vec<Request>,
}

impl Bench {
    pub(super) fn new(context: &Context, plan: Plan, seed: u64) -> Result<Self> {
        let device = &context.device;
        let task = plan.task;
        let (count, further, tested) = match context {
            Context { full: true, .. } => (10_000, 2000, 2000),
            Context { small: true, .. } => (600, 200, 100),
            _ => (1500, 500, 1000),
        };
        device.seed(seed);
        let mut rng = stream(seed, Stream::Set);
        let mut drawn = |count| -> Vec<Request> {
            let requests = (0..count).map(|_| task.request(Part::Training, &mut rng));
            requests.collect()
        };
        let (set, further) = (drawn(count), drawn(further));
        let policy = PolicyConfig::sized(context).init(device);
        let mut easy = stream(seed, Stream::Easy);
        let mut drawn = |count| -> Vec<Request> {
            let one = |_| {
                let level = match easy.random_range(0..10) {
                    0 => Level::Nothing,
                    _ => Level::Simple,
                };
                task.request_of(level, Part::Training, &mut easy)
            };
            (0..count).map(one).collect()
        };
        let (simple, others) = (drawn(plan.easy), drawn(300));
        let policy = learn(
            &plan.before,
            policy,
            &task,
            [&simple, &others],
            Level::Simple,
            &mut rng,
            device,
        )?;
        let base = learn(
            &plan.until,
            policy,
            &task,
            [&set, &further],
            Level::Complex,
            &mut rng,
            device,
        )?;
        let mut rng = stream(seed, Stream::Tested);
        let mut fresh = |level, count| -> Vec<Request> {
            let requests = (0..count).map(|_| task.request_of(level, Part::HeldOut, &mut rng));
            requests.collect()
        };
        Ok(Self {
            tested: fresh(Level::Complex, tested),
            nothing: fresh(Level::Nothing, tested / 2),
            task,
            base,
            set,
        })
    }

    /// Tests a policy: its most probable answers to fresh requests.
    pub(super) fn test(
        &self,
        context: &Context,
        trial: &mut Trial,
        arm: &str,
        policy: &Policy,
    ) -> Result<()> {
        let answers = self.answers(context, policy, &self.tested)?;
        let verdicts = self.tested.iter().zip(answers.rollouts());
        let verdicts: Vec<_> = verdicts
            .map(|(request, one)| self.task.verdict(request, &one.completion))
            .collect();
        let percent = |right: usize, of: usize| 100.0 * right as f64 / of.max(1) as f64;
        let all = verdicts.len();
        let count = |is: fn(&&_) -> bool| percent(verdicts.iter().filter(is).count(), all);
        trial.record(arm, "main", count(|one| one.exact));
        trial.record(arm, "executed", count(|one| one.executed));
        trial.record(arm, "parsed", count(|one| one.parsed));
        let slots = verdicts.iter().fold([0; 4], |sum, one| {
            let ((f, fs), (a, all)) = (one.functions, one.arguments);
            [sum[0] + f, sum[1] + fs, sum[2] + a, sum[3] + all]
        });
        trial.record(arm, "functions", percent(slots[0], slots[1]));
        trial.record(arm, "arguments", percent(slots[2], slots[3]));
        let answers = self.answers(context, policy, &self.nothing)?;
        let right = self.nothing.iter().zip(answers.rollouts());
        let right = right.filter(|(request, one)| self.task.is_right(request, &one.completion));
        let right = percent(right.count(), self.nothing.len());
        trial.record(arm, "none", right);
        Ok(())
    }

    /// Exact answers to the requests of the set for two calls.
    pub(super) fn on_set(&self, context: &Context) -> Result<f64> {
        let two = self
            .set
            .iter()
            .filter(|one| self.task.level(one) == Level::Complex);
        let two: Vec<Request> = two.cloned().collect();
        let answers = self.answers(context, &self.base, &two)?;
        let right = two.iter().zip(answers.rollouts());
        let right = right.filter(|(request, one)| self.task.is_right(request, &one.completion));
        Ok(100.0 * right.count() as f64 / two.len() as f64)
    }

    fn answers(
        &self,
        context: &Context,
        policy: &Policy,
        requests: &[Request],
    ) -> Result<Rollouts> {
        let prompts: Vec<_> = requests.iter().map(|one| self.task.prompt(one)).collect();
        let device = context.device.clone().inner();
        let decoding = greedy(&self.task)?;
        Ok(generate(
            &policy.valid(),
            &prompts,
            1,
            &decoding,
            0,
            &device,
        )?)
    }

    /// Tests the base policy, which must be within its band except at the small size.
    pub(super) fn test_base(&self, context: &Context, trial: &mut Trial) -> Result<()> {
        self.test(context, trial, BASE, &self.base)?;
        let found = trial.value(BASE, "main");
        ensure!(
            context.small || BAND.contains(&found),
            "the warm-up is outside of its band: {found:.1} % of the requests for two calls are right"
        );
        Ok(())
    }
}

/// Warms a policy up on requests, until the loss on the further ones turns or it is right on so many of those of a level.
fn learn(
    warm_up: &UntilTurn,
    policy: Policy,
    task: &Tools,
    sets: [&[Request]; 2],
    level: Level,
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Result<Policy> {
    let of = |requests: &[Request]| requests.iter().map(|one| demonstrated(task, one)).collect();
    let [set, further]: [Vec<Shown>; 2] = sets.map(of);
    let of_level = sets[1].iter().zip(&further);
    let of_level = of_level.filter(|(request, _)| task.level(request) == level);
    let right = pairs(of_level.map(|(_, shown)| shown.clone()).collect())?;
    let right = Sequences::new(&right, BLANK, &device.clone().inner())?;
    let score = |policy: &Policy| exact(&policy.valid(), &right);
    let named = format!("{task:?} {} {level:?}", set.len());
    warm_up.kept(policy, &named, (&set, &further), &score, rng, device)
}

/// Right answers whose every token is the most probable one, in percent: those that the policy gives itself when it takes the most probable token.
fn exact(policy: &Policy, right: &Sequences) -> Result<f64> {
    let found = right.before_each(policy.forward(right.tokens()))?.argmax(2);
    let wrong = found.squeeze_dim::<2>(2).not_equal(right.targets()).float() * right.mask();
    let rows = wrong.sum_dim(1).equal_elem(0.0).float();
    Ok(100.0 * rows.mean().into_scalar::<f64>())
}

/// A request with its right answer.
pub(super) fn demonstrated(task: &Tools, request: &Request) -> Shown {
    // Of this task the same whatever the generator.
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (task.prompt(request), task.taught(request, &mut rng))
}
