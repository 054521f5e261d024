//! Real words, and what is left of them after some letters were replaced.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Pair;
use crate::data::Text;

const LETTERS: u8 = 26;

/// The different words of a text with so many letters, lower case, in a random order. Letters are `1..=26`.
#[must_use]
pub fn words_of(
    text: &Text,
    shortest: usize,
    longest: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Vec<u8>> {
    let letters = text
        .symbols
        .iter()
        .map(|symbol| (symbol + b' ').to_ascii_lowercase());
    let letters: Vec<u8> = letters.collect();
    let words = letters.split(|letter| !letter.is_ascii_alphabetic());
    let words = words.filter(|word| (shortest..=longest).contains(&word.len()));
    let different: BTreeSet<&[u8]> = words.collect();
    let number = |word: &[u8]| word.iter().map(|letter| letter - b'a' + 1).collect();
    let mut words: Vec<Vec<u8>> = different.into_iter().map(number).collect();
    words.shuffle(rng);
    words
}

/// Each word with the word in which every letter is a random one with probability `noise`.
///
/// What is seen is one row a place: the letter and the place. Before each letter is given the previous letter and its place.
#[must_use]
pub fn corrupted_words(
    words: &[Vec<u8>],
    noise: f64,
    longest: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<Pair> {
    let one_hot = |letter: u8, place: usize, places: usize| {
        let mut row = vec![0.0; usize::from(LETTERS) + 1 + places];
        row[usize::from(letter)] = 1.0;
        row[usize::from(LETTERS) + 1 + place] = 1.0;
        row
    };
    let mut pair = |word: &Vec<u8>| {
        let mut corrupted = |letter: &u8| match rng.random_bool(noise) {
            true => rng.random_range(1..=LETTERS),
            false => *letter,
        };
        let seen: Vec<u8> = word.iter().map(&mut corrupted).collect();
        let seen = seen.iter().enumerate();
        let previous = std::iter::once(&0).chain(word).enumerate();
        Pair {
            seen: seen
                .map(|(place, letter)| one_hot(*letter, place, longest))
                .collect(),
            target: word.clone(),
            prefixes: previous
                .map(|(place, letter)| one_hot(*letter, place, longest + 1))
                .collect(),
        }
    };
    words.iter().map(&mut pair).collect()
}
