//! The lists of systems: the experiments' modules, the runner's table, and the entries of the book.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::region;
use super::systems::{BOOK, EXPERIMENTS, System};
use crate::project::Project;

/// The crate root of the experiments.
pub(crate) const ROOT: &str = "examples/src/lib.rs";

/// The book's order.
pub(crate) const SUMMARY: &str = "docs/src/SUMMARY.md";

/// What is not up to date in the lists, or writes them.
pub(crate) fn check(project: &Project, systems: &[System], fix: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let modules: BTreeSet<&str> = systems
        .iter()
        .map(|system| system.module.as_str())
        .collect();
    for module in &modules {
        let file = Path::new(EXPERIMENTS).join(module).join("mod.rs");
        let own: BTreeSet<String> = systems
            .iter()
            .filter(|system| system.module == *module)
            .map(System::module_of_its_own)
            .collect();
        let lines = declarations(own.iter().map(String::as_str));
        problems.extend(region::compare(project, &file, "systems", &lines, fix)?);
    }
    let lines = declarations(modules.into_iter());
    let root = Path::new(ROOT);
    problems.extend(region::compare(project, root, "crates", &lines, fix)?);
    let lines = table(systems);
    problems.extend(region::compare(project, root, "systems", &lines, fix)?);
    problems.extend(summary(project, systems, fix)?);
    Ok(problems)
}

/// Declarations in rustfmt's order; blank lines keep the markers out of it.
fn declarations<'a>(modules: impl Iterator<Item = &'a str>) -> String {
    let lines: String = modules
        .map(|module| format!("pub mod {module};\n"))
        .collect();
    format!("\n{lines}\n")
}

/// The elements of the runner's table.
fn table(systems: &[System]) -> String {
    let path = |system: &System| format!("{}::{}", system.module, system.module_of_its_own());
    let lines = systems
        .iter()
        .map(|system| format!("{}::SYSTEM,\n", path(system)));
    lines.collect()
}

/// The entries under each guide: `<!-- systems:begin guide="pruning" -->` in the list of contents.
fn summary(project: &Project, systems: &[System], fix: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut pages = Vec::new();
    for system in systems {
        match system.page(project)? {
            Some(page) => pages.push(page),
            None => problems.push(format!("{BOOK}: no page {}.md", system.name)),
        }
    }
    let mut left: BTreeSet<PathBuf> = pages.iter().cloned().collect();
    let entries = |attributes: &region::Attributes| {
        attributes.only(&["guide"])?;
        let guide = attributes.get("guide").ok_or("a marker without `guide`")?;
        let mut lines = String::new();
        for page in &pages {
            let Ok(inside) = page.strip_prefix(BOOK) else {
                continue;
            };
            if inside.parent() == Some(Path::new(guide)) {
                left.remove(page);
                let text = project.read(page).map_err(|error| format!("{error:#}"))?;
                let title = title(&text).ok_or_else(|| format!("{}: no title", page.display()))?;
                lines += &format!("- [{title}]({})\n", slashes(inside));
            }
        }
        Ok(lines)
    };
    let found = region::compare_each(project, Path::new(SUMMARY), "systems", fix, entries)?;
    let reached = found.is_empty();
    problems.extend(found);
    if reached {
        problems.extend(left.iter().map(|page| {
            let guide = page.parent().and_then(Path::file_name).unwrap_or_default();
            let guide = guide.display();
            let page = page.display();
            format!("{SUMMARY}: no markers <!-- systems:begin guide=\"{guide}\" --> for {page}")
        }));
    }
    Ok(problems)
}

/// The first heading of a page.
fn title(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("# "))
}

fn slashes(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::super::systems::tests::{experiment, put};
    use super::super::systems::{self};
    use super::*;

    const LIB: &str = "//! Doc.\n\n// crates:begin\n// crates:end\n\npub mod data;\n\n\
        /// All.\npub const SYSTEMS: &[System] = &[\n    // systems:begin\n    old::SYSTEM,\n    // systems:end\n];\n";
    const MOD: &str = "//! Experiments.\n\n// systems:begin\n// systems:end\n\nmod shared;\n";
    const CONTENTS: &str = "- [Moe](moe.md)\n  <!-- systems:begin guide=\"moe\" -->\n  <!-- systems:end -->\n\
        - [Pruning](pruning.md)\n  <!-- systems:begin guide=\"pruning\" -->\n  <!-- systems:end -->\n  - [More](pruning/more.md)\n";

    fn tree(root: &Path) -> Result<Project> {
        put(root, ROOT, LIB)?;
        put(root, SUMMARY, CONTENTS)?;
        for module in ["moe", "pruning"] {
            put(root, &format!("examples/src/{module}/mod.rs"), MOD)?;
        }
        for (name, number, module) in [
            ("granet", 30, "pruning"),
            ("continual-dst", 33, "pruning"),
            ("balance", 24, "moe"),
        ] {
            let own = name.replace('-', "_");
            put(
                root,
                &format!("examples/src/{module}/{own}.rs"),
                &experiment(name, number),
            )?;
            put(
                root,
                &format!("docs/src/{module}/{name}.md"),
                &format!("# The {name}\n"),
            )?;
        }
        Project::at(root)
    }

    fn problems(project: &Project, fix: bool) -> Result<Vec<String>> {
        check(project, &systems::read(project)?.0, fix)
    }

    #[test]
    fn lists_are_written_and_then_up_to_date() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        assert_eq!(
            problems(&project, false)?.len(),
            5,
            "{:?}",
            problems(&project, false)?
        );
        assert!(problems(&project, true)?.is_empty());
        assert!(problems(&project, false)?.is_empty());
        let root = project.read(ROOT)?;
        assert!(
            root.contains("// crates:begin\n\npub mod moe;\npub mod pruning;\n\n// crates:end")
        );
        assert!(root.contains(
            "    // systems:begin\n    moe::balance::SYSTEM,\n    pruning::granet::SYSTEM,\n    \
             pruning::continual_dst::SYSTEM,\n    // systems:end\n];"
        ));
        let pruning = project.read("examples/src/pruning/mod.rs")?;
        assert!(pruning.contains("\n\npub mod continual_dst;\npub mod granet;\n\n// systems:end"));
        let contents = project.read(SUMMARY)?;
        assert!(contents.contains(
            "guide=\"pruning\" -->\n  - [The granet](pruning/granet.md)\n  - [The continual-dst]\
             (pruning/continual-dst.md)\n  <!-- systems:end -->\n  - [More]"
        ));
        Ok(())
    }

    #[test]
    fn rustfmt_leaves_the_lists_as_they_are() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        problems(&project, true)?;
        for file in ["data.rs", "moe/shared.rs", "pruning/shared.rs"] {
            put(folder.path(), &format!("{EXPERIMENTS}/{file}"), "\n")?;
        }
        let shell = &project.shell;
        xshell::cmd!(shell, "rustfmt --edition 2024 --check {ROOT}")
            .quiet()
            .run()?;
        Ok(())
    }

    #[test]
    fn a_missing_page_or_marker_is_named() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        std::fs::remove_file(folder.path().join("docs/src/moe/balance.md"))?;
        put(
            folder.path(),
            SUMMARY,
            &CONTENTS.replace("\"pruning\"", "\"other\""),
        )?;
        let problems = problems(&project, true)?;
        assert!(problems[0].contains("no page balance.md"), "{problems:?}");
        assert!(problems[1].contains("guide=\"pruning\""), "{problems:?}");
        Ok(())
    }
}
