//! The construction: which shape in which epochs, at which rate.

use regimen_tensor::checked::Checked;
use serde::Serialize;

use super::config::MultigridConfig;
use crate::error::{Result, check};

/// The shape of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchShape {
    /// Inputs of the batch.
    pub batch: usize,
    /// Sizes, in the order of the dimensions.
    pub sizes: Vec<usize>,
}

/// Some epochs of one shape of the long cycle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MultigridEntry {
    /// Stage of the baseline's rate, from 0.
    pub stage: usize,
    /// Factor of the batch, and of the rate, in the long cycle.
    pub multiplier: usize,
    /// Sizes of the long cycle, in the order of the dimensions.
    pub sizes: Vec<usize>,
    /// The epoch before which it ends.
    pub end_epoch: usize,
    /// The shapes that iterations take in turn; the last is the long cycle's own.
    pub shapes: Vec<BatchShape>,
}

impl MultigridEntry {
    /// The mean batch over the short cycle: an epoch of `n` examples takes about `n / mean_batch` iterations.
    #[must_use]
    pub fn mean_batch(&self) -> f64 {
        let sum: usize = self.shapes.iter().map(|shape| shape.batch).sum();
        sum as f64 / self.shapes.len() as f64
    }
}

/// A multigrid schedule in epochs.
///
/// Each stage of the baseline but the last goes through the long cycle; the shape `j` gets the share `b_j / sum b` of the
/// stage's epochs, with `b_j` the mean multiplier of the batch over the short cycle, so that all shapes get equally many
/// iterations. The last stage is fine-tuning at full size: the stage's epochs over the iteration saving, times `b` of the
/// full size. All lengths are scaled to `epoch_factor` times the baseline's epochs, and the ends rounded.
///
/// The multiplier of each shape of the short cycle is `round(full cost / cost)` of that shape. The released sampler rounds
/// the ratio to the long cycle's batch instead: the same for the paper's factors, but 0 where a crop of the short cycle is
/// much larger than the long cycle's. The released code also fails for a long cycle without a short one, where it asks for
/// the third shape of three; here each shape of the long cycle is then its only one. With a short cycle alone, it cuts the ends of the stages off
/// to whole epochs (13 for 13.5); here they are rounded as those of a long cycle are (14).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Multigrid {
    entries: Vec<MultigridEntry>,
    rate_changes: Vec<(usize, f64)>,
    mean_multipliers: Vec<f64>,
    iteration_saving: f64,
    fine_tuning: f64,
    scale: f64,
}

/// So that sums over a short cycle fit into a machine word.
const LARGEST_BATCH: f64 = (1_u64 << 40) as f64;

/// A shape of the long cycle with what the short cycle makes of it.
struct Level {
    multiplier: usize,
    mean: f64,
    sizes: Vec<usize>,
    shapes: Vec<BatchShape>,
}

impl Level {
    fn new(config: &MultigridConfig, factors: &[f64]) -> Result<Self> {
        let pairs = config.dimensions.iter().zip(factors);
        let sizes: Vec<usize> = pairs.map(|(d, f)| rounded(d.size as f64 * f)).collect();
        let exact: Vec<f64> = sizes.iter().map(|size| *size as f64).collect();
        let mut all = Vec::new();
        if let Some(short) = &config.short_cycle {
            let place = config.position(&short.dimension).unwrap_or(0);
            for factor in &short.factors {
                let mut changed = exact.clone();
                changed[place] = config.dimensions[place].size as f64 * factor;
                all.push(changed);
            }
        }
        all.push(exact);
        let multipliers: Vec<usize> = all.iter().map(|sizes| multiplier(config, sizes)).collect();
        for multiplier in &multipliers {
            let batch = config.batch as f64 * *multiplier as f64;
            let allowed = "up to 2^40 in every shape, with its multiplier";
            check("batch", batch, batch <= LARGEST_BATCH, allowed)?;
        }
        let shapes = all.iter().zip(&multipliers);
        Ok(Self {
            multiplier: multipliers.last().copied().unwrap_or(1),
            mean: multipliers.iter().sum::<usize>() as f64 / multipliers.len() as f64,
            sizes,
            shapes: shapes
                .map(|(sizes, multiplier)| BatchShape {
                    batch: config.batch * multiplier,
                    sizes: sizes.iter().map(|size| rounded(*size)).collect(),
                })
                .collect(),
        })
    }

    fn entry(&self, stage: usize, end_epoch: usize) -> MultigridEntry {
        MultigridEntry {
            stage,
            multiplier: self.multiplier,
            sizes: self.sizes.clone(),
            end_epoch,
            shapes: self.shapes.clone(),
        }
    }
}

/// To the nearest whole number, halves to even as in the released code, and 1 or more.
fn rounded(size: f64) -> usize {
    (size.round_ties_even() as usize).max(1)
}

fn multiplier(config: &MultigridConfig, sizes: &[f64]) -> usize {
    let pairs = config.dimensions.iter().zip(sizes);
    let relative = pairs.map(|(d, size)| (d.size as f64 / size).powi(d.power as i32));
    rounded(relative.product())
}

impl MultigridConfig {
    /// The schedule in epochs.
    ///
    /// # Errors
    /// If a field is out of its range, or a name is not that of exactly one dimension.
    pub fn init(&self) -> Result<Multigrid> {
        self.check()?;
        Multigrid::new(self)
    }
}

impl Multigrid {
    fn new(config: &MultigridConfig) -> Result<Self> {
        let full = vec![vec![1.0; config.dimensions.len()]];
        let cycle = if config.long_cycle.is_empty() {
            &full
        } else {
            &config.long_cycle
        };
        let levels = cycle.iter().map(|f| Level::new(config, f));
        let levels: Vec<Level> = levels.collect::<Result<_>>()?;
        let total: f64 = levels.iter().map(|level| level.mean).sum();
        let (mut lengths, mut iterations) = (Vec::new(), 0.0);
        for (stage, bounds) in config.stages.windows(2).enumerate() {
            let epochs = (bounds[1] - bounds[0]) as f64;
            iterations += epochs * levels.len() as f64 / total;
            for level in &levels {
                lengths.push((stage, level, epochs * level.mean / total));
            }
        }
        let last_start = config.stages.last().copied().unwrap_or(0);
        let finest = &levels[levels.len() - 1];
        // With one stage there is no cycle: the run is fine-tuning alone, and saves what its own shapes save.
        let saving = if last_start == 0 {
            finest.mean
        } else {
            last_start as f64 / iterations
        };
        let fine_tuning = (config.epochs - last_start) as f64 / saving * finest.mean;
        lengths.push((config.stages.len() - 1, finest, fine_tuning));
        let sum: f64 = lengths.iter().map(|(_, _, epochs)| epochs).sum();
        let scale = config.epochs as f64 * config.epoch_factor / sum;
        let mut upto = 0.0;
        let entries: Vec<MultigridEntry> = lengths
            .iter()
            .map(|(stage, level, epochs)| {
                upto += epochs * scale;
                level.entry(*stage, upto.round_ties_even() as usize)
            })
            .collect();
        let epochs = entries[entries.len() - 1].end_epoch;
        let enough = "enough for one epoch";
        check("epoch_factor", config.epoch_factor, epochs > 0, enough)?;
        let rate_changes = rate_changes(&entries, config.gamma, levels.len() > 1);
        for (_, rate) in &rate_changes {
            let allowed = "such that the rate of every stage is finite";
            check("gamma", config.gamma, rate.is_finite(), allowed)?;
        }
        Ok(Self {
            rate_changes,
            mean_multipliers: levels.iter().map(|level| level.mean).collect(),
            entries,
            iteration_saving: saving,
            fine_tuning,
            scale,
        })
    }

    /// The shapes of the long cycle with their epochs, in order. One that was rounded to no epoch is kept.
    #[must_use]
    pub fn entries(&self) -> &[MultigridEntry] {
        &self.entries
    }

    /// The epochs at which the rate changes, with the rate from then on as a factor of the base rate.
    ///
    /// `gamma^stage` times the multiplier of the long cycle; the short cycle does not change it. Fine-tuning has the
    /// previous stage's rate in its first half, unless the long cycle is off.
    #[must_use]
    pub fn rate_changes(&self) -> &[(usize, f64)] {
        &self.rate_changes
    }

    /// Mean multiplier of the batch over the short cycle, for each shape of the long cycle.
    #[must_use]
    pub fn mean_multipliers(&self) -> &[f64] {
        &self.mean_multipliers
    }

    /// Iterations of the baseline over those of the cycles for the same epochs, before the last stage.
    #[must_use]
    pub fn iteration_saving(&self) -> f64 {
        self.iteration_saving
    }

    /// Epochs of fine-tuning before [`scale`](Self::scale).
    #[must_use]
    pub fn fine_tuning(&self) -> f64 {
        self.fine_tuning
    }

    /// The factor that brought all lengths to the epochs of the run.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Epochs of the run.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.end_epoch)
    }

    /// The entry of an epoch; past the end, the last.
    #[must_use]
    pub fn entry_at(&self, epoch: usize) -> &MultigridEntry {
        &self.entries[self.place(epoch)]
    }

    pub(super) fn place(&self, epoch: usize) -> usize {
        let ended = self
            .entries
            .partition_point(|entry| entry.end_epoch <= epoch);
        ended.min(self.entries.len() - 1)
    }

    /// Whether to evaluate after this epoch: up to `times` in each entry, at equal distances that end at its last epoch.
    ///
    /// The distance is `floor(length / times) + 1` epochs, as in the released code, whose configurations take 3: an entry whose length is a
    /// multiple of `times` has one evaluation less. Epochs of different entries have different lengths, so a fixed number of
    /// epochs would evaluate coarse shapes too often.
    #[must_use]
    pub fn evaluates_after(&self, epoch: usize, times: usize) -> bool {
        let place = self.place(epoch);
        let start = place
            .checked_sub(1)
            .map_or(0, |p| self.entries[p].end_epoch);
        let end = self.entries[place].end_epoch;
        if epoch >= end {
            return false;
        }
        let period = (end - start) / times.max(1) + 1;
        (end - 1 - epoch).is_multiple_of(period)
    }
}

fn rate_changes(entries: &[MultigridEntry], gamma: f64, halves: bool) -> Vec<(usize, f64)> {
    let rate = |entry: &MultigridEntry| gamma.powi(entry.stage as i32) * entry.multiplier as f64;
    let mut changes = Vec::new();
    let mut start = 0;
    for entry in entries {
        changes.push((start, rate(entry)));
        start = entry.end_epoch;
    }
    if let (true, [.., before, last]) = (halves, entries) {
        let middle = (before.end_epoch + last.end_epoch) / 2;
        changes.pop();
        changes.push((before.end_epoch, rate(before)));
        changes.push((middle, rate(last)));
    }
    changes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::*;

    type Row = (usize, usize, usize, usize, usize);

    fn rows(plan: &Multigrid) -> Vec<Row> {
        let row = |e: &MultigridEntry| (e.stage, e.multiplier, e.sizes[0], e.sizes[1], e.end_epoch);
        plan.entries().iter().map(row).collect()
    }

    fn assert_rates(plan: &Multigrid, epochs: &[usize], rates: &[f64]) {
        let (found, values): (Vec<usize>, Vec<f64>) = plan.rate_changes().iter().copied().unzip();
        assert_eq!(found, epochs);
        assert_eq!(values.len(), rates.len());
        for (value, rate) in values.iter().zip(rates) {
            assert_abs_diff_eq!(value, rate, epsilon = 1e-12);
        }
    }

    #[test]
    fn kinetics() {
        let plan = MultigridConfig::video(64, 32, 224, vec![0, 94, 154, 196], 239);
        let plan = plan.init().unwrap();
        for (b, expected) in plan.mean_multipliers().iter().zip([32.0, 16.0, 14.0, 7.0]) {
            assert_abs_diff_eq!(3.0 * b, expected, epsilon = 1e-12);
        }
        assert_abs_diff_eq!(plan.iteration_saving(), 5.75, epsilon = 1e-12);
        assert_abs_diff_eq!(plan.fine_tuning(), 17.4493, epsilon = 1e-4);
        assert_abs_diff_eq!(plan.scale(), 1.67956, epsilon = 1e-5);
        let expected = [
            (0, 8, 8, 158, 73),
            (0, 4, 16, 158, 110),
            (0, 2, 16, 224, 142),
            (0, 1, 32, 224, 158),
            (1, 8, 8, 158, 205),
            (1, 4, 16, 158, 228),
            (1, 2, 16, 224, 248),
            (1, 1, 32, 224, 259),
            (2, 8, 8, 158, 291),
            (2, 4, 16, 158, 308),
            (2, 2, 16, 224, 322),
            (2, 1, 32, 224, 329),
            (3, 1, 32, 224, 358),
        ];
        assert_eq!(rows(&plan), expected);
        assert_rates(
            &plan,
            &[
                0, 73, 110, 142, 158, 205, 228, 248, 259, 291, 308, 322, 329, 343,
            ],
            &[
                8.0, 4.0, 2.0, 1.0, 0.8, 0.4, 0.2, 0.1, 0.08, 0.04, 0.02, 0.01, 0.01, 0.001,
            ],
        );
        // The short cycle relative to the long one's batch: crops of 158, and of 224.
        let relative = |i: usize| -> Vec<usize> {
            let entry = &plan.entries()[i];
            let shapes = entry.shapes.iter();
            shapes.map(|s| s.batch / (64 * entry.multiplier)).collect()
        };
        assert_eq!((relative(0), relative(2)), (vec![2, 1, 1], vec![4, 2, 1]));
        let crops: Vec<usize> = plan.entries()[0]
            .shapes
            .iter()
            .map(|s| s.sizes[1])
            .collect();
        assert_eq!(crops, [112, 158, 158]);
    }

    #[test]
    fn something_something() {
        let plan = MultigridConfig::video(64, 64, 224, vec![0, 41, 49], 57);
        let plan = plan.init().unwrap();
        let ends: Vec<usize> = plan.entries().iter().map(|e| e.end_epoch).collect();
        assert_eq!(ends, [31, 47, 60, 67, 73, 76, 79, 80, 86]);
        assert_rates(
            &plan,
            &[0, 31, 47, 60, 67, 73, 76, 79, 80, 83],
            &[8.0, 4.0, 2.0, 1.0, 0.8, 0.4, 0.2, 0.1, 0.1, 0.01],
        );
    }

    fn toy() -> MultigridConfig {
        MultigridConfig::new(16, vec![0, 6, 9], 12)
            .with_dimension("side", 8, 2)
            .with_long_cycle(vec![vec![0.5], vec![0.75], vec![1.0]])
            .with_short_cycle("side", vec![0.5, 0.75])
    }

    #[test]
    fn toy_images() {
        let plan = toy().init().unwrap();
        for (b, expected) in plan.mean_multipliers().iter().zip([10.0, 8.0, 7.0]) {
            assert_abs_diff_eq!(3.0 * b, expected, epsilon = 1e-12);
        }
        assert_abs_diff_eq!(plan.iteration_saving(), 2.7778, epsilon = 1e-4);
        assert_abs_diff_eq!(plan.fine_tuning(), 2.52, epsilon = 1e-12);
        assert_abs_diff_eq!(plan.scale(), 1.5625, epsilon = 1e-12);
        let ends: Vec<usize> = plan.entries().iter().map(|e| e.end_epoch).collect();
        assert_eq!(ends, [4, 7, 9, 11, 13, 14, 18]);
        let multipliers: Vec<usize> = plan.entries().iter().map(|e| e.multiplier).collect();
        assert_eq!(multipliers, [4, 2, 1, 4, 2, 1, 1]);
        let rates = [4.0, 2.0, 1.0, 0.4, 0.2, 0.1, 0.1, 0.01];
        assert_rates(&plan, &[0, 4, 7, 9, 11, 13, 14, 16], &rates);
        // A crop of the short cycle that is larger than the long cycle's has a smaller batch, not none.
        let first: Vec<usize> = plan.entries()[0].shapes.iter().map(|s| s.batch).collect();
        assert_eq!(first, [64, 32, 64]);
    }

    #[test]
    fn a_long_cycle_alone_and_a_short_cycle_alone() {
        let long = toy().without_short_cycle().init().unwrap();
        assert_eq!(long.mean_multipliers(), [4.0, 2.0, 1.0]);
        assert!(long.entries().iter().all(|entry| entry.shapes.len() == 1));
        assert_eq!(long.entries().last().unwrap().sizes, [8]);
        let short = toy().with_long_cycle(Vec::new()).init().unwrap();
        let ends: Vec<usize> = short.entries().iter().map(|e| e.end_epoch).collect();
        // The baseline's stages times the epoch factor, at the baseline's rates.
        assert_eq!(ends, [9, 14, 18]);
        assert_rates(&short, &[0, 9, 14], &[1.0, 0.1, 0.01]);
    }

    #[test]
    fn one_stage_is_fine_tuning_alone() {
        let plan = MultigridConfig::images(16, 16, vec![0], 10).init().unwrap();
        assert_eq!((plan.entries().len(), plan.epochs()), (1, 15));
    }

    #[test]
    fn evaluations_end_each_entry() {
        let plan = toy().init().unwrap();
        let after: Vec<usize> = (0..20).filter(|e| plan.evaluates_after(*e, 1)).collect();
        assert_eq!(after, [3, 6, 8, 10, 12, 13, 17]);
        let after: Vec<usize> = (0..20).filter(|e| plan.evaluates_after(*e, 3)).collect();
        // Lengths 4, 3, 2, 2, 2, 1 and 4: every second epoch of the first two and the last.
        assert_eq!(after, [1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17]);
    }

    #[test]
    fn bad_configurations_are_named() {
        let name = |config: MultigridConfig| config.init().unwrap_err().to_string();
        let has = |config, part: &str| assert!(name(config).contains(part), "{part}");
        has(toy().with_epoch_factor(f64::NAN), "`epoch_factor`");
        has(toy().with_epoch_factor(1e-9), "`epoch_factor`");
        has(toy().with_gamma(0.0), "`gamma`");
        has(
            toy().with_short_cycle("time", vec![0.5]),
            "`short_cycle` is time",
        );
        has(toy().with_short_cycle("side", vec![0.0]), "`factor`");
        has(toy().with_long_cycle(vec![vec![0.5]]), "`long_cycle`");
        has(toy().with_long_cycle(vec![vec![1.0, 1.0]]), "`long_cycle`");
        has(toy().with_dimension("side", 2, 1), "`dimensions` is side");
        has(toy().with_dimension("time", 0, 1), "`size`");
        has(MultigridConfig::new(16, vec![0], 3), "`dimensions`");
        has(MultigridConfig::images(0, 16, vec![0], 3), "`batch`");
        has(
            MultigridConfig::images(usize::MAX, 16, vec![0], 3),
            "`batch`",
        );
        has(
            MultigridConfig::images(1, 16, vec![0], usize::MAX),
            "`epochs`",
        );
        has(toy().with_epoch_factor(1e300), "`epochs`");
        has(toy().with_dimension("time", 4, 65), "`power`");
        has(MultigridConfig::images(1, 16, vec![1], 3), "`stages`");
        has(MultigridConfig::images(1, 16, vec![0, 3, 3], 4), "`stages`");
        has(MultigridConfig::images(1, 16, vec![0, 3], 3), "`epochs`");
    }
}
