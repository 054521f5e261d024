//! A small table of animals.

use anyhow::{Context, Result};

/// An animal: its traits and its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Animal {
    /// Values of the 16 traits, in the file's order; yes is 1, no is 0, legs are counted.
    pub traits: Vec<f32>,
    /// The type, such as `mammal`.
    pub kind: String,
}

/// The embedded animals, with the names of their traits.
///
/// # Errors
/// If the embedded file is damaged.
pub fn zoo() -> Result<(Vec<String>, Vec<Animal>)> {
    let mut reader = csv::Reader::from_reader(include_bytes!("../../data/zoo.csv").as_slice());
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let mut animals = Vec::new();
    for record in reader.records() {
        let record = record?;
        let mut cells: Vec<&str> = record.iter().collect();
        let kind = cells.pop().context("zoo.csv: an empty line")?.to_owned();
        let traits = cells.into_iter().filter_map(value).collect();
        animals.push(Animal { traits, kind });
    }
    Ok((names, animals))
}

fn value(cell: &str) -> Option<f32> {
    match cell.to_ascii_uppercase().as_str() {
        "TRUE" | "YES" => Some(1.0),
        "FALSE" | "NO" => Some(0.0),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn there_are_101_animals_of_16_traits() {
        let (_, animals) = super::zoo().unwrap();
        assert_eq!(animals.len(), 101);
        assert!(animals.iter().all(|animal| animal.traits.len() == 16));
    }
}
