//! One set of images as tasks for one seed, and what an arm gives on it.

use anyhow::Result;
use regimen_continual::{AccuracyMatrix, Classifier, Compute, Strategy};

use crate::continual::bed::{Batch, Net, Part, Training, test};
use crate::experiment::Context;

/// Images a batch, of the stream and of the memory.
pub(super) const BATCH: usize = 16;
/// Learning rate.
pub(super) const RATE: f64 = 0.05;
/// Units of the hidden layers.
pub(super) const HIDDEN: [usize; 2] = [100, 100];

/// A set of images as tasks, for one seed.
pub(super) struct Bed<'a> {
    pub(super) context: &'a Context,
    pub(super) parts: Vec<Part>,
    /// Plain epochs a task.
    pub(super) epochs: usize,
    pub(super) seed: u64,
    /// Examples that every method with a memory may keep.
    pub(super) memory: usize,
}

/// What an arm gave.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// Mean accuracy over the tasks at the end, class-incremental; none where the method has to know the task.
    pub(super) classes: Option<f64>,
    /// The same, task-incremental.
    pub(super) within: f64,
    /// Class-incremental forgetting, or task-incremental where that is all there is; none without a row for every task.
    pub(super) forgetting: Option<f64>,
    pub(super) compute: Compute,
    /// Class-incremental mean accuracy so far after each task.
    pub(super) curve: Vec<(f64, f64)>,
}

impl Figures {
    pub(super) fn of(classes: Option<&AccuracyMatrix>, within: &AccuracyMatrix) -> Self {
        let last = within.rows().len() - 1;
        let each = classes.unwrap_or(within);
        let curve = (0..=last).filter_map(|after| {
            let average = each.average_accuracy(after)?;
            Some(((after + 1) as f64, average))
        });
        Self {
            classes: classes.map(AccuracyMatrix::average),
            within: within.average(),
            forgetting: each.forgetting(last),
            compute: Compute::default(),
            curve: curve.collect(),
        }
    }

    /// Of a model of all tasks, tested at the end alone.
    pub(super) fn at_the_end(found: &[[f64; 2]]) -> Self {
        let mean = |of: usize| found.iter().map(|both| both[of]).sum::<f64>() / found.len() as f64;
        Self {
            classes: Some(mean(0)),
            within: mean(1),
            forgetting: None,
            compute: Compute::default(),
            curve: Vec::new(),
        }
    }
}

impl Bed<'_> {
    pub(super) fn pixels(&self) -> usize {
        self.parts[0].train.pixels_per_image()
    }

    pub(super) fn classes(&self) -> usize {
        self.parts[0].train.classes
    }

    /// Images of one epoch over all tasks.
    pub(super) fn stream(&self) -> usize {
        self.parts.iter().map(|part| part.train.labels.len()).sum()
    }

    pub(super) fn training(&self, epochs: usize) -> Training {
        Training {
            rate: RATE,
            batch: BATCH,
            epochs,
        }
    }

    /// The same weights for every arm of a seed.
    pub(super) fn net(&self) -> Net {
        let device = &self.context.device;
        device.seed(self.seed);
        Net::new(self.pixels(), &HIDDEN, self.classes(), device)
    }

    /// Accuracies among all classes and within the task, on each task.
    pub(super) fn tested<M, S>(&self, model: &M, strategy: &S) -> Result<Vec<[f64; 2]>>
    where
        M: Classifier<Batch = Batch>,
        S: Strategy<M> + ?Sized,
    {
        let mut found = Vec::new();
        let device = &self.context.device;
        test(model, &self.parts, strategy, device, |_, both| {
            found.push(both);
            Ok(())
        })?;
        Ok(found)
    }
}
