//! Functions that schedules spend their time in, and numbers that stay finite.

/// `(1 + cos(pi p)) / 2` for a progress in `0..=1`, to 2.5e-16: exactly 1, 0.5 and 0 at 0, 0.5 and 1, and
/// never below 0.
///
/// A polynomial without branches, so that a loop over it runs on vectors; half as long as a cosine of
/// any argument.
#[inline]
pub(crate) fn half_cosine(p: f64) -> f64 {
    // cos(pi p) = -sin(pi d)
    let d = p - 0.5;
    let y = d * d;
    let (y2, y4) = (y * y, y * y * (y * y));
    let [a, b, c, d0, e, f, g, h, i, j, k] = SINE;
    let low = (a + b * y) + (c + d0 * y) * y2;
    let middle = (e + f * y) + (g + h * y) * y2;
    let high = (i + j * y) + k * y2;
    let sine = d * (low + (middle + high * y4) * y4);
    (0.5 - 0.5 * sine).max(0.0)
}

/// `(-1)^n pi^(2 n + 1) / (2 n + 1)!`, enough of them for `d` up to 0.5. The last one is larger than
/// that by what the others' rounding lacks at 0.5, so that the sine is exactly 1 there.
const SINE: [f64; 11] = [
    std::f64::consts::PI,
    -5.167_712_780_049_97,
    2.550_164_039_877_345_5,
    -0.599_264_529_320_792_1,
    0.082_145_886_611_128_23,
    -0.007_370_430_945_714_350_4,
    4.663_028_057_676_125_5e-4,
    -2.191_535_344_783_021_7e-5,
    7.952_054_001_475_513e-7,
    -2.294_842_899_726_987_3e-8,
    8e-10,
];

/// `value^exponent` for a value of 0 or more, quick for the exponents in use.
#[inline]
pub(crate) fn power(value: f64, exponent: f64) -> f64 {
    match exponent {
        1.0 => value,
        2.0 => value * value,
        0.5 => value.sqrt(),
        1.5 => value * value.sqrt(),
        3.0 => value * value * value,
        _ => value.powf(exponent),
    }
}

/// `base^exponent` for a base of 0 or more and an exponent of 0 or more, but not `0^0`.
///
/// To about `1e-16` times the size of its logarithm: in decays that are worth anything as good as `powf`,
/// and the logarithm of the base is taken once in a loop.
#[inline]
pub(crate) fn exponential(base: f64, exponent: f64) -> f64 {
    let bits = exponent * base.log2();
    // Below, even the least number above 0 is too large.
    if bits < -1080.0 { 0.0 } else { bits.exp2() }
}

/// `base^count` for a base of 0 or more.
#[inline]
pub(crate) fn whole_power(base: f64, count: usize) -> f64 {
    match count {
        _ if base == 1.0 => 1.0,
        0..32 => base.powi(count as i32),
        _ => exponential(base, count as f64),
    }
}

/// `from + (to - from) factor`, finite also where `to - from` is not.
#[inline]
pub(crate) fn lerp(from: f64, to: f64, factor: f64) -> f64 {
    let way = to - from;
    if way.is_finite() {
        from + way * factor
    } else {
        from * (1.0 - factor) + to * factor
    }
}

/// The nearest finite number; NaN stays.
#[inline]
pub(crate) fn bounded(value: f64) -> f64 {
    value.clamp(-f64::MAX, f64::MAX)
}

/// A peak times a factor that may be infinite: 0 stays 0, and nothing is above the largest number.
#[inline]
pub(crate) fn scaled(peak: f64, factor: f64) -> f64 {
    if peak == 0.0 {
        return 0.0;
    }
    (peak * factor).min(f64::MAX)
}

/// The default of a factor in a file.
pub(crate) fn one() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn half_a_cosine_is_that_of_the_standard_library() {
        for n in 0..=100_000 {
            let p = f64::from(n) / 100_000.0;
            let expected = 0.5 * (1.0 + (PI * p).cos());
            assert!((half_cosine(p) - expected).abs() < 2.5e-16, "{p}");
        }
        let ends = [0.0, 0.5, 1.0].map(half_cosine);
        assert_eq!(ends, [1.0, 0.5, 0.0]);
    }

    #[test]
    fn half_a_cosine_falls_and_is_never_below_0() {
        for scale in [1e-3, 1e-6, 1e-9, 1e-12, 1e-15] {
            let falls = |n: u32| half_cosine(1.0 - scale * f64::from(n) / 1e4);
            assert!((0..10_000).all(|n| falls(n) >= 0.0 && falls(n) <= falls(n + 1) + 2.5e-16));
            assert!((0..10_000).all(|n| half_cosine(scale * f64::from(n) / 1e4) <= 1.0));
        }
    }

    #[test]
    fn exponentials_are_powers() {
        for base in [0.1, 0.5, 0.97, 0.9999, 1.0, 1.01, 3.0] {
            for count in (0_u32..2000).step_by(13) {
                let expected = f64::powf(base, f64::from(count));
                let bound = 1e-15 * (1.0 + expected.ln().abs()) * expected;
                for found in [
                    exponential(base, f64::from(count)),
                    whole_power(base, count as usize),
                ] {
                    let near = found == expected || (found - expected).abs() <= bound;
                    assert!(near || expected < f64::MIN_POSITIVE, "{base} {count}");
                }
            }
        }
        assert_eq!(exponential(0.5, 10.0), 1.0 / 1024.0);
        assert_eq!(
            [
                whole_power(0.0, 0),
                whole_power(0.0, 1),
                whole_power(0.0, 99)
            ],
            [1.0, 0.0, 0.0]
        );
        assert_eq!(
            [whole_power(2.0, usize::MAX), whole_power(0.5, usize::MAX)],
            [f64::INFINITY, 0.0]
        );
    }

    #[test]
    fn quick_powers_are_powers() {
        for exponent in [0.5, 1.0, 1.5, 2.0, 3.0, 3.7] {
            for n in 0..=100 {
                let value = f64::from(n) / 100.0;
                let expected = value.powf(exponent);
                assert!((power(value, exponent) - expected).abs() < 2.5e-16);
            }
        }
    }
}
