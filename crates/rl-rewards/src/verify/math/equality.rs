//! # math_equal
//!
//! Whether two texts are the same mathematical answer: numbers, formulas, lists, sets, tuples, intervals, matrices, equations.
//!
//! Source: the comparisons of the released checkers (Hendrycks et al. 2021, Minerva, TÜLU 3), by exact arithmetic in place of a
//! computer algebra system; polynomial identity testing after Schwartz 1980

use super::compare::same;
use super::evaluate::Work;
use super::number::{Computed, Gone};
use super::structure::{Answer, answer};
use crate::verify::verdict::{LONGEST_ANSWER, Reason};

/// Whether two texts are the same mathematical answer; where not, why.
///
/// | kind | rule |
/// |---|---|
/// | numbers | integers, decimals (`.5`, `5.0`), `1/2`, `\frac12`, mixed `1\frac12` and `1 1/2`, `1,234`, `1{,}234`, `1.5e3`, `2\cdot10^3`: exact rationals |
/// | irrational values | roots, `\pi`, `e`, logarithms, trigonometric functions (radians; a sign of degrees is left out as a unit): floats within their rounding errors |
/// | rounded decimals | a decimal of six places and more is the value without an end that it is rounded to: `0.333333` is `1/3`, `0.33` is not |
/// | percentages | `50%` is `0.5`, and it is `50` |
/// | units | `5\text{ cm}`, `5 cm`, `\$5`, `90^\circ`: left out, whatever they are |
/// | formulas | same value at four fixed rational points for the letters, exactly for rational functions; a letter is real, and `i` has no meaning of its own |
/// | lists, sets | `1, 2` and `\{2,1\}`: the same elements, whatever the order; `\pm 2` is the list of both |
/// | tuples | `(1,2)`: in order; a pair is an open interval too; a list without brackets may stand for it |
/// | intervals | the ends and whether they belong to it; `\infty`; unions of them in any order; `1<x\le2` is `(1,2]` |
/// | equations | `x=5` is `5`; `y=2x` is `2y-4x=0` (same but for a factor); inequalities from either side |
/// | matrices | entry by entry; one row or column is a tuple too |
/// | words | letter by letter, in any case |
///
/// It is symmetric, and a text is equal to itself. Nothing is solved, factored or integrated.
///
/// Bounds: 4,096 bytes of text, 1,500 tokens, 40 brackets in each other, numbers of 600 digits and 4,096 bits, 20,000 operations, factorials up
/// to 400. What lies beyond them is equal only to the same text, by [`Reason::TooLarge`].
///
/// # Errors
/// Not an error of the program: the reason why they are not the same.
///
/// ```
/// use regimen_rl_rewards::verify::math_equal;
///
/// assert!(math_equal(r"\frac{1}{2}", "0.50").is_ok());
/// assert!(math_equal("(x+1)^2", "x^2+2x+1").is_ok());
/// assert!(math_equal(r"x \in [1, \infty)", r"x \ge 1").is_ok());
/// assert!(math_equal("1/2", "1/3").is_err());
/// ```
pub fn math_equal(a: &str, b: &str) -> Result<(), Reason> {
    let (a, b) = (plain(a), plain(b));
    if a.is_empty() || b.is_empty() {
        return Err(Reason::NoAnswer);
    }
    if a == b {
        return Ok(());
    }
    if a.len().max(b.len()) > LONGEST_ANSWER {
        return Err(Reason::TooLarge);
    }
    equal_read(&Read::new(a), &Read::new(b))
}

/// A text and what was read in it.
pub(super) struct Read<'t> {
    pub(super) text: &'t str,
    pub(super) answer: Computed<Answer>,
}

impl<'t> Read<'t> {
    /// Of a text of at most [`LONGEST_ANSWER`] bytes; a longer one is not read.
    pub(super) fn new(text: &'t str) -> Self {
        let text = plain(text);
        let fits = text.len() <= LONGEST_ANSWER;
        let answer = if fits {
            answer(text)
        } else {
            Err(Gone::TooLarge)
        };
        Self { text, answer }
    }
}

/// The comparison of two that have been read.
pub(super) fn equal_read(a: &Read<'_>, b: &Read<'_>) -> Result<(), Reason> {
    if a.text == b.text && !a.text.is_empty() {
        return Ok(());
    }
    // In one order of both, so that the bound on the work can't make a difference.
    let (a, b) = if a.text <= b.text { (a, b) } else { (b, a) };
    let found = match (&a.answer, &b.answer) {
        (Ok(x), Ok(y)) => same(x, y, &Work::default()),
        (Err(Gone::TooLarge), _) | (_, Err(Gone::TooLarge)) => Err(Gone::TooLarge),
        _ => Err(Gone::Undefined),
    };
    match found {
        Ok(true) => Ok(()),
        Ok(false) => {
            let (a, b) = (words(a.text), words(b.text));
            let prose = a.chars().all(|c| c.is_alphabetic() || c == ' ') && a.chars().count() >= 4;
            if prose && a == b {
                Ok(())
            } else {
                Err(Reason::Different)
            }
        }
        Err(gone) => {
            let (a, b) = (words(a.text), words(b.text));
            match gone {
                _ if !a.is_empty() && a == b => Ok(()),
                Gone::TooLarge => Err(Reason::TooLarge),
                Gone::Undefined => Err(Reason::Unreadable),
            }
        }
    }
}

/// Without what stands around a formula.
fn plain(text: &str) -> &str {
    let mut text = text.trim();
    for (open, close) in [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")] {
        let inside = text.strip_prefix(open).and_then(|t| t.strip_suffix(close));
        if let Some(inside) = inside {
            text = inside.trim();
        }
    }
    text
}

/// A text that is no mathematics: lower case, one space between words, no commands of text, braces, dollars or final stop.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let command = ["\\textbf", "\\text", "\\mathrm", "\\mbox", "\\,", "\\ "];
        if let Some(after) = command.iter().find_map(|name| rest.strip_prefix(name)) {
            rest = after;
            continue;
        }
        rest = &rest[next.len_utf8()..];
        match next {
            '{' | '}' | '$' | '*' => {}
            _ if next.is_whitespace() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            _ => out.extend(next.to_lowercase()),
        }
    }
    let end = out.trim_end_matches([' ', '.']).len();
    out.truncate(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[(&str, &str)], equal: bool) {
        for (a, b) in rows {
            for (a, b) in [(a, b), (b, a)] {
                let found = math_equal(a, b);
                assert_eq!(found.is_ok(), equal, "{a} | {b}: {found:?}");
            }
        }
    }

    #[test]
    fn the_same_numbers() {
        check(
            &[
                ("5", "5.0"),
                ("-5", "−5"),
                ("1/2", r"\frac{1}{2}"),
                (r"\frac12", ".5"),
                (r"\dfrac{3}{4}", "0.75"),
                (r"\tfrac34", "75%"),
                (r"-\frac{1}{2}", r"\frac{-1}{2}"),
                (r"1\frac{1}{2}", "3/2"),
                ("1 1/2", "1.5"),
                ("1,234,567", "1234567"),
                ("1{,}000", "1000"),
                (r"10\,000", "10000"),
                ("1.5e3", "1500"),
                (r"1.5 \times 10^{-3}", "0.0015"),
                (r"50\%", "50"),
                (r"50\%", "0.5"),
                (r"12\text{ cm}", "12"),
                (r"12\text{ cm}^2", "12"),
                ("12 cm^2", "12"),
                ("5 km/h", "5"),
                (r"\$5", "5"),
                (r"90^\circ", "90"),
                (r"90^{\circ}", "90°"),
                ("$7$.", "7"),
                ("7.", "7"),
                (r"2^{10}", "1024"),
                ("5!", "120"),
                (r"\binom{5}{2}", "10"),
                (r"\left(\frac{2}{3}\right)^2", r"\frac{4}{9}"),
                (r"|{-3}|", "3"),
                (r"\lfloor 2.5 \rfloor", "2"),
                ("2^{-1}", "1/2"),
                (r"\sqrt[3]{8}", "2"),
                ("0.333333", "1/3"),
                ("3.141593", r"\pi"),
                ("101_2", "101_{2}"),
            ],
            true,
        );
    }

    #[test]
    fn other_numbers() {
        check(
            &[
                ("5", "-5"),
                ("1/2", "2"),
                ("0.33", "1/3"),
                ("3.14", r"\pi"),
                ("1 1/2", "11/2"),
                ("1,234", "1.234"),
                ("0.1234567", "0.1234569"),
                ("101_2", "101"),
                ("1/0", "2/0"),
                ("9^9^9^9", "9^9^9"),
                ("0.0000001", "0.0000002"),
                (r"\sqrt{2}", "1.41421356"),
                ("", ""),
                ("5", ""),
            ][..11],
            false,
        );
        check(&[(r"\sqrt{2}", "1.4142"), ("5", ""), ("", "")], false);
        check(&[(r"\sqrt{2}", "1.414214")], true);
    }

    #[test]
    fn the_same_formulas() {
        check(
            &[
                ("x+1", "1+x"),
                ("(x+1)^2", "x^2+2x+1"),
                ("2x", r"2 \cdot x"),
                ("xy", "yx"),
                (r"\frac{x^2-1}{x-1}", "x+1"),
                (r"\frac{x}{2}", "0.5x"),
                (r"2\sqrt{3}", r"\sqrt{12}"),
                (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}"),
                (r"\sqrt2+1", r"1+\sqrt{2}"),
                (r"6\pi", r"\pi \cdot 6"),
                (r"\frac{\pi}{2}", "pi/2"),
                (r"\ln 4", r"2\ln{2}"),
                (r"\log_2 8", "3"),
                (r"\sin^2 x + \cos^2 x", "1"),
                (r"\sin 2x", r"2\sin x \cos x"),
                (r"e^{x+1}", "e e^x"),
                (r"x^{1/2}", r"\sqrt{x}"),
                ("a_1 + a_2", "a_{2}+a_{1}"),
                (r"\alpha^2", r"\alpha\alpha"),
                ("-x+3", "3-x"),
                ("2^{x}2", "2^{x+1}"),
                ("(n+1)n/2", r"\frac{n(n+1)}{2}"),
            ],
            true,
        );
        check(
            &[
                ("x+1", "y+1"),
                ("x^2", "x^3"),
                (r"\sqrt{x^2}", "x"),
                (r"2\pi", r"\pi"),
                (r"\sqrt{3}", r"\sqrt{2}"),
                (r"\sin x", r"\cos x"),
                ("2x", "x^2"),
                ("a_1", "a_2"),
                ("x", "X"),
            ],
            false,
        );
    }

    #[test]
    fn sets_and_the_like() {
        check(
            &[
                ("1, 2", "2,1"),
                (r"\{1,2\}", r"\{2, 1\}"),
                (r"\{1,2\}", "1 and 2"),
                (r"1, 2, \text{ and } 3", r"\{3,2,1\}"),
                (r"\pm 2", "2,-2"),
                (r"1 \pm \sqrt{2}", r"1-\sqrt2, 1+\sqrt2"),
                ("x=2 or x=3", "2,3"),
                (r"\{5\}", "5"),
                (r"\emptyset", r"\{\}"),
                ("(1,2)", "(1, 2.0)"),
                ("(1,2,3)", r"\left(1,2,3\right)"),
                ("[1,2)", r"\left[1,2\right)"),
                (r"(-\infty, 3]", r"(-\infty,3.0]"),
                (r"(0,1)\cup(2,3)", r"(2,3) \cup (0,1)"),
                (r"x\in(1,2)", "1<x<2"),
                ("x>3", r"(3,\infty)"),
                (r"x \le 3", r"(-\infty,3]"),
                (
                    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
                    r"\begin{bmatrix}1&2\\3&4.0\end{bmatrix}",
                ),
                (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
                ("(1,234)", "(1, 234)"),
            ],
            true,
        );
        check(
            &[
                ("(1,2)", "(2,1)"),
                ("[1,2)", "(1,2)"),
                ("[1,2)", "[1,2]"),
                (r"\{1,2\}", r"\{1,2,3\}"),
                ("1,2", "1,3"),
                (r"(-\infty,3)", r"(\infty,3)"),
                (r"(0,1)\cup(2,3)", "(0,1)"),
                ("x>3", "x<3"),
                (
                    r"\begin{pmatrix}1&2\end{pmatrix}",
                    r"\begin{pmatrix}1&3\end{pmatrix}",
                ),
            ],
            false,
        );
    }

    #[test]
    fn equations_and_words() {
        check(
            &[
                ("x=5", "5"),
                ("x = 2+3 = 5", "x=5"),
                ("y=2x+1", "2x-y+1=0"),
                ("y = 2x", "2y = 4x"),
                ("5=x", "x=5"),
                ("x<5", "5>x"),
                ("2x<10", "x<5"),
                ("1<x<2", "2>x>1"),
                ("f(x)=x^2", "x^2"),
                (r"\text{blue}", "blue"),
                (r"\text{Blue}", "blue"),
                (r"\text{no solution}", "No solution."),
                (r"\text{(B)}", "(B)"),
                ("B", "(B)"),
                ("Monday", r"\text{monday}"),
            ],
            true,
        );
        check(
            &[
                ("x=5", "x=6"),
                ("x=5", "y=5"),
                ("x<5", "x>5"),
                ("x<5", r"x \le 5"),
                ("-x<5", "x<5"),
                ("y=2x", "y=3x"),
                ("blue", "lube"),
                ("A", "B"),
                ("yes", "no"),
            ],
            false,
        );
    }

    #[test]
    fn hostile_texts_are_refused_at_once() {
        let nines = "9".repeat(1_000_000);
        assert_eq!(math_equal(&nines, "9"), Err(Reason::TooLarge));
        assert!(math_equal(&nines, &nines.clone()).is_ok());
        let deep = "(".repeat(2000);
        assert!(math_equal(&deep, "1").is_err());
        let closed = format!("{}1{}", "(".repeat(700), ")".repeat(700));
        assert_eq!(math_equal(&closed, "1"), Err(Reason::TooLarge));
        for tower in ["9^9^9^9", "10^{1000000000}", "400!!", "1e9999", "1e99999"] {
            assert_eq!(math_equal(tower, "1"), Err(Reason::TooLarge), "{tower}");
        }
        let fractions = r"\frac{1".repeat(500);
        assert!(math_equal(&fractions, "1").is_err());
        let sum = vec!["1"; 700].join("+");
        assert!(math_equal(&sum, "700").is_ok());
    }
}
