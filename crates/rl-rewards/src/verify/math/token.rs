//! What mathematical text is made of, and which characters and commands are what.

use super::exact::Exact;
use super::symbols::Function;

/// An order between two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A value and the digits after its point.
    Number(Exact, usize),
    /// A letter, or a command that is one.
    Letter(String),
    /// A word of text.
    Word(String),
    /// A unit, which is left out.
    Unit,
    Function(Function),
    Frac,
    /// A root; of one digit where braces are left out, if it is a command of LaTeX.
    Sqrt(bool),
    Binom,
    Pi,
    Infinity,
    Empty,
    Plus,
    Minus,
    PlusMinus,
    MinusPlus,
    Times,
    Divide,
    Power,
    Below,
    Bang,
    Percent,
    Degree,
    Comma,
    Open(u8),
    Close(u8),
    Bar,
    Relation(Relation),
    Union,
    Intersection,
    Begin,
    End,
    Ampersand,
    Row,
}

/// A character that is no letter, digit or command: its token, if it has one, and its length.
pub(super) fn symbol(first: char, rest: &str) -> Option<(Option<Token>, usize)> {
    let two = rest.get(..2);
    let relation = |relation, length| Some((Some(Token::Relation(relation)), length));
    match two {
        Some("<=") => return relation(Relation::LessEqual, 2),
        Some(">=") => return relation(Relation::GreaterEqual, 2),
        Some("!=") => return relation(Relation::NotEqual, 2),
        Some("==") => return relation(Relation::Equal, 2),
        Some("**") => return Some((Some(Token::Power), 2)),
        _ => {}
    }
    let token = match first {
        '+' => Token::Plus,
        '-' | '−' | '–' => Token::Minus,
        '±' => Token::PlusMinus,
        '*' | '×' | '·' | '⋅' => Token::Times,
        '/' | '÷' | ':' => Token::Divide,
        '^' => Token::Power,
        '_' => Token::Below,
        '!' => Token::Bang,
        '%' => Token::Percent,
        '°' => Token::Degree,
        ',' | ';' => Token::Comma,
        '(' => Token::Open(b'('),
        '[' => Token::Open(b'['),
        '{' => Token::Open(b'{'),
        ')' => Token::Close(b')'),
        ']' => Token::Close(b']'),
        '}' => Token::Close(b'}'),
        '|' => Token::Bar,
        '=' => Token::Relation(Relation::Equal),
        '≠' => Token::Relation(Relation::NotEqual),
        '<' => Token::Relation(Relation::Less),
        '>' => Token::Relation(Relation::Greater),
        '≤' => Token::Relation(Relation::LessEqual),
        '≥' => Token::Relation(Relation::GreaterEqual),
        '∈' => Token::Relation(Relation::In),
        '∪' => Token::Union,
        '∩' => Token::Intersection,
        '∞' => Token::Infinity,
        '∅' => Token::Empty,
        'π' => Token::Pi,
        '√' => Token::Sqrt(false),
        '&' => Token::Ampersand,
        '$' | '~' | '€' | '£' | '"' => return Some((None, first.len_utf8())),
        _ if first.is_whitespace() => return Some((None, first.len_utf8())),
        _ if first.is_alphabetic() => Token::Letter(first.into()),
        _ => return None,
    };
    Some((Some(token), first.len_utf8()))
}

pub(super) fn command(name: &str) -> Option<Token> {
    Some(match name {
        "frac" | "dfrac" | "tfrac" | "cfrac" => Token::Frac,
        "sqrt" => Token::Sqrt(true),
        "binom" | "dbinom" | "tbinom" => Token::Binom,
        "pi" => Token::Pi,
        "infty" | "infinity" => Token::Infinity,
        "emptyset" | "varnothing" => Token::Empty,
        "pm" => Token::PlusMinus,
        "mp" => Token::MinusPlus,
        "times" | "cdot" | "ast" => Token::Times,
        "div" => Token::Divide,
        "circ" | "degree" => Token::Degree,
        "cup" => Token::Union,
        "cap" => Token::Intersection,
        "lbrace" => Token::Open(b'S'),
        "rbrace" => Token::Close(b'S'),
        "langle" => Token::Open(b'('),
        "rangle" => Token::Close(b')'),
        "lbrack" => Token::Open(b'['),
        "rbrack" => Token::Close(b']'),
        "lfloor" => Token::Open(b'F'),
        "rfloor" => Token::Close(b'F'),
        "lceil" => Token::Open(b'C'),
        "rceil" => Token::Close(b'C'),
        "vert" | "lvert" | "rvert" | "mid" => Token::Bar,
        "neq" | "ne" => Token::Relation(Relation::NotEqual),
        "lt" => Token::Relation(Relation::Less),
        "gt" => Token::Relation(Relation::Greater),
        "leq" | "le" | "leqslant" => Token::Relation(Relation::LessEqual),
        "geq" | "ge" | "geqslant" => Token::Relation(Relation::GreaterEqual),
        "in" => Token::Relation(Relation::In),
        _ => return None,
    })
}
