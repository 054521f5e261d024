//! Learning from collected runs: imitation of the good ones, then conservative Q-learning.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::{ParamVector, Watch};

use super::super::conservative::ln_density;
use super::super::simplex::dirichlet;
use super::super::trajectory::Trajectory;
use super::config::MixingAgentConfig;
use super::deploy::MixingAgent;
use super::episodes::{Episodes, Units, check_runs};
use super::failed;
use super::network::{Actor, Critic, drawn};
use crate::error::Result;

impl MixingAgentConfig {
    /// Learns from collected runs, on this device.
    ///
    /// First the actor learns the mixtures `w` of the good runs, by `-sum_d w_d ln pi_d`. Then each update has three parts. The critic goes down
    /// `1/2 mean (Q(s, a) - r - gamma Q'(s', pi(s')))^2 + alpha mean (ln integral exp Q(s, .) - Q(s, a))`, where nothing follows the last step of a run; the
    /// integral is that of [`conservative_penalty`](crate::mixing::conservative_penalty). The target network `Q'` follows slowly. The actor goes up `mean Q(s, pi(s))`.
    ///
    /// # Errors
    /// If a number lies outside its range, there is no run, a run has other domains or measures, no step or too many, or training diverges.
    pub fn fit(&self, runs: &[Trajectory], device: &Device) -> Result<MixingAgent> {
        self.fit_watched(runs, device, &Watch::default())
    }

    /// [`fit`](Self::fit), watched: it reports after each update, and stopped has the updates that were done.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_watched(
        &self,
        runs: &[Trajectory],
        device: &Device,
        watch: &Watch,
    ) -> Result<MixingAgent> {
        self.check()?;
        check_runs(self, runs)?;
        let span = tracing::info_span!("mixing_agent_fit", runs = runs.len());
        let _entered = span.enter();
        let units = Units::of(self, runs)?;
        let device = device.clone().inner().autodiff();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let actor = drawn(Actor::new(self, &device), &mut rng)?;
        let critic = drawn(Critic::new(self, &device), &mut rng)?;
        let mut learner = Learner {
            config: self,
            units: &units,
            target: critic.valid(),
            actor,
            critic,
            rng,
            device,
        };
        let all = self.warm_updates + self.updates;
        let good = good(self, runs)?;
        let mut adam = optimizer();
        let mut goes_on = true;
        learner.each(&good, self.warm_updates, |learner, episodes, done| {
            learner.imitate(episodes, &mut adam);
            goes_on = watch.goes_on("mixing agent", done + 1, all);
            goes_on
        })?;
        let (mut adam, mut of_critic) = (optimizer(), optimizer());
        let every: Vec<&Trajectory> = runs.iter().collect();
        let updates = if goes_on { self.updates } else { 0 };
        let mut failure = Ok(());
        learner.each(&every, updates, |learner, episodes, done| {
            failure = learner.criticise(episodes, &mut of_critic);
            learner.act(episodes, &mut adam);
            let done = self.warm_updates + done + 1;
            failure.is_ok() && watch.goes_on("mixing agent", done, all)
        })?;
        failure?;
        let (actor, critic) = (learner.actor.valid(), learner.critic.valid());
        MixingAgent::new(self.clone(), units, actor, critic)
    }
}

fn optimizer() -> ModuleOptimizer {
    AdamConfig::new().with_epsilon(1e-8).init()
}

/// The runs with the highest gain of score, at least one.
fn good<'a>(config: &MixingAgentConfig, runs: &'a [Trajectory]) -> Result<Vec<&'a Trajectory>> {
    let score = config.score_weights();
    let gain = |run: &'a Trajectory| Ok((run.rewards(&score)?.iter().sum::<f64>(), run));
    let mut gains = runs.iter().map(gain).collect::<Result<Vec<_>>>()?;
    gains.sort_by(|a, b| b.0.total_cmp(&a.0));
    let kept = ((config.good * runs.len() as f64).round() as usize).max(1);
    Ok(gains.into_iter().take(kept).map(|(_, run)| run).collect())
}

struct Learner<'a> {
    config: &'a MixingAgentConfig,
    units: &'a Units,
    actor: Actor,
    critic: Critic,
    target: Critic,
    rng: ChaCha8Rng,
    device: Device,
}

impl Learner<'_> {
    /// Calls an update so many times with a batch of runs, or until it says no.
    fn each(
        &mut self,
        runs: &[&Trajectory],
        updates: usize,
        mut update: impl FnMut(&mut Self, &Episodes, usize) -> bool,
    ) -> Result<()> {
        let batch = self.config.batch;
        let whole = || Episodes::new(self.config, self.units, runs, &self.device);
        let whole = (runs.len() <= batch).then(whole).transpose()?;
        for done in 0..updates {
            let episodes = match &whole {
                Some(episodes) => episodes.clone(),
                None => {
                    let places = sample(&mut self.rng, runs.len(), batch);
                    let chosen: Vec<&Trajectory> = places.iter().map(|at| runs[at]).collect();
                    Episodes::new(self.config, self.units, &chosen, &self.device)?
                }
            };
            if !update(self, &episodes, done) {
                break;
            }
        }
        Ok(())
    }

    fn imitate(&mut self, episodes: &Episodes, adam: &mut ModuleOptimizer) {
        let logits = self.actor.logits(episodes.tokens.clone());
        let terms = log_softmax(logits, 2) * episodes.actions.clone();
        let loss = -episodes.mean(terms.sum_dim(2).squeeze_dim(2));
        let grads = GradientsParams::from_grads(loss.backward(), &self.actor);
        self.actor = adam.step(self.config.warm_rate, self.actor.clone(), grads);
    }

    fn criticise(&mut self, episodes: &Episodes, adam: &mut ModuleOptimizer) -> Result<()> {
        let [runs, places] = episodes.rewards.dims();
        let tokens = episodes.tokens.clone();
        let next = self.next_values(tokens.clone().inner());
        let goal = episodes.rewards.clone()
            + Tensor::from_inner(next) * episodes.goes_on.clone() * self.config.gamma;
        let states = self.critic.states(tokens);
        let logged = self.critic.value(states.clone(), episodes.actions.clone());
        let error = logged.clone() - goal;
        let mut loss = episodes.mean(error.square()) * 0.5;
        if self.config.alpha > 0.0 {
            let (actions, densities) = self.actions()?;
            let values = self.critic.values(states, actions);
            let all = ln_integral(values, densities).reshape([runs, places]);
            loss = loss + episodes.mean(all - logged) * self.config.alpha;
        }
        let grads = GradientsParams::from_grads(loss.backward(), &self.critic);
        self.critic = adam.step(self.config.critic_rate, self.critic.clone(), grads);
        let (kept, rate) = (1.0 - self.config.target_rate, self.config.target_rate);
        let slow = ParamVector::of(&self.target).scale(kept);
        let moved = slow.axpy(rate, &ParamVector::of(&self.critic.valid()));
        let moved = moved.map_err(failed)?;
        self.target = moved.write_to(self.target.clone()).map_err(failed)?;
        Ok(())
    }

    /// The target's value of the policy's mixture after each step, at the place of the step; anything at the last place.
    fn next_values(&self, tokens: Tensor<3>) -> Tensor<2> {
        let policy = self.actor.valid().forward(tokens.clone());
        let values = self.target.value(self.target.states(tokens), policy);
        let [runs, places] = values.dims();
        let none = Tensor::zeros([runs, 1], (&values.device(), values.dtype()));
        Tensor::cat(vec![values.slice([0..runs, 1..places]), none], 1)
    }

    /// Draws of mixtures, `[actions, domains]`, and the logarithms of their densities, `[1, actions]`.
    fn actions(&mut self) -> Result<(Tensor<2>, Tensor<2>)> {
        let MixingAgentConfig {
            actions,
            domains,
            concentration,
            ..
        } = *self.config;
        let (mut draws, mut densities) = (Vec::new(), Vec::new());
        for _ in 0..actions {
            let draw = dirichlet(&vec![concentration as f64; domains], &mut self.rng)?;
            densities.push(ln_density(&draw, concentration) as f32);
            draws.extend(draw.into_iter().map(|weight| weight as f32));
        }
        let draws = TensorData::new(draws, [actions, domains]);
        let densities = TensorData::new(densities, [1, actions]);
        let device = &self.device;
        Ok((
            Tensor::from_data(draws, device),
            Tensor::from_data(densities, device),
        ))
    }

    fn act(&mut self, episodes: &Episodes, adam: &mut ModuleOptimizer) {
        let states = self.critic.valid().states(episodes.tokens.clone().inner());
        let policy = self.actor.forward(episodes.tokens.clone());
        let judge = self.critic.clone().no_grad();
        let value = judge.value(Tensor::from_inner(states), policy);
        let loss = -episodes.mean(value);
        let grads = GradientsParams::from_grads(loss.backward(), &self.actor);
        self.actor = adam.step(self.config.actor_rate, self.actor.clone(), grads);
    }
}

/// `ln ((1 / n) sum_m exp(values[s, m]) / densities[m])` of values `[states, actions]` and logarithms of densities `[1, actions]`: `[states, 1]`.
fn ln_integral(values: Tensor<2>, ln_densities: Tensor<2>) -> Tensor<2> {
    let [_, actions] = values.dims();
    let weighted = values - ln_densities;
    let largest = weighted.clone().detach().max_dim(1);
    let sum = (weighted - largest.clone()).exp().sum_dim(1);
    sum.log() + largest - (actions as f64).ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mixing::conservative_penalty;

    #[test]
    fn the_integral_is_that_of_the_host() {
        let device = Device::flex();
        let rows = [[1.0_f32, 2.0, 0.5], [-40.0, 90.0, 3.0]];
        let densities = [0.3_f32, -1.0, 2.0];
        let found = ln_integral(
            Tensor::<2>::from_data(rows, &device),
            Tensor::<2>::from_data([densities], &device),
        );
        let found: Vec<f32> = found.try_into_vec_as().unwrap();
        for (row, found) in rows.iter().zip(found) {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let densities: Vec<f64> = densities.iter().map(|x| f64::from(*x)).collect();
            let wanted = conservative_penalty(&row, &densities, 0.0).unwrap();
            assert!((f64::from(found) - wanted).abs() < 1e-4, "{found} {wanted}");
        }
    }
}
