//! Which share of each domain to train on: weights by what a proxy says, by a fit over many small runs, or by an agent that follows the run.
//!
//! Weights in proportion to the data, or to a power of it (a temperature), are [`mixture_weights`](crate::mixture_weights); what draws by weights is
//! [`Mixture`](crate::Mixture).
//!
//! | weights | from | cost |
//! |---|---|---|
//! | [`mixture_weights`](crate::mixture_weights) | sizes | none |
//! | [`DoReMi`] | excess loss of a proxy over a reference model | two small runs |
//! | [`Doge`] | agreement of the domains' gradients in a proxy | one small run, a gradient for each domain a step |
//! | [`RegMix`] with a [`MixtureFit`] | the losses of many small runs | as many runs |
//! | `MixingAgent` in an [`AgentMixture`] | evaluations of the run itself | many small runs with evaluations, once for several uses |
//!
//! The agent on examples of yours: `train` is your loop, here a formula in place of a model.
//!
//! ```
//! # #[cfg(feature = "burn")] {
//! use burn::tensor::Device;
//! use regimen_curriculum::mixing::{AgentMixture, MixingAgentConfig, MixingAgentState, MixturePolicy, MixtureWalk, Trajectory};
//! use regimen_curriculum::{MixtureConfig, Result, Sampler};
//!
//! # let device = Device::default();
//! let domain_of_example = [vec![0; 600], vec![1; 400]].concat(); // of each example of your data set
//! let (domains, steps) = (2, 5);
//! // A training by a policy. With Burn the sampler goes to `CurriculumLoader::new`, and reports go by `feedback.with_sampler`.
//! let train = |mut losses: [f64; 2], policy: &dyn Fn(&Trajectory) -> Result<Vec<f64>>| -> Result<Trajectory> {
//!     # struct By<'a>(&'a dyn Fn(&Trajectory) -> Result<Vec<f64>>);
//!     # impl MixturePolicy for By<'_> { fn next(&self, run: &Trajectory) -> Result<Vec<f64>> { (self.0)(run) } }
//!     # let policy = &By(policy);
//!     let mixture = MixtureConfig::new(vec![1.0; domains]).with_length(100).init(&domain_of_example)?;
//!     let mut sampler = AgentMixture::new(mixture, losses.map(|loss| -loss).to_vec(), policy)?;
//!     for step in 1..=steps {
//!         let ids = sampler.plan().ids; // train on these
//!         let first = ids.iter().filter(|id| domain_of_example[**id] == 0).count() as f64 / 100.0;
//!         losses = [losses[0] * (1.0 - 0.3 * first), losses[1] * (0.7 + 0.3 * first)];
//!         let measures = losses.map(|loss| -loss).to_vec(); // evaluate
//!         if step < steps { sampler.report(measures, policy)?; } else { sampler.finish(measures)?; }
//!     }
//!     Ok(sampler.run().clone())
//! };
//! let mut runs = Vec::new(); // of a small proxy, once
//! for (seed, walk) in [MixtureWalk::Static, MixtureWalk::RandomWalk { spread: 1.0 }].iter().cycle().take(8).enumerate() {
//!     let plan = walk.plan(domains, steps, seed as u64)?;
//!     runs.push(train([1.0, 2.0], &|run| plan.next(run))?);
//! }
//! let config = MixingAgentConfig::new(domains, 2, steps).with_size(16, 2, 2, 32).with_updates(20, 20);
//! let agent = config.fit(&runs, &device)?;
//! let file = serde_json::to_vec(&agent.state()?)?;
//!
//! let agent = serde_json::from_slice::<MixingAgentState>(&file)?.init(&device)?;
//! let run = train([1.5, 2.5], &|run| agent.next(run))?; // of the large model
//! assert_eq!(run.steps().len(), steps);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "burn")]
pub mod agent;
pub mod agent_mixture;
pub mod conservative;
pub mod doge;
pub mod doremi;
pub mod fit;
mod lowest;
pub mod regmix;
mod simplex;
pub mod trajectory;
pub mod walks;

#[cfg(feature = "burn")]
pub use agent::{FeedbackInput, MixingAgent, MixingAgentConfig, MixingAgentState};
pub use agent_mixture::{AgentMixture, MixturePolicy};
pub use conservative::{conservative_penalty, ln_dirichlet_density};
#[cfg(feature = "burn")]
pub use doge::gradient_products;
pub use doge::{Doge, DogeConfig, GradientProducts};
pub use doremi::{DoReMi, DoReMiConfig};
pub use fit::{MixtureFit, MixtureFitConfig};
pub use regmix::RegMix;
pub use trajectory::{MixtureStep, Trajectory, discounted_returns};
pub use walks::MixtureWalk;
