//! Which candidates are duplicates.

use serde::{Deserialize, Serialize};

/// What becomes of two documents that share a band.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verify {
    /// They are duplicates if their shingles' Jaccard similarity reaches the threshold; of two shingles that differ one pair in 2^64 looks the same.
    #[default]
    Exact,
    /// They are duplicates if the share of equal entries of their signatures reaches the threshold.
    Estimate,
    /// They are duplicates.
    Nothing,
}
