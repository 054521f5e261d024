//! # checked
//!
//! What makes a value from a file as sound as one from a constructor.
//!
//! Source: Regimen's own.

/// A type whose fields are checked, wherever they come from.
pub trait Checked: Sized {
    /// The error of the constructor.
    type Error: std::fmt::Display;

    /// Whether every field is within its range, and the fields fit together.
    ///
    /// # Errors
    /// The constructor's.
    fn check(&self) -> Result<(), Self::Error>;

    /// The value itself, once it is checked.
    ///
    /// # Errors
    /// The constructor's.
    fn checked(self) -> Result<Self, Self::Error> {
        self.check()?;
        Ok(self)
    }
}

/// Serde for types that derive it with `#[serde(remote = "Self")]`: what is read is [`Checked`].
///
/// ```
/// use regimen_tensor::checked::Checked;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// #[serde(remote = "Self")]
/// struct Share {
///     share: f64,
/// }
///
/// impl Checked for Share {
///     type Error = String;
///     fn check(&self) -> Result<(), String> {
///         let allowed = (0.0..=1.0).contains(&self.share);
///         allowed.then_some(()).ok_or_else(|| format!("`share` is {}: allowed is 0 to 1", self.share))
///     }
/// }
/// regimen_tensor::checked_serde!(Share);
///
/// assert!(serde_json::from_str::<Share>(r#"{"share": 0.5}"#).is_ok());
/// assert!(serde_json::from_str::<Share>(r#"{"share": 1.5}"#).is_err());
/// ```
#[macro_export]
macro_rules! checked_serde {
    ($($name:ident $(<$($part:ident),+>)?),* $(,)?) => {$(
        impl $(<$($part: serde::Serialize),+>)? serde::Serialize for $name $(<$($part),+>)? {
            fn serialize<To: serde::Serializer>(&self, to: To) -> ::std::result::Result<To::Ok, To::Error> {
                Self::serialize(self, to)
            }
        }

        impl<'de $(, $($part: serde::Deserialize<'de>),+)?> serde::Deserialize<'de> for $name $(<$($part),+>)? {
            fn deserialize<From: serde::Deserializer<'de>>(from: From) -> ::std::result::Result<Self, From::Error> {
                let read = Self::deserialize(from)?;
                $crate::checked::Checked::checked(read).map_err(serde::de::Error::custom)
            }
        }
    )*};
}
