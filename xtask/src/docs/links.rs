//! Relative links of Markdown files: the file must exist, and the heading that an anchor names.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The extensions of Markdown that the project's files use.
pub(super) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH
}

/// Every broken link, as `file: link: why`. The files are given relative to the root.
pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in files {
        let name = file.display();
        let text = fs::read_to_string(root.join(file)).with_context(|| name.to_string())?;
        for link in links(&text).iter().filter(|link| is_local(link)) {
            if let Some(why) = broken(root, file, link) {
                problems.push(format!("{name}: {link}: {why}"));
            }
        }
    }
    Ok(problems)
}

/// Whether a link stays within the tree.
pub(super) fn is_local(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}

/// The path that a link in a file leads to, relative to the root as the file's is; and its anchor.
pub(super) fn target<'a>(file: &Path, link: &'a str) -> (PathBuf, &'a str) {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    if path.is_empty() {
        return (file.to_path_buf(), anchor);
    }
    let mut target = file.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir if target.file_name().is_some() => {
                target.pop();
            }
            Component::CurDir => {}
            part => target.push(part),
        }
    }
    (target, anchor)
}

/// The anchors of a file's headings, in order, as GitHub makes them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let mut seen = HashMap::new();
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let slug = slug(&heading.take().unwrap_or_default());
                let count = seen.entry(slug.clone()).or_insert(0);
                anchors.push(if *count == 0 {
                    slug
                } else {
                    format!("{slug}-{count}")
                });
                *count += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The links and images of a text, once each.
fn links(text: &str) -> BTreeSet<String> {
    Parser::new_ext(text, options())
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.to_string())
            }
            _ => None,
        })
        .collect()
}

fn broken(root: &Path, file: &Path, link: &str) -> Option<String> {
    let (path, anchor) = target(file, link);
    let full = root.join(&path);
    if path.is_absolute() || path.starts_with("..") || !full.exists() {
        return Some(format!("no file {}", path.display()));
    }
    let is_markdown = path.extension().is_some_and(|end| end == "md");
    if anchor.is_empty() || !is_markdown {
        return None;
    }
    let text = fs::read_to_string(&full).unwrap_or_default();
    let known = anchors(&text).iter().any(|known| known == anchor);
    (!known).then(|| format!("no heading #{anchor} in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_relative_to_the_file() {
        let file = Path::new("docs/src/pruning/granet.md");
        assert_eq!(
            target(file, "../ssd.md#use").0,
            Path::new("docs/src/ssd.md")
        );
        assert_eq!(target(file, "../../../crates/x").0, Path::new("crates/x"));
        assert_eq!(target(file, "#use"), (file.to_path_buf(), "use"));
        assert_eq!(target(Path::new("README.md"), "../x").0, Path::new("../x"));
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# A `b` (c), d!\n\ntext\n\n## Use\n\n## Use\n\n```\n# code\n```\n";
        assert_eq!(anchors(text), ["a-b-c-d", "use", "use-1"]);
    }

    #[test]
    fn finds_what_is_broken() -> Result<()> {
        let root = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
        fs::create_dir_all(&root)?;
        let text = "# Here\n[a](b.md) [c](#here) [d](#there) ![e](e.png) [f](https://x.y/z.md)\n\
            [g](../outside.md) [h](b.md#one) `[i](i.md)`\n";
        fs::write(root.join("a.md"), text)?;
        fs::write(root.join("b.md"), "# Two\n")?;
        let problems = check(&root, &[PathBuf::from("a.md")])?;
        fs::remove_dir_all(&root)?;
        assert_eq!(
            problems,
            [
                "a.md: #there: no heading #there in a.md",
                "a.md: ../outside.md: no file ../outside.md",
                "a.md: b.md#one: no heading #one in b.md",
                "a.md: e.png: no file e.png",
            ]
        );
        Ok(())
    }
}
