//! A type that files hold, and how a test reads it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is read from files: its name, a valid text, and what reads a text and uses what it accepts.
pub(super) struct State {
    pub(super) name: &'static str,
    pub(super) sample: String,
    pub(super) read: fn(&str) -> Result<(), String>,
}

pub(super) fn state(
    name: &'static str,
    value: &impl Serialize,
    read: fn(&str) -> Result<(), String>,
) -> State {
    let sample = serde_json::to_string(value).unwrap();
    State { name, sample, read }
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}
