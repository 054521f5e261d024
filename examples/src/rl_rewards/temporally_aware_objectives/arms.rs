//! The arms, how long they are searched for, and what is measured of each.

use anyhow::Result;

use super::family::Family;
use super::meta::{Fitness, Found, Search, Tested, search, test};
use super::rule::{Form, Moment, Now, Sees};
use super::settings::{
    ARMS, BLIND, COUNT, EACH, FRACTION, HAND, METHOD, SHORT, Size, rate as chosen,
};
use crate::experiment::{Context, Trial};

/// The arms of a run: the small one has those of the checks.
pub(super) fn arms(context: &Context) -> Vec<&'static str> {
    if context.small {
        return vec![BLIND, METHOD, SHORT, HAND];
    }
    ARMS.into_iter().chain([EACH]).collect()
}

/// What is searched for in an arm.
pub(super) fn plan(context: &Context, size: Size, arm: &str, rate: f64) -> Search {
    let is_method = arm == METHOD;
    let (form, fitness) = match arm {
        FRACTION => (Form::Network(Sees::Fraction), Fitness::Final),
        METHOD => (Form::Network(Sees::Both), Fitness::Final),
        COUNT => (Form::Network(Sees::Count), Fitness::Final),
        SHORT => (Form::Network(Sees::Both), Fitness::Truncated),
        HAND => (Form::Hand, Fitness::Final),
        EACH => (Form::Constants, Fitness::Final),
        _ => (Form::Network(Sees::Nothing), Fitness::Final),
    };
    let over_life = is_method && context.is_broken_by("return-over-life");
    Search {
        form,
        fitness: if over_life {
            Fitness::OverLife
        } else {
            fitness
        },
        pairs: match arm {
            SHORT => size.truncated,
            // Four searches share the lives.
            EACH => size.pairs.div_ceil(4),
            _ => size.pairs,
        },
        generations: size.generations,
        rate,
        only: None,
        swapped: is_method && context.is_broken_by("another-life"),
    }
}

/// An arm's rules, one for each life that is tested.
pub(super) fn found<F: Family>(
    family: &F,
    arm: &str,
    plan: Search,
    seed: u64,
) -> Result<[Found; 4]> {
    if arm != EACH {
        let found = search(family, plan, seed)?;
        return Ok(std::array::from_fn(|_| found.clone()));
    }
    let mut all = Vec::new();
    for horizon in F::TESTED {
        let only = Some(horizon);
        all.push(search(family, Search { only, ..plan }, seed)?);
    }
    let updates = all.iter().map(|found| found.updates).sum();
    for found in &mut all {
        found.updates = updates;
    }
    all.try_into()
        .map_err(|_| anyhow::anyhow!("one rule for each life"))
}

/// The tests of an arm at each life.
pub(super) fn tests<F: Family>(
    family: &F,
    found: &[Found; 4],
    size: Size,
    seed: u64,
) -> Vec<Tested> {
    let lives = F::TESTED.iter().zip(found);
    lives
        .map(|(horizon, found)| test(family, found, *horizon, size.tasks, seed))
        .collect()
}

/// The mean over the lives.
pub(super) fn mean(tested: &[Tested], of: impl Fn(&Tested) -> f64) -> f64 {
    tested.iter().map(of).sum::<f64>() / tested.len() as f64
}

/// How many returns that fitness was made of were those of agents before the end of their lives.
pub(super) const EARLY: &str = "early returns in fitness";

/// Searches and tests all arms of a family. `others` are tasks that meta-training had none of, with the life of their test.
pub(super) fn run<F: Family>(
    context: &Context,
    trial: &mut Trial,
    family: &F,
    size: Size,
    others: (&F, usize, &str),
) -> Result<()> {
    let seed = trial.seed;
    for arm in arms(context) {
        let plan = plan(context, size, arm, chosen(F::NAME, arm));
        let found = found(family, arm, plan, seed)?;
        let tested = tests(family, &found, size, seed);
        let mut record = |metric: &str, value| {
            trial.record(arm, &format!("{}: {metric}", F::NAME), value);
        };
        record("return", mean(&tested, |tested| tested.share));
        record("entropy drop", mean(&tested, Tested::drop));
        for (horizon, tested) in F::TESTED.iter().zip(&tested) {
            record(&format!("return at {horizon}"), tested.share);
            record(&format!("reward at {horizon}"), tested.reward);
        }
        record("agents' updates", found[0].updates as f64);
        record(EARLY, found[0].early as f64);
        if arm != EACH {
            let (family, horizon, name) = others;
            let beyond = test(family, &found[0], horizon, size.tasks, seed);
            record(name, beyond.share);
            for (place, done) in [("0", 0), ("1/2", 1), ("1", 2)] {
                let [w, c] = weights(family, &found[2], done);
                record(&format!("w at {place}"), w);
                record(&format!("c at {place}"), c);
            }
        }
        if F::NAME == "bandit" {
            let entropy = tested[2].entropy.iter().enumerate();
            let length = tested[2].entropy.len() as f64;
            let points = entropy.map(|(done, entropy)| (done as f64 / length, *entropy));
            trial.curve(arm, points.collect());
        }
    }
    Ok(())
}

/// What an advantage of 1 weighs against none, and the weight of entropy, after so many halves of the third life, for an action of probability a
/// half at half the maximal entropy.
fn weights<F: Family>(family: &F, found: &Found, halves: usize) -> [f64; 2] {
    let horizon = F::TESTED[2];
    let now = Now::new(
        found.form,
        &found.numbers,
        Moment {
            done: halves * horizon / 2,
            horizon,
            longest: family.horizons().1,
        },
    );
    let [up, none] = [1.0, 0.0].map(|advantage| now.of(advantage, 0.5_f64.ln(), 0.5));
    [F::SCALE * (up[0] - none[0]), F::SCALE * none[1]]
}
