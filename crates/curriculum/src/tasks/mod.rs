//! Families of tasks made from one data set, whole data sets as sequences, and how a model that learns from its context is told from one that
//! remembers.
//!
//! The tasks of a family are random projections of the inputs with random permutations of the labels; a sequence is a few examples of one task,
//! each with the label of the one before it. A model that is trained to predict each next label meets either the same few tasks again and again,
//! or never the same twice. On data of yours, with a sequence model of yours:
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use regimen_curriculum::tasks::{ContextRule, LabelledPool, Measured, Phase, TaskFamilyConfig, TaskSequences, late};
//!
//! # let device = Device::flex();
//! # let (features, labels) = (Tensor::<2>::random([90, 20], burn::tensor::Distribution::Default, &device), (0..90).map(|i| i % 3).collect());
//! // Rows of features `[examples, 20]`, and a class 0 to 2 for each.
//! let pool = LabelledPool::new(features, labels)?.standardised();
//! let family = TaskFamilyConfig::new(20, 8, 3).with_tasks(64).init()?;
//! let sequences = TaskSequences::new(family, pool, 16)?;
//! for step in 0..2 {
//!     let batch = sequences.seen(step, 32)?;
//!     assert_eq!(batch.inputs.dims(), [32, 16, 8 + 3]);
//!     // Train: the cross-entropy of `model(batch.inputs)` against `batch.labels`, the mean over all places.
//! }
//! // Test on tasks that were not trained on, without a step of training: the accuracy at each place is the learning curve.
//! let test = sequences.unseen(0, 32)?;
//! let curve = test.accuracy(ContextRule::NearestNeighbour.predict(&test)?)?;
//! let measured = Measured { seen_first: curve[0], seen_late: late(&curve, 5)?, unseen_late: late(&curve, 5)? };
//! assert_eq!(Phase::of(&measured, 1.0 / 3.0, 0.3)?, Phase::Failed); // random labels: nothing can be learned
//! # Ok::<(), regimen_curriculum::CurriculumError>(())
//! ```

pub mod family;
pub mod phase;

#[cfg(feature = "burn")]
pub mod rules;
#[cfg(feature = "burn")]
pub mod sequences;

pub use family::{Task, TaskFamily, TaskFamilyConfig};
pub use phase::{Measured, Phase, late, plateau, recurrent_state, transformer_state};
#[cfg(feature = "burn")]
pub use rules::ContextRule;
#[cfg(feature = "burn")]
pub use sequences::{LabelledPool, SequenceBatch, TaskSequences};
