//! What `deny.toml` allows. The file is cargo-deny's, so that `cargo deny check` reads the same rules.

use anyhow::{Context, Result};
use semver::VersionReq;
use serde::Deserialize;

use crate::project::Project;

const FILE: &str = "deny.toml";

/// The parts of the file that are used here.
#[derive(Debug, Deserialize)]
pub(super) struct Rules {
    pub(super) licenses: Licences,
    pub(super) bans: Bans,
    pub(super) advisories: Advisories,
}

#[derive(Debug, Deserialize)]
pub(super) struct Licences {
    pub(super) allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bans {
    /// Versions that may stand beside another of the same crate.
    #[serde(default)]
    pub(super) skip: Vec<Named>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Advisories {
    #[serde(default)]
    ignore: Vec<Ignored>,
}

/// An advisory that does not count, and why.
#[derive(Debug, Deserialize)]
struct Ignored {
    id: String,
    #[serde(rename = "reason")]
    _reason: String,
}

impl Advisories {
    pub(super) fn ignored(&self) -> Vec<&str> {
        self.ignore
            .iter()
            .map(|ignored| ignored.id.as_str())
            .collect()
    }
}

/// A crate with a requirement of its version, as `rand@0.9`, and a reason.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    #[serde(rename = "crate")]
    pub(super) name: String,
    #[serde(rename = "reason")]
    _reason: String,
}

impl Named {
    /// Whether this version of this crate is meant.
    pub(super) fn is(&self, name: &str, version: &semver::Version) -> bool {
        let (own, requirement) = self.name.split_once('@').unwrap_or((&self.name, "*"));
        own == name && VersionReq::parse(requirement).is_ok_and(|range| range.matches(version))
    }
}

impl Rules {
    pub(super) fn read(project: &Project) -> Result<Self> {
        toml::from_str(&project.read(FILE)?).context(FILE)
    }
}
