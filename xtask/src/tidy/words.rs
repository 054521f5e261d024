//! Nothing left undone, and no test switched off.

use anyhow::Result;

use crate::project::{Project, SOURCES};

/// What must not stand in the source, each joined from two parts so that this file may name it.
const FORBIDDEN: [&str; 6] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[", "ignore]"),
    concat!("#[", "ignore ="),
    concat!("```", "ignore"),
];

pub(super) fn check(project: &Project) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in project.files(&SOURCES, "rs")? {
        for (line, word) in forbidden(&project.read(&path)?) {
            problems.push(format!("{}:{line}: `{word}` must not stay", path.display()));
        }
    }
    Ok(problems)
}

/// The number of each line with a forbidden word, and the word.
fn forbidden(text: &str) -> Vec<(usize, &'static str)> {
    let in_line = |line: &str| FORBIDDEN.into_iter().find(|word| line.contains(word));
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some((index + 1, in_line(line)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line() {
        let text = concat!(
            "fn f() {\n    todo",
            "!()\n}\n#[",
            "ignore = \"slow\"]\n// ignored\n"
        );
        let lines: Vec<_> = forbidden(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [2, 4]);
    }
}
