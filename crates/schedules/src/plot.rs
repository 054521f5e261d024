//! # Picture
//!
//! Any schedule, or several, drawn to SVG.
//!
//! Source: `plotters`; behind the feature `plot`.

use std::path::Path;

use plotters::prelude::*;

use crate::error::{Error, Result, check_steps};
use crate::schedule::Schedule;

/// Points of a line: more than its width in pixels.
const POINTS: usize = 1000;

/// One for each schedule, in turn.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0x1f, 0x5f, 0xa8),
    RGBColor(0xc8, 0x55, 0x1b),
    RGBColor(0x2b, 0x8a, 0x4b),
    RGBColor(0x7a, 0x3f, 0x9d),
];

/// A picture of schedules over the first steps of a run.
///
/// ```
/// use regimen_schedules::{Cosine, Picture, ScheduleExt};
///
/// let rate = Cosine::new(0.1, 90)?.warmed_up(10)?;
/// let svg = Picture::new(120).svg(&[&rate])?;
/// assert!(svg.starts_with("<svg"));
/// # Ok::<(), regimen_schedules::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    steps: usize,
    size: (u32, u32),
    title: Option<String>,
}

impl Picture {
    /// Of steps 0 to `steps`, 480 by 240 pixels, without a title.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        let (size, title) = ((480, 240), None);
        Self { steps, size, title }
    }

    /// Another width and height in pixels.
    #[must_use]
    pub fn with_size(self, width: u32, height: u32) -> Self {
        let size = (width, height);
        Self { size, ..self }
    }

    /// A line of text above.
    #[must_use]
    pub fn with_title(self, title: &str) -> Self {
        let title = Some(title.to_owned());
        Self { title, ..self }
    }

    /// The picture as SVG text, the same on every machine.
    ///
    /// Where a value jumps from one step to the next, so does the line.
    ///
    /// # Errors
    /// If `steps` is 0, no value is finite, or the size leaves no room.
    pub fn svg(&self, schedules: &[&dyn Schedule]) -> Result<String> {
        check_steps(self.steps)?;
        let lines: Vec<Vec<(f64, f64)>> = schedules.iter().map(|one| self.line(*one)).collect();
        let mut text = String::new();
        self.draw(&lines, &mut text).map_err(Error::Picture)?;
        Ok(text)
    }

    /// Writes the picture to a file.
    ///
    /// # Errors
    /// As [`svg`](Self::svg), or if the file can't be written.
    pub fn save(&self, schedules: &[&dyn Schedule], path: impl AsRef<Path>) -> Result<()> {
        let text = self.svg(schedules)?;
        std::fs::write(path, text).map_err(|error| Error::Picture(error.to_string()))
    }

    /// The points of a line: all steps, or evenly spread ones of a long run.
    fn line(&self, schedule: &dyn Schedule) -> Vec<(f64, f64)> {
        let stride = self.steps.div_ceil(POINTS);
        let steps = (0..=self.steps).step_by(stride);
        steps.map(|step| (step as f64, schedule.at(step))).collect()
    }

    fn draw(
        &self,
        lines: &[Vec<(f64, f64)>],
        text: &mut String,
    ) -> std::result::Result<(), String> {
        let values = || lines.iter().flatten().map(|(_, value)| *value);
        let low = values().fold(0.0, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        let room = 0.05 * (high - low).max(f64::MIN_POSITIVE);
        if !(low.is_finite() && high.is_finite() && (high + room - low).is_finite()) {
            return Err("a schedule's values, or their range, are not finite".to_owned());
        }
        let failed = |error: DrawingAreaErrorKind<_>| error.to_string();
        let area = SVGBackend::with_string(text, self.size).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut builder = ChartBuilder::on(&area);
        builder
            .margin(8)
            .x_label_area_size(26)
            .y_label_area_size(56);
        if let Some(title) = &self.title {
            builder.caption(title, ("sans-serif", 15));
        }
        let ranges = (0.0..self.steps as f64, low..high + room);
        let mut chart = builder
            .build_cartesian_2d(ranges.0, ranges.1)
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(6)
            .y_labels(5)
            .x_label_formatter(&|x| format!("{x:.0}"));
        mesh.max_light_lines(0)
            .bold_line_style(RGBColor(0xe6, 0xe6, 0xe6));
        mesh.y_label_formatter(&|y| label(*y))
            .draw()
            .map_err(failed)?;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            let points = line.iter().copied();
            chart
                .draw_series(LineSeries::new(points, style))
                .map_err(failed)?;
        }
        area.present().map_err(failed)
    }
}

/// A value with three digits, in powers of ten where it is small.
fn label(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-2..1e4).contains(&size) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.1e}")
    }
}
