//! # against
//!
//! A gradient that no longer points against another.
//!
//! Source: Chaudhry et al., "Efficient lifelong learning with A-GEM" (arXiv 1812.00420), equation 11.

use burn::tensor::Tensor;
use regimen_tensor::ParamVector;

use crate::examples::read;
use crate::{ContinualError, Result};

/// `g - (g . r) / (r . r) r` where `g . r < 0`, else none: g may stay as it is. Two numbers are read from the device at once.
///
/// Inner products are taken in f32 at least.
///
/// ```
/// use burn::{module::Module, nn::LinearConfig, tensor::Device};
/// use regimen_continual::projections::against;
/// use regimen_tensor::ParamVector;
///
/// let space = ParamVector::of(&LinearConfig::new(2, 1).with_bias(false).init(&Device::flex()));
/// let vector = |values: [f32; 2]| space.from_host(vec![values.to_vec()]);
/// let changed = against(&vector([1.0, 0.0])?, &vector([-1.0, 1.0])?)?.unwrap();
/// assert_eq!(changed.to_host()?, [[0.5, 0.5]]);
/// assert!(against(&vector([1.0, 0.0])?, &vector([1.0, 1.0])?)?.is_none());
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// [`ContinualError::NotFinite`] if a product is not finite; if the vectors are of different models.
pub fn against(gradient: &ParamVector, reference: &ParamVector) -> Result<Option<ParamVector>> {
    let reference = reference.rebound(gradient)?.widened();
    let products = vec![gradient.dot(&reference)?, reference.dot(&reference)?];
    let products = Tensor::cat(products, 0).try_into_vec_as::<f32>();
    let products = read("products of gradients", products)?;
    let (along, length) = match products.as_slice() {
        [along, length] if along.is_finite() && length.is_finite() => (*along, *length),
        _ => return Err(ContinualError::NotFinite("products of gradients".into())),
    };
    if along >= 0.0 || length == 0.0 {
        return Ok(None);
    }
    let factor = -f64::from(along) / f64::from(length);
    Ok(Some(gradient.clone().widened().axpy(factor, &reference)?))
}
