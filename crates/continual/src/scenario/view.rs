//! Tasks as data sets.

use std::fmt;
use std::sync::Arc;

use burn::data::dataset::{Dataset, DatasetError};

use super::planned::Planned;
use super::task::Task;
use super::transform::Transform;
use crate::{ContinualError, Result};

/// An item that knows its class.
pub trait Labelled {
    /// Its class.
    fn label(&self) -> usize;
}

/// The class of every item; each is read once.
///
/// # Errors
/// If an item can't be read.
pub fn labels<I>(dataset: &dyn Dataset<I>, label: impl Fn(&I) -> usize) -> Result<Vec<usize>> {
    let labels = (0..dataset.len()).map(|place| Ok(label(&dataset.get(place)?)));
    labels.collect()
}

type Change<I> = Arc<dyn Fn(I) -> I + Send + Sync>;

/// Some items of a data set in some order, none of them copied; clones are the same view.
#[derive(Clone)]
pub struct View<I> {
    dataset: Arc<dyn Dataset<I>>,
    places: Arc<[usize]>,
    change: Option<Change<I>>,
}

impl<I> fmt::Debug for View<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({} of {})", self.places.len(), self.dataset.len())
    }
}

impl<I: 'static> View<I> {
    /// The items at these places; a place may come again.
    ///
    /// # Errors
    /// If the data set has no such place.
    pub fn new(dataset: Arc<dyn Dataset<I>>, places: Vec<usize>) -> Result<Self> {
        let len = dataset.len();
        if let Some(place) = places.iter().find(|place| **place >= len) {
            let allowed = format!("below {len}, the items of the data set");
            return Err(ContinualError::range("place", place, &allowed));
        }
        Ok(Self {
            dataset,
            places: places.into(),
            change: None,
        })
    }

    /// With `change` done to every item that is read.
    #[must_use]
    pub fn with_change(self, change: impl Fn(I) -> I + Send + Sync + 'static) -> Self {
        let change: Change<I> = match self.change.clone() {
            None => Arc::new(change),
            Some(first) => Arc::new(move |item| change(first(item))),
        };
        let change = Some(change);
        Self { change, ..self }
    }

    /// The places in the data set.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    fn changed(&self, item: I) -> I {
        match &self.change {
            Some(change) => change(item),
            None => item,
        }
    }

    fn place(&self, index: usize) -> std::result::Result<usize, DatasetError> {
        let place = self.places.get(index).copied();
        place.ok_or_else(|| {
            let allowed = format!("below {}, the items", self.places.len());
            DatasetError::new(ContinualError::range("index", index, &allowed))
        })
    }
}

impl<I: 'static> Dataset<I> for View<I> {
    fn get(&self, index: usize) -> std::result::Result<I, DatasetError> {
        Ok(self.changed(self.dataset.get(self.place(index)?)?))
    }

    fn get_many(&self, indexes: Vec<usize>) -> std::result::Result<Vec<I>, DatasetError> {
        let places = indexes.into_iter().map(|index| self.place(index));
        let places = places.collect::<std::result::Result<_, _>>()?;
        let items = self.dataset.get_many(places)?;
        Ok(items.into_iter().map(|item| self.changed(item)).collect())
    }

    fn len(&self) -> usize {
        self.places.len()
    }
}

/// A task with its examples as a data set: a view on the user's.
#[derive(Clone, Debug)]
pub struct TaskData<I> {
    /// The task.
    pub task: Task,
    /// Its examples.
    pub data: View<I>,
    /// Whether a model may be told the task at test: only then [`Task::mask`] is allowed there.
    pub known: bool,
    /// What is to be done to the inputs: [`transformed`](Self::transformed) does it.
    pub transform: Transform,
}

impl<I: 'static> TaskData<I> {
    /// The tasks of a plan as views.
    ///
    /// # Errors
    /// If a plan is of a larger data set.
    pub fn all(dataset: &Arc<dyn Dataset<I>>, planned: Vec<Planned>) -> Result<Vec<Self>> {
        let view = |planned: Planned| {
            Ok(Self {
                data: View::new(dataset.clone(), planned.examples)?,
                task: planned.task,
                known: planned.known,
                transform: planned.transform,
            })
        };
        planned.into_iter().map(view).collect()
    }

    /// The task's transform done to every item that is read; `change` says where the pixels of an item are.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use burn::data::dataset::{Dataset, InMemDataset};
    /// # use regimen_continual::scenario::{DomainIncremental, Scenario};
    /// let data: Arc<dyn Dataset<(Vec<f32>, usize)>> =
    ///     Arc::new(InMemDataset::new(vec![(vec![1.0, 2.0, 3.0, 4.0], 0)]));
    /// let scenario = DomainIncremental::rotated(vec![0.0, 90.0])?;
    /// let tasks = scenario.tasks(&data, |(_, label)| *label)?;
    /// let turned = tasks[1].clone().transformed(|(pixels, label), transform| {
    ///     (transform.apply(&pixels).expect("a square image"), label)
    /// });
    /// assert_eq!(turned.data.get(0)?.0, [2.0, 4.0, 1.0, 3.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn transformed(self, change: impl Fn(I, &Transform) -> I + Send + Sync + 'static) -> Self {
        let transform = self.transform.clone();
        let data = self.data.with_change(move |item| change(item, &transform));
        Self {
            data,
            transform: Transform::None,
            ..self
        }
    }

    /// The data set, for a loader.
    #[must_use]
    pub fn dataset(&self) -> Arc<dyn Dataset<I>>
    where
        I: Clone + Send + Sync,
    {
        Arc::new(self.data.clone())
    }
}
