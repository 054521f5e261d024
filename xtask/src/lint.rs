//! `cargo xtask lint`: format, clippy, rustdoc, licences of dependencies, each crate alone, packages.

use anyhow::{Context, Result, bail};
use clap::Args;
use xshell::cmd;

use crate::project::{Package, Project};

/// Files that every published crate must carry.
const PACKAGED: [&str; 4] = ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"];

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Install cargo-deny into target/tools where it is missing (two to three minutes on two cores)
    #[arg(long)]
    deny: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let sh = &project.shell;
    cmd!(sh, "cargo fmt --all --check")
        .run()
        .context("run `cargo fmt --all`")?;
    cmd!(
        sh,
        "cargo clippy --release --workspace --all-targets -- -D warnings"
    )
    .run()?;
    rustdoc(project)?;
    deny(project, options)?;
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

/// Licences, sources and versions of the dependencies, by the rules of `deny.toml`. Advisories are
/// left out: their list is fetched from the network, and would fail a build that changed nothing.
fn deny(project: &Project, options: &Options) -> Result<()> {
    let sh = &project.shell;
    let tools = project.target.join("tools");
    let own = tools
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let installed = cmd!(sh, "cargo deny --version")
        .quiet()
        .ignore_stderr()
        .read()
        .is_ok();
    if !installed && !own.is_file() {
        if !options.deny {
            println!(
                "cargo-deny is not installed: skipped (`cargo xtask lint --deny` installs it)"
            );
            return Ok(());
        }
        cmd!(sh, "cargo install cargo-deny --locked --root {tools}").run()?;
    }
    if installed {
        cmd!(sh, "cargo deny check bans licenses sources").run()?;
    } else {
        cmd!(sh, "{own} check bans licenses sources").run()?;
    }
    Ok(())
}

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
        if feature != "default" && !default.contains(feature) {
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
