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
    (AVERAGED, Form::Averaged(5.0), 3e-4),
    (SUM, Form::Sum(1.0), 3e-4),
    (SIMPO, Form::Simpo(2.5), 3e-4),
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
const PAIRS: [f64; 3] = [1e-4, 3e-4, 1e-3];
const AVERAGES: [f64; 4] = [1.5, 5.0, 15.0, 50.0];
const SUMS: [f64; 4] = [0.1, 0.3, 1.0, 3.0];
const SIMPOS: [f64; 4] = [1.0, 2.5, 5.0, 10.0];
/// The rates of the third stage that were tried.
const TRIED: [f64; 3] = [2.5e-4, 5e-4, 1e-3];
/// The temperatures that were tried.
const TEMPERATURES: [f64; 4] = [0.0, 0.3, 0.6, 1.0];

/// Prints what a stage's arms give at each setting on one tuning seed: `pairs` or `verifier`.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, stage: &str, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let bench = Bench::new(&context, seed)?;
    let mut trial = Trial::new(seed);
    bench.test_base(&context, &mut trial)?;
    line(format!("{seed}; {:.1?}", trial.arms));
    let preferred = Preferred::of(&context, &bench, seed)?;
    if stage == "pairs" {
        for rate in PAIRS {
            let forms = AVERAGES.map(Form::Averaged).into_iter();
            let forms = forms.chain(SUMS.map(Form::Sum));
            for form in forms.chain(SIMPOS.map(Form::Simpo)) {
                let (policy, _) = preferred.learn(&context, &bench.base, (form, rate), seed)?;
                bench.test(&context, &mut trial, "form", (&policy, &bench.base))?;
                let [main, length, far] = ["main", "tokens of a sample", "divergence"]
                    .map(|metric| trial.value("form", metric));
                line(format!(
                    "{seed}; {form:?}; {rate}; {main:.1}; {length:.2}; {far:.2}"
                ));
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
    for rate in TRIED {
        for name in [RLVR, SFT, ONLINE, ONCE] {
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
