//! Hybrid post-training: imitation on the prompts that a policy fails, reinforcement on those where it succeeds.
//!
//! How a user's loop does it: `arms.rs`, one update of a policy by [`HybridGate`](regimen_rl_rewards::HybridGate).

mod arms;
pub mod tune;

use anyhow::Result;
use burn::module::Module;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::arms::{Arm, Post, Steps};
use super::bed::chain::{Chain, Class, Expert, Fact, Part, Problem};
use super::bed::evaluate::{Found, accuracy, pass, sampling};
use super::bed::policy::{Policy, PolicyConfig};
use super::bed::warm_up::WarmUp;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, System, Trial, differences,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "unified-post-training",
    number: 36,
    krate: "regimen-rl-rewards",
    paper: "Towards a Unified View of Large Language Model Post-Training (arXiv 2509.04419)",
    paper_figure: "Qwen2.5-Math-7B, mean in and out of distribution: HPT 52.7 / 62.3, SFT 44.5 / 46.4, GRPO 43.1 / 58.8, SFT then GRPO 46.5 / 49.3, LUFFY 49.8 / 60.1, SRFT 44.2 / 58.7",
    claim: "Demonstrations that are wrong in a fifth of the facts, and a verifier: imitation where all of a prompt's eight samples fail and reinforcement elsewhere against either alone, their sum, one after the other, and as much imitation on prompts picked at random",
    metric: "greedy accuracy of a small transformer on held-out chains of arithmetic, half of them out of distribution",
    unit: "%",
    better: Better::Higher,
    baseline: tune::BASELINE,
    method: HPT,
    seeds: 0..5,
    source: file!(),
    data: DataKind::Simulated,
    curve: "update / share of prompts that are imitated",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: "gate-reversed",
        does: "Prompts with a success are imitated, the others are left to reinforcement",
        turns: &["hpt minus rl", "prompts with a success that hpt imitated"],
    },
    Fault {
        name: "gate-open-at-its-threshold",
        does: "Reinforcement where the share of successes is at least the threshold: never imitation",
        turns: &["prompts without a success that hpt did not imitate"],
    },
];

const RL: &str = "rl";
const SFT: &str = "sft";
const LONG: &str = "sft, samples as updates";
const AFTER: &str = "sft, then rl";
const SUM: &str = "sum";
const EARLY: &str = "early sft";
const RANDOM: &str = "random gate";
const HPT: &str = "hpt";

/// The share of facts in which the demonstrations are wrong.
const WRONG: f64 = 0.2;

/// Updates of 32 demonstrations that train on about as many tokens as one update of the arms that sample.
const EQUAL: usize = 4;

/// Prompts of each half of the test.
const TESTED: usize = 500;

/// The policy after the warm-up, and what it is tested on.
struct Bench {
    chain: Chain,
    expert: Expert,
    base: Policy,
    within: Vec<Problem>,
    outside: Vec<Problem>,
}

/// Whether post-training may have a problem: it never has a doubtful fact at the third step.
fn is_within(chain: &Chain, problem: &Problem) -> bool {
    chain
        .way(problem)
        .get(2)
        .is_none_or(|fact| *fact == Fact::Known)
}

/// A prompt of post-training.
fn drawn(chain: &Chain, part: Part, rng: &mut ChaCha8Rng) -> Problem {
    loop {
        let problem = chain.problem(part, rng);
        if is_within(chain, &problem) {
            return problem;
        }
    }
}

impl Bench {
    fn new(context: &Context, seed: u64) -> Result<Self> {
        let device = &context.device;
        let chain = if context.full {
            Chain::large(seed)
        } else {
            Chain::new(seed)
        };
        let config = match context {
            Context { full: true, .. } => PolicyConfig::new().with_layers(4).with_width(128),
            Context { small: true, .. } => PolicyConfig::new().with_width(32).with_hidden(64),
            _ => PolicyConfig::new(),
        };
        let config = if context.full {
            config.with_hidden(512)
        } else {
            config
        };
        let warm_up = WarmUp {
            updates: if context.full { 4000 } else { 560 },
            ..WarmUp::default()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        device.seed(seed);
        let base = warm_up.run(config.init(device), device, || {
            let problem = chain.problem(Part::Training, &mut rng);
            (chain.prompt(&problem), chain.taught(&problem, &mut rng))
        })?;
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
    fn test(&self, context: &Context, trial: &mut Trial, arm: &str, policy: &Policy) -> Result<()> {
        let (policy, device) = (policy.valid(), context.device.clone().inner());
        let of = |problems| accuracy(&policy, &self.chain, problems, &device);
        let (within, outside) = (of(&self.within)?, of(&self.outside)?);
        trial.record(arm, "main", (within.all + outside.all) / 2.0);
        trial.record(arm, "within the distribution", within.all);
        trial.record(arm, "out of distribution", outside.all);
        let of = |found: &Found, class| found.by_class.get(&class).copied().unwrap_or(0.0);
        for class in Class::ALL {
            trial.record(arm, class.name(), of(&within, class));
        }
        let sampled = sampling(&self.chain)?;
        let few = &self.within[..self.within.len().min(200)];
        let found = pass(
            &policy,
            &self.chain,
            few,
            &sampled,
            8,
            &[8],
            trial.seed,
            &device,
        )?;
        trial.record(arm, "pass@8", found[0].all);
        Ok(())
    }
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let bench = Bench::new(context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test(context, &mut trial, "base", &bench.base)?;
    let post = Post {
        context,
        chain: &bench.chain,
        expert: &bench.expert,
        seed,
        steps: Steps::of(context),
    };
    // The method first: two controls imitate as often as it does.
    let hpt = post.run(&bench.base, Arm::Hybrid, tune::RATES[7].1)?;
    let imitated = hpt.imitated.clone();
    let point = |(update, count): (usize, &usize)| (update as f64, *count as f64 / 32.0);
    trial.curve(HPT, imitated.iter().enumerate().map(point).collect());
    let mut arms = vec![(HPT, hpt)];
    for (name, arm) in [
        (RL, Arm::Reinforcement),
        (SFT, Arm::Imitation(EQUAL)),
        (LONG, Arm::Imitation(3 * EQUAL)),
        (AFTER, Arm::First(post.steps.shown_first())),
        (SUM, Arm::Sum(tune::WEIGHT)),
        (RANDOM, Arm::Random(imitated.clone())),
        (EARLY, Arm::First(imitated.iter().sum())),
    ] {
        arms.push((name, post.run(&bench.base, arm, tune::rate(name))?));
    }
    for (name, done) in arms {
        bench.test(context, &mut trial, name, &done.policy)?;
        done.budget.record(&mut trial, name);
        trial.record(name, "groups without a signal", done.no_signal);
        trial.record(name, "imitated with a success", done.with_success as f64);
        trial.record(name, "failed without imitation", done.left_out as f64);
    }
    Ok(trial)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |worse| differences(trials, HPT, worse, "main");
    let points = |name: String, values| Quantity::new(name, "points", values);
    let count = |name, metric| {
        let values = crate::experiment::values(trials, HPT, metric);
        Quantity::new(name, "", values).exactly(0.0)
    };
    let mut checks = vec![
        points(format!("hpt minus {}", tune::BASELINE), gap(tune::BASELINE))
            .at_least(0.0)
            .headline(),
        points("hpt minus rl".into(), gap(RL))
            .at_least(0.0)
            .headline(),
        points("hpt minus sft".into(), gap(SFT))
            .at_least(0.0)
            .headline(),
    ];
    if tune::BASELINE != RANDOM {
        checks.push(
            points("hpt minus random gate".into(), gap(RANDOM))
                .at_least(0.0)
                .headline(),
        );
    }
    checks.extend([
        points(
            "out of distribution: hpt minus sft".into(),
            differences(trials, HPT, SFT, "out of distribution"),
        )
        .at_least(0.0),
        count(
            "prompts with a success that hpt imitated",
            "imitated with a success",
        ),
        count(
            "prompts without a success that hpt did not imitate",
            "failed without imitation",
        ),
    ]);
    checks
}
