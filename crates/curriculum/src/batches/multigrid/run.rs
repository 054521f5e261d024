//! The schedule in iterations, for a number of examples.

use regimen_schedules::{Between, Curve, PiecewiseConstant, Schedule, ScheduleExt, Skipped, Then};
use serde::Serialize;

use super::cycles::{BatchShape, Multigrid, MultigridEntry};
use crate::error::{CurriculumError, Result, check};

/// A multigrid schedule for epochs of a fixed number of examples, by iteration.
///
/// Its value as a [`Schedule`] is the batch size. Each epoch starts the short cycle anew, and its last batch holds what is
/// left of the examples. It holds no position: a resumed run asks for the iteration at which it goes on.
///
/// ```
/// use regimen_curriculum::MultigridConfig;
/// use regimen_schedules::Schedule;
///
/// let plan = MultigridConfig::images(16, 32, vec![0, 12, 17], 20).init()?;
/// let run = plan.run(1200)?;
/// let first: Vec<(f64, usize)> = (0..3).map(|i| (run.at(i), run.shape(i).sizes[0])).collect();
/// assert_eq!(first, [(64.0, 16), (32.0, 23), (64.0, 16)]);
/// let rate = run.rate(0.02)?;
/// assert_eq!(rate.at(0), 0.08);
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MultigridRun {
    plan: Multigrid,
    spans: Vec<Span>,
    iterations: usize,
}

/// The iterations of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Span {
    first_iteration: usize,
    first_epoch: usize,
    per_epoch: usize,
}

impl Span {
    fn start_of(&self, epoch: usize) -> usize {
        self.first_iteration + (epoch - self.first_epoch) * self.per_epoch
    }
}

impl Multigrid {
    /// The schedule for a training set of this many examples.
    ///
    /// # Errors
    /// If there is no example, or the iterations do not fit into a machine word.
    pub fn run(self, examples: usize) -> Result<MultigridRun> {
        check("examples", examples as f64, examples > 0, "1 or more")?;
        let (mut spans, mut iterations, mut epoch) = (Vec::new(), 0, 0);
        for entry in self.entries() {
            let per_epoch = batches(entry, examples);
            spans.push(Span {
                first_iteration: iterations,
                first_epoch: epoch,
                per_epoch,
            });
            let own = (entry.end_epoch - epoch).checked_mul(per_epoch);
            let all = own.and_then(|own| own.checked_add(iterations));
            iterations = all.ok_or_else(|| CurriculumError::OutOfRange {
                field: "examples",
                value: examples.to_string(),
                allowed: "so many that the iterations fit into a machine word",
            })?;
            epoch = entry.end_epoch;
        }
        Ok(MultigridRun {
            plan: self,
            spans,
            iterations,
        })
    }
}

/// Batches of an epoch whose sizes follow the short cycle.
fn batches(entry: &MultigridEntry, examples: usize) -> usize {
    let cycle: usize = entry.shapes.iter().map(|shape| shape.batch).sum();
    let (mut count, mut left) = (examples / cycle * entry.shapes.len(), examples % cycle);
    for shape in &entry.shapes {
        if left == 0 {
            break;
        }
        left = left.saturating_sub(shape.batch);
        count += 1;
    }
    count
}

impl MultigridRun {
    /// The schedule in epochs.
    #[must_use]
    pub fn plan(&self) -> &Multigrid {
        &self.plan
    }

    /// Iterations of the whole run.
    #[must_use]
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// The shape of an iteration's batch. Past the end, the last shapes go on.
    #[must_use]
    pub fn shape(&self, iteration: usize) -> &BatchShape {
        let place = self.place(iteration);
        let span = self.spans[place];
        let shapes = &self.plan.entries()[place].shapes;
        let in_epoch = (iteration - span.first_iteration) % span.per_epoch;
        &shapes[in_epoch % shapes.len()]
    }

    /// The epoch of an iteration.
    #[must_use]
    pub fn epoch(&self, iteration: usize) -> usize {
        let span = self.spans[self.place(iteration)];
        span.first_epoch + (iteration - span.first_iteration) / span.per_epoch
    }

    fn place(&self, iteration: usize) -> usize {
        // Of entries without an epoch, which begin where the next one does, the last counts.
        let begun = |span: &Span| span.first_iteration <= iteration;
        self.spans.partition_point(begun).saturating_sub(1)
    }

    /// The learning rate at each iteration, from the base rate for the batch at full size.
    ///
    /// # Errors
    /// If `base` is not finite or below 0.
    pub fn rate(&self, base: f64) -> Result<PiecewiseConstant> {
        check("base", base, base >= 0.0, "0 or more")?;
        let (mut starts, mut values) = (Vec::new(), Vec::new());
        for (epoch, relative) in self.plan.rate_changes() {
            let start = self.start_of(*epoch);
            if starts.last() == Some(&start) {
                // An entry that was rounded to no epoch.
                starts.pop();
                values.pop();
            }
            starts.push(start);
            values.push(base * relative);
        }
        Ok(PiecewiseConstant::new(starts.split_off(1), values)?)
    }

    /// [`rate`](Self::rate) after a linear rise from `from` over the first epochs.
    ///
    /// The rise ends at the rate of the epoch in which it ends, multiplied as that is.
    ///
    /// # Errors
    /// If a rate is out of its range, or the warm-up is longer than the run.
    pub fn warmed_up_rate(
        &self,
        base: f64,
        epochs: usize,
        from: f64,
    ) -> Result<Then<Between, Skipped<PiecewiseConstant>>> {
        check("from", from, from >= 0.0, "0 or more")?;
        if epochs > self.plan.epochs() {
            return Err(CurriculumError::OutOfRange {
                field: "epochs",
                value: epochs.to_string(),
                allowed: "at most the epochs of the run",
            });
        }
        let steps = self.start_of(epochs);
        let rate = self.rate(base)?;
        let rise = Between::new(from, rate.at(steps), 0, steps, Curve::Linear)?;
        Ok(rise.then(steps, rate.skipped(steps)?)?)
    }

    /// The first iteration of an epoch.
    fn start_of(&self, epoch: usize) -> usize {
        self.spans[self.plan.place(epoch)].start_of(epoch)
    }
}

impl Schedule for MultigridRun {
    fn at(&self, step: usize) -> f64 {
        self.shape(step).batch as f64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::config::MultigridConfig;
    use super::*;

    #[test]
    fn the_rate_changes_at_the_first_iteration_of_its_epoch() {
        let config = MultigridConfig::images(16, 16, vec![0, 12, 17], 20);
        let run = config.init().unwrap().run(1200).unwrap();
        let rate = run.rate(0.5).unwrap();
        for iteration in 0..run.iterations() + 5 {
            let epoch = run.epoch(iteration);
            let changes = run.plan().rate_changes().iter();
            let (_, relative) = changes.rev().find(|(start, _)| *start <= epoch).unwrap();
            assert_eq!(rate.at(iteration), 0.5 * relative, "{iteration}");
        }
        let warm = run.warmed_up_rate(0.5, 2, 0.1).unwrap();
        let end = (0..).find(|i| run.epoch(*i) == 2).unwrap();
        assert_eq!(warm.at(end), 2.0);
        assert!((warm.at(0) - 0.1).abs() < 1e-12);
        assert!((warm.at(end / 2) - 1.05).abs() < 1e-9);
        let after = end..run.iterations();
        assert!(after.into_iter().all(|i| warm.at(i) == rate.at(i)));
    }

    #[test]
    fn bad_arguments_are_refused() {
        let plan = MultigridConfig::images(16, 16, vec![0, 12, 17], 20)
            .init()
            .unwrap();
        assert!(plan.clone().run(0).is_err());
        let small = MultigridConfig::images(1, 16, vec![0, 12, 17], 20);
        assert!(small.init().unwrap().run(usize::MAX).is_err());
        let run = plan.run(100).unwrap();
        assert!(run.rate(f64::NAN).is_err() && run.rate(-1.0).is_err());
        assert!(run.warmed_up_rate(1.0, 1, f64::INFINITY).is_err());
        assert!(run.warmed_up_rate(1.0, 1000, 0.0).is_err());
    }

    proptest! {
        #[test]
        fn every_epoch_delivers_every_example(
            batch in 1_usize..40,
            side in 4_usize..40,
            examples in 1_usize..3000,
            (first, second, last) in (1_usize..20, 1_usize..20, 1_usize..20),
            short in any::<bool>(),
            factor in 0.2_f64..3.0,
        ) {
            let stages = vec![0, first, first + second];
            let mut config = MultigridConfig::images(batch, side, stages, first + second + last);
            config = config.with_epoch_factor(factor);
            if !short {
                config = config.without_short_cycle();
            }
            let plan = config.init().unwrap();
            let epochs = plan.epochs();
            let run = plan.run(examples).unwrap();
            let (mut iteration, mut delivered) = (0, 0);
            for epoch in 0..epochs {
                let mut left = examples;
                while left > 0 {
                    prop_assert_eq!(run.epoch(iteration), epoch);
                    let size = run.at(iteration) as usize;
                    prop_assert!(size >= 1);
                    left = left.saturating_sub(size);
                    iteration += 1;
                    delivered += 1;
                }
            }
            prop_assert_eq!(iteration, run.iterations());
            prop_assert_eq!(delivered, iteration);
        }

        #[test]
        fn an_iteration_costs_at_most_rounding_more_than_the_full_batch(
            batch in 1_usize..40,
            frames in 4_usize..64,
            side in 16_usize..256,
        ) {
            let plan = MultigridConfig::video(batch, frames, side, vec![0, 4], 5).init().unwrap();
            let full = (batch * frames * side * side) as f64;
            for entry in plan.entries() {
                for shape in &entry.shapes {
                    let cost = (shape.batch * shape.sizes[0] * shape.sizes[1].pow(2)) as f64;
                    prop_assert!((0.6..1.6).contains(&(cost / full)), "{:?} of {}", shape, full);
                }
            }
        }
    }
}
