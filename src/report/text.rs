//! A report as plain text.

use std::fmt;

use super::{Measured, Report};

/// One line of a report: a metric, its direction, and a model's value.
pub struct Row {
    /// The metric.
    pub name: &'static str,
    /// What is better.
    pub better: &'static str,
    /// A model's value, `None` if it was not measured.
    pub value: fn(&Measured) -> Option<f64>,
}

const NEAR: &str = "nearer to retrained";

impl Row {
    /// Every line, in the report's order.
    pub const ALL: [Row; 18] = [
        row("accuracy, retained", "higher", |m| Some(m.retain_accuracy)),
        row("accuracy, forgotten", NEAR, |m| Some(m.forget_accuracy)),
        row("accuracy, test", "higher", |m| Some(m.test_accuracy)),
        row("membership by loss", NEAR, |m| Some(m.loss_attack)),
        row("membership by entropy", NEAR, |m| Some(m.entropy_attack)),
        row("membership by confidence", NEAR, |m| {
            Some(m.confidence_attack)
        }),
        row("membership by modified entropy", NEAR, |m| {
            Some(m.modified_entropy_attack)
        }),
        row("likelihood-ratio attack, area", "nearer to 0.5", |m| {
            m.lira_auc
        }),
        row("zero retrain forgetting", NEAR, |m| m.zrf),
        row("steps to relearn (- is never)", NEAR, |m| {
            m.relearn_steps.map(|steps| steps as f64)
        }),
        row("KL from retrained, retained", "lower", |m| {
            m.distance.map(|d| d.output_kl[0])
        }),
        row("KL from retrained, forgotten", "lower", |m| {
            m.distance.map(|d| d.output_kl[1])
        }),
        row("KL from retrained, test", "lower", |m| {
            m.distance.map(|d| d.output_kl[2])
        }),
        row("L2 from retrained, retained", "lower", |m| {
            m.distance.map(|d| d.output_l2[0])
        }),
        row("L2 from retrained, forgotten", "lower", |m| {
            m.distance.map(|d| d.output_l2[1])
        }),
        row("L2 from retrained, test", "lower", |m| {
            m.distance.map(|d| d.output_l2[2])
        }),
        row("weights from retrained", "lower", |m| {
            m.distance.map(|d| d.weights)
        }),
        row("accuracy lost, forgotten against retained", NEAR, |m| {
            Some(m.retain_accuracy - m.forget_accuracy)
        }),
    ];
}

const fn row(
    name: &'static str,
    better: &'static str,
    value: fn(&Measured) -> Option<f64>,
) -> Row {
    Row {
        name,
        better,
        value,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [retain, forget, test] = self.examples;
        writeln!(f, "Forgetting report: {}", self.title)?;
        writeln!(f, "{retain} examples retained, {forget} forgotten, {test} of test\n")?;
        write!(f, "{:<42} {:<20}", "metric", "better")?;
        for model in &self.models {
            write!(f, " {:>10}", model.name)?;
        }
        for row in Row::ALL {
            if self.models.iter().all(|m| (row.value)(m).is_none())
                && !row.name.starts_with("steps")
            {
                continue;
            }
            write!(f, "\n{:<42} {:<20}", row.name, row.better)?;
            for model in &self.models {
                match (row.value)(model) {
                    Some(value) => write!(f, " {value:>10.4}")?,
                    None => write!(f, " {:>10}", "-")?,
                }
            }
        }
        Ok(())
    }
}
