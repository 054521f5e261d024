//! Numbers of tokens. Short tokens are keys themselves, so that looking one up reads one place of memory.

use super::ngrams::Map;

/// Gives each token a number, from 0 on in the order in which they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    /// Up to 7 bytes, with their number in the highest byte.
    short: Map<u64, u32>,
    /// 8 to 15 bytes, with their number in the highest byte.
    middle: Map<u128, u32>,
    long: Map<Box<str>, u32>,
}

impl Vocabulary {
    /// How many tokens have a number.
    pub(super) fn len(&self) -> usize {
        self.short.len() + self.middle.len() + self.long.len()
    }

    pub(super) fn get(&self, token: &str) -> Option<u32> {
        let found = match token.len() {
            0..=7 => self.short.get(&short(token.as_bytes())),
            8..=15 => self.middle.get(&middle(token.as_bytes())),
            _ => self.long.get(token),
        };
        found.copied()
    }

    /// Gives a token a number that it does not have yet.
    pub(super) fn insert(&mut self, token: &str, number: u32) {
        let bytes = token.as_bytes();
        match bytes.len() {
            0..=7 => self.short.insert(short(bytes), number),
            8..=15 => self.middle.insert(middle(bytes), number),
            _ => self.long.insert(token.into(), number),
        };
    }
}

/// Up to 7 bytes and their number.
fn short(bytes: &[u8]) -> u64 {
    up_to_8(bytes) | ((bytes.len() as u64) << 56)
}

/// 8 to 15 bytes and their number.
fn middle(bytes: &[u8]) -> u128 {
    let length = bytes.len() as u128;
    let ends = bytes.first_chunk().zip(bytes.last_chunk());
    let value = ends.map_or(0, |(first, last)| {
        // Both hold the bytes in the middle.
        let last = u128::from(u64::from_le_bytes(*last)) << (8 * (bytes.len() - 8));
        u128::from(u64::from_le_bytes(*first)) | last
    });
    value | (length << 120)
}

fn up_to_8(bytes: &[u8]) -> u64 {
    match bytes.first_chunk().zip(bytes.last_chunk()) {
        Some((first, last)) => {
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
            u64::from(u32::from_le_bytes(*first)) | last
        }
        None => bytes
            .iter()
            .rev()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_a_number_of_its_own() {
        let mut tokens = vec![String::new(), "é".into(), "straße".into(), "東京都".into()];
        for length in 1..40 {
            tokens.push("a".repeat(length));
            tokens.push("\0".repeat(length));
            // The last, the first and a middle byte tell.
            for place in [0, length / 2, length - 1] {
                let mut bytes = vec![b'a'; length];
                bytes[place] = b'b';
                tokens.extend(String::from_utf8(bytes));
            }
        }
        tokens.sort();
        tokens.dedup();
        let mut vocabulary = Vocabulary::default();
        for (number, token) in tokens.iter().enumerate() {
            assert_eq!(vocabulary.get(token), None, "{token:?}");
            vocabulary.insert(token, number as u32);
        }
        assert_eq!(vocabulary.len(), tokens.len());
        for (number, token) in tokens.iter().enumerate() {
            assert_eq!(vocabulary.get(token), Some(number as u32), "{token:?}");
        }
    }
}
