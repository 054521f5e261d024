//! What the arms learn from: hard requests, a tree search over the policy's answers to them, and what other arms make of as many sampled tokens.

use anyhow::Result;
use burn::module::Module;
use rand::seq::SliceRandom;
use regimen_rl_rewards::policy::{Completion, End, SamplePolicy, ScorePolicy, Sequences};
use regimen_rl_rewards::recipes::itool::{
    Fragment, FragmentPair, Grade, PairFilter, ToolPrompt, ToolSearch, fragment_pairs, fragments,
    hardest, overlap, perplexity,
};

use super::bench::{Bench, Stream, demonstrated, stream};
use crate::experiment::Context;
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::sampler::Sampler;
use crate::rl_rewards::bed::symbols::{BLANK, END};
use crate::rl_rewards::bed::tools::{CLOSE, Request, Tools, ends_piece};
use crate::rl_rewards::bed::warm_up::pairs;

/// The temperature at which the search, and the arms without one, sample.
const TEMPERATURE: f64 = 1.5;
/// The share of each class that counts as hard.
const HARDEST: f64 = 0.3;
/// Pieces of a fragment.
const GROUP: usize = 2;

/// Prompts in the search of an iteration, and pairs of it at most.
pub(super) fn sizes(context: &Context) -> (usize, usize) {
    match context {
        Context { full: true, .. } => (1000, 4000),
        Context { small: true, .. } => (100, 250),
        _ => (200, 500),
    }
}

/// A pair, with the prompt ahead of the text that its fragments share.
pub(super) type Pair = (Vec<u32>, FragmentPair);

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
}

/// Answers to a request of the set.
pub(super) type Answers = (ToolPrompt, Vec<Completion>);

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
                let pairs = fragment_pairs(tree, &PairFilter::default())?;
                let pairs = pairs.into_iter().map(|pair| (prompt.prompt.clone(), pair));
                found.pairs.extend(pairs);
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

/// A simulated text beside the fragment of the truth in its place: what they have in common, token by token.
fn alike(truth: &[u32], from: usize, tokens: &[u32]) -> f64 {
    let own: Vec<(usize, u32)> = tokens.iter().copied().enumerate().collect();
    let truth = truth
        .iter()
        .copied()
        .skip(from)
        .chain(std::iter::repeat(BLANK));
    let truth: Vec<(usize, u32)> = truth.take(tokens.len()).enumerate().collect();
    overlap(&own, &truth)
}

/// The grade of a simulated text by what it has in common with the truth.
fn grade(
    prompt: &ToolPrompt,
    so_far: &[u32],
    simulated: &[u32],
) -> regimen_rl_rewards::Result<f64> {
    let share = alike(&prompt.truth, so_far.len(), simulated);
    let grade = if share >= 1.0 {
        Grade::Excellent
    } else if share >= 0.75 {
        Grade::Acceptable
    } else if share >= 0.5 {
        Grade::Fair
    } else {
        Grade::Poor
    };
    Ok(grade.reward())
}

fn fragment(tokens: &[u32], ends: bool) -> Fragment {
    Fragment {
        tokens: tokens.to_vec(),
        ends,
    }
}

/// The best answers of each prompt against the worst, the best against the worst of all prompts first: at most so many.
pub(super) fn whole(answers: &[Answers], most: usize) -> Vec<Pair> {
    let filter = PairFilter::default();
    let mut ranked: Vec<(usize, Pair)> = Vec::new();
    for (prompt, all) in answers {
        let mut all: Vec<(f64, &Completion)> = all
            .iter()
            .map(|one| (alike(&prompt.truth, 0, one.tokens()), one))
            .collect();
        all.sort_by(|a, b| {
            let by_value = b.0.total_cmp(&a.0);
            by_value.then_with(|| a.1.tokens().cmp(b.1.tokens()))
        });
        all.dedup_by(|a, b| a.1.tokens() == b.1.tokens());
        for rank in 0..all.len() / 2 {
            let [(best, chosen), (worst, rejected)] = [all[rank], all[all.len() - 1 - rank]];
            if !filter.keeps(best, worst, 0.0) {
                break;
            }
            let part = |one: &Completion| fragment(one.tokens(), one.end() == End::EndToken);
            let pair = FragmentPair {
                shared: Vec::new(),
                chosen: part(chosen),
                rejected: part(rejected),
                values: (best, worst),
                visits: (1, 1),
            };
            ranked.push((rank, (prompt.prompt.clone(), pair)));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let pairs = ranked.into_iter().map(|(_, pair)| pair);
    pairs.take(most).collect()
}

/// The fragment of the truth against the policy's own wrong one at the first place where an answer has another, each once: at most so many, drawn by
/// the seed.
pub(super) fn divergences(answers: &[Answers], most: usize, seed: u64) -> Result<Vec<Pair>> {
    let mut found: Vec<Pair> = Vec::new();
    for (prompt, all) in answers {
        let first = found.len();
        for one in all {
            let Some(pair) = divergence(prompt, one)? else {
                continue;
            };
            if !found[first..].iter().any(|(_, other)| *other == pair) {
                found.push((prompt.prompt.clone(), pair));
            }
        }
    }
    found.shuffle(&mut stream(seed, Stream::Picked));
    found.truncate(most);
    Ok(found)
}

/// Where an answer leaves the truth; none where it is the truth.
fn divergence(prompt: &ToolPrompt, answer: &Completion) -> Result<Option<FragmentPair>> {
    let (truth, tokens) = (&prompt.truth, answer.tokens());
    let mut from = 0;
    for own in fragments(tokens, GROUP, ends_piece)? {
        let right = fragments(&truth[from..], GROUP, ends_piece)?;
        let right = right.first().copied().unwrap_or_default();
        if own != right {
            let ends = |length| from + length == truth.len();
            let is_over = answer.end() == End::EndToken && from + own.len() == tokens.len();
            return Ok(Some(FragmentPair {
                shared: truth[..from].to_vec(),
                chosen: fragment(right, ends(right.len())),
                rejected: fragment(own, is_over),
                values: (1.0, 0.0),
                visits: (1, 1),
            }));
        }
        from += own.len();
        if from >= truth.len() {
            break;
        }
    }
    Ok(None)
}

/// The share of requests without a call, of those at these places.
pub(super) fn without_call(bench: &Bench, places: &[usize]) -> f64 {
    let none = places
        .iter()
        .filter(|place| bench.set[**place].calls().is_empty());
    none.count() as f64 / places.len().max(1) as f64
}

/// Adds the end token to both fragments of every pair: the fault.
pub(super) fn end_all(pairs: &mut [Pair]) {
    for fragment in pairs
        .iter_mut()
        .flat_map(|(_, pair)| [&mut pair.chosen, &mut pair.rejected])
    {
        if !fragment.ends {
            fragment.tokens.push(END);
            fragment.ends = true;
        }
    }
}

/// Takes the chosen fragment for the rejected one: the fault.
pub(super) fn swap(pairs: &mut [Pair]) {
    for (_, pair) in pairs {
        std::mem::swap(&mut pair.chosen, &mut pair.rejected);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rl_rewards::bed::chain::demonstration;
    use crate::rl_rewards::bed::symbols::EQUALS;

    fn prompt() -> ToolPrompt {
        ToolPrompt {
            prompt: vec![9],
            truth: vec![1, EQUALS, 2, EQUALS, 3, EQUALS, END],
        }
    }

    #[test]
    fn texts_are_graded_by_what_they_share_with_the_truth_in_their_place() {
        let of = |so_far: &[u32], text: &[u32]| grade(&prompt(), so_far, text).unwrap();
        assert_eq!(of(&[1, EQUALS], &[2, EQUALS, 3]), 0.25);
        assert_eq!(of(&[5, EQUALS], &[2, EQUALS, 3, 4]), 0.025);
        // The same tokens in another order.
        assert_eq!(of(&[], &[EQUALS, 1]), -0.5);
        // Beyond the truth.
        assert_eq!(of(&[1, EQUALS, 2, EQUALS, 3, EQUALS], &[END, END]), -0.25);
    }

    #[test]
    fn an_answer_is_cut_where_it_leaves_the_truth() {
        let of = |tokens: &[u32]| divergence(&prompt(), &demonstration(tokens.to_vec())).unwrap();
        let pair = of(&[1, EQUALS, 2, EQUALS, 4, EQUALS, END]).unwrap();
        assert_eq!(pair.shared, [1, EQUALS, 2, EQUALS]);
        assert_eq!(pair.chosen, fragment(&[3, EQUALS, END], true));
        assert_eq!(pair.rejected, fragment(&[4, EQUALS, END], true));
        assert_eq!(of(&prompt().truth), None);
        let short = of(&[1, EQUALS, 2, EQUALS, END]).unwrap();
        assert_eq!(short.rejected, fragment(&[END], true));
    }

    #[test]
    fn the_best_answer_is_set_against_the_worst() {
        let answers = [
            &[1, EQUALS, 2, EQUALS, 3, EQUALS, END][..],
            &[5, 5, 5, END],
            &[5, 5, 5, END],
            &[1, EQUALS, 2, EQUALS, 4, EQUALS, END],
        ];
        let answers = answers.map(|tokens| demonstration(tokens.to_vec()));
        let all = [(prompt(), answers.to_vec())];
        let pairs = whole(&all, 5);
        let [(_, pair)] = &pairs[..] else {
            panic!("{pairs:?}");
        };
        assert_eq!(pair.values, (1.0, 0.0));
        assert_eq!(pair.rejected, fragment(&[5, 5, 5, END], true));
        assert!(whole(&all, 0).is_empty());
    }
}
