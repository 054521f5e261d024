//! Streams of tasks, made of a labelled data set.

mod task;

pub use task::Task;
