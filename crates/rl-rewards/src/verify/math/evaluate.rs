//! The value of an expression at a point.

use std::cell::Cell;

use num_bigint::BigInt;
use num_traits::ToPrimitive;

use super::exact::Exact;
use super::expression::Expr;
use super::number::{Computed, Gone, Number};
use super::symbols::Function;

/// The most operations of one comparison.
const MOST_WORK: usize = 20_000;
/// The largest number whose factorial is taken, and of binomials.
const LARGEST_FACTORIAL: i64 = 400;
/// At how many points expressions with letters are compared.
pub(super) const POINTS: usize = 4;

/// Counts the work of one comparison.
#[derive(Debug, Default)]
pub(super) struct Work(Cell<usize>);

impl Work {
    fn step(&self) -> Computed<()> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > MOST_WORK {
            Err(Gone::TooLarge)
        } else {
            Ok(())
        }
    }
}

/// The rational that a letter stands for at a point: 1 to 3 in size, negative at every second point, from the letter's name.
fn letter(name: &str, point: usize) -> Number {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ (point as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 29;
    const BELOW: [i64; 8] = [997, 1009, 1013, 1019, 1021, 1031, 1033, 1039];
    let below = BELOW[(hash % 8) as usize];
    let above = 1041 + ((hash >> 8) % 1800) as i64;
    let sign = if point % 2 == 1 { -1 } else { 1 };
    Number::Exact(Exact::of_small(sign * above, below))
}

/// Whether an expression has a letter.
pub(super) fn has_letters(expr: &Expr) -> bool {
    match expr {
        Expr::Symbol(name) => name != "e",
        Expr::Number(..) | Expr::Pi | Expr::Infinity => false,
        Expr::Sum(terms) => terms.iter().any(has_letters),
        Expr::Product(factors) => factors.iter().any(|(factor, _)| has_letters(factor)),
        Expr::Neg(a) | Expr::Call(_, a) | Expr::Factorial(a) | Expr::Percent(a) => has_letters(a),
        Expr::Root(a, None) => has_letters(a),
        Expr::Root(a, Some(b)) => has_letters(a) || has_letters(b),
        Expr::Power(a, b) | Expr::Log(a, b) | Expr::Binom(a, b) => has_letters(a) || has_letters(b),
    }
}

/// The value at a point.
pub(super) fn evaluate(expr: &Expr, point: usize, work: &Work) -> Computed {
    work.step()?;
    let value = |expr: &Expr| evaluate(expr, point, work);
    match expr {
        Expr::Number(number, _) => Ok(Number::Exact(number.clone())),
        Expr::Symbol(name) if name == "e" => Number::rounded(std::f64::consts::E),
        Expr::Symbol(name) => Ok(letter(name, point)),
        Expr::Pi => Number::rounded(std::f64::consts::PI),
        Expr::Infinity => Err(Gone::Undefined),
        Expr::Neg(of) => Ok(value(of)?.neg()),
        Expr::Percent(of) => value(of)?.mul(&hundredth()),
        Expr::Sum(terms) => {
            let (first, rest) = terms.split_first().ok_or(Gone::Undefined)?;
            rest.iter()
                .try_fold(value(first)?, |sum, term| sum.add(&value(term)?))
        }
        Expr::Product(factors) => {
            let mut product: Option<Number> = None;
            for (factor, divided) in factors {
                let mut factor = value(factor)?;
                if *divided {
                    factor = factor.inverse()?;
                }
                product = Some(match product {
                    Some(product) => product.mul(&factor)?,
                    None => factor,
                });
            }
            product.ok_or(Gone::Undefined)
        }
        Expr::Power(base, power) => value(base)?.pow(&value(power)?),
        Expr::Root(of, None) => value(of)?.root(2),
        Expr::Root(of, Some(degree)) => {
            let degree = value(degree)?
                .as_integer()
                .and_then(|n| u32::try_from(n).ok());
            let degree = degree.filter(|n| (1..=64).contains(n));
            value(of)?.root(degree.ok_or(Gone::Undefined)?)
        }
        Expr::Log(of, base) => {
            let (of, base) = (value(of)?, value(base)?);
            logarithm(&of)?.mul(&logarithm(&base)?.inverse()?)
        }
        Expr::Call(function, of) => call(*function, &value(of)?),
        Expr::Factorial(of) => {
            let n = small(&value(of)?)?;
            product((2..=n).map(BigInt::from))
        }
        Expr::Binom(of, choose) => {
            let (n, k) = (small(&value(of)?)?, small(&value(choose)?)?);
            if k > n {
                return Ok(Number::from(0));
            }
            let k = k.min(n - k);
            let above = product((n - k + 1..=n).map(BigInt::from))?;
            above.mul(&product((2..=k).map(BigInt::from))?.inverse()?)
        }
    }
}

fn hundredth() -> Number {
    Number::Exact(Exact::of_small(1, 100))
}

/// A whole number of at least 0 that is small enough.
fn small(value: &Number) -> Computed<i64> {
    match value {
        Number::Exact(exact) if exact.is_integer() && !value.negative() => {
            let whole = exact.to_integer().filter(|n| *n <= LARGEST_FACTORIAL);
            whole.ok_or(Gone::TooLarge)
        }
        _ => Err(Gone::Undefined),
    }
}

fn product(factors: impl Iterator<Item = BigInt>) -> Computed {
    let product: BigInt = factors.product();
    Ok(Number::Exact(product.into()))
}

fn logarithm(of: &Number) -> Computed {
    if of.negative() || of.is_zero() {
        return Err(Gone::Undefined);
    }
    if let Number::Exact(value) = of
        && value.is_one()
    {
        return Ok(Number::from(0));
    }
    of.through(f64::ln, |x| 1.0 / x)
}

fn call(function: Function, of: &Number) -> Computed {
    let squared = |x: f64| x * x;
    let zero = of.is_zero();
    match function {
        Function::Abs if of.negative() => Ok(of.clone().neg()),
        Function::Abs => Ok(of.clone()),
        Function::Floor | Function::Ceil => whole(of, function == Function::Ceil),
        Function::Ln => logarithm(of),
        Function::Log => logarithm(of)?.mul(&logarithm(&Number::from(10))?.inverse()?),
        Function::Exp if zero => Ok(Number::from(1)),
        Function::Exp => of.through(f64::exp, f64::exp),
        Function::Sin => of.through(f64::sin, |_| 1.0),
        Function::Cos => of.through(f64::cos, |_| 1.0),
        Function::Tan => of.through(f64::tan, |x| 1.0 + squared(x.tan())),
        Function::Sec => call(Function::Cos, of)?.inverse(),
        Function::Csc => call(Function::Sin, of)?.inverse(),
        Function::Cot => call(Function::Tan, of)?.inverse(),
        Function::Arcsin => of.through(f64::asin, |x| (1.0 - squared(x)).max(1e-6).sqrt().recip()),
        Function::Arccos => of.through(f64::acos, |x| (1.0 - squared(x)).max(1e-6).sqrt().recip()),
        Function::Arctan => of.through(f64::atan, |_| 1.0),
        Function::Sinh => of.through(f64::sinh, f64::cosh),
        Function::Cosh => of.through(f64::cosh, |x| x.sinh().abs() + 1.0),
        Function::Tanh => of.through(f64::tanh, |_| 1.0),
    }
}

fn whole(of: &Number, up: bool) -> Computed {
    match of {
        Number::Exact(value) => Ok(Number::Exact(if up { value.ceil() } else { value.floor() })),
        Number::Float(value, error) => {
            // A value within its error of a whole number is that number.
            let near = value.round();
            let value = if (value - near).abs() <= 64.0 * error {
                near
            } else if up {
                value.ceil()
            } else {
                value.floor()
            };
            value.to_i64().map(Number::from).ok_or(Gone::TooLarge)
        }
    }
}
