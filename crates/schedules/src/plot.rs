//! # Picture
//!
//! Any schedule, or several, drawn to SVG.
//!
//! Source: `plotters`; behind the feature `plot`.

use std::io::Write;
use std::path::Path;

use plotters::prelude::*;
use regimen_tensor::files;

use crate::error::{Error, Result, check, check_steps};
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

/// Widths and heights of a picture.
const SIZES: std::ops::RangeInclusive<u32> = 1..=1 << 15;

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

    /// Another width and height in pixels, 1 to 32,768.
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
    /// If `steps` is 0, a value is not finite, or the size is out of its range or leaves no room.
    pub fn svg(&self, schedules: &[&dyn Schedule]) -> Result<String> {
        check_steps(self.steps)?;
        for (field, pixels) in [("width", self.size.0), ("height", self.size.1)] {
            let good = SIZES.contains(&pixels);
            check(field, f64::from(pixels), good, "1 to 32,768")?;
        }
        let lines: Vec<Vec<(f64, f64)>> = schedules.iter().map(|one| self.line(*one)).collect();
        let mut text = String::new();
        self.draw(&lines, &mut text).map_err(Error::Picture)?;
        Ok(text)
    }

    /// Writes the picture to a file, as a whole or not at all.
    ///
    /// # Errors
    /// As [`svg`](Self::svg), or if the file can't be written.
    pub fn save(&self, schedules: &[&dyn Schedule], path: impl AsRef<Path>) -> Result<()> {
        let text = self.svg(schedules)?;
        files::write(path.as_ref(), |file| file.write_all(text.as_bytes()))
            .map_err(|error| Error::Picture(error.to_string()))
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
        let finite = values().all(f64::is_finite);
        if !finite || high < low {
            return Err("a schedule's values are not all finite, or there are none".to_owned());
        }
        // The axis is drawn in units in which its numbers neither overflow nor vanish.
        let unit = unit(high.max(-low));
        let (low, high) = (low / unit, high / unit);
        let range = if high > low { high - low } else { 1.0 };
        let room = 0.05 * range;
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
        mesh.y_label_formatter(&|y| label(*y * unit))
            .draw()
            .map_err(failed)?;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            let points = line.iter().map(|(step, value)| (*step, value / unit));
            chart
                .draw_series(LineSeries::new(points, style))
                .map_err(failed)?;
        }
        area.present().map_err(failed)
    }
}

/// 1 for values of a usual size, else a power of ten near them.
fn unit(size: f64) -> f64 {
    if size == 0.0 || (1e-6..1e9).contains(&size) {
        return 1.0;
    }
    10_f64.powf(size.log10().floor()).max(f64::MIN_POSITIVE)
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
