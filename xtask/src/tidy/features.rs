//! Tests, benches and the runner are built on one set of features, so that Burn is compiled once.
//!
//! Cargo gives a package the features that anything in the build asks for. What the tests alone ask for would make
//! another Burn of it; a normal dependency of the examples has to ask for the same.

use std::collections::BTreeMap;

use anyhow::Result;
use xshell::cmd;

use crate::project::Project;

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let (program, tests) = (tree(project, "no-dev")?, tree(project, "normal,build,dev")?);
    Ok(differing(&program, &tests))
}

/// The features of every package, with the dependencies of these kinds.
fn tree(project: &Project, kinds: &str) -> Result<BTreeMap<String, String>> {
    let sh = &project.shell;
    let (edges, format) = (format!("features,{kinds}"), "{p}|{f}");
    let text = cmd!(
        sh,
        "cargo tree --workspace --edges {edges} --prefix none --format {format}"
    )
    .quiet()
    .read()?;
    Ok(read(&text))
}

fn read(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(|line| line.trim_end_matches(" (*)"));
    lines
        .filter_map(|line| line.split_once('|'))
        .map(|(package, features)| (package.to_owned(), features.to_owned()))
        .collect()
}

fn differing(program: &BTreeMap<String, String>, tests: &BTreeMap<String, String>) -> Vec<String> {
    let pairs = program.iter().filter_map(|(package, features)| {
        let others = tests.get(package)?;
        (others != features).then_some((package, features, others))
    });
    pairs
        .map(|(package, features, others)| {
            format!(
                "examples/Cargo.toml: tests need {package} with features `{others}`, the runner has `{features}`: \
                 what depends on it would be compiled twice; turn them on in its [dependencies]"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_only_tests_turn_on_is_found() {
        let program = read("approx v0.5.1|std\nserde v1.0.0|default\n");
        let tests =
            read("approx v0.5.1|default,std\nserde v1.0.0|default (*)\nproptest v1.0.0|std\n");
        let problems = differing(&program, &tests);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("approx v0.5.1"));
        assert!(differing(&tests, &tests).is_empty());
    }
}
