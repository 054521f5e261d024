//! Sentences, marks, tags and formulas that hold an answer.

const OPENING: &str = "Final Answer: The final answer is";
const CLOSING: &str = " I hope it is correct";

/// What stands between "Final Answer: The final answer is" and ". I hope it is correct.", in one line, of the first such sentence.
///
/// As in the released expression the full stops stand for any character, but both must be there.
#[must_use]
pub fn final_answer(text: &str) -> Option<&str> {
    text.split('\n').find_map(|line| {
        let inside = &line[line.find(OPENING)? + OPENING.len()..];
        let (end, _) = inside
            .match_indices(CLOSING)
            .find(|(at, _)| *at > 0 && inside.len() > at + CLOSING.len())?;
        let last = inside[..end].chars().next_back()?;
        Some(inside[..end - last.len_utf8()].trim())
    })
}

/// The rest of the line after the last `####`.
#[must_use]
pub fn after_hashes(text: &str) -> Option<&str> {
    let rest = &text[text.rfind("####")? + 4..];
    rest.split('\n').next().map(str::trim)
}

/// What stands between the last `<tag>` that is closed and its `</tag>`.
#[must_use]
pub fn tagged<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let end = text.rfind(&close)?;
    let start = text[..end].rfind(&open)? + open.len();
    text.get(start..end)
}

/// The text after the last `</think>`, or all of it.
#[must_use]
pub fn after_thinking(text: &str) -> &str {
    text.rsplit("</think>").next().unwrap_or(text)
}

/// What follows the last "answer is", "answer:" or "answer =" (in any case) in its line: a formula if one stands there, else the text up to
/// the end of the sentence.
#[must_use]
pub fn announced(text: &str) -> Option<&str> {
    let rest = after_announcement(text)?;
    let line = rest.split('\n').find(|line| !line.trim().is_empty())?;
    let formula = first_formula(line);
    let sentence = || {
        let ends = line.match_indices(['.', '!', '?']);
        let mut ends = ends.map(|(at, _)| at);
        let end = ends.find(|at| {
            let after = line[at + 1..].chars().next();
            after.is_none_or(char::is_whitespace)
        });
        line[..end.unwrap_or(line.len())].trim_matches(|c: char| c.is_whitespace() || c == '*')
    };
    Some(formula.unwrap_or_else(sentence))
}

fn after_announcement(text: &str) -> Option<&str> {
    const WORD: &[u8] = b"answer";
    let bytes = text.as_bytes();
    for at in (0..bytes.len().saturating_sub(WORD.len())).rev() {
        if !bytes[at..at + WORD.len()].eq_ignore_ascii_case(WORD) {
            continue;
        }
        let after = text[at + WORD.len()..].trim_start_matches(['*', ' ']);
        let marks = after.starts_with([':', '=']);
        let rest = after.strip_prefix("is").filter(|rest| {
            let next = rest.chars().next();
            next.is_some_and(|next| !next.is_alphanumeric())
        });
        let rest = rest.or_else(|| marks.then(|| &after[1..]));
        if let Some(rest) = rest {
            return Some(rest.trim_start_matches([':', '*', ' ']));
        }
    }
    None
}

/// The first `$..$`, `\(..\)` or `\[..\]` of a line.
fn first_formula(line: &str) -> Option<&str> {
    let start = line.find(['$', '\\'])?;
    let rest = &line[start..];
    for (open, close) in [("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")] {
        if let Some(inside) = rest.strip_prefix(open) {
            return inside.find(close).map(|end| &inside[..end]);
        }
    }
    None
}

/// The last formula of a text: between the last two `$`, or in the last `\(..\)` or `\[..\]`, whichever ends last.
#[must_use]
pub fn last_formula(text: &str) -> Option<&str> {
    let dollars = || {
        let end = text.trim_end_matches('$').len();
        // `$$..$$` closes with two.
        let close = if end < text.len() {
            end
        } else {
            let last = text.rfind('$')?;
            text[..last].trim_end_matches('$').len()
        };
        let open = text[..close].rfind('$')?;
        Some((close, &text[open + 1..close]))
    };
    let bracketed = |open: &str, close: &str| {
        let end = text.rfind(close)?;
        let start = text[..end].rfind(open)? + open.len();
        Some((end, &text[start..end]))
    };
    let all = [dollars(), bracketed("\\(", "\\)"), bracketed("\\[", "\\]")];
    let last = all.into_iter().flatten().max_by_key(|(end, _)| *end);
    last.map(|(_, formula)| formula)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_sentence_needs_both_ends() {
        let text = "Final Answer: The final answer is $7$. I hope it is correct.";
        assert_eq!(final_answer(text), Some("$7$"));
        assert_eq!(final_answer("Final Answer: The final answer is 7"), None);
        assert_eq!(final_answer("Final Answer: The final answer is 7."), None);
        let broken = "Final Answer: The final answer is 7.\n I hope it is correct.";
        assert_eq!(final_answer(broken), None);
        let cut = "Final Answer: The final answer is 7. I hope it is correct";
        assert_eq!(final_answer(cut), None);
        let wide = "Final Answer: The final answer is é I hope it is correct.";
        assert_eq!(final_answer(wide), Some(""));
    }

    #[test]
    fn marks_and_tags() {
        assert_eq!(after_hashes("5+5\n#### 10\n"), Some("10"));
        assert_eq!(after_hashes("#### 1\n##### 2"), Some("2"));
        let twice = "<answer>1</answer> <answer>2</answer>";
        assert_eq!(tagged(twice, "answer"), Some("2"));
        assert_eq!(tagged("</answer><answer>", "answer"), None);
        assert_eq!(after_thinking("<think>a</think>b</think>c"), "c");
        assert_eq!(after_thinking("c"), "c");
    }

    #[test]
    fn announced_answers() {
        let rows = [
            ("The answer is 7. Done", "7"),
            ("the ANSWER is: $x=\\frac12$ by that", "x=\\frac12"),
            ("Answer: 3.5", "3.5"),
            ("**Answer:** 42", "42"),
            ("Answer:\n\n  12 cm", "12 cm"),
            ("my answer was 3. The answer is 1,000.", "1,000"),
        ];
        for (text, answer) in rows {
            assert_eq!(announced(text), Some(answer), "{text}");
        }
        assert_eq!(announced("answers island"), None);
        assert_eq!(announced("answer"), None);
    }

    #[test]
    fn formulas() {
        assert_eq!(last_formula("if $x$ then $y=2$."), Some("y=2"));
        assert_eq!(last_formula("$$a+b$$"), Some("a+b"));
        assert_eq!(last_formula("$a$ and \\(b\\)"), Some("b"));
        assert_eq!(last_formula("\\[ c \\] or $a$"), Some("a"));
        assert_eq!(last_formula("costs $5"), None);
        assert_eq!(last_formula("$"), None);
        assert_eq!(last_formula("$$"), None);
    }
}
