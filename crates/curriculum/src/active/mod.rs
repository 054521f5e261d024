//! Active learning: which examples to ask labels for.

pub mod robust;
pub mod acquisition;
