//! # AdaGradNorm
//!
//! One rate for all parameters that falls with the norms of the gradients so far.
//!
//! Source: Ward, Wu and Bottou, "AdaGrad stepsizes: sharp convergence over nonconvex landscapes", arXiv 1806.01811, as paired
//! with adaptive batches in arXiv 2402.11215.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::reaction::{named, required};
use super::rule::Feedback;
use crate::error::{Error, Result, check_not_negative, check_same};

/// `alpha / sqrt(v)`, where each update first adds the squared norm of its gradient to `v`.
///
/// The metric that it observes is the Euclidean norm of the gradient over all parameters, before the update: step plain SGD
/// with the rate that [`observe`](Feedback::observe) returns. Inside Burn's `Learner` that is in `TrainStep::optimize`, with
/// `ParamVector::gradients(..).l2()`, in place of the rate that comes from the scheduler, which is stepped before there is a
/// gradient. The norm is read from the device at each update.
///
/// Burn's `AdaGrad` is the same with a sum for each coordinate. A norm that is not finite changes nothing. While `v` is 0
/// the rate is 0: there was no gradient to step along.
///
/// ```
/// use regimen_schedules::{AdaGradNorm, Feedback};
///
/// let mut rate = AdaGradNorm::new(0.5)?;
/// assert_eq!([3.0, 4.0, 12.0].map(|norm| rate.observe(norm)), [0.5 / 3.0, 0.1, 0.5 / 13.0]);
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct AdaGradNorm {
    alpha: f64,
    sum: f64,
}
checked_serde!(AdaGradNorm);

impl AdaGradNorm {
    /// With a step size `alpha`, finite and 0 or more, and `v = 0`.
    ///
    /// # Errors
    /// If `alpha` is out of its range.
    pub fn new(alpha: f64) -> Result<Self> {
        Self { alpha, sum: 0.0 }.checked()
    }

    /// Starts from `v = initial`, finite and 0 or more, which bounds the first rates.
    ///
    /// # Errors
    /// If `initial` is out of its range.
    pub fn with_initial(self, initial: f64) -> Result<Self> {
        check_not_negative("initial", initial)?;
        Self {
            sum: initial,
            ..self
        }
        .checked()
    }
}

impl Checked for AdaGradNorm {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_not_negative("alpha", self.alpha)?;
        check_not_negative("sum", self.sum)
    }
}

impl Feedback for AdaGradNorm {
    fn rate(&self) -> f64 {
        if self.sum == 0.0 {
            return 0.0;
        }
        (self.alpha / self.sum.sqrt()).min(f64::MAX)
    }

    fn observe(&mut self, metric: f64) -> f64 {
        if metric.is_finite() {
            self.sum = (self.sum + metric * metric).min(f64::MAX);
        }
        self.rate()
    }

    fn to_scalars(&self) -> Vec<(String, f64)> {
        named([("rate", self.rate()), ("sum", self.sum)])
    }

    fn load_scalars(&mut self, scalar: &dyn Fn(&str) -> Option<f64>) -> Result<()> {
        let sum = required(scalar, "sum")?;
        *self = Self { sum, ..*self }.checked()?;
        Ok(())
    }
}

impl Part for AdaGradNorm {
    fn kind(&self) -> String {
        "adagrad-norm 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// The saved `alpha` must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let read: Self = json::load(bytes)?;
        check_same("alpha", &read.alpha, &self.alpha)?;
        *self = read;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gradients_that_are_none() {
        let mut rate = AdaGradNorm::new(0.5).unwrap();
        assert_eq!(
            [0.0, f64::NAN, f64::INFINITY].map(|norm| rate.observe(norm)),
            [0.0; 3]
        );
        assert_eq!(rate.observe(2.0), 0.25);
        assert!(rate.observe(1e300) > 0.0);
        let started = AdaGradNorm::new(0.5).unwrap().with_initial(1e-2).unwrap();
        assert_eq!(started.rate(), 5.0);
    }

    #[test]
    fn bad_parameters_are_named() {
        let message = |result: Result<AdaGradNorm>| result.unwrap_err().to_string();
        assert!(message(AdaGradNorm::new(f64::NAN)).contains("`alpha` is NaN"));
        let rate = AdaGradNorm::new(1.0).unwrap();
        assert!(message(rate.with_initial(-1.0)).contains("`initial` is -1"));
        assert!(serde_json::from_str::<AdaGradNorm>(r#"{ "alpha": 1.0, "sum": -1.0 }"#).is_err());
    }

    proptest! {
        #[test]
        fn it_never_rises_and_goes_on_from_a_file(
            norms in prop::collection::vec(1e-3_f64..1e3, 2..40), kill in 0_usize..40,
        ) {
            let mut straight = AdaGradNorm::new(0.3).unwrap();
            let mut resumed = straight;
            let mut last = f64::INFINITY;
            for (step, norm) in norms.iter().enumerate() {
                let rate = straight.observe(*norm);
                prop_assert!(rate <= last);
                last = rate;
                if step == kill {
                    resumed = serde_json::from_str(&serde_json::to_string(&resumed).unwrap()).unwrap();
                    let mut loaded = AdaGradNorm::new(0.3).unwrap();
                    let scalars = resumed.to_scalars();
                    loaded.load_scalars(&|key| scalars.iter().find(|(name, _)| name == key).map(|(_, value)| *value)).unwrap();
                    prop_assert_eq!(loaded, resumed);
                }
                prop_assert_eq!(resumed.observe(*norm), rate);
            }
        }
    }
}
