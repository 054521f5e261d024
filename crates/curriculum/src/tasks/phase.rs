//! # Phase
//!
//! Whether a model that was trained on many tasks remembers them, recognises them, or learns new ones; and where its loss stands still.
//!
//! Source: Kirsch, Harrison, Sohl-Dickstein and Metz, "General-Purpose In-Context Learning by Meta-Learning Transformers", arXiv 2212.04458

use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count, finite};

/// Accuracies of a model by which its [`Phase`] is told, each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// On tasks that were trained on, at the first place of a sequence, without any context.
    pub seen_first: f64,
    /// On tasks that were trained on, at the last places.
    pub seen_late: f64,
    /// On tasks that were not trained on, at the last places.
    pub unseen_late: f64,
}

/// What a model that was trained on sequences of many tasks does.
///
/// | phase | trained on, first place | trained on, late | others, late |
/// |---|---|---|---|
/// | `Memorised` | high | high, no gain | chance |
/// | `Identified` | any | a gain by the context | chance |
/// | `Learns` | any | high | above chance |
/// | `Failed` | chance | chance | chance |
///
/// More tasks and larger models move a model down to `Learns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It knows the tasks it was trained on without a look at the context.
    Memorised,
    /// It finds out from the context which of the tasks it was trained on this one is.
    Identified,
    /// It learns tasks that it was not trained on from their examples.
    Learns,
    /// It does no better than chance.
    Failed,
}

impl Phase {
    /// The phase of a model, with the accuracy of chance (1 over the classes), and a difference from which one accuracy counts as above another;
    /// .1 is ten points. Let it be at least twice the standard error of the accuracies.
    ///
    /// ```
    /// use regimen_curriculum::tasks::{Measured, Phase};
    ///
    /// let measured = Measured { seen_first: 0.91, seen_late: 0.95, unseen_late: 0.24 };
    /// assert_eq!(Phase::of(&measured, 0.25, 0.1)?, Phase::Memorised);
    /// let measured = Measured { seen_first: 0.28, seen_late: 0.79, unseen_late: 0.79 };
    /// assert_eq!(Phase::of(&measured, 0.25, 0.1)?, Phase::Learns);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If an accuracy or chance is not within 0 and 1, or `least` is not above 0 and up to 1.
    pub fn of(measured: &Measured, chance: f64, least: f64) -> Result<Self> {
        let Measured {
            seen_first,
            seen_late,
            unseen_late,
        } = *measured;
        for (field, value) in [
            ("seen_first", seen_first),
            ("seen_late", seen_late),
            ("unseen_late", unseen_late),
            ("chance", chance),
        ] {
            check(field, value, (0.0..=1.0).contains(&value), "0 to 1")?;
        }
        check(
            "least",
            least,
            least > 0.0 && least <= 1.0,
            "above 0 and up to 1",
        )?;
        let is_above = |value: f64, other: f64| value - other >= least;
        Ok(if is_above(unseen_late, chance) {
            Self::Learns
        } else if is_above(seen_late, seen_first) {
            Self::Identified
        } else if is_above(seen_late, chance) {
            Self::Memorised
        } else {
            Self::Failed
        })
    }
}

/// The mean of the last `places` of a curve of accuracies.
///
/// # Errors
/// If the curve is empty or has a value that is not finite, or `places` is 0 or more than it has.
pub fn late(curve: &[f64], places: usize) -> Result<f64> {
    finite("curve", curve)?;
    let good = (1..=curve.len()).contains(&places);
    count("places", places, good, "1 to the length of the curve")?;
    let last = curve.iter().rev().take(places);
    Ok(last.sum::<f64>() / places as f64)
}

/// The step at which a loss leaves its plateau at chance: the end of the first run of `window` losses whose mean is below `share` of `ln(classes)`;
/// none if it never does. A model at the plateau is not broken: its loss may fall later.
///
/// # Errors
/// If there are fewer losses than `window`, one is not finite, `window` is 0, `share` is not within 0 and 1, or there are fewer than 2 classes.
pub fn plateau(losses: &[f64], classes: usize, window: usize, share: f64) -> Result<Option<usize>> {
    finite("losses", losses)?;
    count("classes", classes, classes >= 2, "2 or more")?;
    count("window", window, window > 0, "1 or more")?;
    check("share", share, (0.0..=1.0).contains(&share), "0 to 1")?;
    if losses.len() < window {
        return Err(CurriculumError::TooFew {
            field: "losses",
            found: losses.len(),
            needed: window,
        });
    }
    let bound = share * (classes as f64).ln();
    let is_below = |losses: &[f64]| losses.iter().sum::<f64>() / (window as f64) < bound;
    let first = losses.windows(window).position(is_below);
    Ok(first.map(|first| first + window - 1))
}

/// Numbers that a transformer can use of what it has read: keys and values, `2 * key_size * layers * length`, with the key size of all heads.
/// Accuracy follows it more than the number of parameters, over architectures.
#[must_use]
pub fn transformer_state(key_size: usize, layers: usize, length: usize) -> usize {
    [key_size, layers, length]
        .into_iter()
        .fold(2, usize::saturating_mul)
}

/// Numbers that a recurrent network carries from place to place: its hidden size, that of all layers.
#[must_use]
pub fn recurrent_state(hidden_size: usize, layers: usize) -> usize {
    hidden_size.saturating_mul(layers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_told_from_three_accuracies() {
        let phase = |seen_first, seen_late, unseen_late| {
            let measured = Measured {
                seen_first,
                seen_late,
                unseen_late,
            };
            Phase::of(&measured, 0.25, 0.1).unwrap()
        };
        assert_eq!(phase(0.91, 0.95, 0.24), Phase::Memorised);
        assert_eq!(phase(0.72, 0.92, 0.23), Phase::Identified);
        assert_eq!(phase(0.28, 0.79, 0.79), Phase::Learns);
        assert_eq!(phase(0.27, 0.3, 0.24), Phase::Failed);
    }

    #[test]
    fn sizes_of_state() {
        assert_eq!(transformer_state(64, 4, 100), 51_200);
        assert_eq!(recurrent_state(512, 2), 1024);
    }

    #[test]
    fn a_plateau_ends_where_the_mean_falls() {
        let losses: Vec<f64> = (0..40).map(|i| if i < 20 { 1.38 } else { 0.9 }).collect();
        assert_eq!(plateau(&losses, 4, 5, 0.9).unwrap(), Some(21));
        assert_eq!(plateau(&losses[..20], 4, 5, 0.9).unwrap(), None);
        assert!(plateau(&losses, 4, 41, 0.9).is_err());
    }

    #[test]
    fn late_is_the_mean_of_the_last_places() {
        assert_eq!(late(&[0.0, 0.5, 1.0], 2).unwrap(), 0.75);
        assert!(late(&[0.0], 2).is_err());
        assert!(late(&[], 0).is_err());
        assert!(late(&[f64::NAN], 1).is_err());
    }
}
