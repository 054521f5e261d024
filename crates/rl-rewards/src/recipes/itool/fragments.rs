//! Answers cut into fragments that make them up again exactly.

use serde::{Deserialize, Serialize};

use crate::error::{Result, check};

/// What is added to an answer at once: the action of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fragment {
    /// Its tokens, the end token among them where it ends the answer.
    pub tokens: Vec<u32>,
    /// Whether nothing comes after it.
    pub ends: bool,
}

/// Cuts items, such as tokens, into pieces, and joins `group` neighbours to a fragment; the fragments one after the other are the items.
///
/// `ends` is asked of the piece so far, its newest item last, whether it ends there: with a tokenizer of words, whether the text of its last
/// token ends in a separator. What is left at the end is a piece too.
///
/// ```
/// use regimen_rl_rewards::recipes::itool::fragments;
///
/// let letters = ['f', '(', 'a', '=', '1', ')'];
/// let ends = |piece: &[char]| matches!(piece.last(), Some('(' | '='));
/// assert_eq!(fragments(&letters, 2, ends)?, [&['f', '(', 'a', '='][..], &['1', ')'][..]]);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// If `group` is 0.
pub fn fragments<T>(items: &[T], group: usize, ends: impl Fn(&[T]) -> bool) -> Result<Vec<&[T]>> {
    let cuts = cuts(items.len(), group, |from, to| ends(&items[from..to]))?;
    Ok(cuts.windows(2).map(|cut| &items[cut[0]..cut[1]]).collect())
}

/// Cuts text after each of the separators and joins `group` neighbours; the fragments one after the other are the text. The released code's
/// separators are `". "`, `", "`, `"="` and `"("`; its fragments are joined with blanks that were not there.
///
/// # Errors
/// If `group` is 0, or a separator is empty.
pub fn text_fragments<'a>(
    text: &'a str,
    group: usize,
    separators: &[&str],
) -> Result<Vec<&'a str>> {
    let shortest = separators.iter().map(|one| one.len()).min().unwrap_or(1);
    check(
        "separators",
        shortest as f64,
        shortest > 0,
        "none of them empty",
    )?;
    // Of bytes: separators are whole letters, so that no cut is within one.
    let bytes = text.as_bytes();
    let cuts = cuts(bytes.len(), group, |from, to| {
        let ends = |one: &&str| bytes[from..to].ends_with(one.as_bytes());
        separators.iter().any(ends)
    })?;
    let pieces = cuts.windows(2).filter_map(|cut| text.get(cut[0]..cut[1]));
    Ok(pieces.collect())
}

/// The places of cuts, 0 and the length among them; no piece is empty.
fn cuts(length: usize, group: usize, ends: impl Fn(usize, usize) -> bool) -> Result<Vec<usize>> {
    check("group", group as f64, group > 0, "1 or more")?;
    let (mut cuts, mut from, mut pieces) = (vec![0], 0, 0);
    for to in 1..=length {
        if to < length && !ends(from, to) {
            continue;
        }
        from = to;
        pieces += 1;
        if pieces == group || to == length {
            cuts.push(to);
            pieces = 0;
        }
    }
    Ok(cuts)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEPARATORS: [&str; 4] = [". ", ", ", "=", "("];

    #[test]
    fn a_call_is_cut_after_its_separators() {
        let text = "[f(a=1, b=x, y)]. g(";
        let pieces = text_fragments(text, 1, &SEPARATORS).unwrap();
        assert_eq!(pieces, ["[f(", "a=", "1, ", "b=", "x, ", "y)]. ", "g("]);
        let pieces = text_fragments(text, 2, &SEPARATORS).unwrap();
        assert_eq!(pieces, ["[f(a=", "1, b=", "x, y)]. ", "g("]);
        assert_eq!(pieces.concat(), text);
        assert!(text_fragments("", 2, &SEPARATORS).unwrap().is_empty());
        assert!(text_fragments(text, 0, &SEPARATORS).is_err());
        assert!(text_fragments(text, 1, &[""]).is_err());
    }

    proptest! {
        /// No blank is put in and none is lost.
        #[test]
        fn the_pieces_are_the_text(text in "[a-c=(,. ä]{0,40}", group in 1..4_usize) {
            prop_assert_eq!(text_fragments(&text, group, &SEPARATORS).unwrap().concat(), text.clone());
            let letters: Vec<char> = text.chars().collect();
            let pieces = fragments(&letters, group, |piece| piece.last() == Some(&'=')).unwrap();
            prop_assert_eq!(pieces.concat(), letters);
        }
    }
}
