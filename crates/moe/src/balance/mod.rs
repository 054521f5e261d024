//! Balance of the load: losses, the bias that needs none, and statistics.

mod assignments;
mod bias;
mod collect;
mod global;
mod importance;
mod load;
mod losses;
mod sequence;
mod specialisation;
mod statistics;
mod step;
mod z;

pub use assignments::{assignments, gates};
pub use bias::{BiasUpdate, BiasUpdateConfig};
pub use collect::{LossCollector, LossWeights};
pub use global::GlobalBalance;
pub use importance::{importance_loss, noisy_load, noisy_load_loss};
pub use load::{Load, load_balancing_loss};
pub use losses::AuxiliaryLosses;
pub use sequence::sequence_balancing_loss;
pub use specialisation::Specialisation;
pub use statistics::LoadStatistics;
pub use step::BalanceState;
pub use z::z_loss;
