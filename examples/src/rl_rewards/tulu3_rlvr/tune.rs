//! What the tuning seeds chose, and how. **Not chosen yet.**

use anyhow::Result;

use super::bench::{AVERAGED, Bench, ONCE, ONLINE, RLVR, SFT, SIMPO, SUM};
use super::pairs::{Form, Preferred};
use super::stage::{Arm, Stage, updates};
use crate::experiment::{Context, Trial};

/// The better of online and one-round rejection on the tuning seeds.
pub(super) const BASELINE: &str = ONLINE;

/// Tokens of a sample at most, over the base's.
pub(super) const LONGEST: f64 = 1.5;

/// The temperature at which the policy of the second stage is most often right; 0 is the most probable completion.
pub(super) const TEMPERATURE: f64 = 0.0;

/// Each form of learning from pairs with its `beta`, and its rate.
pub(super) const FORMS: [(&str, Form, f64); 3] = [
    (AVERAGED, Form::Averaged(1.5), 1e-4),
    (SUM, Form::Sum(0.1), 1e-4),
    (SIMPO, Form::Simpo(1.0), 1e-4),
];

/// The rate of each arm of the third stage.
pub(super) const RATES: [(&str, f64); 4] =
    [(RLVR, 5e-4), (SFT, 5e-4), (ONLINE, 5e-4), (ONCE, 5e-4)];

/// The rate of an arm.
pub(super) fn rate(arm: &str) -> f64 {
    let mut rates = RATES.iter();
    rates
        .find(|(name, _)| *name == arm)
        .map_or(5e-4, |(_, rate)| *rate)
}

/// The rates and scales of pairs that were tried.
const PAIRS: [f64; 4] = [3e-5, 1e-4, 3e-4, 1e-3];
const AVERAGES: [f64; 5] = [0.5, 1.5, 5.0, 15.0, 50.0];
const SUMS: [f64; 5] = [0.03, 0.1, 0.3, 1.0, 3.0];
const SIMPOS: [f64; 4] = [1.0, 2.5, 5.0, 10.0];
/// The rates of the third stage that were tried.
const TRIED: [f64; 4] = [1.25e-4, 2.5e-4, 5e-4, 1e-3];
/// The temperatures that were tried.
const TEMPERATURES: [f64; 4] = [0.0, 0.3, 0.6, 1.0];

/// What is tried: all of it where a list is empty.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// Arms.
    pub arms: Vec<String>,
    /// Values of `beta` of pairs.
    pub betas: Vec<f64>,
    /// Rates.
    pub rates: Vec<f64>,
}

impl Tried {
    fn has(&self, arm: &str) -> bool {
        self.arms.is_empty() || self.arms.iter().any(|name| name == arm)
    }
}

/// A form with the values of `beta` that were tried.
type Grid = (&'static str, fn(f64) -> Form, &'static [f64]);

fn or(own: &[f64], all: &[f64]) -> Vec<f64> {
    if own.is_empty() { all } else { own }.to_vec()
}

/// Prints what a stage's arms give at each setting on one tuning seed: `pairs` or `verifier`.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, stage: &str, tried: &Tried, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let bench = Bench::new(&context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test_base(&context, &mut trial)?;
    line(format!("{seed}; {:.1?}", trial.arms));
    let preferred = Preferred::of(&context, &bench, seed)?;
    if stage == "pairs" {
        for rate in or(&tried.rates, &PAIRS) {
            let all: [Grid; 3] = [
                (AVERAGED, Form::Averaged, &AVERAGES),
                (SUM, Form::Sum, &SUMS),
                (SIMPO, Form::Simpo, &SIMPOS),
            ];
            for (name, form, betas) in all {
                let betas = if tried.has(name) {
                    or(&tried.betas, betas)
                } else {
                    Vec::new()
                };
                for beta in betas {
                    let learned = (form(beta), rate);
                    let (policy, _) = preferred.learn(&context, &bench.base, learned, seed)?;
                    bench.test(&context, &mut trial, name, (&policy, &bench.base))?;
                    let [main, length, far] = ["main", "tokens of a sample", "divergence"]
                        .map(|metric| trial.value(name, metric));
                    line(format!(
                        "{seed}; {name}; {beta}; {rate}; {main:.1}; {length:.2}; {far:.2}"
                    ));
                }
            }
        }
        return Ok(());
    }
    let (_, form, rate) = FORMS[0];
    let (start, _) = preferred.learn(&context, &bench.base, (form, rate), seed)?;
    bench.test(&context, &mut trial, AVERAGED, (&start, &bench.base))?;
    for temperature in TEMPERATURES {
        let found = bench.at(&context, &start, temperature, seed)?;
        line(format!("{seed}; temperature {temperature}; {found:.1}"));
    }
    let stage = Stage {
        context: &context,
        bench: &bench,
        start: &start,
        seed,
    };
    let count = updates(&context);
    let (mut sampled, mut trained) = (0, 0);
    for rate in or(&tried.rates, &TRIED) {
        for name in [RLVR, SFT, ONLINE, ONCE] {
            if name != RLVR && !tried.has(name) {
                continue;
            }
            let arm = match name {
                RLVR => Arm::Rlvr(count),
                SFT => Arm::Shown(trained),
                ONLINE => Arm::Online(sampled),
                _ => Arm::Once(sampled, count),
            };
            let done = stage.run(arm, rate)?;
            if name == RLVR {
                (sampled, trained) = (done.budget.sampled, done.budget.trained);
            }
            bench.test(&context, &mut trial, name, (&done.policy, &start))?;
            line(format!(
                "{seed}; {name}; {rate}; {:.1?}; {:?}",
                trial.arms[name], done.budget
            ));
        }
    }
    Ok(())
}
