//! Active learning: which examples to ask labels for.

pub mod acquisition;
pub mod robust;
