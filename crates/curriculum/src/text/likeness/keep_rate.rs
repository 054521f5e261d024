//! # KeepRate
//!
//! Which share of a pool's tokens to keep for a budget of compute
//!
//! Source: BETR, arXiv 2507.12466, the fits of the compute-optimal keep rate on Nemotron-CC and DCLM-RefinedWeb

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// A fit `share = factor C^exponent / 100` of the best share of tokens for `C` operations (FLOPs) of training.
///
/// | pool | factor | exponent | at 1e20, 1e21, 1e22, 1e23 |
/// |---|---|---|---|
/// | `NemotronCc` | 4e-5 | .25 | 4.0, 7.1, 12.6, 22.5 % |
/// | `DclmRefinedWeb` | 6e-3 | .14 | 3.8, 5.2, 7.2, 10.0 % |
///
/// The paper's words give other figures: 3 % below 1e21, 10 % around 1e22, 30 % beyond 1e23.
///
/// ```
/// use regimen_curriculum::text::KeepRate;
///
/// let share = KeepRate::NemotronCc.share(1e22)?;
/// assert!((share - 0.126491).abs() < 1e-6);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeepRate {
    /// A pool that was cleaned for a high yield.
    NemotronCc,
    /// A pool with light filters.
    DclmRefinedWeb,
    /// A fit of the user's own.
    PowerLaw {
        /// In per cent, 0 or more.
        factor: f64,
        /// Of the operations.
        exponent: f64,
    },
}

impl KeepRate {
    /// The share of tokens to keep for so many operations of training, above 0 and up to 1.
    ///
    /// # Errors
    /// If the operations are not positive and finite, or the fit gives no positive share.
    pub fn share(self, operations: f64) -> Result<f64> {
        check("operations", operations, operations > 0.0, "above 0")?;
        let (factor, exponent) = match self {
            Self::NemotronCc => (4e-5, 0.25),
            Self::DclmRefinedWeb => (6e-3, 0.14),
            Self::PowerLaw { factor, exponent } => (factor, exponent),
        };
        let share = (factor * operations.powf(exponent) / 100.0).min(1.0);
        check("share", share, share > 0.0, "above 0")?;
        Ok(share)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_spec() {
        let percent = |rate: KeepRate, at: f64| 100.0 * rate.share(at).unwrap();
        let budgets = [1e20, 1e21, 1e22, 1e23];
        let nemotron = [4.0, 7.1131, 12.6491, 22.4937];
        let dclm = [3.7857, 5.2258, 7.2136, 9.9575];
        for ((at, nemotron), dclm) in budgets.into_iter().zip(nemotron).zip(dclm) {
            assert!((percent(KeepRate::NemotronCc, at) - nemotron).abs() < 1e-4);
            assert!((percent(KeepRate::DclmRefinedWeb, at) - dclm).abs() < 1e-4);
        }
        let [once, more] = [1e20, 16e20].map(|at| percent(KeepRate::NemotronCc, at));
        assert!((more / once - 2.0).abs() < 1e-12);
        assert_eq!(percent(KeepRate::NemotronCc, 1e40), 100.0);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(KeepRate::NemotronCc.share(bad).is_err());
        }
    }
}
