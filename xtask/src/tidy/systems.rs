//! The systems, as their experiments' files say: `examples/src/<crate>/<name>.rs`, or `mod.rs` in a folder of that name.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::project::Project;

/// Where the experiments are, relative to the root.
pub(crate) const EXPERIMENTS: &str = "examples/src";

/// Where the pages are, relative to the root.
pub(crate) const BOOK: &str = "docs/src";

/// The line with which an experiment starts, as rustfmt writes it, and the one with which it ends.
const BEGIN: &str = "pub const SYSTEM: System = System {";
const END: &str = "};";

/// An experiment's system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct System {
    /// As on the command line: `learning-curve-prediction`.
    pub(crate) name: String,
    pub(crate) number: usize,
    /// The module of its crate's experiments: `rl_rewards`.
    pub(crate) module: String,
    /// The experiment's file, relative to the root.
    pub(crate) file: PathBuf,
}

impl System {
    /// The experiment's module within that of its crate.
    pub(crate) fn module_of_its_own(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Its page, relative to the root: in whichever folder of the book has one of its name.
    pub(crate) fn page(&self, project: &Project) -> Result<Option<PathBuf>> {
        let file = format!("{}.md", self.name);
        let pages = project.files(&[BOOK], "md")?;
        let mut pages = pages.into_iter();
        Ok(pages.find(|page| page.file_name().is_some_and(|name| *name == *file)))
    }
}

/// All systems by number, and what is wrong with their files.
pub(crate) fn read(project: &Project) -> Result<(Vec<System>, Vec<String>)> {
    let (mut systems, mut problems) = (Vec::<System>::new(), Vec::new());
    for file in project.files(&[EXPERIMENTS], "rs")? {
        let Some((module, own)) = place(&file) else {
            continue;
        };
        let name = file.display().to_string();
        match fields(&project.read(&file)?) {
            Ok(None) => {}
            Ok(Some((system, _))) if system.replace('-', "_") != own => {
                problems.push(format!("{name}: the system `{system}` has another name"));
            }
            Ok(Some((name, number))) => systems.push(System {
                name,
                number,
                module,
                file,
            }),
            Err(problem) => problems.push(format!("{name}: {problem:#}")),
        }
    }
    systems.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    for (index, system) in systems.iter().enumerate() {
        let before = &systems[..index];
        let same = before
            .iter()
            .find(|other| other.number == system.number || other.name == system.name);
        if let Some(other) = same {
            let [file, other] = [&system.file, &other.file].map(|file| file.display().to_string());
            problems.push(format!("{file}: same name or number as {other}"));
        }
    }
    Ok((systems, problems))
}

/// The modules that a file's path may stand for: that of its crate and its own.
fn place(file: &Path) -> Option<(String, String)> {
    let inside = file.strip_prefix(EXPERIMENTS).ok()?;
    let parts: Vec<&str> = inside
        .iter()
        .map(|part| part.to_str().unwrap_or(""))
        .collect();
    match parts[..] {
        [module, own, "mod.rs"] => Some((module.to_owned(), own.to_owned())),
        [module, own] => Some((module.to_owned(), own.strip_suffix(".rs")?.to_owned())),
        _ => None,
    }
}

/// The name and the number of the system that the text defines; `None` if it defines none.
fn fields(text: &str) -> Result<Option<(String, usize)>> {
    let mut lines = text.lines().skip_while(|line| *line != BEGIN);
    if lines.next().is_none() {
        return Ok(None);
    }
    let (mut name, mut number) = (None, None);
    for line in lines.take_while(|line| *line != END) {
        // Fields of the system itself are indented once, those of its faults more.
        let field = line.strip_prefix("    ").unwrap_or("");
        if let Some(value) = field.strip_prefix("name: ") {
            name = Some(value.trim_end_matches(',').trim_matches('"').to_owned());
        } else if let Some(value) = field.strip_prefix("number: ") {
            number = Some(value.trim_end_matches(',').parse().context("number")?);
        }
    }
    let name = name.context("SYSTEM has no field `name`")?;
    Ok(Some((
        name,
        number.context("SYSTEM has no field `number`")?,
    )))
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::*;

    /// The file of an experiment, as far as it is read.
    pub(in super::super) fn experiment(name: &str, number: usize) -> String {
        format!(
            "use a::b;\n\n/// The experiment.\n{BEGIN}\n    name: \"{name}\",\n    number: {number},\n    \
             faults: &[Fault {{\n        name: \"none\",\n        number: 1,\n    }}],\n{END}\n\nfn run() {{}}\n"
        )
    }

    /// Writes a file with its folders.
    pub(in super::super) fn put(root: &Path, file: &str, text: &str) -> Result<()> {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(path, text)?;
        Ok(())
    }

    #[test]
    fn systems_are_the_files_that_define_one_by_number() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        put(
            root,
            "examples/src/pruning/granet.rs",
            &experiment("granet", 30),
        )?;
        put(root, "examples/src/pruning/peers/mod.rs", "fn f() {}\n")?;
        put(
            root,
            "examples/src/rl_rewards/a_b/mod.rs",
            &experiment("a-b", 2),
        )?;
        put(
            root,
            "examples/src/rl_rewards/a_b/deep.rs",
            &experiment("deep", 3),
        )?;
        put(root, "examples/src/lib.rs", "")?;
        let (systems, problems) = read(&Project::at(root)?)?;
        assert!(problems.is_empty(), "{problems:?}");
        let seen: Vec<_> = systems
            .iter()
            .map(|system| (system.name.as_str(), system.number, system.module.as_str()))
            .collect();
        assert_eq!(seen, [("a-b", 2, "rl_rewards"), ("granet", 30, "pruning")]);
        Ok(())
    }

    #[test]
    fn wrong_names_and_numbers_are_problems() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        put(root, "examples/src/moe/a.rs", &experiment("a", 1))?;
        put(root, "examples/src/moe/b.rs", &experiment("b", 1))?;
        put(root, "examples/src/moe/c.rs", &experiment("d", 4))?;
        put(
            root,
            "examples/src/moe/e.rs",
            &format!("{BEGIN}\n    number: 5,\n{END}\n"),
        )?;
        let (_, problems) = read(&Project::at(root)?)?;
        assert_eq!(problems.len(), 3, "{problems:?}");
        Ok(())
    }
}
