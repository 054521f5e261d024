//! The layout of a text.

/// How often a pair of marks with text of one line between them is in the text: what `open(.*?)close` finds.
pub(super) fn enclosed(text: &str, open: &str, close: &str) -> usize {
    text.split('\n')
        .map(|line| enclosed_in_line(line, open, close))
        .sum()
}

fn enclosed_in_line(line: &str, open: &str, close: &str) -> usize {
    let mut count = 0;
    let mut rest = line;
    while let Some((_, inside)) = rest.split_once(open) {
        let Some((_, after)) = inside.split_once(close) else {
            break;
        };
        count += 1;
        rest = after;
    }
    count
}

/// The paragraphs between `* * *`; `None` where one is empty.
pub(super) fn starred_paragraphs(text: &str) -> Option<usize> {
    let paragraphs = text.split("* * *");
    let mut count = 0;
    for paragraph in paragraphs {
        if paragraph.trim().is_empty() {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// Whether there are `n` paragraphs between blank lines, of which the `i`-th (from 1) begins with a word.
pub(super) fn first_word(text: &str, n: usize, i: usize, word: &str) -> bool {
    let mut paragraphs = text.split("\n\n");
    let at = i.checked_sub(1);
    let begins = at.and_then(|at| paragraphs.nth(at));
    let begins = begins.is_some_and(|paragraph| paragraph.trim().starts_with(word));
    begins && text.split("\n\n").count() == n
}

/// Whether something follows the first marker.
pub(super) fn postscript(text: &str, marker: &str) -> bool {
    text.split_once(marker)
        .is_some_and(|(_, after)| !after.trim().is_empty())
}

/// Lines that begin with `*` or `-`.
pub(super) fn bullets(text: &str) -> usize {
    let bullet = |line: &&str| line.trim().starts_with(['*', '-']);
    text.split('\n').filter(bullet).count()
}

/// The pieces between a splitter, but for an empty one before the first.
pub(super) fn sections(text: &str, splitter: &str) -> usize {
    let count = text.split(splitter).count();
    if text.is_empty() || text.starts_with(splitter) {
        count - 1
    } else {
        count
    }
}

/// Whether exactly one `******` parts two different texts.
pub(super) fn two_responses(text: &str) -> bool {
    let mut parts = text.split("******");
    match (parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(second), None) => first.trim() != second.trim(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_marks() {
        assert_eq!(enclosed("[a] [b\n] []", "[", "]"), 2);
        assert_eq!(enclosed("*a* and **b**", "*", "*"), 3);
        assert_eq!(enclosed("<<a>> <<>>", "<<", ">>"), 2);
        assert_eq!(enclosed(&"[".repeat(100_000), "[", "]"), 0);
    }

    #[test]
    fn paragraphs_and_sections() {
        assert_eq!(starred_paragraphs("a * * * b"), Some(2));
        assert_eq!(starred_paragraphs("a * * * "), None);
        assert!(first_word("one\n\n two\n\nthree", 3, 2, "two"));
        assert!(!first_word("one\n\ntwo", 3, 2, "two"));
        assert!(!first_word("one", 1, 0, "one"));
        assert!(!first_word("one", 1, 2, "one"));
        assert_eq!(sections("Section 1\na Section 2\nb", "Section"), 2);
        assert_eq!(sections("a SECTION b", "SECTION"), 2);
        assert_eq!(sections("", "x"), 0);
    }

    #[test]
    fn the_rest() {
        assert!(postscript("hi. P.S. bye", "P.S."));
        assert!(!postscript("hi. P.S. ", "P.S."));
        assert_eq!(bullets("* a\n - b\nc"), 2);
        assert!(two_responses("a ****** b"));
        assert!(!two_responses("a ****** a"));
        assert!(!two_responses("a ****** b ****** c"));
        assert!(!two_responses("a"));
    }
}
