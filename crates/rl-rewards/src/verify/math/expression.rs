//! Tokens to an expression.

use super::exact::Exact;
use super::number::{Computed, Gone};
use super::symbols::Function;
use super::token::Token;

/// The most brackets, powers and arguments in each other.
const MOST_DEPTH: usize = 40;

/// An expression. Sums and products are lists, so that long ones are not deep.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    /// A value and the digits that were written after its point.
    Number(Exact, usize),
    Symbol(String),
    Pi,
    Infinity,
    Neg(Box<Self>),
    Sum(Vec<Self>),
    /// Factors; a divisor is marked.
    Product(Vec<(Self, bool)>),
    Power(Box<Self>, Box<Self>),
    /// A root and its degree.
    Root(Box<Self>, Option<Box<Self>>),
    Call(Function, Box<Self>),
    /// A logarithm and its base.
    Log(Box<Self>, Box<Self>),
    Factorial(Box<Self>),
    Binom(Box<Self>, Box<Self>),
    Percent(Box<Self>),
}

/// Reads all of the tokens as one expression; `plus` is the sign that `\pm` stands for.
pub(super) fn expression(tokens: &[Token], plus: bool) -> Computed<Expr> {
    let mut parser = Parser {
        tokens: tokens.to_vec(),
        at: 0,
        depth: 0,
        in_bars: false,
        plus,
    };
    let found = parser.sum()?;
    if parser.at < parser.tokens.len() {
        return Err(Gone::Undefined);
    }
    Ok(found)
}

/// Reads tokens; what numbers, letters and functions are is in `operands`.
pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    depth: usize,
    in_bars: bool,
    plus: bool,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, token: &Token) -> Computed<()> {
        self.take(token).then_some(()).ok_or(Gone::Undefined)
    }

    /// One level deeper.
    pub(super) fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Computed<T>) -> Computed<T> {
        if self.depth >= MOST_DEPTH {
            return Err(Gone::TooLarge);
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// A sign: whether it is a minus.
    fn sign(&mut self) -> Option<bool> {
        let negative = match self.peek()? {
            Token::Plus => false,
            Token::Minus => true,
            Token::PlusMinus => !self.plus,
            Token::MinusPlus => self.plus,
            _ => return None,
        };
        self.at += 1;
        Some(negative)
    }

    fn sum(&mut self) -> Computed<Expr> {
        let mut negative = self.sign().unwrap_or(false);
        let mut terms = Vec::new();
        loop {
            let term = self.product()?;
            let negated = |term| Expr::Neg(Box::new(term));
            terms.push(if negative { negated(term) } else { term });
            match self.sign() {
                Some(next) => negative = next,
                None if terms.len() == 1 => return Ok(terms.remove(0)),
                None => return Ok(Expr::Sum(terms)),
            }
        }
    }

    fn product(&mut self) -> Computed<Expr> {
        let mut factors = vec![(self.signed_factor()?, false)];
        loop {
            if self.take(&Token::Times) {
                factors.push((self.signed_factor()?, false));
            } else if self.peek() == Some(&Token::Unit) {
                self.unit()?;
            } else if self.take(&Token::Divide) {
                factors.push((self.signed_factor()?, true));
            } else if self.starts_factor() {
                factors.push((self.factor()?, false));
            } else if factors.len() == 1 {
                return Ok(factors.remove(0).0);
            } else {
                return Ok(Expr::Product(factors));
            }
        }
    }

    /// Leaves out a unit, its power, and one that it is divided by.
    fn unit(&mut self) -> Computed<()> {
        self.at += 1;
        if self.take(&Token::Power) {
            self.inside(Self::argument)?;
        }
        let next = self.tokens.get(self.at + 1);
        let divided = matches!(next, Some(Token::Unit | Token::Letter(_)));
        if self.peek() == Some(&Token::Divide) && divided {
            self.at += 2;
        }
        Ok(())
    }

    pub(super) fn starts_factor(&self) -> bool {
        match self.peek() {
            Some(Token::Bar) => !self.in_bars,
            Some(
                Token::Letter(_)
                | Token::Word(_)
                | Token::Function(_)
                | Token::Frac
                | Token::Sqrt(_)
                | Token::Binom
                | Token::Pi
                | Token::Infinity
                | Token::Open(_),
            ) => true,
            // "1 2" is no product, but "x 2" is one.
            Some(Token::Number(..)) => !matches!(
                self.tokens.get(self.at.wrapping_sub(1)),
                Some(Token::Number(..))
            ),
            _ => false,
        }
    }

    pub(super) fn signed_factor(&mut self) -> Computed<Expr> {
        match self.sign() {
            Some(negative) => {
                let factor = self.inside(Self::signed_factor)?;
                let negated = |factor| Expr::Neg(Box::new(factor));
                Ok(if negative { negated(factor) } else { factor })
            }
            None => self.factor(),
        }
    }

    pub(super) fn factor(&mut self) -> Computed<Expr> {
        let base = self.primary()?;
        self.postfix(base)
    }

    fn postfix(&mut self, mut base: Expr) -> Computed<Expr> {
        for _ in 0..MOST_DEPTH {
            if self.take(&Token::Bang) {
                base = Expr::Factorial(Box::new(base));
            } else if self.take(&Token::Percent) {
                base = Expr::Percent(Box::new(base));
            } else if self.take(&Token::Degree) {
                // A unit.
            } else if self.take(&Token::Power) {
                if self.degree() {
                    continue;
                }
                let power = self.inside(Self::power)?;
                base = Expr::Power(Box::new(base), Box::new(power));
            } else {
                return Ok(base);
            }
        }
        Err(Gone::TooLarge)
    }

    /// `^\circ` or `^{\circ}`, once the `^` is taken.
    fn degree(&mut self) -> bool {
        if self.take(&Token::Degree) {
            return true;
        }
        let braced = [Token::Open(b'{'), Token::Degree, Token::Close(b'}')];
        let found = self.tokens[self.at..].starts_with(&braced);
        self.at += if found { braced.len() } else { 0 };
        found
    }

    /// What stands after `^`: right to left, as in `9^9^9`.
    fn power(&mut self) -> Computed<Expr> {
        if let Some(negative) = self.sign() {
            let power = self.inside(Self::power)?;
            let negated = |power| Expr::Neg(Box::new(power));
            return Ok(if negative { negated(power) } else { power });
        }
        let base = match self.peek() {
            Some(Token::Open(b'{')) => self.argument()?,
            _ => self.primary()?,
        };
        if self.take(&Token::Power) {
            let power = self.inside(Self::power)?;
            return Ok(Expr::Power(Box::new(base), Box::new(power)));
        }
        Ok(base)
    }

    /// An argument of a command: braces, or the one digit or letter that stands there.
    pub(super) fn argument(&mut self) -> Computed<Expr> {
        if self.take(&Token::Open(b'{')) {
            let found = self.inside(Self::sum)?;
            self.expect(&Token::Close(b'}'))?;
            return Ok(found);
        }
        if let Some(Token::Number(value, 0)) = self.peek()
            && value.is_integer()
        {
            let digits = value.to_string();
            if let Some((first, rest)) = digits.split_at_checked(1)
                && !rest.is_empty()
            {
                let of = |digits: &str| super::number::decimal(digits.as_bytes(), b"", 0);
                let (first, rest) = (of(first)?, of(rest)?);
                self.tokens[self.at] = Token::Number(rest, 0);
                return Ok(Expr::Number(first, 0));
            }
        }
        self.inside(Self::primary)
    }

    pub(super) fn primary(&mut self) -> Computed<Expr> {
        let token = self.peek().ok_or(Gone::Undefined)?.clone();
        self.at += 1;
        match token {
            Token::Number(value, places) => self.number(value, places),
            Token::Letter(name) | Token::Word(name) => self.symbol(name),
            Token::Pi => Ok(Expr::Pi),
            Token::Infinity => Ok(Expr::Infinity),
            Token::Frac => {
                let above = self.argument()?;
                let below = self.argument()?;
                Ok(Expr::Product(vec![(above, false), (below, true)]))
            }
            Token::Binom => {
                let (of, choose) = (self.argument()?, self.argument()?);
                Ok(Expr::Binom(Box::new(of), Box::new(choose)))
            }
            Token::Sqrt(command) => {
                let mut degree = None;
                if command && self.take(&Token::Open(b'[')) {
                    degree = Some(Box::new(self.inside(Self::sum)?));
                    self.expect(&Token::Close(b']'))?;
                }
                let of = if command {
                    self.argument()?
                } else {
                    self.inside(Self::primary)?
                };
                Ok(Expr::Root(Box::new(of), degree))
            }
            Token::Function(function) => self.call(function),
            Token::Bar if !self.in_bars => {
                self.in_bars = true;
                let found = self.inside(Self::sum);
                self.in_bars = false;
                self.expect(&Token::Bar)?;
                Ok(Expr::Call(Function::Abs, Box::new(found?)))
            }
            Token::Open(open) => self.group(open),
            _ => Err(Gone::Undefined),
        }
    }

    fn group(&mut self, open: u8) -> Computed<Expr> {
        let bars = std::mem::take(&mut self.in_bars);
        let found = self.inside(Self::sum);
        self.in_bars = bars;
        let found = found?;
        let close = match open {
            b'(' => b')',
            b'[' => b']',
            b'{' => b'}',
            other => other,
        };
        self.expect(&Token::Close(close))?;
        match open {
            b'F' => Ok(Expr::Call(Function::Floor, Box::new(found))),
            b'C' => Ok(Expr::Call(Function::Ceil, Box::new(found))),
            b'S' => Err(Gone::Undefined),
            _ => Ok(found),
        }
    }
}
