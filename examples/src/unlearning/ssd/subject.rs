//! A network that forgets: dampening and the baselines, by the crate's own loop.

use anyhow::Result;
use burn::optim::ModuleOptimizer;
use regimen_tensor::ParamVector;
use regimen_tensor::fisher::batch_diagonal;
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::methods::train::amnesiac::AmnesiacConfig;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::mixed_sizes;
use regimen_unlearning::metrics::attack;
use regimen_unlearning::{
    Classifier, Method, Order, Predictions, Prepared, SsdConfig, UnlearnConfig,
};

use super::job::{BATCH, Job};
use super::network::RATES;
use super::ratio::{RATIO_ARM, record_ratio};
use crate::data::{ImageBatch, Images};
use crate::experiment::Trial;

/// Importances of all training data, by batches of 32 and by single examples.
pub(super) struct Importances {
    pub(super) batched: ParamVector,
    pub(super) single: ParamVector,
}

/// What is to be forgotten: positions in the training data.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) forget: Vec<usize>,
}

/// A kind of network, its epochs, and what it is to forget.
pub(super) struct Subject<'a, M> {
    pub(super) job: &'a Job<'a>,
    pub(super) network: &'static str,
    pub(super) original: M,
    pub(super) untrained: M,
    pub(super) bad: M,
    pub(super) epochs: usize,
    pub(super) all: Importances,
}

/// Three of ten images.
pub(super) fn third(images: &Images) -> Images {
    let chosen: Vec<usize> = (0..images.labels.len()).filter(|i| i % 10 < 3).collect();
    images.select(&chosen)
}

/// Trains by a method; `data` are the forgotten and the retained images.
pub(super) fn fit<M: Classifier<Batch = ImageBatch>>(
    job: &Job<'_>,
    model: &M,
    method: &mut impl Method<M>,
    (optim, rate): &mut (ModuleOptimizer, f64),
    epochs: usize,
    (forget, retain): &(Images, Images),
) -> Result<M> {
    let sizes = match method.order(0) {
        Order::Mixed => mixed_sizes(BATCH, forget.labels.len(), retain.labels.len()),
        _ => [BATCH, BATCH],
    };
    let (forget, retain) = (job.loader(forget, sizes[0]), job.loader(retain, sizes[1]));
    let mut run = UnlearnConfig::new(epochs).init()?;
    Ok(run.run(model, method, optim, rate, forget.as_ref(), retain.as_ref())?)
}

impl<M: Classifier<Batch = ImageBatch>> Subject<'_, M> {
    pub(super) fn forget_all(&self, trial: &mut Trial, settings: &[Setting]) -> Result<()> {
        let train = &self.job.train;
        let of = |images: &Images, size| importance(self.job, &self.original, images, size);
        for Setting { name, forget } in settings {
            let name = format!("{} {name}", self.network);
            let kept: Vec<usize> = (0..train.labels.len())
                .filter(|i| !forget.contains(i))
                .collect();
            let bound = train.labels.len() as f64 / forget.len() as f64;
            let data = (train.select(forget), train.select(&kept));
            let batched = (&self.all.batched, &of(&data.0, 32)?);
            let single = (&self.all.single, &of(&data.0, 1)?);
            record_ratio(trial, &name, single, bound)?;
            for (arm, alpha, (all, forget)) in
                [("ssd", 10.0, batched), (RATIO_ARM, bound / 2.0, single)]
            {
                let ssd = SsdConfig::new().with_alpha(alpha).init()?;
                let model = ssd.dampen(self.original.clone(), all, forget)?.model;
                self.measure(trial, arm, &name, &model, &data)?;
            }
            self.baselines(trial, &name, &data)?;
        }
        Ok(())
    }

    fn baselines(&self, trial: &mut Trial, name: &str, data: &(Images, Images)) -> Result<()> {
        let job = self.job;
        self.measure(trial, "original", name, &self.original, data)?;
        let model = fit(
            job,
            &self.untrained,
            &mut FineTune,
            &mut job.sgd(0.05),
            self.epochs,
            data,
        )?;
        self.measure(trial, "retrain", name, &model, data)?;
        let model = fit(
            job,
            &self.original,
            &mut FineTune,
            &mut job.sgd(0.02),
            5,
            data,
        )?;
        self.measure(trial, "finetune", name, &model, data)?;
        let mut method = AmnesiacConfig::new(job.train.classes)
            .with_seed(job.seed)
            .init()?;
        let adam = || job.adam(RATES[0].0);
        let model = fit(job, &self.original, &mut method, &mut adam(), 3, data)?;
        self.measure(trial, "amnesiac", name, &model, data)?;
        let mut method = BadTeacher::new(&self.original, &self.bad);
        let part = (data.0.clone(), third(&data.1));
        let model = fit(job, &self.original, &mut method, &mut adam(), 1, &part)?;
        self.measure(trial, "bad teacher", name, &model, data)
    }

    /// Accuracy on the forgotten training images and on test images, and membership inference.
    fn measure(
        &self,
        trial: &mut Trial,
        arm: &str,
        name: &str,
        model: &M,
        (forget, retain): &(Images, Images),
    ) -> Result<()> {
        let model = model.valid();
        let device = self.job.context.device.clone().inner();
        let of = |images: &Images| {
            let batch = Prepared(vec![images.batch(&device)]);
            Predictions::of(&model, &batch)
        };
        // Of a class, only the others' test images can be kept.
        let test = if name.ends_with("class") {
            &self.job.retain_test
        } else {
            &self.job.test
        };
        let (gone, kept, seen) = (of(forget)?, of(test)?, of(retain)?);
        let members = attack(&seen, &of(&self.job.test)?, &gone, Predictions::entropies)?;
        for (metric, value) in [
            ("forgotten, %", gone.accuracy()),
            ("test, %", kept.accuracy()),
            ("members, %", members),
        ] {
            trial.record(arm, &format!("{name}: {metric}"), 100.0 * value);
        }
        Ok(())
    }
}

/// The mean squared gradient of batches.
pub(super) fn importance<M: Classifier<Batch = ImageBatch>>(
    job: &Job<'_>,
    model: &M,
    images: &Images,
    size: usize,
) -> Result<ParamVector> {
    let loss =
        |model: &M, batch: ImageBatch| cross_entropy(model.logits(&batch), batch.labels).mean();
    Ok(batch_diagonal(model, job.batches(images, size), loss)?)
}
