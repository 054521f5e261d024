//! The searches, at equal calls: steps of the policy and scorings together, 14 a particle, where the end of an answer is a step.

use anyhow::Result;
use burn::tensor::Device;
use regimen_rl_rewards::Result as Searched;
use regimen_rl_rewards::policy::{Completion, SamplePolicy, Steps};
use regimen_rl_rewards::search::{
    BeamSearch, BestOfN, EntropicAnnealing, EntropicRule, Found, ParticleFilter, ProcessReward,
    ResampleWhen, Resampling, SelfConsistency, Unwatched,
};

use super::bench::{Bench, STEPS, ends_step, unbounded};
use crate::experiment::Context;
use crate::rl_rewards::bed::sampler::Sampler;

/// A search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arm {
    BestOfN,
    Vote,
    Beam,
    Multinomial,
    Systematic,
    Constant(f64),
    NoneEarly,
    LowSize,
    Entropic,
    ByEntropy,
    LookAhead,
}

impl Arm {
    /// Those that are only reported.
    pub(super) const REPORTED: [Self; 2] = [Self::Vote, Self::Beam];
    /// Those that are reported at the large size.
    pub(super) const VARIANTS: [Self; 5] = [
        Self::Multinomial,
        Self::NoneEarly,
        Self::LowSize,
        Self::ByEntropy,
        Self::LookAhead,
    ];

    /// Whether it asks for scores once a step.
    pub(super) fn goes_step_by_step(self) -> bool {
        !matches!(self, Self::BestOfN | Self::Vote | Self::LookAhead)
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::BestOfN => "best of n".into(),
            Self::Vote => "vote".into(),
            Self::Beam => "beam".into(),
            Self::Multinomial => "multinomial filter".into(),
            Self::Systematic => "filter".into(),
            Self::Constant(_) => "constant temperature".into(),
            Self::NoneEarly => "no early resampling".into(),
            Self::LowSize => "resampling at low size".into(),
            Self::Entropic => "epf".into(),
            Self::ByEntropy => "epf by entropy".into(),
            Self::LookAhead => "look-ahead".into(),
        }
    }

    /// Searches all prompts by a reward with as many calls as a filter of so many particles.
    pub(super) fn search(
        self,
        context: &Context,
        bench: &Bench,
        (scorer, particles): (&dyn ProcessReward, usize),
        seed: u64,
    ) -> Result<Vec<Found>> {
        let device = context.device.clone().inner();
        let prompts = &bench.prompts;
        let filter = |count| ParticleFilter::new(count, STEPS);
        let annealed = |rule| EntropicAnnealing::default().with_rule(rule);
        let filter = match self {
            Self::BestOfN => {
                // An answer is 7 steps and one scoring.
                let count = particles * 2 * STEPS / (STEPS + 1);
                let sampler = sampler(bench, &device);
                let search = BestOfN::new(count)?.with_at_once(count)?;
                return Ok(search.run(&sampler, scorer, prompts, unbounded(), seed)?);
            }
            Self::Vote => {
                let sampler = sampler(bench, &device);
                let last = |_: &[u32], one: &Completion| one.content().last().copied();
                let search = SelfConsistency::new(2 * particles)?.with_at_once(2 * particles)?;
                return Ok(search.run(&sampler, &last, prompts, unbounded(), seed)?);
            }
            Self::Beam => {
                let (beams, branches) = (particles.div_ceil(4), 4);
                let steps = steps(bench, &device);
                let search = BeamSearch::new(beams, branches, STEPS)?;
                return Ok(search.run(&steps, scorer, prompts, unbounded(), seed)?);
            }
            Self::Multinomial => filter(particles)?.with_resampling(Resampling::Multinomial),
            Self::Systematic => filter(particles)?,
            Self::Constant(temperature) => {
                let always = annealed(EntropicRule::Constant(temperature))?.with_threshold(1.0)?;
                filter(particles)?.with_annealing(always)
            }
            Self::NoneEarly => filter(particles)?.with_resample_when(ResampleWhen::From(0.5))?,
            Self::LowSize => {
                let when = ResampleWhen::BelowEffectiveSize(0.5);
                filter(particles)?.with_resample_when(when)?
            }
            Self::Entropic => return entropic(context, bench, (scorer, particles), seed),
            Self::ByEntropy => filter(particles)?.with_annealing(annealed(EntropicRule::Entropy)?),
            Self::LookAhead => filter(particles / 2)?.with_look_ahead(),
        };
        let steps = steps(bench, &device);
        Ok(filter.run(&steps, scorer, prompts, unbounded(), seed)?)
    }
}

fn steps<'a>(
    bench: &'a Bench,
    device: &Device,
) -> Steps<'a, crate::rl_rewards::bed::policy::Policy> {
    Steps::new(&bench.policy, bench.decoding.clone(), &ends_step, device)
}

fn sampler<'a>(bench: &'a Bench, device: &'a Device) -> impl SamplePolicy + 'a {
    Sampler {
        policy: &bench.policy,
        task: &bench.task,
        temperature: 1.0,
        device,
    }
}

/// Entropic annealing, or what a fault makes of it.
fn entropic(
    context: &Context,
    bench: &Bench,
    (scorer, particles): (&dyn ProcessReward, usize),
    seed: u64,
) -> Result<Vec<Found>> {
    let annealing = EntropicAnnealing::default();
    let temperature = |shares: &[f64], progress: f64| {
        let of = |progress| annealing.temperature(shares, progress);
        if context.is_broken_by("multiplied") {
            1.0 / of(progress)
        } else if context.is_broken_by("late") {
            // The first half of the steps has none, the second what the first would have.
            if progress < 0.5 {
                1.0
            } else {
                of(progress - 0.5)
            }
        } else {
            of(progress)
        }
    };
    let steps = steps(bench, &context.device.clone().inner());
    let filter = ParticleFilter::new(particles, STEPS)?;
    let raw = Raw(scorer);
    let reward: &dyn ProcessReward = if context.is_broken_by("scores") {
        &raw
    } else {
        scorer
    };
    let by = (&steps, reward);
    let limits = (unbounded(), seed);
    Ok(filter.run_tempered(by, &bench.prompts, limits, &temperature, &mut Unwatched)?)
}

/// The fault: scores whose log-odds are the scores themselves.
struct Raw<'a>(&'a dyn ProcessReward);

impl ProcessReward for Raw<'_> {
    fn scores(&self, texts: &[(&[u32], &Completion)]) -> Searched<Vec<f64>> {
        let scores = self.0.scores(texts)?.into_iter();
        Ok(scores.map(|score| 1.0 / (1.0 + (-score).exp())).collect())
    }
}
