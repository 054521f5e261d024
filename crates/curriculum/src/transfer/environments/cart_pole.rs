//! # CartPole
//!
//! A pole on a cart that is pushed left or right: its masses, length, force, gravity and step of time are the context.
//!
//! Source: Barto, Sutton and Anderson 1983, with the constants and bounds of Gymnasium's CartPole-v1; contexts as CARL, arXiv 2202.02577, varies them

use rand::RngExt;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::episode;
use crate::error::{CurriculumError, Result, check};

/// Steps of an episode at most.
const STEPS: usize = 500;
/// Where an episode ends: metres from the middle, and the angle of 12 degrees.
const FAR: f64 = 2.4;
const TILTED: f64 = 12.0 * std::f64::consts::PI / 180.0;
/// A new episode starts within so much of 0 in every number.
const START: f64 = 0.05;

/// What a [`CartPole`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CartPoleContext {
    /// Mass of the cart, kg.
    pub cart_mass: f64,
    /// Mass of the pole, kg.
    pub pole_mass: f64,
    /// Length of the pole, m: twice the `length` of Gymnasium.
    pub pole_length: f64,
    /// Force of a push, N.
    pub force: f64,
    /// Gravity, m/s^2.
    pub gravity: f64,
    /// Seconds of a step, by Euler's rule.
    pub seconds: f64,
}

impl Default for CartPoleContext {
    fn default() -> Self {
        Self {
            cart_mass: 1.0,
            pole_mass: 0.1,
            pole_length: 1.0,
            force: 10.0,
            gravity: 9.8,
            seconds: 0.02,
        }
    }
}

impl CartPoleContext {
    fn check(&self) -> Result<()> {
        for (field, value) in [
            ("cart_mass", self.cart_mass),
            ("pole_mass", self.pole_mass),
            ("pole_length", self.pole_length),
            ("force", self.force),
            ("gravity", self.gravity),
            ("seconds", self.seconds),
        ] {
            check(field, value, (1e-6..=1e6).contains(&value), "1e-6 to 1e6")?;
        }
        Ok(())
    }
}

/// A pole on a cart. Its state is position, velocity, angle from upright and angular velocity; an episode ends beyond 2.4 m or 12 degrees, or after 500
/// steps, each of which rewards 1.
///
/// ```
/// use regimen_curriculum::transfer::environments::{CartPole, CartPoleContext};
///
/// let mut pole = CartPole::new(CartPoleContext { pole_length: 2.0, ..CartPoleContext::default() }, 0)?;
/// let mut steps = 0;
/// while pole.push([0.0, 0.0, 1.0, 0.1].iter().zip(pole.state()).map(|(a, x)| a * x).sum::<f64>() > 0.0) {
///     steps += 1;
/// }
/// assert!(steps > 20);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct CartPole {
    context: CartPoleContext,
    state: [f64; 4],
    steps: usize,
    seed: u64,
    /// Episodes that were begun.
    episodes: u64,
}

checked_serde!(CartPole);

impl Checked for CartPole {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.context.check()?;
        for value in self.state {
            check("state", value, value.abs() <= 1e100, "finite numbers")?;
        }
        crate::error::count("steps", self.steps, self.steps <= STEPS, "up to 500")
    }
}

impl CartPole {
    /// At the start of an episode.
    ///
    /// # Errors
    /// If a number of the context is not within 1e-6 and 1e6.
    pub fn new(context: CartPoleContext, seed: u64) -> Result<Self> {
        let mut pole = Self {
            context,
            state: [0.0; 4],
            steps: 0,
            seed,
            episodes: 0,
        }
        .checked()?;
        pole.start();
        Ok(pole)
    }

    /// Position in m, velocity, angle in radians, angular velocity.
    #[must_use]
    pub fn state(&self) -> [f64; 4] {
        self.state
    }

    /// The context.
    #[must_use]
    pub fn context(&self) -> &CartPoleContext {
        &self.context
    }

    /// Begins an episode near upright, drawn by the generator.
    pub fn start(&mut self) {
        let mut rng = episode(self.seed, &mut self.episodes);
        self.state = [(); 4].map(|()| rng.random_range(-START..START));
        self.steps = 0;
    }

    /// Whether the pole or the cart is out of bounds.
    #[must_use]
    pub fn has_fallen(&self) -> bool {
        let [x, _, angle, _] = self.state;
        // A state that is not a number has fallen too.
        !(x.abs() <= FAR && angle.abs() <= TILTED)
    }

    /// Pushes to the right or to the left for a step; whether the episode goes on. After the end of one nothing moves.
    pub fn push(&mut self, right: bool) -> bool {
        if self.has_fallen() || self.steps >= STEPS {
            return false;
        }
        let CartPoleContext {
            cart_mass,
            pole_mass,
            pole_length,
            force,
            gravity,
            seconds,
        } = self.context;
        let [x, velocity, angle, turning] = self.state;
        let (sin, cos) = angle.sin_cos();
        let (mass, half) = (cart_mass + pole_mass, pole_length / 2.0);
        let force = if right { force } else { -force };
        let push = (force + pole_mass * half * turning * turning * sin) / mass;
        let inertia = half * (4.0 / 3.0 - pole_mass * cos * cos / mass);
        let turn = (gravity * sin - cos * push) / inertia;
        let pull = push - pole_mass * half * turn * cos / mass;
        self.state = [
            x + seconds * velocity,
            velocity + seconds * pull,
            angle + seconds * turning,
            turning + seconds * turn,
        ];
        self.steps += 1;
        !self.has_fallen() && self.steps < STEPS
    }
}

#[cfg(feature = "burn-rl")]
impl burn_rl::Environment for CartPole {
    type State = [f64; 4];
    /// Whether to the right.
    type Action = bool;

    const MAX_STEPS: usize = STEPS;

    fn state(&self) -> [f64; 4] {
        self.state
    }

    fn step(&mut self, right: bool) -> burn_rl::StepResult<[f64; 4]> {
        self.push(right);
        burn_rl::StepResult {
            next_state: self.state,
            reward: 1.0,
            done: self.has_fallen(),
            truncated: self.steps >= STEPS,
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

    /// One step by hand, from rest with a tilt.
    #[test]
    fn a_push_by_hand() {
        let mut pole = CartPole::new(CartPoleContext::default(), 0).unwrap();
        pole.state = [0.0, 0.0, 0.1, 0.0];
        assert!(pole.push(true));
        let push = 10.0 / 1.1;
        let inertia = 0.5 * (4.0 / 3.0 - 0.1 * 0.1_f64.cos().powi(2) / 1.1);
        let turn = (9.8 * 0.1_f64.sin() - 0.1_f64.cos() * push) / inertia;
        let pull = push - 0.05 * turn * 0.1_f64.cos() / 1.1;
        let expected = [0.0, 0.02 * pull, 0.1, 0.02 * turn];
        for (found, expected) in pole.state.iter().zip(expected) {
            assert_relative_eq!(*found, expected, epsilon = 1e-12);
        }
    }

    #[test]
    fn an_untouched_pole_falls_the_later_the_longer_it_is() {
        let fall = |pole_length| {
            let context = CartPoleContext {
                pole_length,
                ..CartPoleContext::default()
            };
            let mut pole = CartPole::new(context, 1).unwrap();
            let mut steps = 0;
            // Pushes that cancel out.
            while pole.push(steps % 2 == 0) {
                steps += 1;
            }
            steps
        };
        assert!(fall(0.2) < fall(1.0) && fall(1.0) < fall(5.0));
    }

    #[test]
    fn a_saved_pole_goes_on_alike() {
        let mut pole = CartPole::new(CartPoleContext::default(), 5).unwrap();
        pole.push(true);
        let mut again: CartPole =
            serde_json::from_str(&serde_json::to_string(&pole).unwrap()).unwrap();
        for one in [&mut pole, &mut again] {
            one.start();
            one.push(false);
        }
        assert_eq!(pole, again);
    }
}
