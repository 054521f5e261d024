//! The order of the book: the links of `SUMMARY.md`, with the depth of the list they stand in.

use std::path::PathBuf;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The folder of the book's sources, relative to the root.
pub(super) const BOOK: &str = "docs/src";

/// A page in the book's order.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) title: String,
    /// Relative to the folder of the summary.
    pub(super) path: PathBuf,
    /// 0 for a chapter, 1 for a page below one.
    pub(super) depth: usize,
}

pub(super) fn read(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut lists = 0usize;
    let mut in_link = false;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::List(_)) => lists += 1,
            Event::End(TagEnd::List(_)) => lists -= 1,
            Event::Start(Tag::Link { dest_url, .. }) => {
                in_link = true;
                entries.push(Entry {
                    title: String::new(),
                    path: PathBuf::from(dest_url.as_ref()),
                    depth: lists.saturating_sub(1),
                });
            }
            Event::End(TagEnd::Link) => in_link = false,
            Event::Text(words) | Event::Code(words) if in_link => {
                if let Some(entry) = entries.last_mut() {
                    entry.title.push_str(&words);
                }
            }
            _ => {}
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_depth() {
        let entries = read(
            "# Summary\n\n- [Start](index.md)\n- [Pruning](pruning.md)\n  - [GraNet](pruning/granet.md)\n",
        );
        let seen: Vec<_> = entries
            .iter()
            .map(|entry| (entry.title.as_str(), entry.path.to_str(), entry.depth))
            .collect();
        assert_eq!(
            seen,
            [
                ("Start", Some("index.md"), 0),
                ("Pruning", Some("pruning.md"), 0),
                ("GraNet", Some("pruning/granet.md"), 1),
            ]
        );
    }
}
