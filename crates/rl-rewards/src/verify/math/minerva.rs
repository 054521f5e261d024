//! # minerva_normalize
//!
//! A final answer without units, prose and shorthand, to be compared letter by letter.
//!
//! Source: Lewkowycz et al. 2022 (arXiv 2206.14858, appendix D.1), as released with TÜLU 3

const SUBSTITUTIONS: [(&str, &str); 10] = [
    ("an ", ""),
    ("a ", ""),
    (".$", "$"),
    ("\\$", ""),
    ("\\ ", ""),
    (" ", ""),
    ("mbox", "text"),
    (",\\text{and}", ","),
    ("\\text{and}", ","),
    ("\\text{m}", "\\text{}"),
];

const REMOVED: [&str; 42] = [
    "square",
    "ways",
    "integers",
    "dollars",
    "mph",
    "inches",
    "ft",
    "hours",
    "km",
    "units",
    "\\ldots",
    "sue",
    "points",
    "feet",
    "minutes",
    "digits",
    "cents",
    "degrees",
    "cm",
    "gm",
    "pounds",
    "meters",
    "meals",
    "edges",
    "students",
    "childrentickets",
    "multiples",
    "\\text{s}",
    "\\text{.}",
    "\\text{\ns}",
    "\\text{}^2",
    "\\text{}^3",
    "\\text{\n}",
    "\\text{}",
    "\\mathrm{th}",
    "^\\circ",
    "^{\\circ}",
    "\\;",
    ",\\!",
    "{,}",
    "\"",
    "\\dots",
];

/// Minerva's normal form of an answer: what follows the last `=`, without articles, spaces, units and quotes, its text unwrapped,
/// `\frac12` and `\sqrt3` with braces, and a number without commas.
///
/// As released it deletes "a ", "sue" and the like wherever they stand, and turns `1,2` into `12`.
///
/// ```
/// use regimen_rl_rewards::verify::minerva_normalize;
///
/// assert_eq!(minerva_normalize(r"x=\$1{,}000"), "1000");
/// assert_eq!(minerva_normalize(r"\frac12"), r"\frac{1}{2}");
/// ```
#[must_use]
pub fn minerva_normalize(answer: &str) -> String {
    let mut text = answer.rsplit('=').next().unwrap_or(answer).to_owned();
    for (before, after) in SUBSTITUTIONS {
        text = replaced(text, before, after);
    }
    for removed in REMOVED {
        text = replaced(text, removed, "");
    }
    text = text.trim().to_owned();
    if let Some(inside) = in_dollars(&text) {
        text = inside;
    }
    for command in ["\\text{", "\\textbf{", "\\overline{"] {
        text = unwrapped(&text, command);
    }
    if let Some(start) = text.find("\\boxed{") {
        let inside = start + "\\boxed{".len();
        if let Some(end) = text.rfind('}').filter(|end| *end >= inside) {
            text = [&text[..start], &text[inside..end], &text[end + 1..]].concat();
        }
    }
    text = braced(&text, "frac", 2);
    text = braced(&text, "sqrt", 1);
    text = replaced(text, "$", "");
    let digits = text.replace(',', "");
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if all_digits { digits } else { text }
}

fn replaced(text: String, before: &str, after: &str) -> String {
    if text.contains(before) {
        text.replace(before, after)
    } else {
        text
    }
}

/// `$..$` of the first two dollars, with the dollars.
fn in_dollars(text: &str) -> Option<String> {
    let start = text.find('$')?;
    let length = text[start + 1..].find('$')?;
    Some(text[start..start + length + 2].to_owned())
}

/// The content up to the next closing brace in place of each `\text{..}`.
fn unwrapped(text: &str, command: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(command) {
        let inside = &rest[start + command.len()..];
        let Some(end) = inside.find('}') else {
            break;
        };
        out += &rest[..start];
        out += &inside[..end];
        rest = &inside[end + 1..];
    }
    out + rest
}

/// Braces around the next one or two characters after a command, where none stand.
fn braced(text: &str, command: &str, arguments: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(command) {
        let (before, after) = rest.split_at(start + command.len());
        out += before;
        rest = after;
        let mut characters = after.chars();
        let taken: Vec<char> = characters.by_ref().take(arguments).collect();
        if taken.len() == arguments && taken[0] != '{' {
            for argument in taken {
                out.extend(['{', argument, '}']);
            }
            rest = characters.as_str();
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::minerva_normalize;

    #[test]
    fn the_check_values_of_the_release() {
        let rows = [
            (r"\frac12", r"\frac{1}{2}"),
            (r"x=\$1{,}000", "1000"),
            ("100,000 dollars", "100000"),
            (r"\sqrt3", r"\sqrt{3}"),
            (r"\text{(A)}", "(A)"),
            (r"90^\circ", "90"),
            ("3 cm", "3"),
            ("a = 5 units", "5"),
            (r"$\frac{1}{2}$", r"\frac{1}{2}"),
            ("1,2", "12"),
        ];
        for (text, normal) in rows {
            assert_eq!(minerva_normalize(text), normal, "{text}");
        }
    }

    #[test]
    fn texts_that_end_early() {
        for text in [
            "", "=", "\\frac", "\\frac1", "\\sqrt", "\\text{", "\\boxed{", "$", "$$", "é",
        ] {
            assert!(minerva_normalize(text).len() <= text.len() + 4, "{text}");
        }
        assert_eq!(minerva_normalize(r"\boxed{7}"), "7");
    }
}
