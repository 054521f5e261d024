//! # Ledger
//!
//! Who asked to be forgotten, in which order, and what stays after all of it.
//!
//! Source: requests in sequence as in Bourtoule et al., "Machine Unlearning", IEEE S&P 2021, arXiv 1912.03817.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataset::Dataset;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError, check};
use crate::file;
use crate::split::Split;

/// One request: positions of the data set that are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What the request is called, for the report and the file.
    pub name: String,
    /// Positions that no earlier request had, in ascending order.
    pub ids: BTreeSet<usize>,
}

/// All requests so far, over one data set whose order does not change.
///
/// What one request forgot is retained by none that follows, so that training on what stays does not bring it back.
///
/// ```
/// use std::sync::Arc;
/// use burn::data::dataset::{Dataset, InMemDataset};
/// use regimen_unlearning::Ledger;
///
/// // (owner, class)
/// let data = Arc::new(InMemDataset::new(vec![("ann", 0), ("bob", 1), ("ann", 1), ("eve", 2)]));
/// let mut ledger = Ledger::new(data.len());
/// ledger.by_owner("ann leaves", data.as_ref(), |(owner, _)| *owner == "ann")?;
/// ledger.by_class("class 1", data.as_ref(), 1, |(_, class)| *class)?;
///
/// // Position 2 was ann's already: the second request is new for bob's example alone.
/// let latest = ledger.latest(data.clone())?;
/// assert_eq!((latest.forget.len(), latest.retain.len()), (1, 1));
/// let whole = ledger.split(data)?;
/// assert_eq!((whole.forget.len(), whole.retain.len()), (3, 1));
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    len: usize,
    requests: Vec<Request>,
}

impl Ledger {
    /// No request yet, over a data set of `len` examples.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self {
            len,
            requests: Vec::new(),
        }
    }

    /// Forgets the examples at these positions.
    ///
    /// # Errors
    /// If a position is not of the data set, or every one was forgotten already.
    pub fn by_ids(
        &mut self,
        name: &str,
        ids: impl IntoIterator<Item = usize>,
    ) -> Result<&Request> {
        let before = self.forgotten();
        let mut fresh = BTreeSet::new();
        for id in ids {
            check("id", id as f64, id < self.len, "a position of the data set")?;
            if !before.contains(&id) {
                fresh.insert(id);
            }
        }
        if fresh.is_empty() {
            return Err(UnlearningError::Empty("forget"));
        }
        let request = Request {
            name: name.to_owned(),
            ids: fresh,
        };
        self.requests.push(request);
        Ok(&self.requests[self.requests.len() - 1])
    }

    /// Forgets every example of a class.
    ///
    /// # Errors
    /// As [`by_ids`](Self::by_ids), or if the data can't be read.
    pub fn by_class<I>(
        &mut self,
        name: &str,
        data: &impl Dataset<I>,
        class: usize,
        class_of: impl Fn(&I) -> usize,
    ) -> Result<&Request> {
        self.by_owner(name, data, |item| class_of(item) == class)
    }

    /// Forgets every example whose item the predicate names: an owner's, a source's, a time's.
    ///
    /// # Errors
    /// As [`by_ids`](Self::by_ids), or if the data can't be read.
    pub fn by_owner<I>(
        &mut self,
        name: &str,
        data: &impl Dataset<I>,
        mut owned: impl FnMut(&I) -> bool,
    ) -> Result<&Request> {
        let mut ids = Vec::new();
        for position in 0..data.len() {
            if owned(&data.get(position)?) {
                ids.push(position);
            }
        }
        self.by_ids(name, ids)
    }

    /// The requests, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Everything that was ever asked to be forgotten.
    #[must_use]
    pub fn forgotten(&self) -> BTreeSet<usize> {
        self.requests.iter().flat_map(|r| &r.ids).copied().collect()
    }

    /// All requests together against what stays: for training anew, and for the report.
    ///
    /// # Errors
    /// If there is no request, nothing stays, or the data has another length.
    pub fn split<D, I>(&self, data: Arc<D>) -> Result<Split<D, I>>
    where
        D: Dataset<I>,
        I: Clone + Send + Sync,
    {
        self.parts(data, self.forgotten())
    }

    /// The last request against what stays after all of them: for a method to carry the request out.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub fn latest<D, I>(&self, data: Arc<D>) -> Result<Split<D, I>>
    where
        D: Dataset<I>,
        I: Clone + Send + Sync,
    {
        let last = self.requests.last().map(|request| request.ids.clone());
        self.parts(data, last.unwrap_or_default())
    }

    fn parts<D, I>(&self, data: Arc<D>, forget: BTreeSet<usize>) -> Result<Split<D, I>>
    where
        D: Dataset<I>,
        I: Clone + Send + Sync,
    {
        let found = data.len();
        check("data", found as f64, found == self.len, "the ledger's length")?;
        let gone = self.forgotten();
        let retain = (0..self.len).filter(|id| !gone.contains(id)).collect();
        Split::of_positions(data, retain, forget.into_iter().collect())
    }

    /// Writes the ledger as JSON, never half.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        file::save(self, path.as_ref())
    }

    /// Reads a ledger back.
    ///
    /// # Errors
    /// If the file is missing, damaged, or names a position outside of its data set.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let ledger: Self = file::load(path.as_ref())?;
        for id in ledger.forgotten() {
            check("id", id as f64, id < ledger.len, "a position of the data set")?;
        }
        Ok(ledger)
    }
}
