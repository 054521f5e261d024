//! What a dynamic method has to say.

use std::fmt::Debug;

use crate::Result;
use crate::rules::{DeviceLayer, Event, Layer, Timing, decide_on_host};

/// A method that changes masks: decisions over plain slices, or over tensors on their device.
pub trait SparseMethod: Debug + Send {
    /// What a checkpoint calls the method, which refuses a state of a method of another name
    /// ([`Part::kind`](regimen_tensor::Part::kind)): the name of its type, unless a type is several methods.
    fn name(&self) -> String {
        let text = format!("{self:?}");
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        words.next().unwrap_or_default().to_owned()
    }

    /// Whether step `step` (the first is 1) is an event.
    fn timing(&self, step: usize) -> Timing;

    /// Whether [`update`](Self::update) looks at dense gradients.
    fn needs_gradients(&self) -> bool;

    /// Whether [`update`](Self::update) looks at the optimizer's momentum.
    fn needs_momentum(&self) -> bool {
        false
    }

    /// Whether [`update`](Self::update) looks at which weights were active before.
    fn needs_history(&self) -> bool {
        false
    }

    /// Changes the flags of the layers; returns how many weights were grown.
    ///
    /// # Errors
    /// If a weight or gradient is not finite.
    fn update(&self, event: &Event, layers: &mut [Layer]) -> Result<usize>;

    /// As [`update`](Self::update), over weights that stay on their device: what training calls. It must decide the same.
    ///
    /// A method that does not have its own gets all values on the host, gradients and momenta used up, and `update` decides.
    ///
    /// # Errors
    /// As [`update`](Self::update); or if the device can't be read.
    fn update_on_device(&self, event: &Event, layers: &mut [DeviceLayer]) -> Result<usize> {
        decide_on_host(layers, |layers| self.update(event, layers))
    }
}
