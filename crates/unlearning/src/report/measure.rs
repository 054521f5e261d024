//! What a report is made from: models and data, and the measurement of one by the other.

use burn::config::Config;
use burn::data::dataloader::DataLoader;
use regimen_tensor::Watch;

use super::{Attacks, Distances, ForgettingReport, ModelMetrics};
use crate::error::{Result, UnlearningError, share};
use crate::metrics::{
    Attack, LiraConfig, RelearnConfig, Shadow, attack, output_distance, weight_distance,
};
use crate::{Classifier, Predictions};

/// The models that a report compares.
///
/// The more of the optional ones there are, the more of the report has a reference.
#[derive(Debug)]
pub struct Models<'a, M> {
    /// Before forgetting.
    pub original: &'a M,
    /// After forgetting.
    pub unlearned: &'a M,
    /// Trained anew without the forget set, if there is one.
    pub retrained: Option<&'a M>,
    /// Two or more others trained without the forget set, for the likelihood-ratio attack; or none.
    pub shadows: &'a [M],
    /// A model that was never trained, for ZRF, if there is one.
    pub untrained: Option<&'a M>,
}

impl<'a, M> Models<'a, M> {
    /// The two that every report needs.
    #[must_use]
    pub fn new(original: &'a M, unlearned: &'a M) -> Self {
        Self {
            original,
            unlearned,
            retrained: None,
            shadows: &[],
            untrained: None,
        }
    }

    /// With a model trained anew without the forget set: the reference of every metric.
    #[must_use]
    pub fn with_retrained(self, model: &'a M) -> Self {
        let retrained = Some(model);
        Self { retrained, ..self }
    }

    /// With two or more models trained without the forget set, other ones than the reference.
    #[must_use]
    pub fn with_shadows(self, shadows: &'a [M]) -> Self {
        Self { shadows, ..self }
    }

    /// With a model that was never trained.
    #[must_use]
    pub fn with_untrained(self, model: &'a M) -> Self {
        let untrained = Some(model);
        Self { untrained, ..self }
    }
}

/// The data that a report measures on, in a fixed order (no shuffling), on an autodiff device.
#[allow(missing_debug_implementations, reason = "loaders have no debug form")]
pub struct Evidence<'a, B> {
    /// What stays.
    pub retain: &'a dyn DataLoader<B>,
    /// What was to be forgotten.
    pub forget: &'a dyn DataLoader<B>,
    /// Data that no model has seen.
    pub test: &'a dyn DataLoader<B>,
}

/// How a report measures relearning.
#[derive(Config, Debug, PartialEq)]
pub struct ReportConfig {
    /// Rate of relearning, above 0.
    #[config(default = 0.02)]
    pub relearn_rate: f64,
    /// Epochs of relearning at most, 1 or more.
    #[config(default = 10)]
    pub relearn_epochs: usize,
    /// The forget accuracy counts as back at the original's less this, in `0..=1`.
    #[config(default = 0.05)]
    pub tolerance: f64,
}

struct Seen {
    retain: Predictions,
    forget: Predictions,
    test: Predictions,
}

impl Seen {
    fn of<M: Classifier>(model: &M, data: &Evidence<'_, M::Batch>) -> Result<Self> {
        Ok(Self {
            retain: Predictions::of(model, data.retain)?,
            forget: Predictions::of(model, data.forget)?,
            test: Predictions::of(model, data.test)?,
        })
    }

    fn attacks(&self, shadows: &[Self]) -> Result<Attacks> {
        let by = |feature: fn(&Predictions) -> Vec<f64>| {
            attack(&self.retain, &self.test, &self.forget, feature)
        };
        Ok(Attacks {
            loss: by(Predictions::losses)?,
            entropy: by(Predictions::entropies)?,
            confidence: by(Predictions::confidences)?,
            modified_entropy: by(Predictions::modified_entropies)?,
            likelihood_ratio: self.likelihood_ratio(shadows)?,
        })
    }

    /// The area under the curve of the offline attack by models that saw neither set.
    fn likelihood_ratio(&self, shadows: &[Self]) -> Result<Option<f64>> {
        if shadows.is_empty() {
            return Ok(None);
        }
        // Both sets in one attack: they share the variance.
        let margins = |seen: &Self| [seen.forget.margins(), seen.test.margins()].concat();
        let strangers = shadows.iter().map(|shadow| {
            let margins = margins(shadow);
            let member = vec![false; margins.len()];
            Shadow { margins, member }
        });
        let strangers: Vec<Shadow> = strangers.collect();
        let offline = LiraConfig::new().with_online(false);
        let mut scores = offline.attack(&margins(self), &strangers)?.scores;
        let test = Attack {
            scores: scores.split_off(self.forget.len()),
        };
        let forget = Attack { scores };
        Ok(Some(Attack::auc(&forget, &test)?))
    }

    /// 1 minus the mean divergence from an untrained model's predictions on the forget set.
    fn zrf(&self, untrained: Option<&Self>) -> Result<Option<f64>> {
        let score = |other: &Self| self.forget.zrf(&other.forget);
        untrained.map(score).transpose()
    }

    fn distances(&self, other: &Self, weights: f64) -> Result<Distances> {
        Ok(Distances {
            retain: output_distance(&self.retain, &other.retain)?,
            forget: output_distance(&self.forget, &other.forget)?,
            test: output_distance(&self.test, &other.test)?,
            weights,
        })
    }
}

impl ReportConfig {
    /// Measures all models on all data; none is changed.
    ///
    /// # Errors
    /// If a value is out of range, a loader fails or is empty, the models differ in their parameters, or there is just one shadow
    /// model.
    pub fn measure<M: Classifier>(
        &self,
        request: impl Into<String>,
        method: impl Into<String>,
        models: &Models<'_, M>,
        data: &Evidence<'_, M::Batch>,
    ) -> Result<ForgettingReport> {
        let report = self.measure_watched(request, method, models, data, &Watch::default())?;
        report.ok_or(UnlearningError::Empty("report"))
    }

    /// [`measure`](Self::measure), watched: `"report"` reports models whose predictions were read, and `"relearn"` epochs of relearning.
    /// Where it is stopped there is no report: half of the metrics are no record.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn measure_watched<M: Classifier>(
        &self,
        request: impl Into<String>,
        method: impl Into<String>,
        models: &Models<'_, M>,
        data: &Evidence<'_, M::Batch>,
        watch: &Watch,
    ) -> Result<Option<ForgettingReport>> {
        let tolerance = self.tolerance;
        share("tolerance", tolerance)?;
        let others = [models.retrained, models.untrained];
        let all = 2 + models.shadows.len() + others.iter().flatten().count();
        let _span = tracing::info_span!("report", models = all).entered();
        let mut done = 0;
        let mut of = |model: &M| -> Result<Option<Seen>> {
            let seen = Seen::of(model, data)?;
            done += 1;
            Ok(watch.goes_on("report", done, all).then_some(seen))
        };
        let (Some(before), Some(after)) = (of(models.original)?, of(models.unlearned)?) else {
            return Ok(None);
        };
        let shadows = models.shadows.iter().map(&mut of);
        let Some(shadows) = shadows.collect::<Result<Option<Vec<Seen>>>>()? else {
            return Ok(None);
        };
        let untrained = models.untrained.map(&mut of).transpose()?.flatten();
        let reference = models.retrained.map(&mut of).transpose()?.flatten();
        let lost = [
            models.untrained.is_some() && untrained.is_none(),
            models.retrained.is_some() && reference.is_none(),
        ];
        if lost.contains(&true) {
            return Ok(None);
        }
        let context = References {
            goal: (before.forget.accuracy() - tolerance).max(0.0),
            shadows,
            untrained,
            watch,
        };
        let metrics = |model: &M, seen: &Seen| self.metrics(model, seen, data, &context);
        let to_original = weight_distance(models.unlearned, models.original)?;
        let mut report = ForgettingReport {
            request: request.into(),
            method: method.into(),
            examples: [before.retain.len(), before.forget.len(), before.test.len()],
            original: metrics(models.original, &before)?,
            unlearned: metrics(models.unlearned, &after)?,
            retrained: None,
            to_original: after.distances(&before, to_original)?,
            to_retrained: None,
            klom: None,
        };
        if let (Some(model), Some(reference)) = (models.retrained, reference) {
            let weights = weight_distance(models.unlearned, model)?;
            report.retrained = Some(metrics(model, &reference)?);
            report.to_retrained = Some(after.distances(&reference, weights)?);
        }
        Ok((!watch.is_stopped()).then_some(report))
    }

    fn metrics<M: Classifier>(
        &self,
        model: &M,
        seen: &Seen,
        data: &Evidence<'_, M::Batch>,
        references: &References<'_>,
    ) -> Result<ModelMetrics> {
        let relearn = RelearnConfig::new()
            .with_rate(self.relearn_rate)
            .with_max_epochs(self.relearn_epochs);
        Ok(ModelMetrics {
            retain_accuracy: seen.retain.accuracy(),
            forget_accuracy: seen.forget.accuracy(),
            test_accuracy: seen.test.accuracy(),
            membership: seen.attacks(&references.shadows)?,
            relearn: relearn.run_watched(model, data.forget, references.goal, references.watch)?,
            zrf: seen.zrf(references.untrained.as_ref())?,
        })
    }
}

/// What every model is measured against.
struct References<'a> {
    /// The forget accuracy that counts as back.
    goal: f64,
    shadows: Vec<Seen>,
    untrained: Option<Seen>,
    watch: &'a Watch,
}
