//! # hendrycks_normalize
//!
//! A formula without spacing, units and shorthand, to be compared letter by letter.
//!
//! Source: Hendrycks et al. 2021 (arXiv 2103.03874), the released `math_equivalence`

const REPLACED: [(&str, &str); 12] = [
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
    // A unit to the right is cut off between these two.
    ("\\%", ""),
    ("%", ""),
];

/// Hendrycks's normal form: no line ends, spacing, `\left` and `\right`, degrees, dollars, percent signs or unit to the right; `0.` before
/// a leading point; without a short `x=`; `\sqrt` and `\frac` with braces; `0.5` and `a/b` as fractions.
///
/// `None` where the released code fails: two units, or a command at the end without its argument.
///
/// ```
/// use regimen_rl_rewards::verify::hendrycks_normalize;
///
/// assert_eq!(hendrycks_normalize("-1/2").as_deref(), Some(r"\frac{-1}{2}"));
/// ```
#[must_use]
pub fn hendrycks_normalize(answer: &str) -> Option<String> {
    let mut text = answer.to_owned();
    for (before, after) in &REPLACED[..10] {
        text = replaced(text, before, after);
    }
    if let Some((before, after)) = text.split_once("\\text{ ") {
        if after.contains("\\text{ ") {
            return None;
        }
        text = before.to_owned();
    }
    for (before, after) in &REPLACED[10..11] {
        text = replaced(text, before, after);
    }
    text = replaced(replaced(text, " .", " 0."), "{.", "{0.");
    if text.is_empty() {
        return Some(text);
    }
    if text.starts_with('.') {
        text.insert(0, '0');
    }
    if let Some((before, after)) = text.split_once('=')
        && !after.contains('=')
        && before.chars().count() <= 2
    {
        text = after.to_owned();
    }
    text = fixed_roots(&text)?;
    text = replaced(text, " ", "");
    text = fixed_fractions(text);
    if text == "0.5" {
        text = "\\frac{1}{2}".to_owned();
    }
    Some(fixed_slash(text))
}

/// Whether two texts have the same normal form; where one has none, whether they are the same text.
#[must_use]
pub fn hendrycks_equal(a: &str, b: &str) -> bool {
    match (hendrycks_normalize(a), hendrycks_normalize(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn replaced(text: String, before: &str, after: &str) -> String {
    if text.contains(before) {
        text.replace(before, after)
    } else {
        text
    }
}

fn fixed_roots(text: &str) -> Option<String> {
    let mut parts = text.split("\\sqrt");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let first = part.chars().next()?;
        out += "\\sqrt";
        if first == '{' {
            out += part;
        } else {
            out.extend(['{', first, '}']);
            out += &part[first.len_utf8()..];
        }
    }
    Some(out)
}

fn fixed_fractions(text: String) -> String {
    let mut parts = text.split("\\frac");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += "\\frac";
        if part.starts_with('{') {
            out += part;
            continue;
        }
        let mut characters = part.chars();
        let (Some(above), Some(below)) = (characters.next(), characters.next()) else {
            return text;
        };
        out.extend(['{', above, '}']);
        if below == '{' {
            out.push('{');
        } else {
            out.extend(['{', below, '}']);
        }
        out += characters.as_str();
    }
    out
}

/// `a/b` of two integers as they are written without a plus or leading zeros.
fn fixed_slash(text: String) -> String {
    let whole = |digits: &str| {
        let bare = digits.strip_prefix('-').unwrap_or(digits);
        let plain = bare == "0" && digits == "0" || !bare.starts_with('0');
        !bare.is_empty() && plain && bare.bytes().all(|b| b.is_ascii_digit())
    };
    match text.split_once('/') {
        Some((above, below)) if whole(above) && whole(below) => {
            format!("\\frac{{{above}}}{{{below}}}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_values_of_the_release() {
        let rows = [
            ("0.5", r"\frac{1}{2}"),
            (".5", r"\frac{1}{2}"),
            ("1/2", r"\frac{1}{2}"),
            (r"\dfrac{3}{4}", r"\frac{3}{4}"),
            ("x=7", "7"),
            (r"50\%", "50"),
            (r"12\text{ cm}", "12"),
            ("-1/2", r"\frac{-1}{2}"),
            (r"\frac1{72}", r"\frac{1}{72}"),
            (r"\sqrt3", r"\sqrt{3}"),
            ("", ""),
        ];
        for (text, normal) in rows {
            assert_eq!(hendrycks_normalize(text).as_deref(), Some(normal), "{text}");
        }
        assert!(!hendrycks_equal("0.50", r"\frac{1}{2}"));
        assert!(hendrycks_equal("0.5", "1/2"));
    }

    #[test]
    fn where_the_release_fails() {
        assert_eq!(hendrycks_normalize("\\sqrt"), None);
        assert_eq!(hendrycks_normalize(r"\text{ a}\text{ b}"), None);
        assert!(hendrycks_equal("\\sqrt", "\\sqrt"));
        assert_eq!(hendrycks_normalize("\\frac").as_deref(), Some("\\frac"));
        assert_eq!(hendrycks_normalize("007/2").as_deref(), Some("007/2"));
    }
}
