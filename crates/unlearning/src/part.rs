//! Parts of a checkpoint that are plain data with a `config`.

/// `part!(Type, "kind 1")`: its state as JSON; that of another configuration is refused.
macro_rules! part {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        impl regimen_tensor::Part for $name {
            fn kind(&self) -> String {
                $kind.into()
            }

            fn save(&self) -> Result<Vec<u8>, regimen_tensor::checkpoint::PartError> {
                regimen_tensor::checkpoint::json::save(self)
            }

            fn load(&mut self, bytes: &[u8]) -> Result<(), regimen_tensor::checkpoint::PartError> {
                let saved: Self = regimen_tensor::checkpoint::json::load(bytes)?;
                if saved.config != self.config {
                    let (expected, found) = (self.config.to_string(), saved.config.to_string());
                    return Err($crate::error::mismatch("configuration", expected, found).into());
                }
                *self = saved;
                Ok(())
            }
        }
    };
}
pub(crate) use part;
