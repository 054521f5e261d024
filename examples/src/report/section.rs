//! A system's section: what the paper says, what shows here, and everything that it was decided on.

use super::axis::{Axis, below};
use super::effect::student;
use super::text::{
    address, agrees, arxiv, escape, folder, has_figures, interval, least_margin, metric, minus,
    number, page_file, signed, standard_errors, unit, with_error,
};
use super::{badge, curves, strip, table, tried};
use crate::experiment::{Check, Finding, Summary, rule};
use crate::runner::Found;

/// The whole section.
pub(super) fn render(found: &Found) -> String {
    let f = &found.finding;
    let id = escape(&f.system);
    let plots = [
        curves::figure(found.system, f, &found.trials).unwrap_or_default(),
        arms(f).unwrap_or_default(),
    ];
    format!(
        "<section id=\"{id}\" class=\"system\"><h2>{id} <small>{}</small></h2>{}\
         <div class=\"plots\">{}</div>{}{}{}{}{}{}</section>",
        escape(folder(&f.krate)),
        head(f),
        plots.concat(),
        checks(f),
        tried::faults(f),
        tried::revisions(f),
        tried::failures(f),
        figures(f),
        note(f),
    )
}

/// The paper's effect first, then the claim of the experiment and the method against its baseline.
fn head(f: &Finding) -> String {
    let paper = match arxiv(&f.paper) {
        Some(number) => table::link(&format!("https://arxiv.org/abs/{number}"), &f.paper),
        None => escape(&f.paper),
    };
    let figure = match f.paper_figure.as_str() {
        "" => String::new(),
        figure => format!(
            "<p class=\"paper-figure\"><b>The paper's figure:</b> {}</p>",
            escape(figure)
        ),
    };
    format!(
        "<p class=\"verdicts\"><span>Paper's effect {}</span> <span>Finding {}</span> {}</p>\
         <p class=\"claim\">{}</p><p class=\"paper\">{paper}</p>{figure}{}",
        badge::paper(f.paper_effect),
        badge::outcome(f.outcome),
        badge::behind(f),
        escape(&f.claim),
        against(f)
    )
}

/// The paired effect in a sentence.
fn against(f: &Finding) -> String {
    if !has_figures(&f.effect) {
        return "<p class=\"against\">No seed has figures of both arms.</p>".to_owned();
    }
    let side = if f.is_behind() { " behind" } else { "" };
    let amount = minus(&signed(&with_error(f.effect.mean, f.effect.se)));
    let noisy = !agrees(f.effect.mean, f.effect.se);
    let interval = match student(f.effect.values.len()).filter(|_| noisy) {
        Some(t) => {
            let ends = interval(f.effect.mean, f.effect.se, t * f.effect.se);
            format!(" (95 % interval {})", minus(&ends))
        }
        None => String::new(),
    };
    format!(
        "<p class=\"against{side}\"><b>{}</b> against <b>{}</b>: {}{interval}. \
         <span class=\"soft\">Positive: the method is better. {}</span></p>",
        escape(&f.method.arm),
        escape(&f.baseline.arm),
        escape(&format!("{amount}{}", unit(&f.unit))),
        escape(&format!("Metric: {}.", metric(f)))
    )
}

/// The metric of every arm, a dot for each seed; the best arm first.
fn arms(f: &Finding) -> Option<String> {
    let mut arms: Vec<&Summary> = f
        .arms
        .values()
        .filter_map(|metrics| metrics.get("main"))
        .collect();
    arms.retain(|arm| arm.values.iter().any(|value| value.is_finite()));
    arms.sort_by(|a, b| match f.better {
        crate::Better::Higher => b.mean.total_cmp(&a.mean),
        crate::Better::Lower => a.mean.total_cmp(&b.mean),
    });
    let all = arms.iter().flat_map(|arm| {
        arm.values
            .iter()
            .copied()
            .chain(strip::ends(arm.mean, arm.se))
    });
    let axis = Axis::over(all)?;
    let rows: String = arms.iter().map(|arm| arm_row(f, arm, &axis)).collect();
    Some(format!(
        "<figure class=\"arms\"><p class=\"axis-name\">{}</p><div class=\"arm-rows\">{rows}\
         <div class=\"scale\">{}</div></div><figcaption>Every dot is a seed; the stroke is their mean, the bar two standard \
         errors to either side. Best arm first.</figcaption></figure>",
        escape(&metric(f)),
        below(&axis, 5)
    ))
}

fn arm_row(f: &Finding, arm: &Summary, axis: &Axis) -> String {
    let (class, tag) = match curves::rank(f, &arm.arm) {
        0 => (" method", " <small>method</small>"),
        1 => (" baseline", " <small>baseline</small>"),
        _ => ("", ""),
    };
    format!(
        "<div class=\"arm{class}\"><span class=\"name\">{}{tag}</span>{}<span class=\"value\">{}</span></div>",
        escape(&arm.arm),
        strip::arm(axis, arm),
        escape(&minus(&with_error(arm.mean, arm.se)))
    )
}

/// Every check with its number line.
fn checks(f: &Finding) -> String {
    let rows: String = f.checks.iter().map(check).collect();
    format!(
        "<h3>Checks</h3><div class=\"wide\"><table class=\"checks cards\"><thead><tr><th>Check</th>\
         <th>Seeds, mean and bound</th><th>Mean ± se</th><th>Margin</th><th>Outcome</th></tr></thead>\
         <tbody>{rows}</tbody></table></div><p class=\"note\">★: the paper's headline, from which its effect follows. Dots: seeds; \
         stroke and bar: mean and two standard errors; dashed: bound; shaded: the side that is right.</p>\
         <p class=\"rule\"><b>Rule.</b> {}</p>",
        escape(&rule(&f.checks))
    )
}

fn check(check: &Check) -> String {
    let (class, star) = if check.headline {
        (
            " class=\"headline\"",
            "<b title=\"the paper's headline\">★</b> ",
        )
    } else {
        ("", "")
    };
    let margin = match check.margin {
        Some(margin) => minus(&standard_errors(margin)),
        None if has_figures(check) => "exact".to_owned(),
        None => "none".to_owned(),
    };
    format!(
        "<tr{class}><td class=\"name\" data-name=\"Check\">{star}{}</td><td class=\"line\" data-name=\"Seeds\">{}</td>\
         <td class=\"number\" data-name=\"Mean ± se\">{}</td><td class=\"number\" data-name=\"Margin\">{}</td>\
         <td data-name=\"Outcome\">{}</td></tr>",
        escape(&check.statement),
        strip::check(check),
        escape(&mean(check)),
        escape(&margin),
        badge::outcome(check.outcome)
    )
}

fn mean(check: &Check) -> String {
    if has_figures(check) {
        minus(&with_error(check.mean, check.se))
    } else {
        "none".to_owned()
    }
}

/// All figures, folded away.
fn figures(f: &Finding) -> String {
    let mut rows = String::new();
    for (arm, metrics) in &f.arms {
        for (name, summary) in metrics {
            let name = if name == "main" { &f.metric } else { name };
            let each = summary.values.iter().map(|value| minus(&number(*value)));
            rows += &format!(
                "<tr><td class=\"name\" data-name=\"Arm\">{}</td><td data-name=\"Measure\">{}</td>\
                 <td class=\"number\" data-name=\"Mean ± se\">{}</td><td class=\"values\" data-name=\"Each seed\">{}</td></tr>",
                escape(arm),
                escape(name),
                escape(&minus(&with_error(summary.mean, summary.se))),
                escape(&each.collect::<Vec<_>>().join("  "))
            );
        }
    }
    format!(
        "<details><summary>All figures</summary><div class=\"wide\"><table class=\"cards\"><thead><tr><th>Arm</th><th>Measure</th>\
         <th>Mean ± se</th><th>Each seed</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
}

fn note(f: &Finding) -> String {
    let seeds: Vec<String> = f.seeds.iter().map(u64::to_string).collect();
    let least = match least_margin(&f.checks) {
        Some(margin) => format!(" Least margin: {}.", minus(&standard_errors(margin))),
        None => String::new(),
    };
    format!(
        "<p class=\"note\">Data: {}. Backend: {}. Seeds: {}. Time: {:.1} s over all seeds.{} Source: {}. Page: {}. \
         <a class=\"up\" href=\"#systems\">All systems</a></p>",
        escape(&f.data),
        escape(&f.origin.backend),
        seeds.join(", "),
        f.seconds,
        escape(&least),
        table::link(&address(&f.source), &f.source),
        table::link(
            &address(&page_file(&f.krate, &f.system)),
            "what the method is"
        )
    )
}
