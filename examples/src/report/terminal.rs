//! The table of findings for a terminal, at most 100 columns wide.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use super::text::{margin, with_error};
use crate::experiment::{Finding, PaperEffect, Summary};
use crate::runner::Found;

/// The most columns of each cell; with two free ones between them, 100 in all.
const SYSTEM: usize = 23;
const ARM: usize = 19;

/// A line below the heads.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The table, one or two lines a system.
#[must_use]
pub fn table(found: &[Found]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "system", "effect", "baseline", "method", "margin", "outcome",
    ]);
    for Found { finding, .. } in found {
        table.add_row([
            two_lines(&finding.system, SYSTEM),
            effect(finding.paper_effect).to_owned(),
            arm(&finding.baseline),
            arm(&finding.method),
            margin(&finding.checks),
            outcome(finding),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(last) = table.column_mut(5) {
        last.set_padding((0, 0));
    }
    table
}

fn effect(effect: PaperEffect) -> &'static str {
    match effect {
        PaperEffect::Shown => "shown",
        PaperEffect::ShownInPart => "in part",
        PaperEffect::NotAtThisSize => "not here",
    }
}

fn arm(summary: &Summary) -> String {
    let value = with_error(summary.mean, summary.se);
    format!("{}\n{}", cut(&value, ARM), cut(&summary.arm, ARM))
}

fn outcome(finding: &Finding) -> String {
    let name = finding.outcome.name();
    if finding.is_behind() {
        format!("{name}\nmethod behind")
    } else {
        name.to_owned()
    }
}

/// A name on one line, or on two that part at a hyphen.
fn two_lines(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let first: String = name.chars().take(width).collect();
    let Some(end) = first.rfind('-') else {
        return cut(name, width);
    };
    let (first, rest) = name.split_at(end + 1);
    format!("{first}\n  {}", cut(rest, width - 2))
}

/// A text of at most this many characters; what is left out, a whole word where it can be, is `…`.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    let is_end = text
        .chars()
        .nth(width.saturating_sub(1))
        .is_some_and(|next| next == ' ');
    let word = start
        .rfind([' ', '-'])
        .filter(|end| *end * 2 >= start.len());
    let kept = match word {
        Some(end) if !is_end => &start[..end],
        _ => &start,
    };
    format!("{}…", kept.trim_end_matches([' ', '-', ',']))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_table_fits_100_columns() {
        let mut found = sample::found();
        for found in &mut found {
            found.finding.baseline.mean = -123_456.78;
            found.finding.baseline.se = 12_345.67;
        }
        let text = table(&found).to_string();
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|width| width <= 100), "{text}");
        let rows = text.lines().filter(|line| line.contains("sample-")).count();
        assert_eq!(rows, found.len(), "{text}");
        assert!(text.contains("method behind") && text.contains("failed"));
        assert!(!text.contains("NaN"), "{text}");
    }

    #[test]
    fn every_system_has_two_lines_at_most() {
        for system in crate::SYSTEMS {
            let lines = two_lines(system.name, SYSTEM);
            assert!(
                lines.lines().count() <= 2 && !lines.contains('…'),
                "{lines}"
            );
        }
    }

    #[test]
    fn names_part_between_words() {
        assert_eq!(two_lines("seta", 22), "seta");
        assert_eq!(
            two_lines("exploratory-annealed-decoding", 23),
            "exploratory-annealed-\n  decoding"
        );
        assert_eq!(cut("power law of the rates' sum", 19), "power law of the…");
        assert_eq!(cut("power law of the rates", 17), "power law of the…");
        assert_eq!(cut("unbreakablelongname", 10), "unbreakab…");
    }
}
