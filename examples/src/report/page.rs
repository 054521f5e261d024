//! The report as one self-contained page.

use std::fmt::Write;

use anyhow::Result;

use super::{metric, plot, with_error};
use crate::experiment::{Finding, Summary, System, Trial};
use crate::runner::Found;

const STYLE: &str = include_str!("style.css");

pub(super) fn render(found: &[Found]) -> Result<String> {
    let mut page = String::new();
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Regimen: what was reproduced</title><style>{STYLE}</style></head><body><main>\
         <h1>Regimen: what was reproduced</h1>\
         <p>Each row is an experiment: a published method against its baseline, with every seed \
         reported. The verdict follows from a rule in the experiment's file; where it was changed after \
         an earlier run, the system's page says so.</p>"
    )?;
    overview(&mut page, found)?;
    for Found {
        system,
        finding,
        trials,
    } in found
    {
        section(&mut page, system, finding, trials)?;
    }
    page.push_str("</main></body></html>\n");
    Ok(page)
}

fn overview(page: &mut String, found: &[Found]) -> Result<()> {
    page.push_str(
        "<div class=\"wide\"><table class=\"overview\"><thead><tr><th>system</th><th>claim</th><th>metric</th>\
         <th>baseline</th><th>method</th><th>verdict</th><th>seconds</th></tr></thead><tbody>",
    );
    for Found { finding: f, .. } in found {
        write!(
            page,
            "<tr><td data-name=\"system\"><a href=\"#{id}\">{id}</a></td><td data-name=\"claim\">{}</td>\
             <td data-name=\"metric\">{}</td><td data-name=\"baseline\">{}</td><td data-name=\"method\">{}</td>\
             <td data-name=\"verdict\">{}</td><td data-name=\"seconds\">{:.1}</td></tr>",
            escape(&f.claim),
            escape(&metric(f)),
            escape(&with_error(&f.baseline)),
            escape(&with_error(&f.method)),
            badge(f),
            f.seconds,
            id = f.system,
        )?;
    }
    page.push_str("</tbody></table></div>");
    Ok(())
}

fn section(page: &mut String, system: &System, finding: &Finding, trials: &[Trial]) -> Result<()> {
    write!(
        page,
        "<section id=\"{}\"><h2>{} {}</h2><p class=\"claim\">{}</p><p class=\"paper\">{}</p>",
        finding.system,
        finding.system,
        badge(finding),
        escape(&finding.claim),
        escape(&finding.paper),
    )?;
    if let Some(svg) = plot::curves(system, trials)? {
        write!(page, "<figure>{svg}</figure>")?;
    }
    write!(page, "<h3>Rule</h3><p>{}</p>", escape(&finding.rule))?;
    checks(page, finding)?;
    arms(page, finding)?;
    write!(
        page,
        "<p class=\"note\">The paper's own effect: {}. Data: {}. Backend: {}. Seeds: {}. {:.1} s. Source: <code>{}</code></p></section>",
        finding.paper_effect.name(),
        escape(&finding.data),
        escape(&finding.origin.backend),
        finding
            .seeds
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        finding.seconds,
        escape(&finding.source),
    )?;
    Ok(())
}

fn checks(page: &mut String, finding: &Finding) -> Result<()> {
    page.push_str(
        "<div class=\"wide\"><table><thead><tr><th>check</th><th>mean ± se</th><th>bound</th><th></th></tr></thead><tbody>",
    );
    for check in &finding.checks {
        write!(
            page,
            "<tr><td>{}</td><td>{} ± {}</td><td>{}</td><td>{}</td></tr>",
            escape(&check.statement),
            number(check.mean),
            number(check.se),
            number(check.bound),
            check.outcome.name(),
        )?;
    }
    page.push_str("</tbody></table></div>");
    Ok(())
}

fn arms(page: &mut String, finding: &Finding) -> Result<()> {
    page.push_str(
        "<h3>Figures</h3><div class=\"wide\"><table><thead><tr><th>arm</th><th>measure</th>\
         <th>mean ± se</th><th>each seed</th></tr></thead><tbody>",
    );
    for (arm, metrics) in &finding.arms {
        for (name, summary) in metrics {
            let name = if name == "main" {
                &finding.metric
            } else {
                name
            };
            write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{} ± {}</td><td class=\"values\">{}</td></tr>",
                escape(arm),
                escape(name),
                number(summary.mean),
                number(summary.se),
                each(summary),
            )?;
        }
    }
    page.push_str("</tbody></table></div>");
    Ok(())
}

fn each(summary: &Summary) -> String {
    let values = summary.values.iter().map(|value| number(*value));
    values.collect::<Vec<_>>().join(" ")
}

fn number(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 10.0 => format!("{value:.2}"),
        magnitude if magnitude >= 1e-3 || magnitude == 0.0 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

fn badge(finding: &Finding) -> String {
    let name = finding.outcome.name();
    let class = name.replace(' ', "-");
    format!("<span class=\"verdict {class}\">{name}</span>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
