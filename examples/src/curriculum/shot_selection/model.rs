//! What reads a prompt: the trait for a model of yours, and interpolated n-grams of characters.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use anyhow::Result;

/// A language model that judges and writes what follows a prompt.
pub trait LanguageModel {
    /// The information of each answer given the prompt, in bits: minus the binary logarithm of its probability.
    ///
    /// # Errors
    /// The model's own.
    fn bits(&self, prompt: &str, answers: &[&str]) -> Result<Vec<f64>>;

    /// What the model itself would write, the likeliest at each step, up to the end of the line and of at most so many characters.
    ///
    /// # Errors
    /// The model's own.
    fn answer(&self, prompt: &str, most: usize) -> Result<String>;
}

/// Characters of the longest n-grams, the predicted one among them.
const ORDER: usize = 5;

/// How many times an n-gram of the prompt counts against one of the text that the model was fitted on.
const WEIGHT: f64 = 8.0;

/// Printable ASCII, and the line end for everything else.
const SYMBOLS: usize = 96;

/// The line end.
const END: u8 = 95;

fn symbol(letter: char) -> u8 {
    match letter {
        ' '..='~' => letter as u8 - b' ',
        _ => END,
    }
}

/// Interpolated n-grams of characters: `P(c | h) = (n(h c) + d(h) P(c | h')) / (n(h) + d(h))` with the number `d(h)` of different continuations of
/// `h` and `h'` without its first character, down to equal chances. The n-grams of the prompt count eight times: it learns from examples as it
/// reads them.
#[derive(Clone, Debug, Default)]
pub struct Ngrams {
    fitted: Counts,
}

/// Hashes a key that is spread over 64 bits already by one product.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

type Map<V> = HashMap<u64, V, BuildHasherDefault<Mixed>>;

/// How often n-grams occur, and of each context how often it occurs and with how many continuations.
#[derive(Clone, Debug, Default)]
struct Counts {
    grams: Map<u32>,
    contexts: Map<(u32, u32)>,
}

/// Symbols as one number, different for different lengths.
fn key(symbols: &[u8]) -> u64 {
    let of = |key: u64, symbol: &u8| (key << 7) | u64::from(*symbol);
    symbols.iter().fold(1, of)
}

impl Counts {
    /// Adds a text. A continuation is new where neither these counts nor the others have it.
    fn add(&mut self, symbols: &[u8], others: Option<&Self>) {
        for end in 1..=symbols.len() {
            for start in end.saturating_sub(ORDER)..end {
                let gram = key(&symbols[start..end]);
                let count = self.grams.entry(gram).or_default();
                let is_new =
                    *count == 0 && others.is_none_or(|others| !others.grams.contains_key(&gram));
                *count += 1;
                let context = self.contexts.entry(key(&symbols[start..end - 1]));
                let (times, different) = context.or_default();
                *times += 1;
                *different += u32::from(is_new);
            }
        }
    }
}

impl Ngrams {
    /// Counts the n-grams of a text.
    #[must_use]
    pub fn fit(text: &str) -> Self {
        let symbols: Vec<u8> = text.chars().map(symbol).collect();
        let mut fitted = Counts::default();
        fitted.add(&symbols, None);
        Self { fitted }
    }

    fn read(&self, prompt: &str) -> Reading<'_> {
        let text: Vec<u8> = prompt.chars().map(symbol).collect();
        let mut prompt = Counts::default();
        prompt.add(&text, Some(&self.fitted));
        Reading {
            fitted: &self.fitted,
            prompt,
            text,
        }
    }
}

/// A model that has read a prompt, and the text so far.
struct Reading<'a> {
    fitted: &'a Counts,
    prompt: Counts,
    text: Vec<u8>,
}

impl Reading<'_> {
    /// The probability that a symbol is next after the text.
    fn probability(&self, text: &[u8], next: u8) -> f64 {
        let mut probability = 1.0 / SYMBOLS as f64;
        let mut gram = [0; ORDER];
        for length in 0..ORDER.min(text.len() + 1) {
            let context = &text[text.len() - length..];
            let place = key(context);
            let of = |counts: &Counts| counts.contexts.get(&place).copied().unwrap_or_default();
            let ((times, different), (read, new)) = (of(self.fitted), of(&self.prompt));
            let all = f64::from(times) + WEIGHT * f64::from(read);
            if all == 0.0 {
                break;
            }
            gram[..length].copy_from_slice(context);
            gram[length] = next;
            let place = key(&gram[..=length]);
            let of = |counts: &Counts| f64::from(counts.grams.get(&place).copied().unwrap_or(0));
            let count = of(self.fitted) + WEIGHT * of(&self.prompt);
            let different = f64::from(different + new);
            probability = (count + different * probability) / (all + different);
        }
        probability
    }
}

impl LanguageModel for Ngrams {
    fn bits(&self, prompt: &str, answers: &[&str]) -> Result<Vec<f64>> {
        let reading = self.read(prompt);
        let bits = |answer: &&str| {
            let mut text = reading.text.clone();
            let mut bits = 0.0;
            for next in answer.chars().map(symbol) {
                bits -= reading.probability(&text, next).log2();
                text.push(next);
            }
            bits
        };
        Ok(answers.iter().map(bits).collect())
    }

    fn answer(&self, prompt: &str, most: usize) -> Result<String> {
        let mut reading = self.read(prompt);
        let mut answer = String::new();
        for _ in 0..most {
            let (mut best, mut highest) = (END, 0.0);
            for next in 0..SYMBOLS as u8 {
                let probability = reading.probability(&reading.text, next);
                if probability > highest {
                    (best, highest) = (next, probability);
                }
            }
            if best == END {
                break;
            }
            answer.push(char::from(best + b' '));
            reading.text.push(best);
        }
        Ok(answer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_add_up_to_one() {
        let model = Ngrams::fit("the sum of the list\nthe list is empty\n");
        for prompt in ["", "t", "the li", "quite another list\nof th"] {
            let reading = model.read(prompt);
            let all = (0..SYMBOLS as u8).map(|next| reading.probability(&reading.text, next));
            assert!((all.sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    /// Fitted on `ab`, prompt `a`: of 2 symbols with `d = 2` and 8 more of the prompt, `P(b) = (1 + 2 / 96) / (10 + 2)`; after `a`,
    /// seen once with one continuation, `P(b | a) = (1 + P(b)) / (1 + 1)`.
    #[test]
    fn by_hand() {
        let model = Ngrams::fit("ab");
        let bits = model.bits("a", &["b"]).unwrap();
        let alone = (1.0 + 2.0 / 96.0) / 12.0;
        assert!((bits[0] + ((1.0 + alone) / 2.0_f64).log2()).abs() < 1e-12);
    }

    #[test]
    fn it_learns_from_the_prompt() {
        let model = Ngrams::fit("code: x\ndoc: the sum of the list\n");
        let prompt = "code: y\ndoc: a quick fox\ncode: z\ndoc: ";
        let bits = |prompt: &str| model.bits(prompt, &["a quick fox"]).unwrap()[0];
        assert!(bits(prompt) < 0.5 * bits("code: z\ndoc: "));
        assert_eq!(model.answer(prompt, 60).unwrap(), "a quick fox");
        assert_eq!(model.answer(prompt, 4).unwrap(), "a qu");
    }
}
