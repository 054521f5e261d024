//! # Pendulum
//!
//! A pendulum that is turned by a motor too weak to lift it at once: its mass, length, torque, gravity and step of time are the context.
//!
//! Source: the constants, costs and bounds of Gymnasium's Pendulum-v1; contexts as CARL, arXiv 2202.02577, varies them

use std::f64::consts::PI;

use rand::RngExt;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::episode;
use crate::error::{CurriculumError, Result, check};

/// Steps of an episode.
const STEPS: usize = 200;
/// Radians a second at most.
const FASTEST: f64 = 8.0;

/// What a [`Pendulum`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendulumContext {
    /// Mass, kg.
    pub mass: f64,
    /// Length, m.
    pub length: f64,
    /// The largest torque, N m.
    pub torque: f64,
    /// Gravity, m/s^2.
    pub gravity: f64,
    /// Seconds of a step.
    pub seconds: f64,
}

impl Default for PendulumContext {
    fn default() -> Self {
        Self {
            mass: 1.0,
            length: 1.0,
            torque: 2.0,
            gravity: 10.0,
            seconds: 0.05,
        }
    }
}

impl PendulumContext {
    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("mass", self.mass),
            ("length", self.length),
            ("torque", self.torque),
            ("gravity", self.gravity),
            ("seconds", self.seconds),
        ] {
            check(field, value, (1e-6..=1e6).contains(&value), "1e-6 to 1e6")?;
        }
        Ok(())
    }
}

/// A pendulum with a motor. Its state is the cosine and the sine of the angle from upright, and the angular velocity; an episode has 200 steps, and a
/// step rewards minus `angle^2 + .1 velocity^2 + .001 torque^2`.
///
/// ```
/// use regimen_curriculum::transfer::environments::{Pendulum, PendulumContext};
///
/// let mut pendulum = Pendulum::new(PendulumContext { mass: 0.5, ..PendulumContext::default() }, 0)?;
/// let [_, sin, velocity] = pendulum.state();
/// assert!(pendulum.turn(-10.0 * sin - velocity) <= 0.0);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Pendulum {
    context: PendulumContext,
    angle: f64,
    velocity: f64,
    steps: usize,
    seed: u64,
    /// Episodes that were begun.
    episodes: u64,
}

checked_serde!(Pendulum);

impl Checked for Pendulum {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.context.check()?;
        for value in [self.angle, self.velocity] {
            check(
                "state",
                value,
                value.abs() <= 1e12,
                "finite numbers up to 1e12",
            )?;
        }
        crate::error::count("steps", self.steps, self.steps <= STEPS, "up to 200")
    }
}

impl Pendulum {
    /// At the start of an episode.
    ///
    /// # Errors
    /// If a number of the context is not within 1e-6 and 1e6.
    pub fn new(context: PendulumContext, seed: u64) -> Result<Self> {
        let mut pendulum = Self {
            context,
            angle: 0.0,
            velocity: 0.0,
            steps: 0,
            seed,
            episodes: 0,
        }
        .checked()?;
        pendulum.start();
        Ok(pendulum)
    }

    /// Cosine and sine of the angle from upright, and the angular velocity.
    #[must_use]
    pub fn state(&self) -> [f64; 3] {
        let (sin, cos) = self.angle.sin_cos();
        [cos, sin, self.velocity]
    }

    /// The context.
    #[must_use]
    pub fn context(&self) -> &PendulumContext {
        &self.context
    }

    /// Begins an episode at any angle, slow, drawn by the generator.
    pub fn start(&mut self) {
        let mut rng = episode(self.seed, &mut self.episodes);
        self.angle = rng.random_range(-PI..PI);
        self.velocity = rng.random_range(-1.0..1.0);
        self.steps = 0;
    }

    /// Whether all steps of the episode are done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.steps >= STEPS
    }

    /// Turns for a step with a torque, which is cut at the largest one (one that is not a number is 0), and gives the reward. After the end of an
    /// episode nothing moves, and the reward is 0.
    pub fn turn(&mut self, torque: f64) -> f64 {
        if self.is_over() {
            return 0.0;
        }
        let PendulumContext {
            mass,
            length,
            torque: most,
            gravity,
            seconds,
        } = self.context;
        let torque = if torque.is_nan() {
            0.0
        } else {
            torque.clamp(-most, most)
        };
        let upright = (self.angle + PI).rem_euclid(2.0 * PI) - PI;
        let cost = upright.powi(2) + 0.1 * self.velocity.powi(2) + 0.001 * torque.powi(2);
        let turn =
            1.5 * gravity / length * self.angle.sin() + 3.0 * torque / (mass * length.powi(2));
        self.velocity = (self.velocity + seconds * turn).clamp(-FASTEST, FASTEST);
        self.angle += seconds * self.velocity;
        self.steps += 1;
        -cost
    }
}

#[cfg(feature = "burn-rl")]
impl burn_rl::Environment for Pendulum {
    type State = [f64; 3];
    /// The torque, N m.
    type Action = f64;

    const MAX_STEPS: usize = STEPS;

    fn state(&self) -> [f64; 3] {
        Self::state(self)
    }

    fn step(&mut self, torque: f64) -> burn_rl::StepResult<[f64; 3]> {
        let reward = self.turn(torque);
        burn_rl::StepResult {
            next_state: Self::state(self),
            reward,
            done: false,
            truncated: self.is_over(),
        }
    }

    fn reset(&mut self) {
        self.start();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn a_step_by_hand() {
        let mut pendulum = Pendulum::new(PendulumContext::default(), 0).unwrap();
        (pendulum.angle, pendulum.velocity) = (0.5, 1.0);
        let reward = pendulum.turn(5.0);
        assert_relative_eq!(reward, -(0.25 + 0.1 + 0.001 * 4.0), epsilon = 1e-12);
        let velocity = 1.0 + 0.05 * (15.0 * 0.5_f64.sin() + 6.0);
        assert_relative_eq!(pendulum.velocity, velocity, epsilon = 1e-12);
        assert_relative_eq!(pendulum.angle, 0.5 + 0.05 * velocity, epsilon = 1e-12);
    }

    #[test]
    fn an_episode_has_its_steps() {
        let mut pendulum = Pendulum::new(PendulumContext::default(), 0).unwrap();
        let rewards: Vec<f64> = (0..250).map(|_| pendulum.turn(f64::NAN)).collect();
        assert!(rewards[..200].iter().all(|reward| *reward < 0.0));
        assert!(pendulum.is_over() && rewards[200..].iter().all(|reward| *reward == 0.0));
        pendulum.start();
        assert!(!pendulum.is_over());
    }
}
