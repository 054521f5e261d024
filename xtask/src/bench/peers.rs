//! The same work in other libraries, in turns: environment, run, and what is kept of it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use xshell::cmd;

use crate::project::Project;
use crate::tidy::peers::RECORD;

/// The folder of the scripts.
const SCRIPTS: &str = "benches/peers";

/// Variables that hold numerical libraries to settings that are not this machine's.
const HELD: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/// Runs every pair, or those whose bench has this in its name.
pub(super) fn run(project: &Project, filter: Option<&str>, record: bool) -> Result<()> {
    let sh = &project.shell;
    let python = python(project)?;
    let folder = project.target.join("bench");
    std::fs::create_dir_all(&folder)?;
    let lines = folder.join("peers.jsonl");
    if lines.is_file() {
        std::fs::remove_file(&lines)?;
    }
    let filter = filter.map_or_else(|| "peer".to_owned(), bench);
    let mut command = cmd!(sh, "cargo bench --workspace --bench regimen -- {filter}")
        .env("PEER_PYTHON", python)
        .env("PEER_PAIRS", &lines);
    for name in HELD {
        command = command.env_remove(name);
    }
    command.run()?;
    ensure!(
        lines.is_file(),
        "no bench beside a peer has `{filter}` in its name"
    );
    let pairs = pairs(&std::fs::read_to_string(&lines)?)?;
    let found = json!({ "machine": machine(), "pairs": pairs });
    let text = serde_json::to_string_pretty(&found)? + "\n";
    let out = folder.join("peers.json");
    std::fs::write(&out, &text).with_context(|| out.display().to_string())?;
    println!("{}: {} pairs", out.display(), pairs.len());
    if record {
        std::fs::write(project.root.join(RECORD), text)?;
        println!("{RECORD}; `cargo xtask tidy --fix` writes the table");
    }
    Ok(())
}

/// The benches beside a peer end on `-peer`.
fn bench(filter: &str) -> String {
    if filter.contains("peer") {
        filter.to_owned()
    } else {
        format!("{filter}-peer")
    }
}

/// The interpreter of the environment, which is made where it is not there or of other versions. `PEER_PYTHON` names another one.
fn python(project: &Project) -> Result<PathBuf> {
    if let Some(python) = std::env::var_os("PEER_PYTHON") {
        return Ok(python.into());
    }
    let scripts = project.root.join(SCRIPTS);
    let made = scripts.join(".venv");
    let of = |file: &Path| std::fs::read_to_string(file).ok();
    let wanted = of(&scripts.join("requirements.txt"));
    if of(&made.join("requirements.txt")) != wanted {
        let (sh, setup) = (&project.shell, scripts.join("setup.sh"));
        cmd!(sh, "sh {setup}").run()?;
    }
    Ok(made.join("bin/python"))
}

/// The pairs of a run, a line each.
fn pairs(lines: &str) -> Result<Vec<Value>> {
    let read = |line: &str| serde_json::from_str(line).with_context(|| line.to_owned());
    lines.lines().map(read).collect()
}

/// The processor and how many of its cores there are.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = cpus.lines().filter(|line| line.starts_with("model name"));
    let name = names
        .filter_map(|line| line.split_once(": "))
        .map(|(_, name)| name.trim())
        .next();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", name.unwrap_or(std::env::consts::ARCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_a_bench_beside_a_peer() {
        assert_eq!(bench("moe"), "moe-peer");
        assert_eq!(bench("moe-peer"), "moe-peer");
    }

    #[test]
    fn a_line_is_a_pair() -> Result<()> {
        let found = pairs("{\"path\": \"a\"}\n{\"path\": \"b\"}\n")?;
        assert_eq!(found.len(), 2);
        assert_eq!(found[1]["path"], "b");
        assert!(pairs("{\"path\": NaN}").is_err());
        Ok(())
    }
}
