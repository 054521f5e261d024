//! # independent
//!
//! A copy of a model that shares nothing that training changes.
//!
//! Source: `RunningState` of Burn 0.22 keeps the statistics of batch norm behind a pointer that clones share.

use burn::module::Module;

/// A copy of a module whose running statistics are its own.
///
/// `clone()` shares the statistics of batch norm: training the copy changes the original's, and the other way
/// round. This copy has the same parameter ids and values, the same frozen parameters and the same statistics,
/// those that wait for their next update included. Tensors are shared until one side changes, so it costs no
/// memory. On a device with autodiff, parameters are leaves of new graphs; on a plain device the copy is in
/// validation mode ([`Module::valid`]).
///
/// Host state in fields that are no modules, such as an `Arc` in a field marked `#[module(skip)]`, stays shared.
///
/// ```
/// use burn::{module::Module, nn::BatchNormConfig, tensor::{Device, Tensor}};
/// use regimen_tensor::{ParamVector, independent};
///
/// let device = Device::flex().autodiff();
/// let model = BatchNormConfig::new(2).init(&device);
/// let teacher = independent(&model);
/// let _ = model.forward(Tensor::<2>::ones([4, 2], &device)); // moves the running mean of the model only
///
/// assert_eq!(ParamVector::buffers(&teacher).to_host()?, [[0.0, 0.0], [1.0, 1.0]]);
/// assert_ne!(ParamVector::buffers(&model).to_host()?, [[0.0, 0.0], [1.0, 1.0]]);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
#[must_use]
pub fn independent<M: Module>(module: &M) -> M {
    let copy = module.valid();
    let tracked = module.devices().iter().any(|device| device.is_autodiff());
    if tracked { copy.train() } else { copy }
}
