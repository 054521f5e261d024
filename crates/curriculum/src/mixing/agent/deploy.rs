//! The agent in use, and its state in a file.

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::ParamVector;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::super::agent_mixture::MixturePolicy;
use super::super::simplex::{check_distribution, check_over};
use super::super::trajectory::Trajectory;
use super::config::MixingAgentConfig;
use super::episodes::{Units, fits};
use super::network::{Actor, Critic, drawn};
use super::{failed, finite};
use crate::error::{CurriculumError, Result, count};

/// A learned policy over mixtures: from a run so far to the mixture of its next step. It is not trained any more.
///
/// It serves runs with the domains and measures that it was fitted for, in the same roles, of at most as many steps; what the domains are and which model
/// is trained may differ.
///
/// ```
/// use burn::tensor::Device;
/// use regimen_curriculum::mixing::{AgentMixture, MixingAgentConfig, MixingAgentState, MixturePolicy, MixtureWalk, Trajectory};
///
/// // Collect: cheap runs of a small proxy, here a formula: each domain lowers its own loss, the second one more slowly.
/// let evaluate = |run: &Trajectory, weights: &[f64]| -> Vec<f64> {
///     let now = run.feedback();
///     vec![now[0] * (1.0 - 0.3 * weights[0]), now[1] * (1.0 - 0.1 * weights[1])]
/// };
/// let mut runs = Vec::new();
/// for (seed, walk) in [MixtureWalk::Static, MixtureWalk::RandomWalk { spread: 1.0 }].iter().cycle().take(8).enumerate() {
///     let mut run = Trajectory::new(2, vec![-1.0, -2.0])?; // minus the losses before the first step
///     for weights in walk.plan(2, 5, seed as u64)? {
///         let feedback = evaluate(&run, &weights);
///         run.push(weights, feedback)?;
///     }
///     runs.push(run);
/// }
/// let config = MixingAgentConfig::new(2, 2, 5).with_updates(20, 20).with_size(16, 2, 2, 32);
/// let agent = config.fit(&runs, &Device::default())?;
///
/// // Use, on another model or other domains; and again from a file.
/// let file = serde_json::to_string(&agent.state()?)?;
/// let again = serde_json::from_str::<MixingAgentState>(&file)?.init(&Device::default())?;
/// let mut run = Trajectory::new(2, vec![-1.2, -2.4])?;
/// for _ in 0..5 {
///     let weights = agent.next(&run)?;
///     assert_eq!(weights, again.next(&run)?);
///     let feedback = evaluate(&run, &weights);
///     run.push(weights, feedback)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MixingAgent {
    config: MixingAgentConfig,
    units: Units,
    actor: Actor,
    critic: Critic,
}

impl MixingAgent {
    pub(super) fn new(
        config: MixingAgentConfig,
        units: Units,
        actor: Actor,
        critic: Critic,
    ) -> Result<Self> {
        let agent = Self {
            config,
            units,
            actor,
            critic,
        };
        agent.state()?.check()?;
        Ok(agent)
    }

    /// What the agent was made from.
    #[must_use]
    pub fn config(&self) -> &MixingAgentConfig {
        &self.config
    }

    /// What the critic expects of a next mixture and of the agent's own after it: the discounted gain of score until the end of the steps that it was fitted
    /// with.
    ///
    /// # Errors
    /// If the run is not one that the agent serves, or the weights are no distribution over its domains.
    pub fn value(&self, run: &Trajectory, weights: &[f64]) -> Result<f64> {
        check_over("weights", weights, self.config.domains)?;
        let places = self.places(run)?;
        let tokens = self.tokens(run, places)?;
        let weights: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
        let data = TensorData::new(weights, [1, self.config.domains]);
        let action = Tensor::<2>::from_data(data, (&tokens.device(), tokens.dtype()));
        let values = self.critic.values(self.critic.states(tokens), action);
        let values = values.try_into_vec_as::<f32>().map_err(read)?;
        let value = f64::from(values[places - 1]);
        Ok(self.units.gain(places - 1, value, self.config.gamma))
    }

    /// The places of a run so far, the next step's too.
    fn places(&self, run: &Trajectory) -> Result<usize> {
        let steps = run.steps().len();
        let good = steps < self.config.steps;
        count("steps", steps, good, "below the agent's steps")?;
        Ok(steps + 1)
    }

    /// The tokens at the first places of a run.
    fn tokens(&self, run: &Trajectory, places: usize) -> Result<Tensor<3>> {
        let tokens = self.units.tokens(&self.config, run, places)?;
        let inputs = self.config.domains + self.config.measures;
        let data = TensorData::new(tokens, [1, places, inputs]);
        let like = ParamVector::of(&self.actor);
        let device = like.entries().first().map(|entry| entry.values.device());
        Ok(Tensor::from_data(data, &device.unwrap_or_default()))
    }

    /// The mixture that the agent would have chosen before each step of a run that is over, and after the last where it serves one more.
    ///
    /// # Errors
    /// If the run is not one that the agent serves.
    pub fn decisions(&self, run: &Trajectory) -> Result<Vec<Vec<f64>>> {
        fits(&self.config, run)?;
        let places = (run.steps().len() + 1).min(self.config.steps);
        let mixtures = self.actor.forward(self.tokens(run, places)?);
        let all = mixtures.try_into_vec_as::<f32>().map_err(read)?;
        all.chunks(self.config.domains).map(distribution).collect()
    }

    /// The agent as plain data, for a file.
    ///
    /// # Errors
    /// If the device can't return the weights.
    pub fn state(&self) -> Result<MixingAgentState> {
        let host = |vector: ParamVector| vector.to_host().map_err(failed);
        Ok(MixingAgentState {
            config: self.config.clone(),
            units: self.units.clone(),
            actor: host(ParamVector::of(&self.actor))?,
            critic: host(ParamVector::of(&self.critic))?,
        })
    }
}

impl MixturePolicy for MixingAgent {
    fn next(&self, run: &Trajectory) -> Result<Vec<f64>> {
        let places = self.places(run)?;
        let mixtures = self.actor.forward(self.tokens(run, places)?);
        let last = mixtures.slice([0..1, places - 1..places]);
        let last = last.try_into_vec_as::<f32>().map_err(read)?;
        distribution(&last)
    }
}

/// A softmax in single precision, with a sum of 1 in double precision; refused where it is not finite.
fn distribution(weights: &[f32]) -> Result<Vec<f64>> {
    let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let weights: Vec<f64> = weights
        .iter()
        .map(|weight| f64::from(*weight) / sum)
        .collect();
    check_distribution("weights", &weights)?;
    Ok(weights)
}

fn read(error: impl std::fmt::Debug) -> CurriculumError {
    CurriculumError::Read(format!("{error:?}"))
}

/// A [`MixingAgent`] as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MixingAgentState {
    config: MixingAgentConfig,
    units: Units,
    actor: Vec<Vec<f32>>,
    critic: Vec<Vec<f32>>,
}

checked_serde!(MixingAgentState);

impl Checked for MixingAgentState {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        self.units.check(&self.config)?;
        let [actor, critic] = self.config.weights();
        for (field, weights, wanted) in [
            ("actor", &self.actor, actor),
            ("critic", &self.critic, critic),
        ] {
            let found = weights.iter().map(Vec::len).sum();
            let allowed = "the number of weights of the configuration";
            count(field, found, found == wanted, allowed)?;
            finite(weights)?;
        }
        Ok(())
    }
}

impl MixingAgentState {
    /// The agent, on this device.
    ///
    /// # Errors
    /// If a parameter has another number of weights than the configuration says.
    pub fn init(&self, device: &Device) -> Result<MixingAgent> {
        let device = device.clone().inner();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let actor = drawn(Actor::new(&self.config, &device), &mut rng)?;
        let critic = drawn(Critic::new(&self.config, &device), &mut rng)?;
        let of_actor = ParamVector::of(&actor).from_host(self.actor.clone());
        let of_critic = ParamVector::of(&critic).from_host(self.critic.clone());
        Ok(MixingAgent {
            config: self.config.clone(),
            units: self.units.clone(),
            actor: of_actor.map_err(failed)?.write_to(actor).map_err(failed)?,
            critic: of_critic
                .map_err(failed)?
                .write_to(critic)
                .map_err(failed)?,
        })
    }
}
