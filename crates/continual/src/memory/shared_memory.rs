//! A memory that several loaders or methods hold.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regimen_tensor::checkpoint::{Part, PartError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::store::Memory;

/// A handle on a [`Memory`]: clones share it.
pub struct SharedMemory<I>(Arc<Mutex<Memory<I>>>);

impl<I> Clone for SharedMemory<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I> fmt::Debug for SharedMemory<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.lock();
        write!(
            f,
            "SharedMemory({} of {} seen)",
            memory.len(),
            memory.seen()
        )
    }
}

impl<I> From<Memory<I>> for SharedMemory<I> {
    fn from(memory: Memory<I>) -> Self {
        Self(Arc::new(Mutex::new(memory)))
    }
}

impl<I> SharedMemory<I> {
    /// The memory, for as long as the guard is held; whoever else asks waits. Two guards in one
    /// statement wait for each other.
    pub fn lock(&self) -> MutexGuard<'_, Memory<I>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The memory's state: all handles have what is loaded.
impl<I: Serialize + DeserializeOwned> Part for SharedMemory<I> {
    fn kind(&self) -> String {
        self.lock().kind()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        self.lock().save()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        self.lock().load(bytes)
    }
}
