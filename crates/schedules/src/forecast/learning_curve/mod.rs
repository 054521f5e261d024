//! # Learning curves
//!
//! The accuracy that more data will bring, from accuracies on growing parts of it: trends with an
//! asymptote, the level from which they are trusted, and the level at which more data stops paying.
//!
//! Source: Vilares Ferro, Darriba Bilbao and Ribadas Pena, "Modeling of learning curves with
//! applications to POS tagging", arXiv 2402.02515: trace, backbone, working and prediction level,
//! layer of convergence, anchoring.
//!
//! The exact inequality of the working level, the canonical anchor (the smaller of the asymptote
//! before and the ceiling, as one residual of weight 1), and the rates of reliability and
//! robustness are this crate's reading of the paper. They concern data size at a fixed training
//! procedure, not the steps of one run.

mod power_law;
mod quality;
mod trace;

pub use power_law::PowerLaw;
pub use quality::{percentage_error, reliability, robustness, total_variation};
pub use trace::{LearningTrace, LearningTraceConfig};
