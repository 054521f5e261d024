//! No file of more than 320 lines of code: a longer one is usually a table or two ideas.

use anyhow::Result;

use crate::project::{Project, SOURCES};

/// The most lines of code a file may have before its tests.
const LIMIT: usize = 320;

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in project.files(&SOURCES, "rs")? {
        if path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let lines = lines_of_code(&project.read(&path)?);
        if lines > LIMIT {
            let path = path.display();
            problems.push(format!(
                "{path}: {lines} lines of code, {LIMIT} allowed: split it"
            ));
        }
    }
    Ok(problems)
}

/// Lines that are neither blank nor only comment, up to the module of tests at the file's end.
pub(super) fn lines_of_code(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut count = 0;
    let mut in_comment = false;
    for (index, line) in lines.iter().enumerate() {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.contains("*/");
        } else if starts_tests(line, &lines[index + 1..]) {
            break;
        } else if !line.is_empty() && !line.starts_with("//") {
            count += 1;
        }
    }
    count
}

/// Whether the line is the `#[cfg(test)]` of a module that follows with its body.
fn starts_tests(line: &str, after: &[&str]) -> bool {
    line == "#[cfg(test)]"
        && after
            .iter()
            .find(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#'))
            .is_some_and(|item| item.starts_with("mod ") && item.ends_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_do_not_count() {
        let text =
            "//! doc\n\n/// doc\nfn f() {} // trailing\n  // remark\n/* a\n b\n*/\n\tlet x;\n";
        assert_eq!(lines_of_code(text), 2);
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        let text =
            "fn f() {}\n#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {\n fn g() {}\n}\n";
        assert_eq!(lines_of_code(text), 1);
    }

    #[test]
    fn an_import_for_tests_does_not_end_the_count() {
        assert_eq!(lines_of_code("#[cfg(test)]\nuse a::b;\nfn f() {}\n"), 3);
        assert_eq!(lines_of_code("#[cfg(test)]\nmod tests;\nfn f() {}\n"), 3);
    }
}
