//! The loss of kept examples by their labels.

use burn::tensor::Tensor;
use regimen_tensor::per_example::cross_entropy;

use super::Replay;
use super::drawn::{Drawn, pass};
use crate::Result;
use crate::classifier::Classifier;
use crate::examples::Examples;
use crate::strategy::zero;

impl<B: Examples, X> Replay<B, X> {
    /// `beta * CE(drawn)`, by a pass over the drawn ones alone; zero if nothing was drawn.
    pub(crate) fn rehearsed<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        drawn: Option<Drawn<B>>,
        beta: f64,
        batch: &B,
    ) -> Result<Tensor<1>> {
        let Some(drawn) = drawn else {
            return Ok(zero(&batch.device()));
        };
        let (logits, _) = pass(model, &drawn.batch, &[]);
        self.tell(&drawn, &logits)?;
        Ok(cross_entropy(logits, drawn.batch.labels()).mean() * beta)
    }

    /// `CE(batch) + beta * CE(drawn)` by one pass over both; `own` gives the mean loss of the batch by its logits, ahead of the
    /// rest.
    pub(crate) fn with_rehearsed<M: Classifier<Batch = B>>(
        &self,
        model: &M,
        batch: &B,
        drawn: Option<Drawn<B>>,
        beta: f64,
        own: impl FnOnce(Tensor<2>) -> Result<Tensor<1>>,
    ) -> Result<Tensor<1>> {
        let (logits, parts) = pass(model, batch, &drawn.iter().collect::<Vec<_>>());
        let own = own(logits)?;
        let (Some(drawn), Some(logits)) = (drawn, parts.into_iter().next()) else {
            return Ok(own);
        };
        self.tell(&drawn, &logits)?;
        Ok(own + cross_entropy(logits, drawn.batch.labels()).mean() * beta)
    }
}
