//! A table of arms and metrics from the record, as the marker on the page chooses them:
//!
//! ```text
//! <!-- arms:begin
//!   arms="granet = GraNet from 50 %; rigl = RigL"
//!   metrics="main = accuracy, %; updates"
//!   digits="2; 0"
//!   rows="metrics"
//! -->
//! <!-- arms:end -->
//! ```
//!
//! Items are set apart by semicolons, since names have commas; `name = words` shows other words than the name. Without
//! `arms` the table has all of them, without `metrics` the main one, without `digits` as many as the errors give; `rows`
//! may be `arms` (the default) or `metrics`. `names` is the first cell, above the names of the rows.

use serde_json::Value;

use super::super::region::Attributes;
use super::finding::with_unit;
use super::number;
use super::text::{escape, number_of, string};

/// The experiment's metric is called so in the record.
const MAIN: &str = "main";

/// An arm or a metric: its name in the record, and the words that stand for it.
struct Item {
    name: String,
    words: String,
}

/// A mean and its standard error; `None` in `mean` where the record has no number.
struct Cell {
    mean: Option<f64>,
    se: f64,
}

/// The table, or what is wrong with the marker.
pub(super) fn region(finding: &Value, attributes: &Attributes) -> Result<String, String> {
    attributes.only(&["arms", "metrics", "digits", "rows", "names"])?;
    let all = finding["arms"]
        .as_object()
        .ok_or("the record has no arms of this system")?;
    let arms = match attributes.get("arms") {
        Some(text) => items(text),
        None => all.keys().map(|name| Item::new(name, name)).collect(),
    };
    let metrics = items(attributes.get("metrics").unwrap_or(MAIN));
    for arm in &arms {
        if !all.contains_key(&arm.name) {
            let known: Vec<_> = all.keys().collect();
            return Err(format!("no arm `{}`; there are {known:?}", arm.name));
        }
    }
    let digits = digits(attributes.get("digits"), metrics.len())?;
    let mut columns = Vec::new();
    for (metric, digits) in metrics.iter().zip(digits) {
        let cells: Vec<Option<Cell>> = arms
            .iter()
            .map(|arm| cell(&all[&arm.name][&metric.name]))
            .collect();
        if cells.iter().all(Option::is_none) {
            return Err(format!("no arm here has the metric `{}`", metric.name));
        }
        columns.push(shown(&cells, digits));
    }
    let arm_words = arms.iter().map(|arm| bold_if_method(finding, arm));
    let metric_words = metrics.iter().map(|metric| heading(finding, metric));
    let (heads, rows): (Vec<String>, Vec<(String, Vec<String>)>) = match attributes.get("rows") {
        None | Some("arms") => {
            let row = |index: usize| columns.iter().map(|cells| cells[index].clone()).collect();
            let rows = arm_words
                .enumerate()
                .map(|(index, words)| (words, row(index)));
            (metric_words.collect(), rows.collect())
        }
        Some("metrics") => (arm_words.collect(), metric_words.zip(columns).collect()),
        Some(other) => return Err(format!("rows are `arms` or `metrics`, not `{other}`")),
    };
    let first = attributes.get("names").unwrap_or("");
    let mut table = format!("| {first} | {} |\n|---|", heads.join(" | "));
    table += &"---|".repeat(heads.len());
    for (words, cells) in rows {
        table += &format!("\n| {words} | {} |", cells.join(" | "));
    }
    Ok(table)
}

impl Item {
    fn new(name: &str, words: &str) -> Self {
        Self {
            name: name.to_owned(),
            words: words.to_owned(),
        }
    }
}

fn items(text: &str) -> Vec<Item> {
    let parts = text.split(';').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once(" = ") {
            Some((name, words)) => Item::new(name.trim(), words.trim()),
            None => Item::new(part, part),
        })
        .collect()
}

/// The decimals of each metric: one number for all, or one each.
fn digits(text: Option<&str>, metrics: usize) -> Result<Vec<Option<usize>>, String> {
    let Some(text) = text else {
        return Ok(vec![None; metrics]);
    };
    let numbers: Result<Vec<usize>, _> = text.split(';').map(|part| part.trim().parse()).collect();
    let numbers = numbers.map_err(|_| format!("digits `{text}` are not numbers"))?;
    match numbers[..] {
        [one] => Ok(vec![Some(one); metrics]),
        _ if numbers.len() == metrics => Ok(numbers.into_iter().map(Some).collect()),
        _ => Err(format!("digits `{text}` for {metrics} metrics")),
    }
}

fn cell(summary: &Value) -> Option<Cell> {
    summary.is_object().then(|| Cell {
        mean: number_of(summary, "mean"),
        se: number_of(summary, "se").unwrap_or(0.0),
    })
}

/// The cells of one metric; errors are left out where all of them are 0.
fn shown(cells: &[Option<Cell>], digits: Option<usize>) -> Vec<String> {
    let numbers: Vec<(f64, f64)> = cells
        .iter()
        .flatten()
        .filter_map(|cell| Some((cell.mean?, cell.se)))
        .collect();
    let digits = digits.unwrap_or_else(|| number::decimals_of_column(&numbers));
    let errors = numbers.iter().any(|(_, se)| *se > 0.0);
    let show = |cell: &Cell| match cell.mean {
        None => "no figure".to_owned(),
        Some(mean) if errors => {
            let (mean, se) = (number::fixed(mean, digits), number::fixed(cell.se, digits));
            format!("{mean} ± {se}")
        }
        Some(mean) => number::fixed(mean, digits),
    };
    let cells = cells.iter();
    cells
        .map(|cell| cell.as_ref().map_or(String::new(), show))
        .collect()
}

fn bold_if_method(finding: &Value, arm: &Item) -> String {
    let words = escape(&arm.words);
    if string(&finding["method"], "arm") == Some(&arm.name) {
        format!("**{words}**")
    } else {
        words
    }
}

/// The words of a metric; those of the main one, unless the marker has others, are the system's metric and unit.
fn heading(finding: &Value, metric: &Item) -> String {
    if metric.name != MAIN || metric.words != MAIN {
        return escape(&metric.words);
    }
    let name = string(finding, "metric").unwrap_or(MAIN);
    escape(&with_unit(name, string(finding, "unit").unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding() -> Value {
        json!({
            "metric": "test accuracy", "unit": "%", "method": { "arm": "eta 1" },
            "arms": {
                "constant, 8": { "main": { "mean": 97.483, "se": 0.15 }, "updates": { "mean": 9007.0, "se": 0.0 } },
                "eta 1": { "main": { "mean": 94.329, "se": 0.144 }, "updates": { "mean": 165.0, "se": 0.0 },
                    "saved, %": { "mean": null, "se": null } },
            },
        })
    }

    fn table(attributes: &str) -> Result<String, String> {
        region(&finding(), &Attributes::read(attributes)?)
    }

    #[test]
    fn all_arms_and_the_main_metric_unless_the_page_chooses() {
        assert_eq!(
            table("").as_deref(),
            Ok(
                "|  | test accuracy, % |\n|---|---|\n| constant, 8 | 97.48 ± 0.15 |\n| **eta 1** | 94.33 ± 0.14 |"
            )
        );
    }

    #[test]
    fn the_marker_chooses_names_words_and_digits() {
        let attributes = "arms=\"eta 1 = norm test, eta 1; constant, 8\" names=\"run\" \
            metrics=\"updates; main = accuracy; saved, %\" digits=\"0; 1; 1\"";
        assert_eq!(
            table(attributes).as_deref(),
            Ok(
                "| run | updates | accuracy | saved, % |\n|---|---|---|---|\n\
                | **norm test, eta 1** | 165 | 94.3 ± 0.1 | no figure |\n\
                | constant, 8 | 9007 | 97.5 ± 0.1 |  |"
            )
        );
    }

    #[test]
    fn metrics_may_be_the_rows() {
        let attributes = "metrics=\"main; updates\" rows=\"metrics\"";
        assert_eq!(
            table(attributes).as_deref(),
            Ok("|  | constant, 8 | **eta 1** |\n|---|---|---|\n\
                | test accuracy, % | 97.48 ± 0.15 | 94.33 ± 0.14 |\n| updates | 9007 | 165 |")
        );
    }

    #[test]
    fn what_the_record_does_not_have_is_an_error() {
        for attributes in [
            "arms=\"eta 2\"",
            "metrics=\"loss\"",
            "metric=\"main\"",
            "digits=\"one\"",
            "digits=\"1; 2\"",
            "rows=\"columns\"",
        ] {
            assert!(table(attributes).is_err(), "{attributes}");
        }
    }
}
