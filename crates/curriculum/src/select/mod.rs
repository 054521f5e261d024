//! Which examples an epoch trains on: by their losses, by fixed scores or domains, or at random to compare with.
//!
//! On a file of yours, with a line `text,label,domain,difficulty` for each example; a line's number is its id:
//!
//! ```
//! use regimen_curriculum::select::{EasyFirst, MixtureConfig, Pacing, Prioritised, SelfPaced, Weighted, mixture_weights};
//! use regimen_curriculum::{InfoBatchConfig, Sampler, SetaConfig, Uniform};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("train.csv");
//! # std::fs::write(&path, "good film,1,reviews,0.1\nbad film,0,reviews,0.2\nit rains,0,news,0.9\nso so,0,reviews,0.7\n")?;
//! let text = std::fs::read_to_string(&path)?;
//! let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
//! let (examples, epochs) = (rows.len(), 20);
//! // By the model's own losses, which the training's feedback tells:
//! let seta = SetaConfig::new(epochs).with_groups(5).with_window_scale(0.6).init(examples)?;
//! let infobatch = InfoBatchConfig::new(epochs).init(examples)?;
//! let self_paced = SelfPaced::new(examples, Pacing::Linear { start: 0.3, epochs }, 0)?;
//! let prioritised = Prioritised::new(examples, 0.5, 1.0, 0)?;
//! // By a column of scores:
//! let difficulties = rows.iter().map(|row| row[3].parse()).collect::<Result<Vec<f64>, _>>()?;
//! let easy_first = EasyFirst::new(&difficulties, Pacing::Root { start: 0.2, epochs }, 0)?;
//! let weighted = Weighted::new(&difficulties, 0.5, 0)?;
//! // By a column of names, as much of each:
//! let mut names: Vec<&str> = rows.iter().map(|row| row[2]).collect();
//! let of = names.clone();
//! names.sort_unstable();
//! names.dedup();
//! let domains: Vec<usize> = of.iter().filter_map(|name| names.binary_search(name).ok()).collect();
//! let mut sizes = vec![0; names.len()];
//! domains.iter().for_each(|domain| sizes[*domain] += 1);
//! let balanced = MixtureConfig::new(mixture_weights(&sizes, 0.0)?).with_length(examples / 2).init(&domains)?;
//! // Each of them goes to `CurriculumLoader::new(sampler, data, batcher, 32, &device)`.
//! # fn plan(mut sampler: impl Sampler, examples: usize) { assert!((1..=examples).contains(&sampler.plan().ids.len())); }
//! # plan(seta, examples); plan(infobatch, examples); plan(self_paced, examples); plan(prioritised, examples);
//! # plan(easy_first, examples); plan(weighted, examples); plan(balanced, examples); plan(Uniform::new(examples, 0)?, examples);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chosen;
mod deck;
pub(crate) mod draw;
#[cfg(feature = "burn")]
pub mod early_scores;
pub mod forgetting;
pub mod infobatch;
pub mod kmeans;
pub mod mixture;
pub mod pacing;
pub(crate) mod part;
pub mod prioritised;
pub mod random;
pub mod replay_mix;
mod replay_mix_config;
#[cfg(feature = "burn")]
mod replay_mix_loader;
pub(crate) mod scores;
pub mod seta;
pub mod weighted;

pub use chosen::Chosen;
#[cfg(feature = "burn")]
pub use early_scores::{el2n, grand};
pub use forgetting::Forgetting;
pub use infobatch::{InfoBatch, InfoBatchConfig};
pub use mixture::{Mixture, MixtureConfig, mixture_weights};
pub use pacing::{EasyFirst, Pacing, SelfPaced};
pub use prioritised::Prioritised;
pub use random::{DynamicRandom, StaticSubset, Uniform};
pub use replay_mix::ReplayMix;
pub use replay_mix_config::{ReplayDraw, ReplayMixConfig};
pub use seta::{Seta, SetaConfig};
pub use weighted::Weighted;
