use burn::data::dataloader::{DataLoader, DataLoaderIterator};
use burn::data::dataset::DatasetError;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
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
    /// One pass over the forget set, each batch with one retain batch; the retain set starts again if it ends.
    PairsByForget,
    /// One pass over the retain set, each batch with one forget batch; the forget set starts again if it ends.
    PairsByRetain,
    /// One pass over both, batches of one set each, in random order.
    Mixed,
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
    seed: u64,
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
        Order::Mixed => mixed(forget, retain, seed),
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

/// Each step takes from a set with the probability of what is left in it.
fn mixed<'a, B: 'a>(forget: Loader<'a, B>, retain: Loader<'a, B>, seed: u64) -> Steps<'a, B> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut forget, mut retain) = (forget.iter(), retain.iter());
    Box::new(std::iter::from_fn(move || {
        let (f, r) = (left(forget.as_ref()), left(retain.as_ref()));
        if f + r > 0 && rng.random_range(0..f + r) < f {
            return forget.next().map(only_forget);
        }
        match retain.next() {
            Some(batch) => Some(only_retain(batch)),
            None => forget.next().map(only_forget),
        }
    }))
}

fn left<B>(iterator: &dyn DataLoaderIterator<B>) -> usize {
    let progress = iterator.progress();
    progress
        .items_total
        .saturating_sub(progress.items_processed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Prepared;

    fn steps(order: Order, seed: u64) -> Vec<(Option<i32>, Option<i32>)> {
        let (forget, retain) = (Prepared(vec![1, 2]), Prepared(vec![10, 20, 30]));
        let steps = walk(order, &forget, &retain, seed).unwrap();
        steps
            .map(|step| step.map(|step| (step.forget, step.retain)).unwrap())
            .collect()
    }

    #[test]
    fn every_order_walks_as_it_says() {
        let (f, r) = (|i| (Some(i), None), |i| (None, Some(i)));
        assert_eq!(steps(Order::Forget, 0), [f(1), f(2)]);
        assert_eq!(steps(Order::Retain, 0), [r(10), r(20), r(30)]);
        assert_eq!(
            steps(Order::ForgetThenRetain, 0),
            [f(1), f(2), r(10), r(20), r(30)]
        );
        let both = |f, r| (Some(f), Some(r));
        assert_eq!(steps(Order::PairsByForget, 0), [both(1, 10), both(2, 20)]);
        assert_eq!(
            steps(Order::PairsByRetain, 0),
            [both(1, 10), both(2, 20), both(1, 30)]
        );
    }

    #[test]
    fn mixed_batches_come_once_each_in_an_order_of_the_seed() {
        let orders: Vec<_> = (0..20).map(|seed| steps(Order::Mixed, seed)).collect();
        for order in &orders {
            let mut seen: Vec<i32> = order.iter().map(|(f, r)| f.or(*r).unwrap()).collect();
            seen.sort_unstable();
            assert_eq!(seen, [1, 2, 10, 20, 30]);
        }
        assert_eq!(steps(Order::Mixed, 3), orders[3]);
        assert!(orders.iter().any(|order| order != &orders[0]));
    }
}
