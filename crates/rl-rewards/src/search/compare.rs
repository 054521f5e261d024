//! # EqualCompute
//!
//! Success at one budget of two ways to spend it: one long trace, or many short answers of which a verifier takes the right one.
//!
//! Source: "To Backtrack or Not to Backtrack: When Sequential Search Limits Model Reasoning", arXiv 2504.07052.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::compute::Cost;
use crate::error::{Result, RlRewardsError, check};
use crate::policy::pass_at_k;

/// Budgets of a comparison at most.
const MOST: usize = 1 << 16;

/// Orders of a prompt's answers that are averaged over at most.
const ORDERS: usize = 256;

/// A whole answer, or a whole trace, with what a verifier says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// Tokens that the policy sampled for it, the end token included.
    pub tokens: u64,
    /// Whether its final answer is right.
    pub is_right: bool,
}

/// A point of a curve: what a budget gives on average over the prompts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The budget of a prompt, in the unit of the comparison's cost.
    pub budget: f64,
    /// The share of prompts that are solved.
    pub success: f64,
    /// What was spent on a prompt.
    pub spent: f64,
    /// The share of prompts that are not solved though the budget is not used up: the answers or the trace were over. Where it is large for parallel
    /// answers, more of them have to be drawn.
    pub exhausted: f64,
}

/// The curves of both ways, at the same budgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Short answers with a verifier.
    pub parallel: Vec<Point>,
    /// One trace without one.
    pub sequential: Vec<Point>,
}

impl Comparison {
    /// Success of the sequential way minus that of the parallel way, at each budget.
    #[must_use]
    pub fn gaps(&self) -> Vec<f64> {
        let pairs = self.sequential.iter().zip(&self.parallel);
        pairs
            .map(|(one, other)| one.success - other.success)
            .collect()
    }

    /// The smallest budget from which on the sequential way is ahead at all larger ones; none if it is not ahead at the largest.
    #[must_use]
    pub fn sequential_from(&self) -> Option<f64> {
        let gaps = self.gaps();
        let ahead = gaps.iter().rev().take_while(|gap| **gap > 0.0).count();
        let first = gaps.len() - ahead;
        self.sequential.get(first).map(|point| point.budget)
    }
}

/// Compares answers that were drawn once, at any number of budgets.
///
/// | way | of a prompt | at budget B it is solved if |
/// |---|---|---|
/// | [`parallel`](Self::parallel) | answers that were drawn independently | one of those that fit into B, one after another, is right; mean over the orders that begin at each answer |
/// | [`sequential`](Self::sequential) | traces that were drawn independently | a trace has ended right within B; mean over the traces |
/// | [`split`](Self::split) | the same | one of k traces has ended right within B / k each; mean over all choices of k |
///
/// The first and the last take the right answer by a verifier, the sequential way needs none: it has one answer. Budgets are tokens or FLOPs with the
/// attention term ([`Cost`]); a prompt, which is read once, is not counted.
///
/// ```
/// use regimen_rl_rewards::search::{Attempt, Compute, Cost, EqualCompute};
///
/// let attempt = |tokens, is_right| Attempt { tokens, is_right };
/// // Two prompts: four short answers to each, and one trace.
/// let answers = [
///     vec![attempt(10, false), attempt(10, true), attempt(10, false), attempt(10, false)],
///     vec![attempt(10, false); 4],
/// ];
/// let traces = [vec![attempt(35, true)], vec![attempt(15, true)]];
///
/// let compared = EqualCompute::of_answers(Cost::Tokens, 10, &[1.0, 2.0, 4.0])?.compare(&answers, &traces)?;
/// let success = |points: &[regimen_rl_rewards::search::Point]| points.iter().map(|point| point.success).collect::<Vec<_>>();
/// assert_eq!(success(&compared.parallel), [0.125, 0.25, 0.5]);
/// assert_eq!(success(&compared.sequential), [0.0, 0.5, 1.0]);
/// assert_eq!(compared.sequential_from(), Some(20.0));
///
/// // The same in FLOPs of a decoder: long traces cost more than as many tokens of short answers.
/// let cost = Cost::Flops(Compute::new(2, 64, 64, 128)?);
/// let compared = EqualCompute::of_answers(cost, 10, &[1.0, 2.0, 4.0])?.compare(&answers, &traces)?;
/// println!("{}", serde_json::to_string(&compared).unwrap_or_default());
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct EqualCompute {
    cost: Cost,
    budgets: Vec<f64>,
}
checked_serde!(EqualCompute);

impl EqualCompute {
    /// At these budgets of a prompt.
    ///
    /// # Errors
    /// If there is none or more than 2^16, or one is not finite, not above 0, or not above the one before it.
    pub fn new(cost: Cost, budgets: Vec<f64>) -> Result<Self> {
        Self { cost, budgets }.checked()
    }

    /// At so many times the cost of an answer of so many tokens.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn of_answers(cost: Cost, tokens: u64, times: &[f64]) -> Result<Self> {
        let one = cost.of(tokens);
        Self::new(cost, times.iter().map(|times| times * one).collect())
    }

    /// The budgets.
    #[must_use]
    pub fn budgets(&self) -> &[f64] {
        &self.budgets
    }

    /// Independent answers to each prompt, and a verifier.
    ///
    /// # Errors
    /// If there is no prompt, or one without an answer.
    pub fn parallel(&self, prompts: &[Vec<Attempt>]) -> Result<Vec<Point>> {
        check_each("answers", prompts, 1)?;
        let mut points = self.nothing();
        for answers in prompts {
            let count = answers.len();
            let costs: Vec<f64> = answers.iter().map(|one| self.cost.of(one.tokens)).collect();
            let total: f64 = costs.iter().sum();
            let orders = count.min(ORDERS);
            let share = 1.0 / (orders * prompts.len()) as f64;
            for order in 0..orders {
                let first = order * count / orders;
                let mut in_order = (first..count).chain(0..first).peekable();
                let (mut spent, mut solved) = (0.0, false);
                for point in &mut points {
                    while let Some(place) =
                        in_order.next_if(|place| spent + costs[*place] <= point.budget)
                    {
                        spent += costs[place];
                        solved |= answers[place].is_right;
                    }
                    let one_more = total + total / count as f64;
                    point.add(share, solved, spent, one_more <= point.budget);
                }
            }
        }
        Ok(points)
    }

    /// One trace, whose final answer is the answer; of several traces of a prompt the mean.
    ///
    /// # Errors
    /// If there is no prompt, or one without a trace.
    pub fn sequential(&self, prompts: &[Vec<Attempt>]) -> Result<Vec<Point>> {
        self.split(1, prompts)
    }

    /// So many traces side by side, each with its part of the budget, and a verifier.
    ///
    /// # Errors
    /// If there are no parts, no prompt, or one with fewer traces than parts.
    pub fn split(&self, parts: usize, prompts: &[Vec<Attempt>]) -> Result<Vec<Point>> {
        check("parts", parts as f64, parts > 0, "1 or more")?;
        check_each("traces", prompts, parts)?;
        let mut points = self.nothing();
        for traces in prompts {
            let count = traces.len();
            let share = 1.0 / prompts.len() as f64;
            for point in &mut points {
                let most = point.budget / parts as f64;
                let within = |one: &&Attempt| self.cost.of(one.tokens) <= most;
                let ended: Vec<&Attempt> = traces.iter().filter(within).collect();
                let right = ended.iter().filter(|one| one.is_right).count();
                let cost = |one: &Attempt| self.cost.of(one.tokens).min(most);
                let spent = traces.iter().map(cost).sum::<f64>() / count as f64;
                point.success += share * pass_at_k(count, right, parts)?;
                point.spent += share * spent * parts as f64;
                // All of the parts have ended, and none is right.
                let wrong = ended.len() - right;
                let over = 1.0 - pass_at_k(count, count - wrong, parts)?;
                point.exhausted += share * over;
            }
        }
        Ok(points)
    }

    /// Both ways on the same prompts.
    ///
    /// # Errors
    /// As for [`parallel`](Self::parallel) and [`sequential`](Self::sequential), and if they are not of as many prompts.
    pub fn compare(&self, answers: &[Vec<Attempt>], traces: &[Vec<Attempt>]) -> Result<Comparison> {
        if answers.len() != traces.len() {
            return Err(RlRewardsError::OutOfRange {
                field: "traces",
                value: format!("{} prompts", traces.len()),
                allowed: "those of as many prompts as there are answers to",
            });
        }
        Ok(Comparison {
            parallel: self.parallel(answers)?,
            sequential: self.sequential(traces)?,
        })
    }

    fn nothing(&self) -> Vec<Point> {
        let point = |budget: &f64| Point {
            budget: *budget,
            success: 0.0,
            spent: 0.0,
            exhausted: 0.0,
        };
        self.budgets.iter().map(point).collect()
    }
}

impl Point {
    fn add(&mut self, share: f64, solved: bool, spent: f64, over: bool) {
        self.success += if solved { share } else { 0.0 };
        self.spent += share * spent;
        self.exhausted += if over && !solved { share } else { 0.0 };
    }
}

fn check_each(field: &'static str, prompts: &[Vec<Attempt>], least: usize) -> Result<()> {
    let fewest = prompts.iter().map(Vec::len).min();
    let allowed = "a prompt or more, with as many attempts as are needed at once";
    match fewest {
        Some(fewest) => check(field, fewest as f64, fewest >= least, allowed),
        None => check(field, 0.0, false, allowed),
    }
}

impl Checked for EqualCompute {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        self.cost.check()?;
        let count = self.budgets.len();
        let some = (1..=MOST).contains(&count);
        check("budgets", count as f64, some, "1 to 2^16 of them")?;
        let mut before = 0.0;
        for budget in &self.budgets {
            let allowed = "finite, and each above 0 and the one before it";
            check("budgets", *budget, *budget > before, allowed)?;
            before = *budget;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn attempts(all: &[(u64, bool)]) -> Vec<Attempt> {
        let one = |(tokens, is_right): &(u64, bool)| Attempt {
            tokens: *tokens,
            is_right: *is_right,
        };
        all.iter().map(one).collect()
    }

    fn at(budgets: &[f64]) -> EqualCompute {
        EqualCompute::new(Cost::Tokens, budgets.to_vec()).unwrap()
    }

    fn success(points: &[Point]) -> Vec<f64> {
        points.iter().map(|point| point.success).collect()
    }

    /// Of answers of one length, the chance in the orders that begin at each answer.
    #[test]
    fn answers_of_one_length_are_best_of_n() {
        let mut answers = vec![(5, false); 8];
        answers[3].1 = true;
        let points = at(&[4.0, 5.0, 14.0, 20.0, 40.0, 44.0, 45.0])
            .parallel(&[attempts(&answers)])
            .unwrap();
        assert_eq!(success(&points), [0.0, 0.125, 0.25, 0.5, 1.0, 1.0, 1.0]);
        let spent: Vec<f64> = points.iter().map(|point| point.spent).collect();
        assert_eq!(spent, [0.0, 5.0, 10.0, 20.0, 40.0, 40.0, 40.0]);
        let wrong = at(&[40.0, 44.0, 45.0]);
        let points = wrong.parallel(&[attempts(&[(5, false); 8])]).unwrap();
        let over: Vec<f64> = points.iter().map(|point| point.exhausted).collect();
        assert_eq!(over, [0.0, 0.0, 1.0]);
    }

    /// An answer that does not fit ends the spending: no shorter one is taken instead.
    #[test]
    fn the_next_answer_is_not_chosen_by_its_length() {
        let answers = attempts(&[(4, false), (9, true), (2, true)]);
        let points = at(&[6.0, 11.0]).parallel(&[answers]).unwrap();
        // From the first: 4, then 9 does not fit; from the second: nothing, or 9 and 2; from the third: 2 and 4.
        let found = success(&points);
        assert!((found[0] - 1.0 / 3.0).abs() < 1e-12 && (found[1] - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_trace_counts_once_it_has_ended() {
        let traces = [attempts(&[(20, true), (7, false)]), attempts(&[(9, true)])];
        let points = at(&[8.0, 9.0, 20.0]).sequential(&traces).unwrap();
        assert_eq!(success(&points), [0.0, 0.5, 0.75]);
        let over: Vec<f64> = points.iter().map(|point| point.exhausted).collect();
        assert_eq!(over, [0.25, 0.25, 0.25]);
        let spent: Vec<f64> = points.iter().map(|point| point.spent).collect();
        assert_eq!(spent, [7.75, 8.5, 11.25]);
    }

    /// Two traces of half the budget each: one right of four has the chance of one half.
    #[test]
    fn parts_share_the_budget() {
        let traces = attempts(&[(10, true), (30, true), (8, false), (9, false)]);
        let points = at(&[19.0, 20.0, 60.0]).split(2, &[traces]).unwrap();
        let expected = [0.0, 0.5, 5.0 / 6.0];
        for (found, expected) in success(&points).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12);
        }
        // Both parts are wrong and over in one of six choices.
        assert!((points[2].exhausted - 1.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_ahead_to_the_end_is_found() {
        let point = |budget, success| Point {
            budget,
            success,
            spent: 0.0,
            exhausted: 0.0,
        };
        let curve = |all: [f64; 3]| {
            let budgets = [1.0, 2.0, 4.0].into_iter().zip(all);
            budgets.map(|(budget, one)| point(budget, one)).collect()
        };
        let from = |sequential, parallel| {
            let compared = Comparison {
                parallel: curve(parallel),
                sequential: curve(sequential),
            };
            compared.sequential_from()
        };
        assert_eq!(from([0.2, 0.5, 0.9], [0.3, 0.4, 0.5]), Some(2.0));
        assert_eq!(from([0.4, 0.3, 0.9], [0.3, 0.4, 0.5]), Some(4.0));
        assert_eq!(from([0.4, 0.5, 0.5], [0.3, 0.4, 0.5]), None);
    }
}
