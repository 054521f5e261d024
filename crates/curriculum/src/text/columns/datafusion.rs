//! # Scalar functions for DataFusion
//!
//! Overlap with evaluations, BM25, near-duplicates and likeness to targets in SQL, on one machine or on a cluster.
//!
//! Source: `ScalarUDFImpl` of Apache DataFusion

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_expr::ScalarUDF;

use super::function::{of_texts, of_vectors};
use crate::text::bm25::Bm25;
use crate::text::decontaminate::Decontamination;
use crate::text::likeness::{TargetVectors, TextClassifier};
use crate::text::near_duplicates::NearDuplicates;

/// `NAME(text) -> Float64`: the share of the test of which a text holds most, as [`Decontamination::highest`]; 0 without a common stretch.
#[must_use]
pub fn overlap(name: impl Into<String>, index: Arc<Decontamination>) -> ScalarUDF {
    of_texts(name, DataType::Float64, move |texts| {
        Arc::new(index.highest_shares(texts))
    })
}

/// `NAME(text) -> Float32`: the score of the pool's document that is nearest to a text; null where the pool is empty.
#[must_use]
pub fn bm25_score(name: impl Into<String>, index: Arc<Bm25>) -> ScalarUDF {
    of_texts(name, DataType::Float32, move |texts| {
        Arc::new(index.best_of(texts).1)
    })
}

/// `NAME(text) -> UInt64`: the place in the pool of the document that is nearest to a text; null where the pool is empty.
#[must_use]
pub fn bm25_best(name: impl Into<String>, index: Arc<Bm25>) -> ScalarUDF {
    of_texts(name, DataType::UInt64, move |texts| {
        Arc::new(index.best_of(texts).0)
    })
}

/// `NAME(text) -> List(UInt32)`: the signature of a text.
#[must_use]
pub fn signature(name: impl Into<String>, index: Arc<NearDuplicates>) -> ScalarUDF {
    let list = DataType::new_list(DataType::UInt32, true);
    of_texts(name, list, move |texts| {
        Arc::new(index.signatures_of(texts))
    })
}

/// `NAME(text) -> List(UInt64)`: the keys of a text's bands; rows that share one are candidates: `unnest` the list and join on it.
#[must_use]
pub fn band_keys(name: impl Into<String>, index: Arc<NearDuplicates>) -> ScalarUDF {
    let list = DataType::new_list(DataType::UInt64, true);
    of_texts(name, list, move |texts| Arc::new(index.band_keys_of(texts)))
}

/// `NAME(text) -> Float64`: the score of a text, as [`TextClassifier::score`].
#[must_use]
pub fn text_score(name: impl Into<String>, classifier: Arc<TextClassifier>) -> ScalarUDF {
    of_texts(name, DataType::Float64, move |texts| {
        Arc::new(classifier.scores_of(texts))
    })
}

/// `NAME(vector) -> Float32`: the cosine with the nearest target.
#[must_use]
pub fn best_cosine(name: impl Into<String>, targets: Arc<TargetVectors>) -> ScalarUDF {
    of_vectors(name, DataType::Float32, move |vectors| {
        Ok(Arc::new(targets.best_of(vectors)?.1))
    })
}

/// `NAME(vector) -> UInt64`: the place of the nearest target.
#[must_use]
pub fn nearest_target(name: impl Into<String>, targets: Arc<TargetVectors>) -> ScalarUDF {
    of_vectors(name, DataType::UInt64, move |vectors| {
        Ok(Arc::new(targets.best_of(vectors)?.0))
    })
}

/// `NAME(vector) -> Float64`: the mean of the cosines with all targets.
#[must_use]
pub fn mean_cosine(name: impl Into<String>, targets: Arc<TargetVectors>) -> ScalarUDF {
    of_vectors(name, DataType::Float64, move |vectors| {
        Ok(Arc::new(targets.means_of(vectors)?))
    })
}

/// `NAME(vector) -> List(Float32)`: the cosines with all targets, in their order. Ranks under a target need all rows: `unnest` the list and rank
/// within each place of it.
#[must_use]
pub fn cosines(name: impl Into<String>, targets: Arc<TargetVectors>) -> ScalarUDF {
    let list = DataType::new_list(DataType::Float32, true);
    of_vectors(name, list, move |vectors| {
        Ok(Arc::new(targets.cosines_of(vectors)?))
    })
}
