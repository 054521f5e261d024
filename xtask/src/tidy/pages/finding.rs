//! What a page says of its system's finding, from the record. A field that an older record lacks is left out.

use serde_json::Value;

use super::number;
use super::text::{escape, list, number_of, string};

/// The longest message of a failed seed that is shown, in characters.
const MESSAGE: usize = 160;

/// The generated part: figures, checks, revisions, faults, and what the run took.
pub(super) fn region(finding: &Value) -> String {
    let parts = [
        summary(finding),
        string(finding, "paper_figure").map(|figure| format!("In the paper: {}", escape(figure))),
        failures(finding),
        checks(finding),
        revisions(finding),
        faults(finding),
        Some(run(finding)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("\n\n")
}

/// Outcome and figures in one line.
fn summary(finding: &Value) -> Option<String> {
    let mut line = String::new();
    if let Some(effect) = string(finding, "paper_effect") {
        line += &format!("The paper's effect: **{effect}**. ");
    }
    line += &format!("The finding: **{}**. ", string(finding, "verdict")?);
    let metric = escape(&with_unit(
        &capital(string(finding, "metric")?),
        string(finding, "unit").unwrap_or(""),
    ));
    let better = string(finding, "better").map_or(String::new(), |b| format!(" ({b} is better)"));
    let figures: Vec<String> = ["baseline", "method"]
        .into_iter()
        .filter_map(|role| {
            let arm = &finding[role];
            let name = escape(string(arm, "arm")?);
            Some(format!("{role} *{name}* {}", figure(arm)))
        })
        .collect();
    line += &format!("{metric}{better}: {}", figures.join(", "));
    if let Some(effect) = effect(finding) {
        line += &format!("; {effect}");
    }
    Some(line + ".")
}

/// How far the method is ahead of its baseline.
fn effect(finding: &Value) -> Option<String> {
    let effect = finding.get("effect")?;
    let (mean, se) = (number_of(effect, "mean")?, number_of(effect, "se")?);
    if mean == 0.0 && se == 0.0 {
        return Some("no difference between the two".to_owned());
    }
    let word = if mean < 0.0 { "**behind**" } else { "ahead" };
    let unit = match string(effect, "unit").unwrap_or("") {
        "" => String::new(),
        "%" => " points".to_owned(),
        unit => format!(" {unit}"),
    };
    let size = number::mean_and_error(mean.abs(), se);
    let margin = number_of(effect, "margin").map_or(String::new(), |margin| {
        format!(" ({} standard errors)", number::margin(margin.abs()))
    });
    Some(format!("the method is {word} by {size}{unit}{margin}"))
}

/// The seeds without figures, and why.
fn failures(finding: &Value) -> Option<String> {
    let failures = list(finding, "failures");
    let lines: Vec<String> = failures
        .iter()
        .map(|failure| {
            let error = string(failure, "error").unwrap_or("");
            let last = error.trim_end().lines().next_back().unwrap_or("");
            let message: String = last.chars().take(MESSAGE).collect();
            format!("- seed {}: {}", failure["seed"], escape(&message))
        })
        .collect();
    (!lines.is_empty()).then(|| format!("Seeds that failed:\n\n{}", lines.join("\n")))
}

/// The conditions, one a row.
fn checks(finding: &Value) -> Option<String> {
    let checks = list(finding, "checks");
    if checks.is_empty() {
        return None;
    }
    let has = |key: &str| checks.iter().any(|check| check.get(key).is_some());
    let margins = has("margin");
    let mut table = "| check | mean ± standard error |".to_owned();
    table += if margins {
        " margin, standard errors | outcome |\n|---|---|---|---|"
    } else {
        " outcome |\n|---|---|---|"
    };
    for check in checks {
        let mark = if check["headline"] == true {
            "**headline:** "
        } else {
            ""
        };
        let statement = escape(string(check, "statement").unwrap_or(""));
        table += &format!("\n| {mark}{statement} | {} |", figure(check));
        if margins {
            table += &format!(" {} |", margin(check));
        }
        table += &format!(" {} |", string(check, "verdict").unwrap_or(""));
    }
    if has("headline") {
        let marked = checks.iter().any(|check| check["headline"] == true);
        table += if marked {
            "\n\nHeadline checks ask for the paper's own effect."
        } else {
            "\n\nNo check here asks for the paper's own effect."
        };
    }
    Some(table)
}

/// How far a check is on the right side.
fn margin(check: &Value) -> String {
    match number_of(check, "margin") {
        Some(margin) => number::margin(margin),
        None if number_of(check, "mean").is_none() => String::new(),
        None => match string(check, "direction") {
            Some("at least" | "at most") => "seeds agree".to_owned(),
            _ => "every seed counts".to_owned(),
        },
    }
}

/// Every change after figures were known.
fn revisions(finding: &Value) -> Option<String> {
    let revisions = finding.get("revisions")?.as_array()?;
    if revisions.is_empty() {
        return Some("**Revisions.** None: data, rule and seeds are the first ones.".to_owned());
    }
    let mut text =
        "**Revisions.** Changed after figures were known, the first change first:\n".to_owned();
    for revision in revisions {
        let changed = sentence(string(revision, "changed").unwrap_or(""));
        let before = sentence(string(revision, "before").unwrap_or(""));
        text += &format!("\n- {changed} Before: {before}");
    }
    Some(text)
}

/// The ways to break the method, each with the checks that it turns.
fn faults(finding: &Value) -> Option<String> {
    let faults = list(finding, "faults");
    if faults.is_empty() {
        return None;
    }
    let mut text =
        "**Faults that turn it.** Broken on purpose, the method fails these checks:\n".to_owned();
    for fault in faults {
        let name = string(fault, "name").unwrap_or("");
        let does = sentence(string(fault, "does").unwrap_or(""));
        let turns: Vec<String> = list(fault, "turns")
            .iter()
            .filter_map(|part| {
                let part = part.as_str()?;
                Some(format!("*{}*", escape(quantity(finding, part))))
            })
            .collect();
        text += &format!("\n- `{name}`: {does} Turns {}.", turns.join(", "));
    }
    Some(text)
}

/// The whole name of the quantity that has this part.
fn quantity<'a>(finding: &'a Value, part: &'a str) -> &'a str {
    let mut names = list(finding, "checks")
        .iter()
        .filter_map(|check| string(check, "quantity"));
    names.find(|name| name.contains(part)).unwrap_or(part)
}

/// Seeds, data, time and backend.
fn run(finding: &Value) -> String {
    let seeds: Vec<u64> = list(finding, "seeds")
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let mut parts = vec![format!("{} seeds ({})", seeds.len(), number::range(&seeds))];
    parts.extend(string(finding, "data").map(escape));
    parts.extend(number_of(finding, "seconds").map(|seconds| {
        let decimals = usize::from(seconds < 10.0);
        format!("{} core seconds", number::fixed(seconds, decimals))
    }));
    parts.extend(string(finding, "backend").map(|backend| format!("`{backend}`")));
    let name = string(finding, "system").unwrap_or("");
    format!(
        "{}. Run it: `cargo xtask reproduce {name}`.",
        parts.join("; ")
    )
}

/// Mean and standard error of an arm or a check.
fn figure(value: &Value) -> String {
    match number_of(value, "mean") {
        Some(mean) => number::mean_and_error(mean, number_of(value, "se").unwrap_or(0.0)),
        None => "no figure".to_owned(),
    }
}

/// A metric with its unit, where it does not name it itself.
pub(super) fn with_unit(metric: &str, unit: &str) -> String {
    if unit.is_empty() || metric.ends_with(&format!(", {unit}")) {
        metric.to_owned()
    } else {
        format!("{metric}, {unit}")
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + chars.as_str()
    })
}

/// The text as a sentence: with a capital letter, and a full stop at its end.
fn sentence(text: &str) -> String {
    let text = capital(&escape(text.trim()));
    if text.is_empty() || text.ends_with(['.', '!', '?']) {
        text
    } else {
        text + "."
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Value {
        json!({
            "system": "granet", "paper_effect": "shown in part", "verdict": "within noise",
            "paper_figure": "1.4 points over RigL, ResNet-50 | 80 %",
            "metric": "test accuracy", "unit": "%", "better": "higher",
            "baseline": { "arm": "rigl", "mean": 97.0, "se": 0.2 },
            "method": { "arm": "granet", "mean": 96.5, "se": 0.1 },
            "effect": { "mean": -0.5, "se": 0.25, "margin": -2.0, "unit": "%" },
            "checks": [
                { "quantity": "granet minus rigl", "statement": "granet minus rigl: at least 0 points",
                  "direction": "at least", "headline": true, "mean": -0.5, "se": 0.25, "margin": -2.0,
                  "verdict": "does not hold" },
                { "quantity": "weights off", "statement": "weights off: exactly 0", "direction": "exactly",
                  "headline": false, "mean": 0.0, "se": 0.0, "margin": null, "verdict": "holds" },
                { "quantity": "saved", "statement": "saved: at least 40 %", "direction": "at least",
                  "headline": false, "mean": 50.0, "se": 0.0, "margin": null, "verdict": "holds" },
                { "quantity": "lost", "statement": "lost: at most 1", "direction": "at most",
                  "headline": false, "mean": null, "se": null, "margin": null, "verdict": "failed" },
            ],
            "faults": [{ "name": "no-regrowth", "does": "nothing is grown back", "turns": ["minus rigl"] }],
            "revisions": [{ "changed": "seeds 0 to 2 became 10 to 12", "before": "it was 0.3 ± 0.4." }],
            "failures": [{ "seed": 11, "error": "line one\nerror: <nan> in `rigl`\n" }],
            "seeds": [10, 11, 12], "seconds": 312.4, "data": "digits", "backend": "Device<Flex(Cpu)>",
        })
    }

    #[test]
    fn everything_of_a_whole_record() {
        let text = region(&whole());
        for part in [
            "The paper's effect: **shown in part**. The finding: **within noise**. Test accuracy, % (higher is \
             better): baseline *rigl* 97.00 ± 0.20, method *granet* 96.50 ± 0.10; the method is **behind** by \
             0.50 ± 0.25 points (2.0 standard errors).",
            "In the paper: 1.4 points over RigL, ResNet-50 \\| 80 %",
            "| **headline:** granet minus rigl: at least 0 points | -0.50 ± 0.25 | -2.0 | does not hold |",
            "| weights off: exactly 0 | 0 | every seed counts | holds |",
            "| saved: at least 40 % | 50 | seeds agree | holds |",
            "| lost: at most 1 | no figure |  | failed |",
            "Headline checks ask for",
            "- `no-regrowth`: Nothing is grown back. Turns *granet minus rigl*.",
            "- Seeds 0 to 2 became 10 to 12. Before: It was 0.3 ± 0.4.",
            "- seed 11: error: &lt;nan> in `rigl`",
            "3 seeds (10 to 12); digits; 312 core seconds; `Device<Flex(Cpu)>`. Run it: `cargo xtask reproduce granet`.",
        ] {
            assert!(text.contains(part), "{part}\nnot in\n{text}");
        }
    }

    #[test]
    fn an_older_record_has_less() {
        let mut finding = whole();
        let fields = finding.as_object_mut().into_iter();
        for fields in fields {
            for key in ["effect", "faults", "revisions", "failures", "paper_figure"] {
                fields.remove(key);
            }
        }
        finding["checks"] = json!([{
            "statement": "granet minus rigl, at least .5", "mean": 3.24, "se": 0.54, "verdict": "holds"
        }]);
        let text = region(&finding);
        assert!(text.contains("| check | mean ± standard error | outcome |\n|---|---|---|"));
        assert!(text.contains("| granet minus rigl, at least .5 | 3.2 ± 0.5 | holds |"));
        for word in [
            "Revisions",
            "Faults",
            "headline",
            "null",
            "NaN",
            "the method is",
        ] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn no_revision_is_said_too() {
        let finding = json!({ "revisions": [], "verdict": "holds", "metric": "m" });
        assert!(region(&finding).contains("**Revisions.** None"));
    }

    #[test]
    fn arms_that_agree_have_no_difference() {
        let finding = json!({ "effect": { "mean": 0.0, "se": 0.0 } });
        assert_eq!(
            effect(&finding).as_deref(),
            Some("no difference between the two")
        );
    }

    #[test]
    fn a_unit_is_named_once() {
        assert_eq!(with_unit("accuracy", "%"), "accuracy, %");
        assert_eq!(with_unit("loss, nats", "nats"), "loss, nats");
        assert_eq!(with_unit("ratio", ""), "ratio");
        assert_eq!(with_unit("accuracy at 2 %", "%"), "accuracy at 2 %, %");
    }
}
