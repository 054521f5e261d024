//! Outcomes and effects as badges: a sign, a word and a colour, so that no reader needs the colour.

use crate::experiment::{Finding, Outcome, PaperEffect};

/// The name of an outcome in style sheets and in the filter.
pub(super) fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::WithinNoise => "noise",
        Outcome::Inconclusive => "inconclusive",
        Outcome::DoesNotHold => "not",
        Outcome::Failed => "failed",
    }
}

/// The sign before its name.
pub(super) fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "✓",
        Outcome::WithinNoise => "≈",
        Outcome::Inconclusive => "?",
        Outcome::DoesNotHold => "✗",
        Outcome::Failed => "!",
    }
}

/// An outcome.
pub(super) fn outcome(outcome: Outcome) -> String {
    badge(class(outcome), sign(outcome), outcome.name())
}

/// Whether the paper's own effect shows.
pub(super) fn paper(effect: PaperEffect) -> String {
    let (class, sign) = paper_class(effect);
    badge(class, sign, effect.name())
}

/// The name of an effect in style sheets, and the sign before its words.
pub(super) fn paper_class(effect: PaperEffect) -> (&'static str, &'static str) {
    match effect {
        PaperEffect::Shown => ("shown", "●"),
        PaperEffect::ShownInPart => ("part", "◐"),
        PaperEffect::NotAtThisSize => ("absent", "○"),
    }
}

/// A badge where the method is behind its own baseline, else nothing.
pub(super) fn behind(finding: &Finding) -> String {
    if finding.is_behind() {
        badge("behind", "▼", "behind its baseline")
    } else {
        String::new()
    }
}

fn badge(class: &str, sign: &str, word: &str) -> String {
    format!("<span class=\"badge {class}\"><i aria-hidden=\"true\">{sign}</i> {word}</span>")
}
