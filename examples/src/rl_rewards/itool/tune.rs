//! What the tuning seeds are to choose: nothing is chosen yet, rates and base are those of first tries.
//!
//! Exact answers to requests for two calls, by two bases within the band that were made without easy requests first. Seed 1000: width 64, 60 letters,
//! numbers below 14, 200 prompts in the search, base 74.4. Seed 1001: width 32, 20 letters, nothing to add, 100 prompts in the search, base 65.5.
//!
//! | arm, updates | 5e-6 | 1.5e-5 | 5e-5 | 1.5e-4 | 5e-4 |
//! |---|---|---|---|---|---|
//! | itool, 25 | 74.3 / 65.5 | 74.3 / 65.5 | 74.1 / 65.0 | 72.0 / 64.8 | 57.0 / 61.5 |
//! | sft on, 25 | 74.6 / 65.5 | 74.7 / 65.5 | 75.3 / 65.8 | 75.3 / 65.5 | 71.8 / 66.2 |
//! | simpo of whole answers, 25 | 74.4 / 65.5 | 74.4 / 65.5 | 75.3 / 65.8 | 74.1 / 65.2 | 62.5 / 65.2 |
//! | no search, 25 | 74.8 / 65.5 | 74.6 / 65.8 | 74.0 / 65.8 | 71.8 / 66.2 | 60.9 / 63.2 |
//! | itool, random requests, 25 | 74.4 / 65.5 | 74.5 / 65.5 | 74.1 / 65.5 | 72.2 / 65.2 | 61.8 / 61.0 |
//! | itool, 100 | not run / 65.5 | 74.3 / 65.2 | 72.1 / 64.8 | 59.9 / 63.2 | 20.0 / 53.5 |
//! | sft on, 100 | not run / 65.5 | 75.1 / 65.8 | 75.5 / 66.5 | 75.2 / 66.8 | 73.4 / 67.5 |
//! | simpo of whole answers, 100 | not run / 65.5 | 75.0 / 65.2 | 74.5 / 65.8 | 67.8 / 64.0 | 26.5 / 44.5 |
//! | no search, 100 | not run / 65.8 | 74.2 / 66.0 | 72.1 / 65.8 | 62.8 / 64.5 | 47.2 / 60.2 |
//! | itool, random requests, 100 | not run / 65.5 | 73.8 / 65.2 | 71.0 / 65.8 | 59.8 / 65.0 | 14.9 / 12.2 |

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};

use super::bench::{BASE, Bench, ITOOL, Plan, RANDOM, SFT, TRUTH, WHOLE};
use super::learn::Arms;
use crate::experiment::{Context, Trial};
use crate::rl_rewards::bed::tools::Tools;
use crate::rl_rewards::bed::turn::UntilTurn;
use crate::rl_rewards::bed::warm_up::WarmUp;

/// The better of more supervision and pairs of whole answers on the tuning seeds.
pub(super) const BASELINE: &str = SFT;

/// The rate of each arm.
const RATES: [(&str, f64); 5] = [
    (SFT, 5e-5),
    (WHOLE, 5e-5),
    (TRUTH, 1.5e-5),
    (ITOOL, 1.5e-5),
    (RANDOM, 1.5e-5),
];

/// The rate of an arm.
pub(super) fn rate(arm: &str) -> f64 {
    let mut rates = RATES.iter();
    rates
        .find(|(name, _)| *name == arm)
        .map_or(5e-5, |(_, rate)| *rate)
}

/// Updates of an iteration.
pub(super) fn updates(context: &Context) -> usize {
    if context.full { 200 } else { 25 }
}

/// How the base policy is made.
pub(super) fn plan(context: &Context) -> Plan {
    let task = Tools {
        letters: 20,
        ..Tools::default()
    };
    let (before, most) = match context {
        Context { full: true, .. } => (4000, 20_000),
        _ => (800, 4000),
    };
    Plan {
        easy: Tools { numbers: 8, ..task },
        before: WarmUp {
            updates: before,
            ..WarmUp::default()
        },
        task,
        until: UntilTurn {
            most,
            ..UntilTurn::default()
        },
    }
}

/// The rates and the numbers of updates that were tried.
const TRIED: [f64; 5] = [5e-6, 1.5e-5, 5e-5, 1.5e-4, 5e-4];
const LENGTHS: [usize; 2] = [25, 100];

/// Settings `name=value` in place of those that are chosen.
struct Settings(BTreeMap<String, String>);

/// What can be set.
const NAMES: [&str; 13] = [
    "small", "fault", "letters", "numbers", "sums", "easy", "before", "rate", "decay", "patience",
    "arms", "rates", "lengths",
];

impl Settings {
    fn read(all: &[String]) -> Result<Self> {
        let mut found = BTreeMap::new();
        for one in all {
            let (name, value) = one
                .split_once('=')
                .with_context(|| format!("`{one}` is not NAME=VALUE"))?;
            ensure!(NAMES.contains(&name), "`{name}` is none of {NAMES:?}");
            found.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self(found))
    }

    fn one<T: FromStr>(&self, name: &str, or: T) -> Result<T>
    where
        T::Err: Display,
    {
        let Some(value) = self.0.get(name) else {
            return Ok(or);
        };
        value
            .parse::<T>()
            .map_err(|error| anyhow::anyhow!("{name}: {error}"))
    }

    fn list<T: FromStr>(&self, name: &str, or: Vec<T>) -> Result<Vec<T>>
    where
        T::Err: Display,
    {
        let Some(values) = self.0.get(name) else {
            return Ok(or);
        };
        let values = values.split(';').map(str::parse::<T>);
        let values: Result<Vec<T>, T::Err> = values.collect();
        values.map_err(|error| anyhow::anyhow!("{name}: {error}"))
    }

    fn plan(&self, context: &Context) -> Result<Plan> {
        let mut plan = plan(context);
        for task in [&mut plan.easy, &mut plan.task] {
            task.letters = self.one("letters", task.letters)?;
            task.sums = self.one("sums", task.sums)?;
        }
        plan.easy.numbers = self.one("easy", plan.easy.numbers)?;
        plan.task.numbers = self.one("numbers", plan.task.numbers)?;
        plan.before.updates = self.one("before", plan.before.updates)?;
        plan.until.rate = self.one("rate", plan.until.rate)?;
        plan.until.decay = self.one("decay", plan.until.decay)?;
        plan.until.patience = self.one("patience", plan.until.patience)?;
        Ok(plan)
    }
}

/// Prints what the base has, and what every arm gives at every rate and number of updates on one tuning seed; lists are separated by `;`.
///
/// # Errors
/// If a setting is none, or an arm fails.
pub fn tune(seed: u64, settings: &[String], mut line: impl FnMut(String)) -> Result<()> {
    let settings = Settings::read(settings)?;
    let context = Context {
        small: settings.one("small", false)?,
        fault: settings.0.get("fault").cloned(),
        ..Context::new(seed)
    };
    let bench = Bench::new(&context, settings.plan(&context)?, seed)?;
    let mut trial = Trial::new(seed);
    bench.test(&context, &mut trial, BASE, &bench.base)?;
    line(format!("{seed}; {BASE}; {:.1?}", trial.arms[BASE]));
    let names = [ITOOL, SFT, WHOLE, TRUTH, RANDOM].map(String::from);
    for updates in settings.list("lengths", LENGTHS.to_vec())? {
        let arms = Arms {
            context: &context,
            bench: &bench,
            updates,
            seed,
        };
        let mut costs = Vec::new();
        for rate in settings.list("rates", TRIED.to_vec())? {
            for name in settings.list("arms", names.to_vec())? {
                let (done, cost) = arms.run(&name, rate, &costs)?;
                if name == ITOOL {
                    costs = cost;
                }
                bench.test(&context, &mut trial, &name, &done.policy)?;
                let values = ["main", "arguments", "functions", "none", "parsed"];
                let values = values.map(|metric| trial.value(&name, metric));
                line(format!(
                    "{seed}; {name}; {updates}; {rate}; {values:.1?}; {:.2?}",
                    done.figures
                ));
            }
        }
    }
    Ok(())
}
