//! What every rate that follows a metric is.

use crate::error::Result;

/// A rate that changes when a metric is observed, and only then.
pub trait Feedback {
    /// The rate now.
    fn rate(&self) -> f64;

    /// Takes the metric's next value; returns the rate from now on. A value that is not finite
    /// counts as no improvement.
    fn observe(&mut self, metric: f64) -> f64;

    /// The state as named numbers, for records that hold nothing else. Counts are whole numbers.
    fn to_scalars(&self) -> Vec<(String, f64)>;

    /// Takes back a state that [`to_scalars`](Self::to_scalars) gave.
    ///
    /// # Errors
    /// Without a rate, or if a number is out of its range; nothing is changed then.
    fn load_scalars(&mut self, scalar: &dyn Fn(&str) -> Option<f64>) -> Result<()>;
}
