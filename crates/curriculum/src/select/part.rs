//! Samplers as parts of a checkpoint.

/// A sampler that is saved as JSON, and loads a state that it accepts.
macro_rules! part {
    ($name:ident, $kind:literal) => {
        impl regimen_tensor::Part for $name {
            fn kind(&self) -> String {
                $kind.into()
            }

            fn save(&self) -> std::result::Result<Vec<u8>, regimen_tensor::checkpoint::PartError> {
                regimen_tensor::checkpoint::json::save(self)
            }

            fn load(
                &mut self,
                bytes: &[u8],
            ) -> std::result::Result<(), regimen_tensor::checkpoint::PartError> {
                let saved: Self = regimen_tensor::checkpoint::json::load(bytes)?;
                self.accepts(&saved)?;
                *self = saved;
                Ok(())
            }
        }
    };
}
pub(crate) use part;
