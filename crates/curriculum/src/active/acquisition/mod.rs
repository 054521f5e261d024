//! The standard acquisition functions of pool-based active learning, their stopping criteria, and the state of the loop.
//!
//! A model answers for a pool of unlabelled candidates; an [`Acquisition`] says which of them to have labelled.
//!
//! | acquisition | looks at | asks first for |
//! |---|---|---|
//! | [`LeastConfident`], [`Margin`], [`Entropy`] | class probabilities | what the model is unsure about |
//! | [`Bald`], [`BatchBald`] | probabilities of several samples | what the samples disagree about: each candidate alone, or the batch as a whole |
//! | [`VoteEntropy`], [`VariationRatio`], [`ConsensusEntropy`], [`MeanDivergence`], [`MaxDivergence`] | probabilities of a committee | what its members disagree about |
//! | [`CoreSet`] | embeddings | what is far from all that is labelled |
//! | [`Badge`] | probabilities and embeddings | unsure candidates that differ from each other |
//! | [`TypiClust`] | embeddings | typical candidates of clusters without labels |
//!
//! What they read stays on its device; the places that were chosen come to the host. On data of yours, the loop is:
//!
//! ```
//! use burn::tensor::{Device, Tensor, TensorData};
//! use regimen_curriculum::active::acquisition::{
//!     Acquisition, ClassProbabilities, Criterion, Labelling, Margin, RoundFacts, Score, Stopping,
//! };
//!
//! # fn train(_labelled: &[usize]) {}
//! # fn logits_of(ids: &[usize], device: &Device) -> Tensor<2> {
//! #     let values: Vec<f32> = ids.iter().flat_map(|id| [*id as f32 * 0.1, 2.0]).collect();
//! #     Tensor::from_data(TensorData::new(values, [ids.len(), 2]), device)
//! # }
//! let device = Device::default();
//! let mut labelling = Labelling::new(100, 7)?;                     // 100 examples; a seed
//! let mut stopping = Stopping::new(vec![Criterion::Budget { labels: 30 }])?;
//! let first = labelling.random(10)?;
//! labelling.label(&first)?;                                        // have them labelled
//! loop {
//!     train(labelling.labelled());
//!     let ids = labelling.unlabelled();
//!     let pool = ClassProbabilities::of_logits(logits_of(&ids, &device))?;
//!     if stopping.observe(&RoundFacts::new(labelling.labelled().len())?)?.is_some() {
//!         break;
//!     }
//!     let places = Margin.select(&pool, 5)?;                       // rows of the pool
//!     let asked: Vec<usize> = places.into_iter().map(|place| ids[place]).collect();
//!     labelling.label(&asked)?;
//! }
//! assert_eq!(labelling.labelled().len(), 30);
//! // The model is least sure where its two logits are alike.
//! assert!(labelling.labelled()[10].abs_diff(20) < 3);
//! # Ok::<(), regimen_curriculum::CurriculumError>(())
//! ```

mod labelling;
mod stopping;

#[cfg(feature = "burn")]
mod badge;
#[cfg(feature = "burn")]
mod bald;
#[cfg(feature = "burn")]
mod batch_bald;
#[cfg(feature = "burn")]
mod clusters;
#[cfg(feature = "burn")]
mod committee;
#[cfg(feature = "burn")]
mod core_set;
#[cfg(feature = "burn")]
mod embeddings;
#[cfg(feature = "burn")]
mod joint;
#[cfg(feature = "burn")]
mod probabilities;
#[cfg(feature = "burn")]
mod score;
#[cfg(feature = "burn")]
mod typi_clust;
#[cfg(feature = "burn")]
mod uncertainty;

pub use labelling::Labelling;
pub use stopping::{Criterion, RoundFacts, Stopping, cohens_kappa};

#[cfg(feature = "burn")]
pub use badge::{Badge, GradientEmbeddings};
#[cfg(feature = "burn")]
pub use bald::{Bald, Bald as MeanDivergence};
#[cfg(feature = "burn")]
pub use batch_bald::BatchBald;
#[cfg(feature = "burn")]
pub use committee::{MaxDivergence, VariationRatio, VoteEntropy};
#[cfg(feature = "burn")]
pub use core_set::CoreSet;
#[cfg(feature = "burn")]
pub use embeddings::Embeddings;
#[cfg(feature = "burn")]
pub use probabilities::ClassProbabilities;
#[cfg(feature = "burn")]
pub use score::{Acquisition, Score, highest};
#[cfg(feature = "burn")]
pub use typi_clust::{TypiClust, typicality};
#[cfg(feature = "burn")]
pub use uncertainty::{Entropy, Entropy as ConsensusEntropy, LeastConfident, Margin};
