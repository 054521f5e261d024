//! `cargo xtask test`: every test, and every package's learner examples.

use anyhow::{Context, Result};
use clap::Args;
use xshell::cmd;

use crate::backend::Backend;
use crate::project::Project;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Where the tensors live; on any but flex only the smoke tests of each crate run
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    pub(crate) backend: Backend,
    /// Draws the random cases of the property tests by this seed, in place of the same ones in every run
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Build DataFusion, without Burn, and run only the tests of what is offered to it
    #[arg(long)]
    pub(crate) datafusion: bool,
}

/// The feature that brings DataFusion. Nothing else builds it: it takes minutes.
pub(crate) const DATAFUSION: &str = "regimen-datafusion/datafusion";

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let sh = &project.shell;
    if options.datafusion {
        return datafusion(project);
    }
    let name = options.backend.name();
    let _device = sh.push_env("BURN_DEVICE", name);
    let _seed = options
        .seed
        .map(|seed| sh.push_env("PROPTEST_RNG_SEED", seed.to_string()));
    if matches!(options.backend, Backend::Flex) {
        let quick = project.quick();
        cmd!(sh, "cargo {quick...} test --release --workspace").run()?;
        return learners(project);
    }
    // One program a crate, so that one build of Burn serves all.
    let programs = project.libraries().flat_map(|package| &package.tests);
    let programs: Vec<_> = programs.flat_map(|name| ["--test", name]).collect();
    cmd!(
        sh,
        "cargo test --release --workspace --features burn/{name} {programs...} -- smoke"
    )
    .run()?;
    Ok(())
}

/// Quickly built, since the time goes into compiling. A part of the workspace alone: Burn is none of it.
fn datafusion(project: &Project) -> Result<()> {
    let sh = &project.shell;
    let quick = ["--config", "profile.dev.debug=0"];
    let packages = ["-p", "regimen-datafusion", "--features", DATAFUSION];
    cmd!(sh, "cargo test {quick...} {packages...}").run()?;
    Ok(())
}

/// Runs the learner examples that `cargo test` has just built. `cargo run -p` would choose the
/// features of one package alone, and compile Burn again for them.
fn learners(project: &Project) -> Result<()> {
    let sh = &project.shell;
    let folder = project.target.join("release").join("examples");
    for package in &project.packages {
        for example in package
            .examples
            .iter()
            .filter(|name| name.starts_with("learner-"))
        {
            let program = folder.join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
            cmd!(sh, "{program}")
                .run()
                .with_context(|| format!("example of {}", package.name))?;
        }
    }
    Ok(())
}
