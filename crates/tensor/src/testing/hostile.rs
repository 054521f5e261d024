//! Hostile input: absurd arguments, and damaged states.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

/// No answer may take longer.
const LIMIT: Duration = Duration::from_secs(10);

/// Numbers that a file or an argument may hold and that no one expects.
pub const NUMBERS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-308,
    1e308,
    -1e308,
    f64::MAX,
    f64::MIN_POSITIVE,
    9_007_199_254_740_993.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// Counts and sizes that no one expects.
pub const COUNTS: [usize; 9] = [
    0,
    1,
    2,
    3,
    1 << 31,
    (1 << 53) + 1,
    usize::MAX / 2,
    usize::MAX - 1,
    usize::MAX,
];

/// Gives hostile input to constructors and readers, and counts what comes back.
///
/// An error or a value is an answer; a panic, or one that takes over ten seconds, is a fault. How often each state is
/// damaged is `REGIMEN_MUTATIONS` (100 where it is not set).
#[derive(Debug)]
pub struct Hostile {
    room: &'static str,
    tried: usize,
    errors: usize,
    accepted: usize,
    faults: Vec<String>,
}

impl Hostile {
    /// For a part of the library, as `"pruning inputs"`: the name of the line of counts.
    #[must_use]
    pub fn new(room: &'static str) -> Self {
        Self {
            room,
            tried: 0,
            errors: 0,
            accepted: 0,
            faults: Vec::new(),
        }
    }

    /// One call. `name` says what is called with what, as `"RigLConfig::init, sparsity 2"`.
    pub fn input<T, E: Display>(
        &mut self,
        name: impl Display,
        call: impl FnOnce() -> Result<T, E>,
    ) -> &mut Self {
        let mut call = Some(call);
        self.answer(&name, &mut || {
            let answer = call.take().map(|call| call().map(drop));
            answer.unwrap_or(Ok(())).map_err(|error| error.to_string())
        });
        self
    }

    /// A state: `sample` is valid JSON of it; `read` parses a text, and where that is accepted uses the value.
    ///
    /// The sample itself must be accepted.
    pub fn state(
        &mut self,
        name: &str,
        sample: &str,
        read: impl Fn(&str) -> Result<(), String>,
    ) -> &mut Self {
        self.damaged(name, sample, &read)
    }

    fn damaged(
        &mut self,
        name: &str,
        sample: &str,
        read: &dyn Fn(&str) -> Result<(), String>,
    ) -> &mut Self {
        if let Err(reason) = read(sample) {
            self.faults
                .push(format!("{name}: the sample is refused: {reason}"));
        }
        for seed in 0..mutations() {
            let text = mutate(sample, seed);
            self.answer(&format!("{name} {text}"), &mut || read(&text));
        }
        self
    }

    /// Not generic, so that the many closures of a test crate do not each bring a copy.
    fn answer(&mut self, name: &dyn Display, call: &mut dyn FnMut() -> Result<(), String>) {
        self.tried += 1;
        let start = Instant::now();
        let answer = catch_unwind(AssertUnwindSafe(call));
        let fault = match &answer {
            Err(_) => "panic",
            Ok(Err(reason)) if reason.is_empty() => "an error without a word",
            Ok(_) if start.elapsed() > LIMIT => "over 10 s",
            Ok(Err(_)) => return self.errors += 1,
            Ok(Ok(())) => return self.accepted += 1,
        };
        self.faults.push(format!("{fault}: {name}"));
    }

    /// Prints the counts, as the line `hostile,<room>,<tried>,<errors>,<accepted>,<faults>`. A sample that is refused is a
    /// fault too, though no hostile input was tried.
    ///
    /// # Panics
    /// If there was a fault.
    #[allow(clippy::print_stdout, reason = "the fault driver reads the line")]
    pub fn finish(&self) {
        let Self {
            room,
            tried,
            errors,
            accepted,
            faults,
        } = self;
        println!(
            "hostile,{room},{tried},{errors},{accepted},{}",
            faults.len()
        );
        let shown: Vec<String> = faults
            .iter()
            .take(20)
            .map(|fault| fault.chars().take(2000).collect())
            .collect();
        assert!(
            faults.is_empty(),
            "{} faults:\n{}",
            faults.len(),
            shown.join("\n")
        );
    }
}

fn mutations() -> u64 {
    let asked = std::env::var("REGIMEN_MUTATIONS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// A damaged copy of a JSON text: one to three values, names, lengths or characters are changed.
#[must_use]
pub fn mutate(sample: &str, seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let Ok(mut value) = serde_json::from_str::<Value>(sample) else {
        return damage(sample, &mut rng);
    };
    for _ in 0..rng.random_range(1..=3) {
        let count = count(&value);
        let place = rng.random_range(0..count);
        change(&mut value, &mut { place }, &mut rng);
    }
    let text = value.to_string();
    match rng.random_range(0..8) {
        0 => damage(&text, &mut rng),
        1 => repeat(&text, &mut rng),
        _ => text,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the `place`-th value in depth-first order.
fn change(value: &mut Value, place: &mut usize, rng: &mut ChaCha8Rng) -> bool {
    if *place == 0 {
        *value = other(value, rng);
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(item, place, rng)),
        Value::Object(fields) => fields.values_mut().any(|field| change(field, place, rng)),
        _ => false,
    }
}

fn other(value: &Value, rng: &mut ChaCha8Rng) -> Value {
    match value {
        _ if rng.random_range(0..12) == 0 => any(rng),
        Value::Null => any(rng),
        Value::Bool(flag) => Value::Bool(!flag),
        Value::Number(_) => number(rng),
        Value::String(text) => match rng.random_range(0..4) {
            0 => Value::from(""),
            1 => Value::from(text.repeat(3)),
            2 => Value::from("NaN"),
            _ => Value::from(format!("{text}\u{0}é")),
        },
        Value::Array(items) => {
            let mut items = items.clone();
            match rng.random_range(0..5) {
                0 => items.clear(),
                1 => drop(items.pop()),
                2 => items.reverse(),
                3 => items.extend(items.clone()),
                _ => items.push(items.first().cloned().unwrap_or_else(|| number(rng))),
            }
            Value::Array(items)
        }
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.clone().into_iter().collect();
            let length = fields.len().max(1);
            let (i, j) = (rng.random_range(0..length), rng.random_range(0..length));
            match rng.random_range(0..4) {
                0 if !fields.is_empty() => drop(fields.remove(i)),
                1 => fields.push(("unknown".into(), number(rng))),
                2 if !fields.is_empty() => {
                    let from = fields[j].1.clone();
                    fields[i].1 = from;
                }
                _ => fields
                    .iter_mut()
                    .for_each(|(_, field)| *field = other(field, &mut *rng)),
            }
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
    }
}

fn any(rng: &mut ChaCha8Rng) -> Value {
    match rng.random_range(0..5) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::Array(vec![number(rng), number(rng)]),
        3 => Value::Object(Map::new()),
        _ => number(rng),
    }
}

fn number(rng: &mut ChaCha8Rng) -> Value {
    match rng.random_range(0..4) {
        0 => Value::from(COUNTS[rng.random_range(0..COUNTS.len())]),
        1 => Value::from(rng.random_range(-3..1000)),
        // What is not finite becomes `null`, as `serde_json` writes it.
        _ => Value::from(NUMBERS[rng.random_range(0..NUMBERS.len())]),
    }
}

/// The text with the name of one of its fields written twice, with a number the first time; as it is if it has no field.
fn repeat(text: &str, rng: &mut ChaCha8Rng) -> String {
    let names: Vec<(usize, &str)> = text
        .match_indices("\":")
        .filter_map(|(end, _)| {
            let start = text[..end].rfind('"')?;
            Some((start, &text[start..end + 2]))
        })
        .collect();
    if names.is_empty() {
        return text.to_owned();
    }
    let (start, name) = names[rng.random_range(0..names.len())];
    format!("{}{name}{},{}", &text[..start], number(rng), &text[start..])
}

/// The text cut short, or with one character changed.
fn damage(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let place = rng.random_range(0..characters.len().max(1));
    match (rng.random_range(0..3), characters.get_mut(place)) {
        (0, Some(character)) => *character = char::from(rng.random_range(32..127_u8)),
        (1, Some(_)) => drop(characters.remove(place)),
        _ => characters.truncate(place),
    }
    characters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_many_and_come_again_from_their_seed() {
        let sample = r#"{"step": 3, "losses": [0.5, 1.5], "name": "a", "on": true}"#;
        let all: std::collections::BTreeSet<String> =
            (0..500).map(|seed| mutate(sample, seed)).collect();
        assert!(all.len() > 250, "{}", all.len());
        assert_eq!(mutate(sample, 7), mutate(sample, 7));
    }

    #[test]
    fn a_field_may_come_twice() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let twice = repeat(r#"{"step":3}"#, &mut rng);
        assert_eq!(twice.matches("\"step\":").count(), 2, "{twice}");
        assert_eq!(repeat("[1,2]", &mut rng), "[1,2]");
        let sample = r#"{"step": 3}"#;
        assert!((0..100).any(|seed| mutate(sample, seed).matches("\"step\":").count() == 2));
    }

    #[test]
    fn every_answer_is_counted_once() {
        let mut hostile = Hostile::new("test");
        hostile.input::<_, String>("taken", || Ok(1));
        hostile.input::<(), _>("refused", || Err("no"));
        hostile.input::<(), String>("panics", || panic!("no"));
        hostile.input::<(), _>("silent", || Err(""));
        let counts = (hostile.tried, hostile.errors, hostile.accepted);
        assert_eq!((counts, hostile.faults.len()), ((4, 1, 1), 2));
    }

    #[test]
    fn a_panic_a_refused_sample_and_an_empty_error_are_faults() {
        let mut hostile = Hostile::new("test");
        hostile.input::<(), _>("none", || Err("`k` is 0: allowed is 1 or more"));
        assert!(hostile.faults.is_empty());
        hostile.input::<(), String>("panics", || panic!("no"));
        hostile.input::<(), _>("silent", || Err(""));
        hostile.state("refused", "1", |_| Err("never".into()));
        assert_eq!(hostile.faults.len(), 3);
    }
}
