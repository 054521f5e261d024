//! The README's table of crates, from their descriptions.

use std::path::Path;

use anyhow::Result;

use super::region;
use crate::project::{Package, Project};

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let table = table(project.libraries());
    let problem = region::compare(project, Path::new("README.md"), "crates", &table, fix)?;
    Ok(problem.into_iter().collect())
}

fn table<'a>(packages: impl Iterator<Item = &'a Package>) -> String {
    let mut table = "| crate | what it gives |\n|---|---|\n".to_owned();
    for package in packages {
        let folder = package.folder.display().to_string().replace('\\', "/");
        let name = &package.name;
        table += &format!("| [`{name}`]({folder}) | {} |\n", package.description);
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
        assert_eq!(
            table([&package].into_iter()),
            "| crate | what it gives |\n|---|---|\n| [`regimen-pruning`](crates/pruning) | Masks |\n"
        );
    }
}
