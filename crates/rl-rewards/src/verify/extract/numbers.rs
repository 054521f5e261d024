//! The last number, by the rules of GSM8K's checkers.

use serde::{Deserialize, Serialize};

/// Which texts are numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberRule {
    /// `[-+]?\d*\.\d+|\d+`: as TÜLU 3 was trained; an integer loses its sign.
    Release,
    /// `[-+]?(?:\d*\.\d+|\d+)`: the checker as it was mended later.
    #[default]
    Signed,
}

/// The last number of a text as it is written, once the commas between two digits are taken out; the whole text where it has none.
///
/// Commas go in one pass that does not overlap itself, as in the released code: `1,2,3,4` becomes `12,34`. Digits are those of ASCII.
///
/// ```
/// use regimen_rl_rewards::verify::{NumberRule, last_number};
///
/// assert_eq!(last_number("The answer is 1,234.", NumberRule::Signed), "1234");
/// assert_eq!(last_number("so x = -5", NumberRule::Signed), "-5");
/// assert_eq!(last_number("so x = -5", NumberRule::Release), "5");
/// ```
#[must_use]
pub fn last_number(text: &str, rule: NumberRule) -> String {
    let text = without_commas(text);
    match last(text.as_bytes(), rule) {
        Some((from, to)) => text[from..to].to_owned(),
        None => text,
    }
}

/// The last number with its sign and thousands separators, in the text itself.
pub(super) fn last_written(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut from, to) = last(bytes, NumberRule::Signed)?;
    from += usize::from(matches!(bytes[from], b'-' | b'+'));
    // Groups of three digits before it belong to it.
    let whole = bytes[from..to].iter().take_while(|b| b.is_ascii_digit());
    let mut first = whole.count();
    while first == 3 && from > 1 && bytes[from - 1] == b',' {
        let digits = bytes[..from - 1].iter().rev();
        first = digits.take(4).take_while(|b| b.is_ascii_digit()).count();
        if first == 0 || first > 3 {
            break;
        }
        from -= 1 + first;
    }
    // A minus between two values is no sign.
    let minus = from > 0 && bytes[from - 1] == b'-';
    let before = from.checked_sub(2).map(|at| bytes[at]);
    if minus && before.is_none_or(|b| !b.is_ascii_alphanumeric() && b != b')') {
        from -= 1;
    }
    text.get(from..to)
}

fn without_commas(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at..] {
            [a, b',', b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => {
                out.extend([a, b]);
                at += 3;
            }
            [byte, ..] => {
                out.push(byte);
                at += 1;
            }
            [] => break,
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// The last match of the rule's expression, matches being sought from the left.
fn last(text: &[u8], rule: NumberRule) -> Option<(usize, usize)> {
    let mut found = None;
    let mut at = 0;
    while at < text.len() {
        match number(&text[at..], rule) {
            Some(length) => {
                found = Some((at, at + length));
                at += length;
            }
            None => at += 1,
        }
    }
    found
}

/// The length of the number that a text begins with.
fn number(text: &[u8], rule: NumberRule) -> Option<usize> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let whole = digits(sign);
    let point = sign + whole;
    if text.get(point) == Some(&b'.') {
        let decimals = digits(point + 1);
        if decimals > 0 {
            return Some(point + 1 + decimals);
        }
    }
    let signed = sign == 0 || rule == NumberRule::Signed;
    (whole > 0 && signed).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_both_rules() {
        let rows = [
            ("The answer is 1,234.", "1234", "1234"),
            ("so x = -5", "5", "-5"),
            ("$3.50.", "3.50", "3.50"),
            ("10-3=7", "7", "7"),
            ("1,234,567", "1234567", "1234567"),
            ("3/4", "4", "4"),
            ("half", "half", "half"),
            ("10-3", "3", "-3"),
            ("1,2,3,4", "34", "34"),
        ];
        for (text, release, signed) in rows {
            assert_eq!(last_number(text, NumberRule::Release), release, "{text}");
            assert_eq!(last_number(text, NumberRule::Signed), signed, "{text}");
        }
    }

    #[test]
    fn as_it_is_written() {
        let rows = [
            ("it is 1,234,567.", "1,234,567"),
            ("x = -5", "-5"),
            ("x=-1,000.5 then", "-1,000.5"),
            ("10-3", "3"),
            ("(1,234)", "1,234"),
            ("7", "7"),
            ("-7", "-7"),
        ];
        for (text, number) in rows {
            assert_eq!(last_written(text), Some(number), "{text}");
        }
        assert_eq!(last_written("none"), None);
    }
}
