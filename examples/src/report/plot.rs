//! An experiment's plot as inline SVG.

use std::collections::BTreeMap;

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::colors::full_palette as palette;

use crate::experiment::{System, Trial};

const COLOURS: [RGBColor; 10] = [
    palette::BLUE_700,
    palette::DEEPORANGE_600,
    palette::GREEN_700,
    palette::PURPLE_600,
    palette::BROWN_500,
    palette::CYAN_700,
    palette::PINK_400,
    palette::GREY_700,
    palette::LIME_800,
    palette::INDIGO_300,
];

/// The mean curve of every arm over the seeds, or nothing if the experiment drew none.
pub(super) fn curves(system: &System, trials: &[Trial]) -> Result<Option<String>> {
    let curves = mean_curves(trials);
    let points: Vec<(f64, f64)> = curves.values().flatten().copied().collect();
    if points.is_empty() {
        return Ok(None);
    }
    let (x_name, y_name) = system.curve.split_once(" / ").unwrap_or((system.curve, ""));
    let (x, y) = (
        range(points.iter().map(|p| p.0)),
        range(points.iter().map(|p| p.1)),
    );
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (720, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(60)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(palette::GREY_200)
            .x_desc(x_name)
            .y_desc(y_name)
            .label_style(("sans-serif", 14))
            .draw()?;
        for (i, (arm, points)) in curves.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let style = colour.stroke_width(2);
            let series = LineSeries::new(points.iter().copied(), style);
            chart
                .draw_series(series)?
                .label(arm)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.85))
            .border_style(palette::GREY_400)
            .label_font(("sans-serif", 14))
            .draw()?;
        root.present()?;
    }
    Ok(Some(svg.replacen(
        "<svg ",
        &format!("<svg role=\"img\" aria-label=\"{y_name} over {x_name}\" "),
        1,
    )))
}

/// The mean over seeds, point by point, as far as every seed goes.
fn mean_curves(trials: &[Trial]) -> BTreeMap<String, Vec<(f64, f64)>> {
    let mut means = BTreeMap::new();
    let Some(first) = trials.first() else {
        return means;
    };
    for arm in first.curves.keys() {
        let all: Vec<&Vec<(f64, f64)>> = trials.iter().filter_map(|t| t.curves.get(arm)).collect();
        let length = all.iter().map(|curve| curve.len()).min().unwrap_or(0);
        let at = |i: usize| {
            let sum = all
                .iter()
                .fold((0.0, 0.0), |s, c| (s.0 + c[i].0, s.1 + c[i].1));
            (sum.0 / all.len() as f64, sum.1 / all.len() as f64)
        };
        means.insert(arm.clone(), (0..length).map(at).collect());
    }
    means
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if !low.is_finite() {
        return (0.0, 1.0);
    }
    let margin = ((high - low) * 0.04).max(1e-9);
    (low - margin, high + margin)
}
