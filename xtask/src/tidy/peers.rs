//! The book's table of the same work in other libraries, from the record.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::region;
use crate::project::Project;

/// What `cargo xtask bench --peers --record` keeps.
pub(crate) const RECORD: &str = "docs/peers.json";

/// The page of the table.
const PAGE: &str = "docs/src/peers.md";

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let path = project.root.join(RECORD);
    let table = if path.is_file() {
        let text = std::fs::read_to_string(&path)?;
        let record: Value = serde_json::from_str(&text).context(RECORD)?;
        table(&record).with_context(|| format!("{RECORD}: not as `bench --peers` writes it"))?
    } else {
        "Not recorded yet.".to_owned()
    };
    let problem = region::compare(project, Path::new(PAGE), "peers", &table, fix)?;
    Ok(problem.into_iter().collect())
}

/// None where a field is not there.
fn table(record: &Value) -> Option<String> {
    let mut table = format!(
        "{}. Milliseconds, medians; the ratio is theirs over ours, turn by turn, with its quartiles.\n\n\
         | work | beside | ours | theirs | ratio | of the limit |\n|---|---|--:|--:|--:|--:|\n",
        record["machine"].as_str()?
    );
    for pair in record["pairs"].as_array()? {
        let words = |field: &str| Some(pair[field].as_str()?.replace('|', "\\|"));
        let number = |field: &str| pair[field].as_f64();
        let limit = &pair["limit"];
        let limit = match (limit["fraction"].as_f64(), limit["of"].as_str()) {
            (Some(fraction), Some(of)) => format!("{fraction:.2} of {of}"),
            _ => String::new(),
        };
        table += &format!(
            "| {} | {} {} | {} | {} | {:.2} ({:.2} to {:.2}) | {limit} |\n",
            words("path")?,
            words("peer")?,
            words("version")?,
            milliseconds(number("ours")?),
            milliseconds(number("theirs")?),
            number("ratio")?,
            number("low")?,
            number("high")?,
        );
    }
    Some(table)
}

/// Three digits or so.
fn milliseconds(value: f64) -> String {
    let places = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_per_pair() {
        let mut record = json!({ "machine": "M, 2 cores", "pairs": [{
            "path": "sampling [1, 2]", "peer": "torch", "version": "2.15.0", "ours": 12.345, "theirs": 123.4,
            "ratio": 9.9, "low": 9.5, "high": 10.5, "limit": { "fraction": 0.5, "of": "products" },
        }]});
        let found = table(&record).unwrap_or_default();
        let row = "| sampling [1, 2] | torch 2.15.0 | 12.3 | 123 | 9.90 (9.50 to 10.50) | 0.50 of products |\n";
        assert!(
            found.starts_with("M, 2 cores. ") && found.ends_with(row),
            "{found}"
        );
        record["pairs"][0]["ratio"] = Value::Null;
        assert!(table(&record).is_none());
    }
}
