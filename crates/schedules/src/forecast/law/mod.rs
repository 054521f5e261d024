//! Loss as a law of the rates of a run: fitted on one or two curves, it predicts the others.

pub mod annealing;
pub mod annealing_fit;
pub mod areas;
pub mod chinchilla;
mod huber;
pub mod loss_curve;

pub use annealing::{AnnealingLaw, Cooldown};
pub use annealing_fit::{AnnealingFit, AnnealingFitConfig};
pub use areas::{AreaPoint, Areas, RunningAreas};
pub use chinchilla::{ChinchillaFit, ChinchillaFitConfig, ChinchillaLaw, ScaledRun};
pub use huber::Quality;
pub use loss_curve::LossCurve;
