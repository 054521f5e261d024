//! The number of crates that a user of each library compiles, in its README.

use std::collections::BTreeSet;

use anyhow::Result;
use xshell::cmd;

use super::region;
use crate::project::{Package, Project};

/// The system that is counted for: others need a few other crates.
const SYSTEM: &str = "x86_64-unknown-linux-gnu";

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in project.libraries() {
        let text = text(project, package)?;
        let readme = package.folder.join("README.md");
        problems.extend(region::compare(
            project,
            &readme,
            "dependencies",
            &text,
            fix,
        )?);
    }
    Ok(problems)
}

fn text(project: &Project, package: &Package) -> Result<String> {
    let all = count(project, package, &[])?;
    let bare = count(project, package, &["--no-default-features"])?;
    let default = package
        .features
        .get("default")
        .is_some_and(|features| !features.is_empty());
    let without = match default {
        true => format!(" Without default features it needs {bare}."),
        false => String::new(),
    };
    Ok(format!(
        "With its default features `{}` needs {all} other crates, build scripts and macros among them ({SYSTEM}; the program's \
         backend comes on top).{without}\n",
        package.name
    ))
}

/// The packages that a library needs to be built, without itself.
fn count(project: &Project, package: &Package, features: &[&str]) -> Result<usize> {
    let (sh, name) = (&project.shell, &package.name);
    let text = cmd!(
        sh,
        "cargo tree --locked -p {name} --edges normal,build --target {SYSTEM} --prefix none {features...}"
    )
    .quiet()
    .read()?;
    Ok(distinct(&text).saturating_sub(1))
}

/// The different packages in the lines of `cargo tree`: `name v1.0.0 (proc-macro) (*)`.
fn distinct(text: &str) -> usize {
    let lines = text.lines().filter(|line| !line.is_empty());
    let packages: BTreeSet<Vec<&str>> = lines
        .map(|line| line.split(' ').take(2).collect())
        .collect();
    packages.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_once() {
        let text = "own v0.1.0 (/w/own)\nrand v0.10.4\nserde v1.0.0 (proc-macro)\nrand v0.10.4 (*)\n\nrand v0.9.5\n";
        assert_eq!(distinct(text), 4);
    }
}
