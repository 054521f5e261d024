use std::fmt;

use super::{Distances, ForgettingReport, KlomMeans, ModelMetrics};
use crate::metrics::OutputDistance;

impl fmt::Display for ForgettingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [retain, forget, test] = self.examples;
        writeln!(f, "Forgetting report")?;
        writeln!(f, "Request: {}", self.request)?;
        writeln!(f, "Method: {}", self.method)?;
        writeln!(
            f,
            "Examples: {retain} retained, {forget} forgotten, {test} unseen\n"
        )?;
        writeln!(
            f,
            "{:34}{:>11}{:>11}{:>11}",
            "", "original", "unlearned", "retrained"
        )?;
        let percent = |x: f64| format!("{:.2} %", 100.0 * x);
        self.row(f, "accuracy, retained (higher)", |m| {
            percent(m.retain_accuracy)
        })?;
        self.row(f, "accuracy, forgotten (as retrained)", |m| {
            percent(m.forget_accuracy)
        })?;
        self.row(f, "accuracy, unseen (higher)", |m| percent(m.test_accuracy))?;
        self.row(f, "members by loss (as retrained)", |m| {
            percent(m.membership.loss)
        })?;
        self.row(f, "members by entropy", |m| percent(m.membership.entropy))?;
        self.row(f, "members by confidence", |m| {
            percent(m.membership.confidence)
        })?;
        self.row(f, "members by modified entropy", |m| {
            percent(m.membership.modified_entropy)
        })?;
        if self.unlearned.membership.likelihood_ratio.is_some() {
            self.row(f, "likelihood ratio (as retrained)", |m| {
                m.membership
                    .likelihood_ratio
                    .map_or("-".into(), |x| format!("{x:.3}"))
            })?;
        }
        self.row(f, "relearn, epochs (as retrained)", |m| {
            m.relearn.epochs.map_or("never".into(), |n| n.to_string())
        })?;
        if self.unlearned.zrf.is_some() {
            self.row(f, "ZRF (higher)", |m| {
                m.zrf.map_or("-".into(), |x| format!("{x:.3}"))
            })?;
        }
        distances(f, "the original", &self.to_original)?;
        if let Some([unlearned, floor]) = self.klom {
            writeln!(f, "\nKLoM, nats (lower is better, down to the floor)")?;
            klom(f, "unlearned", unlearned)?;
            klom(f, "re-trained: floor", floor)?;
        }
        match &self.to_retrained {
            Some(to) => distances(f, "the retrained model (lower is better)", to),
            None => writeln!(
                f,
                "\nNo retrained model: values marked so have no reference."
            ),
        }
    }
}

impl ForgettingReport {
    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        value: impl Fn(&ModelMetrics) -> String,
    ) -> fmt::Result {
        let retrained = self.retrained.as_ref().map_or("-".into(), &value);
        let (original, unlearned) = (value(&self.original), value(&self.unlearned));
        writeln!(f, "{name:34}{original:>11}{unlearned:>11}{retrained:>11}")
    }
}

fn distances(f: &mut fmt::Formatter<'_>, to: &str, distances: &Distances) -> fmt::Result {
    writeln!(f, "\nDistance of the unlearned model to {to}")?;
    let sets = [
        ("retained", distances.retain),
        ("forgotten", distances.forget),
        ("unseen", distances.test),
    ];
    for (set, OutputDistance { kl, l2 }) in sets {
        writeln!(f, "  predictions, {set}: KL {kl:.4} nats, L2 {l2:.4}")?;
    }
    writeln!(f, "  weights, relative: {:.4}", distances.weights)
}

fn klom(f: &mut fmt::Formatter<'_>, name: &str, means: KlomMeans) -> fmt::Result {
    let KlomMeans {
        retain,
        forget,
        test,
    } = means;
    writeln!(
        f,
        "  {name}: retained {retain:.2}, forgotten {forget:.2}, unseen {test:.2}"
    )
}
