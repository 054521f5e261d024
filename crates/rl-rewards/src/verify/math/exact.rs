//! Rationals of any size, in two machine words while they fit: most numbers of an answer do.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::BigInt;
use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedMul, One, Pow, Signed, ToPrimitive, Zero};

/// A rational. A value has one form only: `Large` is what `Small` cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exact {
    /// Above and below within the size of an `i64`, but for its least value, which has no opposite.
    Small(Ratio<i64>),
    /// Any other.
    Large(Box<Ratio<BigInt>>),
}

impl From<i64> for Exact {
    fn from(value: i64) -> Self {
        small(Ratio::from_integer(value))
            .unwrap_or_else(|| Self::large(Ratio::from_integer(BigInt::from(value))))
    }
}

impl From<BigInt> for Exact {
    fn from(value: BigInt) -> Self {
        match value.to_i64() {
            Some(value) => value.into(),
            None => Self::large(Ratio::from_integer(value)),
        }
    }
}

/// As two words, where the values allow it.
fn small(value: Ratio<i64>) -> Option<Exact> {
    (*value.numer() > i64::MIN && *value.denom() > i64::MIN).then_some(Exact::Small(value))
}

impl Exact {
    /// A fraction of two whole numbers, the second above 0.
    pub(super) fn new(above: BigInt, below: BigInt) -> Self {
        Self::of(Ratio::new(above, below))
    }

    /// A fraction of two whole numbers, the second above 0.
    pub(super) fn of_small(above: i64, below: i64) -> Self {
        small(Ratio::new(above, below)).unwrap_or_else(|| Self::new(above.into(), below.into()))
    }

    fn large(value: Ratio<BigInt>) -> Self {
        Self::Large(Box::new(value))
    }

    fn of(value: Ratio<BigInt>) -> Self {
        let words = value.numer().to_i64().zip(value.denom().to_i64());
        words
            .and_then(|(above, below)| small(Ratio::new_raw(above, below)))
            .unwrap_or_else(|| Self::large(value))
    }

    fn to_large(&self) -> Ratio<BigInt> {
        match self {
            Self::Small(value) => {
                let whole = |value: &i64| BigInt::from(*value);
                Ratio::new_raw(whole(value.numer()), whole(value.denom()))
            }
            Self::Large(value) => Ratio::clone(value),
        }
    }

    /// What stands above and below.
    pub(super) fn parts(&self) -> (BigInt, BigInt) {
        self.to_large().into_raw()
    }

    /// Bits of the longer of its two whole numbers.
    pub(super) fn bits(&self) -> u64 {
        match self {
            Self::Small(value) => {
                let most = value.numer().unsigned_abs() | value.denom().unsigned_abs();
                u64::from(u64::BITS - most.leading_zeros())
            }
            Self::Large(value) => value.numer().bits().max(value.denom().bits()),
        }
    }

    pub(super) fn is_integer(&self) -> bool {
        match self {
            Self::Small(value) => value.is_integer(),
            Self::Large(value) => value.is_integer(),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Self::Small(value) if value.is_zero())
    }

    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::Small(value) if value.is_one())
    }

    pub(super) fn is_negative(&self) -> bool {
        match self {
            Self::Small(value) => value.is_negative(),
            Self::Large(value) => value.is_negative(),
        }
    }

    pub(super) fn neg(self) -> Self {
        match self {
            Self::Small(value) => Self::Small(-value),
            Self::Large(value) => Self::of(-*value),
        }
    }

    pub(super) fn abs(self) -> Self {
        if self.is_negative() { self.neg() } else { self }
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(sum) = a.checked_add(b).and_then(small)
        {
            return sum;
        }
        Self::of(self.to_large() + other.to_large())
    }

    pub(super) fn mul(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(product) = a.checked_mul(b).and_then(small)
        {
            return product;
        }
        Self::of(self.to_large() * other.to_large())
    }

    /// One over a value that is not 0.
    pub(super) fn recip(&self) -> Self {
        match self {
            Self::Small(value) => Self::Small(value.recip()),
            Self::Large(value) => Self::of(value.recip()),
        }
    }

    pub(super) fn pow(&self, times: u32) -> Self {
        if let Self::Small(value) = self {
            let of = |whole: &i64| whole.checked_pow(times);
            let words = of(value.numer()).zip(of(value.denom()));
            let found = words.and_then(|(above, below)| small(Ratio::new_raw(above, below)));
            if let Some(found) = found {
                return found;
            }
        }
        Self::of(Pow::pow(&self.to_large(), times))
    }

    /// The root of a value of at least 0, where it is rational.
    pub(super) fn root(&self, degree: u32) -> Option<Self> {
        let (above, below) = self.parts();
        let root = |whole: &BigInt| {
            let root = whole.nth_root(degree);
            (Pow::pow(&root, degree) == *whole).then_some(root)
        };
        Some(Self::of(Ratio::new_raw(root(&above)?, root(&below)?)))
    }

    pub(super) fn floor(&self) -> Self {
        match self {
            Self::Small(value) => value.numer().div_euclid(*value.denom()).into(),
            Self::Large(value) => Self::of(value.floor()),
        }
    }

    pub(super) fn ceil(&self) -> Self {
        self.clone().neg().floor().neg()
    }

    /// The whole number that it is.
    pub(super) fn to_integer(&self) -> Option<i64> {
        match self {
            Self::Small(value) if value.is_integer() => Some(*value.numer()),
            _ => None,
        }
    }

    /// The nearest float but for three roundings; `None` beyond the floats.
    pub(super) fn to_f64(&self) -> Option<f64> {
        if let Self::Small(value) = self {
            return Some(*value.numer() as f64 / *value.denom() as f64);
        }
        let leading = |whole: &BigInt| {
            let spare = whole.bits().saturating_sub(64);
            let leading = (whole >> spare).to_f64()?;
            Some((leading, i32::try_from(spare).ok()?))
        };
        let (above, below) = self.parts();
        let (above, x) = leading(&above)?;
        let (below, y) = leading(&below)?;
        let (half, rest) = ((x - y) / 2, (x - y) - (x - y) / 2);
        let value = above / below * 2_f64.powi(half) * 2_f64.powi(rest);
        (value.is_finite() && (value != 0.0 || above == 0.0)).then_some(value)
    }

    /// Whether its decimal ends.
    pub(super) fn ends(&self) -> bool {
        let mut rest = self.parts().1;
        for factor in [2, 5] {
            let factor = BigInt::from(factor);
            while (&rest % &factor).is_zero() {
                rest /= &factor;
            }
        }
        rest.is_one()
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(a), Self::Small(b)) => a.cmp(b),
            _ => self.to_large().cmp(&other.to_large()),
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(value) => value.fmt(f),
            Self::Large(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Numbers around the ends of a machine word, and their fractions.
    fn values() -> Vec<Ratio<BigInt>> {
        let ends = [
            0,
            1,
            -1,
            2,
            -3,
            7,
            1 << 31,
            i64::MAX - 1,
            i64::MAX,
            i64::MIN,
        ];
        let mut wholes: Vec<BigInt> = ends.into_iter().map(BigInt::from).collect();
        wholes.push(BigInt::from(i64::MAX) * 12);
        wholes.push(BigInt::from(i64::MIN) - 1);
        let below = wholes.iter().filter(|whole| whole.is_positive());
        let below: Vec<BigInt> = below.cloned().collect();
        let of = |above: &BigInt| {
            let of = |below: &BigInt| Ratio::new(above.clone(), below.clone());
            below.iter().map(of).collect::<Vec<_>>()
        };
        wholes.iter().flat_map(of).collect()
    }

    /// As the ratios of large numbers say, whichever form the operands and the result have.
    #[test]
    fn arithmetic_is_that_of_large_ratios() {
        for a in values() {
            let x = Exact::of(a.clone());
            assert_eq!(x.to_large(), a);
            let fits = |whole: &BigInt| whole.to_i64().is_some_and(|whole| whole > i64::MIN);
            let is_small = fits(a.numer()) && fits(a.denom());
            assert_eq!(matches!(x, Exact::Small(_)), is_small, "{a}");
            let bits = a.numer().bits().max(a.denom().bits());
            assert_eq!(x.bits(), bits, "{a}");
            assert_eq!(x.clone().neg(), Exact::of(-a.clone()));
            assert_eq!(x.clone().abs(), Exact::of(a.abs()));
            assert_eq!(x.floor(), Exact::of(a.floor()), "{a}");
            assert_eq!(x.ceil(), Exact::of(a.ceil()), "{a}");
            assert_eq!(x.pow(3), Exact::of(Pow::pow(&a, 3_u32)));
            assert_eq!(x.pow(3).clone().abs().root(3), Some(x.clone().abs()));
            assert_eq!(x.to_string(), a.to_string());
            if !a.is_zero() {
                assert_eq!(x.recip(), Exact::of(a.recip()));
            }
            let near = x.to_f64().unwrap();
            let far = a.numer().to_f64().unwrap() / a.denom().to_f64().unwrap();
            assert!((near - far).abs() <= 1e-15 * far.abs(), "{a}");
            for b in values() {
                let y = Exact::of(b.clone());
                assert_eq!(x.add(&y), Exact::of(&a + &b), "{a} + {b}");
                assert_eq!(x.mul(&y), Exact::of(&a * &b), "{a} * {b}");
                assert_eq!(x.cmp(&y), a.cmp(&b));
            }
        }
    }

    #[test]
    fn decimals_that_end() {
        for (below, ends) in [(1, true), (8, true), (250, true), (3, false), (70, false)] {
            assert_eq!(Exact::of_small(1, below).ends(), ends);
        }
    }
}
