//! What fused kernels on the host are made of: functions of one number, for a compiler that vectorises the loop around them.
//!
//! They are to be called within [`pulp::WithSimd::with_simd`], which is compiled for each kind of vector `S`.

use pulp::Simd;

/// `a b + c`, fused where the machine has vectors: there it is one instruction, elsewhere a slow function.
#[inline(always)]
#[must_use]
pub fn fma<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if size_of::<S::f32s>() > size_of::<f32>() {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// `exp(x)`, of `x` limited to where it is neither zero nor infinite; NaN stays.
///
/// By range reduction and a polynomial, to a relative error of 3e-7.
///
/// ```
/// use pulp::{Arch, Simd, WithSimd};
/// use regimen_tensor::simd::exp;
///
/// struct Exponents<'a>(&'a mut [f32]);
///
/// impl WithSimd for Exponents<'_> {
///     type Output = ();
///
///     #[inline(always)]
///     fn with_simd<S: Simd>(self, _: S) {
///         self.0.iter_mut().for_each(|x| *x = exp::<S>(*x));
///     }
/// }
///
/// let mut values = [0.0, 1.0];
/// Arch::new().dispatch(Exponents(&mut values));
/// assert_eq!(values[0], 1.0);
/// assert!((values[1] - std::f32::consts::E).abs() < 1e-6);
/// ```
#[inline(always)]
#[must_use]
pub fn exp<S: Simd>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = fma::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<S>(n, 2.121_944_4e-4, fma::<S>(n, -0.693_359_4, x));
    let p = 1.987_569_1e-4;
    let p = fma::<S>(p, r, 1.398_2e-3);
    let p = fma::<S>(p, r, 8.333_452e-3);
    let p = fma::<S>(p, r, 4.166_579_6e-2);
    let p = fma::<S>(p, r, 0.166_666_65);
    let p = fma::<S>(p, r, 0.5);
    let scale = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    fma::<S>(p * r, r, r + 1.0) * scale
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;

    struct All<'a>(&'a mut [f32]);

    impl WithSimd for All<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            self.0.iter_mut().for_each(|x| *x = exp::<S>(*x));
        }
    }

    fn all(mut values: Vec<f32>) -> Vec<f32> {
        Arch::new().dispatch(All(&mut values));
        values
    }

    #[test]
    fn agrees_with_double_precision() {
        let points: Vec<f32> = (-870_000..=880_000).map(|i| i as f32 * 1e-4).collect();
        for (found, x) in all(points.clone()).into_iter().zip(points) {
            let expected = f64::from(x).exp();
            let off = (f64::from(found) - expected).abs();
            assert!(off <= 3e-7 * expected, "{x}: {found} is not {expected}");
        }
    }

    #[test]
    fn far_values_stay_finite_and_nan_stays() {
        let found = all(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0]);
        assert!(found[0].is_nan() && found[1].is_finite());
        assert!(found[2] > 0.0 && found[2] < 1e-37);
        assert_eq!(found[3], 1.0);
    }
}
