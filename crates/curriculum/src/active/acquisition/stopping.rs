//! # Stopping
//!
//! When to stop asking for labels: at a budget, when the model is sure, when its answers no longer change, or when labels bring nothing new.
//!
//! Source: Zhu and Hovy 2007 (max-confidence, min-error); Zhu, Wang and Hovy 2008, "Multi-Criteria-Based Strategy to Stop Active Learning for Data
//! Annotation" (overall uncertainty, classification change); Bloodgood and Vijay-Shanker 2009, "A Method for Stopping Active Learning Based on Stabilizing
//! Predictions and the Need for User-Adjustable Stopping", arXiv 1409.5165; gradients as in Laws and Schütze 2008

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count, finite};

/// The most rounds that a criterion looks back.
const MOST_ROUNDS: usize = 1000;

/// One reason to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Criterion {
    /// So many labels.
    Budget {
        /// How many, 1 or more.
        labels: usize,
    },
    /// The mean uncertainty of the pool is below this (overall uncertainty). Needs uncertainties.
    OverallUncertainty {
        /// In the unit of the score; above 0.
        below: f64,
    },
    /// The largest uncertainty of the pool is below this (max-confidence). Needs uncertainties.
    MaxUncertainty {
        /// In the unit of the score; above 0.
        below: f64,
    },
    /// Mean uncertainties changed by no more than this from each round to the next: labels bring nothing new. Needs uncertainties.
    FlatUncertainty {
        /// In the unit of the score, 0 or more.
        within: f64,
        /// How many such changes in a row, 1 to 1000.
        rounds: usize,
    },
    /// The model was right about this share of what was just labelled, before it was trained on it (min-error). Needs the batch.
    MinError {
        /// 0 to 1.
        accuracy: f64,
    },
    /// Stabilising predictions: the mean of the last so many Cohen's kappas, each between the predictions of two models in a row on a fixed set of
    /// examples, is at least this. The authors use .99 over 3. With 1 over 1 no prediction may have changed (classification change). Needs predictions.
    StablePredictions {
        /// -1 to 1.
        kappa: f64,
        /// 1 to 1000.
        rounds: usize,
    },
}

impl Criterion {
    fn check(&self) -> Result<()> {
        let some = |rounds: usize| {
            let good = (1..=MOST_ROUNDS).contains(&rounds);
            count("rounds", rounds, good, "1 to 1000")
        };
        match *self {
            Self::Budget { labels } => count("labels", labels, labels > 0, "1 or more"),
            Self::OverallUncertainty { below } | Self::MaxUncertainty { below } => {
                check("below", below, below > 0.0, "above 0")
            }
            Self::FlatUncertainty { within, rounds } => {
                check("within", within, within >= 0.0, "0 or more")?;
                some(rounds)
            }
            Self::MinError { accuracy } => {
                let good = (0.0..=1.0).contains(&accuracy);
                check("accuracy", accuracy, good, "0 to 1")
            }
            Self::StablePredictions { kappa, rounds } => {
                let good = (-1.0..=1.0).contains(&kappa);
                check("kappa", kappa, good, "-1 to 1")?;
                some(rounds)
            }
        }
    }
}

/// What is known after a round.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundFacts {
    labels: usize,
    /// Mean and largest.
    uncertainty: Option<[f64; 2]>,
    predictions: Option<Vec<usize>>,
    accuracy: Option<f64>,
}

impl RoundFacts {
    /// So many labels so far.
    ///
    /// # Errors
    /// If there are more than 2^28.
    pub fn new(labels: usize) -> Result<Self> {
        count(
            "labels",
            labels,
            labels <= 1 << 28,
            "up to 268435456 (2^28)",
        )?;
        Ok(Self {
            labels,
            uncertainty: None,
            predictions: None,
            accuracy: None,
        })
    }

    /// With the model's uncertainty about each candidate, by any score.
    ///
    /// # Errors
    /// If there is none, or one is not finite.
    pub fn with_uncertainties(mut self, scores: &[f64]) -> Result<Self> {
        finite("uncertainties", scores)?;
        // Divided first: the sum does not overflow.
        let mean = scores.iter().map(|score| score / scores.len() as f64).sum();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.uncertainty = Some([mean, most]);
        Ok(self)
    }

    /// With the classes that the model predicts for a fixed set of examples, the same in every round, labels not needed.
    ///
    /// # Errors
    /// If there is none.
    pub fn with_predictions(mut self, classes: Vec<usize>) -> Result<Self> {
        let some = !classes.is_empty();
        count("predictions", classes.len(), some, "1 or more")?;
        self.predictions = Some(classes);
        Ok(self)
    }

    /// With how many of those just labelled the model was right about before it was trained on them.
    ///
    /// # Errors
    /// If none was labelled, or more were right.
    pub fn with_batch(mut self, right: usize, labelled: usize) -> Result<Self> {
        count("labelled", labelled, labelled > 0, "1 or more")?;
        count("right", right, right <= labelled, "up to those labelled")?;
        self.accuracy = Some(right as f64 / labelled as f64);
        Ok(self)
    }
}

/// Stops at the first of several criteria. It is plain data, saved by `serde`.
///
/// ```
/// use regimen_curriculum::active::acquisition::{Criterion, RoundFacts, Stopping};
///
/// let stable = Criterion::StablePredictions { kappa: 0.99, rounds: 2 };
/// let mut stopping = Stopping::new(vec![Criterion::Budget { labels: 1000 }, stable])?;
/// let mut round = |labels, predictions: [usize; 4]| {
///     stopping.observe(&RoundFacts::new(labels)?.with_predictions(predictions.to_vec())?)
/// };
/// assert_eq!(round(10, [0, 1, 1, 0])?, None);
/// assert_eq!(round(20, [0, 1, 1, 1])?, None);
/// assert_eq!(round(30, [0, 1, 1, 1])?, None);
/// assert_eq!(round(40, [0, 1, 1, 1])?, Some(stable));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Stopping {
    criteria: Vec<Criterion>,
    /// Mean uncertainties of the last rounds.
    uncertainties: Vec<f64>,
    kappas: Vec<f64>,
    predictions: Option<Vec<usize>>,
}

checked_serde!(Stopping);

impl Checked for Stopping {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let some = (1..=1000).contains(&self.criteria.len());
        count("criteria", self.criteria.len(), some, "1 to 1000")?;
        self.criteria.iter().try_for_each(Criterion::check)?;
        for (field, values) in [
            ("uncertainties", &self.uncertainties),
            ("kappas", &self.kappas),
        ] {
            let few = values.len() <= MOST_ROUNDS + 1;
            count(field, values.len(), few, "up to 1001")?;
            if !values.is_empty() {
                finite(field, values)?;
            }
        }
        let some = self.predictions.as_ref().is_none_or(|all| !all.is_empty());
        count("predictions", 0, some, "1 or more")
    }
}

impl Stopping {
    /// By these criteria.
    ///
    /// # Errors
    /// If there is none, more than 1000, or a number of one lies outside its range.
    pub fn new(criteria: Vec<Criterion>) -> Result<Self> {
        let new = Self {
            criteria,
            uncertainties: Vec::new(),
            kappas: Vec::new(),
            predictions: None,
        };
        new.checked()
    }

    /// The criteria.
    #[must_use]
    pub fn criteria(&self) -> &[Criterion] {
        &self.criteria
    }

    /// Cohen's kappas between the predictions of models in a row, as far back as a criterion looks.
    #[must_use]
    pub fn kappas(&self) -> &[f64] {
        &self.kappas
    }

    /// Notes a round, and says which criterion is met, the first of several.
    ///
    /// # Errors
    /// If a criterion needs what the facts do not have, or the predictions are of another number of examples than before; then nothing is noted.
    pub fn observe(&mut self, facts: &RoundFacts) -> Result<Option<Criterion>> {
        for criterion in &self.criteria {
            let (field, there) = match criterion {
                Criterion::Budget { .. } => continue,
                Criterion::MinError { .. } => ("batch", facts.accuracy.is_some()),
                Criterion::StablePredictions { .. } => ("predictions", facts.predictions.is_some()),
                _ => ("uncertainties", facts.uncertainty.is_some()),
            };
            if !there {
                let (found, needed) = (0, 1);
                return Err(CurriculumError::TooFew {
                    field,
                    found,
                    needed,
                });
            }
        }
        if let Some(now) = &facts.predictions {
            if let Some(before) = &self.predictions {
                note(&mut self.kappas, cohens_kappa(before, now)?);
            }
            self.predictions = Some(now.clone());
        }
        if let Some([mean, _]) = facts.uncertainty {
            note(&mut self.uncertainties, mean);
        }
        let met = self.criteria.iter().find(|one| self.is_met(one, facts));
        Ok(met.copied())
    }

    fn is_met(&self, criterion: &Criterion, facts: &RoundFacts) -> bool {
        match *criterion {
            Criterion::Budget { labels } => facts.labels >= labels,
            Criterion::OverallUncertainty { below } => {
                facts.uncertainty.is_some_and(|[mean, _]| mean < below)
            }
            Criterion::MaxUncertainty { below } => {
                facts.uncertainty.is_some_and(|[_, most]| most < below)
            }
            Criterion::FlatUncertainty { within, rounds } => last(&self.uncertainties, rounds + 1)
                .is_some_and(|last| {
                    let flat = |pair: &[f64]| (pair[1] - pair[0]).abs() <= within;
                    last.windows(2).all(flat)
                }),
            Criterion::MinError { accuracy } => {
                facts.accuracy.is_some_and(|found| found >= accuracy)
            }
            Criterion::StablePredictions { kappa, rounds } => last(&self.kappas, rounds)
                .is_some_and(|last| {
                    let mean = last.iter().sum::<f64>() / last.len() as f64;
                    mean >= kappa
                }),
        }
    }
}

/// The last so many, if there are as many.
fn last(values: &[f64], wanted: usize) -> Option<&[f64]> {
    values.get(values.len().checked_sub(wanted)?..)
}

fn note(values: &mut Vec<f64>, value: f64) {
    if values.len() > MOST_ROUNDS {
        values.remove(0);
    }
    values.push(value);
}

/// Cohen's kappa of two lists of classes for the same examples: their agreement beyond chance, 1 where they are equal. Where chance would always agree it is 1.
///
/// ```
/// use regimen_curriculum::active::acquisition::cohens_kappa;
///
/// // They agree on 3 of 4; chance would agree on half.
/// assert_eq!(cohens_kappa(&[0, 0, 1, 1], &[0, 0, 1, 0])?, 0.5);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
///
/// # Errors
/// If there is none, or they are not as many.
pub fn cohens_kappa(one: &[usize], other: &[usize]) -> Result<f64> {
    count("predictions", one.len(), !one.is_empty(), "1 or more")?;
    let same = one.len() == other.len();
    count("predictions", other.len(), same, "as many as before")?;
    let mut classes: std::collections::BTreeMap<usize, [f64; 2]> =
        std::collections::BTreeMap::new();
    let mut agree = 0.0;
    for (a, b) in one.iter().zip(other) {
        classes.entry(*a).or_default()[0] += 1.0;
        classes.entry(*b).or_default()[1] += 1.0;
        agree += f64::from(u8::from(a == b));
    }
    let all = one.len() as f64;
    let chance: f64 = classes.values().map(|[a, b]| a / all * (b / all)).sum();
    let agree = agree / all;
    if agree >= 1.0 || chance >= 1.0 {
        return Ok(1.0);
    }
    Ok((agree - chance) / (1.0 - chance))
}
