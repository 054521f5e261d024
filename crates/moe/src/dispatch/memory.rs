//! Where a device's memory is, and how rows are moved on it.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

/// Where a device's memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The host's: reading a tensor waits for nothing.
    Host,
    /// Its own: reading a tensor waits for all that was asked of the device before.
    Device,
}

impl Memory {
    /// Of `flex`, if the feature is on, the host's; of every other device its own.
    pub(crate) fn of(device: &Device) -> Self {
        #[cfg(feature = "flex")]
        {
            use burn::backend::DispatchDevice;
            let device = device.clone().inner();
            if matches!(device.as_dispatch(), DispatchDevice::Flex(_)) {
                return Self::Host;
            }
        }
        let _ = device;
        Self::Device
    }

    /// The rows at some places, `[rows, width]`; their gradients are summed in the type of `x`.
    ///
    /// On a device with memory of its own this is a gather, whose gradient is added by all its threads at once where the type
    /// has atomic sums; the gradient of a selection goes through the places one by one.
    pub(crate) fn take(self, x: Tensor<2>, places: Tensor<1, Int>) -> Tensor<2> {
        match self {
            Self::Host => x.select(0, places),
            Self::Device => {
                let ([rows], [_, width]) = (places.dims(), x.dims());
                let places = places.unsqueeze_dim::<2>(1).expand([rows, width]);
                x.gather(0, places)
            }
        }
    }

    /// Rows summed at some of `tokens` places, `[tokens, width]`.
    pub(crate) fn put(self, rows: Tensor<2>, places: Tensor<1, Int>, tokens: usize) -> Tensor<2> {
        let [count, width] = rows.dims();
        let zeros = Tensor::<2>::zeros([tokens, width], (&rows.device(), rows.dtype()));
        match self {
            Self::Host => zeros.select_assign(0, places, rows, IndexingUpdateOp::Add),
            Self::Device => {
                let places = places.unsqueeze_dim::<2>(1).expand([count, width]);
                zeros.scatter(0, places, rows, IndexingUpdateOp::Add)
            }
        }
    }
}
