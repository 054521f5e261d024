//! # Prototypes
//!
//! An example has the class whose prototype, the mean of the features of its examples, has the largest cosine with its own.
//!
//! Source: Snell et al., "Prototypical Networks for Few-shot Learning" (arXiv 1703.05175), equation 1, with cosines as few-shot
//! class-incremental methods take them (as SAVC, arXiv 2304.00426).

use burn::config::Config;
use burn::tensor::{Device, FloatDType, Int, Tensor};
use regimen_tensor::checkpoint::{Part, PartError};

use crate::Result;
use crate::methods::{NearestMean, NearestMeanConfig, unit};
use crate::saved::Saved;
use crate::teacher::constant;

/// `score_c(f) = cos(f, p_c)`, where `p_c` is the mean of the features of the examples of class c.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `classes` | | classes that are to come, at least 1 |
/// | `width` | | width of the features, at least 1 |
/// | `normalised` | true | whether features are brought to length 1 before the mean |
///
/// All classes are compared by the same similarity, whatever the number of their examples. Take features of the final encoder in
/// validation mode, of examples without augmentation. Differs from [`NearestMean`](crate::NearestMean) in the similarity alone.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::PrototypesConfig;
///
/// let device = Device::flex();
/// let mut prototypes = PrototypesConfig::new(3, 2).init(&device)?;
/// let features = Tensor::<2>::from_data([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]], &device);
/// prototypes.add(features, Tensor::<1, Int>::from_data([0, 0, 2], &device))?;
/// let scores = prototypes.logits(Tensor::from_data([[3.0, 4.0]], &device))?;
/// let scores: Vec<f32> = scores.try_into_vec_as().unwrap();
/// assert!((scores[0] - 0.6).abs() < 1e-6 && scores[1] == f32::MIN && (scores[2] - 0.8).abs() < 1e-6);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct PrototypesConfig {
    /// Classes that are to come, at least 1.
    pub classes: usize,
    /// Width of the features, at least 1.
    pub width: usize,
    /// Whether features are brought to length 1 before the mean.
    #[config(default = true)]
    pub normalised: bool,
}

impl PrototypesConfig {
    /// Without examples, on this device.
    ///
    /// # Errors
    /// If `classes` or `width` is 0, or both together are more than 268 million.
    pub fn init(&self, device: &Device) -> Result<Prototypes> {
        Ok(Prototypes {
            means: NearestMeanConfig::new(self.classes, self.width).init(device)?,
            normalised: self.normalised,
        })
    }
}

/// The prototypes of classes. See [`PrototypesConfig`].
#[derive(Clone, Debug)]
pub struct Prototypes {
    means: NearestMean,
    normalised: bool,
}

impl Prototypes {
    /// Examples of each class so far.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        self.means.counts()
    }

    /// The means, `[classes, width]`, in f32; zeros for classes without examples. Those of features of length 1 are shorter than 1.
    #[must_use]
    pub fn means(&self) -> Tensor<2> {
        self.means.means()
    }

    /// Adds examples: features `[batch, width]` and their labels `[batch]`, on any device. On an error nothing is changed.
    ///
    /// # Errors
    /// If the shapes do not fit, a label is no class, or features are not finite.
    pub fn add(&mut self, features: Tensor<2>, labels: Tensor<1, Int>) -> Result<()> {
        self.means.add(self.taken(features), labels)
    }

    /// The cosines `[batch, classes]` of features `[batch, width]`, in f32 on their device; the least score that f32 has for classes without
    /// examples.
    ///
    /// # Errors
    /// If the width does not fit, or no example was added yet.
    pub fn logits(&self, features: Tensor<2>) -> Result<Tensor<2>> {
        let features = unit(self.means.fitting(features)?.cast(FloatDType::F32), 1);
        let means = constant(unit(self.means.means(), 1), &features);
        self.means.known_only(features.matmul(means.transpose()))
    }

    /// Features as they enter a mean.
    pub(super) fn taken(&self, features: Tensor<2>) -> Tensor<2> {
        match self.normalised {
            true => unit(features.cast(FloatDType::F32), 1),
            false => features.cast(FloatDType::F32),
        }
    }

    pub(super) fn saved(&self) -> Result<Saved> {
        self.means.saved()
    }

    pub(super) fn restored(&self, saved: &Saved) -> Result<Self> {
        Ok(Self {
            means: self.means.restored(saved)?,
            normalised: self.normalised,
        })
    }
}

impl Part for Prototypes {
    fn kind(&self) -> String {
        match self.normalised {
            true => "prototypes of unit features 1".into(),
            false => "prototypes 1".into(),
        }
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(self.saved()?.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        *self = self.restored(&Saved::read(bytes)?)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn means_by_hand() {
        let device = Device::flex();
        let features = || Tensor::<2>::from_data([[1.0, 2.0], [3.0, 0.0], [2.0, 1.0]], &device);
        let labels = || Tensor::<1, Int>::from_data([0, 0, 0], &device);
        for (normalised, expected) in [(false, [2.0, 1.0]), (true, [0.780_546_9, 0.447_213_6])] {
            let config = PrototypesConfig::new(1, 2).with_normalised(normalised);
            let mut prototypes = config.init(&device).unwrap();
            assert!(prototypes.logits(features()).is_err());
            prototypes.add(features(), labels()).unwrap();
            let means: Vec<f32> = prototypes.means().try_into_vec_as().unwrap();
            for (found, expected) in means.into_iter().zip(expected) {
                assert_relative_eq!(found, expected, epsilon = 1e-6);
            }
        }
    }
}
