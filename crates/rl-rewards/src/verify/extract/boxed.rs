//! The last box.

const BOXED: &str = "\\boxed";

/// The content of the last `\boxed{..}`, its braces matched (an escaped brace counts as text), or what stands between `\boxed ` and
/// the next `$` or the end of the text.
///
/// `None` where the last box is not closed. `\fbox` is no box.
///
/// ```
/// use regimen_rl_rewards::verify::last_boxed;
///
/// assert_eq!(last_boxed(r"\boxed{1} and \boxed{2}"), Some("2"));
/// assert_eq!(last_boxed(r"so \boxed 5$ x"), Some("5"));
/// assert_eq!(last_boxed(r"\boxed{1"), None);
/// ```
#[must_use]
pub fn last_boxed(text: &str) -> Option<&str> {
    let rest = &text[text.rfind(BOXED)? + BOXED.len()..];
    let inside = rest.trim_start();
    if let Some(inside) = inside.strip_prefix('{') {
        return inside.get(..closing(inside)?);
    }
    if inside.len() == rest.len() {
        return None;
    }
    let end = inside.find('$').unwrap_or(inside.len());
    inside.get(..end).map(str::trim)
}

/// Where the brace that was opened just before `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => open += 1,
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::last_boxed;

    #[test]
    fn the_check_values_of_the_release() {
        assert_eq!(last_boxed(r"\boxed{1} and \boxed{2}"), Some("2"));
        let fraction = last_boxed(r"so \boxed{\frac{1}{2}} done");
        assert_eq!(fraction, Some(r"\frac{1}{2}"));
        assert_eq!(last_boxed(r"so \boxed 5$ x"), Some("5"));
        assert_eq!(last_boxed(r"so \boxed{5"), None);
        assert_eq!(last_boxed(r"\fbox{3}"), None);
    }

    #[test]
    fn braces_that_are_text_or_apart() {
        assert_eq!(last_boxed(r"\boxed{\{1,2\}}"), Some(r"\{1,2\}"));
        assert_eq!(last_boxed(r"\boxed{\{1,2)}"), Some(r"\{1,2)"));
        assert_eq!(last_boxed(r"\boxed {7}"), Some("7"));
        assert_eq!(last_boxed(r"\boxed"), None);
        assert_eq!(last_boxed(r"\boxedness"), None);
        assert_eq!(last_boxed(r"\boxed{}"), Some(""));
        assert_eq!(last_boxed("\\boxed{\\"), None);
    }
}
