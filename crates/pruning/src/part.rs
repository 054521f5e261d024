//! The parts of a checkpoint: what each handle keeps.

use regimen_tensor::checkpoint::{Part, PartError, json};

use crate::{Masks, Movement, PerTask, Pruner, SparseTraining, TopKast};

/// `$save` of `&Self`, `$load` into it.
macro_rules! part {
    ($type:ty, $kind:expr, $save:expr) => {
        impl Part for $type {
            fn kind(&self) -> String {
                $kind(self)
            }

            fn save(&self) -> Result<Vec<u8>, PartError> {
                json::save(&$save(self)?)
            }

            fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
                Ok(self.restore(json::load(bytes)?)?)
            }
        }
    };
}

part!(
    Pruner,
    |pruner: &Pruner| pruner.kind(),
    |pruner: &Pruner| { Ok::<_, PartError>(pruner.state()) }
);
part!(
    SparseTraining,
    |training: &SparseTraining| training.kind(),
    |training: &SparseTraining| Ok::<_, PartError>(training.state().clone())
);
part!(Movement, |_| "movement 1".into(), Movement::state);
part!(TopKast, |_| "top-kast 1".into(), TopKast::state);
part!(PerTask, |_| "per-task 1".into(), |tasks: &PerTask| {
    Ok::<_, PartError>(tasks.state())
});

/// Masks become those of the same parameters, by path and shape, and keep their own ids.
impl Part for Masks {
    fn kind(&self) -> String {
        "masks 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        json::save(self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved: Self = json::load(bytes)?;
        self.same_layers(&saved)?;
        let flags = saved.layers().iter().map(|mask| mask.active.clone());
        Ok(self.set(flags.collect())?)
    }
}
