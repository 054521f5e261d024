//! # reduce
//!
//! Sums and gathers over the participants of a parallel run.
//!
//! Source: the identity for one process; threads of one process through shared memory.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

/// What a participant asks of a reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// The elementwise sum.
    Sum,
    /// The elementwise mean.
    Mean,
    /// The values of all, one after the other.
    Gather,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Gather => "gather",
        })
    }
}

/// Why a reduction failed. All participants that wait for it get the same error, and so does every later call.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReduceError {
    /// A participant is gone: it was dropped, as when its thread returned early or panicked.
    #[error("participant {participant} of a reduction is gone: all must make the same calls")]
    Left {
        /// Its place in the group.
        participant: usize,
    },
    /// Not all participants came in time.
    #[error("participants {missing:?} of a reduction did not come within {seconds} s")]
    Late {
        /// The places of those that were missing.
        missing: Vec<usize>,
        /// How long the others waited.
        seconds: u64,
    },
    /// The participants gave different numbers of values to a sum.
    #[error("participants of a sum gave {lengths:?} values: all must give the same number")]
    Lengths {
        /// The number of values of each participant.
        lengths: Vec<usize>,
    },
    /// The participants asked for different operations.
    #[error(
        "participants of a reduction asked for [{}]: all must make the same calls",
        operations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Operations {
        /// What each participant asked for.
        operations: Vec<Operation>,
    },
    /// A participant called while another call of its own was waiting.
    #[error("participant {participant} of a reduction was used by two threads at once")]
    Busy {
        /// Its place in the group.
        participant: usize,
    },
    /// Another transport's own failure.
    #[error("reduction: {0}")]
    Transport(String),
}

/// A result with a [`ReduceError`].
pub type ReduceResult<T> = std::result::Result<T, ReduceError>;

/// Combines values over the participants of a run.
///
/// What a method must combine before it decides: Fisher diagonals (mean), growth scores (sum),
/// per-example losses (gather by id). Every participant must make the same calls in the same
/// order. A reduction fails for all of them or for none; one that can't contribute its values
/// should contribute NaN, so that the others see it too and don't wait. One that gives up must be dropped: then the
/// others get an error at once, and not at the end of their patience.
pub trait Reducer: Send + Sync {
    /// The number of participants.
    fn participants(&self) -> usize;

    /// The elementwise sum over participants; all slices have the same length.
    ///
    /// # Errors
    /// If a participant is gone, late, or gives another number of values; `values` stay as they were.
    fn sum(&self, values: &mut [f64]) -> ReduceResult<()>;

    /// The values of all participants, in the participants' order.
    ///
    /// # Errors
    /// If a participant is gone or late.
    fn gather(&self, values: &[f64]) -> ReduceResult<Vec<f64>>;

    /// The elementwise mean over participants.
    ///
    /// # Errors
    /// As for [`Self::sum`].
    fn mean(&self, values: &mut [f64]) -> ReduceResult<()> {
        self.sum(values)?;
        let count = self.participants() as f64;
        values.iter_mut().for_each(|value| *value /= count);
        Ok(())
    }
}

/// The only participant: every reduction is the identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone;

impl Reducer for Alone {
    fn participants(&self) -> usize {
        1
    }

    fn sum(&self, _values: &mut [f64]) -> ReduceResult<()> {
        Ok(())
    }

    fn gather(&self, values: &[f64]) -> ReduceResult<Vec<f64>> {
        Ok(values.to_vec())
    }
}

/// One of several threads of a process.
///
/// A thread that is dropped (it returned early or panicked), does not come in time, asks for another operation than the
/// others, gives another number of values to a sum, or calls from two threads at once fails the whole group: the reduction
/// that is under way and every later one. Nobody waits longer than the group's limit. A group that failed stays failed: make a new one.
///
/// ```
/// use regimen_tensor::reduce::{Reducer, Thread};
///
/// let sums: Vec<f64> = std::thread::scope(|scope| {
///     let threads = Thread::group(3).into_iter().enumerate();
///     let handles: Vec<_> = threads
///         .map(|(i, thread)| scope.spawn(move || {
///             let mut values = [i as f64];
///             thread.sum(&mut values).map(|()| values[0])
///         }))
///         .collect();
///     let sums = handles.into_iter().map(|handle| handle.join().unwrap());
///     sums.collect::<Result<_, _>>()
/// })?;
/// assert_eq!(sums, [3.0; 3]);
/// # Ok::<(), regimen_tensor::reduce::ReduceError>(())
/// ```
#[derive(Debug)]
pub struct Thread {
    index: usize,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    count: usize,
    timeout: Duration,
    meeting: Mutex<Meeting>,
    changed: Condvar,
}

/// One exchange after the other.
#[derive(Debug)]
struct Meeting {
    /// How many exchanges are complete.
    round: u64,
    /// What has come for the next one.
    slots: Vec<Option<(Operation, Vec<f64>)>>,
    /// Who is in a call: from its entry until it has read what the exchange gave.
    inside: Vec<bool>,
    /// All values of the last complete exchange. The next one needs everyone, so nobody can miss it.
    last: Arc<Vec<Vec<f64>>>,
    failure: Option<ReduceError>,
}

impl Meeting {
    /// Ends the exchange, once everyone has come.
    fn complete(&mut self) {
        if !self.slots.iter().all(Option::is_some) {
            return;
        }
        let all = self.slots.iter_mut().filter_map(Option::take);
        let (operations, all): (Vec<_>, Vec<_>) = all.unzip();
        let lengths: Vec<_> = all.iter().map(Vec::len).collect();
        let differs = |i: usize| operations[i] != operations[0];
        let longer = |i: usize| operations[0] != Operation::Gather && lengths[i] != lengths[0];
        if (0..all.len()).any(differs) {
            self.failure = Some(ReduceError::Operations { operations });
        } else if (0..all.len()).any(longer) {
            self.failure = Some(ReduceError::Lengths { lengths });
        } else {
            self.last = Arc::new(all);
            self.round += 1;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Meeting> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    /// How long a thread of [`Self::group`] waits for the others: ten minutes.
    pub const TIMEOUT: Duration = Duration::from_secs(600);

    /// The largest group.
    pub const LARGEST: usize = 1 << 16;

    /// One participant for each of `count` threads; each must be used by one thread at a time. A thread waits for the others for
    /// [`Self::TIMEOUT`].
    ///
    /// No process has more threads than [`Self::LARGEST`]: a larger `count` gives no participant at all, as 0 does.
    #[must_use]
    pub fn group(count: usize) -> Vec<Self> {
        Self::group_within(count, Self::TIMEOUT)
    }

    /// The same with another limit to the waiting.
    #[must_use]
    pub fn group_within(count: usize, timeout: Duration) -> Vec<Self> {
        if count > Self::LARGEST {
            return Vec::new();
        }
        let meeting = Meeting {
            round: 0,
            slots: vec![None; count],
            inside: vec![false; count],
            last: Arc::default(),
            failure: None,
        };
        let shared = Arc::new(Shared {
            count,
            timeout,
            meeting: Mutex::new(meeting),
            changed: Condvar::new(),
        });
        let member = |index| Self {
            index,
            shared: shared.clone(),
        };
        (0..count).map(member).collect()
    }

    /// Puts the values into this thread's slot and returns everyone's, once all have come.
    fn exchange(&self, operation: Operation, values: &[f64]) -> ReduceResult<Arc<Vec<Vec<f64>>>> {
        let shared = &*self.shared;
        let mut meeting = shared.lock();
        if let Some(failure) = &meeting.failure {
            return Err(failure.clone());
        }
        if meeting.inside[self.index] {
            let participant = self.index;
            let failure = ReduceError::Busy { participant };
            meeting.failure = Some(failure.clone());
            shared.changed.notify_all();
            return Err(failure);
        }
        let round = meeting.round;
        meeting.inside[self.index] = true;
        meeting.slots[self.index] = Some((operation, values.to_vec()));
        meeting.complete();
        shared.changed.notify_all();
        // The lock is given up while it waits.
        let waiting = |meeting: &mut Meeting| meeting.round == round && meeting.failure.is_none();
        let waited = shared
            .changed
            .wait_timeout_while(meeting, shared.timeout, waiting);
        let (mut meeting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        meeting.inside[self.index] = false;
        if meeting.round != round {
            return Ok(meeting.last.clone());
        }
        let late = || {
            let slots = meeting.slots.iter().enumerate();
            let missing = slots.filter(|(_, slot)| slot.is_none());
            ReduceError::Late {
                missing: missing.map(|(index, _)| index).collect(),
                seconds: shared.timeout.as_secs(),
            }
        };
        let failure = meeting.failure.clone().unwrap_or_else(late);
        meeting.failure = Some(failure.clone());
        shared.changed.notify_all();
        Err(failure)
    }

    /// Replaces the values by their sums over the participants.
    fn sums(&self, operation: Operation, values: &mut [f64]) -> ReduceResult<()> {
        let all = self.exchange(operation, values)?;
        for (i, value) in values.iter_mut().enumerate() {
            *value = all.iter().filter_map(|slot| slot.get(i)).sum();
        }
        Ok(())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let participant = self.index;
        let left = || ReduceError::Left { participant };
        self.shared.lock().failure.get_or_insert_with(left);
        self.shared.changed.notify_all();
    }
}

impl Reducer for Thread {
    fn participants(&self) -> usize {
        self.shared.count
    }

    fn sum(&self, values: &mut [f64]) -> ReduceResult<()> {
        self.sums(Operation::Sum, values)
    }

    fn gather(&self, values: &[f64]) -> ReduceResult<Vec<f64>> {
        Ok(self.exchange(Operation::Gather, values)?.concat())
    }

    fn mean(&self, values: &mut [f64]) -> ReduceResult<()> {
        self.sums(Operation::Mean, values)?;
        let count = self.shared.count as f64;
        values.iter_mut().for_each(|value| *value /= count);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// What each of three threads gets, each by its own rule.
    fn run<T: Send>(threads: Vec<Thread>, rule: impl Fn(usize, Thread) -> T + Sync) -> Vec<T> {
        std::thread::scope(|scope| {
            let rule = &rule;
            let threads = threads.into_iter().enumerate();
            let handles: Vec<_> = threads
                .map(|(i, thread)| scope.spawn(move || rule(i, thread)))
                .collect();
            handles.into_iter().map(|h| h.join().unwrap()).collect()
        })
    }

    #[test]
    fn many_rounds_keep_the_order() {
        let found = run(Thread::group(3), |i, thread| {
            let rounds = (0..200).map(|round| thread.gather(&[(10 * round + i) as f64]).unwrap());
            let all: Vec<Vec<f64>> = rounds.collect();
            let mut mean = [i as f64, 4.0];
            thread.mean(&mut mean).unwrap();
            (all, mean)
        });
        for (all, mean) in found {
            assert_eq!(mean, [1.0, 4.0]);
            for (round, values) in all.into_iter().enumerate() {
                let expected = [0, 1, 2].map(|i| (10 * round + i) as f64);
                assert_eq!(values, expected);
            }
        }
    }

    #[test]
    fn a_thread_that_gives_up_fails_the_others_and_nobody_waits() {
        let start = Instant::now();
        let found = run(Thread::group(3), |i, thread| {
            if i == 1 {
                return None;
            }
            let mut values = [1.0];
            let first = thread.sum(&mut values);
            assert_eq!(values, [1.0]);
            Some([first, thread.sum(&mut values)])
        });
        let left = || Err(ReduceError::Left { participant: 1 });
        assert_eq!(found[0], Some([left(), left()]));
        assert_eq!(found[2].as_ref().map(|all| &all[0]), Some(&left()));
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_thread_that_does_not_come_fails_all_in_time() {
        let done = std::sync::Barrier::new(3);
        let found = run(
            Thread::group_within(3, Duration::from_millis(50)),
            |i, thread| {
                let result = if i == 2 {
                    Ok(Vec::new())
                } else {
                    thread.gather(&[1.0])
                };
                done.wait();
                result
            },
        );
        for result in &found[..2] {
            let missing = vec![2];
            let expected = ReduceError::Late {
                missing,
                seconds: 0,
            };
            assert_eq!(*result, Err(expected));
        }
    }

    #[test]
    fn sums_of_different_lengths_fail_for_all() {
        let found = run(Thread::group(2), |i, thread| {
            thread.sum(&mut vec![1.0; 2 + i]).unwrap_err()
        });
        let lengths = vec![2, 3];
        assert_eq!(found, vec![ReduceError::Lengths { lengths }; 2]);
        let found = run(Thread::group(2), |i, thread| {
            thread.gather(&vec![1.0; i]).unwrap()
        });
        assert_eq!(found, [[1.0], [1.0]]);
    }

    #[test]
    fn a_sum_beside_a_gather_is_an_error_of_all_that_names_both() {
        let found = run(Thread::group(3), |i, thread| {
            let answer = match i {
                0 => thread.sum(&mut [1.0]),
                1 => thread.gather(&[1.0]).map(drop),
                _ => thread.mean(&mut [1.0]),
            };
            answer.unwrap_err().to_string()
        });
        assert_eq!(found[0], found[1]);
        assert_eq!(found[1], found[2]);
        assert!(found[0].contains("[sum, gather, mean]"), "{}", found[0]);
    }

    #[test]
    fn a_thread_that_panics_fails_the_others() {
        let start = Instant::now();
        let found = std::thread::scope(|scope| {
            let threads = Thread::group(3).into_iter().enumerate();
            let handles: Vec<_> = threads
                .map(|(i, thread)| {
                    scope.spawn(move || {
                        thread.gather(&[0.0]).unwrap();
                        assert_ne!(i, 1, "on purpose");
                        thread.sum(&mut [1.0])
                    })
                })
                .collect();
            let ends = handles.into_iter().map(|handle| handle.join().ok());
            ends.collect::<Vec<_>>()
        });
        let left = Some(Err(ReduceError::Left { participant: 1 }));
        assert_eq!(found, [left.clone(), None, left]);
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn one_call_more_than_the_others_ends_in_an_error() {
        let found = run(Thread::group(3), |i, thread| {
            let calls = if i == 0 { 3 } else { 2 };
            let answers = (0..calls).map(|_| thread.sum(&mut [1.0]).is_ok());
            answers.collect::<Vec<_>>()
        });
        assert_eq!(
            found,
            [vec![true, true, false], vec![true; 2], vec![true; 2]]
        );
    }

    #[test]
    fn a_participant_in_two_threads_fails_the_group() {
        let threads = Thread::group(2);
        let busy = Err(ReduceError::Busy { participant: 0 });
        std::thread::scope(|scope| {
            let first = scope.spawn(|| threads[0].gather(&[1.0]));
            while !threads[0].shared.lock().inside[0] {
                std::thread::yield_now();
            }
            assert_eq!(threads[0].gather(&[2.0]), busy);
            assert_eq!(first.join().unwrap(), busy);
        });
        assert_eq!(threads[1].gather(&[1.0]), busy);
    }

    #[test]
    fn a_poisoned_lock_is_no_panic() {
        let threads = Thread::group(2);
        let shared = threads[0].shared.clone();
        let poisoned = std::thread::spawn(move || {
            let _held = shared.meeting.lock().unwrap();
            panic!("on purpose");
        });
        assert!(poisoned.join().is_err());
        let found = run(threads, |i, thread| thread.gather(&[i as f64]));
        assert_eq!(found, [Ok(vec![0.0, 1.0]), Ok(vec![0.0, 1.0])]);
    }

    #[test]
    fn absurd_counts_and_limits_are_no_panic() {
        assert!(Thread::group(usize::MAX).is_empty() && Thread::group(0).is_empty());
        let one = Thread::group_within(1, Duration::MAX);
        assert_eq!(one[0].gather(&[]), Ok(Vec::new()));
        let none = Thread::group_within(2, Duration::ZERO);
        assert!(none[0].sum(&mut []).is_err());
    }
}
