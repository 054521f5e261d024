//! The norm of a refinement as that of a log on the device.

use regimen_tensor::logs;

use crate::refine::Norm;

/// A log of the norm that a refinement asks for: `GradientNorms::new(Norm::L2)`.
impl From<Norm> for logs::Norm {
    fn from(norm: Norm) -> Self {
        match norm {
            Norm::L1 => Self::L1,
            Norm::L2 => Self::L2,
        }
    }
}
