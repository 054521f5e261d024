//! Known vulnerabilities, from a copy of RustSec's database in the tree (`xtask/advisories.csv`).
//!
//! The database itself is a git repository, which a build that reaches package registries alone can't fetch. The copy has
//! the date of its source, which every check prints.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use xshell::cmd;

use super::graph::Graph;
use super::locked::Locked;
use crate::project::{self, Project};

const FILE: &str = "xtask/advisories.csv";

/// The first line of the copy, before the commit and date of its source.
const HEAD: &str = "# RustSec advisory database, commit ";

/// One advisory: the versions that are neither patched nor unaffected are vulnerable.
#[derive(Debug, Deserialize, Serialize)]
struct Advisory {
    id: String,
    package: String,
    /// `vulnerability`, `unsound`, `unmaintained` or `notice`.
    kind: String,
    /// Requirements of versions, separated by `;`.
    patched: String,
    unaffected: String,
    title: String,
}

/// The advisories and where they are from.
#[derive(Debug)]
pub(super) struct Advisories {
    pub(super) source: String,
    all: Vec<Advisory>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<String>,
    /// What does not fail: packages that nobody maintains any more and that others than the workspace name.
    pub(super) notes: Vec<String>,
}

pub(super) fn read(project: &Project) -> Result<Advisories> {
    parse(&project.read(FILE)?)
}

fn parse(text: &str) -> Result<Advisories> {
    let (head, _) = text.split_once('\n').context(FILE)?;
    ensure!(
        head.starts_with(HEAD),
        "{FILE}: the first line is not `{HEAD}..`"
    );
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let all = reader.deserialize().collect::<Result<_, _>>();
    Ok(Advisories {
        source: head.trim_start_matches("# ").to_owned(),
        all: all.context(FILE)?,
    })
}

impl Advisories {
    /// Those of the locked packages, but for the ignored; an ignored one that says nothing of them is a problem too.
    pub(super) fn of(&self, locked: &[Locked], ignored: &[&str], graph: &Graph) -> Result<Found> {
        let mut found = Found::default();
        let mut used = Vec::new();
        for advisory in &self.all {
            let of_package = locked
                .iter()
                .filter(|package| package.name == advisory.package);
            for package in of_package {
                let (id, version) = (&advisory.id, &package.version);
                if !advisory.is_vulnerable(version)? {
                    continue;
                }
                let text = format!(
                    "{} {version}: {id}, {}: {}",
                    package.name, advisory.kind, advisory.title
                );
                let direct = |of: &&super::graph::Package| of.name == package.name && of.is_direct;
                if ignored.contains(&id.as_str()) {
                    used.push(id.as_str());
                    found.notes.push(format!("{text} (ignored by deny.toml)"));
                } else if matches!(advisory.kind.as_str(), "unmaintained" | "notice")
                    && !graph.packages.iter().any(|package| direct(&package))
                {
                    found.notes.push(text);
                } else {
                    found.problems.push(text);
                }
            }
        }
        let unused = ignored.iter().filter(|id| !used.contains(*id));
        found.problems.extend(
            unused.map(|id| format!("deny.toml: [advisories] ignore: {id}: concerns no package")),
        );
        Ok(found)
    }
}

impl Advisory {
    fn is_vulnerable(&self, version: &Version) -> Result<bool> {
        for range in [&self.patched, &self.unaffected] {
            for part in range.split(';').filter(|part| !part.is_empty()) {
                let range = VersionReq::parse(part)
                    .with_context(|| format!("{FILE}: {}: `{part}`", self.id))?;
                if range.matches(version) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The head of an advisory's file.
#[derive(Deserialize)]
struct Front {
    advisory: Header,
    versions: Versions,
}

#[derive(Deserialize)]
struct Header {
    id: String,
    package: String,
    informational: Option<String>,
    withdrawn: Option<toml::Value>,
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// Writes the copy from a checkout of the database.
pub(super) fn take_up(project: &Project, folder: &Path) -> Result<()> {
    let sh = &project.shell;
    let format = "%H of %cs";
    let commit = cmd!(sh, "git -C {folder} log -1 --format={format}")
        .quiet()
        .read()?;
    let mut all = Vec::new();
    for package in
        fs::read_dir(folder.join("crates")).with_context(|| folder.display().to_string())?
    {
        for file in fs::read_dir(package?.path())? {
            let path = file?.path();
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            all.extend(advisory(&text).with_context(|| path.display().to_string())?);
        }
    }
    all.sort_by(|a, b| (&a.package, &a.id).cmp(&(&b.package, &b.id)));
    let mut text = String::new();
    writeln!(text, "{HEAD}{commit}")?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    for advisory in &all {
        writer.serialize(advisory)?;
    }
    text += std::str::from_utf8(&writer.into_inner()?)?;
    parse(&text)?;
    project::write(&project.root.join(FILE), text.as_bytes())?;
    println!("{FILE}: {} advisories of commit {commit}", all.len());
    Ok(())
}

/// Reads an advisory's file: its head as TOML between fences, then Markdown with the title. `None` if it was withdrawn.
fn advisory(text: &str) -> Result<Option<Advisory>> {
    let (_, rest) = text.split_once("```toml\n").context("no ```toml")?;
    let (head, body) = rest.split_once("```").context("no end of ```toml")?;
    let Front { advisory, versions } = toml::from_str(head)?;
    if advisory.withdrawn.is_some() {
        return Ok(None);
    }
    let title = body.lines().find_map(|line| line.strip_prefix("# "));
    Ok(Some(Advisory {
        id: advisory.id,
        package: advisory.package,
        kind: advisory
            .informational
            .unwrap_or_else(|| "vulnerability".to_owned()),
        patched: versions.patched.join(";"),
        unaffected: versions.unaffected.join(";"),
        title: title.unwrap_or_default().trim().to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::graph::Package;
    use super::*;

    const FRONT: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"a\"\ndate = \"2020-01-01\"\n\n\
        [versions]\npatched = [\">= 1.2.3\", \"^0.9.4\"]\nunaffected = [\"< 0.5\"]\n```\n\n# It fails, at times\n\nMore.\n";

    fn locked(name: &str, version: &str) -> Vec<Locked> {
        let text = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        toml::from_str(&text).into_iter().collect()
    }

    fn graph(direct: &[&str]) -> Graph {
        let packages = direct.iter().map(|name| Package {
            name: (*name).to_owned(),
            version: Version::new(1, 0, 0),
            licence: String::new(),
            is_direct: true,
        });
        Graph {
            packages: packages.collect::<BTreeSet<_>>(),
        }
    }

    fn advisories() -> Result<Advisories> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(advisory(FRONT)?.context("withdrawn")?)?;
        let rows = String::from_utf8(writer.into_inner()?)?;
        parse(&format!(
            "{HEAD}1 of 2026-01-01\n{rows}b,b,unmaintained,,,\"B, no more\"\n"
        ))
    }

    #[test]
    fn versions_that_are_neither_patched_nor_unaffected_are_found() -> Result<()> {
        let all = advisories()?;
        for (version, count) in [
            ("0.4.9", 0),
            ("0.9.3", 1),
            ("0.9.5", 0),
            ("1.2.2", 1),
            ("1.2.3", 0),
        ] {
            let found = all.of(&locked("a", version), &[], &graph(&[]))?;
            assert_eq!(found.problems.len(), count, "{version}");
        }
        let problem = all.of(&locked("a", "1.0.0"), &[], &graph(&[]))?.problems;
        assert_eq!(
            problem,
            ["a 1.0.0: RUSTSEC-2020-0001, vulnerability: It fails, at times"]
        );
        Ok(())
    }

    #[test]
    fn an_unmaintained_package_counts_where_the_workspace_names_it() -> Result<()> {
        let all = advisories()?;
        let found = all.of(&locked("b", "1.0.0"), &[], &graph(&["a"]))?;
        assert_eq!((found.problems.len(), found.notes.len()), (0, 1));
        let found = all.of(&locked("b", "1.0.0"), &[], &graph(&["b"]))?;
        assert_eq!((found.problems.len(), found.notes.len()), (1, 0));
        Ok(())
    }

    #[test]
    fn what_is_ignored_must_concern_a_package() -> Result<()> {
        let all = advisories()?;
        let ignored = ["RUSTSEC-2020-0001"];
        let found = all.of(&locked("a", "1.0.0"), &ignored, &graph(&[]))?;
        assert_eq!((found.problems.len(), found.notes.len()), (0, 1));
        let found = all.of(&locked("a", "1.2.3"), &ignored, &graph(&[]))?;
        assert_eq!(found.problems.len(), 1);
        Ok(())
    }

    #[test]
    fn a_withdrawn_advisory_is_left_out() -> Result<()> {
        let text = FRONT.replace("date = ", "withdrawn = \"2021-01-01\"\ndate = ");
        assert!(advisory(&text)?.is_none());
        assert!(advisory("# no head").is_err());
        assert!(parse("id,package\n").is_err());
        Ok(())
    }
}
