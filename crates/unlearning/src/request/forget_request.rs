//! # ForgetRequest
//!
//! Who or what is to be forgotten: by example, by class, by owner.

use std::collections::BTreeSet;

use burn::data::dataset::Dataset;
use regimen_tensor::checked::Checked;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Result, UnlearningError, count};

/// A request, resolved to positions in the data set: it can be filed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ForgetRequest {
    /// What was asked, in words.
    pub name: String,
    #[serde(deserialize_with = "unique")]
    positions: BTreeSet<usize>,
}

regimen_tensor::checked_serde!(ForgetRequest);

impl Checked for ForgetRequest {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        if self.positions.is_empty() {
            return Err(UnlearningError::Empty("forget"));
        }
        Ok(())
    }
}

/// Positions as they are written: each larger than the one before.
fn unique<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<usize>, D::Error> {
    let listed = Vec::<usize>::deserialize(from)?;
    for pair in listed.windows(2) {
        let allowed = "positions that ascend, each once";
        let good = pair[0] < pair[1];
        count("positions", pair[1], good, allowed).map_err(serde::de::Error::custom)?;
    }
    Ok(listed.into_iter().collect())
}

pub(super) type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl ForgetRequest {
    /// These examples, by position.
    ///
    /// # Errors
    /// If there is none.
    pub fn examples(
        name: impl Into<String>,
        positions: impl IntoIterator<Item = usize>,
    ) -> Result<Self> {
        let (name, positions) = (name.into(), positions.into_iter().collect());
        Self { name, positions }.checked()
    }

    /// All examples of a class.
    ///
    /// # Errors
    /// If the data can't be read, or no example is of the class.
    pub fn class<I>(
        data: &impl Dataset<I>,
        class: usize,
        class_of: impl Fn(&I) -> usize,
    ) -> Fallible<Self> {
        Self::owner(data, format!("class {class}"), |item| {
            class_of(item) == class
        })
    }

    /// All examples that belong to an owner, as `owns` says of each item.
    ///
    /// # Errors
    /// If the data can't be read, or the owner has no example.
    pub fn owner<I>(
        data: &impl Dataset<I>,
        name: impl Into<String>,
        owns: impl Fn(&I) -> bool,
    ) -> Fallible<Self> {
        let mut positions = Vec::new();
        for position in 0..data.len() {
            if owns(&data.get(position)?) {
                positions.push(position);
            }
        }
        Ok(Self::examples(name, positions)?)
    }

    /// The positions, ascending.
    #[must_use]
    pub fn positions(&self) -> &BTreeSet<usize> {
        &self.positions
    }
}
