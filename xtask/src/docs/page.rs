//! One page of the book as a self-contained HTML file.

use std::path::{Path, PathBuf};

use pulldown_cmark::{CowStr, Event, Parser, Tag, TagEnd, html};

use super::links;
use super::summary::{BOOK, Entry};

/// Where the book keeps its images, in its output folder.
pub(super) const IMAGES: &str = "images";

/// What all pages share.
pub(super) struct Book<'a> {
    pub(super) repository: &'a str,
    pub(super) entries: Vec<Entry>,
    pub(super) crates: Vec<String>,
    pub(super) root: &'a Path,
}

/// A rendered page, and the images of the tree that it shows.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) images: Vec<PathBuf>,
}

impl Book<'_> {
    /// Renders the page of the entry with this index.
    pub(super) fn render(&self, index: usize, text: &str) -> Page {
        let entry = &self.entries[index];
        let up = "../".repeat(entry.path.components().count().saturating_sub(1));
        let mut images = Vec::new();
        let mut body = String::new();
        let mut anchors = links::anchors(text).into_iter();
        let file = Path::new(BOOK).join(&entry.path);
        let events = Parser::new_ext(text, links::options()).flat_map(|event| match event {
            Event::Start(Tag::Heading {
                level,
                classes,
                attrs,
                ..
            }) => {
                let id = anchors.next().map(CowStr::from);
                vec![Event::Start(Tag::Heading {
                    level,
                    id,
                    classes,
                    attrs,
                })]
            }
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                let dest_url = CowStr::from(self.link(&file, &dest_url));
                vec![Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                })]
            }
            Event::Start(Tag::Image {
                link_type,
                dest_url,
                title,
                id,
            }) if links::is_local(&dest_url) => {
                let (path, _) = links::target(&file, &dest_url);
                let dest_url = CowStr::from(format!("{up}{IMAGES}/{}", slashes(&path)));
                images.push(path);
                vec![Event::Start(Tag::Image {
                    link_type,
                    dest_url,
                    title,
                    id,
                })]
            }
            Event::Start(Tag::Table(_)) => vec![Event::Html("<div class=wide>".into()), event],
            Event::End(TagEnd::Table) => vec![event, Event::Html("</div>".into())],
            event => vec![event],
        });
        html::push_html(&mut body, events);
        let html = format!(
            "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} · Regimen</title>\n<style>\n{style}</style>\n\
             <nav>{nav}</nav>\n<main>\n{body}\n<footer>{turn}</footer>\n</main>\n</html>\n",
            title = escape(&entry.title),
            style = include_str!("style.css"),
            nav = self.nav(index, &up),
            turn = self.turn(index, &up),
        );
        Page { html, images }
    }

    /// A link of a source file as it must be in the page: to another page, or to the repository.
    fn link(&self, file: &Path, link: &str) -> String {
        let (path, anchor) = links::target(file, link);
        if !links::is_local(link) || link.starts_with('#') {
            return link.to_owned();
        }
        if path.starts_with(BOOK) {
            let (page, rest) = link.split_once(".md").unwrap_or((link, ""));
            return if page == link {
                link.to_owned()
            } else {
                format!("{page}.html{rest}")
            };
        }
        let kind = if self.root.join(&path).is_dir() {
            "tree"
        } else {
            "blob"
        };
        let anchor = if anchor.is_empty() {
            String::new()
        } else {
            format!("#{anchor}")
        };
        format!("{}/{kind}/main/{}{anchor}", self.repository, slashes(&path))
    }

    /// The table of contents, folded away on a narrow screen.
    fn nav(&self, current: usize, up: &str) -> String {
        let mut items = String::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let mark = if index == current {
                " aria-current=page"
            } else {
                ""
            };
            items += &format!(
                "<li class=d{}>{}</li>\n",
                entry.depth,
                anchor(entry, up, mark)
            );
        }
        items += "<li class=head>API</li>\n";
        for name in &self.crates {
            let folder = name.replace('-', "_");
            items +=
                &format!("<li class=d1><a href=\"{up}api/{folder}/index.html\">{name}</a></li>\n");
        }
        format!("<details open><summary>Regimen</summary>\n<ul>\n{items}</ul>\n</details>")
    }

    /// Links to the page before and the page after.
    fn turn(&self, index: usize, up: &str) -> String {
        let before = index
            .checked_sub(1)
            .and_then(|index| self.entries.get(index));
        let after = self.entries.get(index + 1);
        let link = |entry: Option<&Entry>, rel| {
            entry.map_or("<span></span>".to_owned(), |entry| anchor(entry, up, rel))
        };
        format!("{}{}", link(before, " rel=prev"), link(after, " rel=next"))
    }
}

fn anchor(entry: &Entry, up: &str, attributes: &str) -> String {
    let page = slashes(&entry.path.with_extension("html"));
    format!(
        "<a href=\"{up}{page}\"{attributes}>{}</a>",
        escape(&entry.title)
    )
}

fn slashes(path: &Path) -> String {
    path.display().to_string().replace('\\', "/")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book<'static> {
        let entry = |title: &str, path: &str, depth| Entry {
            title: title.to_owned(),
            path: PathBuf::from(path),
            depth,
        };
        Book {
            repository: "https://example.org/r",
            entries: vec![entry("Start", "index.md", 0), entry("A & B", "c/ab.md", 1)],
            crates: vec!["regimen-tensor".to_owned()],
            root: Path::new("/nowhere"),
        }
    }

    #[test]
    fn links_lead_to_pages_or_to_the_repository() {
        let page = book().render(
            1,
            "# Top\n[s](../index.md#x) [r](../../../crates/a/src/b.rs)\n",
        );
        assert!(page.html.contains("<h1 id=\"top\">"));
        assert!(page.html.contains("href=\"../index.html#x\""));
        assert!(
            page.html
                .contains("href=\"https://example.org/r/blob/main/crates/a/src/b.rs\"")
        );
        assert!(page.html.contains("<title>A &amp; B · Regimen</title>"));
        assert!(
            page.html
                .contains("href=\"../api/regimen_tensor/index.html\"")
        );
    }

    #[test]
    fn images_are_copied_beside_the_pages() {
        let page = book().render(0, "![report](../report.png)\n");
        assert_eq!(page.images, [PathBuf::from("docs/report.png")]);
        assert!(page.html.contains("src=\"images/docs/report.png\""));
    }
}
