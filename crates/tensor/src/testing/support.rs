//! The committed table of support of a crate.

use std::path::Path;

use super::suite::{Failures, Suite};

/// Compares the suite's table with a committed file, or writes it where `REGIMEN_WRITE_SUPPORT` is set.
///
/// # Errors
/// The cases that failed; or how the file differs, or that it can't be read or written.
pub fn check_support(suite: Suite, file: impl AsRef<Path>) -> Result<(), Failures> {
    let file = file.as_ref();
    let table = suite.finish()?;
    let fail = |reason: String| Failures(vec![format!("{}: {reason}", file.display())]);
    if std::env::var_os("REGIMEN_WRITE_SUPPORT").is_some() {
        return std::fs::write(file, table).map_err(|error| fail(error.to_string()));
    }
    let committed = std::fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
    let new = table
        .lines()
        .filter(|line| !committed.lines().any(|old| old == *line));
    let old = committed
        .lines()
        .filter(|line| !table.lines().any(|new| new == *line));
    let differences: Vec<String> = old
        .map(|line| format!("- {line}"))
        .chain(new.map(|line| format!("+ {line}")))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    let hint = "set REGIMEN_WRITE_SUPPORT=1 to write what the suite found";
    Err(fail(format!("{hint}\n{}", differences.join("\n"))))
}
