//! The book's table of support, from what each crate's conformance suite found (`tests/support.csv`).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::region;
use crate::project::Project;

/// The page of the book.
const PAGE: &str = "docs/src/support.md";

/// One answer of a method: to a model, under a condition.
#[derive(Debug, Deserialize)]
struct Row {
    method: String,
    model: String,
    condition: String,
    answer: String,
}

pub(super) fn check(project: &Project, fix: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut text = String::new();
    for package in project.libraries() {
        let file = package.folder.join("tests").join("support.csv");
        if !project.root.join(&file).is_file() {
            problems.push(format!(
                "{}: no such file: the conformance suite of {} writes it",
                file.display(),
                package.name
            ));
            continue;
        }
        text += &format!(
            "\n### {}\n\n{}",
            package.name,
            table(&read(project, &file)?)
        );
    }
    let problem = region::compare(project, Path::new(PAGE), "support", &text, fix)?;
    problems.extend(problem);
    Ok(problems)
}

fn read(project: &Project, file: &PathBuf) -> Result<Vec<Row>> {
    let text = project.read(file)?;
    let rows = csv::Reader::from_reader(text.as_bytes())
        .into_deserialize()
        .collect::<Result<_, _>>();
    rows.with_context(|| file.display().to_string())
}

/// The names of one column, in the order in which they first appear.
fn names<'a>(rows: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in rows {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Methods by models. A cell is "all", or what is served; refusals are numbered and listed below.
fn table(rows: &[Row]) -> String {
    let models = names(rows.iter().map(|row| row.model.as_str()));
    let mut refusals: Vec<&str> = Vec::new();
    let head = models.iter().map(|model| format!(" {model} |"));
    let mut text = format!("| method | asked |{}\n", head.collect::<String>());
    text += &format!("|---|---|{}\n", "---|".repeat(models.len()));
    for method in names(rows.iter().map(|row| row.method.as_str())) {
        let own: Vec<&Row> = rows.iter().filter(|row| row.method == method).collect();
        let asked = names(
            own.iter()
                .filter(|row| row.answer != "-")
                .map(|row| row.condition.as_str()),
        );
        text += &format!("| {method} | {} |", asked.join(", "));
        for model in &models {
            let cell = own.iter().filter(|row| row.model == *model);
            text += &format!(" {} |", served(cell.copied(), &mut refusals));
        }
        text += "\n";
    }
    if !refusals.is_empty() {
        text += "\n";
    }
    for (index, reason) in refusals.iter().enumerate() {
        text += &format!("{}. {}\n", index + 1, reason.replace('|', "\\|"));
    }
    text
}

/// What a method serves of one model: "all", or the conditions that it serves and the numbers of its refusals.
fn served<'a>(rows: impl Iterator<Item = &'a Row>, refusals: &mut Vec<&'a str>) -> String {
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    for row in rows {
        match row.answer.strip_prefix("refused: ") {
            Some(reason) => {
                let known = refusals.iter().position(|known| *known == reason);
                let number = known.unwrap_or_else(|| {
                    refusals.push(reason);
                    refusals.len() - 1
                });
                no.push((row.condition.as_str(), number + 1));
            }
            None if row.answer == "yes" => yes.push(row.condition.as_str()),
            None => {}
        }
    }
    if no.is_empty() {
        return if yes.is_empty() { "-" } else { "all" }.to_owned();
    }
    let reasons = no
        .iter()
        .map(|(condition, number)| format!("{condition} refused ({number})"));
    let reasons: Vec<String> = match yes.is_empty() {
        true => names_of(&no),
        false => reasons.collect(),
    };
    let yes = yes.into_iter().map(str::to_owned);
    yes.chain(reasons).collect::<Vec<_>>().join(", ")
}

/// The refusals of a model that is served under no condition.
fn names_of(no: &[(&str, usize)]) -> Vec<String> {
    let mut numbers: Vec<usize> = no.iter().map(|(_, number)| *number).collect();
    numbers.dedup();
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    vec![format!("refused ({})", numbers.join(", "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: &str, condition: &str, answer: &str) -> Row {
        let [method, model, condition, answer] = ["m", model, condition, answer].map(str::to_owned);
        Row {
            method,
            model,
            condition,
            answer,
        }
    }

    #[test]
    fn cells_say_what_is_served_and_why_not() {
        let rows = [
            row("a", "f32", "yes"),
            row("a", "bf16", "yes"),
            row("a", "resumed", "-"),
            row("b", "f32", "yes"),
            row("b", "bf16", "refused: no bf16"),
            row("c", "f32", "refused: no weights"),
            row("c", "bf16", "refused: no weights"),
        ];
        assert_eq!(
            table(&rows),
            "| method | asked | a | b | c |\n|---|---|---|---|---|\n\
             | m | f32, bf16 | all | f32, bf16 refused (1) | refused (2) |\n\n\
             1. no bf16\n2. no weights\n"
        );
    }
}
