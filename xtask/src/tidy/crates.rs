//! The README's table of crates, from their descriptions, with the effects of papers that their experiments show, from the record.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::region;
use crate::project::{Package, Project};
use crate::record::{self, RECORD};

/// What an experiment says of its paper's effect: the columns of the table.
const EFFECTS: [&str; 3] = ["shown", "shown in part", "not at this size"];

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let path = project.root.join(RECORD);
    let findings = if path.is_file() {
        record::read(&path)?
    } else {
        Vec::new()
    };
    let table = table(project.libraries(), &findings);
    let problem = region::compare(project, Path::new("README.md"), "crates", &table, fix)?;
    Ok(problem.into_iter().collect())
}

fn table<'a>(packages: impl Iterator<Item = &'a Package>, findings: &[Value]) -> String {
    let mut table = format!(
        "| crate | what it gives | {} |\n|---|---|{}\n",
        EFFECTS.join(" | "),
        "--:|".repeat(EFFECTS.len())
    );
    for package in packages {
        let folder = package.folder.display().to_string().replace('\\', "/");
        let name = &package.name;
        let is = |finding: &Value, field: &str, value: &str| finding[field].as_str() == Some(value);
        let counts = EFFECTS.map(|effect| {
            let of_crate = findings.iter().filter(|one| is(one, "crate", name));
            match of_crate
                .filter(|one| is(one, "paper_effect", effect))
                .count()
            {
                0 => String::new(),
                count => count.to_string(),
            }
        });
        table += &format!(
            "| [`{name}`]({folder}) | {} | {} |\n",
            package.description,
            counts.join(" | ")
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_row_per_crate() {
        let package = Package {
            name: "regimen-pruning".to_owned(),
            description: "Masks".to_owned(),
            folder: PathBuf::from("crates/pruning"),
            features: BTreeMap::new(),
            examples: Vec::new(),
            tests: Vec::new(),
            dependencies: Vec::new(),
            roots: Vec::new(),
        };
        let finding = |krate, effect| serde_json::json!({ "crate": krate, "paper_effect": effect });
        let findings = [
            finding("regimen-pruning", "shown"),
            finding("regimen-pruning", "not at this size"),
            finding("regimen-pruning", "shown"),
            finding("regimen-moe", "shown in part"),
        ];
        assert_eq!(
            table([&package].into_iter(), &findings),
            "| crate | what it gives | shown | shown in part | not at this size |\n|---|---|--:|--:|--:|\n\
             | [`regimen-pruning`](crates/pruning) | Masks | 2 |  | 1 |\n"
        );
    }
}
