//! The task `countdown`: a target from three numbers, each used once, with a calculator.
//!
//! Numbers 1 to 20 and a target of 10 to 50: the response is a line of steps, each `a op b` and, written by the calculator, its result.
//! The larger operand comes first, divisions are exact, and results are at most 99, since larger numbers are no tokens. A third of the
//! sampled tokens are operators, and no step needs more than the numbers that are left: what has to be found is which ones.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::verify::{Countdown as Verify, CountdownForm, Verifier};

use super::symbols::{BLANK, LETTERS, NEWLINE, OPERATIONS};
use super::task::{Part, Task};

/// What the feedback after a wrong line is: the letter `n`, and the end of the line.
pub const FEEDBACK: [u32; 2] = [LETTERS + 13, NEWLINE];

/// The largest number of a prompt, the largest result, and the targets.
const LARGEST: u32 = 20;
pub(super) const MOST: u32 = 99;
const TARGETS: std::ops::RangeInclusive<u32> = 10..=50;

/// Multisets of numbers that are held out, of 1,540 of three numbers.
const HELD_OUT: usize = 150;

/// `a op b = c`; the operation is the place of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    left: u32,
    operation: usize,
    right: u32,
    result: u32,
}

/// Numbers, from the smallest, and a target that can be made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    numbers: Vec<u32>,
    target: u32,
    solutions: usize,
}

impl Instance {
    /// The numbers, from the smallest.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// What is to be made of them.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.target
    }

    /// How many lines are right.
    #[must_use]
    pub fn solutions(&self) -> usize {
        self.solutions
    }
}

/// How many lines are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Solutions {
    /// One.
    One,
    /// Two or three.
    Few,
    /// Four or more.
    Many,
}

impl Solutions {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::One, Self::Few, Self::Many];

    /// The name in a record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one solution",
            Self::Few => "2 or 3 solutions",
            Self::Many => "4 or more solutions",
        }
    }
}

/// The task: its instances by part. The split is the same for all seeds.
#[derive(Clone, Debug)]
pub struct Countdown {
    count: usize,
    training: Vec<Instance>,
    held_out: Vec<Instance>,
}

impl Default for Countdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Countdown {
    /// Of three numbers: 1,540 multisets with 8,680 instances.
    #[must_use]
    pub fn new() -> Self {
        Self::of(3)
    }

    /// Of four numbers.
    #[must_use]
    pub fn large() -> Self {
        Self::of(4)
    }

    fn of(count: usize) -> Self {
        let mut all = multisets(count);
        all.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        let held_out = all.len() * HELD_OUT / 1540;
        let instances = |sets: &[Vec<u32>]| sets.iter().flat_map(|set| instances(set)).collect();
        Self {
            count,
            held_out: instances(&all[..held_out]),
            training: instances(&all[held_out..]),
        }
    }

    /// All instances of a part.
    #[must_use]
    pub fn instances(&self, part: Part) -> &[Instance] {
        match part {
            Part::Training => &self.training,
            Part::HeldOut => &self.held_out,
        }
    }

    /// A line drawn from the legal ones that miss the target, as a wrong attempt; none where there is none.
    pub fn wrong(&self, instance: &Instance, rng: &mut ChaCha8Rng) -> Option<Completion> {
        let lines = lines(&instance.numbers);
        let wrong: Vec<_> = lines
            .iter()
            .filter(|line| result(line) != Some(instance.target))
            .collect();
        wrong.choose(rng).map(|line| written(line))
    }

    /// One of the legal lines, whatever it makes.
    pub fn legal_line(&self, instance: &Instance, rng: &mut ChaCha8Rng) -> Option<Completion> {
        lines(&instance.numbers)
            .choose(rng)
            .map(|line| written(line))
    }

    /// Whether each step of a completion is legal and uses numbers that are left, whatever it makes.
    #[must_use]
    pub fn is_legal(&self, instance: &Instance, completion: &Completion) -> bool {
        let Some(last) = completion.tokens().last() else {
            return false;
        };
        let made = Instance {
            target: *last,
            ..instance.clone()
        };
        self.is_right(&made, completion)
    }
}

impl Task for Countdown {
    type Problem = Instance;
    type Level = Solutions;

    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Instance {
        let all = self.instances(part);
        all[rng.random_range(0..all.len())].clone()
    }

    /// The numbers, the target, and the end of the line.
    fn prompt(&self, instance: &Instance) -> Vec<u32> {
        let mut tokens = instance.numbers.clone();
        tokens.extend([instance.target, NEWLINE]);
        tokens
    }

    /// A step of three sampled tokens and a result for all numbers but one; no end token.
    fn response_length(&self) -> usize {
        4 * (self.count - 1)
    }

    fn has_end(&self) -> bool {
        false
    }

    /// One of the right lines.
    fn taught(&self, instance: &Instance, rng: &mut ChaCha8Rng) -> Completion {
        let mut lines = lines(&instance.numbers);
        lines.retain(|line| result(line) == Some(instance.target));
        let line = lines.choose(rng);
        line.map_or_else(|| Completion::new(End::Truncated), |line| written(line))
    }

    /// By the crate's verifier of steps. It takes operands in any order: the calculator refuses a smaller one in front.
    fn is_right(&self, instance: &Instance, completion: &Completion) -> bool {
        if completion.len() != self.response_length() || completion.end() == End::EndToken {
            return false;
        }
        let sign = |token: u32| {
            let place = OPERATIONS.iter().position(|one| *one == token)?;
            Some(["+", "-", "*", "/"][place])
        };
        let mut text = String::new();
        for step in completion.tokens().chunks(4) {
            let [left, operation, right, result] = step[..] else {
                return false;
            };
            let Some(sign) = sign(operation) else {
                return false;
            };
            if result == BLANK {
                return false;
            }
            text += &format!("{left}{sign}{right}={result}\n");
        }
        let numbers: Vec<String> = instance.numbers.iter().map(u32::to_string).collect();
        let reference = format!("{} = {}", numbers.join(" "), instance.target);
        let verifier = Verify::new(CountdownForm::Steps);
        verifier.verify(&text, &reference).is_right()
    }

    fn level(&self, instance: &Instance) -> Solutions {
        match instance.solutions {
            0 | 1 => Solutions::One,
            2 | 3 => Solutions::Few,
            _ => Solutions::Many,
        }
    }

    /// The calculator: the result of a step, or a blank where it is not legal.
    fn observe(&self, _prompt: &[u32], completion: &[u32]) -> Vec<u32> {
        if completion.len() % 4 != 3 {
            return Vec::new();
        }
        let [left, operation, right] = completion[completion.len() - 3..] else {
            return Vec::new();
        };
        let place = OPERATIONS.iter().position(|one| *one == operation);
        let is_number = left <= MOST && right <= MOST;
        let result = place.filter(|_| is_number);
        let result = result.and_then(|place| apply(place, left, right));
        vec![result.unwrap_or(BLANK)]
    }
}

/// The result of a legal operation.
pub(super) fn apply(operation: usize, left: u32, right: u32) -> Option<u32> {
    exact(operation, left, right).filter(|result| *result <= MOST)
}

/// The result of an operation with the larger number first, however large it is.
fn exact(operation: usize, left: u32, right: u32) -> Option<u32> {
    match operation {
        _ if left < right => None,
        0 => Some(left + right),
        1 => Some(left - right),
        2 => Some(left * right),
        _ if right == 0 || !left.is_multiple_of(right) => None,
        _ => Some(left / right),
    }
}

/// What a line makes.
fn result(line: &[Step]) -> Option<u32> {
    line.last().map(|step| step.result)
}

/// A line as a completion.
fn written(line: &[Step]) -> Completion {
    let mut completion = Completion::new(End::Truncated);
    for step in line {
        for token in [step.left, OPERATIONS[step.operation], step.right] {
            // 0 is a log-probability.
            let added = completion.sampled(token, 0.0);
            debug_assert!(added.is_ok());
        }
        completion.observed(step.result);
    }
    completion
}

/// All legal lines of some numbers, each once.
fn lines(numbers: &[u32]) -> Vec<Vec<Step>> {
    let mut found = BTreeSet::new();
    go_on(numbers, &mut Vec::new(), &mut found);
    found.into_iter().collect()
}

fn go_on(numbers: &[u32], line: &mut Vec<Step>, found: &mut BTreeSet<Vec<Step>>) {
    if numbers.len() == 1 {
        found.insert(line.clone());
        return;
    }
    for (i, left) in numbers.iter().enumerate() {
        for (j, right) in numbers.iter().enumerate() {
            for operation in 0..OPERATIONS.len() {
                let result = if i == j {
                    None
                } else {
                    apply(operation, *left, *right)
                };
                let Some(result) = result else { continue };
                let others = numbers.iter().enumerate();
                let others = others.filter(|(place, _)| *place != i && *place != j);
                let left_over: Vec<u32> = others.map(|(_, one)| *one).chain([result]).collect();
                line.push(Step {
                    left: *left,
                    operation,
                    right: *right,
                    result,
                });
                go_on(&left_over, line, found);
                line.pop();
            }
        }
    }
}

/// All multisets of so many numbers, each from its smallest.
fn multisets(count: usize) -> Vec<Vec<u32>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let longer = all.iter().flat_map(|set: &Vec<u32>| {
            let from = set.last().copied().unwrap_or(1);
            (from..=LARGEST).map(move |next| {
                let mut set = set.clone();
                set.push(next);
                set
            })
        });
        all = longer.collect();
    }
    all
}

/// The instances of a multiset: a target each that a line makes.
fn instances(numbers: &[u32]) -> Vec<Instance> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for line in lines(numbers) {
        let made = result(&line).filter(|made| TARGETS.contains(made));
        if let Some(made) = made {
            *counts.entry(made).or_default() += 1;
        }
    }
    let instance = |(target, solutions)| Instance {
        numbers: numbers.to_vec(),
        target,
        solutions,
    };
    counts.into_iter().map(instance).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::super::chain::demonstration;
    use super::*;

    /// The figures of the specification: 1,540 multisets, 8,680 instances, 2.15 lines each; 150 multisets are held out.
    #[test]
    fn instances_are_as_many_as_counted() {
        assert_eq!(multisets(3).len(), 1540);
        let task = Countdown::new();
        let (training, held_out) = (
            task.instances(Part::Training),
            task.instances(Part::HeldOut),
        );
        assert_eq!(training.len() + held_out.len(), 8680);
        let lines: usize = training
            .iter()
            .chain(held_out)
            .map(Instance::solutions)
            .sum();
        assert_eq!((lines as f64 / 86.80).round() / 100.0, 2.15);
        let sets = |all: &[Instance]| -> HashSet<Vec<u32>> {
            all.iter().map(|one| one.numbers.clone()).collect()
        };
        let (training, apart) = (sets(training), sets(held_out));
        assert!(apart.len() <= 150 && training.is_disjoint(&apart));
        assert!((750..950).contains(&held_out.len()), "{}", held_out.len());
    }

    /// The chance that one of k random legal lines is right, each step drawn from the legal ones without the bound of 99: .073, .137, .248,
    /// .413 for k = 1, 2, 4, 8.
    #[test]
    fn random_lines_are_right_as_often_as_computed() {
        let steps = |numbers: &[u32]| {
            let mut all = BTreeSet::new();
            for (i, left) in numbers.iter().enumerate() {
                for (j, right) in numbers.iter().enumerate() {
                    for operation in (0..4).filter(|_| i != j) {
                        let rest = numbers.iter().enumerate();
                        let rest = rest.filter(|(place, _)| *place != i && *place != j);
                        let rest: Vec<u32> = rest.map(|(_, one)| *one).collect();
                        if let Some(made) = exact(operation, *left, *right) {
                            all.insert((operation, *left, *right, made, rest));
                        }
                    }
                }
            }
            all
        };
        let mut chances = Vec::new();
        for numbers in multisets(3) {
            let mut of: BTreeMap<u32, f64> = BTreeMap::new();
            let first = steps(&numbers);
            for (.., made, rest) in &first {
                let second = steps(&[*made, rest[0]]);
                for (.., last, _) in &second {
                    *of.entry(*last).or_default() += 1.0 / (first.len() * second.len()) as f64;
                }
            }
            chances.extend(of.into_iter().filter(|(made, _)| TARGETS.contains(made)));
        }
        for (k, expected) in [(1, 0.073), (2, 0.137), (4, 0.248), (8, 0.413)] {
            let one = |(_, chance): &(u32, f64)| 1.0 - (1.0 - chance).powi(k);
            let found = chances.iter().map(one).sum::<f64>() / chances.len() as f64;
            assert!((found - expected).abs() < 0.003, "{k}: {found}");
        }
    }

    #[test]
    fn what_is_taught_is_right_and_what_is_wrong_is_legal() {
        let task = Countdown::new();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..300 {
            let instance = task.draw(Part::Training, &mut rng);
            let right = task.taught(&instance, &mut rng);
            assert!(task.is_right(&instance, &right));
            assert_eq!((right.len(), right.count_sampled()), (8, 6));
            assert_eq!(task.prompt(&instance).len(), 5);
            let wrong = task.wrong(&instance, &mut rng).unwrap();
            assert!(!task.is_right(&instance, &wrong) && task.is_legal(&instance, &wrong));
            for place in [3, 7] {
                let written = task.observe(&[], &right.tokens()[..place]);
                assert_eq!(written, [right.tokens()[place]]);
            }
        }
    }

    #[test]
    fn illegal_lines_are_wrong() {
        let task = Countdown::new();
        let instance = Instance {
            numbers: vec![3, 5, 7],
            target: 22,
            solutions: 1,
        };
        let [plus, minus, times, by] = OPERATIONS;
        let line = |tokens: [u32; 8]| demonstration(tokens).with_end(End::Truncated);
        assert!(task.is_right(&instance, &line([5, times, 3, 15, 15, plus, 7, 22])));
        for wrong in [
            [5, times, 3, 15, 15, minus, 7, 8],
            [5, times, 3, 22, 22, by, 1, 22],
            [3, times, 5, BLANK, 15, plus, 7, 22],
            [5, times, 5, 25, 25, minus, 3, 22],
            [5, NEWLINE, 3, 15, 15, plus, 7, 22],
        ] {
            assert!(!task.is_right(&instance, &line(wrong)), "{wrong:?}");
        }
        let ended = demonstration([5, times, 3, 15, 15, plus, 7, 22]);
        assert!(!task.is_right(&instance, &ended));
        for (step, result) in [
            ([3, times, 5], BLANK),
            ([7, by, 3], BLANK),
            ([60, plus, 50], BLANK),
            ([NEWLINE, plus, 5], BLANK),
            ([7, 7, 5], BLANK),
            ([7, minus, 7], 0),
            ([9, by, 3], 3),
        ] {
            assert_eq!(task.observe(&[], &step), [result], "{step:?}");
        }
        assert!(task.observe(&[], &[7, minus]).is_empty());
    }
}
