//! The table of all systems, with its filter.

use super::badge;
use super::text::{
    address, arxiv, count, escape, folder, has_figures, margin, minus, page_file, signed,
    with_error,
};
use crate::experiment::{Finding, Outcome, Summary};
use crate::runner::Found;

/// The script of the filter: without it every row is shown, and the filter is not.
pub(super) const SCRIPT: &str = include_str!("filter.js");

const HEAD: [&str; 10] = [
    "System",
    "Paper's effect",
    "Finding",
    "Method against baseline",
    "Baseline",
    "Method",
    "Margin",
    "The paper's figure",
    "Seconds",
    "Links",
];

/// The filter and the table.
pub(super) fn render(found: &[Found]) -> String {
    let head: String = HEAD.map(|name| format!("<th>{name}</th>")).concat();
    let rows: String = found.iter().map(|found| row(&found.finding)).collect();
    format!(
        "<h2 id=\"systems\">All systems</h2>{}\
         <div class=\"wide\"><table class=\"overview cards\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\
         <p class=\"note\">± is the standard error over the seeds, se. Margin: by how many standard errors the least certain \
         check is on the right side of its bound; below 0 it is on the wrong side.</p>",
        filter(found)
    )
}

fn filter(found: &[Found]) -> String {
    let mut crates: Vec<&str> = found.iter().map(|f| f.finding.krate.as_str()).collect();
    crates.sort_unstable();
    crates.dedup();
    let crates: String = crates
        .into_iter()
        .map(|name| {
            let (value, name) = (escape(name), escape(folder(name)));
            format!("<option value=\"{value}\">{name}</option>")
        })
        .collect();
    let there = |outcome: &Outcome| found.iter().any(|f| f.finding.outcome == *outcome);
    let outcomes: String = Outcome::ALL
        .into_iter()
        .filter(there)
        .map(|outcome| {
            format!(
                "<label><input type=\"checkbox\" name=\"outcome\" value=\"{}\" checked> {}</label>",
                badge::class(outcome),
                outcome.name()
            )
        })
        .collect();
    format!(
        "<form class=\"filter\" hidden><label>Crate <select name=\"crate\"><option value=\"\">all</option>{crates}</select></label>\
         <fieldset><legend>Finding</legend>{outcomes}</fieldset><output>{}</output></form>",
        count(found.len(), "system")
    )
}

fn row(f: &Finding) -> String {
    let cells = [
        cell(
            0,
            "name",
            &format!(
                "<a href=\"#{id}\">{id}</a> <small>{}</small>",
                escape(folder(&f.krate)),
                id = escape(&f.system)
            ),
        ),
        cell(1, "", &badge::paper(f.paper_effect)),
        cell(2, "", &badge::outcome(f.outcome)),
        cell(3, if f.is_behind() { "behind" } else { "" }, &effect(f)),
        cell(4, "", &arm(&f.baseline)),
        cell(5, "", &arm(&f.method)),
        cell(6, "number", &escape(&minus(&margin(&f.checks)))),
        cell(7, "figure", &figure(f)),
        cell(8, "number", &format!("{:.0}", f.seconds)),
        cell(9, "links", &links(f)),
    ];
    format!(
        "<tr data-crate=\"{}\" data-outcome=\"{}\">{}</tr>",
        escape(&f.krate),
        badge::class(f.outcome),
        cells.concat()
    )
}

fn cell(index: usize, class: &str, content: &str) -> String {
    let name = HEAD[index];
    format!("<td class=\"{class}\" data-name=\"{name}\">{content}</td>")
}

/// By how much the method is ahead, with a word where it is behind.
fn effect(f: &Finding) -> String {
    if !has_figures(&f.effect) {
        return "none".to_owned();
    }
    let amount = minus(&signed(&with_error(f.effect.mean, f.effect.se)));
    let behind = if f.is_behind() { " ▼ behind" } else { "" };
    format!(
        "{} <small>{}{behind}</small>",
        nowrap(&amount),
        escape(&f.unit)
    )
}

fn arm(summary: &Summary) -> String {
    let amount = minus(&with_error(summary.mean, summary.se));
    format!(
        "{} <small>{}</small>",
        nowrap(&amount),
        escape(&summary.arm)
    )
}

fn nowrap(amount: &str) -> String {
    format!("<span class=\"amount\">{}</span>", escape(amount))
}

fn figure(f: &Finding) -> String {
    if f.paper_figure.is_empty() {
        return "<span class=\"soft\">not given</span>".to_owned();
    }
    escape(&f.paper_figure)
}

/// Page, paper and source; the name of the system is the link to its section.
fn links(f: &Finding) -> String {
    let mut links = vec![link(&address(&page_file(&f.krate, &f.system)), "page")];
    if let Some(number) = arxiv(&f.paper) {
        links.push(link(&format!("https://arxiv.org/abs/{number}"), "paper"));
    }
    links.push(link(&address(&f.source), "source"));
    links.join(" ")
}

/// A link to another place.
pub(super) fn link(to: &str, name: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(to), escape(name))
}
