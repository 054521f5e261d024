//! What a method is told of a task.

use serde::{Deserialize, Serialize};

/// A task: its number, its classes and how many examples it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number, from 0. A task that comes again has the same number; one that is [drawn](super::RecurringClasses) has its own.
    pub id: usize,
    /// Its classes, as labels; empty where they are not known.
    pub classes: Vec<usize>,
    /// Training examples of one epoch.
    pub examples: usize,
}

#[cfg(feature = "burn")]
impl Task {
    /// Logits `[batch, classes]` with -1e9 for all classes but the task's: task-incremental evaluation, where the task is
    /// known at test. As they are, if the task's classes are not known.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use regimen_continual::Task;
    ///
    /// let task = Task { id: 1, classes: vec![0, 2], examples: 10 };
    /// let logits = Tensor::<2>::from_data([[1.0, 5.0, 2.0]], &Device::flex());
    /// let masked: Vec<f32> = task.mask(logits).try_into_vec_as()?;
    /// assert_eq!(masked, [1.0, -1e9, 2.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn mask(&self, logits: burn::tensor::Tensor<2>) -> burn::tensor::Tensor<2> {
        use burn::tensor::{Bool, Tensor, TensorData};

        if self.classes.is_empty() {
            return logits;
        }
        let [batch, width] = logits.dims();
        let mut outside = vec![true; width];
        for class in &self.classes {
            if let Some(outside) = outside.get_mut(*class) {
                *outside = false;
            }
        }
        let outside = TensorData::new(outside, [1, width]);
        let outside = Tensor::<2, Bool>::from_data(outside, &logits.device());
        logits.mask_fill(outside.expand([batch, width]), -1e9)
    }
}
