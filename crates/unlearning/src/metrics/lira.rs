//! # Lira
//!
//! Membership by the likelihood ratio of an example's margin under models that saw it and models that did not.
//!
//! Source: Carlini, Chien, Nasr, Song, Terzis and Tramèr, "Membership Inference Attacks From First Principles",
//! IEEE S&P 2022, arXiv 2112.03570, algorithm 1 and section V.

use burn::config::Config;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, all_finite, check, same};

/// Margins ([`Predictions::margins`](crate::Predictions::margins)) of one shadow model on the examples under attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Shadow {
    /// One margin an example.
    pub margins: Vec<f64>,
    /// Whether the example was in this model's training data.
    pub member: Vec<bool>,
}

regimen_tensor::checked_serde!(Shadow);

impl Checked for Shadow {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        same("number of flags", self.margins.len(), self.member.len())?;
        all_finite("margins", &self.margins)
    }
}

/// Which likelihoods are compared.
#[derive(Config, Debug, PartialEq)]
pub struct LiraConfig {
    /// Online: `log N(in) - log N(out)`, needs shadow models with and without each example. Otherwise offline: by how
    /// many deviations the margin exceeds those of models without it, which orders as the tail probability does.
    #[config(default = true)]
    pub online: bool,
    /// One variance for all examples, as the paper advises below 64 shadow models; otherwise one each.
    #[config(default = true)]
    pub shared_variance: bool,
}

/// What the attack found: neither direction is better, the retrained reference's own scores are perfect, and they are those of
/// a model that never saw the examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Attack {
    /// One score an example; larger means more likely a member.
    pub scores: Vec<f64>,
}

regimen_tensor::checked_serde!(Attack);

impl Checked for Attack {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        if self.scores.is_empty() {
            return Err(UnlearningError::Empty("attack"));
        }
        all_finite("scores", &self.scores)
    }
}

impl Attack {
    /// Nearer to the retrained reference is better: 0.5 is perfect when the others are exchangeable with the forget
    /// set, and is what the retrained reference scores there.
    ///
    /// The probability, `0..=1`, that an example of `forget` has a larger score than one of `others`, ties halved: the
    /// area under the ROC curve.
    ///
    /// # Errors
    /// If a set is empty or a score is not finite.
    pub fn auc(forget: &Self, others: &Self) -> Result<f64> {
        forget.check()?;
        others.check()?;
        let mut sorted = others.scores.clone();
        sorted.sort_by(f64::total_cmp);
        let wins = forget.scores.iter().map(|score| {
            let below = sorted.partition_point(|other| other < score);
            let not_above = sorted.partition_point(|other| other <= score);
            0.5 * (below + not_above) as f64
        });
        let pairs = forget.scores.len() * others.scores.len();
        Ok(wins.sum::<f64>() / pairs as f64)
    }

    /// Nearer to the retrained reference is better: `rate` itself is perfect, and what the reference scores up to noise.
    ///
    /// The share of `forget` examples above the threshold that at most a share `rate` of `others` exceeds.
    ///
    /// # Errors
    /// If a set is empty, a score is not finite, or `rate` is not in `0..1`.
    pub fn true_positive_rate(forget: &Self, others: &Self, rate: f64) -> Result<f64> {
        check("rate", rate, (0.0..1.0).contains(&rate), "0 to below 1")?;
        forget.check()?;
        others.check()?;
        let mut sorted = others.scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let threshold = sorted[(rate * sorted.len() as f64) as usize];
        let above = forget.scores.iter().filter(|score| **score > threshold);
        Ok(above.count() as f64 / forget.scores.len() as f64)
    }
}

impl LiraConfig {
    /// Scores the margins of the model under attack.
    ///
    /// # Errors
    /// If there is no example, the shadow models are of other examples, a margin or score is not finite, or an example lacks two shadow models of a
    /// kind that is needed.
    ///
    /// ```
    /// use regimen_unlearning::metrics::{LiraConfig, Shadow};
    ///
    /// let shadow = |margin, member| Shadow { margins: vec![margin], member: vec![member] };
    /// let shadows = [shadow(3.0, true), shadow(5.0, true), shadow(0.0, false), shadow(2.0, false)];
    /// let attack = LiraConfig::new().attack(&[4.0], &shadows)?;
    /// assert!((attack.scores[0] - 4.5).abs() < 1e-12);
    /// # Ok::<(), regimen_unlearning::UnlearningError>(())
    /// ```
    pub fn attack(&self, margins: &[f64], shadows: &[Shadow]) -> Result<Attack> {
        all_finite("margins", margins)?;
        for shadow in shadows {
            same("number of margins", margins.len(), shadow.margins.len())?;
            shadow.check()?;
        }
        let out = self.fit(margins.len(), shadows, false)?;
        let inside = self.online.then(|| self.fit(margins.len(), shadows, true));
        let scores = match inside.transpose()? {
            None => offline(margins, &out),
            Some(inside) => online(margins, &inside, &out),
        };
        Attack { scores }.checked()
    }

    /// Mean and variance of each example over the shadow models with, or without, it.
    fn fit(&self, count: usize, shadows: &[Shadow], member: bool) -> Result<Vec<[f64; 2]>> {
        let mut fitted = Vec::with_capacity(count);
        for i in 0..count {
            let chosen = shadows.iter().filter(|shadow| shadow.member[i] == member);
            let values: Vec<f64> = chosen.map(|shadow| shadow.margins[i]).collect();
            let found = values.len() as f64;
            check(
                "shadow models of an example",
                found,
                values.len() >= 2,
                "2 or more",
            )?;
            let mean = values.iter().sum::<f64>() / found;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / found;
            fitted.push([mean, variance]);
        }
        if self.shared_variance {
            let shared = fitted.iter().map(|[_, v]| v).sum::<f64>() / count.max(1) as f64;
            fitted.iter_mut().for_each(|pair| pair[1] = shared);
        }
        fitted
            .iter_mut()
            .for_each(|pair| pair[1] = pair[1].max(1e-12));
        Ok(fitted)
    }
}

fn online(margins: &[f64], inside: &[[f64; 2]], out: &[[f64; 2]]) -> Vec<f64> {
    let log_density =
        |x: f64, [mean, variance]: [f64; 2]| -0.5 * ((x - mean).powi(2) / variance + variance.ln());
    let pairs = margins.iter().zip(inside.iter().zip(out));
    pairs
        .map(|(x, (inside, out))| log_density(*x, *inside) - log_density(*x, *out))
        .collect()
}

fn offline(margins: &[f64], out: &[[f64; 2]]) -> Vec<f64> {
    let pairs = margins.iter().zip(out);
    pairs
        .map(|(x, [mean, variance])| (x - mean) / variance.sqrt())
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shadows() -> Vec<Shadow> {
        let shadow = |i: usize| {
            let member: Vec<bool> = (0..40).map(|j| (i + j).is_multiple_of(2)).collect();
            let noise = |j: usize| ((i * 31 + j * 17) % 13) as f64 / 13.0;
            let margins = (0..40).map(|j| noise(j) + 2.0 * f64::from(u8::from(member[j])));
            let margins = margins.collect();
            Shadow { margins, member }
        };
        (0..12).map(shadow).collect()
    }

    #[test]
    fn members_are_told_from_strangers_online_and_offline() {
        for online in [true, false] {
            let config = LiraConfig::new().with_online(online);
            let members = config.attack(&[2.5; 40], &shadows()).unwrap();
            let strangers = config.attack(&[0.5; 40], &shadows()).unwrap();
            assert_eq!(Attack::auc(&members, &strangers).unwrap(), 1.0);
            assert_eq!(Attack::auc(&members, &members).unwrap(), 0.5);
            assert_eq!(
                Attack::true_positive_rate(&members, &strangers, 0.01).unwrap(),
                1.0
            );
        }
    }

    #[test]
    fn bad_shadows_are_refused() {
        let config = LiraConfig::new();
        assert!(config.attack(&[0.0; 3], &shadows()).is_err());
        assert!(config.attack(&[f64::NAN; 40], &shadows()).is_err());
        assert!(config.attack(&[0.0; 40], &shadows()[..2]).is_err());
    }
}
