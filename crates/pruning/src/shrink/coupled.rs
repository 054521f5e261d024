//! # Coupled layers
//!
//! Units that several layers share, as the channels of a residual stream, are removed from all of them together.
//!
//! Source: Fang et al., "DepGraph: Towards Any Structural Pruning" (arXiv 2301.12900), for groups of coupled layers; the
//! user names the group.

use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Embedding, LayerNorm, Linear};
use regimen_tensor::Watch;

use super::structured::{
    Units, channel_norms, column_norms, keep_channels, keep_embeddings, keep_features,
    keep_input_channels, keep_inputs, keep_output_channels, keep_outputs, unit_norms,
};
use crate::{PruningError, Result};

/// A layer with the side of it that has the group's units.
///
/// What is added together has the same units: of a residual stream, the outputs of every layer that adds to it, the norms
/// over it, and the inputs of every layer that reads it form one group.
#[derive(Debug)]
#[non_exhaustive]
pub enum Coupled<'a> {
    /// The units are its outputs.
    Outputs(&'a mut Linear),
    /// The units are its inputs.
    Inputs(&'a mut Linear),
    /// Each unit is this many inputs in a row: a linear layer behind a flattened convolution.
    Flattened(&'a mut Linear, usize),
    /// The units are its output channels.
    OutputChannels(&'a mut Conv2d),
    /// The units are its input channels.
    InputChannels(&'a mut Conv2d),
    /// The units are its channels.
    Channels(&'a mut BatchNorm),
    /// The units are its features. The mean and the variance are then those of the features that are left.
    Features(&'a mut LayerNorm),
    /// The units are what it looks up.
    Embeddings(&'a mut Embedding),
}

/// A smaller layer, to be put in place when all are there.
enum Smaller {
    Linear(Linear),
    Conv(Box<Conv2d>),
    Batch(Box<BatchNorm>),
    Layer(LayerNorm),
    Embedding(Embedding),
}

impl Coupled<'_> {
    fn smaller(&self, units: &Units) -> Result<Smaller> {
        Ok(match self {
            Self::Outputs(layer) => Smaller::Linear(keep_outputs(layer, units)?),
            Self::Inputs(layer) => Smaller::Linear(keep_inputs(layer, units)?),
            Self::Flattened(layer, places) => {
                let inputs = layer.weight.val().dims()[0];
                let units = units.flattened_for("linear, flattened inputs", *places, inputs)?;
                Smaller::Linear(keep_inputs(layer, &units)?)
            }
            Self::OutputChannels(conv) => {
                Smaller::Conv(Box::new(keep_output_channels(conv, units)?))
            }
            Self::InputChannels(conv) => Smaller::Conv(Box::new(keep_input_channels(conv, units)?)),
            Self::Channels(norm) => Smaller::Batch(Box::new(keep_channels(norm, units)?)),
            Self::Features(norm) => Smaller::Layer(keep_features(norm, units)?),
            Self::Embeddings(table) => Smaller::Embedding(keep_embeddings(table, units)?),
        })
    }

    fn replace(self, by: Smaller) {
        match (self, by) {
            (
                Self::Outputs(layer) | Self::Inputs(layer) | Self::Flattened(layer, _),
                Smaller::Linear(by),
            ) => *layer = by,
            (Self::OutputChannels(conv) | Self::InputChannels(conv), Smaller::Conv(by)) => {
                *conv = *by
            }
            (Self::Channels(norm), Smaller::Batch(by)) => *norm = *by,
            (Self::Features(norm), Smaller::Layer(by)) => *norm = by,
            (Self::Embeddings(table), Smaller::Embedding(by)) => *table = by,
            _ => {}
        }
    }

    /// The l2 norms of what writes the units, if it does.
    fn norms(&self) -> Result<Option<Vec<f32>>> {
        Ok(match self {
            Self::Outputs(layer) => Some(unit_norms(layer)?),
            Self::OutputChannels(conv) => Some(channel_norms(conv)?),
            Self::Embeddings(table) => Some(column_norms(table.weight.val().detach())?),
            _ => None,
        })
    }
}

/// A score of each unit of a group: the l2 norm of all weights that write it, in the outputs, output channels and
/// embeddings of the group.
///
/// # Errors
/// If no layer of the group writes the units, their numbers differ or a device can't be read.
pub fn group_norms(group: &[Coupled<'_>]) -> Result<Vec<f32>> {
    let mut sums: Option<Vec<f64>> = None;
    for layer in group {
        let Some(norms) = layer.norms()? else {
            continue;
        };
        let sums = sums.get_or_insert_with(|| vec![0.0; norms.len()]);
        if sums.len() != norms.len() {
            return Err(PruningError::Mismatch {
                path: "group".into(),
                expected: format!("{} units in each layer", sums.len()),
                found: norms.len().to_string(),
            });
        }
        let pairs = sums.iter_mut().zip(norms);
        pairs.for_each(|(sum, norm)| *sum += f64::from(norm).powi(2));
    }
    let Some(sums) = sums else {
        return Err(PruningError::range(
            "group",
            "no layer that writes the units",
            "at least one",
        ));
    };
    Ok(sums.into_iter().map(|sum| sum.sqrt() as f32).collect())
}

/// Keeps these units in all layers of the group.
///
/// ```
/// use burn::nn::{LayerNormConfig, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use regimen_pruning::shrink::coupled::{Coupled, group_norms, keep_together};
/// use regimen_pruning::shrink::structured::Units;
///
/// // x = embed(input); x = x + block(norm(x)); head(x): a stream of 8 units.
/// let device = Device::flex();
/// let mut embed = LinearConfig::new(4, 8).init(&device);
/// let mut norm = LayerNormConfig::new(8).init(&device);
/// let mut block = (LinearConfig::new(8, 16).init(&device), LinearConfig::new(16, 8).init(&device));
/// let mut head = LinearConfig::new(8, 2).init(&device);
/// let group = vec![
///     Coupled::Outputs(&mut embed),
///     Coupled::Features(&mut norm),
///     Coupled::Inputs(&mut block.0),
///     Coupled::Outputs(&mut block.1),
///     Coupled::Inputs(&mut head),
/// ];
/// let units = Units::largest(&group_norms(&group)?, 5)?;
/// keep_together(group, &units)?;
/// let x = embed.forward(Tensor::<2>::ones([3, 4], &device));
/// let x = x.clone() + block.1.forward(block.0.forward(norm.forward(x)));
/// assert_eq!(head.forward(x).dims(), [3, 2]);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
///
/// # Errors
/// If a layer has another number of units or is a grouped convolution: then every layer is as it was.
pub fn keep_together(group: Vec<Coupled<'_>>, units: &Units) -> Result<()> {
    keep_together_watched(group, units, &Watch::default()).map(|_| ())
}

/// As [`keep_together`], watched: a step is a layer. Whether the group was cut: stopped before its last layer, every layer is
/// as it was.
///
/// # Errors
/// As [`keep_together`].
pub fn keep_together_watched(
    group: Vec<Coupled<'_>>,
    units: &Units,
    watch: &Watch,
) -> Result<bool> {
    let (layers, kept) = (group.len(), units.kept().len());
    let _span = tracing::info_span!("keep_together", layers, units = units.total(), kept).entered();
    let mut smaller = Vec::with_capacity(layers);
    for layer in &group {
        smaller.push(layer.smaller(units)?);
        if !watch.goes_on("keep_together", smaller.len(), layers) && smaller.len() < layers {
            return Ok(false);
        }
    }
    let pairs = group.into_iter().zip(smaller);
    pairs.for_each(|(layer, by)| layer.replace(by));
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{
        BatchNormConfig, EmbeddingConfig, LayerNormConfig, LinearConfig, PaddingConfig2d,
    };
    use burn::tensor::{Device, Int, Tensor, activation::relu};

    #[test]
    fn a_residual_block_without_a_silent_channel_gives_the_same_output() {
        let device = Device::flex();
        let conv = |from, to| {
            let config = Conv2dConfig::new([from, to], [3, 3]).with_bias(false);
            config.with_padding(PaddingConfig2d::Same).init(&device)
        };
        let (mut stem, mut block) = (conv(2, 4), conv(4, 4));
        let mut norm = BatchNormConfig::new(4).init(&device);
        let mut head = LinearConfig::new(4 * 9, 3).init(&device);
        // Channel 2 is silent: nothing writes it.
        for conv in [&mut stem, &mut block] {
            conv.weight = conv.weight.clone().map(|w| {
                let [_, from, height, width] = w.dims();
                w.slice_assign(
                    [2..3, 0..from, 0..height, 0..width],
                    Tensor::zeros([1, from, height, width], &device),
                )
            });
        }
        let x = Tensor::<4>::random([2, 2, 3, 3], burn::tensor::Distribution::Default, &device);
        let run = |stem: &Conv2d, norm: &BatchNorm, block: &Conv2d, head: &Linear| {
            let x = stem.forward(x.clone());
            let x = x.clone() + block.forward(relu(norm.forward(x)));
            head.forward(x.flatten::<2>(1, 3))
        };
        let whole = run(&stem, &norm, &block, &head);
        let scores = group_norms(&[
            Coupled::OutputChannels(&mut stem),
            Coupled::OutputChannels(&mut block),
        ])
        .unwrap();
        assert!(scores[2] == 0.0 && scores[1] > 0.0);
        let units = Units::largest(&scores, 3).unwrap();
        // The block's weight has the units on both sides: outputs first, then inputs.
        let group = vec![
            Coupled::OutputChannels(&mut stem),
            Coupled::Channels(&mut norm),
            Coupled::InputChannels(&mut block),
            Coupled::Flattened(&mut head, 9),
        ];
        keep_together(group, &units).unwrap();
        keep_together(vec![Coupled::OutputChannels(&mut block)], &units).unwrap();
        assert_eq!(block.weight.val().dims(), [3, 3, 3, 3]);
        let far = (whole - run(&stem, &norm, &block, &head)).abs().max();
        assert!(far.into_scalar::<f32>() < 1e-5);
    }

    #[test]
    fn embeddings_and_norms_follow_and_a_wrong_size_changes_nothing() {
        let device = Device::flex();
        let mut table = EmbeddingConfig::new(7, 6).init(&device);
        let mut norm = LayerNormConfig::new(6).init(&device);
        let mut head = LinearConfig::new(6, 7).init(&device);
        let mut other = LinearConfig::new(5, 7).init(&device);
        let units =
            Units::largest(&group_norms(&[Coupled::Embeddings(&mut table)]).unwrap(), 4).unwrap();
        let wrong = vec![Coupled::Embeddings(&mut table), Coupled::Inputs(&mut other)];
        assert!(keep_together(wrong, &units).is_err());
        assert_eq!(table.weight.val().dims(), [7, 6]);
        let group = vec![
            Coupled::Embeddings(&mut table),
            Coupled::Features(&mut norm),
            Coupled::Inputs(&mut head),
        ];
        keep_together(group, &units).unwrap();
        let x = table.forward(Tensor::<2, Int>::zeros([2, 3], &device));
        assert_eq!(head.forward(norm.forward(x)).dims(), [2, 3, 7]);
        assert!(group_norms(&[Coupled::Features(&mut norm)]).is_err());
    }
}
