//! Both licences stand at the root, and each published crate carries them.

use std::path::Path;

use anyhow::Result;

use crate::project::Project;

const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for licence in LICENCES {
        let text = project.read(licence).ok();
        if text.is_none() {
            problems.push(format!("{licence}: missing"));
        }
        for package in project.libraries() {
            let path = package.folder.join(licence);
            if project.read(&path).ok() != text {
                problems.push(format!("{}: {}", path.display(), advice(&path)));
            }
        }
    }
    Ok(problems)
}

fn advice(path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new("")).display();
    let name = path.file_name().unwrap_or_default().display();
    format!("missing or another text than the root's: `ln -sf ../../{name} {folder}/`")
}
