//! `cargo xtask bench [filter]`: the criterion benches, and with `--peers` the same work in other libraries.

mod peers;

use anyhow::Result;
use clap::Args;
use xshell::cmd;

use crate::project::Project;

#[derive(Args)]
pub(crate) struct Options {
    /// Run only the benches whose name contains this; no other is set up
    filter: Option<String>,

    /// Take turns with other libraries, in a virtual environment that is made where it is not there, and write target/bench/peers.json
    #[arg(long)]
    peers: bool,

    /// Keep the pairs as the record, docs/peers.json, from which the book's table is made
    #[arg(long, requires = "peers")]
    record: bool,
}

/// Selects the bench from the whole workspace, so that Burn is the one that the tests compiled.
pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let filter = options.filter.as_deref();
    if options.peers {
        return peers::run(project, filter, options.record);
    }
    let (sh, filter) = (&project.shell, filter.as_slice());
    cmd!(sh, "cargo bench --workspace --bench regimen -- {filter...}").run()?;
    Ok(())
}
