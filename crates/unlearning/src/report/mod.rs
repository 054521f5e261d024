//! The record of a request: every metric of the models before and after.

mod forgetting_report;
mod measure;
mod text;

pub use forgetting_report::{Attacks, Distances, ForgettingReport, KlomMeans, ModelMetrics};
pub use measure::{Evidence, Models, ReportConfig};
