//! Buffers that are kept from call to call.
//!
//! The system hands out large fresh memory page by page, at the first touch of each; for sizes like a layer's hidden values this
//! costs more than writing them.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// What is not in use.
static KEPT: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Gives the memory that the mixtures' fused operation keeps between calls back to the system.
///
/// It keeps as much as was in use at once at most: about the hidden values of all layers between forward and backward pass.
pub fn release_workspace() {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// A buffer that goes back when dropped.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    values: Vec<f32>,
    len: usize,
}

impl Buffer {
    /// A buffer whose content is what was left there.
    ///
    /// Lengths are rounded up to powers of two, so that rows which vary from call to call find each other's buffers; pages
    /// that are never touched cost nothing.
    pub(super) fn take(len: usize) -> Self {
        if len == 0 {
            return Self::default();
        }
        let size = len.next_power_of_two();
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|values| values.len() == size);
        let found = found.map(|at| kept.swap_remove(at));
        drop(kept);
        let values = found.unwrap_or_else(|| vec![0.0; size]);
        Self { values, len }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.values.is_empty() {
            let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(std::mem::take(&mut self.values));
        }
    }
}
