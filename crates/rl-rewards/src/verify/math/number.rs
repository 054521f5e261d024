//! Numbers: exact rationals of bounded size, and floats with a bound on their error where a value is irrational.

use num_bigint::BigInt;
use num_traits::{Pow, ToPrimitive};

use super::exact::Exact;

/// The most bits of a numerator or denominator.
const MOST_BITS: u64 = 4096;
/// The most digits of a number, before or after its point.
const MOST_DIGITS: usize = 600;

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// Undefined, such as a division by zero.
    Undefined,
    /// Beyond the bounds.
    TooLarge,
}

pub(super) type Computed<T = Number> = std::result::Result<T, Gone>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Number {
    Exact(Exact),
    /// A value and a bound on its error.
    Float(f64, f64),
}

/// A decimal: digits, with those after the point, and a power of ten.
pub(super) fn decimal(whole: &[u8], places: &[u8], exponent: i32) -> Computed<Exact> {
    if whole.len().max(places.len()) > MOST_DIGITS || exponent.unsigned_abs() > MOST_DIGITS as u32 {
        return Err(Gone::TooLarge);
    }
    let shift = exponent - places.len() as i32;
    if whole.len() + places.len() <= 18 && (-18..=0).contains(&shift) {
        let digits = whole.iter().chain(places);
        let digits = digits.fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        return Ok(Exact::of_small(digits, 10_i64.pow(shift.unsigned_abs())));
    }
    let digits = [whole, places].concat();
    let digits = BigInt::parse_bytes(&digits, 10).ok_or(Gone::Undefined)?;
    let ten = Pow::pow(BigInt::from(10), shift.unsigned_abs());
    bounded(if shift >= 0 {
        Exact::from(digits * ten)
    } else {
        Exact::new(digits, ten)
    })
}

fn bounded(value: Exact) -> Computed<Exact> {
    if value.bits() > MOST_BITS {
        Err(Gone::TooLarge)
    } else {
        Ok(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Exact(value.into())
    }
}

impl Number {
    /// A float with the error of one rounding.
    pub(super) fn rounded(value: f64) -> Computed {
        Self::float(value, value.abs() * f64::EPSILON)
    }

    fn float(value: f64, error: f64) -> Computed {
        if value.is_finite() && error.is_finite() {
            Ok(Self::Float(value, error + value.abs() * f64::EPSILON))
        } else {
            Err(Gone::Undefined)
        }
    }

    /// The value and the bound on its error.
    pub(super) fn approx(&self) -> Computed<(f64, f64)> {
        match self {
            Self::Exact(value) => {
                let value = value.to_f64().ok_or(Gone::TooLarge)?;
                Ok((value, 2.0 * value.abs() * f64::EPSILON))
            }
            Self::Float(value, error) => Ok((*value, *error)),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        match self {
            Self::Exact(value) => value.is_zero(),
            Self::Float(value, error) => value.abs() <= 64.0 * error,
        }
    }

    pub(super) fn negative(&self) -> bool {
        match self {
            Self::Exact(value) => value.is_negative(),
            Self::Float(value, _) => *value < 0.0,
        }
    }

    pub(super) fn neg(self) -> Self {
        match self {
            Self::Exact(value) => Self::Exact(value.neg()),
            Self::Float(value, error) => Self::Float(-value, error),
        }
    }

    pub(super) fn add(&self, other: &Self) -> Computed {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other) {
            return bounded(a.add(b)).map(Self::Exact);
        }
        let ((a, x), (b, y)) = (self.approx()?, other.approx()?);
        Self::float(a + b, x + y)
    }

    pub(super) fn mul(&self, other: &Self) -> Computed {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other) {
            return bounded(a.mul(b)).map(Self::Exact);
        }
        let ((a, x), (b, y)) = (self.approx()?, other.approx()?);
        Self::float(a * b, a.abs() * y + b.abs() * x)
    }

    pub(super) fn inverse(&self) -> Computed {
        if self.is_zero() {
            return Err(Gone::Undefined);
        }
        match self {
            Self::Exact(value) => Ok(Self::Exact(value.recip())),
            Self::Float(value, error) => Self::float(value.recip(), error / (value * value)),
        }
    }

    /// A function of a float whose slope there is given.
    pub(super) fn through(&self, f: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Computed {
        let (value, error) = self.approx()?;
        Self::float(f(value), slope(value).abs() * error)
    }

    pub(super) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Exact(value) => value.to_integer(),
            Self::Float(..) => None,
        }
    }

    /// `self ^ power`, of a negative base for integers and for odd roots only.
    pub(super) fn pow(&self, power: &Self) -> Computed {
        let Self::Exact(exponent) = power else {
            return self.float_pow(power);
        };
        let (times, root) = exponent.parts();
        let root = root.to_u32().filter(|root| *root <= 64);
        let Some(root) = root else {
            return self.float_pow(power);
        };
        let Some(times) = times.to_i64() else {
            return self.trivial_power().ok_or(Gone::TooLarge);
        };
        if root > 1 {
            return self.root(root)?.whole_pow(times);
        }
        self.whole_pow(times)
    }

    fn whole_pow(&self, times: i64) -> Computed {
        if times < 0 {
            return self.inverse()?.whole_pow(-times);
        }
        if times == 0 {
            return Ok(Self::from(1));
        }
        match self {
            Self::Exact(value) => {
                if let Some(trivial) = self.trivial_power() {
                    let odd = value.is_negative() && times % 2 != 0;
                    return Ok(if odd { trivial.neg() } else { trivial });
                }
                let times = u32::try_from(times).map_err(|_| Gone::TooLarge)?;
                if (value.bits() - 1).saturating_mul(u64::from(times)) > MOST_BITS {
                    return Err(Gone::TooLarge);
                }
                bounded(value.pow(times)).map(Self::Exact)
            }
            Self::Float(value, error) => {
                let n = times as f64;
                let result = value.powf(n);
                Self::float(result, (n * result / value * error).abs())
            }
        }
    }

    /// Any even power of a number that is 0, 1 or -1.
    fn trivial_power(&self) -> Option<Self> {
        match self {
            Self::Exact(value) if value.is_zero() => Some(Self::from(0)),
            Self::Exact(value) if value.clone().abs().is_one() => Some(Self::from(1)),
            _ => None,
        }
    }

    /// The real root, exact where it is rational.
    pub(super) fn root(&self, degree: u32) -> Computed {
        if self.negative() {
            if degree.is_multiple_of(2) {
                return Err(Gone::Undefined);
            }
            return Ok(self.clone().neg().root(degree)?.neg());
        }
        if let Self::Exact(value) = self
            && let Some(root) = value.root(degree)
        {
            return Ok(Self::Exact(root));
        }
        let n = f64::from(degree);
        let slope = |x: f64| {
            if x == 0.0 {
                0.0
            } else {
                x.powf(1.0 / n - 1.0) / n
            }
        };
        let f = |x: f64| {
            if degree == 2 {
                x.sqrt()
            } else {
                x.powf(1.0 / n)
            }
        };
        self.through(f, slope)
    }

    fn float_pow(&self, power: &Self) -> Computed {
        if self.negative() {
            return Err(Gone::Undefined);
        }
        let ((a, x), (b, y)) = (self.approx()?, power.approx()?);
        if a == 0.0 {
            return if b > 0.0 {
                Ok(Self::from(0))
            } else {
                Err(Gone::Undefined)
            };
        }
        let value = a.powf(b);
        Self::float(value, value.abs() * ((b / a).abs() * x + a.ln().abs() * y))
    }

    /// Whether both are the same, floats within their errors.
    pub(super) fn same(&self, other: &Self) -> bool {
        if let (Self::Exact(a), Self::Exact(b)) = (self, other) {
            return a == b;
        }
        match (self.approx(), other.approx()) {
            (Ok((a, x)), Ok((b, y))) => (a - b).abs() <= 64.0 * (x + y),
            _ => false,
        }
    }

    /// Whether a decimal of at least six places is what this value is rounded to: the same sixth place, and five digits alike.
    pub(super) fn rounds_to(&self, decimal: &Exact) -> bool {
        if let Self::Exact(value) = self
            && value.ends()
        {
            return false;
        }
        match (self.approx(), Self::Exact(decimal.clone()).approx()) {
            (Ok((a, _)), Ok((b, _))) => {
                let same_place = (a * 1e6).round() == (b * 1e6).round();
                same_place && (a - b).abs() <= 1e-5 * a.abs().max(b.abs())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ratio(a: i64, b: i64) -> Number {
        Number::Exact(Exact::of_small(a, b))
    }

    #[test]
    fn decimals() {
        let of = |whole: &str, places: &str, exponent| {
            Number::Exact(decimal(whole.as_bytes(), places.as_bytes(), exponent).unwrap())
        };
        assert_eq!(of("3", "50", 0), ratio(7, 2));
        assert_eq!(of("", "5", 0), ratio(1, 2));
        assert_eq!(of("1", "5", 3), ratio(1500, 1));
        assert_eq!(of("12", "", -1), ratio(6, 5));
        let long = vec![b'9'; 601];
        assert_eq!(decimal(&long, b"", 0), Err(Gone::TooLarge));
        assert_eq!(decimal(b"1", b"", 1_000_000), Err(Gone::TooLarge));
    }

    #[test]
    fn a_power_tower_answers_at_once() {
        let nine = Number::from(9);
        let once = nine.pow(&nine).unwrap();
        assert_eq!(once, ratio(387_420_489, 1));
        assert_eq!(nine.pow(&once), Err(Gone::TooLarge));
        assert_eq!(Number::from(1).pow(&once), Ok(Number::from(1)));
        let odd = Number::from(i64::MAX);
        assert_eq!(Number::from(-1).pow(&odd), Ok(Number::from(-1)));
    }

    #[test]
    fn roots() {
        assert_eq!(ratio(4, 9).root(2), Ok(ratio(2, 3)));
        assert_eq!(ratio(-27, 8).root(3), Ok(ratio(-3, 2)));
        assert_eq!(ratio(-1, 1).root(2), Err(Gone::Undefined));
        let two = Number::from(2).root(2).unwrap();
        assert!(two.mul(&two).unwrap().same(&Number::from(2)));
        assert_eq!(ratio(8, 27).pow(&ratio(-2, 3)), Ok(ratio(9, 4)));
        assert!(!two.same(&Number::Exact(decimal(b"1", b"41421356", 0).unwrap())));
    }

    #[test]
    fn rounded_decimals() {
        let of = |places: &str| decimal(b"0", places.as_bytes(), 0).unwrap();
        assert!(ratio(1, 3).rounds_to(&of("333333")));
        assert!(!ratio(1, 3).rounds_to(&of("33333")));
        assert!(!ratio(2, 3).rounds_to(&of("666666")));
        assert!(!ratio(1, 3_000_000).rounds_to(&of("0000003")));
        assert!(!ratio(1, 8).rounds_to(&of("1250001")));
    }
}
