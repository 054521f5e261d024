//! What all scenarios are.

use super::planned::Planned;
use crate::Result;

/// A stream of tasks over a labelled data set.
pub trait Scenario {
    /// The tasks in which a training set comes.
    ///
    /// # Errors
    /// If a label is of no class, or a task would be empty.
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>>;

    /// The test set of each task, with the same classes and transforms.
    ///
    /// # Errors
    /// As for [`train`](Self::train).
    fn test(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        self.train(labels)
    }

    /// The tasks of a training set as data sets: views on `dataset`, which keep it. `label` says the class of an item, and every
    /// item is read once for it; where labels are known, [`train`](Self::train) and [`View`](super::View) need no pass.
    ///
    /// # Errors
    /// As for [`train`](Self::train), or if an item can't be read.
    #[cfg(feature = "burn")]
    fn tasks<I: Clone + Send + Sync + 'static>(
        &self,
        dataset: &std::sync::Arc<dyn burn::data::dataset::Dataset<I>>,
        label: impl Fn(&I) -> usize,
    ) -> Result<Vec<super::view::TaskData<I>>>
    where
        Self: Sized,
    {
        let planned = self.train(&super::view::labels(dataset.as_ref(), label)?)?;
        super::view::TaskData::all(dataset, planned)
    }

    /// As [`tasks`](Self::tasks), of a test set.
    ///
    /// # Errors
    /// As for [`tasks`](Self::tasks).
    #[cfg(feature = "burn")]
    fn tests<I: Clone + Send + Sync + 'static>(
        &self,
        dataset: &std::sync::Arc<dyn burn::data::dataset::Dataset<I>>,
        label: impl Fn(&I) -> usize,
    ) -> Result<Vec<super::view::TaskData<I>>>
    where
        Self: Sized,
    {
        let planned = self.test(&super::view::labels(dataset.as_ref(), label)?)?;
        super::view::TaskData::all(dataset, planned)
    }
}
