//! # directional
//!
//! Products of second derivatives with a direction, from first derivatives alone.
//!
//! Source: central differences, `H v = (g(x + h v) - g(x - h v)) / 2h + O(h^2)`. Burn 0.22
//! differentiates once.

use burn::module::Module;
use burn::tensor::{DType, Tensor};

use crate::error::{Result, TensorError};
use crate::param_vector::{ParamVector, independent};

/// The step of a central difference.
///
/// `h = sqrt(eps) (1 + |x|) / |v|`: the square root of the precision of the coarsest parameter (0.00035 for f32,
/// 0.09 for bf16), at the scale of the
/// point and of the direction. The cube root would balance rounding against the truncation of a smooth
/// function; the shorter step crosses fewer kinks of a network with ReLU, whose error grows with `h`, and still
/// leaves three digits. Reads two scalars.
///
/// # Errors
/// [`TensorError::OutOfRange`] if the direction is zero or not finite.
pub fn step_size(point: &ParamVector, direction: &ParamVector) -> Result<f64> {
    let read = |norm: Tensor<1>| f64::from(norm.into_scalar::<f32>());
    let (x, v) = (read(point.l2()), read(direction.l2()));
    let h = precision(point).sqrt() * (1.0 + x) / v;
    if h.is_finite() && h > 0.0 {
        Ok(h)
    } else {
        Err(TensorError::out_of_range(
            "direction",
            v,
            "a finite norm above 0",
        ))
    }
}

/// The Hessian of a loss times a direction, at the module's parameters.
///
/// `gradient` returns the loss gradient of the module that it is given; it is called twice.
/// Exact up to rounding for a quadratic loss; use the same data in both calls.
///
/// In a network with ReLU the difference also counts the kinks between the two points, which differentiating twice does
/// not see. The step in single precision crosses some in all but the smallest networks, and the product is then several
/// times as large as that of double differentiation. The step in double precision is 20,000 times shorter: where the
/// product must be that of double differentiation, give a module and data in f64, on a device that has it.
///
/// # Errors
/// As [`step_size`]; [`TensorError::Mismatch`] if the direction is not of this module.
pub fn hessian_vector<M: Module>(
    module: &M,
    direction: &ParamVector,
    mut gradient: impl FnMut(&M) -> Result<ParamVector>,
) -> Result<ParamVector> {
    let point = ParamVector::of(module);
    let h = step_size(&point, direction)?;
    let plus = gradient(&at(module, &point, h, direction)?)?;
    let minus = gradient(&at(module, &point, -h, direction)?)?;
    Ok(plus.sub(&minus)?.scale(0.5 / h))
}

/// The Jacobian of outputs with respect to the parameters, times a direction.
///
/// `outputs` is the forward pass, of any shape flattened to `[n]`; the result is `[n]`.
///
/// # Errors
/// As [`hessian_vector`].
pub fn jacobian_vector<M: Module>(
    module: &M,
    direction: &ParamVector,
    mut outputs: impl FnMut(&M) -> Tensor<1>,
) -> Result<Tensor<1>> {
    let point = ParamVector::of(module);
    let h = step_size(&point, direction)?;
    let plus = outputs(&at(module, &point, h, direction)?);
    let minus = outputs(&at(module, &point, -h, direction)?);
    Ok((plus.inner() - minus.inner()) / (2.0 * h))
}

fn at<M: Module>(module: &M, point: &ParamVector, h: f64, direction: &ParamVector) -> Result<M> {
    let moved = point.clone().widened().axpy(h, direction)?;
    moved.write_to(independent(module))
}

/// The distance from 1 to the next number of the coarsest float type among the parameters.
fn precision(point: &ParamVector) -> f64 {
    let entries = point.entries().iter();
    let types = entries.map(|entry| match entry.dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2.0_f64.powi(-10),
        DType::BF16 => 2.0_f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    });
    types.fold(f64::EPSILON, f64::max)
}
