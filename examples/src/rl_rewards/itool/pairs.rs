//! Pairs of fragments and of whole answers, what they are made of, and what is counted of them.

use anyhow::Result;
use rand::seq::SliceRandom;
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::recipes::itool::{
    Fragment, FragmentPair, Grade, PairFilter, PairForm, ToolPrompt, fragments, overlap,
};

use super::bench::{Stream, stream};
use crate::rl_rewards::bed::symbols::{BLANK, END};
use crate::rl_rewards::bed::tools::ends_piece;

/// Pieces of a fragment.
pub(super) const GROUP: usize = 2;

/// A pair, with the request that it answers.
pub(super) type Pair = (ToolPrompt, FragmentPair);

/// Answers to a request of the set.
pub(super) type Answers = (ToolPrompt, Vec<Completion>);

/// How many pairs there are, and of which kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    all: usize,
    /// The chosen fragment is the truth's.
    right: usize,
    /// The rejected fragment is the truth's.
    inverted: usize,
    /// One was never visited, so that its initial value decided.
    initial: usize,
}

impl Kinds {
    pub(super) fn of(pairs: &[Pair]) -> Self {
        let mut kinds = Self::default();
        for (prompt, pair) in pairs {
            kinds.add(&prompt.truth, pair);
        }
        kinds
    }

    pub(super) fn add(&mut self, truth: &[u32], pair: &FragmentPair) {
        let [chosen, rejected] =
            [&pair.chosen, &pair.rejected].map(|one| continues(truth, pair, one));
        self.all += 1;
        self.right += usize::from(chosen);
        self.inverted += usize::from(rejected);
        self.initial += usize::from(pair.visits.0.min(pair.visits.1) == 0);
    }

    /// Shares in percent: right, inverted, by initial values.
    pub(super) fn shares(&self) -> [f64; 3] {
        let all = self.all.max(1) as f64;
        [self.right, self.inverted, self.initial].map(|one| 100.0 * one as f64 / all)
    }
}

/// Whether a fragment goes on with the truth after a pair's shared text.
fn continues(truth: &[u32], pair: &FragmentPair, one: &Fragment) -> bool {
    let rest = truth.strip_prefix(pair.shared.as_slice());
    rest.is_some_and(|rest| rest.starts_with(&one.tokens))
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
pub(super) fn grade(
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
            ranked.push((rank, (prompt.clone(), pair)));
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
                found.push((prompt.clone(), pair));
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

/// Adds the end token to fragments that do not end an answer: the fault.
pub(super) fn end_all(pairs: &mut [Pair]) {
    for (_, pair) in pairs {
        for fragment in [&mut pair.chosen, &mut pair.rejected] {
            if !fragment.ends {
                fragment.tokens.push(END);
            }
        }
    }
}

/// Fragments that are learned with an end token, though they do not end an answer.
pub(super) fn broken_off(pairs: &[Pair]) -> Result<usize> {
    let named: Vec<_> = pairs
        .iter()
        .map(|(one, pair)| (&one.prompt, pair))
        .collect();
    let (chosen, rejected) = PairForm::Fragment.rollouts(&named)?;
    let fragments = pairs.iter().map(|(_, pair)| &pair.chosen);
    let fragments = fragments.chain(pairs.iter().map(|(_, pair)| &pair.rejected));
    let learned = chosen.rollouts().iter().chain(rejected.rollouts());
    let learned = learned.map(|one| one.completion.tokens().last() == Some(&END));
    let both = fragments.zip(learned);
    Ok(both.filter(|(one, is_end)| *is_end && !one.ends).count())
}

/// How much more the chosen fragments of pairs have of the truth in its place than the rejected ones, in percent of their tokens.
pub(super) fn lead(pairs: &[Pair]) -> f64 {
    let leads = pairs.iter().map(|(one, pair)| {
        let of = |part: &Fragment| alike(&one.truth, pair.shared.len(), &part.tokens);
        of(&pair.chosen) - of(&pair.rejected)
    });
    100.0 * leads.sum::<f64>() / pairs.len() as f64
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
