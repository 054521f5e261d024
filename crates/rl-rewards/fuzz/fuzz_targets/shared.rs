//! What all targets do with their bytes.

#[path = "../invariants.rs"]
mod invariants;

/// Runs a target on the texts in some bytes.
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (response, reference) = text.split_once('\0').unwrap_or((&text, ""));
    let target = invariants::TARGETS.iter().find(|(other, _)| *other == name);
    let (_, check) = target.expect("a target of this name");
    check(response, reference);
}
