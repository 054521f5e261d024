//! What an answer is made of: values, lists, sets, tuples, intervals, matrices, relations.

use super::expression::{Expr, expression};
use super::lexer::tokens;
use super::number::{Computed, Gone};
use super::token::{Relation, Token};

/// The most sets and tuples in each other.
const MOST_DEPTH: usize = 12;
/// The most elements of a list.
const MOST_ELEMENTS: usize = 120;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Value(Expr),
    /// Elements without brackets, in any order.
    List(Vec<Self>),
    Set(Vec<Self>),
    /// Elements in round brackets, or in square ones but for a pair, in their order.
    Tuple(Vec<Self>),
    /// Ends, and whether each belongs to it.
    Interval([Expr; 2], [bool; 2]),
    Union(Vec<Self>),
    Matrix(Vec<Vec<Expr>>),
    /// Sides and what stands between them.
    Chain(Vec<Self>, Vec<Relation>),
}

/// Reads a text as an answer.
pub(super) fn answer(text: &str) -> Computed<Answer> {
    let tokens = tokens(text)?;
    let matches = matches(&tokens)?;
    let reader = |plus| Reader {
        tokens: &tokens,
        matches: &matches,
        plus,
    };
    let signs = [Token::PlusMinus, Token::MinusPlus];
    if !tokens.iter().any(|token| signs.contains(token)) {
        return reader(true).list(0, tokens.len(), 0);
    }
    let both = [true, false].map(|plus| reader(plus).list(0, tokens.len(), 0));
    let mut elements = Vec::new();
    for found in both {
        match found? {
            Answer::List(more) => elements.extend(more),
            other => elements.push(other),
        }
    }
    Ok(Answer::List(elements))
}

/// For each bracket where its partner stands; round and square ones may close each other.
fn matches(tokens: &[Token]) -> Computed<Vec<usize>> {
    let mut matches = vec![0; tokens.len()];
    let mut open = Vec::new();
    let class = |bracket: u8| match bracket {
        b'(' | b')' | b'[' | b']' => b'(',
        b'}' => b'{',
        other => other,
    };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open(bracket) => open.push((at, class(*bracket))),
            Token::Begin => open.push((at, b'B')),
            Token::Close(_) | Token::End => {
                let kind = match token {
                    Token::Close(bracket) => class(*bracket),
                    _ => b'B',
                };
                let (from, opened) = open.pop().ok_or(Gone::Undefined)?;
                if opened != kind {
                    return Err(Gone::Undefined);
                }
                matches[from] = at;
                matches[at] = from;
            }
            _ => {}
        }
    }
    open.is_empty().then_some(matches).ok_or(Gone::Undefined)
}

struct Reader<'t> {
    tokens: &'t [Token],
    matches: &'t [usize],
    plus: bool,
}

impl Reader<'_> {
    /// Where tokens that `splits` names stand outside of brackets.
    fn splits(&self, from: usize, to: usize, splits: impl Fn(&Token) -> bool) -> Vec<usize> {
        let mut found = Vec::new();
        let mut at = from;
        while at < to {
            match &self.tokens[at] {
                Token::Open(_) | Token::Begin => at = self.matches[at],
                token if splits(token) => found.push(at),
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// The stretches between the splits.
    fn parts(from: usize, to: usize, splits: &[usize]) -> Vec<(usize, usize)> {
        let starts = [from].into_iter().chain(splits.iter().map(|at| at + 1));
        let ends = splits.iter().copied().chain([to]);
        starts.zip(ends).collect()
    }

    fn elements(&self, from: usize, to: usize, depth: usize) -> Computed<Vec<Answer>> {
        if depth > MOST_DEPTH {
            return Err(Gone::TooLarge);
        }
        let commas = self.splits(from, to, |token| *token == Token::Comma);
        if commas.len() >= MOST_ELEMENTS {
            return Err(Gone::TooLarge);
        }
        // "1, 2, and 3" has two separators in a row.
        let parts = Self::parts(from, to, &commas).into_iter();
        let parts = parts.filter(|(from, to)| from < to);
        parts
            .map(|(from, to)| self.relation(from, to, depth))
            .collect()
    }

    fn list(&self, from: usize, to: usize, depth: usize) -> Computed<Answer> {
        let mut elements = self.elements(from, to, depth)?;
        match elements.len() {
            0 => Err(Gone::Undefined),
            1 => Ok(elements.remove(0)),
            _ => Ok(Answer::List(elements)),
        }
    }

    fn relation(&self, from: usize, to: usize, depth: usize) -> Computed<Answer> {
        let is_relation = |token: &Token| matches!(token, Token::Relation(_));
        let splits = self.splits(from, to, is_relation);
        if splits.is_empty() {
            return self.union(from, to, depth);
        }
        let between = splits.iter().filter_map(|at| match self.tokens[*at] {
            Token::Relation(relation) => Some(relation),
            _ => None,
        });
        let sides = Self::parts(from, to, &splits).into_iter();
        let sides = sides.map(|(from, to)| self.union(from, to, depth));
        Ok(Answer::Chain(
            sides.collect::<Computed<_>>()?,
            between.collect(),
        ))
    }

    fn union(&self, from: usize, to: usize, depth: usize) -> Computed<Answer> {
        let splits = self.splits(from, to, |token| *token == Token::Union);
        if splits.is_empty() {
            return self.piece(from, to, depth);
        }
        let parts = Self::parts(from, to, &splits).into_iter();
        let parts = parts.map(|(from, to)| self.piece(from, to, depth));
        Ok(Answer::Union(parts.collect::<Computed<_>>()?))
    }

    fn piece(&self, from: usize, to: usize, depth: usize) -> Computed<Answer> {
        if from >= to {
            return Err(Gone::Undefined);
        }
        let last = to - 1;
        match (&self.tokens[from], &self.tokens[last]) {
            (Token::Empty, _) if from == last => return Ok(Answer::Set(Vec::new())),
            (Token::Begin, Token::End) if self.matches[from] == last => {
                return self.matrix(from + 1, last);
            }
            (Token::Open(b'S'), _) if self.matches[from] == last => {
                return Ok(Answer::Set(self.elements(from + 1, last, depth + 1)?));
            }
            (Token::Open(b'{'), _) if self.matches[from] == last => {
                return self.braces(from + 1, last, depth + 1);
            }
            (Token::Open(open @ (b'(' | b'[')), Token::Close(close))
                if self.matches[from] == last =>
            {
                let elements = self.elements(from + 1, last, depth + 1)?;
                return self.bracketed([*open, *close], elements, from, to);
            }
            _ => {}
        }
        // Brackets around a matrix.
        expression(&self.tokens[from..to], self.plus).map(Answer::Value)
    }

    /// Braces that are not escaped: a group of LaTeX, or a plain set.
    fn braces(&self, from: usize, to: usize, depth: usize) -> Computed<Answer> {
        let mut elements = self.elements(from, to, depth)?;
        if elements.len() == 1 {
            return Ok(elements.remove(0));
        }
        Ok(Answer::Set(elements))
    }

    fn bracketed(
        &self,
        brackets: [u8; 2],
        mut elements: Vec<Answer>,
        from: usize,
        to: usize,
    ) -> Computed<Answer> {
        let round = brackets == *b"()";
        if elements.len() == 1 && (round || brackets == *b"[]") {
            return match elements.remove(0) {
                Answer::Value(_) => {
                    expression(&self.tokens[from..to], self.plus).map(Answer::Value)
                }
                other => Ok(other),
            };
        }
        if !round
            && elements.len() == 2
            && let [Answer::Value(low), Answer::Value(high)] = &elements[..]
        {
            let ends = [low.clone(), high.clone()];
            let closed = [brackets[0] == b'[', brackets[1] == b']'];
            return Ok(Answer::Interval(ends, closed));
        }
        if round || brackets == *b"[]" {
            return Ok(Answer::Tuple(elements));
        }
        Err(Gone::Undefined)
    }

    fn matrix(&self, from: usize, to: usize) -> Computed<Answer> {
        let rows = self.splits(from, to, |token| *token == Token::Row);
        let mut matrix = Vec::new();
        for (from, to) in Self::parts(from, to, &rows) {
            if from == to {
                continue;
            }
            let cells = self.splits(from, to, |token| *token == Token::Ampersand);
            let cells = Self::parts(from, to, &cells).into_iter();
            let row = cells.map(|(from, to)| expression(&self.tokens[from..to], self.plus));
            matrix.push(row.collect::<Computed<Vec<_>>>()?);
        }
        if matrix.iter().map(Vec::len).sum::<usize>() > MOST_ELEMENTS {
            return Err(Gone::TooLarge);
        }
        Ok(Answer::Matrix(matrix))
    }
}
