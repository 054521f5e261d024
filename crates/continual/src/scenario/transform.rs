//! What makes other inputs of the same ones.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::corruption::{Corruption, square};
use crate::{ContinualError, Result};

/// Pixels at most.
const MOST: usize = 1 << 24;

/// What a task does to the pixels of its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Transform {
    /// Nothing.
    None,
    /// Another order.
    Permuted(Permutation),
    /// Turned by so many degrees, counter-clockwise: see [`rotated`].
    Rotated(f64),
    /// Damaged.
    Corrupted(Corruption),
}

impl Transform {
    /// The pixels of one image, transformed.
    ///
    /// # Errors
    /// If the number of pixels is not that of the permutation, or not a square where they are turned; if an angle is
    /// not finite.
    pub fn apply(&self, pixels: &[f32]) -> Result<Vec<f32>> {
        match self {
            Self::None => Ok(pixels.to_vec()),
            Self::Permuted(permutation) => permutation.apply(pixels),
            Self::Rotated(degrees) => rotated(pixels, *degrees),
            Self::Corrupted(corruption) => corruption.apply(pixels),
        }
    }
}

/// A random order of pixels that follows from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permutation {
    seed: u64,
}

impl Permutation {
    /// Of this seed; 2^24 pixels at most.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// For each pixel of the result, which one of `pixels` it is.
    ///
    /// # Errors
    /// If there are more than 2^24.
    pub fn order(&self, pixels: usize) -> Result<Vec<usize>> {
        if pixels > MOST {
            return Err(ContinualError::range("pixels", pixels, "at most 2^24"));
        }
        let mut order: Vec<usize> = (0..pixels).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(self.seed));
        Ok(order)
    }

    /// The values in the new order. It is made anew each time: for many images, [`order`](Self::order) once is faster.
    ///
    /// # Errors
    /// As for [`order`](Self::order).
    pub fn apply(&self, values: &[f32]) -> Result<Vec<f32>> {
        let order = self.order(values.len())?;
        Ok(order.into_iter().map(|from| values[from]).collect())
    }
}

/// A square image, row by row, turned around its middle by so many degrees, counter-clockwise; 0 outside of the image, linear
/// interpolation between the four nearest pixels.
///
/// Multiples of 90 degrees are exact.
///
/// ```
/// use regimen_continual::scenario::rotated;
///
/// assert_eq!(rotated(&[1.0, 2.0, 3.0, 4.0], 90.0)?, [2.0, 4.0, 1.0, 3.0]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If the number of pixels is not a square, or the angle is not finite.
pub fn rotated(pixels: &[f32], degrees: f64) -> Result<Vec<f32>> {
    let side = square(pixels)?;
    crate::error::check("degrees", degrees, true, "finite")?;
    let (sine, cosine) = sine_cosine(degrees.rem_euclid(360.0));
    let middle = (side as f64 - 1.0) / 2.0;
    let at = |row: f64, column: f64| {
        let inside = |place: f64| (0.0..side as f64).contains(&place);
        match inside(row) && inside(column) {
            true => f64::from(pixels[row as usize * side + column as usize]),
            false => 0.0,
        }
    };
    let mut turned = Vec::with_capacity(pixels.len());
    for row in 0..side {
        for column in 0..side {
            // Rows count downwards; the source is turned back.
            let (y, x) = (row as f64 - middle, column as f64 - middle);
            let from_x = middle + cosine * x - sine * y;
            let from_y = middle + sine * x + cosine * y;
            let (top, left) = (from_y.floor(), from_x.floor());
            let (down, right) = (from_y - top, from_x - left);
            let mut value = 0.0;
            for (r, by_row) in [(top, 1.0 - down), (top + 1.0, down)] {
                for (c, by_column) in [(left, 1.0 - right), (left + 1.0, right)] {
                    if by_row * by_column > 0.0 {
                        value += by_row * by_column * at(r, c);
                    }
                }
            }
            turned.push(value as f32);
        }
    }
    Ok(turned)
}

/// Exact at the multiples of a right angle.
fn sine_cosine(degrees: f64) -> (f64, f64) {
    match degrees {
        0.0 => (0.0, 1.0),
        90.0 => (1.0, 0.0),
        180.0 => (0.0, -1.0),
        270.0 => (-1.0, 0.0),
        degrees => degrees.to_radians().sin_cos(),
    }
}
