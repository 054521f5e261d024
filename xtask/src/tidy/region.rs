//! The generated parts of a file, each between two markers.
//!
//! In Markdown a marker is a comment, `<!-- name:begin key="value" -->` and `<!-- name:end -->`, which may go over several
//! lines; in Rust it is a line, `// name:begin key="value"` and `// name:end`.

use std::path::Path;

use anyhow::Result;

use crate::project::{self, Project};

/// The attributes of a marker, in its order.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(String, String)>);

impl Attributes {
    /// The value of this key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs.find_map(|(name, value)| (name == key).then_some(value.as_str()))
    }

    /// An error if there is a key that is none of these.
    pub(super) fn only(&self, keys: &[&str]) -> Result<(), String> {
        let mut names = self.0.iter().map(|(name, _)| name);
        names
            .find(|name| !keys.contains(&name.as_str()))
            .map_or(Ok(()), |name| {
                Err(format!("no attribute `{name}`; there are {keys:?}"))
            })
    }

    /// Reads `key="value"` pairs.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut pairs = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let pair = rest.split_once("=\"").and_then(|(key, rest)| {
                let (value, rest) = rest.split_once('"')?;
                Some((key, value, rest))
            });
            let (key, value, after) =
                pair.ok_or_else(|| format!("`{rest}` is not of the form key=\"value\""))?;
            pairs.push((key.trim().to_owned(), value.replace('\n', " ")));
            rest = after.trim_start();
        }
        Ok(Self(pairs))
    }
}

/// Compares the part between the markers of this name with what it should be, or writes it.
/// Returns the problem, if one is left.
pub(super) fn compare(
    project: &Project,
    path: &Path,
    name: &str,
    wanted: &str,
    fix: bool,
) -> Result<Option<String>> {
    let problems = compare_each(project, path, name, fix, |_| Ok(wanted.to_owned()))?;
    Ok(problems.into_iter().next())
}

/// The same for all parts of this name, of which there must be one at least: what each should be follows from the
/// attributes of its marker.
pub(super) fn compare_each(
    project: &Project,
    path: &Path,
    name: &str,
    fix: bool,
    wanted: impl FnMut(&Attributes) -> Result<String, String>,
) -> Result<Vec<String>> {
    let text = project.read(path)?;
    let file = path.display();
    let (count, new) = match replaced(&text, name, wanted) {
        Ok(replaced) => replaced,
        Err(problem) => return Ok(vec![format!("{file}: {name}: {problem}")]),
    };
    if count == 0 {
        let (begin, end) = markers(path, name);
        return Ok(vec![format!("{file}: no markers {begin} and {end}")]);
    }
    if new == text {
        return Ok(Vec::new());
    }
    if fix {
        project::write(&project.root.join(path), new.as_bytes())?;
        println!("{file}: {name} written");
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "{file}: {name} is not up to date: `cargo xtask tidy --fix`"
    )])
}

/// Whether the text has a part of this name.
pub(super) fn has(text: &str, name: &str) -> bool {
    !matches!(find(text, &format!("{name}:begin")), Ok(None))
}

fn markers(path: &Path, name: &str) -> (String, String) {
    if path.extension().is_some_and(|end| end == "rs") {
        (format!("// {name}:begin"), format!("// {name}:end"))
    } else {
        (
            format!("<!-- {name}:begin -->"),
            format!("<!-- {name}:end -->"),
        )
    }
}

/// How many parts of this name there are, and the text with what `wanted` says in each.
fn replaced(
    text: &str,
    name: &str,
    mut wanted: impl FnMut(&Attributes) -> Result<String, String>,
) -> Result<(usize, String), String> {
    let [begin, end] = ["begin", "end"].map(|word| format!("{name}:{word}"));
    let (mut new, mut rest, mut count) = (String::new(), text, 0);
    while let Some(marker) = find(rest, &begin)? {
        let attributes = Attributes::read(marker.attributes)?;
        let inside = &rest[marker.end..];
        let close = find(inside, &end)?.ok_or_else(|| format!("no {end} after {begin}"))?;
        if find(&inside[..close.start], &begin)?.is_some() {
            return Err(format!("no {end} between two {begin}"));
        }
        new += &rest[..marker.end];
        for line in wanted(&attributes)?.lines() {
            let indent = if line.is_empty() { "" } else { marker.indent };
            new += &format!("{indent}{line}\n");
        }
        new += &inside[close.start..close.end];
        rest = &inside[close.end..];
        count += 1;
    }
    if find(rest, &end)?.is_some() {
        return Err(format!("no {begin} before {end}"));
    }
    Ok((count, new + rest))
}

/// A marker: where its first line starts and the line after its last one, what stands before and in it.
struct Marker<'a> {
    start: usize,
    end: usize,
    indent: &'a str,
    attributes: &'a str,
}

/// The first marker of this word, at the start of a line.
fn find<'a>(text: &'a str, word: &str) -> Result<Option<Marker<'a>>, String> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        let content = start + indent.len();
        start += line.len();
        for (open, close) in [("<!-- ", "-->"), ("// ", "\n")] {
            let Some(after) = trimmed
                .strip_prefix(open)
                .and_then(|line| line.strip_prefix(word))
            else {
                continue;
            };
            if !after.starts_with([' ', '\n', '\r']) && !after.is_empty() {
                continue;
            }
            let from = content + open.len() + word.len();
            let inside = &text[from..];
            let length = match inside.find(close) {
                Some(length) => length,
                None if open == "// " => inside.len(),
                None => return Err(format!("the marker {word} is not closed")),
            };
            let end = text[from + length..]
                .find('\n')
                .map_or(text.len(), |at| from + length + at + 1);
            return Ok(Some(Marker {
                start: content - indent.len(),
                end,
                indent,
                attributes: &inside[..length],
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, wanted: &str) -> Result<(usize, String), String> {
        replaced(text, "t", |_| Ok(wanted.to_owned()))
    }

    #[test]
    fn replaces_between_the_markers_only() -> Result<(), String> {
        let text = "a\n<!-- t:begin -->\nold\n<!-- t:end -->\nb\n";
        let (count, new) = all(text, "| x |\n")?;
        assert_eq!(count, 1);
        assert_eq!(new, "a\n<!-- t:begin -->\n| x |\n<!-- t:end -->\nb\n");
        assert_eq!(all(&new, "| x |\n")?.1, new);
        Ok(())
    }

    #[test]
    fn a_file_without_markers_has_none() {
        let text = "a <!-- t:begin --> b\n<!-- tt:begin -->\n";
        assert_eq!(all(text, "x"), Ok((0, text.to_owned())));
    }

    #[test]
    fn markers_come_in_pairs() {
        for text in [
            "<!-- t:begin -->\n",
            "<!-- t:end -->\n",
            "<!-- t:begin -->\n<!-- t:begin -->\n<!-- t:end -->\n",
            "<!-- t:begin a=\"b\"\n",
        ] {
            assert!(all(text, "x").is_err(), "{text}");
        }
    }

    #[test]
    fn each_part_is_made_from_its_attributes() -> Result<(), String> {
        let text = "<!-- t:begin a=\"1\" -->\n<!-- t:end -->\n\
            <!-- t:begin\n  a=\"2, 3\"\n  b=\"x\ny\"\n-->\nold\n<!-- t:end -->\n";
        let (count, new) = replaced(text, "t", |attributes| {
            Ok(format!("{:?}", [attributes.get("a"), attributes.get("b")]))
        })?;
        assert_eq!(count, 2);
        assert!(new.contains("-->\n[Some(\"1\"), None]\n<!-- t:end"));
        assert!(new.contains("\n-->\n[Some(\"2, 3\"), Some(\"x y\")]\n<!-- t:end"));
        Ok(())
    }

    #[test]
    fn indentation_is_that_of_the_marker() -> Result<(), String> {
        let text = "- a\n  <!-- t:begin -->\n  <!-- t:end -->\n";
        let new = all(text, "- x\n- y\n")?.1;
        assert_eq!(
            new,
            "- a\n  <!-- t:begin -->\n  - x\n  - y\n  <!-- t:end -->\n"
        );
        Ok(())
    }

    #[test]
    fn markers_in_rust_are_line_comments() -> Result<(), String> {
        let text = "[\n    // t:begin\n    old,\n    // t:end\n]\n";
        let new = all(text, "a,\nb,\n")?.1;
        assert_eq!(new, "[\n    // t:begin\n    a,\n    b,\n    // t:end\n]\n");
        Ok(())
    }

    #[test]
    fn attributes_that_nobody_reads_are_mistakes() {
        let attributes = Attributes::read(" metric=\"main\" ").unwrap_or_default();
        assert!(attributes.only(&["metrics"]).is_err());
        assert!(attributes.only(&["metric"]).is_ok());
        assert!(Attributes::read("metric=main").is_err());
    }
}
