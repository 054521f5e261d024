//! Images as rows of CSV files.

use anyhow::{Result, bail, ensure};

use super::images::{CLASSES, Images};
use super::unpack;

impl Images {
    /// The embedded digits: 1,797 images of 8 x 8 in ten classes.
    ///
    /// # Errors
    /// If the embedded file is damaged.
    pub fn digits() -> Result<Self> {
        let text = unpack("digits.csv.gz", include_bytes!("../../data/digits.csv.gz"))?;
        Self::from_csv("UCI digits 8x8 (embedded)", &text)
    }

    /// Rows of pixels with the class last; a line of names at the top is skipped. Images are square where the number of pixels is a
    /// square, else they have one row.
    ///
    /// # Errors
    /// If a row is not numeric, rows differ in length, or as [`new`](Self::new).
    pub fn from_csv(name: &str, text: &str) -> Result<Self> {
        let mut rows = Rows::default();
        rows.read(name, text)?;
        rows.into_images(name)
    }
}

/// Images as rows of one or more CSV files.
#[derive(Default)]
pub(super) struct Rows {
    pixels: Vec<f32>,
    labels: Vec<usize>,
    /// Pixels in a row, and the file that says so.
    size: Option<(usize, String)>,
}

impl Rows {
    /// Adds the rows of a file.
    ///
    /// # Errors
    /// If it holds no row, or one that is not numeric or of another length: the file and the line are named.
    pub(super) fn read(&mut self, name: &str, text: &str) -> Result<()> {
        let before = self.labels.len();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        for (record, place) in reader.records().zip(1_u64..) {
            let record = record.map_err(|error| anyhow::anyhow!("{name}, row {place}: {error}"))?;
            let line = record.position().map_or(place, csv::Position::line);
            let values: Result<Vec<f32>, _> = record.iter().map(|v| v.trim().parse()).collect();
            match values {
                Ok(values) => self.push(name, line, values)?,
                Err(_) if place == 1 => {}
                Err(error) => bail!("{name}, line {line}: {error}"),
            }
        }
        ensure!(self.labels.len() > before, "{name}: no images");
        Ok(())
    }

    fn push(&mut self, name: &str, line: u64, mut values: Vec<f32>) -> Result<()> {
        let Some(label) = values.pop() else {
            bail!("{name}, line {line}: empty");
        };
        let new = || (values.len(), name.to_owned());
        let (expected, first) = self.size.get_or_insert_with(new);
        ensure!(
            values.len() == *expected && values.iter().all(|value| value.is_finite()),
            "{name}, line {line}: {expected} finite pixels and a class expected by the first row of {first}, {} values found",
            values.len() + 1
        );
        ensure!(
            label >= 0.0 && label.fract() == 0.0 && label < CLASSES as f32,
            "{name}, line {line}: class {label} is no whole number from 0 to 9,999"
        );
        self.pixels.extend(values);
        self.labels.push(label as usize);
        Ok(())
    }

    /// Intensities that were read so far.
    pub(super) fn pixels(&self) -> usize {
        self.pixels.len()
    }

    /// # Errors
    /// As [`Images::new`].
    pub(super) fn into_images(self, name: &str) -> Result<Images> {
        let count = self.size.map_or(0, |(count, _)| count);
        let side = (count as f64).sqrt() as usize;
        let (width, height) = if side * side == count {
            (side, side)
        } else {
            (count, 1)
        };
        Images::new(name, width, height, self.pixels, self.labels)
    }
}
