//! What the arms learn from: hard requests, a tree search over the policy's answers to them, and what other arms make of as many sampled tokens.

use anyhow::Result;
use burn::module::Module;
use rand::seq::SliceRandom;
use regimen_rl_rewards::policy::{SamplePolicy, ScorePolicy, Sequences};
use regimen_rl_rewards::recipes::itool::{
    PairFilter, ToolPrompt, ToolSearch, fragment_pairs, hardest, perplexity,
};

use super::bench::{Bench, Stream, demonstrated, stream};
use super::pairs::{Answers, GROUP, Kinds, Pair, divergences, grade};
use crate::experiment::Context;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::sampler::Sampler;
use crate::rl_rewards::bed::symbols::{BLANK, END};
use crate::rl_rewards::bed::tools::{CLOSE, Request, Tools, ends_piece};
use crate::rl_rewards::bed::warm_up::pairs;

/// The temperature at which the search, and the arms without one, sample: that of the tuning seeds, where the released code has 1.5.
const TEMPERATURE: f64 = 0.7;
/// The share of each class that counts as hard.
const HARDEST: f64 = 0.3;

/// Prompts in the search of an iteration, and pairs of it at most.
pub(super) fn sizes(context: &Context) -> (usize, usize) {
    match context {
        Context { full: true, .. } => (1000, 4000),
        Context { small: true, .. } => (60, 150),
        _ => (200, 500),
    }
}

/// What a search gave.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) pairs: Vec<Pair>,
    /// Tokens that were sampled, of all nodes.
    pub(super) sampled: usize,
    /// Texts that were graded.
    pub(super) graded: usize,
    /// Prompts that were searched.
    pub(super) prompts: usize,
    /// The pairs of the same trees by the released rule.
    pub(super) released: Kinds,
}

/// The policy of an iteration, with what it learns from.
pub(super) struct Gather<'a> {
    pub(super) context: &'a Context,
    pub(super) bench: &'a Bench,
    pub(super) policy: &'a Policy,
    /// Of all that is drawn in the iteration.
    pub(super) seed: u64,
}

impl Gather<'_> {
    /// Places of hard requests of the set, in an order drawn anew: of each class, those with a call and those without, the share whose
    /// right answers surprise the policy most.
    pub(super) fn hard(&self) -> Result<Vec<usize>> {
        let bench = self.bench;
        let device = self.context.device.clone().inner();
        let mut all = Vec::new();
        for some in bench.set.chunks(500) {
            let some = some
                .iter()
                .map(|one| demonstrated(&bench.task, one))
                .collect();
            let sequences = Sequences::new(&pairs(some)?, BLANK, &device)?;
            let log_probs = self.policy.valid().log_probs(&sequences)?;
            let width = log_probs.dims()[1];
            let mask: Vec<f32> = sequences.mask().try_into_vec_as()?;
            let values: Vec<f32> = log_probs.try_into_vec_as()?;
            for (values, mask) in values.chunks(width).zip(mask.chunks(width)) {
                let own = values.iter().zip(mask).filter(|(_, is)| **is > 0.0);
                let own: Vec<f32> = own.map(|(value, _)| *value).collect();
                all.push(perplexity(&own)?);
            }
        }
        let one = self.context.is_broken_by("one-ranking");
        let classes = bench.set.iter().map(|one| one.calls().is_empty());
        let classes: Vec<bool> = classes.map(|none| none && !one).collect();
        let mut places = hardest(&all, &classes, HARDEST)?;
        places.shuffle(&mut stream(self.seed, Stream::Picked));
        Ok(places)
    }

    /// Places of all requests of the set, in an order drawn anew.
    pub(super) fn any(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.bench.set.len()).collect();
        places.shuffle(&mut stream(self.seed, Stream::Picked));
        places
    }

    /// The requests at these places, with their right answers.
    pub(super) fn prompts(&self, places: &[usize]) -> Vec<ToolPrompt> {
        let requests = places.iter().map(|place| &self.bench.set[*place]);
        requests.map(|one| prompt(self.bench, one)).collect()
    }

    /// Pairs on fresh requests for two calls: the fragment of the truth against the policy's own wrong one.
    pub(super) fn fresh(&self) -> Result<Vec<Pair>> {
        let requests = self.bench.tested.iter().take(200);
        let prompts: Vec<_> = requests.map(|one| prompt(self.bench, one)).collect();
        let tokens = 50 * prompts.len();
        let (answers, _) = self.answers(prompts, tokens)?;
        divergences(&answers, 200, self.seed)
    }

    fn sampler<'a>(
        &'a self,
        policy: &'a Policy,
        device: &'a burn::tensor::Device,
    ) -> Sampler<'a, Policy, Tools> {
        Sampler {
            policy,
            task: &self.bench.task,
            temperature: TEMPERATURE,
            device,
        }
    }

    /// Searches the prompts at these places, the first ones, or as many as it takes to sample so many tokens.
    pub(super) fn search(&self, places: &[usize], tokens: Option<usize>) -> Result<Found> {
        let (count, most) = sizes(self.context);
        let (policy, device) = (self.policy.valid(), self.context.device.clone().inner());
        let sampler = self.sampler(&policy, &device);
        let search = ToolSearch::default().with_group(GROUP)?;
        // The released rule compares the initial values of children that were never visited with the grades of others.
        let released = PairFilter::default();
        let filter = released.with_visits(1);
        let mut found = Found::default();
        let mut left = places;
        while !left.is_empty() {
            // Half of the prompts, and from then on as many as the tokens that are left will take.
            let next = match tokens {
                None => count.saturating_sub(found.prompts),
                Some(_) if found.prompts == 0 => count / 2,
                Some(tokens) => {
                    let each = found.sampled as f64 / found.prompts as f64;
                    let more = tokens.saturating_sub(found.sampled) as f64 / each;
                    more.round() as usize
                }
            };
            if next == 0 {
                break;
            }
            let (now, later) = left.split_at(next.min(left.len()));
            left = later;
            let prompts = self.prompts(now);
            let round = self.seed.wrapping_add((found.prompts as u64) << 32);
            let searched = search.run(
                &sampler,
                &prompts,
                &[CLOSE, END],
                &ends_piece,
                &grade,
                round,
            )?;
            found.sampled += searched.sampled;
            found.graded += searched.graded;
            found.prompts += now.len();
            for (prompt, tree) in prompts.iter().zip(&searched.trees) {
                let pairs = fragment_pairs(tree, &filter)?;
                found
                    .pairs
                    .extend(pairs.into_iter().map(|pair| (prompt.clone(), pair)));
                for pair in fragment_pairs(tree, &released)? {
                    found.released.add(&prompt.truth, &pair);
                }
            }
        }
        found.pairs.shuffle(&mut stream(self.seed, Stream::Picked));
        found.pairs.truncate(most);
        Ok(found)
    }

    /// Whole answers to prompts, as many of each as it takes to sample so many tokens, and how many they are.
    pub(super) fn answers(
        &self,
        prompts: Vec<ToolPrompt>,
        tokens: usize,
    ) -> Result<(Vec<Answers>, usize)> {
        let (policy, device) = (self.policy.valid(), self.context.device.clone().inner());
        let sampler = self.sampler(&policy, &device);
        let mut found: Vec<Answers> = prompts.into_iter().map(|one| (one, vec![])).collect();
        let (mut sampled, mut count, mut round) = (0, 0, 0);
        while sampled < tokens {
            let next = if count == 0 {
                found.len()
            } else {
                let more = (tokens - sampled) * count / sampled.max(1);
                more.min(found.len())
            };
            if next == 0 {
                break;
            }
            let some: Vec<Vec<u32>> = found[..next]
                .iter()
                .map(|one| one.0.prompt.clone())
                .collect();
            let seed = self.seed.wrapping_mul(1 << 20).wrapping_add(round);
            round += 1;
            let rollouts = sampler.sample(&some, 1, seed)?;
            sampled += rollouts.count_sampled();
            count += rollouts.len();
            for one in rollouts.rollouts() {
                found[one.prompt].1.push(one.completion.clone());
            }
        }
        Ok((found, sampled))
    }
}

/// A request with its right answer.
fn prompt(bench: &Bench, request: &Request) -> ToolPrompt {
    ToolPrompt {
        prompt: bench.task.prompt(request),
        truth: bench.task.truth(request),
    }
}

/// Requests without a call at these places, beyond the share of all such requests that counts as hard.
pub(super) fn beyond_share(bench: &Bench, places: &[usize]) -> f64 {
    let is_none = |place: &&usize| bench.set[**place].calls().is_empty();
    let all: Vec<usize> = (0..bench.set.len()).collect();
    let [all, found] = [&all[..], places].map(|places| places.iter().filter(is_none).count());
    found as f64 - (HARDEST * all as f64 + 1e-9).floor()
}
