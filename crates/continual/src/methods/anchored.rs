//! What methods keep that hold weights near those of earlier tasks: one quadratic, and the count of tasks.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::checkpoint::PartError;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::penalties::Quadratic;
use crate::saved::Saved;
use crate::strategy::{Shared, space, zero};

/// The state between tasks.
pub(super) struct Anchored {
    pub(super) space: ParamVector,
    pub(super) tasks: usize,
    pub(super) held: Option<Quadratic>,
}

/// What is saved beside the vectors.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    tasks: usize,
    constant: Option<f64>,
}

impl Anchored {
    pub(super) fn new<M: Module>(model: &M) -> Self {
        Self {
            space: space(model),
            tasks: 0,
            held: None,
        }
    }

    /// A task has ended: this is held from here on.
    pub(super) fn hold(&mut self, held: Quadratic) {
        self.held = Some(held);
        self.tasks += 1;
    }
}

impl Shared<Anchored> {
    /// `strength` times what is held, at the model's weights; zero in the first task.
    pub(super) fn penalty<M: Module>(
        &self,
        model: &M,
        strength: f64,
        device: &Device,
    ) -> Result<Tensor<1>> {
        let held = self.lock().held.clone();
        match held {
            Some(held) => Ok(held.at(model)? * strength),
            None => Ok(zero(device)),
        }
    }

    pub(super) fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.lock();
        let saved = Saved::new(&Plain {
            step: self.steps.taken(),
            tasks: state.tasks,
            constant: state.held.as_ref().map(Quadratic::constant),
        })?;
        Ok(saved.with_held(state.held.as_ref())?.to_bytes()?)
    }

    pub(super) fn load(&self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let mut state = self.lock();
        let held = saved.held(plain.constant, &state.space)?;
        (state.held, state.tasks) = (held, plain.tasks);
        self.steps.restore(plain.step);
        Ok(())
    }
}

/// Tasks and what is held, of a handle whose `shared` state has both.
macro_rules! held {
    ($name:ident) => {
        impl $name {
            /// Tasks that ended.
            #[must_use]
            pub fn tasks(&self) -> usize {
                self.shared.lock().tasks
            }

            /// The importances and the weights that are held; none in the first task.
            #[must_use]
            pub fn held(&self) -> Option<$crate::penalties::Quadratic> {
                self.shared.lock().held.clone()
            }
        }
    };
}
pub(super) use held;

/// Tasks and what is held, and the part of a checkpoint, of a handle with `shared: Shared<Anchored>`.
macro_rules! anchored {
    ($name:ident, $kind:literal) => {
        $crate::methods::anchored::held!($name);

        impl regimen_tensor::checkpoint::Part for $name {
            fn kind(&self) -> String {
                $kind.into()
            }

            fn save(&self) -> Result<Vec<u8>, regimen_tensor::checkpoint::PartError> {
                self.shared.save()
            }

            fn load(&mut self, bytes: &[u8]) -> Result<(), regimen_tensor::checkpoint::PartError> {
                self.shared.load(bytes)
            }
        }
    };
}
pub(super) use anchored;
