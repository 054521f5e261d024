//! The recorded findings: reading them, merging new ones in, and the rule that none gets worse.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The committed record, relative to the root.
pub(crate) const RECORD: &str = "docs/findings.json";

/// The verdicts, worst first.
const VERDICTS: [&str; 5] = [
    "failed",
    "does not hold",
    "inconclusive",
    "within noise",
    "holds",
];

/// Reads an array of findings.
pub(crate) fn read(path: &Path) -> Result<Vec<Value>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| name.to_string())?;
    let findings: Vec<Value> = serde_json::from_str(&text).with_context(|| name.to_string())?;
    for (index, finding) in findings.iter().enumerate() {
        if finding["system"].as_str().is_none() {
            bail!("{name}: entry {index} has no system");
        }
        if rank(finding).is_none() {
            let system = system(finding);
            bail!(
                "{name}: {system}: verdict {} is none of {VERDICTS:?}",
                finding["verdict"]
            );
        }
    }
    Ok(findings)
}

/// The name of a finding's system.
pub(crate) fn system(finding: &Value) -> &str {
    finding["system"].as_str().unwrap_or_default()
}

/// Every way in which the new findings are worse than the recorded ones.
pub(crate) fn worse(recorded: &[Value], new: &[Value]) -> Vec<String> {
    let new: BTreeMap<_, _> = new
        .iter()
        .map(|finding| (system(finding), finding))
        .collect();
    let mut problems = Vec::new();
    for old in recorded {
        let name = system(old);
        match new.get(name) {
            None => problems.push(format!("{name}: recorded, but not among the new findings")),
            Some(now) if rank(now) < rank(old) => problems.push(format!(
                "{name}: recorded as {}, now {}",
                old["verdict"], now["verdict"]
            )),
            Some(_) => {}
        }
    }
    problems
}

/// The recorded findings of these systems.
pub(crate) fn of_systems(recorded: &[Value], names: &[String]) -> Vec<Value> {
    let is_named = |finding: &&Value| names.iter().any(|name| name == system(finding));
    recorded.iter().filter(is_named).cloned().collect()
}

/// The record with the new findings in place of the old ones of the same systems, by number.
pub(crate) fn merge(recorded: Vec<Value>, new: Vec<Value>) -> Vec<Value> {
    let mut merged: Vec<Value> = recorded
        .into_iter()
        .filter(|old| new.iter().all(|now| system(now) != system(old)))
        .collect();
    merged.extend(new);
    merged.sort_by_key(|finding| finding["number"].as_u64());
    merged
}

fn rank(finding: &Value) -> Option<usize> {
    let verdict = finding["verdict"].as_str()?;
    VERDICTS.iter().position(|name| *name == verdict)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding(system: &str, number: u32, verdict: &str) -> Value {
        json!({ "system": system, "number": number, "verdict": verdict })
    }

    #[test]
    fn order_of_verdicts() {
        for (place, old) in VERDICTS.into_iter().enumerate() {
            for (new_place, now) in VERDICTS.into_iter().enumerate() {
                let problems = worse(&[finding("ssd", 20, old)], &[finding("ssd", 20, now)]);
                assert_eq!(!problems.is_empty(), new_place < place, "{old} {now}");
            }
        }
    }

    #[test]
    fn a_missing_system_is_worse_and_a_new_one_is_not() {
        let recorded = [finding("ssd", 20, "does not hold")];
        let new = [finding("seta", 31, "does not hold")];
        assert_eq!(worse(&recorded, &new).len(), 1);
        assert!(worse(&[], &new).is_empty());
    }

    #[test]
    fn merging_replaces_by_system_and_sorts_by_number() {
        let recorded = vec![finding("granet", 30, "holds"), finding("seta", 31, "holds")];
        let new = vec![
            finding("ssd", 20, "holds"),
            finding("seta", 31, "inconclusive"),
        ];
        let merged = merge(recorded, new);
        assert_eq!(
            merged.iter().map(system).collect::<Vec<_>>(),
            ["ssd", "granet", "seta"]
        );
        assert_eq!(merged[2]["verdict"], "inconclusive");
    }
}
