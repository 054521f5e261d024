//! # floats
//!
//! Floats that JSON can't hold: NaN and the infinities go to text and back.
//!
//! Source: Regimen's own; JSON (RFC 8259) has finite numbers only, and `serde_json` writes `null` for the others.
//!
//! Use it as `#[serde(with = "regimen_tensor::floats")]` on a field of floats, in vectors, arrays and options as well.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type made of floats.
pub trait Floats: Sized {
    /// How it is written.
    type Text: Serialize + for<'de> Deserialize<'de>;
    /// What is written.
    fn to_text(&self) -> Self::Text;
    /// What was read.
    fn from_text(text: Self::Text) -> Self;
}

/// A float as it is written: a number, or the name of one that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Float {
    /// A finite number.
    Finite(f64),
    /// NaN or an infinity.
    Other(Name),
}

/// The name of a float that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Name {
    /// Not a number.
    NaN,
    /// Above all numbers.
    #[serde(rename = "inf")]
    Infinity,
    /// Below all numbers.
    #[serde(rename = "-inf")]
    NegativeInfinity,
}

impl Floats for f64 {
    type Text = Float;
    fn to_text(&self) -> Float {
        match *self {
            finite if finite.is_finite() => Float::Finite(finite),
            value if value.is_nan() => Float::Other(Name::NaN),
            value if value > 0.0 => Float::Other(Name::Infinity),
            _ => Float::Other(Name::NegativeInfinity),
        }
    }
    fn from_text(text: Float) -> Self {
        match text {
            Float::Finite(value) => value,
            Float::Other(Name::NaN) => Self::NAN,
            Float::Other(Name::Infinity) => Self::INFINITY,
            Float::Other(Name::NegativeInfinity) => Self::NEG_INFINITY,
        }
    }
}

impl Floats for f32 {
    type Text = Float;
    fn to_text(&self) -> Float {
        f64::from(*self).to_text()
    }
    fn from_text(text: Float) -> Self {
        f64::from_text(text) as Self
    }
}

impl<T: Floats> Floats for Vec<T> {
    type Text = Vec<T::Text>;
    fn to_text(&self) -> Self::Text {
        self.iter().map(T::to_text).collect()
    }
    fn from_text(text: Self::Text) -> Self {
        text.into_iter().map(T::from_text).collect()
    }
}

impl<T: Floats> Floats for Option<T> {
    type Text = Option<T::Text>;
    fn to_text(&self) -> Self::Text {
        self.as_ref().map(T::to_text)
    }
    fn from_text(text: Self::Text) -> Self {
        text.map(T::from_text)
    }
}

impl<T: Floats, const N: usize> Floats for [T; N]
where
    [T::Text; N]: Serialize + for<'de> Deserialize<'de>,
{
    type Text = [T::Text; N];
    fn to_text(&self) -> Self::Text {
        self.each_ref().map(T::to_text)
    }
    fn from_text(text: Self::Text) -> Self {
        text.map(T::from_text)
    }
}

/// Writes the floats.
///
/// # Errors
/// The format's.
pub fn serialize<T: Floats, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.to_text().serialize(to)
}

/// Reads the floats.
///
/// # Errors
/// The format's.
pub fn deserialize<'de, T: Floats, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::Text::deserialize(from).map(T::from_text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Losses {
        #[serde(with = "crate::floats")]
        last: f64,
        #[serde(with = "crate::floats")]
        seen: Vec<Option<f32>>,
        #[serde(with = "crate::floats")]
        range: [f64; 2],
    }

    #[test]
    fn json_with_nan_and_infinities_goes_round() {
        let losses = Losses {
            last: f64::NAN,
            seen: vec![Some(f32::NAN), None, Some(0.1), Some(f32::NEG_INFINITY)],
            range: [f64::NEG_INFINITY, f64::MAX],
        };
        let text = serde_json::to_string(&losses).unwrap();
        let back: Losses = serde_json::from_str(&text).unwrap();
        assert!(back.last.is_nan());
        assert!(back.seen[0].is_some_and(f32::is_nan));
        assert_eq!(back.seen[1..], losses.seen[1..]);
        assert_eq!(back.range, losses.range);
    }

    #[test]
    fn another_word_is_an_error() {
        let text = r#"{"last": "much", "seen": [], "range": [0, 1]}"#;
        assert!(serde_json::from_str::<Losses>(text).is_err());
    }
}
