//! The ratio of importances of single examples, beside its bound.

use anyhow::Result;
use regimen_tensor::ParamVector;

use crate::experiment::Trial;

/// The metric that [`record_ratio`] records.
const RATIO: &str = "largest ratio / bound";

/// Where it is recorded.
pub(super) const RATIO_ARM: &str = "ssd single alpha half";

/// Every setting whose ratios are measured.
const MEASURED: [&str; 6] = [
    "mlp class",
    "mlp style",
    "mlp random",
    "cnn class",
    "cnn style",
    "cnn random",
];

/// Records the largest `I_forget / I_all`, where `I_all` is a normal number, over its bound `|D| / |D_f|`.
pub(super) fn record_ratio(
    trial: &mut Trial,
    setting: &str,
    (all, forget): (&ParamVector, &ParamVector),
    bound: f64,
) -> Result<()> {
    let (all, forget) = (all.to_host()?.concat(), forget.to_host()?.concat());
    let pairs = forget.into_iter().zip(all).filter(|(_, all)| *all > 1e-30);
    let ratios = pairs.map(|(forget, all)| f64::from(forget) / f64::from(all));
    let largest = ratios.fold(0.0, f64::max);
    trial.record(RATIO_ARM, &format!("{setting}: {RATIO}"), largest / bound);
    Ok(())
}

/// The largest such share of a seed, over all settings; NaN if one was not measured.
pub(super) fn largest_ratio(trial: &Trial) -> f64 {
    let share = |setting: &str| trial.value(RATIO_ARM, &format!("{setting}: {RATIO}"));
    let larger = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
    MEASURED.map(share).into_iter().fold(0.0, larger)
}
