//! The packages of `Cargo.lock`, which has those of all features, GPU backends too.

use anyhow::{Context, Result};
use semver::Version;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::project::Project;

const FILE: &str = "Cargo.lock";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A package that is not of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Locked {
    pub(super) name: String,
    #[serde(deserialize_with = "version")]
    pub(super) version: Version,
    source: Option<String>,
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    let text = String::deserialize(deserializer)?;
    Version::parse(&text).map_err(|error| D::Error::custom(format!("version {text}: {error}")))
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

pub(super) fn read(project: &Project) -> Result<Vec<Locked>> {
    let lock: Lock = toml::from_str(&project.read(FILE)?).context(FILE)?;
    let packages = lock.package.into_iter();
    Ok(packages
        .filter(|package| package.source.is_some())
        .collect())
}

/// Packages from elsewhere than crates.io.
pub(super) fn foreign(locked: &[Locked]) -> Vec<String> {
    let foreign = locked
        .iter()
        .filter(|package| package.source.as_deref() != Some(REGISTRY));
    foreign
        .map(|package| {
            let source = package.source.as_deref().unwrap_or_default();
            format!("{} {}: from {source}", package.name, package.version)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sources_than_the_registry_are_found() {
        let text = format!(
            "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{REGISTRY}\"\n\
            [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nsource = \"git+https://example.org/b\"\n"
        );
        let packages = toml::from_str(&text).map_or(Vec::new(), |lock: Lock| lock.package);
        assert_eq!(
            foreign(&packages),
            ["b 1.0.0: from git+https://example.org/b"]
        );
    }
}
