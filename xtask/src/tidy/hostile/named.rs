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
    /// a value (`init`) needs the names of both. `fit_watched` and `init_on` are the bodies of `fit` and `init`, which will do.
    pub(super) fn has(&self, item: &Public) -> bool {
        let one_of = |name: &str, has: &dyn Fn(&str) -> bool| {
            let plain = TWINS.iter().filter_map(|twin| name.strip_suffix(twin));
            has(name) || plain.into_iter().any(has)
        };
        match item {
            Public::Name(name) => one_of(name, &|name| self.words.contains(name)),
            Public::Associated(of, name) => one_of(name, &|name| {
                self.pairs.contains(&(of.clone(), name.to_owned()))
            }),
            Public::Method(of, name) => {
                self.words.contains(of) && one_of(name, &|name| self.words.contains(name))
            }
        }
    }
}

/// What the name of a function ends with that does what another does: with its progress shown, or on a given device.
const TWINS: [&str; 2] = ["_watched", "_on"];
