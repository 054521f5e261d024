//! # Steps
//!
//! A language model that goes on with answers a step at a time.
//!
//! Source: Regimen's own.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::completion::{Completion, End};
use super::generate::{Batch, Decoding, Observer};
use super::rows::Row;
use super::sampling::{Beginning, Step, StepPolicy};
use super::traits::NextToken;
use crate::error::{Result, RlRewardsError};

/// Steps of a model that is a [`NextToken`], sampled in batches as [`generate`](super::generate) does.
///
/// A step is over where `stops` says so of the answer's tokens, such as after a newline, and where the answer ends or has all its tokens. What an
/// observer writes belongs to the step. Beginnings with the same text are read once.
///
/// The text is read anew for each step: a model of `L` layers reads a text of `k` steps `k / 2` times over in all.
///
/// ```
/// use burn::tensor::Device;
/// use regimen_rl_rewards::policy::{Decoding, NextToken, Steps};
/// use regimen_rl_rewards::search::{Budget, ParticleFilter, ProcessReward};
/// use regimen_rl_rewards::{Result, TokenSampler};
/// use regimen_schedules::Constant;
///
/// fn answer(model: &impl NextToken, reward: &impl ProcessReward, prompts: &[Vec<u32>]) -> Result<()> {
///     let sampler = TokenSampler::new(Constant::new(1.0).expect("a number"));
///     let decoding = Decoding::new(sampler, 0, 200)?;
///     let is_newline = |tokens: &[u32]| tokens.last() == Some(&10);
///     let policy = Steps::new(model, decoding, &is_newline, &Device::flex());
///     let filter = ParticleFilter::new(16, 20)?.with_entropic_annealing();
///     let found = filter.run(&policy, reward, prompts, Budget::tokens(4096)?, 7)?;
///     for best in found.iter().filter_map(|one| one.best.as_ref()) {
///         println!("{:?}: {}", best.completion.content(), best.score);
///     }
///     Ok(())
/// }
/// ```
pub struct Steps<'a, M> {
    model: &'a M,
    decoding: Decoding,
    stops: &'a dyn Fn(&[u32]) -> bool,
    observer: Option<&'a dyn Observer>,
    device: Device,
}

impl<'a, M: NextToken> Steps<'a, M> {
    /// Of a model on a device. The decoding's tokens are those of a whole answer.
    #[must_use]
    pub fn new(
        model: &'a M,
        decoding: Decoding,
        stops: &'a dyn Fn(&[u32]) -> bool,
        device: &Device,
    ) -> Self {
        Self {
            model,
            decoding,
            stops,
            observer: None,
            device: device.clone(),
        }
    }

    /// With an observer that may write into the answers.
    #[must_use]
    pub fn with_observer(self, observer: &'a dyn Observer) -> Self {
        let observer = Some(observer);
        Self { observer, ..self }
    }
}

impl<M: NextToken> StepPolicy for Steps<'_, M> {
    fn steps(&self, beginnings: &[Beginning<'_>]) -> Result<Vec<Step>> {
        let nothing = |_: &[u32], _: &[u32]| Vec::new();
        let prompts: Vec<Vec<u32>> = beginnings.iter().map(|one| one.prompt.to_vec()).collect();
        let keys: Vec<u64> = beginnings.iter().map(|one| one.seed).collect();
        let batch = Batch {
            model: self.model,
            prompts: &prompts,
            keys: &keys,
            decoding: &self.decoding,
            observer: self.observer.unwrap_or(&nothing),
            stops: Some(self.stops),
            seed: 0,
            device: &self.device,
        };
        let mut found: Vec<Option<Step>> = beginnings.iter().map(|_| None).collect();
        let mut lengths: BTreeMap<usize, BTreeMap<Vec<u32>, Vec<usize>>> = BTreeMap::new();
        for (place, one) in beginnings.iter().enumerate() {
            let length = one.so_far.len();
            let ended = one.so_far.end() == End::EndToken && length > 0;
            if ended || length >= self.decoding.max_tokens() {
                found[place] = Some(step(one.so_far.clone(), &self.decoding));
                continue;
            }
            let text = [one.prompt, one.so_far.tokens()].concat();
            let same = lengths.entry(text.len()).or_default();
            same.entry(text).or_default().push(place);
        }
        for texts in lengths.into_values() {
            let (mut some, mut groups, mut rows) = (Vec::new(), Vec::new(), 0);
            let mut complete = |some: &mut Vec<_>, groups: &mut Vec<_>| -> Result<()> {
                for row in batch.complete(&std::mem::take(some), std::mem::take(groups))? {
                    found[row.prompt] = Some(step(row.completion, &self.decoding));
                }
                Ok(())
            };
            for (text, places) in texts {
                rows += places.len();
                some.push(text);
                let row = |place: usize| {
                    let so_far = beginnings[place].so_far.clone();
                    Row::begun(place, 0, so_far.with_end(End::Truncated))
                };
                groups.push(places.into_iter().map(row).collect());
                if rows >= self.decoding.batch() {
                    complete(&mut some, &mut groups)?;
                    rows = 0;
                }
            }
            if rows > 0 {
                complete(&mut some, &mut groups)?;
            }
        }
        let missing = || RlRewardsError::Read("a step is missing".into());
        let found = found.into_iter();
        found.map(|one| one.ok_or_else(missing)).collect()
    }
}

fn step(completion: Completion, decoding: &Decoding) -> Step {
    let ended = completion.end() == End::EndToken && !completion.is_empty();
    let over = ended || completion.len() >= decoding.max_tokens();
    Step { completion, over }
}
