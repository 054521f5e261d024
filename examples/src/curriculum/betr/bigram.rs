//! An interpolated model of pairs of words.

use std::collections::{HashMap, HashSet};

use regimen_curriculum::text::TextTokens;

/// The words that may come: the same for every arm.
pub(super) fn vocabulary<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    let mut words = HashSet::new();
    for text in texts {
        TextTokens::WordsAndSigns.for_each(text, |word| {
            words.insert(word.to_owned());
        });
    }
    words.len()
}

/// The loss of a text in nats a word: .6 of the pair's share after its first word, .3 of the word's share, and .1 of one among all words; without a
/// pair .75 and .25.
pub(super) fn loss<'a>(
    training: impl IntoIterator<Item = &'a String>,
    text: &str,
    vocabulary: usize,
) -> f64 {
    let mut pairs: HashMap<(String, String), f64> = HashMap::new();
    let (mut firsts, mut singles): (HashMap<String, f64>, HashMap<String, f64>) =
        Default::default();
    let mut all = 0.0;
    for text in training {
        let words = TextTokens::WordsAndSigns.split(text);
        for pair in words.windows(2) {
            *pairs.entry((pair[0].clone(), pair[1].clone())).or_default() += 1.0;
            *firsts.entry(pair[0].clone()).or_default() += 1.0;
        }
        all += words.len() as f64;
        for word in words {
            *singles.entry(word).or_default() += 1.0;
        }
    }
    let words = TextTokens::WordsAndSigns.split(text);
    let cost = words.windows(2).map(|pair| {
        let of = |count: Option<&f64>| count.copied().unwrap_or(0.0);
        let single = of(singles.get(&pair[1])) / all;
        let any = 1.0 / vocabulary as f64;
        let first = of(firsts.get(&pair[0]));
        let chance = if first > 0.0 {
            let both = of(pairs.get(&(pair[0].clone(), pair[1].clone()))) / first;
            0.6 * both + 0.3 * single + 0.1 * any
        } else {
            0.75 * single + 0.25 * any
        };
        -chance.ln()
    });
    cost.sum::<f64>() / (words.len() - 1) as f64
}
