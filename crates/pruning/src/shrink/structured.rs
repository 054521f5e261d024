//! # Structured
//!
//! Removes whole hidden units and channels: the layers that come back are smaller, and need no mask.
//!
//! Source: scores by the norm of a unit's weights after Li et al., "Pruning Filters for Efficient ConvNets"
//! (arXiv 1608.08710), section 3.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Embedding, LayerNorm, Linear};
use burn::tensor::{Int, Tensor, TensorData};
use regimen_tensor::checked::Checked;
use regimen_tensor::{checked_serde, threshold};
use serde::{Deserialize, Serialize};

use crate::error::read;
use crate::{PruningError, Result};

/// Which units of a layer stay, in ascending order: plain data to save, to rebuild the smaller network from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Units {
    total: usize,
    kept: Vec<usize>,
}

impl Checked for Units {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        let allowed = || format!("units below {}, in ascending order, at least 1", self.total);
        let ascend = self.kept.windows(2).all(|pair| pair[0] < pair[1]);
        match self.kept.last() {
            Some(last) if ascend && *last < self.total => Ok(()),
            _ => Err(PruningError::range(
                "kept",
                format!("{:?}", self.kept),
                &allowed(),
            )),
        }
    }
}
checked_serde!(Units);

impl Units {
    /// The `keep` units, 1 or more, with the largest scores; ties by low index.
    ///
    /// ```
    /// use regimen_pruning::shrink::structured::Units;
    ///
    /// let units = Units::largest(&[0.5, 2.0, 0.1, 1.0], 2)?;
    /// assert_eq!((units.kept(), units.total()), (&[1, 3][..], 4));
    /// # Ok::<(), regimen_pruning::PruningError>(())
    /// ```
    ///
    /// # Errors
    /// If `keep` is 0 or exceeds the units, or a score is not finite.
    pub fn largest(scores: &[f32], keep: usize) -> Result<Self> {
        if keep == 0 || keep > scores.len() {
            let allowed = format!("1 to {}", scores.len());
            return Err(PruningError::range("keep", keep, &allowed));
        }
        let stay = threshold::top_k(scores, keep)?;
        Ok(Self {
            total: scores.len(),
            kept: (0..scores.len()).filter(|unit| stay[*unit]).collect(),
        })
    }

    /// The units that stay.
    #[must_use]
    pub fn kept(&self) -> &[usize] {
        &self.kept
    }

    /// Number of units before.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The inputs of a linear layer behind a flattened convolution: `places` for each channel.
    ///
    /// # Errors
    /// If `places` is 0, or there would be more than 2^32 - 1 inputs.
    pub fn flattened(&self, places: usize) -> Result<Self> {
        let total = self.total.checked_mul(places);
        let total = total.filter(|total| (1..=u32::MAX as usize).contains(total));
        let total = total.ok_or_else(|| {
            let allowed = format!("1 to {}", u32::MAX as usize / self.total.max(1));
            PruningError::range("places", places, &allowed)
        })?;
        let of = |unit: &usize| unit * places..(unit + 1) * places;
        Ok(Self {
            total,
            kept: self.kept.iter().flat_map(of).collect(),
        })
    }

    pub(super) fn check_layer(&self, layer: &'static str, found: usize) -> Result<()> {
        if self.total == found && self.kept.iter().all(|unit| *unit < found) {
            return Ok(());
        }
        Err(PruningError::Mismatch {
            path: layer.to_owned(),
            expected: format!("{} units", self.total),
            found: found.to_string(),
        })
    }

    /// That a part of a layer that has one, as a bias, has a value of each unit.
    fn check_part(&self, part: &'static str, values: Option<&Param<Tensor<1>>>) -> Result<()> {
        values.map_or(Ok(()), |values| {
            self.check_layer(part, values.val().dims()[0])
        })
    }

    /// As [`flattened`](Self::flattened), for a layer of so many inputs: no more of them are named than it has.
    pub(super) fn flattened_for(
        &self,
        layer: &'static str,
        places: usize,
        inputs: usize,
    ) -> Result<Self> {
        if self.total.checked_mul(places) == Some(inputs) {
            return self.flattened(places);
        }
        Err(PruningError::Mismatch {
            path: layer.to_owned(),
            expected: format!("{} units of {places} places each", self.total),
            found: inputs.to_string(),
        })
    }

    /// The kept slices of a parameter along one of its dimensions, as a new parameter.
    fn select<const D: usize>(&self, param: &Param<Tensor<D>>, dim: usize) -> Param<Tensor<D>> {
        let values = param.val();
        let indices: Vec<i64> = self.kept.iter().map(|unit| *unit as i64).collect();
        let data = TensorData::new(indices, [self.kept.len()]);
        let device = values.device();
        let select = |values: Tensor<D>| {
            let indices = Tensor::<1, Int>::from_data(data, &values.device());
            values.select(dim, indices)
        };
        if !device.is_autodiff() {
            return Param::from_tensor(select(values));
        }
        let tracked = values.is_require_grad();
        let smaller = Tensor::from_inner(select(values.inner()));
        Param::from_tensor(if tracked {
            smaller.require_grad()
        } else {
            smaller
        })
    }
}

/// The l2 norm of each output unit's incoming weights, `[outputs]`; 0 of a unit without inputs.
///
/// # Errors
/// If the device can't be read.
pub fn unit_norms(linear: &Linear) -> Result<Vec<f32>> {
    column_norms(linear.weight.val().detach())
}

/// The l2 norm of each column.
pub(super) fn column_norms(weight: Tensor<2>) -> Result<Vec<f32>> {
    let [rows, columns] = weight.dims();
    if rows == 0 || columns == 0 {
        return Ok(vec![0.0; columns]);
    }
    read("weight", weight.square().sum_dim(0).sqrt())
}

/// The l2 norm of each output channel's filter, `[channels]`; 0 of an empty filter.
///
/// # Errors
/// If the device can't be read.
pub fn channel_norms(conv: &Conv2d) -> Result<Vec<f32>> {
    let weight = conv.weight.val().detach();
    let [channels, inputs, height, width] = weight.dims();
    let size = inputs * height * width;
    if channels == 0 || size == 0 {
        return Ok(vec![0.0; channels]);
    }
    let filters: Tensor<2> = weight.reshape([channels, size]);
    read("weight", filters.square().sum_dim(1).sqrt())
}

/// The linear layer with these of its outputs.
///
/// # Errors
/// If the layer, or its bias, has another number of outputs.
pub fn keep_outputs(linear: &Linear, units: &Units) -> Result<Linear> {
    units.check_layer("linear, outputs", linear.weight.val().dims()[1])?;
    units.check_part("linear, bias", linear.bias.as_ref())?;
    Ok(Linear {
        weight: units.select(&linear.weight, 1),
        bias: linear.bias.as_ref().map(|bias| units.select(bias, 0)),
    })
}

/// The linear layer behind one whose outputs were removed: its inputs are these.
///
/// # Errors
/// If the layer has another number of inputs.
pub fn keep_inputs(linear: &Linear, units: &Units) -> Result<Linear> {
    units.check_layer("linear, inputs", linear.weight.val().dims()[0])?;
    Ok(Linear {
        weight: units.select(&linear.weight, 0),
        bias: linear.bias.clone(),
    })
}

/// The convolution with these of its output channels; it must not be grouped.
///
/// # Errors
/// If it, or its bias, has another number of output channels, or it has groups.
pub fn keep_output_channels(conv: &Conv2d, units: &Units) -> Result<Conv2d> {
    ungrouped(conv)?;
    units.check_layer("convolution, output channels", conv.weight.val().dims()[0])?;
    units.check_part("convolution, bias", conv.bias.as_ref())?;
    Ok(Conv2d {
        weight: units.select(&conv.weight, 0),
        bias: conv.bias.as_ref().map(|bias| units.select(bias, 0)),
        ..conv.clone()
    })
}

/// The convolution behind one whose channels were removed: its input channels are these.
///
/// # Errors
/// If it has another number of input channels, or groups.
pub fn keep_input_channels(conv: &Conv2d, units: &Units) -> Result<Conv2d> {
    ungrouped(conv)?;
    units.check_layer("convolution, input channels", conv.weight.val().dims()[1])?;
    Ok(Conv2d {
        weight: units.select(&conv.weight, 1),
        ..conv.clone()
    })
}

fn ungrouped(conv: &Conv2d) -> Result<()> {
    if conv.groups == 1 {
        return Ok(());
    }
    Err(PruningError::range("groups", conv.groups, "1"))
}

/// The batch norm over these channels, with their scales, shifts and running statistics.
///
/// # Errors
/// If it, or a part of it, has another number of channels.
pub fn keep_channels(norm: &BatchNorm, units: &Units) -> Result<BatchNorm> {
    units.check_layer("batch norm", norm.gamma.val().dims()[0])?;
    units.check_part("batch norm, beta", Some(&norm.beta))?;
    let [mean, variance] = [&norm.running_mean, &norm.running_var].map(|of| of.value_sync());
    units.check_layer("batch norm, running mean", mean.dims()[0])?;
    units.check_layer("batch norm, running variance", variance.dims()[0])?;
    let mut smaller = norm.clone();
    let pick = |values: Tensor<1>| units.select(&Param::from_tensor(values), 0).val();
    smaller.running_mean = burn::module::RunningState::new(pick(mean));
    smaller.running_var = burn::module::RunningState::new(pick(variance));
    smaller.gamma = units.select(&norm.gamma, 0);
    smaller.beta = units.select(&norm.beta, 0);
    Ok(smaller)
}

/// The layer norm over these features, with their scales and shifts. Its mean and variance are those of the features that
/// are left: only where the removed ones are constant and equal to the mean does the output stay as it was.
///
/// # Errors
/// If it, or its shift, has another number of features.
pub fn keep_features(norm: &LayerNorm, units: &Units) -> Result<LayerNorm> {
    units.check_layer("layer norm", norm.gamma.val().dims()[0])?;
    units.check_part("layer norm, beta", norm.beta.as_ref())?;
    let mut smaller = norm.clone();
    smaller.gamma = units.select(&norm.gamma, 0);
    smaller.beta = norm.beta.as_ref().map(|beta| units.select(beta, 0));
    Ok(smaller)
}

/// The embedding with these of the values that it looks up.
///
/// # Errors
/// If it looks up another number.
pub fn keep_embeddings(table: &Embedding, units: &Units) -> Result<Embedding> {
    units.check_layer("embedding", table.weight.val().dims()[1])?;
    Ok(Embedding {
        weight: units.select(&table.weight, 1),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{BatchNormConfig, LinearConfig, PaddingConfig2d};
    use burn::tensor::activation::relu;
    use burn::tensor::{Device, Distribution};

    fn close(a: Tensor<2>, b: Tensor<2>) -> bool {
        (a - b).abs().max().into_scalar::<f32>() < 1e-5
    }

    /// The same parameter with some slices along a dimension set to zero.
    fn cleared<const D: usize>(
        param: &Param<Tensor<D>>,
        dim: usize,
        gone: &[usize],
    ) -> Param<Tensor<D>> {
        let values = param.val();
        let [size, shape] = [values.dims()[dim], 1];
        let ones: Vec<f32> = (0..size).map(|i| f32::from(!gone.contains(&i))).collect();
        let mut dims = [shape; D];
        dims[dim] = size;
        let mask = |device: &Device| {
            let data = TensorData::new(ones.clone(), [size]);
            Tensor::<1>::from_data(data, device).reshape(dims)
        };
        let device = values.device();
        Param::from_tensor(if device.is_autodiff() {
            let values = values.inner();
            Tensor::from_inner(values.clone() * mask(&values.device())).require_grad()
        } else {
            values * mask(&device)
        })
    }

    #[test]
    fn removing_units_that_say_nothing_changes_no_output() {
        let device = Device::flex();
        let first = LinearConfig::new(5, 8).init(&device);
        let mut second = LinearConfig::new(8, 3).init(&device);
        second.weight = cleared(&second.weight, 0, &[1, 4, 6]);
        let x = Tensor::<2>::random([7, 5], Distribution::Default, &device);
        let units = Units::largest(&[1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0], 5).unwrap();
        let small_first = keep_outputs(&first, &units).unwrap();
        let small_second = keep_inputs(&second, &units).unwrap();
        assert_eq!(small_first.weight.val().dims(), [5, 5]);
        assert_eq!(small_second.weight.val().dims(), [5, 3]);
        let whole = second.forward(relu(first.forward(x.clone())));
        assert!(close(
            whole,
            small_second.forward(relu(small_first.forward(x)))
        ));
        let text = serde_json::to_string(&units).unwrap();
        assert_eq!(serde_json::from_str::<Units>(&text).unwrap(), units);
    }

    #[test]
    fn removing_channels_that_say_nothing_changes_no_output() {
        let device = Device::flex();
        let conv = |from, to| {
            let config = Conv2dConfig::new([from, to], [3, 3]);
            config
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(&device)
        };
        let (first, mut second) = (conv(1, 6), conv(6, 4));
        let mut head = LinearConfig::new(4 * 16, 3).init(&device);
        let norm = BatchNormConfig::new(6).init(&device);
        second.weight = cleared(&second.weight, 1, &[0, 5]);
        head.weight = cleared(&head.weight, 0, &(16..32).collect::<Vec<_>>());
        let channels = Units::largest(&[0.0, 1.0, 1.0, 1.0, 1.0, 0.0], 4).unwrap();
        let outputs = Units::largest(&[1.0, 0.0, 1.0, 1.0], 3).unwrap();
        let x = Tensor::<4>::random([2, 1, 4, 4], Distribution::Default, &device);
        let run = |first: &Conv2d, norm: &BatchNorm, second: &Conv2d, head: &Linear| {
            let x = relu(norm.forward(first.forward(x.clone())));
            head.forward(second.forward(x).flatten(1, 3))
        };
        let small = (
            keep_output_channels(&first, &channels).unwrap(),
            keep_channels(&norm, &channels).unwrap(),
            keep_output_channels(&keep_input_channels(&second, &channels).unwrap(), &outputs)
                .unwrap(),
            keep_inputs(&head, &outputs.flattened(16).unwrap()).unwrap(),
        );
        assert_eq!(small.2.weight.val().dims(), [3, 4, 3, 3]);
        let whole = run(&first, &norm, &second, &head);
        assert!(close(whole, run(&small.0, &small.1, &small.2, &small.3)));
    }

    #[test]
    fn norms_score_units_and_smaller_layers_still_train() {
        let device = Device::flex().autodiff();
        let mut linear = LinearConfig::new(4, 3).init(&device);
        linear.weight = cleared(&linear.weight, 1, &[1]);
        let norms = unit_norms(&linear).unwrap();
        assert!(norms[1] == 0.0 && norms[0] > 0.0);
        let conv = Conv2dConfig::new([2, 5], [3, 3]).init(&device);
        assert_eq!(channel_norms(&conv).unwrap().len(), 5);
        let small = keep_outputs(&linear, &Units::largest(&norms, 2).unwrap()).unwrap();
        assert!(small.weight.val().is_require_grad());
    }

    #[test]
    fn units_of_another_layer_are_refused() {
        let device = Device::flex();
        let linear = LinearConfig::new(4, 3).init(&device);
        let units = Units::largest(&[1.0, 2.0], 1).unwrap();
        assert!(keep_outputs(&linear, &units).is_err());
        assert!(Units::largest(&[1.0, 2.0], 0).is_err());
        assert!(Units::largest(&[1.0, 2.0], 3).is_err());
        assert!(Units::largest(&[f32::NAN, 2.0], 1).is_err());
    }
}
