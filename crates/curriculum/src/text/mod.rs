//! Choice and cleaning of text by its words: examples for a prompt, overlap with evaluation text, scores of code tasks.

pub mod bm25;
pub mod decontaminate;
mod ngrams;
pub mod rarity;
pub mod scores;
pub mod shots;
mod tokens;

pub use bm25::{Bm25, Bm25Config, Bm25Variant, Hit};
pub use decontaminate::{Decontamination, DecontaminationConfig, Evaluation, Overlap, Scan};
pub use rarity::rarity;
pub use scores::{BinaryCounts, Rouge, bleu4, code_tokens, exact_match, rouge_l, rouge_n};
pub use shots::{Bm25Shots, FixedShots, RandomShots, ShotOrder, Shots};
pub use tokens::TextTokens;
