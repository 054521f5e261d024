//! # AgentMixture
//!
//! A mixture whose weights a policy decides anew after each evaluation: the data mixing agent as a sampler.
//!
//! Source: "Data Mixing Agent", arXiv 2507.15640 (deployment: predict a mixture, train on it, evaluate, append, repeat)

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::simplex::check_over;
use super::trajectory::Trajectory;
use crate::error::{CurriculumError, Result, count, same};
use crate::sampler::{EpochPlan, Sampler};
use crate::select::Mixture;
use crate::select::part::part;

/// Decides the mixture of a run's next step from all that happened before.
pub trait MixturePolicy {
    /// A distribution over the run's domains.
    ///
    /// # Errors
    /// If the policy cannot serve the run.
    fn next(&self, run: &Trajectory) -> Result<Vec<f64>>;
}

/// A plan that was made before the run, a mixture a step; the last goes on after its end. What happens in the run does not change it.
impl MixturePolicy for Vec<Vec<f64>> {
    fn next(&self, run: &Trajectory) -> Result<Vec<f64>> {
        match self.get(run.steps().len()).or(self.last()) {
            Some(weights) => Ok(weights.clone()),
            None => Err(CurriculumError::TooFew {
                field: "plan",
                found: 0,
                needed: 1,
            }),
        }
    }
}

/// A [`Mixture`] with the history of its run: epochs are drawn by the policy's weights until the next [`report`](Self::report).
///
/// It is plain data: a saved one goes on exactly, with the same policy. A step may have several epochs; what is noted as its mixture is what
/// they were drawn as, where a domain ran out too.
///
/// ```
/// use regimen_curriculum::mixing::AgentMixture;
/// use regimen_curriculum::{MixtureConfig, Sampler};
///
/// let domains = [vec![0; 900], vec![1; 300]].concat();
/// let mixture = MixtureConfig::new(vec![0.5, 0.5]).with_length(100).init(&domains)?;
/// let policy = vec![vec![0.2, 0.8], vec![0.6, 0.4]]; // or a `MixingAgent`
/// let mut sampler = AgentMixture::new(mixture, vec![-1.5, -3.0], &policy)?; // minus the losses before training
/// assert_eq!(sampler.plan().ids.iter().filter(|id| **id < 900).count(), 20);
/// // In a training: `feedback.with_sampler(|sampler| sampler.report(measures, &agent))`.
/// sampler.report(vec![-1.6, -2.2], &policy)?;
/// assert_eq!(sampler.plan().ids.iter().filter(|id| **id < 900).count(), 60);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AgentMixture {
    mixture: Mixture,
    run: Trajectory,
    taken: Vec<usize>,
}

checked_serde!(AgentMixture);
part!(AgentMixture, "agent mixture 1");

impl Checked for AgentMixture {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.mixture.check()?;
        self.run.check()?;
        let domains = self.mixture.shares().len();
        for (field, found) in [("run", self.run.domains()), ("taken", self.taken.len())] {
            count(field, found, found == domains, "one for each domain")?;
        }
        for taken in &self.taken {
            count("taken", *taken, *taken <= 1 << 48, "up to 2^48")?;
        }
        Ok(())
    }
}

impl AgentMixture {
    /// Begins a run with each measure before its first step; the mixture's own weights are replaced by the policy's.
    ///
    /// # Errors
    /// If a measure is not finite, or the policy's answer is no distribution over the mixture's domains.
    pub fn new(mixture: Mixture, start: Vec<f64>, policy: &impl MixturePolicy) -> Result<Self> {
        let domains = mixture.shares().len();
        let mut state = Self {
            mixture,
            run: Trajectory::new(domains, start)?,
            taken: vec![0; domains],
        };
        state.follow(policy)?;
        state.checked()
    }

    /// Ends a step: notes each measure after what was drawn since the last report, and lets the policy decide the next mixture.
    ///
    /// # Errors
    /// If no epoch was planned since, there is not one finite number for each measure, or the policy's answer is no distribution over the
    /// domains; nothing is changed then.
    pub fn report(&mut self, feedback: Vec<f64>, policy: &impl MixturePolicy) -> Result<()> {
        let before = self.clone();
        self.finish(feedback)?;
        let followed = self.follow(policy);
        if followed.is_err() {
            *self = before;
        }
        followed
    }

    /// Ends the last step: notes each measure after what was drawn since the last report; the mixture stays.
    ///
    /// # Errors
    /// If no epoch was planned since, or there is not one finite number for each measure; nothing is changed then.
    pub fn finish(&mut self, feedback: Vec<f64>) -> Result<()> {
        let sum: usize = self.taken.iter().sum();
        count("taken", sum, sum > 0, "an epoch since the last report")?;
        let shares = self.taken.iter().map(|taken| *taken as f64 / sum as f64);
        self.run.push(shares.collect(), feedback)?;
        self.taken.fill(0);
        Ok(())
    }

    fn follow(&mut self, policy: &impl MixturePolicy) -> Result<()> {
        let weights = policy.next(&self.run)?;
        check_over("weights", &weights, self.run.domains())?;
        self.mixture.set_weights(&weights)
    }

    /// All steps so far: what an agent may learn from.
    #[must_use]
    pub fn run(&self) -> &Trajectory {
        &self.run
    }

    /// The shares of the next epoch.
    #[must_use]
    pub fn shares(&self) -> Vec<f64> {
        self.mixture.shares()
    }
}

impl Sampler for AgentMixture {
    fn examples(&self) -> usize {
        self.mixture.examples()
    }

    fn plan(&mut self) -> EpochPlan {
        let counts = self.mixture.counts();
        for (taken, drawn) in self.taken.iter_mut().zip(counts) {
            *taken = taken.saturating_add(drawn).min(1 << 48);
        }
        self.mixture.plan()
    }

    fn observe(&mut self, ids: &[usize], losses: &[f32]) -> Result<()> {
        self.mixture.observe(ids, losses)
    }

    fn accepts(&self, saved: &Self) -> Result<()> {
        self.mixture.accepts(&saved.mixture)?;
        same("start", &self.run.start(), &saved.run.start())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::select::MixtureConfig;

    /// More of the domain whose measure is the lowest.
    struct Lagging;

    impl MixturePolicy for Lagging {
        fn next(&self, run: &Trajectory) -> Result<Vec<f64>> {
            let lower = run.feedback()[0] < run.feedback()[1];
            Ok(if lower {
                vec![0.75, 0.25]
            } else {
                vec![0.25, 0.75]
            })
        }
    }

    fn sampler() -> AgentMixture {
        let domains: Vec<usize> = (0..80).map(|id| usize::from(id >= 60)).collect();
        let mixture = MixtureConfig::new(vec![1.0, 1.0]).with_length(20);
        AgentMixture::new(mixture.init(&domains).unwrap(), vec![-1.0, -2.0], &Lagging).unwrap()
    }

    #[test]
    fn a_run_follows_its_feedback_and_goes_on_from_a_file() {
        let mut straight = sampler();
        let mut stopped = sampler();
        for step in 0..6 {
            let feedback = vec![-1.0 - f64::from(step % 2 * 3), -2.0];
            for sampler in [&mut straight, &mut stopped] {
                sampler.plan();
                sampler.plan();
                sampler.report(feedback.clone(), &Lagging).unwrap();
            }
            let text = serde_json::to_string(&stopped).unwrap();
            stopped = serde_json::from_str(&text).unwrap();
            assert_eq!(straight.plan(), stopped.plan());
        }
        assert_eq!(straight.run(), stopped.run());
        assert_eq!(straight.run().steps()[0].weights, [0.25, 0.75]);
        assert_eq!(straight.shares(), [0.75, 0.25]);
    }

    #[test]
    fn what_was_drawn_is_noted_where_a_domain_runs_out() {
        let domains = [vec![0; 30], vec![1; 4]].concat();
        let mixture = MixtureConfig::new(vec![1.0, 1.0]).with_length(20);
        let plan = vec![vec![0.2, 0.8]];
        let mixture = mixture.init(&domains).unwrap();
        let mut sampler = AgentMixture::new(mixture, vec![0.0], &plan).unwrap();
        assert!(sampler.report(vec![1.0], &plan).is_err(), "no epoch yet");
        sampler.plan();
        let before = sampler.clone();
        assert!(sampler.report(vec![f64::NAN], &plan).is_err());
        assert!(sampler.report(vec![1.0], &vec![vec![1.0, 1.0]]).is_err());
        assert!(sampler.report(vec![1.0], &Vec::new()).is_err());
        assert_eq!(sampler, before);
        sampler.report(vec![1.0], &plan).unwrap();
        assert_eq!(sampler.run().steps()[0].weights, [0.8, 0.2]);
    }

    #[test]
    fn a_state_of_another_run_is_refused() {
        let own = sampler();
        let domains = vec![0, 1];
        let mixture = MixtureConfig::new(vec![1.0, 1.0]).init(&domains).unwrap();
        let other = AgentMixture::new(mixture, vec![-1.0, -2.0], &Lagging).unwrap();
        assert!(own.accepts(&other).is_err());
        own.accepts(&sampler()).unwrap();
    }
}
