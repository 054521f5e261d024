//! One part of a run.

/// Why a part could not be saved or restored: its own error.
pub type PartError = Box<dyn std::error::Error + Send + Sync>;

/// Something that a run keeps: a model, an optimizer, a position, masks, a ledger.
///
/// A handle that shares its state (a loader, a pruner) saves and restores what it shares.
pub trait Part {
    /// What it is and the version of its format, as `"seta 1"`: a checkpoint of another kind is refused before anything is read.
    fn kind(&self) -> String;

    /// The state, as it is at this moment.
    ///
    /// # Errors
    /// If it can't be read or written, as when a device fails.
    fn save(&self) -> Result<Vec<u8>, PartError>;

    /// Becomes what was saved. On an error nothing is changed.
    ///
    /// # Errors
    /// If the bytes are damaged, or of another model, data set or configuration.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError>;
}

impl<P: Part + ?Sized> Part for &mut P {
    fn kind(&self) -> String {
        (**self).kind()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        (**self).save()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        (**self).load(bytes)
    }
}

/// States as JSON, for parts that are plain data.
pub mod json {
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::PartError;

    /// The state as JSON.
    ///
    /// # Errors
    /// What `serde_json` says.
    pub fn save<T: Serialize + ?Sized>(state: &T) -> Result<Vec<u8>, PartError> {
        Ok(serde_json::to_vec(state)?)
    }

    /// The state from JSON.
    ///
    /// # Errors
    /// What `serde_json`, or the type's own check, says.
    pub fn load<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PartError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}
