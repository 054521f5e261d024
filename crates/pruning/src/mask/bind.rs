//! Which parameters of a model masks belong to, by their paths.

use std::collections::HashMap;

use burn::module::ParamId;
use regimen_tensor::{ParamEntry, ParamVector};

use super::Mask;
use crate::{PruningError, Result};

/// Where the masks' paths are in a model.
enum Place<'a> {
    Same,
    /// Below a module: this comes before each path.
    Below(&'a str),
    /// The masks' paths begin with this, and the model's do not.
    Above(&'a str),
}

impl Place<'_> {
    fn path(&self, path: &str) -> Option<String> {
        match self {
            Self::Same => Some(path.to_owned()),
            Self::Below(before) => Some(format!("{before}{path}")),
            Self::Above(before) => path.strip_prefix(before).map(str::to_owned),
        }
    }
}

/// The ids of the masked parameters: by the same paths, else by the one place below or above where all masks fit.
pub(super) fn ids(masks: &[Mask], vector: &ParamVector) -> Result<Vec<ParamId>> {
    let entries = vector.entries().iter();
    let entries: HashMap<&str, &ParamEntry> = entries.map(|e| (e.path.as_str(), e)).collect();
    let find = |place: &Place<'_>, mask: &Mask| {
        let path = place.path(&mask.path)?;
        let entry = entries.get(path.as_str())?;
        (entry.shape == mask.shape).then_some(*entry)
    };
    let all = |place: &Place<'_>| -> Option<Vec<&ParamEntry>> {
        masks.iter().map(|mask| find(place, mask)).collect()
    };
    let ids = |found: Vec<&ParamEntry>| found.into_iter().map(|entry| entry.id).collect();
    if let Some(found) = all(&Place::Same) {
        return Ok(ids(found));
    }
    let Some(first) = masks.first() else {
        return Ok(Vec::new());
    };
    let joint = |before: &&str| before.ends_with('.');
    let places = vector.entries().iter().filter_map(|entry| {
        let below = entry.path.strip_suffix(&first.path).filter(joint);
        let above = || first.path.strip_suffix(&entry.path).filter(joint);
        below
            .map(Place::Below)
            .or_else(|| above().map(Place::Above))
    });
    let mut found: Vec<Vec<&ParamEntry>> = places.filter_map(|place| all(&place)).collect();
    match found.len() {
        1 => Ok(ids(found.swap_remove(0))),
        0 => {
            let lost = masks.iter().find(|mask| find(&Place::Same, mask).is_none());
            let lost = lost.unwrap_or(first);
            let shape = entries.get(lost.path.as_str()).map(|entry| &entry.shape);
            Err(PruningError::Mismatch {
                path: lost.path.clone(),
                expected: format!("a parameter of shape {:?}", lost.shape),
                found: shape.map_or("no such parameter".into(), |shape| format!("{shape:?}")),
            })
        }
        _ => Err(PruningError::Ambiguous {
            path: first.path.clone(),
            found: found
                .iter()
                .filter_map(|all| Some(all.first()?.path.clone()))
                .collect(),
        }),
    }
}
