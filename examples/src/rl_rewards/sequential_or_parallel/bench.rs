//! The policies of an experiment, and what they solve at each budget.

use anyhow::Result;
use burn::module::Module;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::TokenSampler;
use regimen_rl_rewards::policy::{Completion, Decoding, End, generate_with};
use regimen_rl_rewards::search::{Attempt, Compute, Cost, EqualCompute, Point};
use regimen_rl_rewards::tasks::{Puzzle, SudokuPuzzle};
use regimen_schedules::Constant;

use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::by_tokens::{ByTokens, Taught};
use crate::rl_rewards::bed::countdown::{Countdown, Instance};
use crate::rl_rewards::bed::countdown_search::{self, CountdownSearch};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::sudoku::{DIRECT, Form, Sudoku};
use crate::rl_rewards::bed::symbols::END;
use crate::rl_rewards::bed::task::{Part, Task};

/// Budgets, as multiples of a direct answer.
pub(super) const TIMES: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];

/// Sampled tokens of a direct answer to `countdown`.
pub(super) const LINE: usize = 6;

/// A task with both ways to answer, and how a program answers without a policy.
pub(super) trait Both {
    /// What a prompt asks.
    type Problem: Clone;
    /// Answers at once.
    type Direct: Task<Problem = Self::Problem>;
    /// Answers by a search.
    type Search: Task<Problem = Self::Problem>;

    /// The name in a record.
    const NAME: &'static str;
    /// Sampled tokens of a direct answer.
    const ANSWER: usize;

    fn direct(&self) -> &Self::Direct;
    fn search(&self) -> &Self::Search;
    /// Problems that are tested.
    fn tested(&self, part: Part, count: usize, rng: &mut ChaCha8Rng) -> Vec<Self::Problem>;
    /// A legal answer, drawn.
    fn random(&self, problem: &Self::Problem, rng: &mut ChaCha8Rng) -> bool;
    /// Legal parts of a direct answer or of a search, and all of them.
    fn legal(&self, problem: &Self::Problem, one: &Completion, is_search: bool) -> (usize, usize);
    /// Whether a line of a search is right.
    fn comes_upon(&self, problem: &Self::Problem, one: &Completion) -> bool;
}

pub(super) struct SudokuBoth(Sudoku, Sudoku);

impl SudokuBoth {
    pub(super) fn new(is_cut: bool) -> Self {
        let shown = if is_cut { Form::Cut } else { Form::Search };
        let search = Sudoku::new(10..=11, shown).with_lines(crate::rl_rewards::bed::sudoku::LINES);
        Self(Sudoku::new(10..=11, Form::Direct), search)
    }
}

impl Both for SudokuBoth {
    type Problem = SudokuPuzzle;
    type Direct = Sudoku;
    type Search = Sudoku;

    const NAME: &'static str = "sudoku";
    const ANSWER: usize = DIRECT;

    fn direct(&self) -> &Sudoku {
        &self.0
    }

    fn search(&self) -> &Sudoku {
        &self.1
    }

    fn tested(&self, part: Part, count: usize, rng: &mut ChaCha8Rng) -> Vec<SudokuPuzzle> {
        (0..count).map(|_| self.0.draw(part, rng)).collect()
    }

    /// Digits that are allowed, in the order of the cells.
    fn random(&self, board: &SudokuPuzzle, rng: &mut ChaCha8Rng) -> bool {
        let mut path = Vec::new();
        while let Some(next) = board.moves(&path).choose(rng) {
            path.push(*next);
        }
        board.is_solved(&path)
    }

    fn legal(&self, board: &SudokuPuzzle, one: &Completion, _: bool) -> (usize, usize) {
        Sudoku::legal(board, one)
    }

    fn comes_upon(&self, board: &SudokuPuzzle, one: &Completion) -> bool {
        Sudoku::comes_upon(board, one)
    }
}

pub(super) struct CountdownBoth(Countdown, CountdownSearch);

impl CountdownBoth {
    pub(super) fn new(is_cut: bool) -> Self {
        let shown = if is_cut {
            countdown_search::Form::Cut
        } else {
            countdown_search::Form::Search
        };
        Self(Countdown::new(), CountdownSearch::new(shown))
    }
}

impl Both for CountdownBoth {
    type Problem = Instance;
    type Direct = Countdown;
    type Search = CountdownSearch;

    const NAME: &'static str = "countdown";
    const ANSWER: usize = LINE;

    fn direct(&self) -> &Countdown {
        &self.0
    }

    fn search(&self) -> &CountdownSearch {
        &self.1
    }

    /// Each once.
    fn tested(&self, part: Part, count: usize, rng: &mut ChaCha8Rng) -> Vec<Instance> {
        self.0.instances(part).sample(rng, count).cloned().collect()
    }

    fn random(&self, instance: &Instance, rng: &mut ChaCha8Rng) -> bool {
        let line = self.0.legal_line(instance, rng);
        line.is_some_and(|line| self.0.is_right(instance, &line))
    }

    fn legal(&self, instance: &Instance, one: &Completion, is_search: bool) -> (usize, usize) {
        if is_search {
            self.1.legal(instance, one)
        } else {
            (usize::from(self.0.is_legal(instance, one)), 1)
        }
    }

    fn comes_upon(&self, instance: &Instance, one: &Completion) -> bool {
        self.1.comes_upon(instance, one)
    }
}

/// The policy of a task before its warm-up, the same for both ways.
pub(super) fn start(context: &Context, seed: u64) -> Policy {
    context.device.seed(seed);
    PolicyConfig::sized(context).init(&context.device)
}

/// A policy after its warm-up.
pub(super) fn teach<T: Task>(
    context: &Context,
    task: &T,
    warm_up: ByTokens,
    seed: u64,
) -> Result<Taught> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    warm_up.teach(start(context, seed), task, &mut rng, &context.device)
}

/// Answers of a policy at a temperature; 0 takes the most probable token.
pub(super) fn drawn<T: Task>(
    context: &Context,
    (policy, task): (&Policy, &T),
    problems: &[T::Problem],
    (samples, temperature): (usize, f64),
    seed: u64,
) -> Result<Vec<Vec<Completion>>> {
    let sampler = if temperature == 0.0 {
        TokenSampler::new(Constant::ONE).with_top_k(1)?
    } else {
        TokenSampler::new(Constant::new(temperature)?)
    };
    let decoding = Decoding::new(sampler, END, task.response_length())?;
    let prompts: Vec<_> = problems.iter().map(|one| task.prompt(one)).collect();
    let observer = |prompt: &[u32], so_far: &[u32]| task.observe(prompt, so_far);
    let rollouts = generate_with(
        &policy.valid(),
        &prompts,
        samples,
        &decoding,
        &observer,
        seed,
        &context.device.clone().inner(),
    )?;
    let mut all = vec![Vec::new(); problems.len()];
    for one in rollouts.rollouts() {
        all[one.prompt].push(one.completion.clone());
    }
    Ok(all)
}

/// What a verifier says of answers.
pub(super) fn attempts<T: Task>(
    task: &T,
    problems: &[T::Problem],
    drawn: &[Vec<Completion>],
) -> Vec<Vec<Attempt>> {
    let pairs = problems.iter().zip(drawn);
    let of = pairs.map(|(problem, all)| {
        let all = all.iter().map(|one| Attempt {
            tokens: one.count_sampled() as u64,
            is_right: task.is_right(problem, one),
        });
        all.collect()
    });
    of.collect()
}

/// The comparisons of a task at the budgets: in tokens and in FLOPs.
pub(super) fn compared<B: Both>(context: &Context) -> Result<[EqualCompute; 2]> {
    let sizes = PolicyConfig::sized(context);
    let [layers, width, hidden] = [sizes.layers, sizes.width, sizes.hidden].map(|one| one as u64);
    let compute = Compute::new(layers, width, width, hidden)?.without_gates();
    let of = |cost| EqualCompute::of_answers(cost, B::ANSWER as u64, &TIMES);
    Ok([of(Cost::Tokens)?, of(Cost::Flops(compute))?])
}

/// Notes a curve, in percent.
pub(super) fn record(trial: &mut Trial, arm: &str, unit: &str, points: &[Point]) {
    for (times, point) in TIMES.iter().zip(points) {
        trial.record(
            arm,
            &format!("solved at {times}x{unit}"),
            100.0 * point.success,
        );
    }
    if unit.is_empty() {
        let curve = TIMES.iter().zip(points);
        let curve = curve.map(|(times, point)| (*times, 100.0 * point.success));
        trial.curve(arm, curve.collect());
        trial.record(arm, "main", 100.0 * points[1].success);
    }
}

/// Legal answers of a program that draws, and of one that searches as the demonstrations do, as attempts.
pub(super) fn symbolic<B: Both>(
    both: &B,
    problems: &[B::Problem],
    answers: usize,
    seed: u64,
) -> [Vec<Vec<Attempt>>; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let random = problems.iter().map(|problem| {
        let one = |_| Attempt {
            tokens: B::ANSWER as u64,
            is_right: both.random(problem, &mut rng),
        };
        (0..answers).map(one).collect()
    });
    let random = random.collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let search = problems.iter().map(|problem| {
        let shown = both.search().taught(problem, &mut rng);
        vec![Attempt {
            tokens: shown.count_sampled() as u64,
            is_right: both.search().is_right(problem, &shown),
        }]
    });
    [random, search.collect()]
}

/// The share of legal parts, in percent.
pub(super) fn legality<B: Both>(
    both: &B,
    problems: &[B::Problem],
    drawn: &[Vec<Completion>],
    is_search: bool,
) -> f64 {
    let (mut legal, mut all) = (0, 0);
    for (problem, answers) in problems.iter().zip(drawn) {
        for one in answers {
            let found = both.legal(problem, one, is_search);
            legal += found.0;
            all += found.1;
        }
    }
    100.0 * legal as f64 / all.max(1) as f64
}

/// Sampled lines that were begun after the first, a trace.
pub(super) fn returns(drawn: &[Vec<Completion>]) -> f64 {
    let all: Vec<_> = drawn.iter().flatten().collect();
    let newline = crate::rl_rewards::bed::symbols::NEWLINE;
    let lines = all.iter().map(|one| {
        one.tokens()
            .iter()
            .filter(|token| **token == newline)
            .count()
    });
    lines.sum::<usize>() as f64 / all.len().max(1) as f64
}

/// The share of traces that end, in percent.
pub(super) fn ended(drawn: &[Vec<Completion>]) -> f64 {
    let all: Vec<_> = drawn.iter().flatten().collect();
    let ended = all.iter().filter(|one| one.end() == End::EndToken).count();
    100.0 * ended as f64 / all.len().max(1) as f64
}

/// A seed for draws that no warm-up has.
pub(super) fn test_seed(seed: u64) -> u64 {
    ChaCha8Rng::seed_from_u64(seed).random::<u64>() | 1
}
