//! A number line: single seeds as dots, their mean, and a bar over it.

use super::axis::{Axis, anchor};
use super::text::{escape, minus, number};
use crate::experiment::{Check, Direction, MARGIN, Summary};

/// The height of the part with the dots, in pixels.
const HEIGHT: f64 = 22.0;

/// Dots of neighbouring seeds lie on different heights, so that equal ones are seen.
const HEIGHTS: [f64; 3] = [0.0, -4.5, 4.5];

/// A check: its bound, the side that is right, the seeds, their mean and two standard errors about it.
pub(super) fn check(check: &Check) -> String {
    let ends = ends(check.mean, check.se);
    let all = check.values.iter().chain(&ends).chain([&check.bound]);
    let finite = check.values.iter().any(|value| value.is_finite());
    let Some(axis) = Axis::over(all.copied()).filter(|_| finite) else {
        return "<span class=\"soft\">no figures</span>".to_owned();
    };
    let bound = axis.at(check.bound);
    let (left, right) = match check.direction {
        Direction::AtLeast => (bound, 100.0),
        Direction::AtMost | Direction::EachAtMost => (0.0, bound),
        Direction::Exactly => (bound, bound),
    };
    format!(
        "<svg class=\"strip\" height=\"36\" role=\"img\" aria-label=\"{name}\">\
         <rect class=\"right\" x=\"{left:.2}%\" width=\"{width:.2}%\" y=\"0\" height=\"{HEIGHT}\"/>\
         {line}<line class=\"bound\" x1=\"{bound:.2}%\" x2=\"{bound:.2}%\" y1=\"0\" y2=\"{HEIGHT}\"/>{dots}\
         <text x=\"{bound:.2}%\" y=\"34\" text-anchor=\"{anchor}\">{text}</text></svg>",
        name = escape(&format!("{}; mean {}", check.statement, number(check.mean))),
        width = right - left,
        line = middle_line(),
        dots = dots(&axis, check.mean, check.se, &check.values),
        anchor = anchor(bound),
        text = minus(&number(check.bound)),
    )
}

/// The seeds of an arm on an axis that all arms share.
pub(super) fn arm(axis: &Axis, summary: &Summary) -> String {
    let name = format!("{}: mean {}", summary.arm, number(summary.mean));
    format!(
        "<svg class=\"strip\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{}\">{}{}</svg>",
        escape(&name),
        middle_line(),
        dots(axis, summary.mean, summary.se, &summary.values)
    )
}

/// The ends of the bar: two standard errors to either side of the mean.
pub(super) fn ends(mean: f64, se: f64) -> [f64; 2] {
    [mean - MARGIN * se, mean + MARGIN * se]
}

fn middle_line() -> String {
    let middle = HEIGHT / 2.0;
    format!("<line class=\"axis\" x1=\"0\" x2=\"100%\" y1=\"{middle}\" y2=\"{middle}\"/>")
}

fn dots(axis: &Axis, mean: f64, se: f64, values: &[f64]) -> String {
    let middle = HEIGHT / 2.0;
    let mut svg = String::new();
    if mean.is_finite() && se.is_finite() {
        let [left, right] = ends(mean, se).map(|end| axis.at(end));
        let mean = axis.at(mean);
        svg += &format!(
            "<rect class=\"bar\" x=\"{left:.2}%\" width=\"{:.2}%\" y=\"{}\" height=\"6\"/>\
             <line class=\"mean\" x1=\"{mean:.2}%\" x2=\"{mean:.2}%\" y1=\"3\" y2=\"{}\"/>",
            right - left,
            middle - 3.0,
            HEIGHT - 3.0,
        );
    }
    for (index, value) in values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
    {
        svg += &format!(
            "<circle class=\"dot\" cx=\"{:.2}%\" cy=\"{}\" r=\"2.6\"/>",
            axis.at(*value),
            middle + HEIGHTS[index % HEIGHTS.len()]
        );
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Quantity;

    #[test]
    fn every_seed_is_a_dot() {
        let svg = check(&Quantity::new("x", "", vec![1.0, 2.0, 3.0]).at_least(0.5));
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains(">0.5</text>"));
    }

    #[test]
    fn no_seed_is_said() {
        for values in [vec![], vec![f64::NAN]] {
            let svg = check(&Quantity::new("x", "", values).at_least(0.5));
            assert!(svg.contains("no figures") && !svg.contains("NaN"), "{svg}");
        }
    }
}
