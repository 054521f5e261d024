//! # Ledger
//!
//! All requests so far, and the data that each leaves.
//!
//! Source: repeated requests as the MUSE benchmark poses them (arXiv 2407.06460, section 3).

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::data::dataset::Dataset;
use regimen_tensor::checked::Checked;
use regimen_tensor::checkpoint::{Part, PartError, json};
use serde::{Deserialize, Serialize};

use super::forget_request::Fallible;
use super::{ForgetRequest, Split};
use crate::error::{Result, UnlearningError, count};

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
#[serde(remote = "Self")]
pub struct Ledger {
    total: usize,
    requests: Vec<ForgetRequest>,
}

regimen_tensor::checked_serde!(Ledger);

impl Checked for Ledger {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        for request in &self.requests {
            self.known(request)?;
        }
        if !self.requests.is_empty() && self.forgotten().len() >= self.total {
            return Err(UnlearningError::Empty("retain"));
        }
        Ok(())
    }
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
        self.known(&request)?;
        let all = self.forgotten().union(request.positions()).count();
        if all >= self.total {
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

    /// Refuses a position that the data set has not.
    fn known(&self, request: &ForgetRequest) -> Result<()> {
        let last = request.positions().last().copied().unwrap_or(0);
        let allowed = "a position of the data set";
        count("position", last, last < self.total, allowed)
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

/// The ledger as JSON. It is of one data set: a ledger against another number of examples is refused.
impl Part for Ledger {
    fn kind(&self) -> String {
        "ledger 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved: Self = json::load(bytes)?;
        self.same_length(saved.total)?;
        *self = saved;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::data::dataset::InMemDataset;

    use super::*;

    #[test]
    fn a_record_with_a_position_that_is_not_in_the_data_is_refused() {
        let mut ledger = Ledger::new(3);
        ledger
            .add(ForgetRequest::examples("ann", [0, 1]).unwrap())
            .unwrap();
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
        let refused = |from: &str, to: &str| {
            let text = text.replace(from, to);
            serde_json::from_str::<Ledger>(&text)
                .unwrap_err()
                .to_string()
        };
        let unknown = refused("[0,1]", "[0,3]");
        assert!(unknown.starts_with("`position` is 3: allowed is a position of the data set"));
        assert!(refused("[0,1]", "[0,1,2]").starts_with("the retain set is empty"));
        assert!(refused("[0,1]", "[]").starts_with("the forget set is empty"));
        assert!(refused("[0,1]", "[0,0]").starts_with("`positions` is 0"));
        assert!(refused(r#""total":3"#, r#""total":2"#).starts_with("the retain set"));
    }

    #[test]
    fn a_part_of_another_data_set_changes_nothing() {
        let mut ledger = Ledger::new(3);
        ledger
            .add(ForgetRequest::examples("ann", [0]).unwrap())
            .unwrap();
        let saved = ledger.save().unwrap();
        let mut other = Ledger::new(4);
        assert!(other.load(&saved).is_err());
        assert_eq!(other, Ledger::new(4));
        let mut same = Ledger::new(3);
        same.load(&saved).unwrap();
        assert_eq!(same, ledger);
        assert!(same.load(&saved[1..]).is_err());
        assert_eq!(same, ledger);
    }

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
