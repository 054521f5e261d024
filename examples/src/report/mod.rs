//! The report: a table for the terminal, a page and the figures as JSON.

mod axis;
mod badge;
mod curves;
mod effect;
mod page;
mod picture;
#[cfg(test)]
mod sample;
mod section;
mod strip;
mod summary;
mod table;
mod terminal;
mod text;
mod tried;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

pub use terminal::table;

use crate::experiment::Finding;
use crate::runner::Found;

/// Writes `index.html` and `findings.json` into a folder.
///
/// # Errors
/// If a file can't be written; nothing is left half written.
pub fn write(folder: &Path, found: &[Found]) -> Result<()> {
    let page = page::render(found);
    let records: Vec<&Finding> = found.iter().map(|found| &found.finding).collect();
    let mut json = serde_json::to_string_pretty(&records)?;
    json.push('\n');
    write_atomically(&folder.join("findings.json"), json.as_bytes())?;
    write_atomically(&folder.join("index.html"), page.as_bytes())
}

/// Writes a file beside its place and renames it.
///
/// # Errors
/// If the folder can't be made or the file not be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    let kept = file.persist(path);
    let kept = kept.with_context(|| path.display().to_string())?;
    readable(&kept).with_context(|| path.display().to_string())
}

/// A temporary file is private to its owner; a report is not.
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    file.sync_all()
}
