//! Pairs of fragments from a search tree, and what a preference loss is given.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::fragments::Fragment;
use super::values::overlap;
use crate::error::{Result, check};
use crate::policy::{Completion, End, Rollout, Rollouts};
use crate::search::Tree;

/// Which pairs are kept.
///
/// | field | default | kept where |
/// |---|---|---|
/// | `gap` | .1 | the values differ by at least this |
/// | `overlap` | .95 | the fragments' [`overlap`] is at most this |
/// | `least` | -.3 | the chosen one's value is at least this |
/// | `visits` | 0 | only children that were visited as often as this are compared |
///
/// The initial value of a child that was never visited is on another scale than the grades of those that were: with `visits` of 0, as in the
/// released code, most pairs are decided by it.
///
/// Values within rounding (1e-9) of a limit are kept. The gap is of values that compare: of means, not of sums.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PairFilter {
    gap: f64,
    overlap: f64,
    least: f64,
    #[serde(default)]
    visits: u64,
}
checked_serde!(PairFilter);

/// What rounding of sums of decimal fractions gives.
const ROUNDING: f64 = 1e-9;

impl Default for PairFilter {
    fn default() -> Self {
        Self {
            gap: 0.1,
            overlap: 0.95,
            least: -0.3,
            visits: 0,
        }
    }
}

impl PairFilter {
    /// With other limits.
    ///
    /// # Errors
    /// If the gap is below 0, the overlap is not within 0 and 1, or a number is not finite.
    pub fn new(gap: f64, overlap: f64, least: f64) -> Result<Self> {
        Self {
            gap,
            overlap,
            least,
            visits: 0,
        }
        .checked()
    }

    /// Compares only children that were visited as often as this.
    #[must_use]
    pub fn with_visits(self, visits: u64) -> Self {
        Self { visits, ..self }
    }

    /// Whether a pair with these values and this overlap is kept; one with a value that is NaN is not.
    #[must_use]
    pub fn keeps(&self, chosen: f64, rejected: f64, overlap: f64) -> bool {
        chosen - rejected >= self.gap - ROUNDING
            && overlap <= self.overlap + ROUNDING
            && chosen >= self.least - ROUNDING
    }
}

impl Checked for PairFilter {
    type Error = crate::RlRewardsError;

    fn check(&self) -> Result<()> {
        check("gap", self.gap, self.gap >= 0.0, "0 or more")?;
        check(
            "overlap",
            self.overlap,
            (0.0..=1.0).contains(&self.overlap),
            "0 to 1",
        )?;
        check("least", self.least, true, "finite")
    }
}

/// Two fragments after the same text, of which one is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FragmentPair {
    /// The tokens of the answer ahead of both.
    pub shared: Vec<u32>,
    /// The better one.
    pub chosen: Fragment,
    /// The worse one.
    pub rejected: Fragment,
    /// The values of the two.
    pub values: (f64, f64),
    /// How often each was visited: both never, and the initial values alone decided.
    pub visits: (u64, u64),
}

/// Of every node with two children or more that were visited enough, the child with the largest value against the one with the smallest, the first
/// of several, where the filter keeps them; nodes in their order.
///
/// # Errors
/// None: all places are the tree's own.
pub fn fragment_pairs(tree: &Tree<Fragment>, filter: &PairFilter) -> Result<Vec<FragmentPair>> {
    let mut pairs = Vec::new();
    for place in 0..tree.nodes().len() {
        let Some((best, worst)) = extremes(tree, place, filter.visits)? else {
            continue;
        };
        let (chosen, rejected) = (tree.node(best)?, tree.node(worst)?);
        let (Some(better), Some(worse)) = (chosen.action(), rejected.action()) else {
            continue;
        };
        let values = (tree.value(best)?, tree.value(worst)?);
        let alike = overlap(&better.tokens, &worse.tokens);
        if best == worst || better == worse || !filter.keeps(values.0, values.1, alike) {
            continue;
        }
        let path = tree.path(place)?;
        pairs.push(FragmentPair {
            shared: path.iter().flat_map(|one| &one.tokens).copied().collect(),
            chosen: better.clone(),
            rejected: worse.clone(),
            values,
            visits: (chosen.visits(), rejected.visits()),
        });
    }
    Ok(pairs)
}

/// Of a node's children that were visited as often as this, those of the largest and the smallest value, the first of several.
fn extremes(tree: &Tree<Fragment>, place: usize, visits: u64) -> Result<Option<(usize, usize)>> {
    let mut found: Option<[(usize, f64); 2]> = None;
    for child in tree.node(place)?.children() {
        if tree.node(*child)?.visits() < visits {
            continue;
        }
        let one = (*child, tree.value(*child)?);
        found = Some(match found {
            None => [one, one],
            Some([best, worst]) => [
                if one.1 > best.1 { one } else { best },
                if one.1 < worst.1 { one } else { worst },
            ],
        });
    }
    Ok(found.map(|[best, worst]| (best.0, worst.0)))
}

/// Where the text that a pair shares goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairForm {
    /// Into the prompt: the responses are the two fragments. An end token is there only where a fragment ends the answer: after one in the
    /// middle of a call it would teach the policy to break off.
    Fragment,
    /// Into both responses, as the released code has it, with this end token after fragments that do not end the answer. In a loss of sums the
    /// shared tokens cancel; in one of averages, such as SimPO, they dilute the margin.
    WholeTurn {
        /// The end token.
        end: u32,
    },
}

impl PairForm {
    /// The chosen and the rejected responses of pairs, each with the prompt of its problem.
    ///
    /// Every token of a response counts as sampled, with a log-probability of 0: score them by a
    /// [`ScorePolicy`](crate::policy::ScorePolicy).
    ///
    /// # Errors
    /// If a prompt with the shared text has no token, or a token is above 2^31 - 1.
    pub fn rollouts(self, pairs: &[(&Vec<u32>, &FragmentPair)]) -> Result<(Rollouts, Rollouts)> {
        let side = |of: fn(&FragmentPair) -> &Fragment| -> Result<Rollouts> {
            let (mut prompts, mut rollouts) = (Vec::new(), Vec::new());
            for (place, (prompt, pair)) in pairs.iter().enumerate() {
                let fragment = of(pair);
                let (context, response) = self.parts(prompt, &pair.shared, fragment);
                let ends = fragment.ends || self != Self::Fragment;
                let end = if ends { End::EndToken } else { End::Truncated };
                let mut completion = Completion::new(end);
                for token in response {
                    completion.sampled(token, 0.0)?;
                }
                prompts.push(context);
                rollouts.push(Rollout {
                    prompt: place,
                    completion,
                });
            }
            Rollouts::new(prompts, rollouts)
        };
        Ok((side(|pair| &pair.chosen)?, side(|pair| &pair.rejected)?))
    }

    fn parts(self, prompt: &[u32], shared: &[u32], fragment: &Fragment) -> (Vec<u32>, Vec<u32>) {
        match self {
            Self::Fragment => ([prompt, shared].concat(), fragment.tokens.clone()),
            Self::WholeTurn { end } => {
                let mut response = [shared, &fragment.tokens].concat();
                if !fragment.ends {
                    response.push(end);
                }
                (prompt.to_vec(), response)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::search::Backup;

    #[test]
    fn pairs_are_kept_as_the_paper_says() {
        let filter = PairFilter::default();
        for (chosen, rejected, alike, kept) in [
            (0.35, 0.30, 0.5, false),
            (0.35, 0.20, 0.96, false),
            (-0.31, -0.6, 0.5, false),
            (0.35, 0.20, 0.5, true),
            (0.35, 0.25, 0.5, true),
            (0.35, 0.20, 0.95, true),
            (-0.3, -0.6, 0.5, true),
            (f64::NAN, 0.0, 0.5, false),
        ] {
            assert_eq!(
                filter.keeps(chosen, rejected, alike),
                kept,
                "{chosen} {rejected} {alike}"
            );
        }
        assert!(PairFilter::new(-0.1, 0.95, -0.3).is_err());
    }

    fn fragment(tokens: &[u32], ends: bool) -> Fragment {
        Fragment {
            tokens: tokens.to_vec(),
            ends,
        }
    }

    /// `1 2` and then `3 0` or `4 0`, of which the second was visited with a low reward.
    fn tree() -> Tree<Fragment> {
        let mut tree = Tree::new(Backup::Mean).unwrap();
        let first = tree.add(0, fragment(&[1, 2], false), 0.9, 0.1).unwrap();
        tree.add(first, fragment(&[3, 0], true), 0.5, 0.1).unwrap();
        let wrong = tree.add(first, fragment(&[4, 0], true), 0.5, 0.1).unwrap();
        tree.back_up(wrong, -0.5).unwrap();
        tree
    }

    #[test]
    fn a_pair_is_of_siblings_after_their_shared_text() {
        let pairs = fragment_pairs(&tree(), &PairFilter::default()).unwrap();
        let [pair] = &pairs[..] else {
            panic!("{pairs:?}");
        };
        assert_eq!(pair.shared, [1, 2]);
        assert_eq!(
            (&pair.chosen.tokens, &pair.rejected.tokens),
            (&vec![3, 0], &vec![4, 0])
        );
        assert_eq!((pair.values, pair.visits), ((0.1, -0.2), (0, 1)));
    }

    #[test]
    fn children_that_were_not_visited_are_left_out() {
        let visited = PairFilter::default().with_visits(1);
        let mut tree = tree();
        assert!(fragment_pairs(&tree, &visited).unwrap().is_empty());
        let [right, wrong] = [2, 3];
        let other = tree.add(1, fragment(&[5, 0], true), 0.5, 0.6).unwrap();
        tree.back_up(right, 0.2).unwrap();
        let pairs = fragment_pairs(&tree, &visited).unwrap();
        let [pair] = &pairs[..] else {
            panic!("{pairs:?}");
        };
        assert_eq!(pair.chosen.tokens, [3, 0]);
        assert_eq!(pair.values.1, tree.value(wrong).unwrap());
        let all = fragment_pairs(&tree, &PairFilter::default()).unwrap();
        assert_eq!(all[0].values.0, tree.value(other).unwrap());
    }

    #[test]
    fn an_end_token_is_only_where_a_fragment_ends_the_answer() {
        let mut tree = Tree::new(Backup::Mean).unwrap();
        tree.add(0, fragment(&[1, 2], false), 0.9, 0.3).unwrap();
        tree.add(0, fragment(&[1, 0], true), 0.9, 0.0).unwrap();
        let pairs = fragment_pairs(&tree, &PairFilter::default()).unwrap();
        let prompt = vec![9];
        let of = |form: PairForm| form.rollouts(&[(&prompt, &pairs[0])]).unwrap();
        let (chosen, rejected) = of(PairForm::Fragment);
        let tokens = |of: &Rollouts| of.rollouts()[0].completion.tokens().to_vec();
        assert_eq!(
            (tokens(&chosen), tokens(&rejected)),
            (vec![1, 2], vec![1, 0])
        );
        assert_eq!(chosen.rollouts()[0].completion.end(), End::Truncated);
        let (chosen, rejected) = of(PairForm::WholeTurn { end: 0 });
        assert_eq!(
            (tokens(&chosen), tokens(&rejected)),
            (vec![1, 2, 0], vec![1, 0])
        );
    }

    #[test]
    fn shared_text_goes_into_the_prompt_or_into_both_responses() {
        let pairs = fragment_pairs(&tree(), &PairFilter::default()).unwrap();
        let prompt = vec![9];
        let of = |form: PairForm| form.rollouts(&[(&prompt, &pairs[0])]).unwrap();
        let (chosen, _) = of(PairForm::Fragment);
        assert_eq!(
            (chosen.prompts(), chosen.count_sampled()),
            (&[vec![9, 1, 2]][..], 2)
        );
        let (chosen, rejected) = of(PairForm::WholeTurn { end: 0 });
        assert_eq!(
            (chosen.prompts(), chosen.count_sampled()),
            (&[vec![9]][..], 4)
        );
        assert_eq!(rejected.rollouts()[0].completion.tokens(), [1, 2, 4, 0]);
    }
}
