//! Code that pages of the book quote from programs: `<!-- quote:begin file="..." item="fn train" -->`.

use std::path::Path;

use anyhow::Result;

use super::region;
use crate::project::Project;

/// The pages that quote.
const PAGES: [&str; 1] = ["docs/src/resume.md"];

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for page in PAGES {
        let wanted = |attributes: &region::Attributes| {
            attributes.only(&["file", "item"])?;
            let need = |key| attributes.get(key).ok_or_else(|| format!("no `{key}`"));
            let (file, item) = (need("file")?, need("item")?);
            let text = project.read(file).map_err(|error| error.to_string())?;
            let code = item_of(&text, item).ok_or_else(|| format!("{file} has no `{item}`"))?;
            Ok(format!("\n```rust\n{code}\n```\n\n"))
        };
        problems.extend(region::compare_each(
            project,
            Path::new(page),
            "quote",
            fix,
            wanted,
        )?);
    }
    Ok(problems)
}

/// The item that starts so, up to the brace that closes it.
fn item_of(text: &str, start: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with(start));
    let first = lines.next()?;
    let indent = &first[..first.len() - first.trim_start().len()];
    let end = format!("{indent}}}");
    let mut code = vec![first];
    for line in lines {
        code.push(line);
        if line == end {
            let own = code
                .iter()
                .map(|line| line.strip_prefix(indent).unwrap_or(line));
            return Some(own.collect::<Vec<_>>().join("\n"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_ends_with_its_brace() {
        let text = "use a;\n\nimpl A {\n    fn b() {\n        if c {\n        }\n    }\n}\n";
        let of = |head| item_of(text, head).unwrap_or_default();
        assert_eq!(of("fn b"), "fn b() {\n    if c {\n    }\n}");
        assert!(of("impl A").ends_with("\n}"));
        assert_eq!(item_of(text, "fn d"), None);
    }
}
