//! What a case demands, and what a method gives.

use std::error::Error;
use std::fmt;

use burn::tensor::DType;

/// What a method gives for a case: a result, or the typed error by which it refuses.
pub type Answer<T> = Result<T, Box<dyn Error>>;

/// What a case demands besides the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// Parameters and inputs in f32.
    F32,
    /// Parameters and inputs in bf16.
    Bf16,
    /// One parameter is frozen.
    Frozen,
    /// Gradients of three micro-batches a step; the last window holds one.
    Accumulation,
    /// Two replicas, each with half of each batch.
    TwoDevices,
    /// State is saved, dropped and restored in the middle.
    Resumed,
    /// One gradient or loss is not a number.
    NotFinite,
}

impl Condition {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::F32,
        Self::Bf16,
        Self::Frozen,
        Self::Accumulation,
        Self::TwoDevices,
        Self::Resumed,
        Self::NotFinite,
    ];

    /// The type of parameters and inputs.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Self::Bf16 => DType::BF16,
            _ => DType::F32,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Frozen => "frozen part",
            Self::Accumulation => "accumulation",
            Self::TwoDevices => "two devices",
            Self::Resumed => "resumed",
            Self::NotFinite => "not finite",
        })
    }
}
