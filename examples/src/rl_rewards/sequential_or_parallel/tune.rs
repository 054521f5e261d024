//! What the tuning seeds chose, and how.

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
    let problems = both.tested(Part::HeldOut, 300, &mut ChaCha8Rng::seed_from_u64(own));
    let [tokens, flops] = compared::<B>(&context)?;
    let show = |points: Vec<regimen_rl_rewards::search::Point>| {
        let all = points
            .iter()
            .map(|point| format!("{:.1}", 100.0 * point.success));
        all.collect::<Vec<_>>().join(" ")
    };
    let name = B::NAME;
    let [random, search] = symbolic(both, &problems, 32, own);
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
        let found = drawn(&context, policy, &problems, (32, temperature), own)?;
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
    for temperature in [0.0, 0.6, 0.8, 1.0] {
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
