//! What early windows tell of several runs, and which of them to go on with.

use regimen_tensor::checked::Checked;
use regimen_tensor::stats::ranks;
use regimen_tensor::{checked_serde, floats};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check, check_not_negative};

/// What an early window tells of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EarlySignal {
    /// Mean l2 norm of the gradient, over samples; not finite for a run that has none, which is not healthy.
    #[serde(with = "floats")]
    pub gradient_norm: f64,
    /// Mean training loss, over samples; not finite for a run that has none, which is not healthy.
    #[serde(with = "floats")]
    pub loss: f64,
    /// Whether every value was finite, and the loss fell from before the window into it by more than noise and does not rise
    /// within. A high loss is a good sign only then: a run that diverged or does not learn has one too.
    pub healthy: bool,
}

impl Checked for EarlySignal {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let norm = self.gradient_norm;
        if norm < 0.0 {
            check_not_negative("gradient_norm", norm)?;
        }
        Ok(())
    }
}

/// Which runs to go on with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Selection {
    /// The mean of each run's two ranks, by gradient norm rising and by loss falling, 1 the best; runs with equal values share
    /// the mean of their ranks, and a run that is not healthy has none.
    pub ranks: Vec<Option<f64>>,
    /// The runs to go on with, best first.
    pub keep: Vec<usize>,
    /// The runs to stop, worst last.
    pub stop: Vec<usize>,
}

impl Checked for Selection {
    type Error = Error;

    fn check(&self) -> Result<()> {
        let count = self.ranks.len();
        let all = self.keep.len() + self.stop.len();
        check(
            "keep",
            all as f64,
            all == count,
            "with `stop`, all runs of `ranks`",
        )?;
        let mut seen = vec![false; count];
        for run in self.keep.iter().chain(&self.stop) {
            let new = seen
                .get_mut(*run)
                .is_some_and(|seen| !std::mem::replace(seen, true));
            check(
                "keep",
                *run as f64,
                new,
                "with `stop`, each run of `ranks` once",
            )?;
        }
        for rank in self.ranks.iter().flatten() {
            let inside = (1.0..=count as f64).contains(rank);
            check("ranks", *rank, inside, "1 to the number of runs")?;
        }
        for run in &self.keep {
            let ranked = self.ranks[*run].is_some();
            check("keep", *run as f64, ranked, "runs that have a rank")?;
        }
        Ok(())
    }
}

/// Ranks runs and stops the worst.
///
/// `fraction`, in `0..1`, is the share of the runs to stop, rounded down; runs that are not healthy are stopped first, even if
/// they are more. Equal mean ranks go by the lower gradient norm, then by the earlier place. Compare runs of one model and
/// one data set. The gradient norm falls with the batch size by itself ([`expected_squared_norm`](super::expected_squared_norm)): compare within a batch size too.
///
/// ```
/// use regimen_schedules::forecast::early_signals::{EarlySignal, select};
///
/// let run = |gradient_norm, loss| EarlySignal { gradient_norm, loss, healthy: true };
/// let runs = [run(1.0, 2.0), run(0.5, 2.5), run(2.0, 1.5), run(0.7, 2.2)];
/// let selection = select(&runs, 0.5)?;
/// assert_eq!(selection.keep, [1, 3]);
/// assert_eq!(selection.stop, [0, 2]);
/// assert_eq!(selection.saved(10_000, 100_000), 0.45); // of all samples, if the window ends at a tenth
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
///
/// # Errors
/// If there is no run, or the fraction is not in `0..1`.
pub fn select(runs: &[EarlySignal], fraction: f64) -> Result<Selection> {
    check(
        "fraction",
        fraction,
        (0.0..1.0).contains(&fraction),
        "0 to below 1",
    )?;
    if runs.is_empty() {
        return Err(Error::TooFew {
            field: "runs",
            found: 0,
            needed: 1,
        });
    }
    let is_healthy =
        |run: &EarlySignal| run.healthy && run.loss.is_finite() && run.gradient_norm.is_finite();
    let healthy: Vec<usize> = (0..runs.len())
        .filter(|&run| is_healthy(&runs[run]))
        .collect();
    let of = |value: &dyn Fn(&EarlySignal) -> f64| -> Vec<f64> {
        let values: Vec<f64> = healthy.iter().map(|&run| value(&runs[run])).collect();
        ranks(&values)
    };
    let by_norm = of(&|run| run.gradient_norm);
    let by_loss = of(&|run| -run.loss);
    let mut mean_ranks = vec![None; runs.len()];
    for (place, &run) in healthy.iter().enumerate() {
        mean_ranks[run] = Some((by_norm[place] + by_loss[place]) / 2.0);
    }
    let mut order: Vec<usize> = (0..runs.len()).collect();
    let key = |run: usize| mean_ranks[run].unwrap_or(f64::INFINITY);
    order.sort_by(|&a, &b| {
        let norms = || runs[a].gradient_norm.total_cmp(&runs[b].gradient_norm);
        key(a).total_cmp(&key(b)).then_with(norms)
    });
    // A product that is whole but for rounding is not rounded down.
    let stopped = (fraction * runs.len() as f64 + 1e-9).floor() as usize;
    let kept = (runs.len() - stopped).min(healthy.len());
    let stop = order.split_off(kept);
    Ok(Selection {
        ranks: mean_ranks,
        keep: order,
        stop,
    })
}

impl Selection {
    /// The share of all samples that need not be trained on, if every run has a budget of `budget` samples and those to stop
    /// have seen `seen` of them.
    #[must_use]
    pub fn saved(&self, seen: u64, budget: u64) -> f64 {
        let runs = (self.keep.len() + self.stop.len()).max(1) as f64;
        let rest = budget.saturating_sub(seen) as f64 / budget.max(1) as f64;
        self.stop.len() as f64 / runs * rest
    }
}

checked_serde!(EarlySignal, Selection);
