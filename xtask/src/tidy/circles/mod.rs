//! No files of one crate that import each other in a circle: what a file uses can be read before it.
//!
//! To declare a module (`mod x;`) or to re-export from it (`pub use`) is no import: a name is followed
//! through re-exports to the file that defines it. Items under `#[cfg(test)]` do not count.

mod source;
mod tree;

use std::path::Path;

use anyhow::Result;
use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::project::{Project, SOURCES};
use tree::{Texts, Tree};

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let mut texts = Texts::new();
    for path in project.files(&SOURCES, "rs")? {
        let text = project.read(&path)?;
        texts.insert(path, text);
    }
    let mut problems = Vec::new();
    for package in &project.packages {
        for root in &package.roots {
            problems.extend(circles(root, &texts)?);
        }
    }
    Ok(problems)
}

/// The circles among the files below one root: the files of each, and what they use of each other.
fn circles(root: &Path, texts: &Texts) -> Result<Vec<String>> {
    let uses = Tree::read(root, texts)?.uses();
    let edges = uses.keys().map(|(from, to)| (from.as_path(), to.as_path()));
    let graph: DiGraphMap<&Path, ()> = edges.collect();
    let mut circles: Vec<String> = tarjan_scc(&graph)
        .into_iter()
        .filter(|files| files.len() > 1)
        .map(|mut files| {
            files.sort_unstable();
            let names: Vec<_> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            let mut text = format!("circle of imports: {}", names.join(", "));
            for ((from, to), path) in &uses {
                if files.contains(&from.as_path()) && files.contains(&to.as_path()) {
                    text += &format!("\n  {} uses {path} of {}", from.display(), to.display());
                }
            }
            text
        })
        .collect();
    circles.sort();
    Ok(circles)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The files of each circle in a crate of these files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let texts = files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect();
        let circles = match circles(Path::new("src/lib.rs"), &texts) {
            Ok(circles) => circles,
            Err(error) => vec![format!("{error:#}")],
        };
        let first = circles.iter().filter_map(|circle| circle.lines().next());
        first
            .map(|line| line.replace("circle of imports: ", ""))
            .collect()
    }

    #[test]
    fn two_files() {
        let files = [
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "use crate::b::B; pub fn a() {}"),
            ("src/b.rs", "pub struct B; fn f() { super::a::a() }"),
            ("src/c.rs", "use crate::{a::a, b::B};"),
        ];
        assert_eq!(found(&files), ["src/a.rs, src/b.rs"]);
    }

    #[test]
    fn says_which_file_uses_what() {
        let texts = Texts::from([
            ("src/lib.rs".into(), "mod a; mod b;".to_owned()),
            (
                "src/a.rs".into(),
                "use crate::b::B; pub fn a() {}".to_owned(),
            ),
            (
                "src/b.rs".into(),
                "use crate::a::a; pub struct B;".to_owned(),
            ),
        ]);
        let circles = circles(Path::new("src/lib.rs"), &texts).unwrap_or_default();
        let expected = "circle of imports: src/a.rs, src/b.rs\n  src/a.rs uses crate::b::B of \
            src/b.rs\n  src/b.rs uses crate::a::a of src/a.rs";
        assert_eq!(circles, [expected]);
    }

    #[test]
    fn a_re_export_hides_no_circle() {
        let files = [
            (
                "src/lib.rs",
                "mod a; mod room; pub use a::A; pub use room::*;",
            ),
            ("src/a.rs", "use crate::C; pub struct A;"),
            (
                "src/room/mod.rs",
                "mod b; mod c; pub use b::B; pub use c::C;",
            ),
            ("src/room/b.rs", "use crate::A; pub struct B;"),
            ("src/room/c.rs", "use super::B; pub struct C;"),
        ];
        assert_eq!(found(&files), ["src/a.rs, src/room/b.rs, src/room/c.rs"]);
    }

    #[test]
    fn to_declare_and_to_re_export_is_no_import() {
        let files = [
            ("src/lib.rs", "mod a; pub use a::A; pub type Result = u8;"),
            ("src/a.rs", "use crate::Result; pub struct A;"),
        ];
        assert!(found(&files).is_empty());
    }

    #[test]
    fn a_child_with_the_parent_that_uses_it() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a/mod.rs", "mod b; use b::B; pub struct A(B);"),
            ("src/a/b.rs", "use super::A; pub struct B;"),
        ];
        assert_eq!(found(&files), ["src/a/b.rs, src/a/mod.rs"]);
    }

    #[test]
    fn a_parent_that_uses_what_it_re_exports() {
        let files = [
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod b; pub use b::B; pub struct A(B);"),
            (
                "src/a/b.rs",
                "use super::*; pub struct B; fn f() { vec![A(1)]; }",
            ),
        ];
        assert_eq!(found(&files), ["src/a/b.rs, src/a.rs"]);
    }

    #[test]
    fn an_import_for_tests_is_none() {
        let files = [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b::B; pub struct A;"),
            (
                "src/b.rs",
                "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
            ),
        ];
        assert!(found(&files).is_empty());
    }

    #[test]
    fn other_crates_and_names_of_ones_own_are_no_imports() {
        let files = [
            (
                "src/lib.rs",
                "mod a; mod b; pub mod burn { pub struct Module; }",
            ),
            (
                "src/a.rs",
                "use burn::Module; use burn::burn; pub struct A;",
            ),
            (
                "src/b.rs",
                "use crate::a; use std::fmt; struct A; fn f(x: A) {}",
            ),
        ];
        assert!(found(&files).is_empty());
    }

    #[test]
    fn a_function_with_its_modules_name() {
        let files = [
            ("src/lib.rs", "mod a; mod b; pub use a::a;"),
            ("src/a.rs", "pub fn a() { crate::b::b() }"),
            ("src/b.rs", "pub fn b() { crate::a() }"),
        ];
        assert_eq!(found(&files), ["src/a.rs, src/b.rs"]);
    }

    #[test]
    fn a_module_at_a_given_place_and_one_without_a_file() {
        let files = [
            (
                "src/lib.rs",
                "#[path = \"../src/other/a.rs\"] mod a; mod b { pub mod c; }",
            ),
            ("src/other/a.rs", "use crate::b::c::C; pub struct A;"),
            ("src/b/c.rs", "use crate::a::A; pub struct C;"),
        ];
        assert_eq!(found(&files), ["src/b/c.rs, src/other/a.rs"]);
        assert!(circles(Path::new("src/lib.rs"), &Texts::new()).is_err());
    }
}
