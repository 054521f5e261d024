//! The data mixing agent on two domains of text: learned on prose and verse with a small model, used on prose and code with a wider one.
//!
//! How a user's program does it: `data_mixing_agent/field.rs`, a run whose mixtures a policy decides after each evaluation, and `arms.rs`, the runs that
//! an agent learns from.

mod arms;
mod doremi;
mod field;
mod kinds;
mod settings;
mod simulator;
pub mod tune;

use anyhow::Result;
use regimen_curriculum::mixing::{MixingAgent, Trajectory};

use self::arms::{
    AGENT, COLLECTED, DOREMI, ELSEWHERE, FITTED, FOUND, IMITATED, RAMP, REPLAYED, UNIFORM, Used,
    best, collect, fitted, held, ramp, response,
};
use self::field::{Ended, Field};
use self::settings::{ALPHA, CHOSEN, Settings, Sizes};
use crate::data::Text;
use crate::experiment::{
    Better, Check, Context, DataKind, Domain, Fault, Quantity, System, Trial, differences, values,
};

/// The experiment.
pub const SYSTEM: System = System {
    name: "data-mixing-agent",
    number: 12,
    krate: "regimen-curriculum",
    paper: "Data Mixing Agent: Learning to Re-weight Domains for Continual Pre-training (arXiv 2507.15640)",
    paper_figure: "LLaMA 3B on general text, then math: mean over 8 general and 4 math tasks 47.03, RegMix 44.01, dynamic batches by excess loss 43.50; the same weights moved to code 46.30 against 44.85",
    claim: "An agent that learned on prose and verse with a small model decides the shares of prose and code for a wider one; its mean loss on both is compared with that of the best static mixture by a fit to the same runs",
    metric: "mean loss on prose and code after equal updates, wider model",
    unit: "nats",
    better: Better::Lower,
    baseline: FITTED,
    method: AGENT,
    seeds: 10..15,
    source: file!(),
    data: DataKind::Domains(DOMAINS),
    curve: "step / share of the source",
    faults: FAULTS,
    revisions: &[],
    run,
    judge,
};

/// The source, the field that runs are collected on, and the field that the agent is used on.
const DOMAINS: &[Domain] = &[Domain::Prose, Domain::Verse, Domain::Code];

const FAULTS: &[Fault] = &[
    Fault {
        name: SWAPPED,
        does: "The agent is told the source's measure as the field's, and the field's as the source's",
        turns: &["two kinds of worlds"],
    },
    Fault {
        name: UNPENALISED,
        does: "The critic of the simulator has no conservative penalty",
        turns: &["simulator, promised less gained"],
    },
];

const SWAPPED: &str = "swapped-measures";
const UNPENALISED: &str = "alpha-zero";

const RESPONSE: &str = "more of the source after its loss has risen, points";
const KINDS: &str = "two kinds of worlds, gain over equal shares";
const PROMISED: &str = "simulator, promised less gained";
/// Simulators of a seed.
const WORLDS: u64 = 2;

const SOURCE: &str = "source in all tokens, %";

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let texts = context.domains(DOMAINS)?;
    let job = Job::new(context, &texts, CHOSEN, seed);
    let mut trial = Trial::new(seed);
    let learned = job.learn()?;
    let used = Used {
        agent: &learned.agent,
        other: None,
        swapped: context.is_broken_by(SWAPPED),
    };
    let answer = 100.0 * response(&used, &learned.runs)?;
    trial.record(AGENT, RESPONSE, answer);
    let mean = |of: fn(&Ended) -> f64| {
        let all: Vec<f64> = learned.runs.iter().map(of).collect();
        regimen_tensor::stats::mean(&all)
    };
    trial.record(COLLECTED, "first field, mean loss", mean(Ended::mean));
    let sizes = job.sizes;
    let updates = sizes.runs as usize * sizes.steps * sizes.updates;
    trial.record(COLLECTED, "updates", updates as f64);
    trial.record(COLLECTED, SOURCE, 100.0 * mean(Ended::source));
    let second = job.field(&job.second(), sizes.hidden[1])?;
    job.arms(&mut trial, &learned, &second, &used, "")?;
    if !context.small {
        let first = &learned.field;
        job.arms(&mut trial, &learned, first, &used, "first field, ")?;
    }
    let gained = kinds::gained(seed, used.swapped, &context.device)?;
    trial.record(AGENT, KINDS, gained);
    simulated(&mut trial, context, seed)?;
    Ok(trial)
}

/// The value that the critic of the simulator promises, and the score of its policy.
fn simulated(trial: &mut Trial, context: &Context, seed: u64) -> Result<()> {
    let alpha = if context.is_broken_by(UNPENALISED) {
        0.0
    } else {
        ALPHA
    };
    let worlds = (0..WORLDS).map(|world| simulator::scan(seed * WORLDS + world, &[alpha]));
    let worlds = worlds.collect::<Result<Vec<_>>>()?.concat();
    let mean = |of: fn(&simulator::Outcome) -> f64| {
        regimen_tensor::stats::mean(&worlds.iter().map(of).collect::<Vec<_>>())
    };
    trial.record(AGENT, PROMISED, mean(|one| one.promised));
    trial.record(AGENT, "simulator, score", mean(|one| one.score));
    trial.record(COLLECTED, "simulator, score", mean(|one| one.collected[0]));
    Ok(())
}

/// What an agent was learned from, and what came of it.
struct Learned {
    field: Field,
    runs: Vec<Ended>,
    agent: MixingAgent,
    imitator: MixingAgent,
}

/// A seed's texts and settings.
struct Job<'a> {
    context: &'a Context,
    texts: &'a [Text],
    settings: Settings,
    sizes: Sizes,
    seed: u64,
}

impl<'a> Job<'a> {
    fn new(context: &'a Context, texts: &'a [Text], settings: Settings, seed: u64) -> Self {
        let sizes = Sizes::of(context);
        Self {
            context,
            texts,
            settings,
            sizes,
            seed,
        }
    }

    /// The source and the first field.
    fn first(&self) -> [&'a Text; 2] {
        [&self.texts[0], &self.texts[1]]
    }

    /// The source and the second field, the first one where there are two texts.
    fn second(&self) -> [&'a Text; 2] {
        [&self.texts[0], self.texts.get(2).unwrap_or(&self.texts[1])]
    }

    fn field(&self, texts: &[&Text], hidden: usize) -> Result<Field> {
        let (sizes, rate) = (self.sizes, self.settings.rate);
        Field::new(texts, hidden, sizes, rate, self.seed, &self.context.device)
    }

    /// Collects runs on the first field with the small model, and learns from them.
    fn learn(&self) -> Result<Learned> {
        let field = self.field(&self.first(), self.sizes.hidden[0])?;
        let runs = collect(&field, &self.settings, self.seed)?;
        self.learn_from(field, runs)
    }

    fn learn_from(&self, field: Field, runs: Vec<Ended>) -> Result<Learned> {
        let seen: Vec<Trajectory> = runs.iter().map(|ended| ended.run.clone()).collect();
        let mut config = self.settings.agent(2, &self.sizes, self.seed);
        if self.context.small {
            config = config.with_updates(20, 20);
        }
        let device = self.context.device.clone();
        let agent = config.fit(&seen, &device)?;
        let imitator = config.clone().with_updates(config.warm_updates, 0);
        let imitator = imitator.fit(&seen, &device)?;
        Ok(Learned {
            field,
            runs,
            agent,
            imitator,
        })
    }

    /// All arms on a field.
    fn arms(
        &self,
        trial: &mut Trial,
        learned: &Learned,
        field: &Field,
        used: &Used<'_>,
        prefix: &str,
    ) -> Result<()> {
        let is_main = prefix.is_empty();
        let mut note = |arm: &str, ended: &Ended| {
            let metric = if is_main {
                "main"
            } else {
                "first field, mean loss"
            };
            trial.record(arm, metric, ended.mean());
            trial.record(arm, &format!("{prefix}loss on the source"), ended.losses[0]);
            trial.record(arm, &format!("{prefix}loss on the field"), ended.losses[1]);
            trial.record(arm, &format!("{prefix}{SOURCE}"), 100.0 * ended.source());
            if is_main {
                let steps = ended.run.steps().iter().enumerate();
                let shares = steps.map(|(step, one)| (step as f64 + 1.0, one.weights[0]));
                trial.curve(arm, shares.collect());
            }
        };
        let runs = &learned.runs;
        note(AGENT, &field.run(used)?);
        let uniform = field.run(&held(vec![0.5; 2]))?;
        note(UNIFORM, &uniform);
        note(FITTED, &field.run(&held(fitted(runs, self.seed)?))?);
        let other = Used {
            other: Some(&runs[self.seed as usize % runs.len()].run),
            ..*used
        };
        note(ELSEWHERE, &field.run(&other)?);
        if self.context.small {
            return Ok(());
        }
        note(RAMP, &field.run(&ramp(2, self.sizes.steps))?);
        note(REPLAYED, &field.run(&best(runs))?);
        note(IMITATED, &field.run(&learned.imitator)?);
        let weights = doremi::weights(field, &uniform.model, self.seed)?;
        note(DOREMI, &field.run(&held(weights))?);
        if is_main {
            let mut found = uniform;
            for share in [0.15, 0.3, 0.7, 0.85] {
                let ended = field.run(&held(vec![share, 1.0 - share]))?;
                if ended.feedback() < found.feedback() {
                    found = ended;
                }
            }
            note(FOUND, &found);
        }
        Ok(())
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |worse| differences(trials, worse, AGENT, "main");
    let nats = |name: &str, worse| Quantity::new(name, "nats", gap(worse)).at_least(0.0);
    vec![
        nats("mean loss, static fit minus agent", FITTED).headline(),
        nats("mean loss, another run's feedback minus agent", ELSEWHERE).headline(),
        nats("mean loss, uniform minus agent", UNIFORM),
        Quantity::new(KINDS, "of the most", values(trials, AGENT, KINDS)).at_least(0.0),
        Quantity::new(PROMISED, "score", values(trials, AGENT, PROMISED)).at_most(0.0),
    ]
}
