//! What makes a value from a file as sound as one from a constructor.

use crate::error::Result;

/// A type whose fields are checked, wherever they come from.
pub(crate) trait Checked: Sized {
    /// Refuses fields out of their range.
    fn check(&self) -> Result<()>;

    /// The value itself, once it is checked.
    fn checked(self) -> Result<Self> {
        self.check()?;
        Ok(self)
    }
}

/// Serde for types that derive it with `remote = "Self"`: what is read is checked.
macro_rules! checked_serde {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(
                &self,
                to: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                Self::serialize(self, to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                from: D,
            ) -> std::result::Result<Self, D::Error> {
                let read = Self::deserialize(from)?;
                crate::checked::Checked::checked(read).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use checked_serde;
