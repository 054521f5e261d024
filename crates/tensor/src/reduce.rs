//! # reduce
//!
//! Sums and gathers over the participants of a parallel run.
//!
//! Source: the identity for one process; threads of one process through shared memory.

use std::sync::{Arc, Barrier, Mutex, PoisonError};

/// Combines values over the participants of a run.
///
/// What a method must combine before it decides: Fisher diagonals (mean), growth scores (sum),
/// per-example losses (gather by id). Every participant must make the same calls in the same
/// order.
pub trait Reducer: Send + Sync {
    /// The number of participants.
    fn participants(&self) -> usize;

    /// The elementwise sum over participants; all slices have the same length.
    fn sum(&self, values: &mut [f64]);

    /// The values of all participants, in the participants' order.
    fn gather(&self, values: &[f64]) -> Vec<f64>;

    /// The elementwise mean over participants.
    fn mean(&self, values: &mut [f64]) {
        self.sum(values);
        let count = self.participants() as f64;
        values.iter_mut().for_each(|value| *value /= count);
    }
}

/// The only participant: every reduction is the identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone;

impl Reducer for Alone {
    fn participants(&self) -> usize {
        1
    }

    fn sum(&self, _values: &mut [f64]) {}

    fn gather(&self, values: &[f64]) -> Vec<f64> {
        values.to_vec()
    }
}

/// One of several threads of a process.
///
/// ```
/// use regimen_tensor::reduce::{Reducer, Thread};
///
/// let sums: Vec<f64> = std::thread::scope(|scope| {
///     let threads = Thread::group(3).into_iter().enumerate();
///     let handles: Vec<_> = threads
///         .map(|(i, thread)| scope.spawn(move || {
///             let mut values = [i as f64];
///             thread.sum(&mut values);
///             values[0]
///         }))
///         .collect();
///     handles.into_iter().map(|handle| handle.join().unwrap()).collect()
/// });
/// assert_eq!(sums, [3.0; 3]);
/// ```
#[derive(Debug)]
pub struct Thread {
    index: usize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slots: Mutex<Vec<Vec<f64>>>,
    barrier: Barrier,
}

impl Thread {
    /// One participant for each of `count` threads; each must be used by one thread.
    #[must_use]
    pub fn group(count: usize) -> Vec<Self> {
        let shared = Arc::new(Shared {
            slots: Mutex::new(vec![Vec::new(); count]),
            barrier: Barrier::new(count),
        });
        let member = |index| Self {
            index,
            shared: shared.clone(),
        };
        (0..count).map(member).collect()
    }

    /// Puts the values into this thread's slot and returns everyone's, once all have come.
    fn exchange(&self, values: &[f64]) -> Vec<Vec<f64>> {
        let lock = || {
            let slots = self.shared.slots.lock();
            slots.unwrap_or_else(PoisonError::into_inner)
        };
        lock()[self.index] = values.to_vec();
        self.shared.barrier.wait();
        let all = lock().clone();
        self.shared.barrier.wait();
        all
    }
}

impl Reducer for Thread {
    fn participants(&self) -> usize {
        lock_len(&self.shared)
    }

    fn sum(&self, values: &mut [f64]) {
        let all = self.exchange(values);
        for (i, value) in values.iter_mut().enumerate() {
            *value = all.iter().filter_map(|slot| slot.get(i)).sum();
        }
    }

    fn gather(&self, values: &[f64]) -> Vec<f64> {
        self.exchange(values).concat()
    }
}

fn lock_len(shared: &Shared) -> usize {
    let slots = shared.slots.lock();
    slots.unwrap_or_else(PoisonError::into_inner).len()
}
