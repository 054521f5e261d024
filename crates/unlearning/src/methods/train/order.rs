use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::DatasetError;
use serde::{Deserialize, Serialize};

use crate::error::{Result, UnlearningError};

/// How an epoch walks the forget and the retain set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// One pass over the forget set.
    Forget,
    /// One pass over the retain set.
    Retain,
    /// One pass over the forget set, then one over the retain set.
    ForgetThenRetain,
    /// One pass over the forget set, each batch with one retain batch; the retain set starts again if it ends, and with
    /// each epoch: give a loader that shuffles.
    PairsByForget,
    /// One pass over the retain set, each batch with one forget batch; the forget set starts again if it ends.
    PairsByRetain,
    /// One pass over both at one pace: as many steps as the set with more batches has, the other's spread evenly among
    /// them. A step's loss is the mean over all its examples, as if one shuffled loader held both sets; take
    /// batches in the proportion of the sets ([`mixed_sizes`]).
    Mixed,
}

impl Order {
    /// What the losses of a step with that many forget and retain examples are multiplied by.
    pub(super) fn weights(self, forget: usize, retain: usize) -> [f64; 2] {
        let total = (forget + retain) as f64;
        match self {
            Self::Mixed => [forget as f64 / total, retain as f64 / total],
            _ => [1.0, 1.0],
        }
    }
}

/// Batch sizes for the forget and the retain loader that add up to `batch` in the proportion of the sets' sizes, each 1 or
/// more: with them every step of [`Order::Mixed`] sees both sets.
///
/// ```
/// use regimen_unlearning::methods::train::mixed_sizes;
///
/// assert_eq!(mixed_sizes(32, 100, 900), [3, 29]);
/// assert_eq!(mixed_sizes(32, 1, 10_000), [1, 31]);
/// ```
#[must_use]
pub fn mixed_sizes(batch: usize, forget: usize, retain: usize) -> [usize; 2] {
    let share = forget as f64 / forget.saturating_add(retain).max(1) as f64;
    let most = batch.saturating_sub(1).max(1);
    let forget = ((share * batch as f64).round() as usize).clamp(1, most);
    [forget, batch.saturating_sub(forget).max(1)]
}

/// What one optimizer step sees.
pub(super) struct Step<B> {
    pub(super) forget: Option<B>,
    pub(super) retain: Option<B>,
}

type Steps<'a, B> = Box<dyn Iterator<Item = Result<Step<B>>> + 'a>;
type Loader<'a, B> = &'a dyn DataLoader<B>;

/// The steps of one epoch.
pub(super) fn walk<'a, B: 'a>(
    order: Order,
    forget: Loader<'a, B>,
    retain: Loader<'a, B>,
) -> Result<Steps<'a, B>> {
    if order != Order::Retain && forget.num_items() == 0 {
        return Err(UnlearningError::Empty("forget"));
    }
    if order != Order::Forget && retain.num_items() == 0 {
        return Err(UnlearningError::Empty("retain"));
    }
    Ok(match order {
        Order::Forget => Box::new(forget.iter().map(only_forget)),
        Order::Retain => Box::new(retain.iter().map(only_retain)),
        Order::ForgetThenRetain => {
            let first = forget.iter().map(only_forget);
            Box::new(first.chain(retain.iter().map(only_retain)))
        }
        Order::PairsByForget => Box::new(forget.iter().zip(again(retain)).map(|(f, r)| pair(f, r))),
        Order::PairsByRetain => Box::new(retain.iter().zip(again(forget)).map(|(r, f)| pair(f, r))),
        Order::Mixed => mixed(forget, retain),
    })
}

fn only_forget<B>(batch: Result<B, DatasetError>) -> Result<Step<B>> {
    let (forget, retain) = (Some(batch?), None);
    Ok(Step { forget, retain })
}

fn only_retain<B>(batch: Result<B, DatasetError>) -> Result<Step<B>> {
    let (forget, retain) = (None, Some(batch?));
    Ok(Step { forget, retain })
}

fn pair<B>(forget: Result<B, DatasetError>, retain: Result<B, DatasetError>) -> Result<Step<B>> {
    let (forget, retain) = (Some(forget?), Some(retain?));
    Ok(Step { forget, retain })
}

/// A loader's passes, one after another.
fn again<'a, B: 'a>(loader: Loader<'a, B>) -> impl Iterator<Item = Result<B, DatasetError>> + 'a {
    std::iter::repeat_with(move || loader.iter()).flatten()
}

/// Each step takes from the set that is behind, and from the other one too if that catches up with it.
fn mixed<'a, B: 'a>(forget: Loader<'a, B>, retain: Loader<'a, B>) -> Steps<'a, B> {
    let (mut forget, mut retain) = (forget.iter(), retain.iter());
    Box::new(std::iter::from_fn(move || {
        let (mut f, mut r) = (None, None);
        let forget_first = done(forget.as_ref()) <= done(retain.as_ref());
        if forget_first {
            f = forget.next();
        } else {
            r = retain.next();
        }
        let (f_done, r_done) = (done(forget.as_ref()), done(retain.as_ref()));
        if forget_first && (f_done >= r_done || f.is_none()) {
            r = retain.next();
        } else if !forget_first && (r_done >= f_done || r.is_none()) {
            f = forget.next();
        }
        let step = || -> Result<Step<B>> {
            let (forget, retain) = (f.transpose()?, r.transpose()?);
            Ok(Step { forget, retain })
        };
        match step() {
            Ok(Step {
                forget: None,
                retain: None,
            }) => None,
            other => Some(other),
        }
    }))
}

/// The share of a pass that is done.
fn done<B>(iterator: &dyn DataLoaderIterator<B>) -> f64 {
    let progress = iterator.progress();
    progress.items_processed as f64 / progress.items_total.max(1) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Prepared;

    fn steps_of(order: Order, forget: i32, retain: i32) -> Vec<(Option<i32>, Option<i32>)> {
        let forget = Prepared((1..=forget).collect::<Vec<i32>>());
        let retain = Prepared((1..=retain).map(|i| 10 * i).collect::<Vec<i32>>());
        let steps = walk(order, &forget, &retain).unwrap();
        steps
            .map(|step| step.map(|step| (step.forget, step.retain)).unwrap())
            .collect()
    }

    fn steps(order: Order) -> Vec<(Option<i32>, Option<i32>)> {
        steps_of(order, 2, 3)
    }

    #[test]
    fn every_order_walks_as_it_says() {
        let (f, r) = (|i| (Some(i), None), |i| (None, Some(i)));
        assert_eq!(steps(Order::Forget), [f(1), f(2)]);
        assert_eq!(steps(Order::Retain), [r(10), r(20), r(30)]);
        assert_eq!(
            steps(Order::ForgetThenRetain),
            [f(1), f(2), r(10), r(20), r(30)]
        );
        let both = |f, r| (Some(f), Some(r));
        assert_eq!(steps(Order::PairsByForget), [both(1, 10), both(2, 20)]);
        assert_eq!(
            steps(Order::PairsByRetain),
            [both(1, 10), both(2, 20), both(1, 30)]
        );
        assert_eq!(steps(Order::Mixed), [both(1, 10), both(2, 20), r(30)]);
    }

    #[test]
    fn mixed_batches_come_once_each_at_one_pace() {
        for (forget, retain) in [(1, 1), (4, 31), (31, 4), (7, 7), (3, 8), (1, 20)] {
            let steps = steps_of(Order::Mixed, forget, retain);
            assert_eq!(steps.len(), forget.max(retain) as usize);
            let seen = steps.iter().filter_map(|step| step.0);
            assert!(seen.eq(1..=forget));
            let seen = steps.iter().filter_map(|step| step.1);
            assert!(seen.eq((1..=retain).map(|i| 10 * i)));
            let (mut f, mut r) = (0.0, 0.0);
            for step in steps {
                f += f64::from(u8::from(step.0.is_some())) / f64::from(forget);
                r += f64::from(u8::from(step.1.is_some())) / f64::from(retain);
                let batch = 1.0 / f64::from(forget.min(retain));
                assert!((f - r).abs() <= batch + 1e-9, "{f} {r}");
            }
        }
    }

    #[test]
    fn mixed_losses_weigh_by_examples() {
        assert_eq!(Order::Mixed.weights(8, 24), [0.25, 0.75]);
        assert_eq!(Order::Mixed.weights(0, 24), [0.0, 1.0]);
        assert_eq!(Order::PairsByForget.weights(8, 24), [1.0, 1.0]);
        assert_eq!(mixed_sizes(1, 5, 5), [1, 1]);
        assert_eq!(mixed_sizes(10, 10, 0), [9, 1]);
    }
}
