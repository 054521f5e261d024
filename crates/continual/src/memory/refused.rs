//! An epoch that can't be delivered.

use std::marker::PhantomData;

use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;

use crate::ContinualError;

/// An epoch that is an error, then nothing.
pub(crate) struct Refused<O> {
    error: Option<DatasetError>,
    output: PhantomData<fn() -> O>,
}

impl<O> Refused<O> {
    pub(crate) fn new(error: ContinualError) -> Self {
        Self {
            error: Some(DatasetError::new(error)),
            output: PhantomData,
        }
    }
}

impl<O> Iterator for Refused<O> {
    type Item = Result<O, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.error.take().map(Err)
    }
}

impl<O> DataLoaderIterator<O> for Refused<O> {
    fn progress(&self) -> Progress {
        Progress::new(0, 0, Some("items".into()))
    }
}
