//! Where a plan is cut into batches, alone or in step with other slices.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::data::dataset::DatasetError;

use super::workers::panicked;
use crate::batches::BatchSizes;
use crate::error::{CurriculumError, Result};

/// A batch's number in the run and its positions in the plan.
#[derive(Debug, PartialEq)]
pub(super) struct Cut {
    pub(super) batch: usize,
    pub(super) positions: Range<usize>,
}

/// One of so many slices that deliver their batches side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) index: usize,
    pub(super) of: usize,
}

impl Place {
    /// Alone.
    pub(super) const WHOLE: Self = Self { index: 0, of: 1 };
}

/// The batches of one slice of a range of a plan.
///
/// The batches `n` of all slices are next to each other in the plan, so that all slices deliver as many and an update over all
/// devices trains on the examples that a single device would train on with a batch as large as theirs together.
#[derive(Clone)]
pub(super) struct Cuts {
    sizes: BatchSizes,
    place: Place,
    drop_last: bool,
    /// The number of the next batch.
    pub(super) batch: usize,
    /// The position of the next batch of all slices.
    next: usize,
    /// Where batches end, before what is dropped.
    end: usize,
    /// Where the range ends.
    last: usize,
}

impl Cuts {
    pub(super) fn new(
        sizes: BatchSizes,
        place: Place,
        drop_last: bool,
        batch: usize,
        range: Range<usize>,
    ) -> Self {
        let mut cuts = Self {
            sizes,
            place,
            drop_last,
            batch,
            next: range.start,
            end: range.end,
            last: range.end,
        };
        cuts.drop_rest();
        cuts
    }

    /// Whether no batch follows.
    pub(super) fn is_done(&self) -> bool {
        self.next >= self.end
    }

    /// No batch follows, whatever is left.
    pub(super) fn stop(&mut self) {
        self.end = self.next;
    }

    /// The size of the next batch; a plan of sizes is a function of the user's.
    fn size(&self) -> Result<usize> {
        let size = catch_unwind(AssertUnwindSafe(|| self.sizes.at(self.batch)));
        size.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    /// Why there is no batch at all.
    pub(super) fn empty(&self) -> CurriculumError {
        let size = self.size().unwrap_or(1);
        CurriculumError::EmptyEpoch {
            examples: self.last - self.next,
            needed: if self.drop_last {
                size.saturating_mul(self.place.of)
            } else {
                1
            },
        }
    }

    /// The position up to which the plan is done with by all slices that are in step.
    pub(super) fn delivered(&self) -> usize {
        if self.is_done() { self.last } else { self.next }
    }

    /// The examples that this slice delivers from here on; with a live size, if it stays as it is.
    pub(super) fn examples(&self) -> usize {
        let all = self.clone().map_while(Result::ok);
        all.map(|cut| cut.positions.len()).sum()
    }

    /// Whether the rest is dropped is known with the batch before it: the progress of that batch has to say that it is the last,
    /// or the updates that it completes are lost.
    fn drop_rest(&mut self) {
        if !self.drop_last || self.is_done() {
            return;
        }
        // A size that is none is an error of the next batch.
        let step = self.size().unwrap_or(0);
        if step.saturating_mul(self.place.of) > self.end - self.next {
            self.stop();
        }
    }

    /// The examples of the next batch of all slices together, when `rest` are left: at least one each.
    fn step(&self, size: usize, rest: usize) -> usize {
        let of = self.place.of;
        let step = size.saturating_mul(of);
        let left = rest.saturating_sub(step);
        if left == 0 {
            rest
        } else if left >= of || self.drop_last {
            step
        } else if size > 1 {
            // Fewer are left than there are slices: this batch and the next share what there is.
            rest.div_ceil(2)
        } else {
            rest
        }
    }
}

impl Iterator for Cuts {
    type Item = std::result::Result<Cut, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done() {
            return None;
        }
        let size = match self.size() {
            Ok(size) => size,
            Err(error) => {
                self.next = self.last;
                self.end = self.last;
                return Some(Err(DatasetError::new(error)));
            }
        };
        let (first, Place { index, of }) = (self.next, self.place);
        let step = self.step(size, self.end - first);
        let positions = if step < of {
            // A plan with fewer examples than there are slices: some train on the same one, so that none waits.
            let own = first + index % step;
            own..own + 1
        } else {
            first + step * index / of..first + step * (index + 1) / of
        };
        let batch = self.batch;
        self.next = first + step;
        self.batch += 1;
        self.drop_rest();
        Some(Ok(Cut { batch, positions }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of_slice(
        sizes: &BatchSizes,
        drop_last: bool,
        examples: usize,
        place: Place,
    ) -> Vec<Range<usize>> {
        let cuts = Cuts::new(sizes.clone(), place, drop_last, 0, 0..examples);
        assert_eq!(
            cuts.examples(),
            cuts.clone()
                .map(|cut| cut.unwrap().positions.len())
                .sum::<usize>()
        );
        cuts.map(|cut| cut.unwrap().positions).collect()
    }

    fn of_all(
        sizes: &BatchSizes,
        drop_last: bool,
        examples: usize,
        of: usize,
    ) -> Vec<Vec<Range<usize>>> {
        let slices = (0..of).map(|index| Place { index, of });
        slices
            .map(|place| of_slice(sizes, drop_last, examples, place))
            .collect()
    }

    #[test]
    fn a_rest_smaller_than_the_slices_is_shared_over_two_batches() {
        let found = of_all(&32.into(), false, 1025, 2);
        let lengths = |slice: &Vec<Range<usize>>| -> Vec<usize> {
            slice.iter().map(ExactSizeIterator::len).collect()
        };
        assert_eq!(lengths(&found[0])[14..], [32, 16, 16]);
        assert_eq!(lengths(&found[1])[14..], [32, 17, 16]);
        let ends = |size: usize, examples| -> Vec<Vec<(usize, usize)>> {
            let all = of_all(&size.into(), false, examples, 2).into_iter();
            all.map(|slice| slice.iter().map(|part| (part.start, part.end)).collect())
                .collect()
        };
        assert_eq!(ends(1, 3), [[(0, 1)], [(1, 3)]]);
        assert_eq!(ends(4, 1), [[(0, 1)], [(0, 1)]]);
        let dropped = of_all(&4.into(), true, 15, 2);
        assert!(dropped.iter().all(|slice| lengths(slice) == [4]));
    }

    proptest! {
        #[test]
        fn slices_deliver_as_many_batches_and_every_example_once(
            examples in 1_usize..400, of in 1_usize..6, sizes in prop::collection::vec(1_usize..40, 1..4), drop_last in any::<bool>(),
        ) {
            let cycle = sizes.clone();
            let planned = BatchSizes::planned(move |batch| cycle[batch % cycle.len()]);
            let all = of_all(&planned, drop_last, examples, of);
            let batches = all[0].len();
            prop_assert!(all.iter().all(|slice| slice.len() == batches));
            prop_assert!(all.iter().flatten().all(|positions| !positions.is_empty()));
            let mut delivered: Vec<usize> = Vec::new();
            for batch in 0..batches {
                let step: Vec<usize> = all.iter().flat_map(|slice| slice[batch].clone()).collect();
                let size = sizes[batch % sizes.len()];
                prop_assert!(!drop_last || step.len() == size * of);
                prop_assert!(all.iter().all(|slice| slice[batch].len() <= size + usize::from(size == 1)));
                delivered.extend(step);
            }
            if examples >= of && !drop_last {
                prop_assert_eq!(delivered, (0..examples).collect::<Vec<_>>());
            } else if drop_last {
                prop_assert_eq!(&delivered, &(0..delivered.len()).collect::<Vec<_>>());
                prop_assert!(examples - delivered.len() < of * 40);
            }
        }
    }
}
