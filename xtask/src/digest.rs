//! Of what sources a finding was made: a digest in the record, by which one sees whether the record is fresh.
//!
//! A finding depends on its experiment's own files, on what the experiments of its crate and all experiments share, on the crates that
//! any of these name with the crates below them, on the embedded data, and on the version of Burn. Comments, blank lines and unit
//! tests do not count.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::project::{Package, Project};
use crate::record;

const EXPERIMENTS: &str = "examples/src";
const DATA: &str = "examples/data";
/// What runs experiments and shows them has no part in their figures.
const NO_PART: [&str; 3] = ["report", "runner", "main.rs"];

/// The names of the systems whose record was made of other sources than those of the tree.
pub(crate) fn stale(project: &Project, findings: &[Value]) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for finding in findings {
        if finding["digest"].as_str() != Some(of(project, finding)?.as_str()) {
            stale.push(record::system(finding).to_owned());
        }
    }
    Ok(stale)
}

/// The digest of the sources that a finding depends on now.
pub(crate) fn of(project: &Project, finding: &Value) -> Result<String> {
    let source = finding["source"]
        .as_str()
        .context("a finding has no source")?;
    let mut files = experiment(project, Path::new(source))?;
    let mut text = String::new();
    for file in &files {
        text += &project.read(file)?;
    }
    for package in named(project, &text) {
        let folder = package.folder.join("src");
        files.extend(project.files(&[&folder.display().to_string()], "rs")?);
    }
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(file.display().to_string().replace('\\', "/"));
        hash.update(code(&project.read(file)?));
    }
    for file in project.files(&[DATA], "gz")? {
        hash.update(std::fs::read(project.root.join(&file))?);
    }
    hash.update(burn(&project.read("Cargo.lock")?));
    let bytes = hash.finalize();
    Ok(bytes
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The files of an experiment: its own, and what experiments share. What those of another crate share has no part: no experiment may
/// name another crate's folder.
fn experiment(project: &Project, source: &Path) -> Result<BTreeSet<PathBuf>> {
    let files = project.files(&[EXPERIMENTS], "rs")?;
    let mut others = Vec::new();
    for file in &files {
        if project.read(file)?.contains("pub const SYSTEM: System") && file != source {
            others.push(home(file));
        }
    }
    let has_part = |file: &&PathBuf| {
        let inside = file.strip_prefix(EXPERIMENTS).unwrap_or(file);
        let is_list = inside.components().count() == 2 && inside.ends_with("mod.rs");
        let is_library = inside == Path::new("lib.rs");
        let is_other = |other: &PathBuf| file.starts_with(other) || home(file) == *other;
        let is_listing = is_library || is_list && is_of_a_crate(project, inside);
        let is_foreign = is_of_a_crate(project, inside) && folder(file) != folder(source);
        let has_no_part = NO_PART.iter().any(|part| inside.starts_with(part));
        !has_no_part && !is_listing && !is_foreign && !others.iter().any(is_other)
    };
    Ok(files.iter().filter(has_part).cloned().collect())
}

/// The folder of a system, whether its file is `<name>.rs` or `<name>/mod.rs`.
fn home(file: &Path) -> PathBuf {
    match file.file_name() {
        Some(name) if name == "mod.rs" => file.parent().unwrap_or(file).to_path_buf(),
        _ => file.with_extension(""),
    }
}

/// The folder among those of the experiments in which a file lies.
fn folder(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(EXPERIMENTS).unwrap_or(file);
    let mut parts = inside.components();
    let first = parts.next()?;
    parts.next()?;
    Some(first.as_os_str().to_string_lossy().into_owned())
}

/// Whether a file lies in the folder of a crate's experiments, whose `mod.rs` only lists them.
fn is_of_a_crate(project: &Project, file: &Path) -> bool {
    let name = folder(file).map(|folder| format!("regimen-{}", folder.replace('_', "-")));
    let mut libraries = project.libraries();
    name.is_some_and(|name| libraries.any(|package| package.name == name))
}

/// The crates that a text names, and those that they depend on.
fn named<'a>(project: &'a Project, text: &str) -> Vec<&'a Package> {
    let is_named = |package: &&Package| text.contains(&package.name.replace('-', "_"));
    let mut names: Vec<&str> = project
        .libraries()
        .filter(is_named)
        .map(|package| package.name.as_str())
        .collect();
    let mut at = 0;
    while at < names.len() {
        let package = project
            .libraries()
            .find(|package| package.name == names[at]);
        for below in package.iter().flat_map(|package| &package.dependencies) {
            if below.starts_with("regimen-") && !names.contains(&below.as_str()) {
                names.push(below);
            }
        }
        at += 1;
    }
    project
        .libraries()
        .filter(|package| names.contains(&package.name.as_str()))
        .collect()
}

/// The lines of a file that count.
fn code(text: &str) -> String {
    let mut lines = Vec::new();
    let mut rest = text.lines().map(str::trim).peekable();
    while let Some(line) = rest.next() {
        let is_tests = |next: &&str| next.starts_with("mod ") || next.starts_with("#[allow");
        if line == "#[cfg(test)]" && rest.peek().is_some_and(is_tests) {
            break;
        }
        if !line.is_empty() && !line.starts_with("//") {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// Burn's traits of environments and agents: interfaces, without arithmetic of their own.
const INTERFACES: &str = "name = \"burn-rl\"";

/// The names and versions of Burn's packages in a lock file, but for those that hold interfaces alone.
fn burn(lock: &str) -> String {
    let lines: Vec<&str> = lock.lines().collect();
    let pairs = lines.windows(2);
    pairs
        .filter(|pair| pair[0].starts_with("name = \"burn") && pair[0] != INTERFACES)
        .map(|pair| pair.concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_do_not_count() {
        let plain = "fn f() {\n    1\n}\n";
        let with =
            "//! Doc.\n\nfn f() {\n// why\n    1\n}\n#[cfg(test)]\nmod tests {\n fn g() {}\n}\n";
        assert_eq!(code(plain), code(with));
        assert_ne!(code(plain), code("fn f() {\n    2\n}\n"));
    }

    #[test]
    fn the_home_of_a_system_is_its_folder() {
        assert_eq!(home(Path::new("a/ssd.rs")), Path::new("a/ssd"));
        assert_eq!(home(Path::new("a/ssd/mod.rs")), Path::new("a/ssd"));
        assert_eq!(home(Path::new("a/ssd/job.rs")), Path::new("a/ssd/job"));
    }

    #[test]
    fn versions_of_burn_only() {
        let lock = "[[package]]\nname = \"burn-core\"\nversion = \"0.22.1\"\n[[package]]\nname = \"bytes\"\nversion = \"1.0.0\"\n";
        assert_eq!(burn(lock), "name = \"burn-core\"version = \"0.22.1\"");
    }

    /// On this tree: another system's file has no part, a shared file has.
    #[test]
    fn a_finding_depends_on_its_own_files_and_on_shared_ones() -> Result<()> {
        let project = Project::open()?;
        let source = Path::new("examples/src/unlearning/ssd.rs");
        let files = experiment(&project, source)?;
        let has = |file: &str| files.contains(Path::new(file));
        assert!(has("examples/src/unlearning/ssd.rs"));
        assert!(has("examples/src/unlearning/ssd/job.rs"));
        assert!(has("examples/src/models.rs") || has("examples/src/models/mod.rs"));
        assert!(!has("examples/src/pruning/granet.rs"));
        assert!(!has("examples/src/unlearning/datamodel_matching/convex.rs"));
        assert!(!has("examples/src/runner/mod.rs"));
        assert!(!has("examples/src/unlearning/mod.rs"));
        assert!(!has("examples/src/continual/bed.rs"));
        let source = Path::new("examples/src/continual/continual_survey.rs");
        assert!(experiment(&project, source)?.contains(Path::new("examples/src/continual/bed.rs")));
        Ok(())
    }

    /// What the rule on foreign folders rests on.
    #[test]
    fn no_experiment_names_another_crates_folder() -> Result<()> {
        let project = Project::open()?;
        let files = project.files(&[EXPERIMENTS], "rs")?;
        let of_crates = files.iter().filter(|file| is_of_a_crate(&project, file));
        let folders: BTreeSet<String> = of_crates.clone().filter_map(|file| folder(file)).collect();
        assert!(folders.len() > 5, "{folders:?}");
        for file in &files {
            let inside = file.strip_prefix(EXPERIMENTS).unwrap_or(file);
            if NO_PART.iter().any(|part| inside.starts_with(part)) || inside == Path::new("lib.rs")
            {
                continue;
            }
            let text = code(&project.read(file)?);
            for other in folders
                .iter()
                .filter(|other| folder(file).as_ref() != Some(other))
            {
                let names = format!("crate::{other}::");
                assert!(!text.contains(&names), "{}: {names}", file.display());
            }
        }
        Ok(())
    }
}
