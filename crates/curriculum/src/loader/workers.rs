//! Threads that read ahead, kept from epoch to epoch.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::CurriculumError;

/// The most threads of a crew.
const MOST_THREADS: usize = 256;

type Job = Box<dyn FnOnce() + Send>;

/// Crews of threads that no epoch uses at the moment. Clones are the same.
///
/// A new host thread costs a stream of a GPU each, so that an epoch takes a crew that is there; two epochs at once have two crews.
#[derive(Clone, Default)]
pub(super) struct Workers {
    idle: Arc<Mutex<Vec<Vec<Sender<Job>>>>>,
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Sender<Job>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A crew of some threads, started if none is idle.
    ///
    /// # Errors
    /// If the system starts no thread.
    pub(super) fn crew(&self, threads: usize) -> Result<Crew, CurriculumError> {
        let idle = self.lock().pop();
        let senders = match idle {
            Some(senders) => senders,
            None => (0..threads.min(MOST_THREADS))
                .map(start)
                .collect::<Result<_, _>>()
                .map_err(|error| CurriculumError::Worker {
                    message: error.to_string(),
                })?,
        };
        let workers = self.clone();
        Ok(Crew { senders, workers })
    }
}

/// The threads of one epoch; they go back when it is dropped.
pub(super) struct Crew {
    senders: Vec<Sender<Job>>,
    workers: Workers,
}

impl Crew {
    /// Gives a thread its part of the epoch. A part whose thread is gone is dropped, which its receiver sees.
    pub(super) fn give(&self, thread: usize, job: impl FnOnce() + Send + 'static) {
        if let Some(sender) = self.senders.get(thread) {
            let _ = sender.send(Box::new(job));
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.senders.len()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let senders = std::mem::take(&mut self.senders);
        self.workers.lock().push(senders);
    }
}

/// What a panic of a batcher, a data set or a plan of batch sizes said, as an error.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> CurriculumError {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let message = text.unwrap_or("it left no message").into();
    CurriculumError::Worker { message }
}

/// A thread that lives as long as its sender.
fn start(number: usize) -> std::io::Result<Sender<Job>> {
    let (sender, receiver) = channel::<Job>();
    let name = format!("curriculum-{number}");
    std::thread::Builder::new().name(name).spawn(move || {
        while let Ok(job) = receiver.recv() {
            // Panics of batchers and data sets are errors of their batches; whatever else a job does, the thread goes on.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    })?;
    Ok(sender)
}
