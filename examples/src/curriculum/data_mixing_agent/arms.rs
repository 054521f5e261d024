//! Which mixtures each arm trains on.

use anyhow::{Context as _, Result};
use regimen_curriculum::CurriculumError;
use regimen_curriculum::mixing::{
    MixingAgent, MixtureFitConfig, MixturePolicy, MixtureWalk, Trajectory,
};

use super::field::{Ended, Field};
use super::settings::{Settings, Sizes};

pub(super) const AGENT: &str = "agent";
pub(super) const FITTED: &str = "static mixture by a quadratic fit";
pub(super) const UNIFORM: &str = "uniform";
pub(super) const RAMP: &str = "linear ramp";
pub(super) const REPLAYED: &str = "best run replayed";
pub(super) const IMITATED: &str = "warm start only";
pub(super) const DOREMI: &str = "doremi";
pub(super) const ELSEWHERE: &str = "agent with another run's feedback";
pub(super) const FOUND: &str = "static mixture found on the field itself";
pub(super) const COLLECTED: &str = "collected runs";

/// A mixture for all steps.
pub(super) fn held(weights: Vec<f64>) -> Vec<Vec<f64>> {
    vec![weights]
}

/// The source's share falls in a straight line from all to none; the fields share the rest.
pub(super) fn ramp(domains: usize, steps: usize) -> Vec<Vec<f64>> {
    let at = |step: usize| {
        let field = step as f64 / (steps - 1).max(1) as f64;
        let mut weights = vec![field / (domains - 1) as f64; domains];
        weights[0] = 1.0 - field;
        weights
    };
    (0..steps).map(at).collect()
}

/// The runs that the agent learns from: static mixtures, random walks and straight lines in turn.
///
/// # Errors
/// If a run fails.
pub(super) fn collect(field: &Field, settings: &Settings, seed: u64) -> Result<Vec<Ended>> {
    let Sizes { runs, steps, .. } = field.sizes;
    let spread = settings.spread;
    let walks = [
        MixtureWalk::Static,
        MixtureWalk::RandomWalk { spread },
        MixtureWalk::Monotone,
    ];
    let run = |at: u64| {
        let walk = walks[at as usize % walks.len()];
        field.run(&walk.plan(field.texts.len(), steps, (seed << 16) + at)?)
    };
    (0..runs).map(run).collect()
}

/// The static mixture with the lowest final loss, by a quadratic fit to the runs' mean mixtures and final feedback.
///
/// # Errors
/// If the fit is not determined.
pub(super) fn fitted(runs: &[Ended], seed: u64) -> Result<Vec<f64>> {
    let mean = |ended: &Ended| ended.run.mean_weights().context("a run without a step");
    let mixtures = runs.iter().map(mean).collect::<Result<Vec<_>>>()?;
    let losses: Vec<f64> = runs.iter().map(Ended::feedback).collect();
    let fit = MixtureFitConfig::new().fit(&mixtures, &losses)?;
    Ok(fit.lowest(4_000, 1, seed)?)
}

/// The mixtures of the run with the lowest final loss.
pub(super) fn best(runs: &[Ended]) -> Vec<Vec<f64>> {
    let best = runs
        .iter()
        .min_by(|a, b| a.feedback().total_cmp(&b.feedback()));
    best.map_or_else(Vec::new, |ended| mixtures(&ended.run))
}

fn mixtures(run: &Trajectory) -> Vec<Vec<f64>> {
    run.steps()
        .iter()
        .map(|step| step.weights.clone())
        .collect()
}

/// The agent, as it is used or broken.
pub(super) struct Used<'a> {
    pub(super) agent: &'a MixingAgent,
    /// The feedback of this run in place of its own.
    pub(super) other: Option<&'a Trajectory>,
    /// Whether the measures of the source and of the last field change places.
    pub(super) swapped: bool,
}

impl MixturePolicy for Used<'_> {
    fn next(&self, run: &Trajectory) -> Result<Vec<f64>, CurriculumError> {
        let shown = |feedback: &[f64]| {
            let mut feedback = feedback.to_vec();
            if self.swapped {
                let last = feedback.len() - 1;
                feedback.swap(0, last);
            }
            feedback
        };
        let source = self.other.unwrap_or(run);
        let mut told = Trajectory::new(run.domains(), shown(source.start()))?;
        for (step, of) in run.steps().iter().zip(source.steps()) {
            told.push(step.weights.clone(), shown(&of.feedback))?;
        }
        self.agent.next(&told)
    }
}

/// How much more of the source the agent asks for after the source's loss has risen than after it has fallen, everything else being equal: the mean over the
/// steps of the collected runs but the first, in shares.
///
/// # Errors
/// If the agent can't serve the runs.
pub(super) fn response(used: &Used<'_>, runs: &[Ended]) -> Result<f64> {
    let mut answers = Vec::new();
    for ended in runs {
        let run = &ended.run;
        for many in 1..run.steps().len() {
            let share = |by: f64| {
                let mut told = Trajectory::new(run.domains(), run.start().to_vec())?;
                for (place, step) in run.steps()[..many].iter().enumerate() {
                    let mut feedback = step.feedback.clone();
                    if place + 1 == many {
                        feedback[0] -= by;
                    }
                    told.push(step.weights.clone(), feedback)?;
                }
                anyhow::Ok(used.next(&told)?[0])
            };
            answers.push(share(0.1)? - share(-0.1)?);
        }
    }
    Ok(regimen_tensor::stats::mean(&answers))
}
