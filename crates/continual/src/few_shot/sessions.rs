//! # Sessions
//!
//! The accuracy on all classes seen so far after each session, its drop, and how base and novel classes share it.
//!
//! Source: Tao et al., "Few-Shot Class-Incremental Learning" (arXiv 2004.10956), the protocol.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use regimen_tensor::stats::mean;
use serde::{Deserialize, Serialize};

use crate::error::share;
use crate::{ContinualError, Result};

/// Accuracies from 0 to 1 after the base session and after each incremental one.
///
/// | value | meaning |
/// |---|---|
/// | [`curve`](Self::curve) | `A_s`, the accuracy on the test examples of all classes seen up to session s |
/// | [`average`](Self::average) | the mean of `A_0 .. A_S` |
/// | [`performance_drop`](Self::performance_drop) | `A_0 - A_S`: small for an encoder that knew little to begin with, so look at the accuracies too |
/// | [`base`](Self::base), [`novel`](Self::novel) | the accuracy on base and on all other classes after the last session, among all classes |
/// | [`harmonic`](Self::harmonic) | `2 b n / (b + n)` of these two |
///
/// ```
/// use regimen_continual::Sessions;
///
/// let mut sessions = Sessions::new(&[0, 1])?;
/// sessions.record(&[0, 1, 1, 0], &[0, 1, 1, 0])?;
/// sessions.record(&[0, 1, 2, 2], &[0, 2, 2, 2])?;
/// assert_eq!((sessions.curve(), sessions.performance_drop()), (&[1.0, 0.75][..], Some(0.25)));
/// assert_eq!((sessions.base(), sessions.novel()), (Some(0.5), Some(1.0)));
/// assert!((sessions.harmonic().unwrap() - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Sessions {
    base: Vec<usize>,
    overall: Vec<f64>,
    of_base: Vec<f64>,
    of_novel: Vec<Option<f64>>,
}
checked_serde!(Sessions);

impl Sessions {
    /// Before the base session, which has these classes.
    ///
    /// # Errors
    /// If there is no base class, or one comes twice.
    pub fn new(base: &[usize]) -> Result<Self> {
        let new = Self {
            base: base.to_vec(),
            overall: Vec::new(),
            of_base: Vec::new(),
            of_novel: Vec::new(),
        };
        new.checked()
    }

    /// After a session, the labels of the test examples of all classes seen so far, and the classes that were found; the share that is right.
    ///
    /// # Errors
    /// If the two differ in length, or no example is of a base class: nothing is kept of them.
    pub fn record(&mut self, labels: &[usize], found: &[usize]) -> Result<f64> {
        if labels.len() != found.len() {
            let what = "classes that were found";
            return Err(ContinualError::mismatch(what, labels.len(), found.len()));
        }
        // Right ones and all, of base and of novel classes.
        let mut counts = [[0_usize; 2]; 2];
        for (label, found) in labels.iter().zip(found) {
            let of = usize::from(!self.base.contains(label));
            counts[of][0] += usize::from(label == found);
            counts[of][1] += 1;
        }
        let share = |[right, all]: [usize; 2]| (all > 0).then(|| right as f64 / all as f64);
        let [base, novel] = counts;
        let Some(of_base) = share(base) else {
            return Err(ContinualError::Empty("the test examples of base classes"));
        };
        let overall = (base[0] + novel[0]) as f64 / labels.len() as f64;
        self.overall.push(overall);
        self.of_base.push(of_base);
        self.of_novel.push(share(novel));
        Ok(overall)
    }

    /// The accuracy on all classes seen, after each session.
    #[must_use]
    pub fn curve(&self) -> &[f64] {
        &self.overall
    }

    /// The mean of the curve; none before the first session.
    #[must_use]
    pub fn average(&self) -> Option<f64> {
        (!self.overall.is_empty()).then(|| mean(&self.overall))
    }

    /// The first accuracy less the last; none before the first session.
    #[must_use]
    pub fn performance_drop(&self) -> Option<f64> {
        Some(self.overall.first()? - self.overall.last()?)
    }

    /// The accuracy on base classes after the last session.
    #[must_use]
    pub fn base(&self) -> Option<f64> {
        self.of_base.last().copied()
    }

    /// The accuracy on all other classes after the last session; none where there were none.
    #[must_use]
    pub fn novel(&self) -> Option<f64> {
        self.of_novel.last().copied().flatten()
    }

    /// The harmonic mean of both after the last session.
    #[must_use]
    pub fn harmonic(&self) -> Option<f64> {
        Some(harmonic_mean(self.base()?, self.novel()?))
    }
}

/// `2 b n / (b + n)`: near the smaller of two accuracies; 0 where both are 0.
///
/// ```
/// assert!((regimen_continual::harmonic_mean(70.0, 40.0) - 50.90909091).abs() < 1e-8);
/// ```
#[must_use]
pub fn harmonic_mean(base: f64, novel: f64) -> f64 {
    let sum = base + novel;
    match sum == 0.0 {
        true => 0.0,
        false => 2.0 * base * (novel / sum),
    }
}

impl Checked for Sessions {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        if self.base.is_empty() {
            return Err(ContinualError::Empty("the base classes"));
        }
        let mut sorted = self.base.clone();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let allowed = "each class once";
            return Err(ContinualError::range("base", pair[0], allowed));
        }
        let sessions = self.overall.len();
        for found in [self.of_base.len(), self.of_novel.len()] {
            if found != sessions {
                let what = "accuracies of base and novel classes";
                return Err(ContinualError::mismatch(what, sessions, found));
            }
        }
        let novel = self.of_novel.iter().flatten();
        let mut all = self.overall.iter().chain(&self.of_base).chain(novel);
        all.try_for_each(|accuracy| share("accuracy", *accuracy))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    /// Labels of so many classes with a hundred examples each, of which so many are right.
    fn tested(right: &[usize]) -> [Vec<usize>; 2] {
        let labels = right.iter().enumerate().flat_map(|(class, _)| [class; 100]);
        let found = right.iter().enumerate().flat_map(|(class, right)| {
            (0..100).map(move |place| if place < *right { class } else { 99 })
        });
        [labels.collect(), found.collect()]
    }

    #[test]
    fn average_and_drop_by_hand() {
        let mut sessions = Sessions::new(&[0, 1]).unwrap();
        for right in [&[90, 70][..], &[90, 70, 50], &[80, 60, 60, 60]] {
            let [labels, found] = tested(right);
            sessions.record(&labels, &found).unwrap();
        }
        assert_relative_eq!(
            sessions.average().unwrap(),
            0.716_666_666_7,
            epsilon = 1e-10
        );
        assert_relative_eq!(sessions.performance_drop().unwrap(), 0.15, epsilon = 1e-12);
        assert_eq!((sessions.base(), sessions.novel()), (Some(0.7), Some(0.6)));
        assert_relative_eq!(harmonic_mean(0.7, 0.4), 0.509_090_909_1, epsilon = 1e-10);
        assert_eq!(harmonic_mean(0.0, 0.0), 0.0);
    }

    #[test]
    fn what_can_not_be_recorded_leaves_nothing() {
        let mut sessions = Sessions::new(&[0]).unwrap();
        assert!(sessions.record(&[0, 1], &[0]).is_err());
        assert!(sessions.record(&[1], &[1]).is_err());
        assert!(sessions.average().is_none() && sessions.harmonic().is_none());
        assert!(Sessions::new(&[]).is_err() && Sessions::new(&[1, 1]).is_err());
    }
}
