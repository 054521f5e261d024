//! # Layers
//!
//! What enters the layers of a model, for methods that look at the span of it.
//!
//! Source: Saha et al., "Gradient projection memory for continual learning" (arXiv 2103.09762), section 4.

use burn::tensor::Tensor;
use burn::tensor::module::unfold4d;
use burn::tensor::ops::UnfoldOptions;

use crate::classifier::Classifier;
use crate::error::positive;
use crate::{ContinualError, Result};

/// Numbers at most: 1 GiB in f32.
const MOST: usize = 1 << 28;

/// A classifier that shows what enters its layers.
///
/// ```
/// use burn::{module::Module, nn::Linear, tensor::{Int, Tensor, activation::relu}};
/// use regimen_continual::projections::Layers;
/// use regimen_continual::{Classifier, Result};
///
/// #[derive(Module, Debug)]
/// struct Model {
///     hidden: Linear,
///     head: Linear,
/// }
///
/// impl Classifier for Model {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///
///     fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
///         self.head.forward(relu(self.hidden.forward(inputs.clone())))
///     }
/// }
///
/// impl Layers for Model {
///     fn layer_inputs(&self, (inputs, _): &Self::Batch) -> Result<Vec<(String, Tensor<2>)>> {
///         let hidden = relu(self.hidden.forward(inputs.clone()));
///         Ok(vec![
///             ("hidden.weight".into(), inputs.clone()),
///             ("head.weight".into(), hidden),
///         ])
///     }
/// }
/// ```
pub trait Layers: Classifier {
    /// For each layer, the first one first: the path of its weight, and what enters it, `[rows, width]`.
    ///
    /// A weight `[width, out]` is a linear layer's in Burn's layout: its rows are inputs, one a position. A weight of three or more
    /// axes is a convolution's, `[out, channels / groups, kernel..]`: its rows are patches ([`patches`]), and `width` is
    /// `channels / groups` times the kernel's size.
    ///
    /// # Errors
    /// As the implementation says: of [`patches`], or one of its own.
    fn layer_inputs(&self, batch: &Self::Batch) -> Result<Vec<(String, Tensor<2>)>>;
}

/// How a 2-D convolution slides over its input. Strides, spacings and groups below 1 count as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Kernel.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Spacing of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels.
    pub groups: usize,
}

impl Patches {
    /// Of a kernel, with stride 1 and nothing else.
    #[must_use]
    pub fn of(kernel: [usize; 2]) -> Self {
        Self {
            kernel,
            stride: [1, 1],
            padding: [0, 0],
            dilation: [1, 1],
            groups: 1,
        }
    }
}

/// The patches of an input `[batch, channels, height, width]` that a 2-D convolution multiplies with its weight:
/// `[batch * groups * positions, channels / groups * kernel]`, in the order of the weight's axes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::projections::{Patches, patches};
///
/// let image = Tensor::<4>::from_data([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]], &Device::flex());
/// let rows = patches(image, &Patches::of([2, 2]))?;
/// rows.into_data().assert_eq(&[[1.0, 2.0, 4.0, 5.0], [2.0, 3.0, 5.0, 6.0]].into(), false);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If the input is empty; if the kernel is 0 or, with its spacing, larger than the padded input; if `groups` does not divide the channels;
/// or if the padded input, the patches or the square of `channels * kernel` are more than 2^28 numbers.
pub fn patches(input: Tensor<4>, of: &Patches) -> Result<Tensor<2>> {
    let [batch, channels, height, width] = input.dims();
    let groups = of.groups.max(1);
    if input.shape().num_elements() == 0 {
        return Err(ContinualError::Empty("the input of patches"));
    }
    if channels % groups != 0 {
        let allowed = format!("a divisor of the {channels} channels");
        return Err(ContinualError::range("groups", groups, &allowed));
    }
    let one = |sizes: [usize; 2]| sizes.map(|size| size.max(1));
    let (mut stride, dilation) = (one(of.stride), one(of.dilation));
    let images = batch.saturating_mul(channels);
    let (mut padded, mut all, mut square) = (images, images, channels);
    for (axis, size) in [height, width].into_iter().enumerate() {
        let kernel = of.kernel[axis];
        positive("kernel", kernel)?;
        let wide = of.padding[axis].saturating_mul(2).saturating_add(size);
        let reach = (kernel - 1)
            .saturating_mul(dilation[axis])
            .saturating_add(1);
        if reach > wide {
            let allowed = format!("at most {wide} with its spacing: the padded input");
            return Err(ContinualError::range("kernel", reach, &allowed));
        }
        // One position, as with any stride that is larger.
        stride[axis] = stride[axis].min(wide);
        let positions = (wide - reach) / stride[axis] + 1;
        padded = padded.saturating_mul(wide);
        all = all.saturating_mul(positions.saturating_mul(kernel));
        square = square.saturating_mul(kernel);
    }
    let most = padded.max(all).max(square.saturating_mul(square));
    if most > MOST {
        return Err(ContinualError::range(
            "numbers of patches",
            most,
            "at most 2^28",
        ));
    }
    let options = UnfoldOptions::new(stride, of.padding, dilation);
    let columns = unfold4d(input, of.kernel, options);
    let [_, _, positions] = columns.dims();
    let width = channels / groups * of.kernel[0] * of.kernel[1];
    let columns = columns.reshape([batch * groups, width, positions]);
    Ok(columns
        .swap_dims(1, 2)
        .reshape([batch * groups * positions, width]))
}
