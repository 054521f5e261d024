//! The report: a table for the terminal, a page and the figures as JSON.

mod page;
mod plot;

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};

use crate::experiment::{Finding, Summary};
use crate::runner::Found;

/// The table of findings for a terminal, at most 100 columns wide.
#[must_use]
pub fn table(found: &[Found]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(100);
    table.set_header([
        "system",
        "paper's effect",
        "baseline",
        "method",
        "margin",
        "outcome",
    ]);
    for Found { finding, .. } in found {
        table.add_row([
            finding.system.clone(),
            finding.paper_effect.name().to_owned(),
            with_error(&finding.baseline),
            with_error(&finding.method),
            margin(finding),
            finding.outcome.name().to_owned(),
        ]);
    }
    table
}

/// The smallest margin of the checks, in standard errors.
fn margin(finding: &Finding) -> String {
    let margins = finding.checks.iter().filter_map(|check| check.margin);
    margins
        .reduce(f64::min)
        .map_or_else(|| "exact".to_owned(), |least| format!("{least:.1} se"))
}

/// Writes `index.html` and `findings.json` into a folder.
///
/// # Errors
/// If a file can't be written; nothing is left half written.
pub fn write(folder: &Path, found: &[Found]) -> Result<()> {
    let page = page::render(found)?;
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

pub(crate) fn metric(finding: &Finding) -> String {
    let direction = match finding.better {
        crate::Better::Higher => "higher is better",
        crate::Better::Lower => "lower is better",
    };
    format!("{} ({}, {direction})", finding.metric, finding.unit)
}

pub(crate) fn with_error(summary: &Summary) -> String {
    let digits = if summary.mean.abs() >= 10.0 { 2 } else { 4 };
    format!(
        "{}: {:.digits$} ± {:.digits$}",
        summary.arm, summary.mean, summary.se
    )
}
