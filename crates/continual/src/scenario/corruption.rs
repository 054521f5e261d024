//! # Corruption
//!
//! What cameras and channels do to images, in five strengths.
//!
//! Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations" (arXiv 1903.12261), with
//! the strengths of its Tiny-ImageNet-C, as Lesort et al. (arXiv 2207.04543) perturb tasks with them.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::{ContinualError, Result};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Damage {
    /// Normal noise is added, with the deviations .04, .08, .12, .15, .18.
    Noise,
    /// Pixels are set to 0 or 1, a share of .01, .02, .05, .08, .14 of them.
    Impulse,
    /// Pixels times normal noise are added, with the deviations .15, .2, .25, .3, .35.
    Speckle,
    /// A Gaussian blur of .5, .75, 1, 1.25, 1.5 pixels, cut off after four deviations; what is outside is like the edge.
    Blur,
    /// Distances from the image's mean times .4, .3, .2, .1, .05.
    Contrast,
    /// Plus .1, .2, .3, .4, .5.
    Brightness,
}

impl Damage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Noise,
        Self::Impulse,
        Self::Speckle,
        Self::Blur,
        Self::Contrast,
        Self::Brightness,
    ];

    fn strengths(self) -> [f64; 5] {
        match self {
            Self::Noise => [0.04, 0.08, 0.12, 0.15, 0.18],
            Self::Impulse => [0.01, 0.02, 0.05, 0.08, 0.14],
            Self::Speckle => [0.15, 0.2, 0.25, 0.3, 0.35],
            Self::Blur => [0.5, 0.75, 1.0, 1.25, 1.5],
            Self::Contrast => [0.4, 0.3, 0.2, 0.1, 0.05],
            Self::Brightness => [0.1, 0.2, 0.3, 0.4, 0.5],
        }
    }
}

/// Damage of grey images with intensities from 0 to 1, row by row; the result is cut to 0 to 1.
///
/// What is random in it follows from the seed and the image: the same image comes out the same each time, and another one with
/// other noise.
///
/// ```
/// use regimen_continual::scenario::{Corruption, Damage};
///
/// let contrast = Corruption::new(Damage::Contrast, 0, 0)?;
/// let paler = contrast.apply(&[0.0, 1.0])?;
/// assert!((paler[0] - 0.3).abs() < 1e-6 && (paler[1] - 0.7).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Corruption {
    damage: Damage,
    severity: u8,
    seed: u64,
}
checked_serde!(Corruption);

impl Corruption {
    /// With a severity from 0, the weakest, to 4.
    ///
    /// # Errors
    /// If the severity is above 4.
    pub fn new(damage: Damage, severity: u8, seed: u64) -> Result<Self> {
        let new = Self {
            damage,
            severity,
            seed,
        };
        new.checked()
    }

    /// Any of them with any severity, or none: all kinds and none are equally probable.
    pub(super) fn random(rng: &mut impl Rng) -> Option<Self> {
        let damage = Damage::ALL.get(rng.random_range(0..=Damage::ALL.len()))?;
        Some(Self {
            damage: *damage,
            severity: rng.random_range(0..=4),
            seed: rng.random(),
        })
    }

    /// The pixels of one image, damaged.
    ///
    /// # Errors
    /// If they are to be blurred, and are no square.
    pub fn apply(&self, pixels: &[f32]) -> Result<Vec<f32>> {
        let strength = self.damage.strengths()[usize::from(self.severity.min(4))];
        let mut rng = self.rng(pixels);
        let mut normal = || rng.sample::<f64, _>(StandardNormal) * strength;
        let each = |change: &mut dyn FnMut(f64) -> f64| -> Vec<f64> {
            pixels.iter().map(|pixel| change((*pixel).into())).collect()
        };
        let changed = match self.damage {
            Damage::Noise => each(&mut |pixel| pixel + normal()),
            Damage::Speckle => each(&mut |pixel| pixel + pixel * normal()),
            Damage::Brightness => each(&mut |pixel| pixel + strength),
            Damage::Contrast => {
                let sum: f64 = pixels.iter().map(|pixel| f64::from(*pixel)).sum();
                let mean = sum / pixels.len().max(1) as f64;
                each(&mut |pixel| (pixel - mean) * strength + mean)
            }
            Damage::Impulse => {
                let mut salted = |pixel: f64| match rng.random::<f64>() < strength {
                    true => f64::from(u8::from(rng.random::<bool>())),
                    false => pixel,
                };
                each(&mut salted)
            }
            Damage::Blur => blurred(&each(&mut |pixel| pixel), square(pixels)?, strength),
        };
        let cut = changed
            .into_iter()
            .map(|pixel| pixel.clamp(0.0, 1.0) as f32);
        Ok(cut.collect())
    }

    /// Of the seed and the image (FNV-1a over its bits).
    fn rng(&self, pixels: &[f32]) -> ChaCha8Rng {
        let mix = |hash: u64, pixel: &f32| {
            (hash ^ u64::from(pixel.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(pixels.iter().fold(0xcbf2_9ce4_8422_2325, mix));
        rng
    }
}

/// The side of a square image.
pub(super) fn square(pixels: &[f32]) -> Result<usize> {
    let side = pixels.len().isqrt();
    match side * side == pixels.len() {
        true => Ok(side),
        false => {
            let allowed = "the square of a whole number";
            Err(ContinualError::range("pixels", pixels.len(), allowed))
        }
    }
}

/// A square image, blurred along its rows, then along its columns.
fn blurred(pixels: &[f64], side: usize, sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma + 0.5) as isize;
    let weight = |away: isize| (-0.5 * (away as f64 / sigma).powi(2)).exp();
    let sum: f64 = (-reach..=reach).map(weight).sum();
    // Turned over its diagonal each time: twice is as it was.
    let along_rows = |image: &[f64]| {
        let mut turned = vec![0.0; image.len()];
        for row in 0..side {
            for column in 0..side {
                let at = |away: isize| {
                    let place = column.saturating_add_signed(away).min(side - 1);
                    image[row * side + place] * weight(away) / sum
                };
                turned[column * side + row] = (-reach..=reach).map(at).sum();
            }
        }
        turned
    };
    along_rows(&along_rows(pixels))
}

impl Checked for Corruption {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        match self.severity <= 4 {
            true => Ok(()),
            false => Err(ContinualError::range("severity", self.severity, "0 to 4")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn of(damage: Damage, severity: u8) -> Corruption {
        Corruption::new(damage, severity, 7).unwrap()
    }

    #[test]
    fn what_is_not_random_by_hand() {
        let bright = of(Damage::Brightness, 4).apply(&[0.0, 0.25, 0.75]).unwrap();
        assert_eq!(bright, [0.5, 0.75, 1.0]);
        let pale = of(Damage::Contrast, 1).apply(&[0.0, 1.0, 0.5]).unwrap();
        for (found, expected) in pale.iter().zip([0.35, 0.65, 0.5]) {
            assert_relative_eq!(*found, expected, epsilon = 1e-6);
        }
        // A point in the middle of 5 x 5: the weights of -2..=2 with a deviation of .5 are e^-8, e^-2, 1, e^-2, e^-8.
        let mut point = [0.0; 25];
        point[12] = 1.0;
        let blurred = of(Damage::Blur, 0).apply(&point).unwrap();
        let (near, far) = ((-2.0_f64).exp(), (-8.0_f64).exp());
        let sum = 1.0 + 2.0 * near + 2.0 * far;
        assert_relative_eq!(f64::from(blurred[12]), 1.0 / sum / sum, epsilon = 1e-6);
        assert_relative_eq!(
            f64::from(blurred[6]),
            near * near / sum / sum,
            epsilon = 1e-6
        );
        // An even image stays as it is, at its edges too.
        for pixel in of(Damage::Blur, 4).apply(&[0.5; 16]).unwrap() {
            assert_relative_eq!(pixel, 0.5, epsilon = 1e-6);
        }
        assert!(of(Damage::Blur, 0).apply(&[0.5; 3]).is_err());
        assert!(Corruption::new(Damage::Noise, 5, 0).is_err());
    }

    #[test]
    fn noise_follows_from_the_seed_and_the_image() {
        let image = [0.5_f32; 4096];
        let noise = of(Damage::Noise, 2).apply(&image).unwrap();
        assert_eq!(of(Damage::Noise, 2).apply(&image).unwrap(), noise);
        let other = Corruption::new(Damage::Noise, 2, 8).unwrap();
        assert_ne!(other.apply(&image).unwrap(), noise);
        let moments = |values: &[f32]| {
            let n = values.len() as f64;
            let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
            let squares = values.iter().map(|v| (f64::from(*v) - mean).powi(2));
            (mean, (squares.sum::<f64>() / n).sqrt())
        };
        let (mean, deviation) = moments(&noise);
        assert!((mean - 0.5).abs() < 0.01 && (deviation - 0.12).abs() < 0.006);
        // Of a grey of one half, a third of the strength .25 times one half.
        let (_, speckle) = moments(&of(Damage::Speckle, 2).apply(&image).unwrap());
        assert!((speckle - 0.125).abs() < 0.006);
        let salted = of(Damage::Impulse, 4).apply(&image).unwrap();
        let set = salted.iter().filter(|pixel| **pixel != 0.5).count() as f64 / 4096.0;
        assert!((set - 0.14).abs() < 0.02, "{set}");
        // Another image has other noise.
        let (a, b) = (of(Damage::Noise, 2), [0.25_f32; 4096]);
        let other = a.apply(&b).unwrap();
        let same = noise
            .iter()
            .zip(&other)
            .filter(|(x, y)| (*x - *y - 0.25).abs() < 1e-5);
        assert!(same.count() < 100);
    }

    #[test]
    fn any_of_them_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<_> = (0..700).map(|_| Corruption::random(&mut rng)).collect();
        for damage in Damage::ALL {
            let of_kind = drawn.iter().flatten().filter(|one| one.damage == damage);
            assert!((60..140).contains(&of_kind.count()));
        }
        assert!(drawn.iter().flatten().all(|one| one.severity <= 4));
    }
}
