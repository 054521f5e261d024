//! The table of methods in each crate's README, from the first lines of each method's file.
//!
//! A file is a method's if its module documentation has a line `//! Source: <paper, section>`. The
//! method's name is the first heading, `//! # <Name>`; what it gives is the first sentence after it.

use std::path::Path;

use anyhow::Result;

use super::region;
use crate::project::{Package, Project};

/// What the module documentation says of a method.
#[derive(Debug, PartialEq)]
struct Method {
    name: String,
    source: String,
    gives: String,
}

pub(crate) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in project.libraries() {
        match table(project, package)? {
            Ok(table) => {
                let readme = package.folder.join("README.md");
                problems.extend(region::compare(project, &readme, "methods", &table, fix)?);
            }
            Err(problem) => problems.push(problem),
        }
    }
    Ok(problems)
}

/// The table, or the file whose documentation lacks something.
fn table(project: &Project, package: &Package) -> Result<Result<String, String>> {
    let mut table = "| method | source | what it gives |\n|---|---|---|\n".to_owned();
    let source_folder = package.folder.join("src").display().to_string();
    for path in project.files(&[&source_folder], "rs")? {
        match method(&project.read(&path)?) {
            Ok(Some(method)) => table += &row(&method, &package.folder, &path),
            Ok(None) => {}
            Err(problem) => return Ok(Err(format!("{}: {problem}", path.display()))),
        }
    }
    Ok(Ok(table))
}

fn row(method: &Method, folder: &Path, path: &Path) -> String {
    let link = path
        .strip_prefix(folder)
        .unwrap_or(path)
        .display()
        .to_string()
        .replace('\\', "/");
    let [source, gives] = [&method.source, &method.gives].map(|text| text.replace('|', "\\|"));
    format!("| [`{}`]({link}) | {source} | {gives} |\n", method.name)
}

/// Reads a file's module documentation; `None` if it is no method's.
fn method(text: &str) -> Result<Option<Method>, &'static str> {
    let doc: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .collect();
    let Some(source) = doc.iter().position(|line| line.starts_with("Source:")) else {
        return Ok(None);
    };
    let heading = doc.iter().position(|line| line.starts_with("# "));
    let heading = heading.ok_or("a `//! Source:` without a heading `//! # <Name>`")?;
    let source = paragraph(&doc[source..]);
    let gives = first_sentence(&paragraph(&doc[heading + 1..]));
    if gives.is_empty() {
        return Err("no paragraph after the heading `//! # <Name>`");
    }
    Ok(Some(Method {
        name: doc[heading].trim_start_matches("# ").replace('`', ""),
        source: source
            .trim_start_matches("Source:")
            .trim()
            .trim_end_matches('.')
            .to_owned(),
        gives,
    }))
}

/// The first paragraph of the lines, as one line, with its links to items taken away.
fn paragraph(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty())
        .copied()
        .collect();
    lines.join(" ").replace("[`", "`").replace("`]", "`")
}

/// The text up to the first full stop that a capital letter follows, without that full stop.
fn first_sentence(text: &str) -> String {
    let end = text.match_indices(". ").map(|(at, _)| at).find(|at| {
        let next = text[at + 2..].chars().next();
        next.is_some_and(|next| next.is_uppercase() || next == '`')
    });
    let sentence = end.map_or(text, |end| &text[..end]);
    sentence.trim_end_matches(['.', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! # GraNet\n//!\n//! Prunes a little and grows\n//! as much, e.g. by \
        [`Score`]. More.\n//!\n//! Source: Liu et al. 2021,\n//! section 3.\n\nuse a::b;\n";

    #[test]
    fn reads_the_module_documentation() {
        let expected = Method {
            name: "GraNet".to_owned(),
            source: "Liu et al. 2021, section 3".to_owned(),
            gives: "Prunes a little and grows as much, e.g. by `Score`".to_owned(),
        };
        assert_eq!(method(FILE), Ok(Some(expected)));
    }

    #[test]
    fn a_file_without_source_is_no_method() {
        assert_eq!(method("//! # Helpers\n//!\n//! Shared.\n"), Ok(None));
        assert!(method("//! Source: somewhere\n").is_err());
        assert!(method("//! # Name\n//!\n//! \n").is_ok());
    }

    #[test]
    fn a_row_links_to_the_file_from_the_crates_readme() {
        let method = Method {
            name: "Loss".to_owned(),
            source: "A|B".to_owned(),
            gives: "It".to_owned(),
        };
        let row = row(
            &method,
            Path::new("crates/x"),
            Path::new("crates/x/src/a/loss.rs"),
        );
        assert_eq!(row, "| [`Loss`](src/a/loss.rs) | A\\|B | It |\n");
    }
}
