//! What the handles of methods with a memory have in common.

/// What is kept, and the part of a checkpoint, of a handle with `replay: Replay<B, X>`: `plain` gives what of X is saved, and `read` makes X
/// again of it. With `counted`, its `Debug` as well.
macro_rules! replayed {
    (counted $name:ident, $kind:literal, $plain:expr, $read:expr) => {
        impl<B: Examples> std::fmt::Debug for $name<B> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let kept = self.replay.with(|memory, _| memory.len());
                write!(f, "{}({kept} examples)", stringify!($name))
            }
        }

        $crate::methods::replay::replayed!($name, $kind, $plain, $read);
    };
    ($name:ident, $kind:literal, $plain:expr, $read:expr) => {
        impl<B: Examples> $name<B> {
            /// A copy of the memory.
            #[must_use]
            pub fn memory(&self) -> $crate::memory::Memory<B::Item> {
                self.replay.with(|memory, _| memory.clone())
            }
        }

        impl<B: Examples> regimen_tensor::checkpoint::Part for $name<B> {
            fn kind(&self) -> String {
                $kind.into()
            }

            fn save(&self) -> Result<Vec<u8>, regimen_tensor::checkpoint::PartError> {
                Ok(self.replay.save($plain, |_, saved| Ok(saved))?)
            }

            fn load(&mut self, bytes: &[u8]) -> Result<(), regimen_tensor::checkpoint::PartError> {
                Ok(self.replay.load(bytes, $read)?)
            }
        }
    };
}
pub(crate) use replayed;

/// The hooks of a `Strategy` at both ends of a task, of a handle whose memory alone asks for them.
macro_rules! between_tasks {
    () => {
        fn before_task(&self, model: M, task: &$crate::scenario::Task) -> Result<M> {
            self.replay.before_task(task);
            Ok(model)
        }

        fn after_task(
            &self,
            model: M,
            _: &dyn burn::data::dataloader::DataLoader<M::Batch>,
        ) -> Result<M> {
            self.replay.after_task();
            Ok(model)
        }
    };
}
pub(crate) use between_tasks;
