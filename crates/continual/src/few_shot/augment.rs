//! What the tricks make of a batch: turned images, and mixtures of two.

use burn::tensor::{FloatDType, Int, Tensor};

use crate::examples::Examples;
use crate::{ContinualError, Result};

/// A batch whose examples can be turned and mixed.
///
/// It is implemented for `(Tensor<D>, Tensor<1, Int>)`: the last two axes of `[batch, .., height, width]`, or rows `[batch, pixels]` of square
/// images with one channel, are turned; any inputs are mixed. Tokens are refused by an error: they have no direction and no mean.
pub trait Augment: Examples {
    /// The batch, turned so many times by 90 degrees against the clock; labels stay.
    ///
    /// # Errors
    /// If the inputs are no square images.
    fn turned(&self, quarters: usize) -> Result<Self>;

    /// `share x + (1 - share) y` of inputs x here and y in `other`, row by row; the labels are those of this batch.
    ///
    /// # Errors
    /// If the inputs differ in shape, or can't be mixed.
    fn mixed(&self, other: &Self, share: f64) -> Result<Self>;
}

impl<const D: usize> Augment for (Tensor<D>, Tensor<1, Int>) {
    fn turned(&self, quarters: usize) -> Result<Self> {
        let (inputs, labels) = self.clone();
        let dims = inputs.dims();
        let (height, width) = match dims.as_slice() {
            [_, pixels] => (pixels.isqrt(), pixels.isqrt()),
            [_, .., height, width] => (*height, *width),
            _ => return Err(no_images(&dims)),
        };
        let pixels = if D == 2 { dims[1] } else { height * width };
        if height != width || height * width != pixels || pixels == 0 {
            return Err(no_images(&dims));
        }
        let images = dims.iter().product::<usize>() / pixels;
        let images = inputs.reshape([images, height, width]);
        let turned = match quarters % 4 {
            0 => images,
            1 => images.swap_dims(1, 2).flip([1]),
            2 => images.flip([1, 2]),
            _ => images.flip([1]).swap_dims(1, 2),
        };
        Ok((turned.reshape(dims), labels))
    }

    fn mixed(&self, other: &Self, share: f64) -> Result<Self> {
        let (expected, found) = (self.0.dims(), other.0.dims());
        if expected != found {
            return Err(ContinualError::mismatch(
                "inputs that are mixed",
                format!("{expected:?}"),
                format!("{found:?}"),
            ));
        }
        let to = self.0.dtype();
        let wide = |inputs: &Tensor<D>| inputs.clone().cast(FloatDType::F32);
        let mixed = wide(&self.0) * share + wide(&other.0) * (1.0 - share);
        Ok((mixed.cast(to), self.1.clone()))
    }
}

fn no_images(dims: &[usize]) -> ContinualError {
    ContinualError::mismatch(
        "inputs that are turned",
        "[batch, .., side, side], or rows of side x side pixels",
        format!("{dims:?}"),
    )
}

impl<const D: usize> Augment for (Tensor<D, Int>, Tensor<1, Int>) {
    fn turned(&self, quarters: usize) -> Result<Self> {
        match quarters % 4 {
            0 => Ok(self.clone()),
            _ => Err(tokens("rotations turn images, and the inputs are integers")),
        }
    }

    fn mixed(&self, _: &Self, _: f64) -> Result<Self> {
        Err(tokens(
            "mixtures are of numbers, and the inputs are integers",
        ))
    }
}

fn tokens(reason: &str) -> ContinualError {
    ContinualError::Unsupported {
        method: "FewShot",
        reason: reason.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn label() -> Tensor<1, Int> {
        Tensor::from_data([0], &Device::flex())
    }

    fn values<const D: usize>(batch: (Tensor<D>, Tensor<1, Int>)) -> Vec<f32> {
        batch.0.try_into_vec_as().unwrap()
    }

    #[test]
    fn a_quarter_by_hand_and_four_are_the_whole() {
        let device = Device::flex();
        let rows = Tensor::<2>::from_data([[1.0, 2.0, 3.0, 4.0]], &device);
        let batch = (rows, label());
        // 1 2 becomes 2 4
        // 3 4         1 3
        assert_eq!(values(batch.turned(1).unwrap()), [2.0, 4.0, 1.0, 3.0]);
        let images = Tensor::<1, Int>::arange(0..18, &device).float();
        let images = (images.reshape([1, 2, 3, 3]), label());
        for start in 0..4 {
            let mut turned = images.turned(start).unwrap();
            assert_eq!(values(turned.clone()) == values(images.clone()), start == 0);
            for _ in start..4 {
                turned = turned.turned(1).unwrap();
            }
            assert_eq!(values(turned), values(images.clone()));
        }
    }

    #[test]
    fn what_has_no_square_is_refused() {
        let device = Device::flex();
        let rows = (Tensor::<2>::zeros([1, 6], &device), label());
        let wide = (Tensor::<3>::zeros([1, 2, 3], &device), label());
        assert!(rows.turned(1).is_err() && wide.turned(1).is_err());
        let tokens = (Tensor::<2, Int>::zeros([1, 4], &device), label());
        assert!(tokens.turned(0).is_ok() && tokens.turned(2).is_err());
        assert!(tokens.mixed(&tokens, 0.5).is_err());
    }

    #[test]
    fn a_mixture_by_hand() {
        let device = Device::flex();
        let rows = |row: [f32; 2]| (Tensor::<2>::from_data([row], &device), label());
        let mixed = rows([1.0, 2.0]).mixed(&rows([3.0, 6.0]), 0.25).unwrap();
        assert_eq!(values(mixed), [2.5, 5.0]);
        let other = (Tensor::<2>::zeros([1, 3], &device), label());
        assert!(rows([1.0, 2.0]).mixed(&other, 0.5).is_err());
    }
}
