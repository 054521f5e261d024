//! Versions that their authors have withdrawn ("yanked"), from cargo's copy of the registry's index.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::cmd;

use super::locked::Locked;
use crate::project::Project;

/// Brings the index up to date, and looks each locked version up.
pub(super) fn check(project: &Project, locked: &[Locked]) -> Result<Vec<String>> {
    let sh = &project.shell;
    // A dry run asks the registry for every package and changes nothing.
    let state = match cmd!(sh, "cargo update --dry-run --quiet")
        .quiet()
        .ignore_stderr()
        .run()
    {
        Ok(()) => "the registry's index of this moment".to_owned(),
        Err(error) => format!("an OLD copy of the registry's index (no connection: {error})"),
    };
    let folders = indexes()?;
    let problems = locked
        .iter()
        .filter_map(|package| problem(&folders, package).transpose())
        .collect::<Result<Vec<_>>>()?;
    println!(
        "supply: withdrawn versions among {} packages, by {state}",
        locked.len()
    );
    Ok(problems)
}

/// The copies of cargo's index.
fn indexes() -> Result<Vec<PathBuf>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folder = home.context("no home folder")?.join("registry/index");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let folders = entries.map(|entry| Ok(entry?.path().join(".cache")));
    folders.collect()
}

/// What is wrong with a version: it is withdrawn, or the index has no such version.
fn problem(folders: &[PathBuf], package: &Locked) -> Result<Option<String>> {
    let (name, version) = (&package.name, package.version.to_string());
    let mut is_known = false;
    for folder in folders {
        let path = folder.join(place(name));
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        match is_yanked(&bytes, &version) {
            Some(true) => return Ok(Some(format!("{name} {version}: withdrawn by its authors"))),
            Some(false) => is_known = true,
            None => {}
        }
    }
    Ok((!is_known).then(|| format!("{name} {version}: not in the index: not known if withdrawn")))
}

/// Where the index keeps a package.
fn place(name: &str) -> PathBuf {
    let name = name.to_lowercase();
    let folder = match name.len() {
        0..=2 => Path::new(&name.len().to_string()).to_path_buf(),
        3 => Path::new("3").join(&name[..1]),
        _ => Path::new(&name[..2]).join(&name[2..4]),
    };
    folder.join(name)
}

/// Whether this version is withdrawn, from cargo's copy: a head, then for each version its number and its line of JSON, all
/// ended by a zero byte. `None` if there is no such version.
fn is_yanked(bytes: &[u8], version: &str) -> Option<bool> {
    let lines = bytes.split(|byte| *byte == 0);
    let mut entries = lines
        .filter(|line| line.first() == Some(&b'{'))
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let entry = entries.find(|entry| entry["vers"] == version)?;
    entry["yanked"].as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_the_index() {
        for (name, wanted) in [
            ("a", "1/a"),
            ("ab", "2/ab"),
            ("Abc", "3/a/abc"),
            ("rand_core", "ra/nd/rand_core"),
        ] {
            assert_eq!(place(name), Path::new(wanted));
        }
    }

    #[test]
    fn a_withdrawn_version_is_found() {
        let bytes = b"\x03\x02\0\0\0etag: \"x\"\0\
            1.0.0\0{\"vers\": \"1.0.0\", \"yanked\": true}\0\
            1.0.1\0{\"vers\": \"1.0.1\", \"yanked\": false}\0";
        assert_eq!(is_yanked(bytes, "1.0.0"), Some(true));
        assert_eq!(is_yanked(bytes, "1.0.1"), Some(false));
        assert_eq!(is_yanked(bytes, "1.0.2"), None);
    }

    #[test]
    fn a_package_that_the_index_lacks_is_a_problem() -> Result<()> {
        let package = toml::from_str("name = \"none\"\nversion = \"1.0.0\"\n")?;
        let problem = problem(&[PathBuf::from("no-such-folder")], &package)?;
        assert!(problem.is_some_and(|text| text.contains("not in the index")));
        Ok(())
    }
}
