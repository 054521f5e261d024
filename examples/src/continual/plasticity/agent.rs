//! The cart and pole, and an agent that learns to balance it by Q-learning from a buffer, with a replay ratio: for the large size.

use std::collections::VecDeque;

use anyhow::Result;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_rl::{Environment, StepResult};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::plasticity::{ReplayRatio, active};

use super::bed::{BATCH, optimizer};
use super::net::{Between, Net};

/// Barto, Sutton and Anderson's cart and pole, with the constants of Gymnasium's `CartPole-v1`: a reward of 1 a step.
#[derive(Debug)]
pub(super) struct CartPole {
    state: [f64; 4],
    steps: usize,
    rng: ChaCha8Rng,
}

impl CartPole {
    pub(super) fn new(seed: u64) -> Self {
        let mut new = Self {
            state: [0.0; 4],
            steps: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        };
        new.reset();
        new
    }
}

impl Environment for CartPole {
    type State = [f32; 4];
    type Action = usize;
    const MAX_STEPS: usize = 500;

    fn state(&self) -> [f32; 4] {
        self.state.map(|value| value as f32)
    }

    fn step(&mut self, action: usize) -> StepResult<[f32; 4]> {
        let (gravity, pole, mass, length, tau) = (9.8, 0.1, 1.1, 0.5, 0.02);
        let [x, speed, angle, turn] = self.state;
        let force = if action == 1 { 10.0 } else { -10.0 };
        let (sin, cos) = angle.sin_cos();
        let push = (force + pole * length * turn * turn * sin) / mass;
        let inertia = length * (4.0 / 3.0 - pole * cos * cos / mass);
        let turning = (gravity * sin - cos * push) / inertia;
        let moving = push - pole * length * turning * cos / mass;
        self.state = [
            x + tau * speed,
            speed + tau * moving,
            angle + tau * turn,
            turn + tau * turning,
        ];
        self.steps += 1;
        let done = self.state[0].abs() > 2.4 || self.state[2].abs() > 12.0_f64.to_radians();
        StepResult {
            next_state: self.state(),
            reward: 1.0,
            done,
            truncated: !done && self.steps >= Self::MAX_STEPS,
        }
    }

    fn reset(&mut self) {
        self.steps = 0;
        self.state = [(); 4].map(|()| self.rng.random_range(-0.05..0.05));
    }
}

/// What was seen in one step.
#[derive(Clone, Copy, Debug)]
struct Seen {
    state: [f32; 4],
    action: usize,
    reward: f32,
    next: [f32; 4],
    done: bool,
}

/// What a run gave.
#[derive(Debug)]
pub(super) struct Found {
    /// The returns of the episodes that ended, with the step at whose end each did.
    pub(super) returns: Vec<(usize, f64)>,
    pub(super) updates: usize,
    pub(super) ratio: ReplayRatio,
    pub(super) critic: Net,
}

impl Found {
    /// The mean return of the episodes that ended after this step.
    pub(super) fn after(&self, step: usize) -> f64 {
        let late = self.returns.iter().filter(|(at, _)| *at > step);
        let late: Vec<f64> = late.map(|(_, value)| *value).collect();
        late.iter().sum::<f64>() / late.len().max(1) as f64
    }
}

const BUFFER: usize = 10_000;
const RATE: f64 = 1e-3;
const DISCOUNT: f32 = 0.99;
/// Updates from one copy of the network to the next, by which targets are made.
const TARGET: usize = 200;

/// Deep Q-learning for so many steps.
///
/// # Errors
/// If the device fails.
pub(super) fn balance(
    mut ratio: ReplayRatio,
    steps: usize,
    seed: u64,
    device: &Device,
) -> Result<Found> {
    device.seed(seed);
    let mut critic = Net::new(4, 2, Between::Relu, device);
    let (mut target, mut optim) = (critic.valid(), optimizer(0.0));
    let mut environment = CartPole::new(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xAC7);
    let mut buffer: VecDeque<Seen> = VecDeque::new();
    let (mut returns, mut gained, mut updates) = (Vec::new(), 0.0, 0);
    for step in 1..=steps {
        let state = environment.state();
        let chance = (1.0 - step as f64 / (steps as f64 * 0.2)).max(0.05);
        let action = match rng.random::<f64>() < chance {
            true => rng.random_range(0..2),
            false => {
                let input = Tensor::<2>::from_data([state], &device.clone().inner());
                let best = critic.valid().outputs(input).argmax(1);
                best.into_scalar::<i64>() as usize
            }
        };
        let result = environment.step(action);
        gained += result.reward;
        if buffer.len() == BUFFER {
            buffer.pop_front();
        }
        buffer.push_back(Seen {
            state,
            action,
            reward: result.reward as f32,
            next: result.next_state,
            done: result.done,
        });
        if result.done || result.truncated {
            returns.push((step, gained));
            gained = 0.0;
            environment.reset();
        }
        for _ in 0..ratio.step() {
            if buffer.len() < BATCH {
                continue;
            }
            let drawn: Vec<Seen> = (0..BATCH)
                .map(|_| buffer[rng.random_range(0..buffer.len())])
                .collect();
            critic = update(critic, &target, &mut optim, &drawn, &mut ratio, device)?;
            updates += 1;
            if updates % TARGET == 0 {
                target = critic.valid();
            }
        }
    }
    Ok(Found {
        returns,
        updates,
        ratio,
        critic,
    })
}

fn update(
    critic: Net,
    target: &Net,
    optim: &mut burn::optim::ModuleOptimizer,
    drawn: &[Seen],
    ratio: &mut ReplayRatio,
    device: &Device,
) -> Result<Net> {
    let plain = device.clone().inner();
    let of = |state: fn(&Seen) -> [f32; 4]| {
        let values: Vec<f32> = drawn.iter().flat_map(state).collect();
        TensorData::new(values, [drawn.len(), 4])
    };
    let column = |value: fn(&Seen) -> f32| {
        let values: Vec<f32> = drawn.iter().map(value).collect();
        Tensor::<2>::from_data(TensorData::new(values, [drawn.len(), 1]), &plain)
    };
    let next = Tensor::<2>::from_data(of(|seen| seen.next), &plain);
    let future = target.outputs(next).max_dim(1) * column(|seen| f32::from(u8::from(!seen.done)));
    let wanted = Tensor::from_inner(column(|seen| seen.reward) + future * DISCOUNT);
    let (values, shown) = critic.shown(Tensor::from_data(of(|seen| seen.state), device))?;
    if ratio.watches() {
        ratio.observe(f64::from(active(&shown)?.into_scalar::<f32>()))?;
    }
    let actions: Vec<i64> = drawn.iter().map(|seen| seen.action as i64).collect();
    let actions = TensorData::new(actions, [drawn.len(), 1]);
    let taken = values.gather(1, Tensor::<2, Int>::from_data(actions, device));
    let loss = (taken - wanted).square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &critic);
    Ok(optim.step(RATE, critic, grads))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use regimen_continual::plasticity::ReplayRatioConfig;
    use regimen_tensor::ParamVector;

    use super::*;

    /// Four pushes to the right from rest, by the equations of motion.
    #[test]
    fn a_push_moves_the_cart_and_turns_the_pole() {
        let mut environment = CartPole::new(1);
        environment.state = [0.0; 4];
        for _ in 0..4 {
            assert!(!environment.step(1).done);
        }
        let [x, speed, angle, turn] = environment.state();
        assert!(x > 0.0 && speed > 0.7 && angle < 0.0 && turn < -1.0);
        let pushed = (4..500).find(|_| environment.step(1).done);
        assert!(pushed.is_some_and(|step| step < 20));
    }

    /// The controller drives an environment of `burn-rl`: every second step one update, and after the switch two at every step.
    #[test]
    fn the_replay_ratio_drives_an_environment() {
        let config = ReplayRatioConfig::new(100).with_window(20).with_tau(1.0);
        let device = Device::default().autodiff();
        let found = balance(config.init().unwrap(), 300, 3, &device).unwrap();
        assert_eq!(
            (found.ratio.steps(), found.ratio.switched()),
            (300, Some(100))
        );
        // The first 31 steps have too few examples for the 15 updates that fall on them.
        assert_eq!(found.updates, 50 - 15 + 400);
        assert!(found.returns.len() > 5 && found.after(0) >= 8.0);
        device.seed(3);
        let start = Net::new(4, 2, Between::Relu, &device);
        let weights = |net: &Net| ParamVector::of(net).to_host().unwrap();
        assert_ne!(weights(&found.critic), weights(&start));
    }
}
