//! `cargo xtask bench [filter]`: the criterion benches.

use anyhow::Result;
use clap::Args;
use xshell::cmd;

use crate::project::Project;

#[derive(Args)]
pub(crate) struct Options {
    /// Run only the benches whose name contains this
    filter: Option<String>,
}

/// Selects the bench from the whole workspace, so that Burn is the one that the tests compiled.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let sh = &project.shell;
    let filter = options.filter.as_slice();
    cmd!(sh, "cargo bench --workspace --bench regimen -- {filter...}").run()?;
    Ok(())
}
