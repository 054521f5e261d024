//! # ParticleFilter
//!
//! A particle filter over the steps of an answer, with annealed resampling, look-ahead and sweeps.
//!
//! Source: "A Probabilistic Inference Approach to Inference-Time Scaling of LLMs using Particle-Based Monte Carlo Methods",
//! arXiv 2502.01618; "Mitigating Premature Exploitation in Particle-based Monte Carlo for Inference-Time Scaling", arXiv 2510.05825; and the code
//! of its_hub.

use std::time::Instant;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::entropic::EntropicAnnealing;
use super::found::{Found, Unwatched, Watch};
use super::process_reward::ProcessReward;
use super::resample_when::{ResampleWhen, Rules, TemperatureRule};
use super::resampling::Resampling;
use super::swarm::Swarm;
use crate::error::{Result, check};
use crate::policy::StepPolicy;

/// Particles and steps of a filter at most.
const MOST: usize = 1 << 20;

/// A particle filter: partial answers that are gone on with a step at a time, scored, and drawn again by their scores.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `particles` | | 1 to 2^20 |
/// | `steps` | | 1 to 2^20, `T` |
/// | `resampling` | systematic | [`Resampling`] |
/// | `when` | every step | [`ResampleWhen`] |
/// | `annealing` | none | [`EntropicAnnealing`] |
/// | look-ahead | off | |
/// | `sweeps`, `references` | 1, 1 | 1 to 2^20, fewer references than particles |
/// | drawn choice | off | |
///
/// A step goes on with every particle that is not over and scores it with a [`ProcessReward`] `r` from 0 to 1, that of its whole text. The weight
/// is `r / (1 - r)`, in the place of the one of the step before; a particle that is over keeps its last one and is resampled like the others. The result
/// is the whole answer with the largest score; the best one is kept aside, so that resampling does not lose it. Where there is none, it is
/// the best beginning.
///
/// Particles share the text that they have in common; none changes another's.
///
/// **Look-ahead.** Before resampling, each particle is gone on with for one step on trial, whose weight `g` multiplies its own; after it, the particle
/// goes on by a step drawn anew, whose weight is divided by `g`: an auxiliary particle filter, at twice the calls. The paper's formula is not
/// public; to go on with the step on trial would be the plain filter.
///
/// **Sweeps.** Particle Gibbs: each sweep after the first runs beside `references` particles of the one before, drawn by their weights, which go
/// their way again whatever is resampled.
///
/// Draws follow from the seed, the prompt, the sweep, the step and the particle: not from the other prompts, nor from how many are searched at once. A
/// prompt that is there twice is searched twice in the same way.
///
/// [`Steps`](crate::policy::Steps) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[doc(alias("ePF", "SMC", "particle Gibbs"))]
pub struct ParticleFilter {
    particles: usize,
    steps: usize,
    resampling: Resampling,
    when: ResampleWhen,
    #[serde(default)]
    annealing: Option<EntropicAnnealing>,
    look_ahead: bool,
    sweeps: usize,
    references: usize,
    drawn_choice: bool,
}
checked_serde!(ParticleFilter);

impl ParticleFilter {
    /// So many particles for so many steps at most.
    ///
    /// # Errors
    /// If a number is not 1 to 2^20.
    pub fn new(particles: usize, steps: usize) -> Result<Self> {
        Self {
            particles,
            steps,
            resampling: Resampling::Systematic,
            when: ResampleWhen::EveryStep,
            annealing: None,
            look_ahead: false,
            sweeps: 1,
            references: 1,
            drawn_choice: false,
        }
        .checked()
    }

    /// With annealing by the effective sample size.
    #[must_use]
    pub fn with_entropic_annealing(self) -> Self {
        self.with_annealing(EntropicAnnealing::default())
    }

    /// With annealing.
    #[must_use]
    pub fn with_annealing(self, annealing: EntropicAnnealing) -> Self {
        let annealing = Some(annealing);
        Self { annealing, ..self }
    }

    /// With another way to draw.
    #[must_use]
    pub fn with_resampling(self, resampling: Resampling) -> Self {
        Self { resampling, ..self }
    }

    /// At other steps.
    ///
    /// # Errors
    /// If a share is not within 0 and 1.
    pub fn with_resample_when(self, when: ResampleWhen) -> Result<Self> {
        Self { when, ..self }.checked()
    }

    /// With a step on trial before each resampling.
    #[must_use]
    pub fn with_look_ahead(self) -> Self {
        let look_ahead = true;
        Self { look_ahead, ..self }
    }

    /// So many sweeps, with so many particles of the one before.
    ///
    /// # Errors
    /// If there are no sweeps or more than 2^20, or not fewer references than particles, or none.
    pub fn with_sweeps(self, sweeps: usize, references: usize) -> Result<Self> {
        let all = Self {
            sweeps,
            references,
            ..self
        };
        check_references(&all)?;
        all.checked()
    }

    /// The result is drawn from the last particles by their weights, in the place of the largest.
    #[must_use]
    pub fn with_drawn_choice(self) -> Self {
        let drawn_choice = true;
        Self {
            drawn_choice,
            ..self
        }
    }

    /// Searches answers to each prompt, all prompts a step at a time.
    ///
    /// # Errors
    /// Those of the policy and of the reward, and if a score is not within 0 and 1.
    pub fn run<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        self.run_watched(policy, reward, prompts, budget, seed, &mut Unwatched)
    }

    /// As [`run`](Self::run), told of each step.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn run_watched<P, R>(
        &self,
        policy: &P,
        reward: &R,
        prompts: &[Vec<u32>],
        budget: Budget,
        seed: u64,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let annealing = self.annealing;
        let temperature = |shares: &[f64], progress| {
            annealing.map_or(1.0, |one| one.temperature(shares, progress))
        };
        let by = (policy, reward);
        self.run_tempered(by, prompts, (budget, seed), &temperature, watch)
    }

    /// As [`run_watched`](Self::run_watched), with a rule of your own for the temperature of resampling in the place of the annealing: by the shares of the
    /// particles and the share of the steps that is done, above 0.
    ///
    /// # Errors
    /// As for [`run`](Self::run), and if a temperature is not finite and above 0.
    pub fn run_tempered<P, R>(
        &self,
        (policy, reward): (&P, &R),
        prompts: &[Vec<u32>],
        (budget, seed): (Budget, u64),
        temperature: &TemperatureRule<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Found>>
    where
        P: StepPolicy + ?Sized,
        R: ProcessReward + ?Sized,
    {
        let rules = Rules {
            particles: self.particles,
            steps: self.steps,
            resampling: self.resampling,
            when: self.when,
            temperature,
            look_ahead: self.look_ahead,
            references: self.references,
        };
        let limits = (budget, Instant::now());
        let mut swarm = Swarm::new(rules, prompts, seed, limits);
        let mut round = 0;
        for sweep in 0..self.sweeps {
            swarm.start(sweep)?;
            for step in 1..=self.steps {
                if swarm.is_done() {
                    break;
                }
                swarm.extend(policy, reward, (sweep, step))?;
                round += 1;
                if watch.round(&swarm.progress(round)).is_break() {
                    swarm.cut_off();
                    return Ok(swarm.found);
                }
                swarm.resample(policy, reward, (sweep, step))?;
            }
        }
        if self.drawn_choice {
            swarm.choose()?;
        }
        Ok(swarm.found)
    }
}

fn check_references(filter: &ParticleFilter) -> Result<()> {
    let references = filter.references;
    check(
        "references",
        references as f64,
        filter.sweeps == 1 || (1..filter.particles).contains(&references),
        "1 or more, fewer than the particles",
    )
}

impl Checked for ParticleFilter {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("particles", self.particles),
            ("steps", self.steps),
            ("sweeps", self.sweeps),
        ] {
            check(
                field,
                value as f64,
                (1..=MOST).contains(&value),
                "1 to 2^20",
            )?;
        }
        check_references(self)?;
        self.when.check()
    }
}
