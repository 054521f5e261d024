//! # ChinchillaLaw
//!
//! The final loss of runs of any size from parameters and tokens: one point a run, where the annealing law reads a whole curve.
//!
//! Source: Hoffmann et al., "Training Compute-Optimal Large Language Models" (arXiv 2203.15556), section 3.3, equations 2 and 3.

use regimen_tensor::checked::Checked;
use regimen_tensor::{Watch, checked_serde};
use serde::{Deserialize, Serialize};

use super::huber::{Law, Problem, Quality, grid};
use crate::error::{Error, Result, check, check_positive};

/// `L(N, D) = floor + by_parameters N^-alpha + by_tokens D^-beta`, in nats, of a run whose rate was annealed to its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ChinchillaLaw {
    /// `E`, above 0.
    pub floor: f64,
    /// `A`, above 0.
    pub by_parameters: f64,
    /// `alpha`, above 0.
    pub alpha: f64,
    /// `B`, above 0.
    pub by_tokens: f64,
    /// `beta`, above 0.
    pub beta: f64,
}

checked_serde!(ChinchillaLaw, ScaledRun, ChinchillaFitConfig, ChinchillaFit);

impl Checked for ScaledRun {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_positive("parameters", self.parameters)?;
        check_positive("tokens", self.tokens)?;
        check_positive("loss", self.loss)
    }
}

impl Checked for ChinchillaFitConfig {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_positive("delta", self.delta)
    }
}

impl Checked for ChinchillaFit {
    type Error = Error;

    fn check(&self) -> Result<()> {
        self.law.check()?;
        self.quality.check()?;
        self.quality.check_width(5)
    }
}

impl Checked for ChinchillaLaw {
    type Error = Error;

    fn check(&self) -> Result<()> {
        check_positive("floor", self.floor)?;
        check_positive("by_parameters", self.by_parameters)?;
        check_positive("alpha", self.alpha)?;
        check_positive("by_tokens", self.by_tokens)?;
        check_positive("beta", self.beta)
    }
}

/// A finished run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ScaledRun {
    /// Parameters of the model, above 0.
    pub parameters: f64,
    /// Tokens it was trained on, above 0.
    pub tokens: f64,
    /// Its last loss, above 0, in nats.
    pub loss: f64,
}

impl ChinchillaLaw {
    /// The predicted loss; infinite or NaN for parameters or tokens that are not above 0.
    #[must_use]
    pub fn loss(&self, parameters: f64, tokens: f64) -> f64 {
        self.floor
            + self.by_parameters * parameters.powf(-self.alpha)
            + self.by_tokens * tokens.powf(-self.beta)
    }

    /// The parameters and tokens of least loss for `flops`, above 0, of which training takes `6 N D` (equation 4).
    ///
    /// ```
    /// use regimen_schedules::forecast::law::ChinchillaLaw;
    ///
    /// let law = ChinchillaLaw { floor: 1.69, by_parameters: 406.4, alpha: 0.34, by_tokens: 410.7, beta: 0.28 };
    /// let (parameters, tokens) = law.optimal(1e21)?;
    /// assert!((6.0 * parameters * tokens / 1e21 - 1.0).abs() < 1e-9);
    /// assert!(law.loss(parameters, tokens) < law.loss(1.1 * parameters, tokens / 1.1));
    /// # Ok::<(), regimen_schedules::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a number of the law or `flops` is out of its range, or a result is beyond the range of numbers.
    pub fn optimal(&self, flops: f64) -> Result<(f64, f64)> {
        self.check()?;
        check_positive("flops", flops)?;
        let both = self.alpha + self.beta;
        let ratio = self.alpha * self.by_parameters / (self.beta * self.by_tokens);
        let parameters = ratio.powf(1.0 / both) * (flops / 6.0).powf(self.beta / both);
        let tokens = flops / 6.0 / parameters;
        let good = parameters > 0.0 && parameters.is_finite() && tokens > 0.0 && tokens.is_finite();
        check(
            "flops",
            flops,
            good,
            "a budget whose parameters and tokens are numbers",
        )?;
        Ok((parameters, tokens))
    }
}

/// How a [`ChinchillaLaw`] is fitted: Huber's loss of the logarithms at `delta`, 1e-3 by default as in the paper, from 72 starts
/// that span the paper's grid of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ChinchillaFitConfig {
    /// Where Huber's loss turns from squares to magnitudes, above 0.
    pub delta: f64,
}

/// A fitted law and how well it fits; parameters in [`Quality`] are in the order of the law's fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ChinchillaFit {
    /// The law.
    pub law: ChinchillaLaw,
    /// How well it fits.
    pub quality: Quality,
}

impl Default for ChinchillaFitConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ChinchillaFitConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self { delta: 1e-3 }
    }

    /// Another turn of Huber's loss.
    #[must_use]
    pub fn with_delta(self, delta: f64) -> Self {
        Self { delta }
    }

    /// Fits the law to finished runs, six or more, of three sizes and three lengths at least: two tell no exponent.
    ///
    /// # Errors
    /// If a number is out of range, there are too few runs, sizes or lengths, no start leads anywhere, or the law explains the
    /// losses no better than a constant ([`Quality::explained`]).
    pub fn fit(&self, runs: &[ScaledRun]) -> Result<ChinchillaFit> {
        self.fit_watched(runs, &Watch::default())
    }

    /// [`fit`](Self::fit), watched as `"fit"`: a step is one of the 72 starts, or the last search. Work that is stopped returns the
    /// best of the starts so far, of which fewer agree.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    #[tracing::instrument(name = "fit", skip_all, fields(runs = runs.len()))]
    pub fn fit_watched(&self, runs: &[ScaledRun], watch: &Watch) -> Result<ChinchillaFit> {
        self.check()?;
        runs.iter().try_for_each(Checked::check)?;
        if runs.len() < 6 {
            return Err(Error::TooFew {
                field: "runs",
                found: runs.len(),
                needed: 6,
            });
        }
        several("parameters", runs.iter().map(|run| run.parameters))?;
        several("tokens", runs.iter().map(|run| run.tokens))?;
        let points: Vec<[f64; 2]> = runs
            .iter()
            .map(|r| [r.parameters.ln(), r.tokens.ln()])
            .collect();
        let observed: Vec<f64> = runs.iter().map(|run| run.loss).collect();
        let floor = [0.6, 1.6];
        let (scale, exponent) = ([1.0, 100.0, 10_000.0], [0.2, 0.6]);
        let starts = grid(&[&floor, &scale, &exponent, &scale, &exponent]);
        let problem = Problem {
            law: &points,
            observed: &observed,
            points: (0..points.len()).collect(),
            delta: self.delta,
            field: "runs",
        };
        let (found, quality) = problem.minimise(&starts, watch)?;
        let law = ChinchillaLaw {
            floor: found[0],
            by_parameters: found[1],
            alpha: found[2],
            by_tokens: found[3],
            beta: found[4],
        };
        ChinchillaFit { law, quality }.checked()
    }
}

/// Refuses fewer than three different values.
fn several(field: &'static str, values: impl Iterator<Item = f64>) -> Result<()> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    if values.len() < 3 {
        return Err(Error::TooFew {
            field,
            found: values.len(),
            needed: 3,
        });
    }
    Ok(())
}

/// The points of a fit: logarithms of parameters and tokens.
impl Law for Vec<[f64; 2]> {
    fn predict(&self, parameters: &[f64], point: usize, slopes: &mut [f64]) -> f64 {
        let mut loss = parameters[0];
        slopes[0] = 1.0;
        for (axis, log) in self[point].iter().enumerate() {
            let (scale, exponent) = (parameters[1 + 2 * axis], parameters[2 + 2 * axis]);
            let power = (-exponent * log).exp();
            slopes[1 + 2 * axis] = power;
            slopes[2 + 2 * axis] = -scale * power * log;
            loss += scale * power;
        }
        loss
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn the_papers_law_is_found_again() {
        let truth = ChinchillaLaw {
            floor: 1.69,
            by_parameters: 406.4,
            alpha: 0.34,
            by_tokens: 410.7,
            beta: 0.28,
        };
        let sizes = [1e7, 3e7, 1e8, 4e8, 1e9];
        let tokens = [1e9, 5e9, 2e10, 1e11];
        let runs = sizes.iter().flat_map(|parameters| {
            tokens.iter().map(|tokens| ScaledRun {
                parameters: *parameters,
                tokens: *tokens,
                loss: truth.loss(*parameters, *tokens),
            })
        });
        let runs: Vec<ScaledRun> = runs.collect();
        let fit = ChinchillaFitConfig::new().fit(&runs).unwrap();
        assert!(fit.quality.mape < 1e-4, "{fit:?}");
        for (parameters, tokens) in [(1e10, 1e12), (7e10, 1.4e12)] {
            let (found, expected) = (
                fit.law.loss(parameters, tokens),
                truth.loss(parameters, tokens),
            );
            assert_relative_eq!(found, expected, max_relative = 5e-3);
        }
        assert!(ChinchillaFitConfig::new().fit(&runs[..5]).is_err());
        let bad = ScaledRun {
            loss: f64::NAN,
            ..runs[0]
        };
        assert!(ChinchillaFitConfig::new().fit(&[bad; 8]).is_err());
    }
}
