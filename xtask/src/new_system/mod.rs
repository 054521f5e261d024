//! `cargo xtask new-system`: the three files of a system with their headings, and the lists that name it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;

use crate::failure::{self, BadUsage};
use crate::project::{self, Project};
use crate::tidy;
use crate::tidy::systems::{BOOK, EXPERIMENTS, System};

#[derive(Args)]
pub(crate) struct Options {
    /// The crate's folder under crates/, such as `pruning`
    #[arg(value_name = "CRATE")]
    krate: String,
    /// The system's name in kebab-case, such as `learning-curve-prediction`
    name: String,
    /// Its number in the list of systems
    #[arg(long, value_name = "N")]
    number: usize,
    /// The paper's title and its number on arXiv: "Title (arXiv 2106.10404)"
    #[arg(long)]
    paper: String,
    /// The folder of the crate's src in which the method goes, such as `during`; src itself if none is named
    #[arg(long, value_name = "FOLDER")]
    room: Option<PathBuf>,
}

/// The files of a new system, relative to the root.
struct Files {
    method: PathBuf,
    experiment: PathBuf,
    /// The module of the crate's experiments, which the first system of a crate makes.
    module: PathBuf,
    page: PathBuf,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<()> {
    let (systems, problems) = tidy::systems::read(project)?;
    failure::none_of("new-system", &problems)?;
    let files = Files::of(options);
    if let Some(problem) = refusal(project, options, &files, &systems) {
        return Err(BadUsage(problem).into());
    }
    create(project, options, &files)?;
    let mut problems = tidy::generated_for_systems(project, true)?;
    problems.extend(tidy::methods::check(project, true)?);
    failure::none_of("new-system", &problems)?;
    let [method, experiment, page] =
        [&files.method, &files.experiment, &files.page].map(|file| file.display());
    println!(
        "\nNext: write {method}, and declare `mod {};` beside it;",
        module(&options.name)
    );
    println!("then {experiment} and {page}.");
    Ok(())
}

impl Files {
    fn of(options: &Options) -> Self {
        let (krate, own) = (&options.krate, module(&options.name));
        let mut method = Path::new("crates").join(krate).join("src");
        method.extend(&options.room);
        let experiments = Path::new(EXPERIMENTS).join(module(krate));
        Self {
            method: method.join(format!("{own}.rs")),
            experiment: experiments.join(format!("{own}.rs")),
            module: experiments.join("mod.rs"),
            page: Path::new(BOOK)
                .join(krate)
                .join(format!("{}.md", options.name)),
        }
    }
}

/// Why the system is refused, if it is; nothing is written then.
fn refusal(
    project: &Project,
    options: &Options,
    files: &Files,
    systems: &[System],
) -> Option<String> {
    let Options {
        krate,
        name,
        number,
        paper,
        ..
    } = options;
    if !is_kebab_case(name) {
        return Some(format!(
            "`{name}` is not in kebab-case: lower-case letters and digits, with single hyphens between them"
        ));
    }
    let crates = folders(&project.root.join("crates"));
    if !crates.contains(krate) {
        return Some(format!(
            "no crate `{krate}`; there are {}",
            crates.join(", ")
        ));
    }
    if let Some(other) = systems.iter().find(|system| system.name == *name) {
        return Some(format!("{name} exists: {}", other.file.display()));
    }
    if let Some(other) = systems.iter().find(|system| system.number == *number) {
        return Some(format!("number {number} is that of {}", other.name));
    }
    if paper.trim().is_empty() || paper.contains('\n') {
        return Some("the paper must be one line, as \"Title (arXiv 2106.10404)\"".to_owned());
    }
    let room = files.method.parent().unwrap_or(Path::new(""));
    if !project.root.join(room).is_dir() {
        let src = Path::new("crates").join(krate).join("src");
        let rooms = folders(&project.root.join(&src)).join(", ");
        return Some(format!(
            "no folder {}; {} has {rooms}",
            room.display(),
            src.display()
        ));
    }
    let folder = files.experiment.with_extension("");
    let mut existing = [&files.method, &files.experiment, &folder, &files.page].into_iter();
    existing
        .find(|file| project.root.join(file).exists())
        .map(|file| format!("{} exists", file.display()))
}

fn create(project: &Project, options: &Options, files: &Files) -> Result<()> {
    let module_file = project.root.join(&files.module);
    if !module_file.exists() {
        let text = format!(
            "//! Experiments of `regimen-{}`.\n\n// systems:begin\n// systems:end\n",
            options.krate
        );
        put(project, &files.module, &text)?;
    }
    for (file, template) in [
        (&files.method, include_str!("method.txt")),
        (&files.experiment, include_str!("experiment.txt")),
        (&files.page, include_str!("page.txt")),
    ] {
        put(project, file, &filled(template, options))?;
    }
    Ok(())
}

fn put(project: &Project, file: &Path, text: &str) -> Result<()> {
    let path = project.root.join(file);
    let folder = path.parent().unwrap_or(&project.root);
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    project::write(&path, text.as_bytes())?;
    println!("{}: written", file.display());
    Ok(())
}

fn filled(template: &str, options: &Options) -> String {
    let paper = options.paper.trim();
    template
        .replace("{title}", &title(&options.name))
        .replace("{name}", &options.name)
        .replace("{number}", &options.number.to_string())
        .replace("{crate}", &options.krate)
        .replace("{paper_literal}", &format!("{paper:?}"))
        .replace("{paper}", paper.trim_end_matches('.'))
}

/// Words that start with a letter, so that the name is also that of a module.
fn is_kebab_case(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(is_word)
}

/// The name as a title, to be changed by hand where the paper writes another one.
fn title(name: &str) -> String {
    let words = name.replace('-', " ");
    let (first, rest) = words.split_at(1);
    first.to_uppercase() + rest
}

fn module(name: &str) -> String {
    name.replace('-', "_")
}

/// The names of the folders in a folder, sorted.
fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(root: &Path) -> Result<Project> {
        for (file, text) in [
            ("crates/rl-rewards/src/verify/mod.rs", "\n"),
            ("crates/pruning/src/lib.rs", "\n"),
            (
                "examples/src/lib.rs",
                "// crates:begin\n// crates:end\n\n/// All.\npub const SYSTEMS: &[System] = &[\n    \
                 // systems:begin\n    // systems:end\n];\n",
            ),
            (
                "docs/src/SUMMARY.md",
                "- [Rewards](rl-rewards.md)\n  <!-- systems:begin guide=\"rl-rewards\" -->\n  <!-- systems:end -->\n\
                 - [Pruning](pruning.md)\n  <!-- systems:begin guide=\"pruning\" -->\n  <!-- systems:end -->\n",
            ),
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(path, text)?;
        }
        Project::at(root)
    }

    fn options(krate: &str, name: &str) -> Options {
        Options {
            krate: krate.to_owned(),
            name: name.to_owned(),
            number: 32,
            paper: "A \"new\" way (arXiv 2411.15124)".to_owned(),
            room: None,
        }
    }

    #[test]
    fn writes_three_files_and_the_lists() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        let mut first = options("rl-rewards", "tulu3-rlvr");
        first.room = Some(PathBuf::from("verify"));
        run(&project, &first)?;
        let method = project.read("crates/rl-rewards/src/verify/tulu3_rlvr.rs")?;
        assert!(method.starts_with(
            "//! # Tulu3 rlvr\n//!\n//! Not written yet.\n//!\n//! Source: A \"new\" way"
        ));
        let experiment = project.read("examples/src/rl_rewards/tulu3_rlvr.rs")?;
        assert!(experiment.contains("    krate: \"regimen-rl-rewards\",\n"));
        assert!(experiment.contains(r#"    paper: "A \"new\" way (arXiv 2411.15124)","#));
        let page = project.read("docs/src/rl-rewards/tulu3-rlvr.md")?;
        assert!(page.starts_with("# Tulu3 rlvr\n") && page.contains("Not recorded yet."));
        let root = project.read("examples/src/lib.rs")?;
        assert!(root.contains("pub mod rl_rewards;"));
        assert!(root.contains("    rl_rewards::tulu3_rlvr::SYSTEM,\n"));
        let modules = project.read("examples/src/rl_rewards/mod.rs")?;
        assert!(modules.contains("pub mod tulu3_rlvr;"));
        let contents = project.read("docs/src/SUMMARY.md")?;
        assert!(contents.contains("  - [Tulu3 rlvr](rl-rewards/tulu3-rlvr.md)\n"));
        for text in [&method, &experiment, &page] {
            assert!(!text.contains('{') || text.contains("System {"), "{text}");
        }
        assert!(tidy::generated_for_systems(&project, false)?.is_empty());
        Ok(())
    }

    #[test]
    fn rustfmt_leaves_the_files_as_they_are() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        run(&project, &options("pruning", "new-one"))?;
        let shell = &project.shell;
        for file in ["examples/src/lib.rs", "crates/pruning/src/new_one.rs"] {
            xshell::cmd!(shell, "rustfmt --edition 2024 --check {file}")
                .quiet()
                .run()?;
        }
        Ok(())
    }

    #[test]
    fn what_can_not_be_made_is_refused_before_anything_is_written() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        run(&project, &options("pruning", "taken"))?;
        let before = project.files(&["crates", "examples", "docs"], "rs")?;
        let mut other_room = options("pruning", "other");
        other_room.room = Some(PathBuf::from("nowhere"));
        other_room.number = 1;
        let mut no_paper = options("pruning", "other");
        (no_paper.number, no_paper.paper) = (1, " ".to_owned());
        let mut taken = options("pruning", "taken");
        taken.number = 1;
        for (options, word) in [
            (options("nowhere", "other"), "there are pruning, rl-rewards"),
            (options("pruning", "Other"), "kebab-case"),
            (options("pruning", "other_one"), "kebab-case"),
            (options("pruning", "other--one"), "kebab-case"),
            (options("pruning", "3d"), "kebab-case"),
            (options("pruning", "../other"), "kebab-case"),
            (options("pruning", "other"), "number 32 is that of taken"),
            (taken, "taken exists"),
            (other_room, "no folder"),
            (no_paper, "one line"),
        ] {
            let error = run(&project, &options).err().map(|error| error.to_string());
            assert!(
                error.as_deref().is_some_and(|error| error.contains(word)),
                "{word}: {error:?}"
            );
        }
        assert_eq!(
            project.files(&["crates", "examples", "docs"], "rs")?,
            before
        );
        Ok(())
    }

    #[test]
    fn a_file_of_that_name_is_not_overwritten() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let project = tree(folder.path())?;
        let page = folder.path().join("docs/src/pruning/new-one.md");
        fs::create_dir_all(page.parent().unwrap_or(folder.path()))?;
        fs::write(&page, "mine")?;
        let error = run(&project, &options("pruning", "new-one")).err();
        assert!(error.is_some_and(|error| error.to_string().contains("exists")));
        assert_eq!(fs::read_to_string(&page)?, "mine");
        Ok(())
    }
}
