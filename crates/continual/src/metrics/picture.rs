//! The matrix of accuracies as a picture; behind the feature `plot`.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use regimen_tensor::AccuracyMatrix;

use crate::{ContinualError, Result};

/// Tasks that a picture has room for.
const MOST: usize = 64;

/// The matrix as an SVG of some pixels: a row for each task that was trained, from above, a column for each on which it was tested, the
/// accuracy in each cell, and a darker blue the higher it is between 0 and 1 (or 0 and 100, if one is above 1). Cells
/// that are not measured stay empty.
///
/// ```
/// use regimen_continual::{AccuracyMatrix, metrics::picture};
///
/// let mut matrix = AccuracyMatrix::new(2)?;
/// matrix.record(0, &[0.9])?;
/// matrix.record(1, &[0.5, 0.8])?;
/// let svg = picture(&matrix, 320, 240)?;
/// assert!(svg.starts_with("<svg") && svg.contains(".50"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If there is no task, or more than 64; if a side is not 1 to 32,768 pixels, or leaves no room.
pub fn picture(matrix: &AccuracyMatrix, width: u32, height: u32) -> Result<String> {
    let rows = matrix.rows();
    let tasks = rows.len();
    if tasks == 0 || tasks > MOST {
        return Err(ContinualError::range("tasks", tasks, "1 to 64"));
    }
    for (field, pixels) in [("width", width), ("height", height)] {
        if !(1..=1 << 15).contains(&pixels) {
            return Err(ContinualError::range(field, pixels, "1 to 32,768"));
        }
    }
    let mut svg = String::new();
    draw(rows, &mut svg, (width, height)).map_err(|reason| {
        let size = format!("{width} x {height}: {reason}");
        ContinualError::range("size", size, "a size that can be drawn")
    })?;
    Ok(svg)
}

fn draw(rows: &[Vec<f64>], svg: &mut String, size: (u32, u32)) -> std::result::Result<(), String> {
    let failed = |error: DrawingAreaErrorKind<_>| error.to_string();
    let tasks = rows.len();
    let measured = rows.iter().flatten().filter(|value| !value.is_nan());
    let percent = measured.copied().any(|value| value > 1.0);
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..tasks as f64, tasks as f64..0.0)
        .map_err(failed)?;
    let name = |place: &f64| match place.fract() == 0.0 && *place >= 0.0 {
        true => format!("{place:.0}"),
        false => String::new(),
    };
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("tested on")
        .y_desc("after task")
        .x_label_formatter(&name)
        .y_label_formatter(&name)
        .draw()
        .map_err(failed)?;
    let cell_height = size.1 / tasks as u32;
    let font = ("sans-serif", (cell_height / 3).clamp(6, 16)).into_font();
    for (after, row) in rows.iter().enumerate() {
        for (on, value) in row.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let share = (value / if percent { 100.0 } else { 1.0 }).clamp(0.0, 1.0);
            let (x, y) = (on as f64, after as f64);
            let cell = Rectangle::new([(x, y), (x + 1.0, y + 1.0)], shade(share).filled());
            let text = match percent {
                true => format!("{value:.0}"),
                false => format!("{value:.2}"),
            };
            let colour = if share > 0.6 { WHITE } else { BLACK };
            let middle = Pos::new(HPos::Center, VPos::Center);
            let style = TextStyle::from(font.clone()).color(&colour).pos(middle);
            let text = Text::new(text, (x + 0.5, y + 0.5), style);
            chart.draw_series([cell]).map_err(failed)?;
            chart.draw_series([text]).map_err(failed)?;
        }
    }
    area.present().map_err(failed)
}

/// From white to a dark blue.
fn shade(share: f64) -> RGBColor {
    let part = |end: f64| (255.0 + (end - 255.0) * share).round() as u8;
    RGBColor(part(16.0), part(66.0), part(130.0))
}
