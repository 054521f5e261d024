//! Real words, and what is left of them after some letters were replaced.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Pair;
use crate::data::Text;

const LETTERS: u8 = 26;

/// The different words of some texts with so many letters, lower case, in a random order. Letters are `1..=26`.
#[must_use]
pub fn words_of(
    texts: &[Text],
    shortest: usize,
    longest: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<u8>> {
    let mut different = BTreeSet::new();
    for text in texts {
        let letters = text.symbols.iter();
        let letters: Vec<u8> = letters
            .map(|symbol| (symbol + b' ').to_ascii_lowercase())
            .collect();
        let words = letters.split(|letter| !letter.is_ascii_alphabetic());
        let words = words.filter(|word| (shortest..=longest).contains(&word.len()));
        different.extend(words.map(<[u8]>::to_vec));
    }
    let number = |word: Vec<u8>| word.iter().map(|letter| letter - b'a' + 1).collect();
    let mut words: Vec<Vec<u8>> = different.into_iter().map(number).collect();
    words.shuffle(rng);
    words
}

/// A word with the word in which every letter is a random one with probability `noise`.
///
/// What is seen is one row a place: the letter and the place. Before each letter is given the previous letter and its place.
#[must_use]
pub fn corrupted(word: &[u8], noise: f64, longest: usize, rng: &mut ChaCha8Rng) -> Pair {
    let corrupt = |letter: &u8| match rng.random_bool(noise) {
        true => rng.random_range(1..=LETTERS),
        false => *letter,
    };
    let seen: Vec<u8> = word.iter().map(corrupt).collect();
    let previous: Vec<u8> = std::iter::once(&0).chain(word).copied().collect();
    Pair {
        seen: one_hot(&seen, longest),
        target: word.to_vec(),
        prefixes: one_hot(&previous, longest + 1),
    }
}

/// One row a letter: which it is, 0 for none, and its place.
fn one_hot(letters: &[u8], places: usize) -> Vec<Vec<f32>> {
    let symbols = usize::from(LETTERS) + 1;
    let row = |(place, letter): (usize, &u8)| {
        let mut row = vec![0.0; symbols + places];
        row[usize::from(*letter)] = 1.0;
        row[symbols + place] = 1.0;
        row
    };
    letters.iter().enumerate().map(row).collect()
}
