//! An arm: demonstrations, reinforcement learning until its tokens are spent, and the test of both.

use anyhow::Result;
use burn::module::Module;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::policy::{Completion, End, Rollouts, generate_with};
use regimen_rl_rewards::tasks::SudokuPuzzle;
use regimen_rl_rewards::{Advantage, Groups, Grpo, Objective};

use super::settings::{Arm, BLANKS, LINES, Plan, plan};
use crate::experiment::{Context, Trial};
use crate::optim::adam;
use crate::rl_rewards::bed::budget::Budget;
use crate::rl_rewards::bed::evaluate::{Draws, accuracy, pass, sampling};
use crate::rl_rewards::bed::policy::{Policy, PolicyConfig};
use crate::rl_rewards::bed::sudoku::{CELLS, Form, Sudoku};
use crate::rl_rewards::bed::symbols::NEWLINE;
use crate::rl_rewards::bed::task::{Part, Task};
use crate::rl_rewards::bed::unit::step;

/// Samples of a board in the test.
const SAMPLES: usize = 4;
/// Boards whose demonstrations are looked at.
const LOOKED_AT: usize = 200;

/// What all arms share.
pub(super) struct Bench<'a> {
    context: &'a Context,
    seed: u64,
    plan: Plan,
    /// Held-out boards of each level.
    tested: Vec<(usize, Vec<SudokuPuzzle>)>,
}

/// A policy after reinforcement learning.
struct Learned {
    policy: Policy,
    budget: Budget,
    /// Tokens sampled up to each update, and right samples of it in percent.
    right: Vec<(f64, f64)>,
    wrong: usize,
}

impl<'a> Bench<'a> {
    pub(super) fn new(context: &'a Context, seed: u64) -> Self {
        let plan = plan(context);
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 << 40));
        let tested = [*BLANKS.start(), *BLANKS.end()].map(|blanks| {
            let task = Sudoku::new(blanks..=blanks, Form::Direct);
            let boards = (0..plan.tested).map(|_| task.draw(Part::HeldOut, &mut rng));
            (blanks, boards.collect())
        });
        Self {
            context,
            seed,
            plan,
            tested: tested.into(),
        }
    }

    /// Trains and tests an arm, at this rate of reinforcement learning.
    pub(super) fn arm(&self, trial: &mut Trial, arm: &Arm, rate: f64) -> Result<()> {
        let task = Sudoku::new(BLANKS, arm.form).with_lines(LINES);
        self.demonstrations(trial, arm.name, &task);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        self.context.device.seed(self.seed);
        let start = PolicyConfig::sized(self.context).init(&self.context.device);
        let taught = self
            .plan
            .warm_up
            .teach(start, &task, &mut rng, &self.context.device)?;
        let (shown, trained) = (taught.shown, taught.trained);
        self.test(trial, arm.name, "before, ", (&taught.policy, &task))?;
        let learned = self.learn(taught.policy, &task, rate)?;
        self.test(trial, arm.name, "", (&learned.policy, &task))?;
        let hard = trial.value(arm.name, "11 blanks");
        trial.record(arm.name, "main", hard);
        learned.budget.record(trial, arm.name);
        // The budget is of reinforcement learning alone, which sees none.
        trial.record(arm.name, "demonstrations", shown as f64);
        trial.record(arm.name, "tokens of demonstrations", trained as f64);
        trial.record(arm.name, "rewarded and wrong", learned.wrong as f64);
        trial.curve(arm.name, learned.right);
        Ok(())
    }

    /// What is shown: wrong turns, and how often the last line is the solution.
    fn demonstrations(&self, trial: &mut Trial, arm: &str, task: &Sudoku) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let (mut turns, mut right) = (0, 0);
        for _ in 0..LOOKED_AT {
            let board = task.draw(Part::Training, &mut rng);
            let shown = task.taught(&board, &mut rng);
            turns += newlines(&shown);
            right += usize::from(task.is_right(&board, &shown));
        }
        let mean = |sum: usize| sum as f64 / LOOKED_AT as f64;
        trial.record(arm, "wrong turns of a demonstration", mean(turns));
        trial.record(arm, "demonstrations that end right", mean(right));
    }

    /// Right of the held-out boards at each level, sampled at temperature 1 and by the most probable token.
    fn test(
        &self,
        trial: &mut Trial,
        arm: &str,
        when: &str,
        (policy, task): (&Policy, &Sudoku),
    ) -> Result<()> {
        let device = self.context.device.clone().inner();
        let policy = policy.valid();
        let draws = Draws {
            decoding: &sampling(task)?,
            samples: SAMPLES,
            seed: self.seed.wrapping_add(1 << 40),
        };
        for (blanks, boards) in &self.tested {
            let sampled = pass(&policy, task, boards, draws, &[1, SAMPLES], &device)?;
            trial.record(arm, &format!("{when}{blanks} blanks"), sampled[0].all);
            trial.record(
                arm,
                &format!("{when}{blanks} blanks, one of {SAMPLES}"),
                sampled[1].all,
            );
            let greedy = accuracy(&policy, task, boards, &device)?;
            trial.record(arm, &format!("{when}{blanks} blanks, greedy"), greedy.all);
        }
        Ok(())
    }

    /// GRPO with the reward of a right answer alone, update after update until the tokens are spent.
    fn learn(&self, policy: Policy, task: &Sudoku, rate: f64) -> Result<Learned> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut optim = adam(0.999);
        let objective = Objective::dapo();
        let by_format = self.context.is_broken_by("reward-for-format");
        let mut learned = Learned {
            policy,
            budget: Budget::default(),
            right: Vec::new(),
            wrong: 0,
        };
        let mut newest = 0;
        // The update that comes nearest the budget is the last one.
        while learned.budget.sampled + newest / 2 < self.plan.sampled {
            let boards: Vec<_> = (0..self.plan.boards)
                .map(|_| task.draw(Part::Training, &mut rng))
                .collect();
            let rollouts = self.sample(&learned, task, &boards)?;
            let (mut rewards, mut right) = (Vec::new(), 0);
            for one in rollouts.rollouts() {
                let is_right = task.is_right(&boards[one.prompt], &one.completion);
                let is_rewarded = is_right || by_format && is_full(&one.completion);
                right += usize::from(is_right);
                learned.wrong += usize::from(is_rewarded && !is_right);
                rewards.push(f64::from(u8::from(is_rewarded)));
            }
            newest = rollouts.count_sampled();
            learned.budget.sampled += newest;
            learned.budget.read += boards.len() * (CELLS + 1);
            learned.budget.verified += rollouts.len();
            let share = 100.0 * right as f64 / rollouts.len() as f64;
            learned.right.push((learned.budget.sampled as f64, share));
            let groups = Groups::of_rollouts(&rollouts, rewards)?;
            let advantages = Grpo::default().advantages(&groups)?;
            let (policy, trained) = step(
                learned.policy,
                &rollouts,
                &advantages,
                &objective,
                (&mut optim, rate),
                &self.context.device,
            )?;
            learned.policy = policy;
            learned.budget.trained += trained;
            learned.budget.updates += 1;
        }
        Ok(learned)
    }

    fn sample(
        &self,
        learned: &Learned,
        task: &Sudoku,
        boards: &[SudokuPuzzle],
    ) -> Result<Rollouts> {
        let prompts: Vec<_> = boards.iter().map(|board| task.prompt(board)).collect();
        let nothing = |_: &[u32], _: &[u32]| Vec::new();
        let update = learned.budget.updates as u64;
        Ok(generate_with(
            &learned.policy.valid(),
            &prompts,
            self.plan.samples,
            &sampling(task)?,
            &nothing,
            self.seed.wrapping_mul(1 << 20).wrapping_add(update),
            &self.context.device.clone().inner(),
        )?)
    }
}

fn newlines(completion: &Completion) -> usize {
    let tokens = completion.tokens().iter();
    tokens.filter(|token| **token == NEWLINE).count()
}

/// Whether the last line has all cells and an end.
fn is_full(completion: &Completion) -> bool {
    let last = completion
        .content()
        .rsplit(|token| *token == NEWLINE)
        .next();
    completion.end() == End::EndToken && last.is_some_and(|line| line.len() == CELLS)
}
