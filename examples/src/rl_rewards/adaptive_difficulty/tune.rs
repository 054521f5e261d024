//! What the tuning seeds chose, and how.

use anyhow::Result;

use super::arms::{Arm, Length, Order, RowsBench, Until, post_train};
use super::learn::Rescue;
use super::names::{
    ADCL, AS_ADCL, AS_EGSR, BOTH, EGSR, EQUAL, EXPERT, LENGTH, MORE, OWN, RANDOM, SHUFFLED, STATIC,
    T_AGAIN, T_ANYWHERE, T_EGSR, T_EXPERT, T_GRPO, T_OWN, T_SFT, TEXTS,
};
use super::rows::Rows;
use super::text::Text;
use crate::experiment::{Context, Trial};

/// The rate of each arm.
const RATES: [(&str, f64); 20] = [
    (EGSR, 8e-3),
    (ADCL, 4e-3),
    (BOTH, 4e-3),
    (RANDOM, 4e-3),
    (AS_EGSR, 4e-3),
    (AS_ADCL, 4e-3),
    (EQUAL, 4e-3),
    (STATIC, 8e-3),
    (SHUFFLED, 8e-3),
    (LENGTH, 8e-3),
    (MORE, 4e-3),
    (EXPERT, 6.4e-2),
    (OWN, 3.2e-2),
    (T_EGSR, 5e-4),
    (T_GRPO, 2.5e-4),
    (T_AGAIN, 2.5e-4),
    (T_ANYWHERE, 5e-4),
    (T_SFT, 1.25e-4),
    (T_EXPERT, 1.25e-4),
    (T_OWN, 5e-4),
];

/// The rate of an arm.
pub(super) fn rate(arm: &str) -> f64 {
    let mut rates = RATES.iter();
    rates
        .find(|(name, _)| *name == arm)
        .map_or(1e-3, |(_, rate)| *rate)
}

/// The rates that were tried on rows, and in text.
const ROWS: [f64; 5] = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2];
/// And those of the two arms that learn from answers of the expert.
const HIGH: [f64; 3] = [3.2e-2, 6.4e-2, 1.28e-1];
const TEXT: [f64; 4] = [1.25e-4, 2.5e-4, 5e-4, 1e-3];

/// Prints the figure of every arm at every rate on one tuning seed.
///
/// # Errors
/// If an arm fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = &Context::new(seed);
    let rows = Rows::new(context, &context.images()?, seed)?;
    let base = rows.start(context, seed)?;
    line(format!("{seed}; base; ; {:.1}", rows.test(&base)?));
    let bench = RowsBench {
        context,
        rows,
        base,
        seed,
    };
    let none = Rescue::None;
    // What equal arms get is what these three take at the rates that were chosen.
    let taken = |name: &str, order, rescue| -> Result<usize> {
        let done = bench.run(Arm {
            order,
            rescue,
            samples: 8,
            rate: rate(name),
            until: None,
        })?;
        Ok(done.tally.rollouts)
    };
    let egsr = taken(EGSR, Order::Random, Rescue::Guided)?;
    let adcl = taken(ADCL, Order::Adaptive, none)?;
    let both = taken(BOTH, Order::Adaptive, Rescue::Guided)?;
    let imitators = [
        (EXPERT, Order::Random, Rescue::Expert, 8, Some(egsr)),
        (OWN, Order::Random, Rescue::Own, 8, Some(egsr)),
    ];
    let arms = [
        (EGSR, Order::Random, Rescue::Guided, 8, None),
        (ADCL, Order::Adaptive, none, 8, None),
        (BOTH, Order::Adaptive, Rescue::Guided, 8, None),
        (RANDOM, Order::Random, none, 8, None),
        (AS_EGSR, Order::Random, none, 8, Some(egsr)),
        (AS_ADCL, Order::Random, none, 8, Some(adcl)),
        (EQUAL, Order::Random, none, 8, Some(both)),
        (STATIC, Order::Static, none, 8, None),
        (SHUFFLED, Order::Shuffled, none, 8, None),
        (LENGTH, Order::Length, none, 8, None),
        (MORE, Order::Random, none, 24, None),
    ];
    let all: Vec<_> = imitators.into_iter().chain(arms).collect();
    let high = HIGH.map(|rate| (rate, &imitators[..]));
    for (rate, arms) in high.into_iter().chain(ROWS.map(|rate| (rate, &all[..]))) {
        for (name, order, rescue, samples, until) in arms.iter().copied() {
            let done = bench.run(Arm {
                order,
                rescue,
                samples,
                rate,
                until,
            })?;
            let main = bench.rows.test(&done.policy)?;
            let (dead, tally) = (done.tally.dead(), done.tally);
            line(format!(
                "{seed}; {name}; {rate}; {main:.1}; dead {dead:.2}, beyond {:.3}, {tally:?}",
                done.excess,
            ));
        }
    }
    let text = Text::new(context, seed)?;
    let mut trial = Trial::new(seed);
    text.test(&mut trial, "base", &text.base)?;
    line(format!(
        "{seed}; text: base; ; {:?}; with hints {:.1}",
        trial.arms["base"],
        text.with_hints(&text.base)?
    ));
    for rate in TEXT {
        let mut until = Until::Updates(Length::of(context).updates);
        for (name, rescue) in [(T_EGSR, Rescue::Guided)].into_iter().chain(TEXTS) {
            let done = post_train(context, &text, rescue, rate, seed, until)?;
            let mut trial = Trial::new(seed);
            text.test(&mut trial, name, &done.policy)?;
            let (dead, tally) = (done.tally.dead(), done.tally);
            if rescue == Rescue::Guided {
                until = Until::Tokens(tally.tokens);
            }
            line(format!(
                "{seed}; {name}; {rate}; {:?}; dead {dead:.2}, {tally:?}",
                trial.arms[name],
            ));
        }
    }
    Ok(())
}
