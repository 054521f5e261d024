//! Choice and cleaning of text by its words: examples for a prompt, overlap with evaluation text, likeness
//! to target tasks, scores of code tasks.

mod batches;
pub mod bm25;
pub mod code_bleu;
#[cfg(feature = "arrow")]
pub mod columns;
pub mod decontaminate;
mod filter;
pub mod likeness;
pub mod near_duplicates;
mod ngrams;
pub mod rarity;
pub mod scores;
pub mod shots;
#[cfg(feature = "burn")]
pub mod token_windows;
mod tokens;
mod vocabulary;

pub use bm25::{Bm25, Bm25Config, Bm25Variant, Hit};
pub use code_bleu::{CodeBleu, CodeBleuScore, PYTHON_KEYWORDS, RUST_KEYWORDS};
#[cfg(feature = "arrow")]
pub use columns::{TextColumn, TextRow, VectorColumn};
pub use decontaminate::{Decontamination, DecontaminationConfig, Evaluation, Overlap, Scan};
pub use likeness::{
    Aggregation, KeepRate, Likeness, LikenessConfig, Scored, Selection, TargetVectors,
    TextClassifier, TextClassifierConfig, Threshold, Vectors, balanced, centroid, centroids,
};
pub use near_duplicates::{DuplicateGroups, NearDuplicates, NearDuplicatesConfig, Verify};
pub use rarity::rarity;
pub use scores::{BinaryCounts, Rouge, bleu4, code_tokens, exact_match, rouge_l, rouge_n};
pub use shots::{Bm25Shots, FixedShots, RandomShots, ShotOrder, Shots};
#[cfg(feature = "burn")]
pub use token_windows::TokenWindows;
pub use tokens::TextTokens;
