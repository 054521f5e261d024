//! Search: more than one answer, or more than one way to go on with an answer, under one [`Budget`].
//!
//! | search | wants | spends |
//! |---|---|---|
//! | [`BestOfN`] | whole answers, a reward of whole ones | `n` answers |
//! | [`Pruned`] | steps, a reward of beginnings | `n` beginnings, and the rest of those that are kept |
//! | [`SelfConsistency`] | whole answers, what they come to; a reward for weights | `n` answers, fewer once the vote is sure |
//! | [`Sequential`] | whole answers that read those before them | one attempt after another |
//! | [`BeamSearch`] | steps, a reward of beginnings | beams x branches a step |
//! | [`ParticleFilter`] | steps, a reward of beginnings from 0 to 1 | particles a step |
//! | [`TreeSearch`] | steps, a reward of beginnings | branches an iteration |
//!
//! Whole answers come from a [`SamplePolicy`](crate::policy::SamplePolicy), steps from a [`StepPolicy`](crate::policy::StepPolicy): nothing here knows of
//! a model. Each search is told to a [`Watch`] as it goes, can be cut off after any round with the best so far, and is the same by the same seed,
//! however many prompts are searched together. [`EqualCompute`] says what answers that were drawn once give at each budget: many short ones with a
//! verifier against one long trace. A [`Tree`] serves searches of one's own, such as [`recipes::itool`](crate::recipes::itool).

mod beam;
mod best_of_n;
mod budget;
mod cloud;
mod compare;
mod compute;
mod drawn;
mod entropic;
mod found;
mod log_weights;
mod particles;
mod process_reward;
mod pruned;
mod question;
mod resample_when;
mod resampling;
mod rounds;
mod sample_temperature;
mod selection;
mod sequential;
mod swarm;
mod tree;
mod tree_search;
mod vote;

pub use beam::BeamSearch;
pub use best_of_n::BestOfN;
pub use budget::{Budget, Spent};
pub use compare::{Attempt, Comparison, EqualCompute, Point};
pub use compute::{Compute, Cost};
pub use entropic::{EntropicAnnealing, EntropicRule};
pub use found::{Answer, Found, Progress, Unwatched, Watch};
pub use log_weights::{effective_sample_size, log_odds, normalised_entropy, shares};
pub use particles::ParticleFilter;
pub use process_reward::{ProcessReward, StepScores};
pub use pruned::Pruned;
pub use question::{Question, win_or_tie};
pub use resample_when::{ResampleWhen, TemperatureRule};
pub use resampling::Resampling;
pub use sample_temperature::{SampleTemperature, TemperedPolicy};
pub use selection::{Candidate, Selection};
pub use sequential::{Joined, Sequential};
pub use tree::{Backup, Node, Tree};
pub use tree_search::TreeSearch;
pub use vote::{Reading, SelfConsistency, Votes};
