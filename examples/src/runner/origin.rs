//! Where a finding was made: machine, device and commit.

use std::process::{Command, Stdio};

use sysinfo::System;

use crate::experiment::{Context, Origin};

pub(super) fn of(context: &Context) -> Origin {
    Origin {
        machine: machine(),
        backend: backend(context),
        commit: commit().unwrap_or_else(|| "unknown".to_owned()),
    }
}

/// The name of Burn's device, without the type around it.
fn backend(context: &Context) -> String {
    let name = format!("{:?}", context.device.clone().inner());
    let inside = name.strip_prefix("Device<");
    let inside = inside.and_then(|name| name.strip_suffix('>'));
    inside.unwrap_or(&name).to_owned()
}

/// The processor's name and how many cores this program may use.
fn machine() -> String {
    let mut system = System::new();
    system.refresh_cpu_all();
    let name = system.cpus().first().map(|cpu| cpu.brand().trim());
    let name = name.filter(|name| !name.is_empty()).unwrap_or("processor");
    match cores() {
        1 => format!("{name}, 1 core"),
        cores => format!("{name}, {cores} cores"),
    }
}

/// How many cores this program may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The commit of the tree that the program is run in, with `+` if files that git tracks differ from it.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output = command
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then_some(output.stdout)
    };
    let head = String::from_utf8(git(&["rev-parse", "--short=10", "HEAD"])?).ok()?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let mark = if changes.is_empty() { "" } else { "+" };
    Some(format!("{}{mark}", head.trim()))
}
