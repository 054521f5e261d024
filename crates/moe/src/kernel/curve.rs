//! The nonlinearities and their slopes, for a compiler that vectorises them.
//!
//! Exponentials by range reduction and a polynomial; the normal distribution by Abramowitz and Stegun, 7.1.26. Values and
//! slopes agree with double precision to 1e-6 (tested).

use pulp::{Arch, Simd, WithSimd};
use regimen_tensor::simd::{exp, fma};

use crate::Activation;
use crate::experts::SQRT_2_OVER_PI;

/// Values that are worked on together, so that sums vectorise.
const LANES: usize = 16;

/// A function and its slope.
trait Curve {
    fn both<S: Simd>(u: f32) -> (f32, f32);
}

struct Relu;
struct SquaredRelu;
struct Gelu;
struct GeluTanh;
struct Silu;
struct Tanh;

/// `tanh(x)`.
#[inline(always)]
fn tanh<S: Simd>(x: f32) -> f32 {
    1.0 - 2.0 / (exp::<S>(2.0 * x) + 1.0)
}

impl Curve for Relu {
    #[inline(always)]
    fn both<S: Simd>(u: f32) -> (f32, f32) {
        let slope = if u > 0.0 { 1.0 } else { 0.0 };
        (u * slope, slope)
    }
}

impl Curve for SquaredRelu {
    #[inline(always)]
    fn both<S: Simd>(u: f32) -> (f32, f32) {
        let (positive, slope) = Relu::both::<S>(u);
        (positive * positive, 2.0 * positive * slope)
    }
}

impl Curve for Gelu {
    #[inline(always)]
    fn both<S: Simd>(u: f32) -> (f32, f32) {
        let z = u.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / fma::<S>(0.327_591_1, z, 1.0);
        let p = 1.061_405_4;
        let p = fma::<S>(p, t, -1.453_152);
        let p = fma::<S>(p, t, 1.421_413_7);
        let p = fma::<S>(p, t, -0.284_496_74);
        let p = fma::<S>(p, t, 0.254_829_6);
        let bell = exp::<S>(-z * z);
        let tail = 0.5 * p * t * bell;
        let below = if u >= 0.0 { 1.0 - tail } else { tail };
        (u * below, fma::<S>(u * bell, 0.398_942_3, below))
    }
}

impl Curve for GeluTanh {
    #[inline(always)]
    fn both<S: Simd>(u: f32) -> (f32, f32) {
        const SCALE: f32 = SQRT_2_OVER_PI as f32;
        // (1 + tanh z) / 2 and its complement, each without cancellation.
        let e = exp::<S>(-2.0 * SCALE * (u + 0.044_715 * u * u * u));
        let s = 1.0 / (1.0 + e);
        let inner = SCALE * (1.0 + 3.0 * 0.044_715 * u * u);
        (u * s, s + 2.0 * u * s * (e * s) * inner)
    }
}

impl Curve for Silu {
    #[inline(always)]
    fn both<S: Simd>(u: f32) -> (f32, f32) {
        let s = 1.0 / (1.0 + exp::<S>(-u));
        (u * s, s * (1.0 + u * (1.0 - s)))
    }
}

impl Curve for Tanh {
    #[inline(always)]
    fn both<S: Simd>(u: f32) -> (f32, f32) {
        let t = tanh::<S>(u);
        (t, 1.0 - t * t)
    }
}

/// Calls a generic function with the curve of an activation.
macro_rules! with_curve {
    ($activation:expr, $function:ident, $($argument:expr),*) => {
        match $activation {
            Activation::Relu => $function::<Relu, S>($($argument),*),
            Activation::SquaredRelu => $function::<SquaredRelu, S>($($argument),*),
            Activation::Gelu => $function::<Gelu, S>($($argument),*),
            Activation::GeluTanh => $function::<GeluTanh, S>($($argument),*),
            Activation::Silu => $function::<Silu, S>($($argument),*),
            Activation::Tanh => $function::<Tanh, S>($($argument),*),
        }
    };
}

/// The hidden values of rows of an expert's first product.
///
/// `u` is `[rows, hidden]`, or `[rows, 2 hidden]` if gated: then the first half passes the nonlinearity and multiplies the
/// second. `out` is `[rows, hidden]`.
pub(super) fn forward(
    activation: Activation,
    gated: bool,
    hidden: usize,
    u: &[f32],
    out: &mut [f32],
) {
    Arch::new().dispatch(Forward {
        activation,
        gated,
        hidden,
        u,
        out,
    });
}

/// [`forward`] to be compiled for each kind of vector.
struct Forward<'a> {
    activation: Activation,
    gated: bool,
    hidden: usize,
    u: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            activation,
            gated,
            hidden,
            u,
            out,
        } = self;
        with_curve!(activation, forward_rows, gated, hidden, u, out);
    }
}

#[inline(always)]
fn forward_rows<C: Curve, S: Simd>(gated: bool, hidden: usize, u: &[f32], out: &mut [f32]) {
    if !gated {
        for (out, u) in out.iter_mut().zip(u) {
            *out = C::both::<S>(*u).0;
        }
        return;
    }
    for (out, u) in out.chunks_exact_mut(hidden).zip(u.chunks_exact(2 * hidden)) {
        let (gate, value) = u.split_at(hidden);
        for ((out, gate), value) in out.iter_mut().zip(gate).zip(value) {
            *out = C::both::<S>(*gate).0 * value;
        }
    }
}

/// What the backward pass of the nonlinearity reads and writes, for some rows.
pub(super) struct Slopes<'a> {
    /// The first product, as in [`forward`].
    pub(super) u: &'a [f32],
    /// The gradient of the hidden values before the router's gate, `[rows, hidden]`.
    pub(super) upstream: &'a [f32],
    /// The router's gates, `[rows]`.
    pub(super) gates: &'a [f32],
    /// Out: the hidden values times the gate, `[rows, hidden]`.
    pub(super) scaled: &'a mut [f32],
    /// Out: the gradient of `u`.
    pub(super) grad_u: &'a mut [f32],
    /// Out: the gradient of the gates, `[rows]`.
    pub(super) grad_gates: &'a mut [f32],
}

/// Backward through the nonlinearity and the gate in one pass.
pub(super) fn backward(activation: Activation, gated: bool, hidden: usize, slopes: Slopes<'_>) {
    Arch::new().dispatch(Backward {
        activation,
        gated,
        hidden,
        slopes,
    });
}

/// [`backward`] to be compiled for each kind of vector.
struct Backward<'a> {
    activation: Activation,
    gated: bool,
    hidden: usize,
    slopes: Slopes<'a>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            activation,
            gated,
            hidden,
            slopes,
        } = self;
        with_curve!(activation, backward_rows, gated, hidden, slopes);
    }
}

#[inline(always)]
fn backward_rows<C: Curve, S: Simd>(gated: bool, hidden: usize, slopes: Slopes<'_>) {
    let width = if gated { 2 * hidden } else { hidden };
    let upstream = slopes.upstream.chunks_exact(hidden);
    let ins = slopes.u.chunks_exact(width).zip(upstream).zip(slopes.gates);
    let scaled = slopes.scaled.chunks_exact_mut(hidden);
    let outs = slopes.grad_u.chunks_exact_mut(width).zip(scaled);
    let outs = outs.zip(slopes.grad_gates);
    for (((u, upstream), gate), ((grad_u, scaled), grad_gate)) in ins.zip(outs) {
        *grad_gate = if gated {
            let (u, value) = u.split_at(hidden);
            let (grad_u, grad_value) = grad_u.split_at_mut(hidden);
            gated_row::<C, S>(*gate, [u, value, upstream], [grad_u, grad_value, scaled])
        } else {
            plain_row::<C, S>(*gate, [u, upstream], [grad_u, scaled])
        };
    }
}

/// One row; the sum of the upstream gradient times the hidden values.
#[inline(always)]
fn plain_row<C: Curve, S: Simd>(gate: f32, ins: [&[f32]; 2], outs: [&mut [f32]; 2]) -> f32 {
    let mut sums = [0.0; LANES];
    let ins = ins.map(|slice| slice.as_chunks::<LANES>());
    let outs = outs.map(|slice| slice.as_chunks_mut::<LANES>());
    let [(u, u_rest), (up, up_rest)] = ins;
    let [(grad, grad_rest), (scaled, scaled_rest)] = outs;
    for (((u, up), grad), scaled) in u.iter().zip(up).zip(grad).zip(scaled) {
        for lane in 0..LANES {
            let (value, slope) = C::both::<S>(u[lane]);
            sums[lane] += up[lane] * value;
            scaled[lane] = gate * value;
            grad[lane] = gate * up[lane] * slope;
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for (((u, up), grad), scaled) in u_rest.iter().zip(up_rest).zip(grad_rest).zip(scaled_rest) {
        let (value, slope) = C::both::<S>(*u);
        sum += up * value;
        *scaled = gate * value;
        *grad = gate * up * slope;
    }
    sum
}

/// One row of a gated expert; the sum of the upstream gradient times the hidden values.
#[inline(always)]
fn gated_row<C: Curve, S: Simd>(gate: f32, ins: [&[f32]; 3], outs: [&mut [f32]; 3]) -> f32 {
    let mut sums = [0.0; LANES];
    let [(u, u_rest), (v, v_rest), (up, up_rest)] = ins.map(|slice| slice.as_chunks::<LANES>());
    let outs = outs.map(|slice| slice.as_chunks_mut::<LANES>());
    let [(grad_u, gu_rest), (grad_v, gv_rest), (scaled, scaled_rest)] = outs;
    let chunks = u.iter().zip(v).zip(up);
    for (((u, v), up), ((grad_u, grad_v), scaled)) in
        chunks.zip(grad_u.iter_mut().zip(grad_v).zip(scaled))
    {
        for lane in 0..LANES {
            let (value, slope) = C::both::<S>(u[lane]);
            let both = value * v[lane];
            let through = gate * up[lane];
            sums[lane] += up[lane] * both;
            scaled[lane] = gate * both;
            grad_u[lane] = through * v[lane] * slope;
            grad_v[lane] = through * value;
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for i in 0..u_rest.len() {
        let (value, slope) = C::both::<S>(u_rest[i]);
        let both = value * v_rest[i];
        let through = gate * up_rest[i];
        sum += up_rest[i] * both;
        scaled_rest[i] = gate * both;
        gu_rest[i] = through * v_rest[i] * slope;
        gv_rest[i] = through * value;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `erf` in double precision by its series and, far out, its continued fraction.
    fn erf(x: f64) -> f64 {
        if x.abs() > 3.0 {
            let z = x.abs();
            let fraction = (1..=60)
                .rev()
                .fold(z, |deep, k| z + f64::from(k) / 2.0 / deep);
            let tail = (-z * z).exp() / fraction / std::f64::consts::PI.sqrt();
            return x.signum() * (1.0 - tail);
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    fn exact(activation: Activation, u: f64) -> f64 {
        match activation {
            Activation::Relu => u.max(0.0),
            Activation::SquaredRelu => u.max(0.0).powi(2),
            Activation::Gelu => u * 0.5 * (1.0 + erf(u / 2f64.sqrt())),
            Activation::GeluTanh => {
                0.5 * u * (1.0 + (SQRT_2_OVER_PI * (u + 0.044_715 * u.powi(3))).tanh())
            }
            Activation::Silu => u / (1.0 + (-u).exp()),
            Activation::Tanh => u.tanh(),
        }
    }

    #[test]
    fn values_and_slopes_agree_with_double_precision_to_1e_6() {
        let points: Vec<f32> = (-120_000..=120_000)
            .map(|i| i as f32 * 1e-4 + 3e-5)
            .collect();
        let ones = vec![1.0_f32; points.len()];
        for activation in Activation::ALL {
            let mut values = vec![0.0; points.len()];
            forward(activation, false, points.len(), &points, &mut values);
            let (mut scaled, mut slope) = (values.clone(), values.clone());
            let slopes = Slopes {
                u: &points,
                upstream: &ones,
                gates: &[1.0],
                scaled: &mut scaled,
                grad_u: &mut slope,
                grad_gates: &mut [0.0],
            };
            backward(activation, false, points.len(), slopes);
            assert_eq!(values, scaled);
            for (i, &u) in points.iter().enumerate() {
                let (u, step) = (f64::from(u), 1e-5);
                let value = exact(activation, u);
                let slope_exact =
                    (exact(activation, u + step) - exact(activation, u - step)) / (2.0 * step);
                let size = 1.0 + value.abs();
                assert!(
                    (f64::from(values[i]) - value).abs() < 1e-6 * size,
                    "{activation:?} {u}"
                );
                let error = (f64::from(slope[i]) - slope_exact).abs();
                assert!(
                    error < 1.5e-6 * (1.0 + slope_exact.abs()),
                    "{activation:?} {u} {error}"
                );
            }
        }
    }

    #[test]
    fn far_values_saturate_and_nan_stays() {
        for activation in Activation::ALL {
            let mut out = [0.0; 4];
            forward(
                activation,
                false,
                4,
                &[f32::NAN, 200.0, -200.0, 0.0],
                &mut out,
            );
            assert!(
                out[0].is_nan() && out[1..].iter().all(|v| v.is_finite()),
                "{activation:?}"
            );
            assert_eq!(out[3], 0.0);
        }
    }
}
