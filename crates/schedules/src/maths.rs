//! Functions that schedules spend their time in, and numbers that stay finite.

use std::f64::consts::PI;

/// `(1 + cos(pi p)) / 2` for a progress in `0..=1`, to 1e-16: exactly 1, 0.5 and 0 at 0, 0.5 and 1.
///
/// A polynomial after one reduction, several times as fast as a cosine of any argument.
pub(crate) fn half_cosine(p: f64) -> f64 {
    let d = p - 0.5;
    let size = d.abs();
    // cos(pi p) = -sin(pi d): a sine near the middle, a cosine of the distance near the ends.
    let sine = if size <= 0.25 {
        let x = PI * size;
        let y = x * x;
        x * series(y, &SINE)
    } else {
        let x = PI * (0.5 - size);
        series(x * x, &COSINE)
    };
    0.5 - 0.5 * sine.copysign(d)
}

/// `(-1)^k / (2 k + 1)!`, enough of them for arguments up to pi / 4.
const SINE: [f64; 9] = [
    1.0,
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5_040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
];

/// `(-1)^k / (2 k)!`.
const COSINE: [f64; 9] = [
    1.0,
    -1.0 / 2.0,
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
];

/// The sum of `terms[k] y^k`, in pairs that do not wait for each other.
fn series(y: f64, terms: &[f64; 9]) -> f64 {
    let [a, b, c, d, e, f, g, h, i] = terms;
    let (y2, y4) = (y * y, y * y * (y * y));
    let low = (a + b * y) + (c + d * y) * y2;
    let high = (e + f * y) + (g + h * y) * y2;
    low + (high + i * y4) * y4
}

/// `value^exponent` for a value of 0 or more, quick for the exponents in use.
pub(crate) fn power(value: f64, exponent: f64) -> f64 {
    match exponent {
        1.0 => value,
        2.0 => value * value,
        0.5 => value.sqrt(),
        1.5 => value * value.sqrt(),
        _ => value.powf(exponent),
    }
}

/// `base^count`, quick for the base 1.
pub(crate) fn whole_power(base: f64, count: usize) -> f64 {
    if base == 1.0 {
        return 1.0;
    }
    base.powi(i32::try_from(count).unwrap_or(i32::MAX))
}

/// A peak times a factor that may be infinite: 0 stays 0, and nothing is above the largest number.
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
    fn quick_powers_are_powers() {
        for exponent in [0.5, 1.0, 1.5, 2.0, 3.7] {
            for n in 0..=100 {
                let value = f64::from(n) / 100.0;
                let expected = value.powf(exponent);
                assert!((power(value, exponent) - expected).abs() < 2.5e-16);
            }
        }
    }
}
