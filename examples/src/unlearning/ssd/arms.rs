//! The arms on the perceptron: dampening at several thresholds, and the baselines that are not plain training.

use anyhow::Result;
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::SgdConfig;
use regimen_tensor::ParamVector;
use regimen_tensor::fisher::batch_diagonal;
use regimen_unlearning::SsdConfig;
use regimen_unlearning::methods::edit::lfssd;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;

use super::job::Job;
use super::network::{Network, loss};
use super::ratio::record_ratio;
use super::subject::{Importances, fit, third};
use crate::data::Images;
use crate::experiment::Trial;

impl Job<'_> {
    /// The method: two passes over data and one edit, at several thresholds and batch sizes. Returns the importances
    /// of all data.
    pub(super) fn dampen(&self, trial: &mut Trial, original: &Network) -> Result<Importances> {
        let importances = |batch: usize| -> Result<(ParamVector, ParamVector)> {
            let of = |images: &Images| batch_diagonal(original, self.batches(images, batch), loss);
            let all = if self.context.is_broken_by("forget-set-left-out") {
                &self.retain
            } else {
                &self.train
            };
            Ok((of(all)?, of(&self.forget)?))
        };
        let (batched, single) = (importances(32)?, importances(1)?);
        let bound = self.train.labels.len() as f64 / self.forget.labels.len() as f64;
        record_ratio(trial, "mlp class", (&single.0, &single.1), bound)?;
        let own = if self.context.is_broken_by("single-examples") {
            &single
        } else {
            &batched
        };
        for (arm, (all, forget), alpha) in [
            ("ssd", own, 10.0),
            ("ssd alpha 5", &batched, 5.0),
            ("ssd single alpha 10", &single, 10.0),
            ("ssd single alpha 3", &single, 3.0),
        ] {
            let lambda = if self.context.is_broken_by("factors-of-one") {
                1e30
            } else {
                1.0
            };
            let ssd = SsdConfig::new()
                .with_alpha(alpha)
                .with_lambda(lambda)
                .init()?;
            let dampened = ssd.dampen(original.clone(), all, forget)?;
            self.measure(trial, arm, &dampened.model)?;
            trial.record(arm, "share of weights edited, %", 100.0 * dampened.share());
        }
        let all = self.label_free(original, &self.train)?;
        let forget = self.label_free(original, &self.forget)?;
        let dampened =
            SsdConfig::new()
                .with_alpha(3.0)
                .init()?
                .dampen(original.clone(), &all, &forget)?;
        self.measure(trial, "lfssd single alpha 3", &dampened.model)?;
        self.sweep(trial, original, &batched)?;
        let (batched, single) = (batched.0, single.0);
        Ok(Importances { batched, single })
    }

    /// Accuracies over thresholds, for the plot.
    fn sweep(
        &self,
        trial: &mut Trial,
        original: &Network,
        importances: &(ParamVector, ParamVector),
    ) -> Result<()> {
        let (mut kept, mut forgotten) = (Vec::new(), Vec::new());
        for alpha in [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
            let ssd = SsdConfig::new().with_alpha(alpha).init()?;
            let dampened = ssd.dampen(original.clone(), &importances.0, &importances.1)?;
            let share = 100.0 * dampened.share();
            kept.push((share, self.accuracy(&dampened.model, &self.retain_test)));
            forgotten.push((share, self.accuracy(&dampened.model, &self.forget_test)));
        }
        trial.curve("other classes", kept);
        trial.curve("forgotten class", forgotten);
        Ok(())
    }

    fn label_free(&self, model: &Network, images: &Images) -> Result<ParamVector> {
        let batches = self.batches(images, 1);
        Ok(lfssd::importance(model, batches, |model, batch| {
            model.net.forward(batch.images)
        })?)
    }

    /// At most three epochs up the bounded loss of the forgotten class.
    pub(super) fn ascend(&self, model: Network) -> Result<Network> {
        let bound = (self.train.classes as f64).ln();
        let mut method = GradientAscentConfig::new(bound).init()?;
        let clipping = GradientClippingConfig::Norm(1.0).init();
        let mut optim = (SgdConfig::new().init().with_grad_clipping(clipping), 0.02);
        let data = (self.forget.clone(), self.retain.clone());
        fit(self, &model, &mut method, &mut optim, 3, &data)
    }

    /// One epoch of bad teaching on the forgotten class and 30 % of the rest.
    pub(super) fn imitate(&self, original: &Network, rate: f64) -> Result<Network> {
        let mut method = BadTeacher::new(original, &self.new_model(1));
        let data = (self.forget.clone(), third(&self.retain));
        fit(self, original, &mut method, &mut self.adam(rate), 1, &data)
    }
}
