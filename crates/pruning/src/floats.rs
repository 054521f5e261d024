//! Floats as their bits, so that any text format keeps them exactly: for `#[serde(with = "...")]`.

use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(
    values: &[Vec<f32>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let bits = values.iter();
    let bits = bits.map(|v| v.iter().map(|x| x.to_bits()).collect::<Vec<u32>>());
    serializer.collect_seq(bits)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Vec<f32>>, D::Error> {
    let bits = Vec::<Vec<u32>>::deserialize(deserializer)?.into_iter();
    Ok(bits
        .map(|v| v.into_iter().map(f32::from_bits).collect())
        .collect())
}
