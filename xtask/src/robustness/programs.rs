//! The test programs of the libraries and of the examples, and the tests that each holds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::cmd;

use crate::project::Project;

/// One test of one program.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) package: String,
    /// The folder of the package.
    pub(super) folder: PathBuf,
    pub(super) program: PathBuf,
    pub(super) name: String,
}

/// Builds the test programs as `cargo xtask test` does, and lists their tests.
pub(super) fn build(project: &Project) -> Result<Vec<Test>> {
    let sh = &project.shell;
    let quick = project.quick();
    let text = cmd!(
        sh,
        "cargo {quick...} test --release --workspace --tests --no-run --message-format=json"
    )
    .read()?;
    let mut tests = Vec::new();
    for package in &project.packages {
        let folder = project.root.join(&package.folder);
        let is_shown =
            package.folder.starts_with("crates") || package.folder == Path::new("examples");
        if !is_shown {
            continue;
        }
        for program in programs(&text, &folder.join("Cargo.toml")) {
            let _folder = sh.push_dir(&folder);
            let list = cmd!(sh, "{program} --list --format terse").quiet().read();
            let list = list.with_context(|| program.display().to_string())?;
            tests.extend(names(&list).map(|name| Test {
                package: package.name.clone(),
                folder: folder.clone(),
                program: program.clone(),
                name: name.to_owned(),
            }));
        }
    }
    Ok(tests)
}

/// The test programs of one package, from cargo's messages.
fn programs(messages: &str, manifest: &Path) -> Vec<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| {
            message["manifest_path"].as_str().map(Path::new) == Some(manifest)
                && message["profile"]["test"] == true
        })
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .collect()
}

/// The names of the tests in the harness's list.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter_map(|line| line.strip_suffix(": test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_those_of_the_package() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","profile":{"test":true},"executable":"/t/a"}
{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","profile":{"test":false},"executable":"/t/main"}
{"reason":"compiler-artifact","manifest_path":"/b/Cargo.toml","profile":{"test":true},"executable":"/t/b"}
{"reason":"build-finished","success":true}"#;
        let found = programs(messages, Path::new("/a/Cargo.toml"));
        assert_eq!(found, [Path::new("/t/a")]);
    }

    #[test]
    fn benches_are_no_tests() {
        let list = "states::all: test\nspeed: benchmark\n";
        assert_eq!(names(list).collect::<Vec<_>>(), ["states::all"]);
    }
}
