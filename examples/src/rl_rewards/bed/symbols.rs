//! The words of the test bed: the numbers 0 to 99, a token each, and signs.

/// How many there are.
pub const WORDS: usize = 128;

/// `+`, `-`, `*` and `/`.
pub const OPERATIONS: [u32; 4] = [100, 101, 102, 103];
/// `=`.
pub const EQUALS: u32 = 104;
/// `;`: the answer follows.
pub const ANSWER: u32 = 105;
/// Ends a line.
pub const NEWLINE: u32 = 106;
/// Ends a completion.
pub const END: u32 = 107;
/// An empty place of a prompt, and what fills up a batch.
pub const BLANK: u32 = 108;
/// The first of 19 letters.
pub const LETTERS: u32 = 109;

/// Tokens as text, for people.
#[must_use]
pub fn text(tokens: &[u32]) -> String {
    let word = |token: &u32| match *token {
        number @ 0..100 => number.to_string(),
        operation @ 100..104 => ["+", "-", "*", "/"][operation as usize - 100].to_owned(),
        EQUALS => "=".to_owned(),
        ANSWER => ";".to_owned(),
        NEWLINE => "\n".to_owned(),
        END => ".".to_owned(),
        BLANK => "_".to_owned(),
        letter => char::from(b'a' + (letter - LETTERS).min(25) as u8).to_string(),
    };
    tokens.iter().map(word).collect::<Vec<_>>().join(" ")
}
