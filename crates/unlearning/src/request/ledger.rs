//! # Ledger
//!
//! All requests so far, and the data that each leaves.
//!
//! Source: repeated requests as the MUSE benchmark poses them (arXiv 2407.06460, section 3).

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::data::dataset::Dataset;
use serde::{Deserialize, Serialize};

use super::forget_request::Fallible;
use super::{ForgetRequest, Split};
use crate::error::{Result, UnlearningError, check};

/// All requests against one data set, in their order. What was forgotten once is retained never again.
///
/// ```
/// use std::sync::Arc;
/// use burn::data::dataset::{Dataset, InMemDataset};
/// use regimen_unlearning::{ForgetRequest, Ledger};
///
/// let data = Arc::new(InMemDataset::new(vec![0_usize, 1, 2, 0, 1]));
/// let mut ledger = Ledger::new(data.len());
/// for class in [0, 1] {
///     ledger.add(ForgetRequest::class(data.as_ref(), class, |class| *class)?)?;
/// }
/// let split = ledger.split(data)?;
/// assert_eq!((split.retain.len(), split.forget.len()), (1, 4));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    total: usize,
    requests: Vec<ForgetRequest>,
}

impl Ledger {
    /// No request yet, against a data set of `total` examples.
    #[must_use]
    pub fn new(total: usize) -> Self {
        let requests = Vec::new();
        Self { total, requests }
    }

    /// Enters a request.
    ///
    /// # Errors
    /// If a position is not in the data, or nothing would stay.
    pub fn add(&mut self, request: ForgetRequest) -> Result<()> {
        for position in request.positions() {
            let known = *position < self.total;
            check(
                "position",
                *position as f64,
                known,
                "a position of the data set",
            )?;
        }
        let all = self.forgotten().union(request.positions()).count();
        if all == self.total {
            return Err(UnlearningError::Empty("retain"));
        }
        self.requests.push(request);
        Ok(())
    }

    /// The requests, in their order.
    #[must_use]
    pub fn requests(&self) -> &[ForgetRequest] {
        &self.requests
    }

    /// Every position that was ever to be forgotten.
    #[must_use]
    pub fn forgotten(&self) -> BTreeSet<usize> {
        let positions = self.requests.iter().flat_map(ForgetRequest::positions);
        positions.copied().collect()
    }

    /// The data in two: `forget` holds all that was ever asked. For methods that train, and for reports: what was
    /// forgotten first stays forgotten.
    ///
    /// # Errors
    /// If the data is not as long as it was, can't be read, or there is no request.
    pub fn split<D: Dataset<I>, I: Clone + Send + Sync>(
        &self,
        data: Arc<D>,
    ) -> Fallible<Split<D, I>> {
        self.same_length(data.len())?;
        let forgotten = self.forgotten();
        Split::new(data, |position, _| forgotten.contains(&position))
    }

    /// The latest request alone: `forget` holds what it added, `retain` what no request ever named.
    ///
    /// For methods that compare the importance of a set with that of all data, such as [`Ssd`](crate::Ssd): take
    /// `retain` and `forget` together as all data. What was forgotten before has large gradients, which
    /// would hide the latest request's.
    ///
    /// # Errors
    /// As [`split`](Self::split), or if the latest request added nothing.
    pub fn latest<D: Dataset<I>, I: Clone + Send + Sync>(
        &self,
        data: Arc<D>,
    ) -> Fallible<Split<D, I>> {
        self.same_length(data.len())?;
        let (latest, before) = self
            .requests
            .split_last()
            .ok_or(UnlearningError::Empty("forget"))?;
        let named = |position: &usize| before.iter().any(|r| r.positions().contains(position));
        let all = self.forgotten();
        let retain: Vec<usize> = (0..self.total).filter(|i| !all.contains(i)).collect();
        let added = latest.positions().iter().copied().filter(|i| !named(i));
        Ok(Split::from_positions(data, retain, added.collect())?)
    }

    fn same_length(&self, found: usize) -> Result<()> {
        if found == self.total {
            return Ok(());
        }
        Err(UnlearningError::Mismatch {
            what: "number of examples",
            expected: self.total.to_string(),
            found: found.to_string(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::data::dataset::InMemDataset;

    use super::*;

    #[test]
    fn requests_by_example_class_and_owner() {
        let data = Arc::new(InMemDataset::new(vec![
            ("ann", 0_usize),
            ("bob", 1),
            ("ann", 1),
        ]));
        let ann = ForgetRequest::owner(data.as_ref(), "ann", |(owner, _)| *owner == "ann").unwrap();
        assert_eq!(Vec::from_iter(ann.positions()), [&0, &2]);
        let one = ForgetRequest::class(data.as_ref(), 1, |(_, class)| *class).unwrap();
        assert_eq!(Vec::from_iter(one.positions()), [&1, &2]);
        assert!(ForgetRequest::class(data.as_ref(), 7, |(_, class)| *class).is_err());
        assert!(ForgetRequest::examples("none", []).is_err());

        let mut ledger = Ledger::new(3);
        assert!(
            ledger
                .add(ForgetRequest::examples("far", [3]).unwrap())
                .is_err()
        );
        ledger.add(ann).unwrap();
        let last = ledger.latest(data.clone()).unwrap();
        assert_eq!((last.retain.len(), last.forget.len()), (1, 2));
        assert!(ledger.add(one).is_err());
        let split = ledger.split(data).unwrap();
        assert_eq!(split.retain.len(), 1);
        assert!(ledger.split(Arc::new(InMemDataset::new(vec![1]))).is_err());
    }
}
