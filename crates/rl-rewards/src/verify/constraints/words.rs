//! Counts of words, letters and sentences.

/// The maximal runs of letters, digits and `_`: what `\b\w+\b` finds.
pub(super) fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|run| !run.is_empty())
}

/// Whether all keywords are in the text, anywhere and in any case.
pub(super) fn has_all(text: &str, keywords: &[String]) -> bool {
    let text = text.to_lowercase();
    keywords
        .iter()
        .all(|word| text.contains(&word.to_lowercase()))
}

/// Whether none of the words is in the text, anywhere and in any case.
pub(super) fn has_none(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    !words.iter().any(|word| text.contains(&word.to_lowercase()))
}

/// How often a whole word is in the text, in any case.
pub(super) fn frequency(text: &str, word: &str) -> usize {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    runs(&text).filter(|run| *run == word).count()
}

/// Words of capital letters `A` to `Z` only.
pub(super) fn capitals(text: &str) -> usize {
    let capital = |run: &&str| run.bytes().all(|b| b.is_ascii_uppercase());
    runs(text).filter(capital).count()
}

/// Sentences: what `.`, `?` or `!` before white space, or the end, closes.
pub(super) fn sentences(text: &str) -> usize {
    let mut count = 0;
    let mut ended = true;
    let mut last = ' ';
    for letter in text.trim().chars() {
        if letter.is_whitespace() {
            ended |= matches!(last, '.' | '?' | '!');
        } else if ended {
            count += 1;
            ended = false;
        }
        last = letter;
    }
    count
}

/// How far a number of words may be from the one that is asked for: a tenth of it, rounded to the even of two neighbours, at least 1.
pub(super) fn tolerance(n: usize) -> usize {
    ((n as f64 * 0.1).round_ties_even() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_of_the_release() {
        assert_eq!([5, 15, 25, 35, 100].map(tolerance), [1, 2, 2, 4, 10]);
    }

    #[test]
    fn counts() {
        assert_eq!(frequency("Cat, cat_1 CAT's concat", "cat"), 2);
        assert_eq!(capitals("A NASA Nasa U.S. A1 É"), 4);
        assert_eq!(sentences("One. Two? Three! Four"), 4);
        assert_eq!(sentences("Pi is 3.14... and so on. "), 2);
        assert_eq!(sentences(" \n "), 0);
    }
}
