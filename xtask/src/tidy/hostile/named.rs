//! The names in a test's code and texts.

use std::collections::BTreeSet;

use super::public::Public;

/// Words, and pairs of words with `::` between them.
#[derive(Debug, Default)]
pub(super) struct Named {
    words: BTreeSet<String>,
    pairs: BTreeSet<(String, String)>,
}

impl Named {
    /// Adds the names of a text. Generic arguments in a path (`A::<f32>::new`) are passed over.
    pub(super) fn add(&mut self, text: &str) {
        let (mut word, mut between, mut last) = (String::new(), String::new(), String::new());
        let mut characters = text.chars().chain(Some('\n')).peekable();
        while let Some(character) = characters.next() {
            if character.is_alphanumeric() || character == '_' {
                word.push(character);
                continue;
            }
            if !word.is_empty() {
                if between == "::" {
                    self.pairs.insert((last, word.clone()));
                }
                last = word.clone();
                self.words.insert(std::mem::take(&mut word));
                between.clear();
            }
            if character == '<' && between == "::" {
                let mut depth = 1;
                while depth > 0 {
                    match characters.next() {
                        Some('<') => depth += 1,
                        Some('>') => depth -= 1,
                        Some(_) => {}
                        None => return,
                    }
                }
                between.clear();
            } else if !character.is_whitespace() {
                between.push(character);
            }
        }
    }

    /// Whether an item is named: a type or free function by its name, an associated function with its type. One that is called on
    /// a value (`init`) needs the names of both.
    pub(super) fn has(&self, item: &Public) -> bool {
        match item {
            Public::Name(name) => self.words.contains(name),
            Public::Associated(of, name) => self.pairs.contains(&(of.clone(), name.clone())),
            Public::Method(of, name) => self.words.contains(of) && self.words.contains(name),
        }
    }
}
