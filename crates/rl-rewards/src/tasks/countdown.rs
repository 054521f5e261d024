//! # CountdownPuzzle
//!
//! A target from given numbers, two of them at a time.
//!
//! Source: "Stream of Search", arXiv 2404.03683, and its released code (results of a pair, heuristics, order of the search); "How Much Backtracking
//! is Enough?", arXiv 2505.24273.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::puzzle::Puzzle;
use crate::error::{Result, RlRewardsError, check};

/// The largest number of an instance, and the largest result on the way.
const LARGEST: u64 = 1_000_000;
const MOST: u64 = 1_000_000_000_000;

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `a + b`
    Add,
    /// `a * b`
    Multiply,
    /// The larger minus the smaller.
    Subtract,
    /// The larger over the smaller, where that is whole.
    Divide,
}

/// Two numbers that are replaced by a result, as it is written: `left op right = result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combined {
    /// The first number.
    pub left: u64,
    /// The operation.
    pub operation: Operation,
    /// The second number.
    pub right: u64,
    /// What it gives.
    pub result: u64,
}

impl std::fmt::Display for Combined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = match self.operation {
            Operation::Add => '+',
            Operation::Multiply => '*',
            Operation::Subtract => '-',
            Operation::Divide => '/',
        };
        write!(f, "{}{sign}{}={}", self.left, self.right, self.result)
    }
}

/// How near some numbers are to a target: lower is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearness {
    /// The mean of `|n - T|`.
    #[default]
    Sum,
    /// The sum over the numbers of the distance to the nearest divisor of `T` from 2 on; of a target of 1, to 1.
    Multiply,
}

impl Nearness {
    /// Of some numbers from a target.
    #[must_use]
    pub fn of(self, numbers: &[u64], target: u64) -> f64 {
        let far = |a: u64, b: u64| a.abs_diff(b) as f64;
        match self {
            Self::Sum => {
                let sum: f64 = numbers.iter().map(|number| far(*number, target)).sum();
                sum / numbers.len().max(1) as f64
            }
            Self::Multiply => {
                let divisors = divisors(target);
                let nearest = |number: &u64| {
                    let all = divisors.iter().map(|divisor| far(*number, *divisor));
                    all.fold(f64::INFINITY, f64::min)
                };
                numbers.iter().map(nearest).sum()
            }
        }
    }
}

/// The divisors from 2 on; 1 alone of 1.
fn divisors(target: u64) -> Vec<u64> {
    let upto = (1..=target).take_while(|one| one * one <= target);
    let pairs = upto
        .filter(|one| target.is_multiple_of(*one))
        .flat_map(|one| [one, target / one]);
    let found: BTreeSet<u64> = pairs.filter(|one| *one > 1).collect();
    if found.is_empty() {
        vec![target]
    } else {
        found.into_iter().collect()
    }
}

/// Numbers that are combined two at a time, each exactly once, until the target is left.
///
/// The moves are the results of each pair in the order sum, product, difference, quotient: differences are not negative, and quotients whole. A
/// search tries those first whose numbers are nearest the target, and leaves out those farther away than `threshold`. Its verifier is
/// [`Countdown`](crate::verify::Countdown), of an expression or of steps.
///
/// | parameter | default | range |
/// |---|---|---|
/// | `nearness` | sum | [`Nearness`] |
/// | `threshold` | the target | 0 or more, or none: about one in a hundred instances of three numbers is lost by it |
///
/// ```
/// use regimen_rl_rewards::tasks::{CountdownPuzzle, Trace};
///
/// let puzzle = CountdownPuzzle::new(vec![3, 5, 7], 22)?;
/// let search = Trace::depth_first(&puzzle, 100)?;
/// assert_eq!(search.steps(), 5);
/// assert!(search.text(&puzzle).ends_with("<answer>7+(3*5)</answer>"));
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct CountdownPuzzle {
    numbers: Vec<u64>,
    target: u64,
    nearness: Nearness,
    #[serde(default)]
    threshold: Option<f64>,
}
checked_serde!(CountdownPuzzle);

impl CountdownPuzzle {
    /// These numbers and this target.
    ///
    /// # Errors
    /// If there are not 1 to 6 numbers, or a number or the target is not 1 to 1,000,000.
    pub fn new(numbers: Vec<u64>, target: u64) -> Result<Self> {
        Self {
            numbers,
            target,
            nearness: Nearness::Sum,
            threshold: Some(target as f64),
        }
        .checked()
    }

    /// Another order of the search.
    #[must_use]
    pub fn with_nearness(self, nearness: Nearness) -> Self {
        Self { nearness, ..self }
    }

    /// Leaves out what is farther from the target, or nothing.
    ///
    /// # Errors
    /// If it is not finite, or below 0.
    pub fn with_threshold(self, threshold: Option<f64>) -> Result<Self> {
        Self { threshold, ..self }.checked()
    }

    /// Draws numbers from 1 to `largest`, and combines them in a way that is drawn until the target is within `targets`: all numbers are in use.
    ///
    /// # Errors
    /// If the count is not 1 to 6, a bound is not 1 to 1,000,000, or no target was found in 10,000 draws.
    pub fn draw(
        count: usize,
        largest: u64,
        targets: std::ops::RangeInclusive<u64>,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        check("count", count as f64, (1..=6).contains(&count), "1 to 6")?;
        let good = (1..=LARGEST).contains(&largest);
        check("largest", largest as f64, good, "1 to 1,000,000")?;
        for _ in 0..10_000 {
            let numbers: Vec<u64> = (0..count).map(|_| rng.random_range(1..=largest)).collect();
            let mut left = numbers.clone();
            while left.len() > 1 {
                let all = combinations(&left);
                let (_, next) = &all[rng.random_range(0..all.len())];
                left.clone_from(next);
            }
            if targets.contains(&left[0]) && (1..=LARGEST).contains(&left[0]) {
                return Self::new(numbers, left[0]);
            }
        }
        Err(RlRewardsError::OutOfRange {
            field: "targets",
            value: format!("{targets:?}"),
            allowed: "a range that the numbers reach",
        })
    }

    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> u64 {
        self.target
    }

    /// Every value that all numbers together come to, from the smallest.
    #[must_use]
    pub fn reachable(&self) -> BTreeSet<u64> {
        let mut open = vec![self.numbers.clone()];
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        while let Some(numbers) = open.pop() {
            if let [last] = numbers[..] {
                found.insert(last);
            }
            for (_, mut next) in combinations(&numbers) {
                next.sort_unstable();
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        found
    }

    /// A solution by the search's own order without a threshold; none where there is none.
    #[must_use]
    pub fn solution(&self) -> Option<Vec<Combined>> {
        let all = Self {
            threshold: None,
            ..self.clone()
        };
        // Six numbers have 2.3 million leaves at most.
        let trace = super::Trace::depth_first(&all, 1 << 24).ok()?;
        let last = trace.last();
        self.is_solved(&last).then_some(last)
    }

    /// The numbers that are left after some moves; none where a move can't be made.
    fn left(&self, moves: &[Combined]) -> Option<Vec<u64>> {
        let mut left = self.numbers.clone();
        for one in moves {
            for number in [one.left, one.right] {
                let place = left.iter().position(|own| *own == number)?;
                left.remove(place);
            }
            left.push(one.result);
        }
        Some(left)
    }
}

/// The results of a pair, in order.
fn results(a: u64, b: u64) -> Vec<Combined> {
    let (large, small) = (a.max(b), a.min(b));
    let of = |left, operation, right, result| Combined {
        left,
        operation,
        right,
        result,
    };
    let mut found = vec![
        of(a, Operation::Add, b, a + b),
        of(a, Operation::Multiply, b, a * b),
        of(large, Operation::Subtract, small, large - small),
    ];
    found.retain(|one| one.result <= MOST);
    if small != 0 && large % small == 0 {
        found.push(of(large, Operation::Divide, small, large / small));
    }
    found
}

/// Each move, and the numbers after it: the pair is taken out by its places, and the result put at the end.
fn combinations(numbers: &[u64]) -> Vec<(Combined, Vec<u64>)> {
    let mut found = Vec::new();
    for first in 0..numbers.len() {
        for second in first + 1..numbers.len() {
            let rest = numbers.iter().enumerate();
            let rest = rest.filter(|(place, _)| *place != first && *place != second);
            let rest: Vec<u64> = rest.map(|(_, number)| *number).collect();
            for one in results(numbers[first], numbers[second]) {
                found.push((one, [rest.as_slice(), &[one.result]].concat()));
            }
        }
    }
    found
}

impl Puzzle for CountdownPuzzle {
    type Move = Combined;

    fn moves(&self, so_far: &[Combined]) -> Vec<Combined> {
        let Some(left) = self.left(so_far) else {
            return Vec::new();
        };
        let ranked = combinations(&left).into_iter().map(|(one, next)| {
            let far = self.nearness.of(&next, self.target);
            (far, one)
        });
        let near = |far: f64| self.threshold.is_none_or(|threshold| far <= threshold);
        let mut ranked: Vec<(f64, Combined)> = ranked.filter(|(far, _)| near(*far)).collect();
        ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        ranked.into_iter().map(|(_, one)| one).collect()
    }

    fn is_solved(&self, moves: &[Combined]) -> bool {
        let right = |one: &Combined| {
            results(one.left, one.right).contains(one) || results(one.right, one.left).contains(one)
        };
        let bounded = |one: &Combined| one.left <= MOST && one.right <= MOST;
        // A product of two numbers within the bound may be beyond 64 bits.
        let small = |one: &Combined| bounded(one) && one.left.checked_mul(one.right).is_some();
        moves.iter().all(|one| small(one) && right(one))
            && self.left(moves).is_some_and(|left| left == [self.target])
    }

    fn line(&self, so_far: &[Combined], next: &Combined) -> String {
        let left = self.left(&[so_far, &[*next]].concat());
        match left {
            Some(left) if left.len() == 1 => format!("{next}: {} is left", left[0]),
            Some(left) => format!("{next}: {left:?} are left"),
            None => next.to_string(),
        }
    }

    fn back(&self, so_far: &[Combined], kept: usize) -> String {
        let left = self
            .left(&so_far[..kept.min(so_far.len())])
            .unwrap_or_default();
        format!("not {}: back to {left:?}", self.target)
    }

    /// An expression with a bracket around every part.
    fn answer(&self, moves: &[Combined]) -> String {
        let mut parts: Vec<(u64, String)> = self
            .numbers
            .iter()
            .map(|one| (*one, one.to_string()))
            .collect();
        for one in moves {
            let mut take = |number: u64| {
                let place = parts.iter().position(|(value, _)| *value == number);
                place.map_or(number.to_string(), |place| parts.remove(place).1)
            };
            let (left, right) = (take(one.left), take(one.right));
            let sign = match one.operation {
                Operation::Add => '+',
                Operation::Multiply => '*',
                Operation::Subtract => '-',
                Operation::Divide => '/',
            };
            let inner = |part: String| {
                let single = part.bytes().all(|byte| byte.is_ascii_digit());
                if single { part } else { format!("({part})") }
            };
            parts.push((one.result, format!("{}{sign}{}", inner(left), inner(right))));
        }
        parts.pop().map_or(String::new(), |(_, text)| text)
    }

    /// Another number in the place of the result.
    fn wrong(&self, right: &Combined, rng: &mut dyn Rng) -> Combined {
        let most = (2 * right.result).clamp(2, MOST);
        let other = rng.random_range(0..most);
        let result = other + u64::from(other >= right.result);
        Combined { result, ..*right }
    }

    fn prompt(&self) -> String {
        format!("{:?} {}", self.numbers, self.target)
    }

    fn reference(&self) -> String {
        self.prompt()
    }
}

impl Checked for CountdownPuzzle {
    type Error = RlRewardsError;

    fn check(&self) -> Result<()> {
        let count = self.numbers.len();
        check(
            "numbers",
            count as f64,
            (1..=6).contains(&count),
            "1 to 6 of them",
        )?;
        for number in self.numbers.iter().chain([&self.target]) {
            let good = (1..=LARGEST).contains(number);
            check("number", *number as f64, good, "1 to 1,000,000")?;
        }
        let threshold = self.threshold.unwrap_or(0.0);
        check("threshold", threshold, threshold >= 0.0, "0 or more")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::trace::Trace;
    use super::*;
    use crate::verify::{Countdown, CountdownForm, Verifier};

    fn values(a: u64, b: u64) -> Vec<u64> {
        results(a, b).iter().map(|one| one.result).collect()
    }

    #[test]
    fn results_and_nearness() {
        assert_eq!(values(6, 3), [9, 18, 3, 2]);
        assert_eq!(values(3, 7), [10, 21, 4]);
        assert_eq!(values(5, 5), [10, 25, 0, 1]);
        assert_eq!(values(0, 4), [4, 0, 4]);
        for (nearness, numbers, far) in [
            (Nearness::Sum, &[4, 9, 6][..], 23.666_666_7),
            (Nearness::Sum, &[36, 6], 15.0),
            (Nearness::Multiply, &[36, 6], 6.0),
            (Nearness::Multiply, &[4, 9, 6], 2.0),
        ] {
            assert_abs_diff_eq!(nearness.of(numbers, 30), far, epsilon = 1e-6);
        }
        assert_eq!(Nearness::Multiply.of(&[3], 1), 2.0);
    }

    #[test]
    fn children_in_their_order() {
        let all = combinations(&[3, 5, 7]);
        let children: Vec<Vec<u64>> = all.into_iter().map(|(_, left)| left).collect();
        let expected = [
            [7, 8],
            [7, 15],
            [7, 2],
            [5, 10],
            [5, 21],
            [5, 4],
            [3, 12],
            [3, 35],
            [3, 2],
        ];
        assert_eq!(children, expected);
        let puzzle = CountdownPuzzle::new(vec![3, 5, 7], 22).unwrap();
        let reached = [
            1, 2, 4, 5, 6, 8, 9, 14, 15, 16, 20, 22, 26, 32, 36, 38, 50, 56, 105,
        ];
        assert_eq!(puzzle.reachable().into_iter().collect::<Vec<_>>(), reached);
        let none = CountdownPuzzle::new(vec![3, 5, 7], 23).unwrap();
        let none = none.with_threshold(None).unwrap();
        assert_eq!(Trace::depth_first(&none, 1000).unwrap().steps(), 38);
        assert!(none.solution().is_none());
    }

    /// Moves of the search depth first, with the target as the threshold and without one.
    #[test]
    fn searches_of_the_specification() {
        for (numbers, target, sum, product) in [
            ([3, 5, 7], 22, [5, 6], [29, 32]),
            ([8, 2, 6], 10, [23, 29], [14, 16]),
            ([4, 9, 6], 30, [5, 6], [2, 2]),
            ([2, 3, 5], 10, [8, 10], [2, 2]),
        ] {
            for (nearness, counts) in [(Nearness::Sum, sum), (Nearness::Multiply, product)] {
                let puzzle = CountdownPuzzle::new(numbers.to_vec(), target).unwrap();
                let puzzle = puzzle.with_nearness(nearness);
                let open = puzzle.clone().with_threshold(None).unwrap();
                for (puzzle, count) in [puzzle, open].iter().zip(counts) {
                    let trace = Trace::depth_first(puzzle, 1000).unwrap();
                    assert_eq!(trace.steps(), count, "{numbers:?} {nearness:?}");
                    assert!(puzzle.is_solved(&trace.last()));
                    let verdict =
                        Countdown::default().verify(&trace.text(puzzle), &puzzle.reference());
                    assert!(verdict.is_right(), "{verdict} {}", trace.text(puzzle));
                }
            }
        }
    }

    #[test]
    fn drawn_instances_have_solutions_and_wrong_turns() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut fewer = 0;
        for count in [3, 4, 5] {
            for _ in 0..20 {
                let puzzle = CountdownPuzzle::draw(count, 100, 10..=999, &mut rng).unwrap();
                let solution = puzzle.solution().unwrap();
                let open = puzzle.clone().with_threshold(None).unwrap();
                for k in [0, 1, 3] {
                    let trace = Trace::with_backtracks(&open, &solution, k, &mut rng).unwrap();
                    fewer += usize::from(trace.backtracks() < k);
                    let verdict =
                        Countdown::default().verify(&trace.text(&open), &open.reference());
                    assert!(verdict.is_right(), "{verdict}");
                    let ways: Vec<_> = trace.lines(&open);
                    assert_eq!(
                        ways.iter().filter(|line| line.contains("back to")).count(),
                        trace.backtracks()
                    );
                    let misled = trace.misleading(&open, 0.0, &mut rng).unwrap();
                    assert!(misled.events().len() == ways.len() && !open.is_solved(&misled.last()));
                }
                let lines: Vec<String> = solution.iter().map(ToString::to_string).collect();
                let steps = Countdown::new(CountdownForm::Steps);
                assert!(
                    steps
                        .verify(&lines.join("\n"), &puzzle.reference())
                        .is_right()
                );
            }
        }
        assert_eq!(fewer, 0);
        assert!(CountdownPuzzle::draw(3, 5, 500_000..=600_000, &mut rng).is_err());
        assert!(
            CountdownPuzzle::new(vec![], 3).is_err() && CountdownPuzzle::new(vec![0], 3).is_err()
        );
        let trace = Trace::with_backtracks(
            &CountdownPuzzle::new(vec![1, 2], 3).unwrap(),
            &[],
            1,
            &mut rng,
        );
        assert!(trace.is_err());
    }

    /// The figures of the specification: three numbers of 1 to 20, a target of 10 to 50.
    #[test]
    fn a_random_leaf_seldom_hits() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut hits, mut moves) = (0.0, 0.0);
        let count = 1000;
        for _ in 0..count {
            let numbers: Vec<u64> = (0..3).map(|_| rng.random_range(1..=20)).collect();
            let puzzle = CountdownPuzzle::new(numbers, 10).unwrap();
            let targets: Vec<u64> = puzzle.reachable().range(10..=50).copied().collect();
            if targets.is_empty() {
                continue;
            }
            let target = targets[rng.random_range(0..targets.len())];
            let puzzle = CountdownPuzzle::new(puzzle.numbers().to_vec(), target).unwrap();
            let mut left = puzzle.numbers().to_vec();
            while left.len() > 1 {
                let all = combinations(&left);
                left = all[rng.random_range(0..all.len())].1.clone();
            }
            hits += f64::from(u8::from(left == [target]));
            moves += Trace::depth_first(&puzzle, 1000).unwrap().steps() as f64;
        }
        let (hits, moves) = (hits / f64::from(count), moves / f64::from(count));
        assert!(
            (hits - 0.077).abs() < 0.03 && (moves - 9.3).abs() < 1.0,
            "{hits} {moves}"
        );
    }
}
