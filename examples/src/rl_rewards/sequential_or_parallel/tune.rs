//! What the tuning seeds chose, and how: means over the seeds 1000 and 1001 of 200 or 300 held-out problems, solved at 2, 4 and 8 times a direct answer, in
//! percent, at the best temperature of each.
//!
//! | task | policy | rate 1.5e-3 | 3e-3 | 6e-3 | 1.2e-2 |
//! |---|---|---|---|---|---|
//! | sudoku | direct | 55.4, 65.5, 74.4 | 58.4, 67.4, 75.8 | **59.2, 68.4, 77.6** | 54.6, 63.3, 73.1 |
//! | sudoku | search | 61.7, 72.4, 72.8 | **69.0, 79.9, 80.7** | 66.4, 76.9, 78.1 | 8.0, 9.8, 9.8 |
//!
//! | task | policy | rate 2e-3 | 4e-3 | 8e-3 |
//! |---|---|---|---|---|
//! | countdown | direct | 30.7, 45.4, 60.0 | **32.1, 46.9, 64.1** | 29.2, 44.1, 60.4 |
//! | countdown | search | 5.9, 6.6, 9.0 | **10.8, 13.5, 16.2** | 9.4, 10.2, 12.0 |
//!
//! 1.2e-2 is of the seed 1000 alone.
//!
//! Of the temperatures .6, .8, 1 and 1.2 of direct answers, and 0, .6, .8 and 1 of traces, those at the chosen rates:
//!
//! | task | policy | 0 | .6 | .8 | 1 | 1.2 |
//! |---|---|---|---|---|---|---|
//! | sudoku | direct | | 57.8, 63.5, 68.6 | **59.0**, 66.4, 73.1 | 59.0, 68.1, 76.1 | 57.2, **68.4, 77.6** |
//! | sudoku | search | **69.0**, 78.8, 79.9 | 68.8, **79.9, 80.7** | 67.1, 78.8, 79.2 | | |
//! | countdown | direct | | **32.1, 46.9**, 61.7 | 30.5, 46.8, **64.1** | 27.1, 43.4, 61.9 | 22.9, 38.2, 56.7 |
//! | countdown | search | **10.8, 13.5, 16.2** | 8.8, 9.9, 11.2 | 7.1, 7.8, 9.0 | | |
//!
//! `solved` of the search is read up to 8 times an answer, after which its traces are over.

use anyhow::{Context as _, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::bench::{
    Both, CountdownBoth, SudokuBoth, attempts, compared, drawn, ended, legality, returns, symbolic,
    teach, test_seed,
};
use crate::experiment::Context;
use crate::rl_rewards::bed::by_tokens::ByTokens;
use crate::rl_rewards::bed::task::Part;

/// How much is learned and tested of a task, and how it is sampled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Of the direct policy, and of the one that searches.
    pub(super) warm_ups: [ByTokens; 2],
    /// Held-out problems, and problems of the training part.
    pub(super) problems: usize,
    pub(super) seen: usize,
    /// Direct answers to each.
    pub(super) answers: usize,
    /// The temperature of direct answers at each budget, and of traces; 0 takes the most probable token.
    pub(super) direct_at: [f64; 5],
    pub(super) search_at: f64,
}

impl Settings {
    /// Traces of a problem: one where all are the same.
    pub(super) fn traces(&self) -> usize {
        if self.search_at == 0.0 { 1 } else { 2 }
    }
}

/// What was chosen for a task.
pub(super) fn settings<B: Both>(context: &Context) -> Settings {
    let is_sudoku = B::NAME == SudokuBoth::NAME;
    let (updates, tokens) = match (context, is_sudoku) {
        (Context { full: true, .. }, true) => (3000, 1000),
        (Context { full: true, .. }, false) => (3000, 600),
        (Context { small: true, .. }, true) => (60, 400),
        (Context { small: true, .. }, false) => (80, 300),
        (_, true) => (600, 400),
        (_, false) => (500, 300),
    };
    let (problems, seen) = if context.small { (60, 10) } else { (300, 100) };
    let (rates, direct_at, search_at) = if is_sudoku {
        ([6e-3, 3e-3], [0.6, 0.8, 1.2, 1.2, 1.2], 0.6)
    } else {
        ([4e-3, 4e-3], [0.6, 0.6, 0.6, 0.8, 0.8], 0.0)
    };
    // A longer warm-up is a slower one.
    let slower = if context.full { 0.3 } else { 1.0 };
    let warm_up = |rate: f64| ByTokens {
        updates,
        tokens,
        rate: rate * slower,
    };
    Settings {
        warm_ups: rates.map(warm_up),
        problems,
        seen,
        answers: 24,
        direct_at,
        search_at,
    }
}

/// Prints what both policies of a task solve at every temperature on one tuning seed: `task`, updates, tokens and rate, in this order.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, set: &[String], line: impl FnMut(String)) -> Result<()> {
    let number = |place: usize, default: f64| -> Result<f64> {
        let text = set.get(place);
        text.map_or(Ok(default), |text| {
            text.parse().with_context(|| text.clone())
        })
    };
    let warm_up = ByTokens {
        updates: number(1, 780.0)? as usize,
        tokens: number(2, 1000.0)? as usize,
        rate: number(3, 2e-3)?,
    };
    match set.first().map(String::as_str) {
        Some("countdown") => of(&CountdownBoth::new(false), warm_up, seed, line),
        _ => of(&SudokuBoth::new(false), warm_up, seed, line),
    }
}

fn of<B: Both>(both: &B, warm_up: ByTokens, seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let own = test_seed(seed);
    let problems = both.tested(Part::HeldOut, 200, &mut ChaCha8Rng::seed_from_u64(own));
    let [tokens, flops] = compared::<B>(&context)?;
    let show = |points: Vec<regimen_rl_rewards::search::Point>| {
        let all = points
            .iter()
            .map(|point| format!("{:.1}", 100.0 * point.success));
        all.collect::<Vec<_>>().join(" ")
    };
    let name = B::NAME;
    let [random, search] = symbolic(both, &problems, 24, own);
    line(format!(
        "{seed}; {name}; random; {}",
        show(tokens.parallel(&random)?)
    ));
    line(format!(
        "{seed}; {name}; symbolic; {}",
        show(tokens.sequential(&search)?)
    ));
    let start = std::time::Instant::now();
    let direct = teach(&context, both.direct(), warm_up, seed)?;
    line(format!(
        "{name}; direct; {} tokens, {} shown; {:.1} s",
        direct.trained,
        direct.shown,
        start.elapsed().as_secs_f64()
    ));
    for temperature in [0.6, 0.8, 1.0, 1.2] {
        let start = std::time::Instant::now();
        let policy = (&direct.policy, both.direct());
        let found = drawn(&context, policy, &problems, (24, temperature), own)?;
        let legal = legality(both, &problems, &found, false);
        let found = attempts(both.direct(), &problems, &found);
        line(format!(
            "{seed}; {name}; direct {temperature}; {}; FLOPs {}; legal {legal:.1}; {:.1} s",
            show(tokens.parallel(&found)?),
            show(flops.parallel(&found)?),
            start.elapsed().as_secs_f64()
        ));
    }
    let start = std::time::Instant::now();
    let search = teach(&context, both.search(), warm_up, seed)?;
    line(format!(
        "{name}; search; {} tokens, {} shown; {:.1} s",
        search.trained,
        search.shown,
        start.elapsed().as_secs_f64()
    ));
    for temperature in [0.0, 0.6, 0.8] {
        let start = std::time::Instant::now();
        let policy = (&search.policy, both.search());
        let samples = if temperature == 0.0 { 1 } else { 2 };
        let found = drawn(&context, policy, &problems, (samples, temperature), own)?;
        let legal = legality(both, &problems, &found, true);
        let (returns, ended) = (returns(&found), ended(&found));
        let upon = problems
            .iter()
            .zip(&found)
            .filter(|(p, all)| both.comes_upon(p, &all[0]))
            .count();
        let found = attempts(both.search(), &problems, &found);
        line(format!(
            "{seed}; {name}; search {temperature}; {}; FLOPs {}; legal {legal:.1}; returns {returns:.2}; ended {ended:.1}; upon {upon}; {:.1} s",
            show(tokens.sequential(&found)?),
            show(flops.sequential(&found)?),
            start.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}
