//! What all systems came to, in a few lines and counts.

use std::collections::BTreeSet;

use super::badge;
use super::text::{count, escape, has_figures};
use crate::SYSTEMS;
use crate::experiment::{Finding, Outcome, PaperEffect};
use crate::runner::Found;

const EFFECTS: [PaperEffect; 3] = [
    PaperEffect::Shown,
    PaperEffect::ShownInPart,
    PaperEffect::NotAtThisSize,
];

/// The summary at the head of the page.
pub(super) fn render(found: &[Found]) -> String {
    let findings: Vec<&Finding> = found.iter().map(|found| &found.finding).collect();
    format!(
        "<div class=\"summary\">{}{}{}{}</div>{}",
        missing(findings.len(), SYSTEMS.len()),
        effects(&findings),
        outcomes(&findings),
        baselines(&findings),
        facts(&findings)
    )
}

/// A note where systems are missing.
fn missing(there: usize, all: usize) -> String {
    if there >= all {
        return String::new();
    }
    format!(
        "<p class=\"missing\" role=\"note\"><b>{there} of {all} systems.</b> The others were not asked for, or had not \
         finished when this page was written.</p>"
    )
}

fn effects(findings: &[&Finding]) -> String {
    let parts = EFFECTS.map(|effect| {
        let (class, sign) = badge::paper_class(effect);
        let count = findings.iter().filter(|f| f.paper_effect == effect).count();
        Part::new(class, sign, effect.name(), count)
    });
    bar("The paper's own effect", &parts)
}

fn outcomes(findings: &[&Finding]) -> String {
    let parts = Outcome::ALL.map(|outcome| {
        let name = match outcome {
            Outcome::Holds => "hold",
            Outcome::DoesNotHold => "do not hold",
            other => other.name(),
        };
        let count = findings.iter().filter(|f| f.outcome == outcome).count();
        Part::new(badge::class(outcome), badge::sign(outcome), name, count)
    });
    bar("Findings", &parts)
}

/// How many methods are ahead of their own baseline, behind it, or level.
fn baselines(findings: &[&Finding]) -> String {
    let of = |is: fn(f64) -> bool| {
        let there = findings.iter().filter(|f| has_figures(&f.effect));
        there.filter(|f| is(f.effect.mean)).count()
    };
    let without = findings.iter().filter(|f| !has_figures(&f.effect)).count();
    let parts = [
        Part::new("ahead", "▲", "ahead", of(|mean| mean > 0.0)),
        Part::new("level", "=", "level", of(|mean| mean == 0.0)),
        Part::new("behind", "▼", "behind", of(|mean| mean < 0.0)),
        Part::new("absent", "!", "without figures", without),
    ];
    bar("Methods against their own baselines", &parts)
}

/// A part of a bar.
struct Part {
    class: &'static str,
    sign: &'static str,
    name: &'static str,
    count: usize,
}

impl Part {
    fn new(class: &'static str, sign: &'static str, name: &'static str, count: usize) -> Self {
        Self {
            class,
            sign,
            name,
            count,
        }
    }
}

/// Counts as a bar, and in words below it.
fn bar(title: &str, parts: &[Part]) -> String {
    let there = || parts.iter().filter(|part| part.count > 0);
    let bar: String = there()
        .map(|p| {
            format!(
                "<i class=\"{}\" style=\"flex-grow:{}\"></i>",
                p.class, p.count
            )
        })
        .collect();
    let words: String = there()
        .map(|p| {
            format!(
                "<li class=\"{}\"><b>{}</b> <i aria-hidden=\"true\">{}</i> {}</li>",
                p.class, p.count, p.sign, p.name
            )
        })
        .collect();
    format!(
        "<div class=\"counts\"><h2>{title}</h2><div class=\"bar\" aria-hidden=\"true\">{bar}</div><ul>{words}</ul></div>"
    )
}

/// Where and how the findings were made.
fn facts(findings: &[&Finding]) -> String {
    let distinct = |of: fn(&Finding) -> &str| {
        let all: BTreeSet<&str> = findings.iter().map(|f| of(f)).collect();
        escape(&all.into_iter().collect::<Vec<_>>().join("; "))
    };
    let sum = |of: fn(&Finding) -> usize| findings.iter().map(|f| of(f)).sum::<usize>();
    let seconds: f64 = findings.iter().map(|f| f.seconds).sum();
    let failed = match sum(|f| f.failures.len()) {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!(
        "<dl class=\"facts\"><div><dt>Systems</dt><dd>{} of {}</dd></div>\
         <div><dt>Seeds</dt><dd>{}{failed}</dd></div>\
         <div><dt>Rules revised</dt><dd>{} in {}</dd></div>\
         <div><dt>Time</dt><dd>{:.1} core minutes</dd></div><div><dt>Machine</dt><dd>{}</dd></div>\
         <div><dt>Backend</dt><dd>{}</dd></div><div><dt>Commit</dt><dd>{}</dd></div></dl>",
        findings.len(),
        SYSTEMS.len(),
        sum(|f| f.seeds.len()),
        count(sum(|f| f.revisions.len()), "revision"),
        count(sum(|f| usize::from(!f.revisions.is_empty())), "system"),
        seconds / 60.0,
        distinct(|f| &f.origin.machine),
        distinct(|f| &f.origin.backend),
        distinct(|f| &f.origin.commit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_systems_are_said() {
        assert!(missing(3, 17).contains("3 of 17 systems"));
        assert_eq!(missing(17, 17), "");
    }

    #[test]
    fn counts_of_nothing_are_left_out() {
        let parts = [
            Part::new("a", "+", "one", 2),
            Part::new("b", "-", "other", 0),
        ];
        let bar = bar("x", &parts);
        assert!(bar.contains("<b>2</b>") && !bar.contains("other"));
    }
}
