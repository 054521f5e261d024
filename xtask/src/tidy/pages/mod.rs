//! The figures on the systems' pages, from the record: `<!-- finding:begin -->`, and tables of arms, `<!-- arms:begin -->`.

mod arms;
mod finding;
mod number;
mod text;

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::region;
use super::systems::System;
use crate::project::Project;
use crate::record::{self, RECORD};

/// What stands where the record has nothing of the system.
const UNRECORDED: &str = "Not recorded yet.";

/// Compares each system's page with the record, or writes it. A page without the marker of its finding is a problem.
pub(super) fn check(project: &Project, systems: &[System], fix: bool) -> Result<Vec<String>> {
    let path = project.root.join(RECORD);
    let findings = if path.is_file() {
        record::read(&path)?
    } else {
        Vec::new()
    };
    let mut problems = Vec::new();
    for system in systems {
        let Some(page) = system.page(project)? else {
            continue; // The list of contents asks for it.
        };
        let finding = findings
            .iter()
            .find(|finding| record::system(finding) == system.name);
        problems.extend(check_page(project, &page, finding, fix)?);
    }
    Ok(problems)
}

fn check_page(
    project: &Project,
    page: &Path,
    finding: Option<&Value>,
    fix: bool,
) -> Result<Vec<String>> {
    let unrecorded = || UNRECORDED.to_owned();
    let text = finding.map_or_else(unrecorded, finding::region);
    let mut problems: Vec<String> = region::compare(project, page, "finding", &text, fix)?
        .into_iter()
        .collect();
    if region::has(&project.read(page)?, "arms") {
        problems.extend(region::compare_each(
            project,
            page,
            "arms",
            fix,
            |attributes| {
                finding.map_or_else(
                    || Ok(unrecorded()),
                    |finding| arms::region(finding, attributes),
                )
            },
        )?);
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::systems::tests::{experiment, put};
    use super::super::systems::{self};
    use super::*;

    const PAGE: &str = "docs/src/pruning/granet.md";
    const MARKERS: &str = "# GraNet\n\nWords.\n\n<!-- finding:begin -->\n<!-- finding:end -->\n\nMore.\n\n\
        <!-- arms:begin digits=\"1\" -->\n<!-- arms:end -->\n\n<!-- arms:begin metrics=\"updates\" -->\n<!-- arms:end -->\n";

    fn tree(root: &Path, page: &str, findings: &Value) -> Result<Project> {
        put(
            root,
            "examples/src/pruning/granet.rs",
            &experiment("granet", 30),
        )?;
        put(root, PAGE, page)?;
        put(root, RECORD, &findings.to_string())?;
        Project::at(root)
    }

    fn problems(project: &Project, fix: bool) -> Result<Vec<String>> {
        check(project, &systems::read(project)?.0, fix)
    }

    fn recorded() -> Value {
        let arm = json!({ "main": { "mean": 96.875, "se": 0.16 }, "updates": { "mean": 7.0, "se": 0.0 } });
        json!([{ "system": "granet", "verdict": "holds", "metric": "accuracy", "unit": "%", "arms": { "granet": arm },
            "method": { "arm": "granet", "mean": 96.875, "se": 0.16 }, "seeds": [0, 1, 2] }])
    }

    #[test]
    fn figures_are_compared_and_written() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path(), MARKERS, &recorded())?;
        assert_eq!(problems(&project, false)?.len(), 2);
        assert!(problems(&project, true)?.is_empty());
        assert!(problems(&project, false)?.is_empty());
        let page = project.read(PAGE)?;
        assert!(page.contains("The finding: **holds**."), "{page}");
        assert!(page.contains("| **granet** | 96.9 ± 0.2 |"), "{page}");
        assert!(page.contains("| **granet** | 7 |"), "{page}");
        assert!(page.contains("Words.") && page.contains("More."));
        put(
            folder.path(),
            PAGE,
            &page.replace("96.9 ± 0.2", "99.9 ± 0.0"),
        )?;
        assert_eq!(problems(&project, false)?.len(), 1);
        Ok(())
    }

    #[test]
    fn a_page_without_markers_is_a_problem() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path(), "# GraNet\n", &recorded())?;
        let problems = problems(&project, true)?;
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("<!-- finding:begin -->"));
        Ok(())
    }

    #[test]
    fn a_system_that_is_not_recorded_says_so() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path(), MARKERS, &json!([]))?;
        assert!(problems(&project, true)?.is_empty());
        assert_eq!(project.read(PAGE)?.matches(UNRECORDED).count(), 3);
        Ok(())
    }

    #[test]
    fn a_marker_that_names_no_arm_is_a_problem_and_changes_nothing() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let text = MARKERS.replace("digits=\"1\"", "arms=\"rigl\"");
        let project = tree(folder.path(), &text, &recorded())?;
        let problems = problems(&project, true)?;
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("no arm `rigl`"), "{problems:?}");
        assert!(
            project
                .read(PAGE)?
                .contains("arms=\"rigl\" -->\n<!-- arms:end -->")
        );
        Ok(())
    }
}
