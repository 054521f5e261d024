//! The packages that the workspace is built of, with tests and with default features, and what a feature adds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use semver::Version;
use xshell::cmd;

use super::rules::Named;
use crate::project::Project;

/// A package of the graph, from a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) licence: String,
    /// Whether a package of the workspace names it.
    pub(super) is_direct: bool,
}

pub(super) struct Graph {
    pub(super) packages: BTreeSet<Package>,
}

/// What `--target` of cargo may be: every system, or that of most users.
pub(super) const ALL: &str = "all";
pub(super) const LINUX: &str = "x86_64-unknown-linux-gnu";

impl Graph {
    /// With default features, and with these.
    pub(super) fn read(project: &Project, target: &str, features: &[&str]) -> Result<Self> {
        let sh = &project.shell;
        let format = "{p}|{l}";
        let features = features.iter().flat_map(|feature| ["--features", feature]);
        let features: Vec<&str> = features.collect();
        let text = cmd!(
            sh,
            "cargo tree --workspace --locked {features...} --edges normal,build,dev --target {target} --prefix depth --format {format}"
        )
        .quiet()
        .read()?;
        Self::parse(&text)
    }

    /// Reads `cargo tree --prefix depth --format {p}|{l}`: a line is `<depth><name> v<version> (<more>)|<licence>`.
    fn parse(text: &str) -> Result<Self> {
        let mut direct = BTreeSet::new();
        let mut found = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let read = || {
                let name = line.trim_start_matches(|digit: char| digit.is_ascii_digit());
                let depth: usize = line[..line.len() - name.len()].parse().ok()?;
                let (package, licence) = name.split_once('|')?;
                let mut words = package.split(' ');
                let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
                let is_own = words.any(|word| word.starts_with("(/") || word.contains(":\\"));
                let licence = licence.trim_end_matches(" (*)").to_owned();
                let version = Version::parse(version).ok()?;
                Some((depth, name.to_owned(), version, licence, is_own))
            };
            let (depth, name, version, licence, is_own) =
                read().with_context(|| format!("cargo tree: `{line}`"))?;
            if is_own {
                continue;
            }
            if depth == 1 {
                direct.insert(name.clone());
            }
            found.insert((name, version), licence);
        }
        let packages = found.into_iter().map(|((name, version), licence)| Package {
            is_direct: direct.contains(&name),
            name,
            version,
            licence,
        });
        Ok(Self {
            packages: packages.collect(),
        })
    }

    /// Crates of which there are several versions without a reason, and reasons that nothing needs.
    pub(super) fn doubles(&self, skip: &[Named]) -> Vec<String> {
        let mut versions: BTreeMap<&str, Vec<&Version>> = BTreeMap::new();
        for package in &self.packages {
            versions
                .entry(&package.name)
                .or_default()
                .push(&package.version);
        }
        versions.retain(|_, versions| versions.len() > 1);
        let mut problems = Vec::new();
        for (name, versions) in &versions {
            let is_skipped = |version: &Version| skip.iter().any(|named| named.is(name, version));
            let left: Vec<String> = versions
                .iter()
                .filter(|version| !is_skipped(version))
                .map(ToString::to_string)
                .collect();
            if left.len() > 1 {
                problems.push(format!(
                    "{name}: versions {}: take one, or give a reason in deny.toml, [bans] skip",
                    left.join(", ")
                ));
            }
        }
        let is_needed = |named: &&Named| {
            let mut all = versions.iter();
            !all.any(|(name, versions)| versions.iter().any(|version| named.is(name, version)))
        };
        let unneeded = skip.iter().filter(is_needed);
        problems.extend(
            unneeded
                .map(|named| format!("deny.toml: [bans] skip: {}: no double version", named.name)),
        );
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "0own v0.1.0 (/w/own)|MIT\n1rand v0.10.4|MIT OR Apache-2.0\n\
        1darling v0.21.3 (proc-macro)|MIT (*)\n2rand v0.9.5|MIT OR Apache-2.0\n\n0b v0.1.0 (/w/b)|MIT\n";

    fn skip(names: &[&str]) -> Vec<Named> {
        let text: String = names
            .iter()
            .map(|name| format!("[[skip]]\ncrate = \"{name}\"\nreason = \"r\"\n"))
            .collect();
        let table: BTreeMap<String, Vec<Named>> = toml::from_str(&text).unwrap_or_default();
        table.into_values().flatten().collect()
    }

    #[test]
    fn packages_of_others_with_their_licences() -> Result<()> {
        let graph = Graph::parse(TREE)?;
        let names: Vec<_> = graph.packages.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["darling", "rand", "rand"]);
        assert!(graph.packages.iter().all(|package| package.is_direct));
        assert!(
            graph
                .packages
                .iter()
                .any(|package| package.licence == "MIT")
        );
        assert!(Graph::parse("no tree").is_err());
        Ok(())
    }

    #[test]
    fn double_versions_need_a_reason_and_reasons_a_double_version() -> Result<()> {
        let graph = Graph::parse(TREE)?;
        assert_eq!(graph.doubles(&[]).len(), 1);
        assert!(graph.doubles(&skip(&["rand@0.9"])).is_empty());
        let problems = graph.doubles(&skip(&["rand@0.9", "darling"]));
        assert_eq!(
            problems,
            ["deny.toml: [bans] skip: darling: no double version"]
        );
        Ok(())
    }
}
