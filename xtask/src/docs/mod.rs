//! `cargo xtask docs`: the book and the API pages in `target/docs`, with every link checked.

mod links;
mod page;
mod summary;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::project::{self, Project};
use crate::{failure, lint};
use page::Book;
use summary::BOOK;

/// The book's order: a list of links to its pages.
const SUMMARY: &str = "docs/src/SUMMARY.md";

pub(crate) fn run(project: &Project) -> Result<()> {
    failure::none_of("docs", &check(project)?)?;
    lint::rustdoc(project)?;
    let out = project.target.join("docs");
    if out.is_dir() {
        fs::remove_dir_all(&out).with_context(|| out.display().to_string())?;
    }
    copy_folder(&project.target.join("doc"), &out.join("api"))?;
    let pages = book(project, &out)?;
    println!("{pages} pages: {}", out.join("index.html").display());
    Ok(())
}

/// Broken links in all Markdown files that a reader meets, and pages that the summary lacks.
fn check(project: &Project) -> Result<Vec<String>> {
    let mut files: Vec<PathBuf> = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        .map(PathBuf::from)
        .into();
    files.extend(
        project
            .libraries()
            .map(|package| package.folder.join("README.md")),
    );
    let pages = project.files(&[BOOK], "md")?;
    files.extend(pages.iter().cloned());
    let mut problems = links::check(&project.root, &files)?;
    let listed = summary::read(&project.read(SUMMARY)?);
    for page in pages {
        let name = page.strip_prefix(BOOK)?;
        if name != Path::new("SUMMARY.md") && listed.iter().all(|entry| entry.path != name) {
            problems.push(format!("{}: not in {SUMMARY}", page.display()));
        }
    }
    Ok(problems)
}

/// Renders the book; returns the number of its pages.
fn book(project: &Project, out: &Path) -> Result<usize> {
    let book = Book {
        repository: &project.repository,
        entries: summary::read(&project.read(SUMMARY)?),
        crates: project
            .libraries()
            .map(|package| package.name.clone())
            .collect(),
        root: &project.root,
    };
    for index in 0..book.entries.len() {
        let source = Path::new(BOOK).join(&book.entries[index].path);
        let page = book.render(index, &project.read(&source)?);
        let target = out.join(&book.entries[index].path).with_extension("html");
        create_parent(&target)?;
        project::write(&target, page.html.as_bytes())?;
        for image in page.images {
            let target = out.join(page::IMAGES).join(&image);
            create_parent(&target)?;
            fs::copy(project.root.join(&image), &target)
                .with_context(|| image.display().to_string())?;
        }
    }
    Ok(book.entries.len())
}

fn create_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}
