//! The generated part of a file, between two markers.

use std::path::Path;

use anyhow::Result;

use crate::project::{self, Project};

/// Compares the part between `<!-- name:begin -->` and `<!-- name:end -->` with what it should be,
/// or writes it. Returns the problem, if one is left.
pub(super) fn compare(
    project: &Project,
    path: &Path,
    name: &str,
    wanted: &str,
    fix: bool,
) -> Result<Option<String>> {
    let text = project.read(path)?;
    let file = path.display();
    let Some(new) = replaced(&text, name, wanted) else {
        return Ok(Some(format!(
            "{file}: no markers <!-- {name}:begin --> and <!-- {name}:end -->"
        )));
    };
    if new == text {
        return Ok(None);
    }
    if fix {
        project::write(&project.root.join(path), new.as_bytes())?;
        println!("{file}: {name} table written");
        return Ok(None);
    }
    Ok(Some(format!(
        "{file}: {name} table is not up to date: `cargo xtask tidy --fix`"
    )))
}

/// The text with another part between the markers; `None` where they are missing.
fn replaced(text: &str, name: &str, wanted: &str) -> Option<String> {
    let begin = format!("<!-- {name}:begin -->");
    let end = format!("<!-- {name}:end -->");
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!(
        "{before}{begin}\n{}\n{end}{after}",
        wanted.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_between_the_markers_only() {
        let text = "a\n<!-- t:begin -->\nold\n<!-- t:end -->\nb\n";
        let new = replaced(text, "t", "| x |\n").unwrap_or_default();
        assert_eq!(new, "a\n<!-- t:begin -->\n| x |\n<!-- t:end -->\nb\n");
        assert_eq!(
            replaced(&new, "t", "| x |\n").as_deref(),
            Some(new.as_str())
        );
    }

    #[test]
    fn missing_markers() {
        assert_eq!(replaced("a <!-- t:begin --> b", "t", ""), None);
    }
}
