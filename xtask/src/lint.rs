//! `cargo xtask lint`: format, clippy, rustdoc, the supply chain, each crate alone, packages.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use xshell::cmd;

use crate::project::{Package, Project};
use crate::supply;

/// Files that every published crate must carry.
const PACKAGED: [&str; 4] = ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"];

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Run cargo-deny as well, with RustSec's newest advisories from the network; it is installed into target/tools where
    /// it is missing (three minutes on two cores)
    #[arg(long)]
    deny: bool,
    /// Take the advisories of this checkout of RustSec's database into xtask/advisories.csv, then check the supply chain only
    #[arg(long, value_name = "DIR")]
    advisories: Option<PathBuf>,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let sh = &project.shell;
    if let Some(folder) = &options.advisories {
        supply::take_up(project, &std::path::absolute(folder)?)?;
        return supply::check(project);
    }
    cmd!(sh, "cargo fmt --all --check")
        .run()
        .context("run `cargo fmt --all`")?;
    cmd!(
        sh,
        "cargo clippy --release --workspace --all-targets -- -D warnings"
    )
    .run()?;
    rustdoc(project)?;
    supply::check(project)?;
    if options.deny {
        deny(project)?;
    }
    for package in project.libraries() {
        alone(project, package)?;
        packaged(project, package)?;
    }
    Ok(())
}

/// Rustdoc of the workspace's own crates, where a warning is an error.
pub(crate) fn rustdoc(project: &Project) -> Result<()> {
    let sh = &project.shell;
    let _flags = sh.push_env("RUSTDOCFLAGS", "-D warnings");
    cmd!(sh, "cargo doc --release --workspace --no-deps").run()?;
    Ok(())
}

/// The same rules by cargo-deny, which fetches the newest advisories.
fn deny(project: &Project) -> Result<()> {
    let sh = &project.shell;
    let tools = project.target.join("tools");
    let own = tools
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !own.is_file() {
        cmd!(sh, "cargo install cargo-deny --locked --root {tools}").run()?;
    }
    cmd!(sh, "{own} check").run()?;
    Ok(())
}

/// A feature that `cargo xtask test --datafusion` builds, and nothing else: it takes minutes.
const LARGE: &str = "datafusion";

/// Checks a crate by itself: without features, with its default, and with each other feature alone.
fn alone(project: &Project, package: &Package) -> Result<()> {
    let sh = &project.shell;
    let name = &package.name;
    cmd!(sh, "cargo check --release -p {name} --no-default-features").run()?;
    let default = package.features.get("default").cloned().unwrap_or_default();
    if !default.is_empty() {
        cmd!(sh, "cargo check --release -p {name}").run()?;
    }
    for feature in package.features.keys() {
        if feature != "default" && feature != LARGE && !default.contains(feature) {
            cmd!(
                sh,
                "cargo check --release -p {name} --no-default-features --features {feature}"
            )
            .run()?;
        }
    }
    Ok(())
}

/// What a published crate would contain.
fn packaged(project: &Project, package: &Package) -> Result<()> {
    let sh = &project.shell;
    let name = &package.name;
    let list = cmd!(sh, "cargo package --list --allow-dirty -p {name}").read()?;
    for file in PACKAGED {
        if !list.lines().any(|line| line == file) {
            bail!(
                "{}: the package would lack {file}",
                package.folder.display()
            );
        }
    }
    Ok(())
}
