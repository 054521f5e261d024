//! An experiment's curves: the mean over the seeds as a line, one standard error to either side as a band.

use regimen_tensor::stats::{mean, standard_error};

use super::axis::{Axis, below, label};
use super::text::escape;
use crate::experiment::{Finding, System, Trial};

/// The most points of a line: more can't be seen, and make the page heavy.
const POINTS: usize = 160;

/// Colours and dashes of the style sheet.
const STYLES: usize = 10;

/// The size of the inner view box, which is stretched over the picture.
const SIZE: f64 = 1000.0;

/// A point of an arm's curve over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    x: f64,
    mean: f64,
    se: f64,
}

/// An arm's curve.
struct Curve {
    arm: String,
    points: Vec<Point>,
    style: String,
}

/// The curves of all arms with a legend, or nothing if the experiment drew none.
pub(super) fn figure(system: &System, finding: &Finding, trials: &[Trial]) -> Option<String> {
    let curves = curves(finding, trials);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let x = Axis::over(points().map(|point| point.x))?;
    let y = Axis::over(points().flat_map(|point| [point.mean - point.se, point.mean + point.se]))?;
    let (x_name, y_name) = system.curve.split_once(" / ").unwrap_or((system.curve, ""));
    let bands: String = curves.iter().map(|curve| curve.band(&x, &y)).collect();
    let lines: String = curves.iter().map(|curve| curve.line(&x, &y)).collect();
    let legend: String = curves.iter().map(Curve::legend).collect();
    Some(format!(
        "<figure class=\"curves\"><p class=\"axis-name\">{y_name}</p>\
         <div class=\"plot\"><svg class=\"y\" aria-hidden=\"true\">{y_ticks}</svg>\
         <svg class=\"area\" role=\"img\" aria-label=\"{y_name} over {x_name}\">{grid}\
         <svg viewBox=\"0 0 {SIZE} {SIZE}\" preserveAspectRatio=\"none\">{bands}{lines}</svg></svg>\
         <div class=\"x\">{x_ticks}</div></div><p class=\"axis-name x-name\">{x_name}</p>\
         <ul class=\"legend\">{legend}</ul><figcaption>{caption}</figcaption></figure>",
        y_name = escape(y_name),
        x_name = escape(x_name),
        y_ticks = beside(&y),
        grid = grid(&x, &y),
        x_ticks = below(&x, 6),
        caption = caption(trials.len()),
    ))
}

fn caption(seeds: usize) -> String {
    if seeds < 2 {
        return "The curve of each arm, of one seed.".to_owned();
    }
    format!("Lines: mean over {seeds} seeds. Bands: one standard error of the mean to either side.")
}

/// The curves of all arms: the method first, then its baseline.
fn curves(finding: &Finding, trials: &[Trial]) -> Vec<Curve> {
    let mut arms: Vec<&String> = trials
        .iter()
        .flat_map(|trial| trial.curves.keys())
        .collect();
    arms.sort();
    arms.dedup();
    arms.sort_by_key(|arm| rank(finding, arm));
    let curve = |(index, arm): (usize, &String)| {
        let main = if rank(finding, arm) < 2 { " main" } else { "" };
        Curve {
            arm: arm.clone(),
            points: points(trials, arm),
            style: format!("s{}{main}", index % STYLES),
        }
    };
    arms.into_iter().enumerate().map(curve).collect()
}

/// The method is 0, its baseline 1, every other arm 2.
pub(super) fn rank(finding: &Finding, arm: &str) -> usize {
    match arm {
        arm if arm == finding.method.arm => 0,
        arm if arm == finding.baseline.arm => 1,
        _ => 2,
    }
}

/// Mean and standard error over the seeds, point by point, as far as every seed goes.
fn points(trials: &[Trial], arm: &str) -> Vec<Point> {
    let seeds: Vec<&Vec<(f64, f64)>> = trials.iter().filter_map(|t| t.curves.get(arm)).collect();
    let length = seeds.iter().map(|curve| curve.len()).min().unwrap_or(0);
    let at = |index: usize| {
        let x: Vec<f64> = seeds.iter().map(|curve| curve[index].0).collect();
        let y: Vec<f64> = seeds.iter().map(|curve| curve[index].1).collect();
        Point {
            x: mean(&x),
            mean: mean(&y),
            se: standard_error(&y),
        }
    };
    let is_finite = |point: &Point| point.x.is_finite() && point.mean.is_finite();
    thin(length).map(at).filter(is_finite).collect()
}

/// The places that are drawn: the first, the last and, of many, some between.
fn thin(length: usize) -> impl Iterator<Item = usize> {
    let count = length.min(POINTS);
    (0..count).map(move |index| match count {
        0 | 1 => index,
        _ => index * (length - 1) / (count - 1),
    })
}

impl Curve {
    fn line(&self, x: &Axis, y: &Axis) -> String {
        let points = self
            .points
            .iter()
            .map(|point| place(x, y, point.x, point.mean));
        let points = points.collect::<Vec<_>>().join(" ");
        format!(
            "<polyline class=\"line {}\" points=\"{points}\"/>",
            self.style
        )
    }

    fn band(&self, x: &Axis, y: &Axis) -> String {
        if self.points.iter().all(|point| point.se == 0.0) {
            return String::new();
        }
        let above = self.points.iter().map(|p| place(x, y, p.x, p.mean + p.se));
        let below = self
            .points
            .iter()
            .rev()
            .map(|p| place(x, y, p.x, p.mean - p.se));
        let points = above.chain(below).collect::<Vec<_>>().join(" ");
        format!(
            "<polygon class=\"band {}\" points=\"{points}\"/>",
            self.style
        )
    }

    fn legend(&self) -> String {
        format!(
            "<li><svg class=\"key\" width=\"34\" height=\"10\" aria-hidden=\"true\">\
             <line class=\"line {}\" x1=\"0\" x2=\"34\" y1=\"5\" y2=\"5\"/></svg> {}</li>",
            self.style,
            escape(&self.arm)
        )
    }
}

fn place(x: &Axis, y: &Axis, at: f64, value: f64) -> String {
    let scale = SIZE / 100.0;
    format!("{:.1},{:.1}", x.at(at) * scale, SIZE - y.at(value) * scale)
}

fn grid(x: &Axis, y: &Axis) -> String {
    let mut svg = String::new();
    for tick in x.ticks(6) {
        let at = x.at(tick);
        svg +=
            &format!("<line class=\"grid\" x1=\"{at:.2}%\" x2=\"{at:.2}%\" y1=\"0\" y2=\"100%\"/>");
    }
    for tick in y.ticks(6) {
        let at = 100.0 - y.at(tick);
        svg +=
            &format!("<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{at:.2}%\" y2=\"{at:.2}%\"/>");
    }
    svg
}

/// The numbers to the left of the picture.
fn beside(y: &Axis) -> String {
    let tick = |tick: f64| {
        let at = 100.0 - y.at(tick);
        let text = label(tick, y);
        format!(
            "<text x=\"100%\" dx=\"-6\" y=\"{at:.2}%\" dy=\"4\" text-anchor=\"end\">{text}</text>"
        )
    };
    y.ticks(6).into_iter().map(tick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_go_as_far_as_every_seed() {
        let mut trials = [Trial::new(0), Trial::new(1)];
        trials[0].curve("a", vec![(0.0, 1.0), (1.0, 2.0), (2.0, 9.0)]);
        trials[1].curve("a", vec![(0.0, 3.0), (1.0, 2.0)]);
        let points = points(&trials, "a");
        let means: Vec<f64> = points.iter().map(|point| point.mean).collect();
        assert_eq!(means, [2.0, 2.0]);
        assert_eq!(points[0].se, 1.0);
    }

    #[test]
    fn thinned_curves_keep_their_ends() {
        let places: Vec<usize> = thin(1000).collect();
        assert_eq!(places.len(), POINTS);
        assert_eq!((places[0], places[POINTS - 1]), (0, 999));
        assert_eq!(thin(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(thin(1).collect::<Vec<_>>(), [0]);
        assert_eq!(thin(0).count(), 0);
    }
}
