//! The report as one self-contained page: summary, picture, table, and a section a system.

use super::{picture, section, summary, table};
use crate::runner::Found;

const STYLE: &str = include_str!("style.css");

const READING: &str = "<details class=\"reading\"><summary>How to read this page</summary>\
    <p>Each system is a published method, run here on a small size with real data against its own baseline: the best \
    alternative that gets the same compute, samples or tokens. Three questions are answered apart.</p>\
    <ol><li><b>Does the paper's own effect show?</b> Shown if every check that is marked as the paper's headline holds, in \
    part if some do, else not at this size.</li>\
    <li><b>Is the method better than its baseline?</b> The difference seed by seed; red where the method is behind.</li>\
    <li><b>Does the finding hold?</b> A check holds if its mean over the seeds is on the right side of its bound by two \
    standard errors or more, or exactly as demanded. On the right side by less it is within noise, on the wrong side by less \
    it is inconclusive (so are fewer than three seeds), else it does not hold. The worst check counts; a seed that ends in an \
    error, or a figure that is no number, makes the finding failed.</li></ol></details>";

/// The page of these findings.
pub(super) fn render(found: &[Found]) -> String {
    let sections: String = found.iter().map(section::render).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>Regimen: what was reproduced</title><style>\n{STYLE}</style></head>\n<body><main>\
         <h1>Regimen: what was reproduced</h1>{}{READING}\n{}\n{}\n{sections}\
         </main><script>\n{}</script></body></html>\n",
        summary::render(found),
        picture::figure(found),
        table::render(found),
        table::SCRIPT
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    /// Every tag that is opened is closed, in order.
    fn assert_balanced(page: &str) {
        let body = page.split("<body>").nth(1).unwrap_or_default();
        let body = body.split("<script>").next().unwrap_or_default();
        let mut open: Vec<&str> = Vec::new();
        for part in body.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap_or((part, ""));
            let name = tag.split([' ', '/']).find(|name| !name.is_empty());
            let name = name.unwrap_or_default();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "at {part}");
            } else if !tag.ends_with('/') && name != "input" {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "left open: {open:?}");
    }

    #[test]
    fn the_page_has_every_part_of_every_system() {
        let found = sample::found();
        let page = render(&found);
        assert_balanced(&page);
        for found in &found {
            let id = &found.finding.system;
            assert_eq!(page.matches(&format!("<section id=\"{id}\"")).count(), 1);
            assert!(
                page.matches(&format!("href=\"#{id}\"")).count() >= 2,
                "{id}"
            );
        }
        assert_eq!(
            page.matches("<section").count(),
            page.matches("</section>").count()
        );
        for part in [
            &format!("5 of {} systems", crate::SYSTEMS.len()),
            "▼ behind",
            "every seed",
            "a panic on purpose &lt;b&gt;",
            "no-update",
            "the bound was 9",
            "https://arxiv.org/abs/2106.10404",
            "The paper's figure:",
            "★",
            "class=\"band",
            "within noise",
            "core minutes",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn the_page_has_no_text_of_a_missing_number() {
        let page = render(&sample::found());
        for word in ["NaN", "inf%", "inf\"", "nan"] {
            assert!(!page.contains(word), "{word}");
        }
        assert_balanced(&render(&[]));
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = render(&sample::found());
        for word in ["src=", "<link", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
