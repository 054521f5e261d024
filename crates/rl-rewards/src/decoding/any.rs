//! Any temperature as one type, to keep in a file.

use regimen_schedules::{AnySchedule, Schedule};
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::temperature::DecodingTemperature;
use crate::error::check_same;

/// A temperature for each token of a response: one that is made for decoding, or any schedule over the tokens.
///
/// In a file it is `{"decoding": ..}` or `{"schedule": ..}`; what is read is checked as by the constructors.
///
/// ```
/// use regimen_rl_rewards::{DecodingTemperature, Temperature};
/// use regimen_schedules::{Constant, Schedule};
///
/// let plain = Temperature::from(Constant::new(0.7)?);
/// let cooling = Temperature::from(DecodingTemperature::exploratory(1.2, 0.1)?);
/// assert_eq!((plain.at(0), cooling.at(0)), (0.7, 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Temperature {
    /// One that follows the token and the step of training.
    Decoding(DecodingTemperature),
    /// Any schedule, whose steps are tokens.
    Schedule(AnySchedule),
}

impl Schedule for Temperature {
    fn at(&self, token: usize) -> f64 {
        match self {
            Self::Decoding(temperature) => temperature.at(token),
            Self::Schedule(schedule) => schedule.at(token),
        }
    }
}

impl Part for Temperature {
    fn kind(&self) -> String {
        "temperature 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    /// Takes the step of training of one that is made for decoding; everything else must be the same.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        match (json::load(bytes)?, self) {
            (Self::Decoding(read), Self::Decoding(own)) => own.load(&json::save(&read)?),
            (read, own) => Ok(check_same("temperature", read == *own)?),
        }
    }
}

impl From<DecodingTemperature> for Temperature {
    fn from(temperature: DecodingTemperature) -> Self {
        Self::Decoding(temperature)
    }
}

impl<S: Into<AnySchedule>> From<S> for Temperature {
    fn from(schedule: S) -> Self {
        Self::Schedule(schedule.into())
    }
}
