//! Text to tokens, in one pass.

use super::number::{Computed, Gone, decimal};
use super::symbols::{function, is_letter, is_nothing, is_text, is_unit};
use super::token::{Token, command, symbol};

/// The most tokens of an answer.
const MOST_TOKENS: usize = 1500;

/// The tokens of a text; `TooLarge` beyond their bound, `Undefined` where a character has no meaning.
pub(super) fn tokens(text: &str) -> Computed<Vec<Token>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        depth: 0,
        tokens: Vec::with_capacity(16),
    };
    while lexer.at < text.len() {
        lexer.next()?;
        if lexer.tokens.len() > MOST_TOKENS {
            return Err(Gone::TooLarge);
        }
    }
    Ok(lexer.tokens)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Brackets that are open, in which a comma never separates thousands.
    depth: usize,
    tokens: Vec<Token>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn push(&mut self, token: Token, length: usize) -> Computed<()> {
        match token {
            Token::Open(bracket) if bracket != b'{' => self.depth += 1,
            Token::Close(bracket) if bracket != b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.tokens.push(token);
        self.at += length;
        Ok(())
    }

    fn skip(&mut self, length: usize) -> Computed<()> {
        self.at += length;
        Ok(())
    }

    fn next(&mut self) -> Computed<()> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(());
        };
        match first {
            '\\' => self.command(),
            '0'..='9' => self.number(),
            '.' if rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => self.number(),
            // A full stop at the end.
            '.' if rest[1..].trim_matches(['$', ' ', '\n']).is_empty() => self.skip(rest.len()),
            'a'..='z' | 'A'..='Z' => self.letters(),
            '{' if rest.starts_with("{,}") => self.push(Token::Comma, 3),
            _ => match symbol(first, rest) {
                Some((Some(token), length)) => self.push(token, length),
                Some((None, length)) => self.skip(length),
                None => Err(Gone::Undefined),
            },
        }
    }

    fn number(&mut self) -> Computed<()> {
        let bytes = self.rest().as_bytes();
        let run = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            rest.iter().take_while(|b| b.is_ascii_digit()).count()
        };
        let mut at = run(0);
        let mut grouped = Vec::new();
        let mut whole = &bytes[..at];
        if (1..=3).contains(&at) && bytes[0] != b'0' {
            while let Some(group) = self.group(&bytes[at..]) {
                if grouped.is_empty() {
                    grouped.extend_from_slice(&bytes[..at]);
                }
                grouped.extend_from_slice(&bytes[at + group..at + group + 3]);
                at += group + 3;
            }
            if !grouped.is_empty() {
                whole = &grouped;
            }
        }
        let mut places = &bytes[..0];
        if bytes.get(at) == Some(&b'.') {
            let digits = run(at + 1);
            // "5." ends a sentence.
            places = &bytes[at + 1..at + 1 + digits];
            if digits > 0 {
                at += 1 + digits;
            }
        }
        let (exponent, length) = exponent(&bytes[at..])?;
        at += length;
        let value = decimal(whole, places, exponent)?;
        self.push(Token::Number(value, places.len()), at)
    }

    /// The length of a separator of thousands that three digits and no fourth follow.
    fn group(&self, rest: &[u8]) -> Option<usize> {
        let separators: [(&[u8], bool); 5] = [
            (b",", false),
            (b"{,}", true),
            (b",\\!", true),
            (b"\\,", true),
            (b"\\!", true),
        ];
        separators.into_iter().find_map(|(separator, anywhere)| {
            let after = rest.strip_prefix(separator)?;
            let digits = after.iter().take(4).take_while(|b| b.is_ascii_digit());
            (digits.count() == 3 && (anywhere || self.depth == 0)).then_some(separator.len())
        })
    }

    fn letters(&mut self) -> Computed<()> {
        let rest = self.rest();
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = &rest[..length];
        if length == 1 {
            return self.push(Token::Letter(word.to_owned()), 1);
        }
        let lower = word.to_ascii_lowercase();
        let token = match lower.as_str() {
            "and" | "or" => Token::Comma,
            "pi" => Token::Pi,
            "sqrt" => Token::Sqrt(false),
            "infinity" | "inf" | "infty" | "oo" => Token::Infinity,
            "percent" => Token::Percent,
            name if function(name).is_some() => match function(name) {
                Some(function) => Token::Function(function),
                None => return Err(Gone::Undefined),
            },
            name if is_unit(name) && self.follows_value() => Token::Unit,
            _ if length >= 4 => Token::Word(lower),
            _ => {
                let letters = word.chars().map(|letter| Token::Letter(letter.into()));
                self.tokens.extend(letters);
                return self.skip(length);
            }
        };
        self.push(token, length)
    }

    /// Whether a value or a unit stands just before.
    fn follows_value(&self) -> bool {
        matches!(
            self.tokens.last(),
            Some(
                Token::Number(..)
                    | Token::Close(_)
                    | Token::Unit
                    | Token::Pi
                    | Token::Divide
                    | Token::Percent
            )
        )
    }

    fn command(&mut self) -> Computed<()> {
        let rest = &self.rest()[1..];
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let Some(next) = rest.chars().next() else {
            return self.skip(1);
        };
        if length == 0 {
            let token = match next {
                '{' => Token::Open(b'S'),
                '}' => Token::Close(b'S'),
                '%' => Token::Percent,
                '\\' => Token::Row,
                '|' => Token::Bar,
                _ => return self.skip(1 + next.len_utf8()),
            };
            return self.push(token, 2);
        }
        let name = &rest[..length];
        let after = &rest[length..];
        if is_text(name) {
            return self.text(1 + length, after);
        }
        if matches!(name, "begin" | "end") {
            return self.environment(name == "begin", 1 + length, after);
        }
        if matches!(name, "left" | "right") && after.starts_with('.') {
            return self.skip(2 + length);
        }
        let token = match command(name) {
            Some(token) => token,
            None if is_nothing(name) => return self.skip(1 + length),
            None => match function(name) {
                Some(function) => Token::Function(function),
                None if is_letter(name) => Token::Letter(name.to_owned()),
                None => return Err(Gone::Undefined),
            },
        };
        self.push(token, 1 + length)
    }

    /// `\text{..}`: a unit after a value, a word, or a separator.
    fn text(&mut self, before: usize, after: &str) -> Computed<()> {
        let trimmed = after.trim_start();
        let skipped = after.len() - trimmed.len();
        let Some(inside) = trimmed.strip_prefix('{') else {
            return self.skip(before);
        };
        let end = inside.find('}').ok_or(Gone::Undefined)?;
        let length = before + skipped + end + 2;
        let around = |c: char| c.is_whitespace() || matches!(c, '.' | '(' | ')');
        let inside = inside[..end].trim_matches(around);
        let lower = inside.to_lowercase();
        let token = match lower.as_str() {
            "" => return self.skip(length),
            "and" | "or" | ", and" | ", or" | "," => Token::Comma,
            "percent" => Token::Percent,
            _ if self.follows_value() => Token::Unit,
            _ if inside.chars().count() == 1 => Token::Letter(inside.to_owned()),
            _ => Token::Word(lower.split_whitespace().collect::<Vec<_>>().join(" ")),
        };
        self.push(token, length)
    }

    fn environment(&mut self, begins: bool, before: usize, after: &str) -> Computed<()> {
        let inside = after.strip_prefix('{').ok_or(Gone::Undefined)?;
        let end = inside.find('}').ok_or(Gone::Undefined)?;
        if !inside[..end].trim_end_matches('*').ends_with("matrix") {
            return Err(Gone::Undefined);
        }
        let token = if begins { Token::Begin } else { Token::End };
        self.push(token, before + end + 2)
    }
}

/// `e5` or `E-3` after a number.
fn exponent(rest: &[u8]) -> Computed<(i32, usize)> {
    if !matches!(rest.first(), Some(b'e' | b'E')) {
        return Ok((0, 0));
    }
    let sign = usize::from(matches!(rest.get(1), Some(b'-' | b'+')));
    let digits = &rest[1 + sign..];
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return Ok((0, 0));
    }
    if length > 4 {
        return Err(Gone::TooLarge);
    }
    let digits = digits[..length].iter();
    let value = digits.fold(0_i32, |v, d| v * 10 + i32::from(d - b'0'));
    let negative = rest.get(1) == Some(&b'-');
    Ok((if negative { -value } else { value }, 1 + sign + length))
}
