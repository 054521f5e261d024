//! The picture of all systems: how far each method is ahead of its baseline, in standard errors.

use super::axis::{Axis, below};
use super::badge;
use super::effect::Effect;
use super::text::{escape, folder, minus, signed, standard_errors, with_error};
use crate::experiment::{Finding, MARGIN, Outcome};
use crate::runner::Found;

/// The picture's range, in standard errors to either side of 0.
const RANGE: f64 = 12.0;

/// The height of a row's picture and the place of its line, in pixels.
const HEIGHT: f64 = 26.0;
const MIDDLE: f64 = HEIGHT / 2.0;

/// The figure: systems by crate, each a link to its section.
pub(super) fn figure(found: &[Found]) -> String {
    let mut crates: Vec<&str> = Vec::new();
    for found in found {
        if !crates.contains(&found.finding.krate.as_str()) {
            crates.push(&found.finding.krate);
        }
    }
    let groups: String = crates.iter().map(|krate| group(krate, found)).collect();
    let used = |outcome: &Outcome| found.iter().any(|found| found.finding.outcome == *outcome);
    let legend: String = Outcome::ALL.into_iter().filter(used).map(key).collect();
    format!(
        "<figure class=\"effects\"><h2 id=\"effects\">How far is each method ahead of its own baseline?</h2>\
         <ul class=\"legend\">{legend}</ul><div class=\"rows\">\
         <p class=\"sides\" aria-hidden=\"true\"><span>◀ baseline better</span><span>method better ▶</span></p>\
         {groups}<div class=\"scale\">{}</div></div>\
         <figcaption>Difference of method and baseline, seed by seed, over its standard error, with the 95 % interval \
         (Student's t). Shaded: two standard errors about 0. An arrow at the edge: beyond the range. \
         A bar at the edge or at 0: every seed gave the same. Colours and signs: outcome of the whole finding, which has \
         further checks.</figcaption></figure>",
        below(&axis(), 7),
    )
}

fn axis() -> Axis {
    Axis::new(-RANGE, RANGE)
}

fn key(outcome: Outcome) -> String {
    let class = badge::class(outcome);
    let mark = mark(outcome, "50%");
    let name = outcome.name();
    format!(
        "<li><svg class=\"key o-{class}\" width=\"18\" height=\"{HEIGHT}\" aria-hidden=\"true\">{mark}</svg> {name}</li>"
    )
}

fn group(krate: &str, found: &[Found]) -> String {
    let rows = found.iter().filter(|found| found.finding.krate == krate);
    let rows: String = rows.map(|found| row(&found.finding)).collect();
    format!("<p class=\"crate\">{}</p>{rows}", escape(folder(krate)))
}

fn row(finding: &Finding) -> String {
    let value = value(finding);
    let behind = if finding.is_behind() { " behind" } else { "" };
    format!(
        "<a class=\"row o-{class}\" href=\"#{id}\"><span class=\"name\">{id}</span>{svg}\
         <span class=\"value{behind}\">{value}</span></a>",
        class = badge::class(finding.outcome),
        id = escape(&finding.system),
        svg = svg(finding, &value),
    )
}

/// The effect in words: in standard errors, or why it is not.
fn value(finding: &Finding) -> String {
    let effect = match Effect::of(&finding.effect) {
        Effect::None => "no figures".to_owned(),
        Effect::OneSeed => format!("{}, one seed", amount(finding)),
        Effect::Same => format!("{}, every seed", amount(finding)),
        Effect::Interval { mean, .. } => minus(&signed(&standard_errors(mean))),
    };
    if finding.outcome != Outcome::Failed {
        return effect;
    }
    match (finding.failures.len(), finding.seeds.len()) {
        (0, _) => format!("{effect}; <b>failed</b>"),
        (failed, seeds) if failed == seeds => "<b>failed</b>, every seed".to_owned(),
        (failed, seeds) => format!("{effect}; <b>failed</b> {failed} of {seeds}"),
    }
}

fn amount(finding: &Finding) -> String {
    minus(&signed(&with_error(finding.effect.mean, 0.0)))
}

fn svg(finding: &Finding, value: &str) -> String {
    let axis = axis();
    let [low, high] = [-MARGIN, MARGIN].map(|end| axis.at(end));
    let content = match Effect::of(&finding.effect) {
        Effect::None => "<text x=\"50%\" dx=\"8\" y=\"17\">no figures</text>".to_owned(),
        Effect::OneSeed | Effect::Same => same(finding.effect.mean),
        Effect::Interval { mean, half } => interval(finding.outcome, mean, half),
    };
    let value = value.replace("<b>", "").replace("</b>", "");
    format!(
        "<svg class=\"effect\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{name}: {value}\">\
         <rect class=\"noise-band\" x=\"{low:.2}%\" width=\"{width:.2}%\" y=\"0\" height=\"{HEIGHT}\"/>\
         <line class=\"zero\" x1=\"50%\" x2=\"50%\" y1=\"0\" y2=\"{HEIGHT}\"/>{content}</svg>",
        name = escape(&finding.system),
        width = high - low,
    )
}

/// All seeds agree: a bar at the edge of the side that is better, or at 0.
fn same(mean: f64) -> String {
    let place = if mean == 0.0 {
        50.0
    } else if mean > 0.0 {
        98.5
    } else {
        1.5
    };
    format!(
        "<line class=\"same\" x1=\"{place}%\" x2=\"{place}%\" y1=\"{}\" y2=\"{}\"/>",
        MIDDLE - 8.0,
        MIDDLE + 8.0
    )
}

/// The interval with its middle, as far as the range goes, and an arrow at an edge that hides the middle.
fn interval(outcome: Outcome, mean: f64, half: f64) -> String {
    let axis = axis();
    let [left, right] = [mean - half, mean + half].map(|end| axis.at(end));
    let line = format!(
        "<line class=\"interval\" x1=\"{left:.2}%\" x2=\"{right:.2}%\" y1=\"{MIDDLE}\" y2=\"{MIDDLE}\"/>"
    );
    if axis.holds(mean) {
        return line + &mark(outcome, &format!("{:.2}%", axis.at(mean)));
    }
    let (edge, back) = if mean > 0.0 {
        ("100%", -11)
    } else {
        ("0%", 11)
    };
    let (above, below) = (MIDDLE - 7.0, MIDDLE + 7.0);
    // Nested, so that the edge is in percent and the arrow in pixels.
    line + &format!(
        "<svg x=\"{edge}\" y=\"0\" width=\"1\" height=\"{HEIGHT}\" overflow=\"visible\">\
         <path class=\"arrow\" d=\"M0 {MIDDLE}L{back} {above}V{below}Z\"/></svg>"
    )
}

/// The mark of an outcome: its shape says what its colour says.
fn mark(outcome: Outcome, x: &str) -> String {
    let (top, bottom) = (MIDDLE - 5.0, MIDDLE + 5.0);
    let shape = match outcome {
        Outcome::Holds => format!("<circle class=\"full\" cx=\"0\" cy=\"{MIDDLE}\" r=\"5\"/>"),
        Outcome::WithinNoise => {
            format!("<circle class=\"hollow\" cx=\"0\" cy=\"{MIDDLE}\" r=\"4.5\"/>")
        }
        Outcome::Inconclusive => {
            format!(
                "<path class=\"hollow\" d=\"M0 {}L6 {MIDDLE}L0 {}L-6 {MIDDLE}Z\"/>",
                top - 1.0,
                bottom + 1.0
            )
        }
        Outcome::DoesNotHold => format!("<path class=\"full\" d=\"M-5 {top}H5V{bottom}H-5Z\"/>"),
        Outcome::Failed => {
            format!("<path class=\"cross\" d=\"M-5 {top}L5 {bottom}M5 {top}L-5 {bottom}\"/>")
        }
    };
    format!(
        "<svg x=\"{x}\" y=\"0\" width=\"1\" height=\"{HEIGHT}\" overflow=\"visible\">{shape}</svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_beyond_the_range_is_an_arrow() {
        assert!(interval(Outcome::Holds, 3.0, 4.3).contains("<circle"));
        for mean in [85.0, -40.0] {
            let svg = interval(Outcome::Holds, mean, 4.3);
            assert!(svg.contains("class=\"arrow\"") && !svg.contains("<circle"));
        }
    }

    #[test]
    fn seeds_that_agree_are_a_bar() {
        assert!(same(0.0).contains("x1=\"50%\""));
        assert!(same(2.0).contains("x1=\"98.5%\""));
        assert!(same(-2.0).contains("x1=\"1.5%\""));
    }
}
