//! What an experiment measures of a task: both policies at each budget, with what programs do beside them.

use anyhow::Result;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_rl_rewards::search::{Attempt, EqualCompute};

use super::bench::{
    Both, TIMES, attempts, compared, drawn, ended, legality, record, returns, symbolic, teach,
    test_seed,
};
use super::tune::{Settings, settings};
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::policy::Policy;
use crate::rl_rewards::bed::task::{Part, Task};

/// The temperature of two traces where one is the most probable.
const HALVES_AT: f64 = 0.6;

/// The names of a task's arms.
pub(super) struct Arms {
    pub(super) direct: String,
    pub(super) search: String,
    /// Two traces of half the budget each, and a verifier.
    halves: String,
    /// A program that draws legal answers, and one that searches as the demonstrations show.
    pub(super) random: String,
    pub(super) symbolic: String,
}

impl Arms {
    pub(super) fn of<B: Both>() -> Self {
        let name = |way: &str| format!("{}, {way}", B::NAME);
        Self {
            direct: name("direct"),
            search: name("search"),
            halves: name("two traces of half the budget"),
            random: name("random legal answers"),
            symbolic: name("symbolic search"),
        }
    }
}

/// How the comparison is broken on purpose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    /// Direct answers are charged as whole traces.
    pub(super) charged: bool,
    /// Searches are shown without their wrong parts.
    pub(super) cut: bool,
}

/// A run over tasks.
pub(super) struct Measure<'a> {
    pub(super) context: &'a Context,
    pub(super) trial: &'a mut Trial,
    pub(super) broken: Broken,
}

impl Measure<'_> {
    pub(super) fn run<B: Both>(&mut self, both: &B) -> Result<()> {
        let settings = settings::<B>(self.context);
        let seed = self.trial.seed;
        let mut rng = ChaCha8Rng::seed_from_u64(test_seed(seed));
        let problems = both.tested(Part::HeldOut, settings.problems, &mut rng);
        let seen = both.tested(Part::Training, settings.seen, &mut rng);
        let (context, arms) = (self.context, Arms::of::<B>());
        let [direct, search] = settings.warm_ups;
        let direct = teach(context, both.direct(), direct, seed)?;
        let search = teach(context, both.search(), search, seed)?;
        for (arm, taught) in [(&arms.direct, &direct), (&arms.search, &search)] {
            self.trial
                .record(arm, "trained tokens", taught.trained as f64);
            self.trial
                .record(arm, "demonstrations", taught.shown as f64);
        }
        let compared = compared::<B>(context)?;
        self.direct(
            both,
            &arms.direct,
            (&direct.policy, &compared),
            &problems,
            settings,
        )?;
        self.search(
            both,
            &arms,
            (&search.policy, &compared),
            &problems,
            settings,
        )?;
        self.seen(
            both,
            &arms,
            [&direct.policy, &search.policy],
            (&seen, &compared[0]),
            settings,
        )?;
        let [random, symbolic] = symbolic(both, &problems, settings.answers, test_seed(seed));
        record(
            self.trial,
            &arms.random,
            "",
            &compared[0].parallel(&random)?,
        );
        record(
            self.trial,
            &arms.symbolic,
            "",
            &compared[0].sequential(&symbolic)?,
        );
        Ok(())
    }

    /// Direct answers at the best temperature of each budget, and a verifier.
    fn direct<B: Both>(
        &mut self,
        both: &B,
        arm: &str,
        (policy, compared): (&Policy, &[EqualCompute; 2]),
        problems: &[B::Problem],
        settings: Settings,
    ) -> Result<()> {
        let mut best = [Vec::new(), Vec::new()];
        let mut last: Option<(f64, [Vec<_>; 2])> = None;
        for (place, temperature) in settings.direct_at.into_iter().enumerate() {
            if last.as_ref().is_none_or(|(of, _)| *of != temperature) {
                let sampled = (settings.answers, temperature);
                let seed = test_seed(self.trial.seed);
                let found = drawn(
                    self.context,
                    (policy, both.direct()),
                    problems,
                    sampled,
                    seed,
                )?;
                let legal = legality(both, problems, &found, false);
                self.trial.record(arm, "legal, %", legal);
                let mut found = attempts(both.direct(), problems, &found);
                if self.broken.charged {
                    charge(&mut found, both.search());
                }
                let [tokens, flops] = compared;
                last = Some((
                    temperature,
                    [tokens.parallel(&found)?, flops.parallel(&found)?],
                ));
            }
            for (best, points) in best
                .iter_mut()
                .zip(last.iter().flat_map(|(_, found)| found))
            {
                best.extend(points.get(place).copied());
            }
        }
        let [tokens, flops] = best;
        for (times, point) in TIMES.iter().zip(&tokens) {
            let spent = 100.0 * point.spent / point.budget;
            self.trial
                .record(arm, &format!("spent at {times}x, %"), spent);
        }
        record(self.trial, arm, "", &tokens);
        record(self.trial, arm, ", FLOPs", &flops);
        Ok(())
    }

    fn search<B: Both>(
        &mut self,
        both: &B,
        arms: &Arms,
        (policy, [tokens, flops]): (&Policy, &[EqualCompute; 2]),
        problems: &[B::Problem],
        settings: Settings,
    ) -> Result<()> {
        let seed = test_seed(self.trial.seed);
        let policy = (policy, both.search());
        let traces = settings.traces();
        let sampled = (traces, settings.search_at);
        let found = drawn(self.context, policy, problems, sampled, seed)?;
        let arm = &arms.search;
        let (mut upon, mut length) = (0, 0);
        for (problem, traces) in problems.iter().zip(&found) {
            upon += traces
                .iter()
                .filter(|one| both.comes_upon(problem, one))
                .count();
            length += traces.iter().map(|one| one.count_sampled()).sum::<usize>();
        }
        let count = (problems.len() * traces) as f64;
        let trial = &mut *self.trial;
        trial.record(arm, "a line is right, %", 100.0 * upon as f64 / count);
        trial.record(arm, "sampled tokens", length as f64 / count);
        trial.record(arm, "legal, %", legality(both, problems, &found, true));
        trial.record(arm, "further lines", returns(&found));
        trial.record(arm, "ended, %", ended(&found));
        let found = attempts(both.search(), problems, &found);
        record(trial, arm, "", &tokens.sequential(&found)?);
        record(trial, arm, ", FLOPs", &flops.sequential(&found)?);
        let pairs = if traces == 2 {
            found
        } else {
            let sampled = (2, HALVES_AT);
            attempts(
                both.search(),
                problems,
                &drawn(self.context, policy, problems, sampled, seed)?,
            )
        };
        record(trial, &arms.halves, "", &tokens.split(2, &pairs)?);
        Ok(())
    }

    /// Problems of the training part, at twice and four times an answer.
    fn seen<B: Both>(
        &mut self,
        both: &B,
        arms: &Arms,
        [direct, search]: [&Policy; 2],
        (problems, compared): (&[B::Problem], &EqualCompute),
        settings: Settings,
    ) -> Result<()> {
        let seed = test_seed(self.trial.seed);
        let sampled = (8, settings.direct_at[1]);
        let found = drawn(
            self.context,
            (direct, both.direct()),
            problems,
            sampled,
            seed,
        )?;
        let direct = compared.parallel(&attempts(both.direct(), problems, &found))?;
        let sampled = (1, settings.search_at);
        let found = drawn(
            self.context,
            (search, both.search()),
            problems,
            sampled,
            seed,
        )?;
        let search = compared.sequential(&attempts(both.search(), problems, &found))?;
        for (arm, points) in [(&arms.direct, direct), (&arms.search, search)] {
            self.trial
                .record(arm, "seen, solved at 2x", 100.0 * points[1].success);
        }
        Ok(())
    }
}

/// Charges each answer as the longest trace.
fn charge(answers: &mut [Vec<Attempt>], search: &impl Task) {
    for one in answers.iter_mut().flatten() {
        one.tokens = search.response_length() as u64;
    }
}
