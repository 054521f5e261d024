//! A map in the order of its keys, so that equal states are saved as equal bytes.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Map = HashMap<u64, Option<f32>>;

pub(super) fn serialize<S: Serializer>(map: &Map, to: S) -> Result<S::Ok, S::Error> {
    let sorted: BTreeMap<_, _> = map.iter().collect();
    sorted.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Map, D::Error> {
    Map::deserialize(from)
}
