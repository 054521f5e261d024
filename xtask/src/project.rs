//! What cargo knows of the workspace: where it lies, its packages, their features and descriptions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use xshell::{Shell, cmd};

/// Folders that hold Rust source.
pub(crate) const SOURCES: [&str; 4] = ["crates", "examples", "benches", "xtask"];

/// One package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The package's folder, relative to the root: `crates/pruning`.
    pub(crate) folder: PathBuf,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) examples: Vec<String>,
    /// The integration tests, each a program of its own.
    pub(crate) tests: Vec<String>,
    /// The packages that it depends on, but for its tests.
    pub(crate) dependencies: Vec<String>,
    /// The root file of each library, program, test and bench, relative to the workspace's root.
    pub(crate) roots: Vec<PathBuf>,
}

/// The workspace, and a shell that stands at its root.
pub(crate) struct Project {
    pub(crate) shell: Shell,
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    /// The address of the repository, without a slash at the end.
    pub(crate) repository: String,
    pub(crate) packages: Vec<Package>,
}

impl Project {
    /// Reads `cargo metadata`.
    pub(crate) fn open() -> Result<Self> {
        let shell = Shell::new()?;
        let text = cmd!(shell, "cargo metadata --no-deps --format-version 1")
            .quiet()
            .read()?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
        let root = PathBuf::from(string(&metadata, "workspace_root")?);
        let packages = list(&metadata, "packages")
            .iter()
            .map(|package| read_package(package, &root))
            .collect::<Result<Vec<_>>>()?;
        let repository = list(&metadata, "packages")
            .iter()
            .find_map(|package| package["repository"].as_str())
            .unwrap_or_default();
        shell.change_dir(&root);
        Ok(Self {
            target: PathBuf::from(string(&metadata, "target_directory")?),
            repository: repository.trim_end_matches('/').to_owned(),
            shell,
            root,
            packages,
        })
    }

    /// A tree that cargo knows nothing of, for tests.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(root);
        Ok(Self {
            shell,
            root: root.to_path_buf(),
            target: root.join("target"),
            repository: String::new(),
            packages: Vec::new(),
        })
    }

    /// The packages under `crates/`, by name.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.folder.starts_with("crates"))
    }

    /// Arguments for cargo by which the workspace's own crates compile with few optimisations: for tests, whose time goes into
    /// compiling them and into Burn, which keeps its own. What tests compute is the same to the bit.
    pub(crate) fn quick(&self) -> Vec<String> {
        let own = self
            .packages
            .iter()
            .filter(|package| package.name != "xtask");
        own.flat_map(|package| {
            let name = &package.name;
            [
                "--config".to_owned(),
                format!("profile.release.package.{name}.opt-level=1"),
            ]
        })
        .collect()
    }

    /// The program that holds the experiments, once it is built.
    pub(crate) fn runner(&self) -> PathBuf {
        let name = format!("regimen-examples{}", std::env::consts::EXE_SUFFIX);
        self.target.join("release").join(name)
    }

    /// Reads a file of the tree.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        fs::read_to_string(self.root.join(path)).with_context(|| path.display().to_string())
    }

    /// Every file under these folders whose name ends so, relative to the root, sorted.
    pub(crate) fn files(&self, folders: &[&str], extension: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for folder in folders {
            walk(&self.root.join(folder), extension, &mut found)?;
        }
        let mut found: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(&self.root).unwrap_or(path).to_path_buf())
            .collect();
        found.sort();
        Ok(found)
    }
}

/// Writes a whole file: to a temporary one beside it, which is then renamed.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    fs::write(&temporary, contents)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| path.display().to_string())
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, extension, found)?;
        } else if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    Ok(())
}

fn read_package(package: &Value, root: &Path) -> Result<Package> {
    let manifest = PathBuf::from(string(package, "manifest_path")?);
    let folder = manifest
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok());
    let targets = |wanted: &str| {
        list(package, "targets")
            .iter()
            .filter(|target| list(target, "kind").iter().any(|kind| kind == wanted))
            .filter_map(|target| target["name"].as_str().map(str::to_owned))
            .collect()
    };
    let dependencies = list(package, "dependencies")
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect();
    let roots = list(package, "targets")
        .iter()
        .filter_map(|target| target["src_path"].as_str())
        .map(|path| {
            Path::new(path)
                .strip_prefix(root)
                .unwrap_or(Path::new(path))
        })
        .map(Path::to_path_buf)
        .collect();
    Ok(Package {
        name: string(package, "name")?.to_owned(),
        description: package["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        folder: folder.unwrap_or(Path::new("")).to_path_buf(),
        features: serde_json::from_value(package["features"].clone())?,
        examples: targets("example"),
        tests: targets("test"),
        dependencies,
        roots,
    })
}

fn string<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key]
        .as_str()
        .ok_or_else(|| anyhow!("cargo metadata: no {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
