//! A session of DataFusion that knows Regimen's functions of text.
#![cfg(feature = "datafusion")]

use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext};
use regimen_curriculum::text::columns::datafusion::{
    band_keys, bm25_best, bm25_score, overlap, signature,
};
use regimen_curriculum::text::{Bm25, Decontamination, NearDuplicates};

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
