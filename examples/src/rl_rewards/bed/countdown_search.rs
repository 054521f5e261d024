//! The task `countdown` as a search: operation after operation, a line each, until the target is made.
//!
//! A line is `a op b [c]`, its result written by the calculator. A line on two of the numbers of the prompt is a first step, one on its result and
//! the number that is left is a second one: these operands are the whole state. The end follows a second step that makes the target.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End};
use regimen_rl_rewards::tasks::{Combined, CountdownPuzzle, Event, Operation, Trace};

use super::countdown::{Countdown, Instance, MOST, Solutions, apply};
use super::symbols::{END, NEWLINE, OPERATIONS};
use super::task::{Part, Task};

/// Lines of a response at most.
pub const LINES: usize = 16;

/// Operations of a search at most, ahead of leaving out what is no token.
const OPERATIONS_AT_MOST: usize = 200;

/// What a demonstration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A search depth first, the numbers nearest the target first.
    Search,
    /// The same without its wrong parts.
    Cut,
    /// A right line with so many wrong turns.
    Detours(usize),
}

/// The task: instances of [`Countdown`] of three numbers, and what is shown of them.
#[derive(Clone, Debug)]
pub struct CountdownSearch {
    inner: Countdown,
    form: Form,
}

/// Two operands in a set order, and the operation's place.
type Tried = (u32, usize, u32);

impl CountdownSearch {
    /// With demonstrations of this form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        let inner = Countdown::new();
        Self { inner, form }
    }

    /// The operations of a demonstration; none where the search does not come to its end within the lines.
    fn steps(&self, instance: &Instance, rng: &mut ChaCha8Rng) -> Option<Vec<Combined>> {
        let numbers = instance.numbers().iter().map(|one| u64::from(*one));
        let puzzle = CountdownPuzzle::new(numbers.collect(), u64::from(instance.target())).ok()?;
        let trace = match self.form {
            Form::Search | Form::Cut => Trace::depth_first(&puzzle, OPERATIONS_AT_MOST).ok()?,
            Form::Detours(count) => {
                let solution = puzzle.solution()?;
                Trace::with_backtracks(&puzzle, &solution, count, rng).ok()?
            }
        };
        let last = trace.last();
        let is_target = |one: &Combined| one.result == u64::from(instance.target());
        if last.len() + 1 != instance.numbers().len() || !last.last().is_some_and(is_target) {
            return None;
        }
        let steps = if self.form == Form::Cut {
            last
        } else {
            distinct(&trace)
        };
        (steps.len() <= LINES).then_some(steps)
    }

    /// The operations of a response that are legal, and all of its lines.
    #[must_use]
    pub fn legal(&self, instance: &Instance, completion: &Completion) -> (usize, usize) {
        let mut reader = Reader::new(instance);
        let mut all = 0;
        let mut legal = 0;
        for line in completion.content().split(|token| *token == NEWLINE) {
            all += 1;
            legal += usize::from(reader.read(line).is_some());
        }
        (legal, all)
    }

    /// Whether a line anywhere in a response makes the target, as a verifier of each line would find.
    #[must_use]
    pub fn comes_upon(&self, instance: &Instance, completion: &Completion) -> bool {
        let mut reader = Reader::new(instance);
        let mut lines = completion.content().split(|token| *token == NEWLINE);
        lines.any(|line| reader.read(line) == Some(Some(instance.target())))
    }
}

/// The steps of a search without those that make what is no token, those after them, and those that were tried before.
fn distinct(trace: &Trace<Combined>) -> Vec<Combined> {
    let mut steps = Vec::new();
    let (mut path, mut tried): (Vec<bool>, BTreeSet<Vec<Tried>>) = (Vec::new(), BTreeSet::new());
    let mut so_far: Vec<Tried> = Vec::new();
    for event in trace.events() {
        match event {
            Event::Step(step) => {
                let key = (
                    step.left.max(step.right) as u32,
                    place(step.operation),
                    step.left.min(step.right) as u32,
                );
                so_far.push(key);
                let is_kept = step.result <= u64::from(MOST)
                    && path.last().copied().unwrap_or(true)
                    && tried.insert(so_far.clone());
                path.push(is_kept);
                if is_kept {
                    steps.push(*step);
                }
            }
            Event::Back(kept) => {
                path.truncate(*kept);
                so_far.truncate(*kept);
            }
        }
    }
    steps
}

/// The place of an operation's token.
fn place(operation: Operation) -> usize {
    match operation {
        Operation::Add => 0,
        Operation::Subtract => 1,
        Operation::Multiply => 2,
        Operation::Divide => 3,
    }
}

/// Reads lines one after another.
struct Reader<'a> {
    numbers: &'a [u32],
    /// What may be left after the newest first step: a line may be a second step and a first one too.
    states: Vec<[u32; 2]>,
}

impl<'a> Reader<'a> {
    fn new(instance: &'a Instance) -> Self {
        Self {
            numbers: instance.numbers(),
            states: Vec::new(),
        }
    }

    /// What a second step makes, or that a first step is legal; none where the line is not legal.
    fn read(&mut self, line: &[u32]) -> Option<Option<u32>> {
        let [left, operation, right, result] = *line else {
            return None;
        };
        let place = OPERATIONS.iter().position(|one| *one == operation)?;
        if apply(place, left, right) != Some(result) {
            return None;
        }
        let second = |state: &[u32; 2]| *state == [left, right] || *state == [right, left];
        let is_second = self.states.iter().any(second);
        let first = self.after_first(left, right).map(|other| [result, other]);
        if first.is_some() && !is_second {
            self.states.clear();
        }
        self.states.extend(first);
        if is_second {
            return Some(Some(result));
        }
        first.map(|_| None)
    }

    /// The number that a first step on two of the prompt's leaves.
    fn after_first(&self, left: u32, right: u32) -> Option<u32> {
        let mut rest = self.numbers.to_vec();
        for operand in [left, right] {
            let at = rest.iter().position(|one| *one == operand)?;
            rest.remove(at);
        }
        match rest[..] {
            [other] => Some(other),
            _ => None,
        }
    }
}

impl Task for CountdownSearch {
    type Problem = Instance;
    type Level = Solutions;

    /// Of the training part, those that a demonstration can be made of.
    fn draw(&self, part: Part, rng: &mut ChaCha8Rng) -> Instance {
        loop {
            let instance = self.inner.draw(part, rng);
            // The draws of wrong turns do not change which instances can be shown.
            if part == Part::HeldOut || self.steps(&instance, &mut rng.clone()).is_some() {
                return instance;
            }
        }
    }

    fn prompt(&self, instance: &Instance) -> Vec<u32> {
        self.inner.prompt(instance)
    }

    /// Three sampled tokens, a result, and a newline or the end.
    fn response_length(&self) -> usize {
        5 * LINES
    }

    fn taught(&self, instance: &Instance, rng: &mut ChaCha8Rng) -> Completion {
        let mut completion = Completion::new(End::EndToken);
        let steps = self.steps(instance, rng).unwrap_or_default();
        for (line, step) in steps.iter().enumerate() {
            let (large, small) = (step.left.max(step.right), step.left.min(step.right));
            let newline = (line > 0).then_some(NEWLINE);
            let own = [
                large as u32,
                OPERATIONS[place(step.operation)],
                small as u32,
            ];
            for token in newline.into_iter().chain(own) {
                // 0 is a log-probability.
                let added = completion.sampled(token, 0.0);
                debug_assert!(added.is_ok());
            }
            completion.observed(step.result as u32);
        }
        let added = completion.sampled(END, 0.0);
        debug_assert!(added.is_ok());
        completion
    }

    /// The last line is the answer.
    fn is_right(&self, instance: &Instance, completion: &Completion) -> bool {
        let mut reader = Reader::new(instance);
        let lines = completion.content().split(|token| *token == NEWLINE);
        let last = lines.fold(None, |_, line| reader.read(line));
        completion.end() == End::EndToken && last == Some(Some(instance.target()))
    }

    fn level(&self, instance: &Instance) -> Solutions {
        self.inner.level(instance)
    }

    /// The calculator: the result of a line's operation.
    fn observe(&self, prompt: &[u32], completion: &[u32]) -> Vec<u32> {
        let mut lines = completion.rsplit(|token| *token == NEWLINE);
        match lines.next() {
            Some(line) if line.len() == 3 => self.inner.observe(prompt, line),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn each_form_is_right_and_written_as_the_calculator_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for form in [Form::Search, Form::Cut, Form::Detours(1), Form::Detours(3)] {
            let task = CountdownSearch::new(form);
            let mut lines = 0;
            for _ in 0..200 {
                let instance = task.draw(Part::Training, &mut rng);
                let shown = task.taught(&instance, &mut rng);
                assert!(task.is_right(&instance, &shown), "{instance:?} {shown:?}");
                assert!(task.comes_upon(&instance, &shown));
                let (legal, all) = task.legal(&instance, &shown);
                assert_eq!(legal, all);
                assert!(all <= LINES && (form != Form::Cut || all == 2));
                lines += all;
                for (place, sampled) in shown.mask().enumerate().skip(1) {
                    let observed = task.observe(&[], &shown.tokens()[..place]);
                    assert_eq!(observed.is_empty(), sampled);
                    if let Some(result) = observed.first() {
                        assert_eq!(shown.tokens()[place], *result);
                    }
                }
                let cut = shown.clone().with_end(End::Truncated);
                assert!(!task.is_right(&instance, &cut));
            }
            assert!(
                lines >= 400 && (form == Form::Cut || lines > 500),
                "{form:?} {lines}"
            );
        }
    }

    /// With 4, 2 and 9, `4-2` leaves 2 and 9: `2+9` goes on with them, and is a first step too.
    #[test]
    fn a_line_may_be_two_steps() {
        let task = CountdownSearch::new(Form::Search);
        let all = task.inner.instances(Part::Training).iter();
        let mut all = all.chain(task.inner.instances(Part::HeldOut));
        let instance = all.find(|one| one.numbers() == [2, 4, 9]).unwrap();
        let [minus, plus, times] = [OPERATIONS[1], OPERATIONS[0], OPERATIONS[2]];
        let mut reader = Reader::new(instance);
        assert_eq!(reader.read(&[4, minus, 2, 2]), Some(None));
        assert_eq!(reader.read(&[9, plus, 2, 11]), Some(Some(11)));
        assert_eq!(reader.read(&[9, times, 2, 18]), Some(Some(18)));
        assert_eq!(reader.read(&[11, plus, 4, 15]), Some(Some(15)));
        assert_eq!(reader.read(&[11, plus, 11, 22]), None);
        assert_eq!(reader.read(&[9, plus, 4, 13]), Some(None));
        assert_eq!(reader.read(&[11, plus, 4, 15]), None);
    }

    /// 3, 5 and 7 to 22, the worked search of the specification: 3 * 5 and 7 + 15, after two operations that miss.
    #[test]
    fn the_worked_search_is_written_as_computed() {
        let task = CountdownSearch::new(Form::Search);
        let all = task.inner.instances(Part::Training).iter();
        let mut all = all.chain(task.inner.instances(Part::HeldOut));
        let instance = all.find(|one| one.numbers() == [3, 5, 7] && one.target() == 22);
        let steps = task.steps(instance.unwrap(), &mut ChaCha8Rng::seed_from_u64(0));
        let texts: Vec<String> = steps.unwrap().iter().map(Combined::to_string).collect();
        // Five operations are explored.
        assert_eq!(texts, ["3*7=21", "5+21=26", "21-5=16", "3*5=15", "7+15=22"]);
    }
}
