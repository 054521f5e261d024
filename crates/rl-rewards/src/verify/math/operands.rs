//! Numbers, letters and functions within an expression.

use super::exact::Exact;
use super::expression::{Expr, Parser};
use super::number::{Computed, Gone};
use super::symbols::Function;
use super::token::Token;

impl Parser {
    /// A number, with the fraction of a mixed one; or one in another base, which is only like itself.
    pub(super) fn number(&mut self, value: Exact, places: usize) -> Computed<Expr> {
        let number = |value| Expr::Number(value, places);
        if self.take(&Token::Below) {
            let base = self.argument()?;
            let Expr::Number(base, 0) = base else {
                return Err(Gone::Undefined);
            };
            return Ok(Expr::Symbol(format!("{value}_{base}")));
        }
        if places > 0 || !value.is_integer() {
            return Ok(number(value));
        }
        let start = self.at;
        if let Some(fraction) = self.fraction() {
            return Ok(Expr::Sum(vec![number(value), fraction]));
        }
        self.at = start;
        Ok(number(value))
    }

    /// `\frac{1}{2}` or `1/2` of whole numbers, just behind a whole number.
    fn fraction(&mut self) -> Option<Expr> {
        let whole = |expr: &Expr| matches!(expr, Expr::Number(value, 0) if value.is_integer());
        let (above, below) = if self.take(&Token::Frac) {
            // Only braces: the tokens must stay as they are where this is no mixed number.
            let braced = |parser: &mut Self| {
                let (_, tokens) = parser.tokens.split_at(parser.at);
                let [
                    Token::Open(b'{'),
                    Token::Number(value, 0),
                    Token::Close(b'}'),
                    ..,
                ] = tokens
                else {
                    return None;
                };
                let value = Expr::Number(value.clone(), 0);
                parser.at += 3;
                Some(value)
            };
            (braced(self)?, braced(self)?)
        } else {
            let (_, tokens) = self.tokens.split_at(self.at);
            let [
                Token::Number(above, 0),
                Token::Divide,
                Token::Number(below, 0),
                ..,
            ] = tokens
            else {
                return None;
            };
            let found = (
                Expr::Number(above.clone(), 0),
                Expr::Number(below.clone(), 0),
            );
            self.at += 3;
            found
        };
        let proper = matches!(
            (&above, &below),
            (Expr::Number(a, 0), Expr::Number(b, 0)) if !b.is_zero() && a < b
        );
        (whole(&above) && whole(&below) && proper)
            .then(|| Expr::Product(vec![(above, false), (below, true)]))
    }

    pub(super) fn symbol(&mut self, name: String) -> Computed<Expr> {
        if !self.take(&Token::Below) {
            return Ok(Expr::Symbol(name));
        }
        let start = self.at;
        if self.take(&Token::Open(b'{')) {
            while !self.take(&Token::Close(b'}')) {
                if self.at >= self.tokens.len() {
                    return Err(Gone::Undefined);
                }
                self.at += 1;
            }
        } else {
            self.at += 1;
        }
        let below = self.tokens.get(start..self.at).ok_or(Gone::Undefined)?;
        let mut name = name + "_";
        for token in below {
            match token {
                Token::Number(value, _) => name += &value.to_string(),
                Token::Letter(letter) | Token::Word(letter) => name += letter,
                Token::Open(b'{') | Token::Close(b'}') => {}
                other => name += &format!("{other:?}"),
            }
        }
        Ok(Expr::Symbol(name))
    }

    /// A function, its power or base, and its argument.
    pub(super) fn call(&mut self, function: Function) -> Computed<Expr> {
        let mut power = None;
        let mut base = None;
        for _ in 0..2 {
            if self.take(&Token::Power) {
                power = Some(self.inside(Self::argument)?);
            } else if self.take(&Token::Below) {
                base = Some(self.inside(Self::argument)?);
            }
        }
        let argument = match self.peek() {
            Some(Token::Open(b'(' | b'{' | b'[')) => self.inside(Self::primary)?,
            _ => self.inside(Self::bare_argument)?,
        };
        let argument = Box::new(argument);
        let called = match (function, base) {
            (Function::Log, Some(base)) => Expr::Log(argument, Box::new(base)),
            (_, Some(_)) => return Err(Gone::Undefined),
            (function, None) => Expr::Call(function, argument),
        };
        Ok(match power {
            Some(power) => Expr::Power(Box::new(called), Box::new(power)),
            None => called,
        })
    }

    /// `2x` in `\sin 2x`: factors up to the next operator or function.
    fn bare_argument(&mut self) -> Computed<Expr> {
        let mut factors = vec![(self.signed_factor()?, false)];
        while self.starts_factor() && !matches!(self.peek(), Some(Token::Function(_))) {
            factors.push((self.factor()?, false));
        }
        Ok(match factors.len() {
            1 => factors.remove(0).0,
            _ => Expr::Product(factors),
        })
    }
}
