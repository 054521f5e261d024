//! What else was tried on a system: faults, revisions, and seeds that failed.

use super::text::{count, escape};
use crate::experiment::Finding;

/// The most of an error that is shown, in characters from its end.
const ERROR: usize = 2000;

/// The ways to break the method, each with the checks that it turns.
pub(super) fn faults(f: &Finding) -> String {
    if f.faults.is_empty() {
        return String::new();
    }
    let turns = |parts: &[&str]| {
        let parts = parts.iter().map(|part| escape(&full_name(f, part)));
        parts.collect::<Vec<_>>().join("; ")
    };
    let rows: String = f
        .faults
        .iter()
        .map(|fault| {
            format!(
                "<tr><td class=\"name\" data-name=\"Fault\"><code>{}</code></td><td data-name=\"What is done\">{}</td>\
                 <td data-name=\"Turns\">{}</td></tr>",
                escape(fault.name),
                escape(fault.does),
                turns(fault.turns)
            )
        })
        .collect();
    format!(
        "<h3>Faults that turn it</h3><p class=\"note\">With the method broken in one of these ways, the named checks no longer \
         hold.</p><div class=\"wide\"><table class=\"faults cards\"><thead><tr><th>Fault</th><th>What is done to the method</th>\
         <th>Check that turns</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// The quantity of the check that a part of it names.
fn full_name(f: &Finding, part: &str) -> String {
    let mut checks = f.checks.iter();
    let named = checks.find(|check| check.quantity.contains(part));
    named.map_or_else(|| part.to_owned(), |check| check.quantity.clone())
}

/// What was changed after figures were known.
pub(super) fn revisions(f: &Finding) -> String {
    if f.revisions.is_empty() {
        return String::new();
    }
    let items: String = f
        .revisions
        .iter()
        .map(|revision| {
            format!(
                "<li><b>Changed:</b> {} <b>Before:</b> {}</li>",
                escape(revision.changed),
                escape(revision.before)
            )
        })
        .collect();
    format!(
        "<h3>{}</h3><p class=\"note\">Changes of data, rule or seeds after figures were known, with what the experiment gave \
         before.</p><ol class=\"revisions\">{items}</ol>",
        capital(&count(f.revisions.len(), "revision"))
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// The seeds that failed, with their errors.
pub(super) fn failures(f: &Finding) -> String {
    if f.failures.is_empty() {
        return String::new();
    }
    let items: String = f
        .failures
        .iter()
        .map(|failure| {
            format!(
                "<li>Seed {}<pre>{}</pre></li>",
                failure.seed,
                escape(end_of(&failure.error, ERROR))
            )
        })
        .collect();
    format!(
        "<h3>Failed seeds</h3><p class=\"note\">{} of {} failed and has no part in the figures; the finding is \
         <b>failed</b> whatever the others gave.</p><ul class=\"failures\">{items}</ul>",
        f.failures.len(),
        count(f.seeds.len(), "seed")
    )
}

/// The last characters of a text.
fn end_of(text: &str, most: usize) -> &str {
    let start = text.char_indices().rev().nth(most.saturating_sub(1));
    start.map_or(text, |(start, _)| &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_error_is_shown() {
        assert_eq!(end_of("short", 10), "short");
        assert_eq!(end_of("ääbb", 3), "äbb");
        assert_eq!(end_of("", 3), "");
        assert_eq!(capital("1 revision"), "1 revision");
    }
}
