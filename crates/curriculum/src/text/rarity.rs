//! # rarity
//!
//! How rare the words of each text are: the score by which a curriculum starts with short texts of common words.
//!
//! Source: Platanios et al. 2019, "Competence-based Curriculum Learning for Neural Machine Translation"

use std::hash::Hash;

use super::ngrams::Map;

/// `-sum ln(count / all)` over the tokens of each text, with counts over all texts; 0 for a text without tokens.
///
/// ```
/// use regimen_curriculum::text::rarity;
///
/// let texts = [vec!["a", "a"], vec!["a", "b"]];
/// let found = rarity(&texts);
/// assert!((found[1] - (4.0_f64.ln() - (0.75_f64).ln())).abs() < 1e-12);
/// assert!(found[0] < found[1]);
/// ```
#[must_use]
pub fn rarity<T: Hash + Eq>(texts: &[Vec<T>]) -> Vec<f64> {
    let mut counts: Map<&T, usize> = Map::default();
    let mut all = 0_usize;
    for token in texts.iter().flatten() {
        *counts.entry(token).or_default() += 1;
        all += 1;
    }
    let of = |token: &T| (all as f64 / counts.get(token).copied().unwrap_or(1) as f64).ln();
    texts.iter().map(|text| text.iter().map(of).sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::rarity;

    #[test]
    fn longer_and_rarer_texts_are_harder() {
        let texts = [vec![1], vec![1, 1], vec![1, 2], vec![], vec![1, 1, 1, 3, 3]];
        let found = rarity(&texts);
        assert_eq!(found[3], 0.0);
        assert!(found[0] < found[1] && found[1] < found[2] && found[2] < found[4]);
        assert!((found[0] - (10.0_f64 / 7.0).ln()).abs() < 1e-12);
        assert!(rarity::<u8>(&[]).is_empty());
    }
}
