//! Preference pairs of fragments of tool calls, found by a tree search where the policy is weak: iTool.
//!
//! | step | piece |
//! |---|---|
//! | the prompts whose right answers surprise the policy most, class by class | [`perplexity`], [`hardest`] |
//! | a search over the fragments of its own answers | [`fragments`], [`ToolSearch`], [`initial_value`], [`Grades`] |
//! | the best child against the worst of each node | [`fragment_pairs`], [`PairFilter`] |
//! | what a preference loss is given | [`PairForm`] |
//!
//! Then the first step again, with the policy as it is now.
//!
//! ```
//! use regimen_rl_rewards::policy::{Completion, End, Rollout, Rollouts, SamplePolicy};
//! use regimen_rl_rewards::recipes::itool::{
//!     Grade, PairFilter, PairForm, ToolPrompt, ToolSearch, fragment_pairs,
//! };
//! use regimen_rl_rewards::{Result, RlRewardsError};
//!
//! /// `f a b .`, of which it has the last word wrong now and then.
//! struct Policy;
//! impl SamplePolicy for Policy {
//!     fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
//!         let mut rollouts = Vec::new();
//!         for (prompt, tokens) in prompts.iter().enumerate() {
//!             for sample in 0..samples {
//!                 let mut completion = Completion::new(End::EndToken);
//!                 let last = if (sample as u64 + seed).is_multiple_of(2) { 3 } else { 4 };
//!                 for token in [1, 2, last, 0].into_iter().skip(tokens.len() - 1) {
//!                     completion.sampled(token, -0.5)?;
//!                 }
//!                 rollouts.push(Rollout { prompt, completion });
//!             }
//!         }
//!         Rollouts::new(prompts.to_vec(), rollouts)
//!     }
//! }
//!
//! let prompt = ToolPrompt { prompt: vec![9], truth: vec![1, 2, 3, 0] };
//! let search = ToolSearch::default().with_group(1)?;
//! let found = search.run(
//!     &Policy,
//!     &[prompt.clone()],
//!     &[0],                     // what closes an answer
//!     &|piece| piece.len() == 1, // each token is a fragment
//!     &|truth, so_far, simulated| {
//!         let is_right = truth.truth[so_far.len()..].starts_with(simulated);
//!         Ok(if is_right { Grade::Excellent } else { Grade::Poor }.reward())
//!     },
//!     7,
//! )?;
//! let pairs = fragment_pairs(&found.trees[0], &PairFilter::default())?;
//! assert_eq!((pairs[0].shared.as_slice(), pairs[0].chosen.tokens.as_slice()), (&[1, 2][..], &[3, 0][..]));
//! let (chosen, rejected) = PairForm::Fragment.rollouts(&[(&prompt.prompt, &pairs[0])])?;
//! assert_eq!((chosen.prompts()[0].as_slice(), chosen.count_sampled()), (&[9, 1, 2][..], 2));
//! # let _ = rejected;
//! # Ok::<(), RlRewardsError>(())
//! ```

#[cfg(feature = "burn")]
mod explore;
mod fragments;
mod hard;
mod pairs;
mod values;

#[cfg(feature = "burn")]
pub use explore::{Grader, Searched, ToolPrompt, ToolSearch};
pub use fragments::{Fragment, fragments, text_fragments};
pub use hard::{hardest, perplexity};
pub use pairs::{FragmentPair, PairFilter, PairForm, fragment_pairs};
pub use values::{Grade, Grades, initial_value, overlap};
