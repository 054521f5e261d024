//! # Klom
//!
//! KL divergence of margins: whether unlearned models are distributed as re-trained ones, point by point.
//!
//! Source: Georgiev, Rinberg, Park, Garg, Ilyas, Madry and Neel, "Attribute-to-Delete", ICLR 2025, arXiv 2410.23232.

use burn::config::Config;
use regimen_tensor::checked::Checked;
use regimen_tensor::stats;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, all_finite, check, count};

/// How KLoM compares margins.
///
/// | field | default | range |
/// |---|---|---|
/// | `bins` | 20 | 1 to 1,048,576 |
/// | `clip` | 100 | above 0: margins are clipped to `-clip..=clip` |
/// | `floor` | 1e-5 | above 0, at most 1: the least probability of a bin under the oracles |
#[derive(Config, Debug, PartialEq)]
pub struct KlomConfig {
    /// Equal bins over the range of both sets of margins; the last one is closed.
    #[config(default = 20)]
    pub bins: usize,
    /// Largest magnitude of a margin.
    #[config(default = 100.0)]
    pub clip: f64,
    /// Least probability under the oracles; no renormalisation.
    #[config(default = 1e-5)]
    pub floor: f64,
}

impl KlomConfig {
    /// Checks the parameters.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn init(&self) -> Result<Klom> {
        let good = (1..=1 << 20).contains(&self.bins);
        count("bins", self.bins, good, "1 to 1,048,576")?;
        check("clip", self.clip, self.clip > 0.0, "above 0")?;
        let good = self.floor > 0.0 && self.floor <= 1.0;
        check("floor", self.floor, good, "above 0, at most 1")?;
        let config = self.clone();
        Ok(Klom { config })
    }
}

/// KLoM: lower is better, 0 is perfect, and re-trained models against other re-trained models score the floor, above 0
/// by the noise of as many models as there are.
///
/// `D_KL(unlearned || oracles)` of the histograms of margins, in nats, from 0 to `-ln(floor)` = 11.51. The direction is
/// the paper's. A largest sample on the upper edge counts.
///
/// ```
/// use regimen_unlearning::KlomConfig;
///
/// let klom = KlomConfig::new().init()?;
/// let unlearned: Vec<f64> = (0..100).map(|i| f64::from(i) / 10.0).collect();
/// let oracles: Vec<f64> = unlearned.iter().map(|margin| margin + 2.0).collect();
/// assert_eq!(klom.point(&unlearned, &unlearned)?, 0.0);
/// assert!((klom.point(&unlearned, &oracles)? - 1.57402196).abs() < 1e-8);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Klom {
    config: KlomConfig,
}

/// KLoM over points: lower is better, 0 is perfect, and re-trained models score the floor that
/// [`Klom::points`] gives for two sets of oracles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct KlomSummary {
    /// One value a point, in nats: lower is better, 0 is perfect, re-trained models score the floor.
    pub points: Vec<f64>,
    /// Their mean: lower is better, 0 is perfect, re-trained models score the floor.
    pub mean: f64,
    /// Their 95th percentile, interpolated: lower is better, 0 is perfect, re-trained models score the floor.
    pub percentile_95: f64,
}

regimen_tensor::checked_serde!(KlomSummary);

impl Checked for KlomSummary {
    type Error = UnlearningError;

    /// One value a point or more, all finite, with their mean and percentile (to 1e-9).
    fn check(&self) -> Result<()> {
        count("points", 0, !self.points.is_empty(), "1 or more")?;
        all_finite("points", &self.points)?;
        let near = |found: f64, value: f64| (found - value).abs() <= 1e-9 * (1.0 + value.abs());
        let good = near(self.mean, stats::mean(&self.points));
        check("mean", self.mean, good, "the mean of `points`")?;
        let found = self.percentile_95;
        let good = near(found, percentile(&self.points, 0.95));
        let allowed = "the 95th percentile of `points`";
        check("percentile_95", found, good, allowed)
    }
}

impl Klom {
    /// One point's KLoM, lower is better, from its margins under the unlearned models and under the oracles; 0 is
    /// perfect, and oracles against oracles score the floor.
    ///
    /// # Errors
    /// If a set is empty or a margin is NaN.
    pub fn point(&self, unlearned: &[f64], oracles: &[f64]) -> Result<f64> {
        for (set, margins) in [("unlearned", unlearned), ("oracle", oracles)] {
            if margins.is_empty() {
                return Err(UnlearningError::Empty(set));
            }
            if margins.iter().any(|margin| margin.is_nan()) {
                return Err(UnlearningError::NotFinite(set));
            }
        }
        let clip = |margin: &f64| margin.clamp(-self.config.clip, self.config.clip);
        let all = || unlearned.iter().chain(oracles).map(clip);
        let (low, high) = (
            all().fold(f64::MAX, f64::min),
            all().fold(f64::MIN, f64::max),
        );
        let histogram = |margins: &[f64]| {
            let mut counts = vec![0_usize; self.config.bins];
            for margin in margins.iter().map(clip) {
                let place = (margin - low) / (high - low) * self.config.bins as f64;
                // The last bin is closed; equal margins all lie in the first.
                counts[(place as usize).min(self.config.bins - 1)] += 1;
            }
            let total = margins.len() as f64;
            counts.into_iter().map(move |count| count as f64 / total)
        };
        let pairs = histogram(unlearned).zip(histogram(oracles));
        let terms = pairs.filter(|(p, _)| *p > 0.0);
        Ok(terms
            .map(|(p, q)| p * (p / q.max(self.config.floor)).ln())
            .sum())
    }

    /// KLoM of every point, lower is better, 0 is perfect, oracles against oracles score the floor:
    /// `unlearned` and `oracles` hold one row of `[points]` margins a model.
    ///
    /// The oracles must not be those that the unlearned models were made from.
    ///
    /// # Errors
    /// If there is no model or no point, rows differ in length, or a margin is NaN.
    pub fn points(&self, unlearned: &[Vec<f64>], oracles: &[Vec<f64>]) -> Result<KlomSummary> {
        let count = unlearned.first().map_or(0, Vec::len);
        check("points", count as f64, count > 0, "1 or more")?;
        for row in unlearned.iter().chain(oracles) {
            let (length, good) = (row.len(), row.len() == count);
            check("row", length as f64, good, "as long as the first")?;
        }
        let column = |rows: &[Vec<f64>], point: usize| -> Vec<f64> {
            rows.iter().map(|row| row[point]).collect()
        };
        let value = |point| self.point(&column(unlearned, point), &column(oracles, point));
        let points = (0..count).map(value).collect::<Result<Vec<f64>>>()?;
        Ok(KlomSummary {
            mean: stats::mean(&points),
            percentile_95: percentile(&points, 0.95),
            points,
        })
    }
}

/// The value below which a share of the values lies, interpolated linearly.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * place.fract()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shifted() -> (Vec<f64>, Vec<f64>) {
        let p: Vec<f64> = (0..100).map(|i| f64::from(i) / 10.0).collect();
        let q = p.iter().map(|margin| margin + 2.0).collect();
        (p, q)
    }

    fn klom() -> Klom {
        KlomConfig::new().init().unwrap()
    }

    #[test]
    fn closed_last_bin_without_renormalisation() {
        let (p, q) = shifted();
        assert!((klom().point(&p, &q).unwrap() - 1.574_021_96).abs() < 1e-8);
        assert_eq!(klom().point(&p, &p).unwrap(), 0.0);
    }

    /// The released benchmark's value: half-open bins lose the largest sample, what is left is renormalised, and the
    /// floored probabilities are again.
    fn released(p: &[f64], q: &[f64], bins: usize) -> f64 {
        let low = p.iter().chain(q).copied().fold(f64::MAX, f64::min);
        let high = p.iter().chain(q).copied().fold(f64::MIN, f64::max);
        let edge = |i: usize| low + (high - low) * i as f64 / bins as f64;
        let shares = |margins: &[f64], floor: f64| -> Vec<f64> {
            let inside = |bin| move |m: &&f64| edge(bin) <= **m && **m < edge(bin + 1);
            let count = |bin| margins.iter().filter(inside(bin)).count() as f64;
            let counts: Vec<f64> = (0..bins).map(count).collect();
            let total: f64 = counts.iter().sum();
            let floored = counts.iter().map(|count| (count / total).max(floor));
            let floored: Vec<f64> = floored.collect();
            let total: f64 = floored.iter().sum();
            floored.iter().map(|share| share / total).collect()
        };
        let pairs = shares(p, 0.0).into_iter().zip(shares(q, 1e-5));
        let terms = pairs.filter(|(p, _)| *p > 0.0);
        terms.map(|(p, q)| p * (p / q).ln()).sum()
    }

    #[test]
    fn the_dropped_largest_sample_is_not_ours() {
        let (p, q) = shifted();
        let ours = klom().point(&p, &q).unwrap();
        assert!((released(&p, &q, 20) - 1.565_810_68).abs() < 1e-8);
        for value in [1.657_139_08, 1.593_373_37, 1.565_810_68] {
            assert!((ours - value).abs() > 5e-3);
        }
        // The largest sample alone in the last bin: it counts for both sides.
        let (one, two) = ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0]);
        let expected = 2.0 / 3.0 * (2.0_f64 / 3.0).ln() + (1.0 / 3.0 / 1e-5_f64).ln() / 3.0;
        assert!((klom().point(&one, &two).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn disjoint_margins_reach_the_ceiling() {
        let found = klom().point(&[-3.0; 50], &[4.0; 50]).unwrap();
        assert!((found - 11.512_925_46).abs() < 1e-8);
        assert_eq!(klom().point(&[3.0; 5], &[3.0; 7]).unwrap(), 0.0);
        assert_eq!(klom().point(&[f64::INFINITY], &[150.0]).unwrap(), 0.0);
    }

    #[test]
    fn a_summary_over_points() {
        let rows: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i), 1.0]).collect();
        let far: Vec<Vec<f64>> = (0..10).map(|i| vec![f64::from(i), 2.0]).collect();
        let summary = klom().points(&rows, &far).unwrap();
        assert_eq!(summary.points.len(), 2);
        assert_eq!(summary.points[0], 0.0);
        assert!((summary.mean - 11.512_925_46 / 2.0).abs() < 1e-6);
        assert!((summary.percentile_95 - 11.512_925_46 * 0.95).abs() < 1e-6);
    }

    #[test]
    fn bad_input_is_named() {
        assert!(KlomConfig::new().with_bins(0).init().is_err());
        assert!(KlomConfig::new().with_floor(0.0).init().is_err());
        let error = klom().point(&[], &[1.0]).unwrap_err();
        assert_eq!(error.to_string(), "the unlearned set is empty");
        assert!(klom().point(&[f64::NAN], &[1.0]).is_err());
        assert!(klom().points(&[vec![1.0]], &[vec![1.0, 2.0]]).is_err());
        assert!(klom().points(&[], &[]).is_err());
    }
}
