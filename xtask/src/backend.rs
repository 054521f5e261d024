//! Burn's backends, as the tasks name them.

use clap::ValueEnum;

/// Where the tensors live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    #[default]
    Flex,
    Wgpu,
    Vulkan,
    Metal,
    Cuda,
    Rocm,
    Cpu,
}

impl Backend {
    /// The name of Burn's cargo feature, and the value of `BURN_DEVICE`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Cpu => "cpu",
        }
    }
}
