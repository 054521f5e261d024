//! # DecodingTemperature
//!
//! A sampling temperature that cools within each generated sequence, more slowly as training goes on.
//!
//! Source: "Let it Calm: Exploratory Annealed Decoding for Verifiable Reinforcement Learning", arXiv 2510.05251; the
//! other schedules as in its released sampler.

use regimen_schedules::Schedule;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use crate::error::{Result, RlRewardsError, check, check_same};

/// What a temperature follows, with the response token `t` and the training step `s`.
///
/// `d_s = min(decay + growth s, cap)` is in tokens, `D` is `step_decay` in training steps, and
/// `fall(a, b, x) = b + (a - b) exp(-x)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annealing {
    /// `max(1 + tau_max - exp(t / d_s), tau_min)`: from `tau_max`, slowly at first and then ever faster, to `tau_min`.
    Exploratory,
    /// `fall(tau_max, tau_min, t / d_s)`: fast at first and then ever slower.
    Tokens,
    /// `fall(tau_max, tau_min, s / D)`: the same for all tokens.
    Steps,
    /// `fall(max(tau_max exp(-s / D), 1e-12), tau_min, t / d_s)`: where training is to end near greedy decoding.
    ///
    /// Once `tau_max exp(-s / D)` is below `tau_min` the temperature rises with the token. It stays at 1e-12 or more (or at `tau_max`, if
    /// that is less), which is greedy decoding already: without that bound, the first token's would be 0 after 745 `D` steps.
    TokensAndSteps,
    /// `min(fall(tau_min, tau_max, s / D), 1)`: the same for all tokens, and rising.
    RisingSteps,
}

/// A start of [`Annealing::TokensAndSteps`] is not colder: any two different logits of f32 are as far apart as greedy decoding has
/// them then, and quotients stay far from the largest f32.
const COLDEST: f64 = 1e-12;

/// A temperature for each token of a response, at one step of training.
///
/// Logits are divided by it once, before the softmax: an engine that has a temperature of its own needs it at 1. As a
/// [`Schedule`] its steps are the response's tokens, from 0. Every one is 1 for the first `protected` tokens, then
/// what [`Annealing`] says.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `tau_max` | required; 1.2 in the paper | `tau_min` or more |
/// | `tau_min` | required; 0.1 in the paper, more for larger models | above 0 |
/// | `protected` | 10 | tokens |
/// | `decay` | 500 | tokens, above 0 |
/// | `growth` | 100 (`exploratory`), 0 (others) | tokens a training step, 0 or more |
/// | `cap` | 800,000 | tokens, `decay` or more |
/// | `step_decay` | 25 | training steps, above 0 |
///
/// The released sampler multiplies its `decay_freq` of 25 and slope of 5 by 20 tokens: `decay` and `growth` are the
/// products. The paper's printed formula is `with_growth(5.0, 40_000.0)`.
///
/// ```
/// use regimen_rl_rewards::DecodingTemperature;
/// use regimen_schedules::Schedule;
///
/// let tau = DecodingTemperature::exploratory(1.2, 0.1)?;
/// let rounded = |token, step| (tau.at_step(step).at(token) * 1e4).round() / 1e4;
/// assert_eq!([9, 10, 100, 371].map(|token| rounded(token, 0)), [1.0, 1.1798, 0.9786, 0.1]);
/// assert_eq!(rounded(371, 100), 1.164); // responses are longer by then: it cools more slowly
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[doc(alias("EAD", "annealed_sampling", "exploration_temp", "decay_freq"))]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DecodingTemperature {
    annealing: Annealing,
    tau_max: f64,
    tau_min: f64,
    protected: usize,
    decay: f64,
    growth: f64,
    cap: f64,
    step_decay: f64,
    #[serde(default)]
    step: usize,
}
checked_serde!(DecodingTemperature);

impl DecodingTemperature {
    /// A temperature that follows one of the released sampler's schedules.
    ///
    /// # Errors
    /// If a temperature is out of its range.
    pub fn new(annealing: Annealing, tau_max: f64, tau_min: f64) -> Result<Self> {
        let grows = annealing == Annealing::Exploratory;
        Self {
            annealing,
            tau_max,
            tau_min,
            protected: 10,
            decay: 500.0,
            growth: if grows { 100.0 } else { 0.0 },
            cap: 800_000.0,
            step_decay: 25.0,
            step: 0,
        }
        .checked()
    }

    /// The paper's schedule, [`Annealing::Exploratory`].
    ///
    /// # Errors
    /// If a temperature is out of its range.
    pub fn exploratory(tau_max: f64, tau_min: f64) -> Result<Self> {
        Self::new(Annealing::Exploratory, tau_max, tau_min)
    }

    /// The number of first tokens with temperature 1: where a template must come out right.
    #[must_use]
    pub fn with_protected(self, protected: usize) -> Self {
        Self { protected, ..self }
    }

    /// The tokens that the cooling takes at training step 0, above 0.
    ///
    /// [`Annealing::Exploratory`] crosses 1 at token `decay ln(tau_max)` and reaches `tau_min` at
    /// `decay ln(1 + tau_max - tau_min)`.
    ///
    /// # Errors
    /// If `decay` is not finite, not above 0, or above the cap.
    pub fn with_decay(self, decay: f64) -> Result<Self> {
        Self { decay, ..self }.checked()
    }

    /// The tokens that each training step adds to the decay, 0 or more, and the most that the decay can be.
    ///
    /// # Errors
    /// If a value is not finite or out of its range.
    pub fn with_growth(self, growth: f64, cap: f64) -> Result<Self> {
        Self {
            growth,
            cap,
            ..self
        }
        .checked()
    }

    /// The training steps that the cooling over training takes, above 0.
    ///
    /// # Errors
    /// If `step_decay` is not finite or not above 0.
    pub fn with_step_decay(self, step_decay: f64) -> Result<Self> {
        Self { step_decay, ..self }.checked()
    }

    /// The same at another step of training; a new one starts at step 0.
    ///
    /// Save the step with the training run: nothing here counts.
    #[must_use]
    pub fn at_step(self, step: usize) -> Self {
        Self { step, ..self }
    }

    /// `d_s`, the tokens that the cooling takes at this training step.
    #[must_use]
    pub fn horizon(&self) -> f64 {
        (self.decay + self.growth * self.step as f64).min(self.cap)
    }
}

impl Checked for DecodingTemperature {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        check("tau_min", self.tau_min, self.tau_min > 0.0, "above 0")?;
        let ordered = self.tau_max >= self.tau_min;
        check("tau_max", self.tau_max, ordered, "`tau_min` or more")?;
        check("decay", self.decay, self.decay > 0.0, "above 0")?;
        check("growth", self.growth, self.growth >= 0.0, "0 or more")?;
        let capped = self.cap >= self.decay;
        check("cap", self.cap, capped, "the decay or more")?;
        let falls = self.step_decay > 0.0;
        check("step_decay", self.step_decay, falls, "above 0")
    }
}

impl Part for DecodingTemperature {
    fn kind(&self) -> String {
        "decoding-temperature 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// Takes the step of training; everything else must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("temperature", read.at_step(self.step) == *self)?;
        *self = read;
        Ok(())
    }
}

impl Schedule for DecodingTemperature {
    fn at(&self, token: usize) -> f64 {
        if token < self.protected {
            return 1.0;
        }
        let Self {
            tau_max, tau_min, ..
        } = *self;
        let fall = |from: f64, to: f64, way: f64| to + (from - to) * (-way).exp();
        let tokens = || token as f64 / self.horizon();
        let steps = || self.step as f64 / self.step_decay;
        match self.annealing {
            Annealing::Exploratory => (1.0 + tau_max - tokens().exp()).max(tau_min),
            Annealing::Tokens => fall(tau_max, tau_min, tokens()),
            Annealing::Steps => fall(tau_max, tau_min, steps()),
            Annealing::TokensAndSteps => {
                let start = (tau_max * (-steps()).exp()).max(COLDEST.min(tau_max));
                // The sum of two shares is exact where one is 0, and above 0 everywhere.
                let left = (-tokens()).exp();
                start * left - tau_min * (-tokens()).exp_m1()
            }
            Annealing::RisingSteps => fall(tau_min, tau_max, steps()).min(1.0),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;
    use proptest::prelude::*;

    use super::*;

    fn paper() -> DecodingTemperature {
        DecodingTemperature::exploratory(1.2, 0.1).unwrap()
    }

    #[test]
    fn the_released_defaults_over_tokens_and_training() {
        let rows: [(usize, [f64; 3]); 8] = [
            (10, [1.1797986600, 1.1933110616, 1.1990471654]),
            (11, [1.1777562155, 1.1926397119, 1.1989518320]),
            (100, [0.9785972418, 1.1310608943, 1.1904306947]),
            (200, [0.7081753024, 1.0573691882, 1.1807698178]),
            (300, [0.3778811996, 0.9785972418, 1.1710164930]),
            (500, [0.1, 0.8043875749, 1.1512289526]),
            (1000, [0.1, 0.2522659589, 1.1000792902]),
            (3072, [0.1, 0.1, 0.8601315620]),
        ];
        for (column, step) in [0, 10, 100].into_iter().enumerate() {
            let tau = paper().at_step(step);
            assert!((0..10).all(|token| tau.at(token) == 1.0));
            for (token, values) in rows {
                assert_abs_diff_eq!(tau.at(token), values[column], epsilon = 1e-9);
            }
        }
        let horizons = [0, 10, 100, 7_995, 1 << 40].map(|step| paper().at_step(step).horizon());
        assert_eq!(horizons, [500.0, 1500.0, 10_500.0, 8e5, 8e5]);
    }

    #[test]
    fn the_printed_formula() {
        let tau = paper().with_growth(5.0, 40_000.0).unwrap();
        assert_abs_diff_eq!(tau.at_step(10).at(100), 1.0006038980, epsilon = 1e-9);
        assert_abs_diff_eq!(tau.at_step(100).at(100), 1.0948290819, epsilon = 1e-9);
        assert_abs_diff_eq!(tau.at_step(100).at(500), 0.5512787293, epsilon = 1e-9);
        assert_eq!(tau.at_step(1_000_000).horizon(), 40_000.0);
    }

    #[test]
    fn where_it_crosses_one_and_where_it_ends() {
        let tau = paper();
        assert!(tau.at(91) > 1.0 && tau.at(92) < 1.0);
        assert!(tau.at(370) > 0.1 && tau.at(371) == 0.1);
    }

    #[test]
    fn the_other_schedules_of_the_released_sampler() {
        let new = |annealing| DecodingTemperature::new(annealing, 1.2, 0.2).unwrap();
        let e = (-1.0_f64).exp();
        let tokens = new(Annealing::Tokens);
        assert_abs_diff_eq!(tokens.at(500), 0.2 + e, epsilon = 1e-12);
        assert_eq!(tokens.at_step(50).at(500), tokens.at(500));
        let steps = new(Annealing::Steps).at_step(25);
        assert_abs_diff_eq!(steps.at(10), 0.2 + e, epsilon = 1e-12);
        assert_eq!(steps.at(10), steps.at(10_000));
        let both = new(Annealing::TokensAndSteps).at_step(25);
        assert_abs_diff_eq!(both.at(500), 0.2 + (1.2 * e - 0.2) * e, epsilon = 1e-12);
        let late = new(Annealing::TokensAndSteps).at_step(500);
        assert!(late.at(10) < late.at(1000) && late.at(1000) < 0.2);
        let rising = new(Annealing::RisingSteps);
        assert_abs_diff_eq!(rising.at(10), 0.2, epsilon = 1e-12);
        assert_abs_diff_eq!(rising.at_step(25).at(10), 1.2 - e, epsilon = 1e-12);
        assert_eq!(rising.at_step(1000).at(10), 1.0);
    }

    #[test]
    fn a_million_steps_of_training_leave_a_temperature_above_zero() {
        let tau = DecodingTemperature::new(Annealing::TokensAndSteps, 1.2, 0.1).unwrap();
        let tau = tau.with_protected(0);
        for step in [0, 100, 650, 5000, 18_700, 1_000_000, usize::MAX] {
            let tau = tau.at_step(step);
            let start = (1.2 * (-(step as f64) / 25.0).exp()).max(1e-12);
            assert_eq!(tau.at(0), start, "{step}");
            for token in [0, 1, 10, 500, 1_000_000, usize::MAX] {
                let left = (-(token as f64) / 500.0).exp();
                assert_abs_diff_eq!(
                    tau.at(token),
                    start * left + 0.1 * (1.0 - left),
                    epsilon = 1e-15
                );
                assert!(tau.at(token) as f32 > 0.0, "{step} {token}");
            }
        }
        let cold = DecodingTemperature::new(Annealing::TokensAndSteps, 1e-20, 1e-30).unwrap();
        let cold = cold.with_protected(0).at_step(1_000_000);
        assert_eq!(cold.at(0), 1e-20);
    }

    #[test]
    fn limits() {
        let plain = DecodingTemperature::exploratory(1.0, 1.0).unwrap();
        assert!([0, 10, 500, usize::MAX].iter().all(|t| plain.at(*t) == 1.0));
        let slow = paper().with_growth(0.0, 1e300).unwrap();
        let slow = slow.with_decay(1e300).unwrap();
        assert!(
            [10, 1_000_000]
                .iter()
                .all(|token| (slow.at(*token) - 1.2).abs() < 1e-12)
        );
        let ends = paper().with_decay(1e-300).unwrap();
        assert_eq!(ends.at(usize::MAX), 0.1);
    }

    #[test]
    fn bad_parameters_are_named() {
        let of = |tau_max, tau_min| DecodingTemperature::exploratory(tau_max, tau_min);
        let message = |result: Result<DecodingTemperature>| result.unwrap_err().to_string();
        assert!(message(of(1.2, 0.0)).contains("`tau_min` is 0"));
        assert!(message(of(0.5, 0.6)).contains("`tau_max` is 0.5"));
        assert!(message(of(f64::NAN, 0.6)).contains("`tau_max` is NaN"));
        assert!(message(of(f64::INFINITY, 0.6)).contains("`tau_max` is inf"));
        assert!(message(paper().with_decay(0.0)).contains("`decay` is 0"));
        assert!(message(paper().with_growth(1.0, 10.0)).contains("`cap` is 10"));
        assert!(message(paper().with_growth(-1.0, 1e6)).contains("`growth` is -1"));
        assert!(message(paper().with_step_decay(0.0)).contains("`step_decay` is 0"));
        let text = serde_json::to_string(&paper()).unwrap();
        let wrong = text.replace("0.1", "-0.1");
        assert!(serde_json::from_str::<DecodingTemperature>(&wrong).is_err());
        assert_eq!(
            serde_json::from_str::<DecodingTemperature>(&text).unwrap(),
            paper()
        );
    }

    proptest! {
        #[test]
        fn it_never_rises_and_stays_within_its_bounds(
            tau_min in 0.05_f64..1.0,
            more in 0.0_f64..1.5,
            decay in 1.0_f64..1000.0,
            step in 0_usize..10_000,
            token in 0_usize..5000,
        ) {
            for annealing in [Annealing::Exploratory, Annealing::Tokens, Annealing::Steps] {
                let tau = DecodingTemperature::new(annealing, tau_min + more, tau_min).unwrap();
                let tau = tau.with_decay(decay).unwrap().with_protected(3).at_step(step);
                let (now, next) = (tau.at(token + 3), tau.at(token + 4));
                prop_assert!(next <= now);
                prop_assert!(now >= tau_min - 1e-12 && now <= tau_min + more + 1e-12);
                prop_assert!(tau.at_step(step + 1).at(token + 3) >= now || annealing == Annealing::Steps);
            }
        }
    }
}
