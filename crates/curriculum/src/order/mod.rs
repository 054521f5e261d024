//! What the order of training batches does to a model: one reference run, and an estimate of where training in any other
//! order would have ended, without training again; a search for a good order, and how well a batch is remembered by where it stood.

pub mod estimate;
pub mod gradients;
pub mod memorisation;
#[cfg(feature = "burn")]
pub mod module;
pub mod optimizer;
pub mod reference;
pub mod search;
pub mod table;

pub use estimate::{Correction, Expansion, OrderHistory, expand};
pub use gradients::BatchGradients;
pub use memorisation::memorisation_map;
#[cfg(feature = "burn")]
pub use module::ModuleGradients;
pub use optimizer::{OrderMoments, OrderOptimizer};
pub use reference::OrderRun;
pub use search::{FoundOrder, OrderSearch};
pub use table::{OrderTable, OrderTableConfig};

#[cfg(test)]
mod tests;
