//! A session of DataFusion that knows Regimen's functions of text.
#![cfg(feature = "datafusion")]

use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext};
use regimen_curriculum::text::columns::datafusion::{
    band_keys, best_cosine, bm25_best, bm25_score, cosines, mean_cosine, nearest_target, overlap,
    signature, text_score,
};
use regimen_curriculum::text::{
    Bm25, Decontamination, NearDuplicates, TargetVectors, TextClassifier,
};

/// A session with these functions of a text:
///
/// | function | gives |
/// |---|---|
/// | `overlap` | the share of the evaluations' test of which it holds most |
/// | `bm25_score`, `bm25_best` | the score and the place of the pool's document that is nearest to it |
/// | `signature`, `band_keys` | its MinHash signature, and the keys of the signature's bands |
///
/// The functions use all cores for each batch of rows.
#[must_use]
pub fn session(evaluations: Decontamination, pool: Bm25, near: NearDuplicates) -> SessionContext {
    let (pool, near) = (Arc::new(pool), Arc::new(near));
    let session = SessionContext::new_with_config(SessionConfig::new());
    for function in [
        overlap("overlap", Arc::new(evaluations)),
        bm25_score("bm25_score", pool.clone()),
        bm25_best("bm25_best", pool),
        signature("signature", near.clone()),
        band_keys("band_keys", near),
    ] {
        session.register_udf(function);
    }
    session
}

/// Teaches a session likeness to targets:
///
/// | function | gives |
/// |---|---|
/// | `best_cosine`, `nearest_target` | of a vector the cosine and the place of the nearest target |
/// | `mean_cosine` | the mean of its cosines with all targets |
/// | `cosines` | its cosines with all targets |
pub fn register_targets(session: &SessionContext, targets: TargetVectors) {
    let targets = Arc::new(targets);
    for function in [
        best_cosine("best_cosine", targets.clone()),
        nearest_target("nearest_target", targets.clone()),
        mean_cosine("mean_cosine", targets.clone()),
        cosines("cosines", targets),
    ] {
        session.register_udf(function);
    }
}

/// Teaches a session `text_score`: how much a text is like what a classifier was fitted on.
pub fn register_classifier(session: &SessionContext, classifier: TextClassifier) {
    session.register_udf(text_score("text_score", Arc::new(classifier)));
}
