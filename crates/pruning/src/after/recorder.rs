//! # Recorder
//!
//! Sees what enters each layer while a model runs, so that Wanda and SparseGPT need the model and data only.
//!
//! Source: the forward hooks of the released code of Wanda and SparseGPT; a convolution's inputs are its patches, as
//! there.

use burn::module::Param;
use burn::module::{Module, ParamId};
use burn::nn::Linear;
use burn::nn::attention::{MhaInput, MhaOutput, MultiHeadAttention};
use burn::nn::conv::{Conv1d, Conv2d};
use burn::nn::transformer::PositionWiseFeedForward;
use burn::tensor::Tensor;
use regimen_tensor::{Watch, independent};

use super::calibration::Calibration;
use super::oneshot::prune_one;
use super::pattern::Pattern;
use super::rule::Rule;
use crate::{Masks, PruningError, Result};

/// Runs layers, and takes down what enters them when [`prune_on`] asks.
///
/// Burn's modules have no hooks: what enters a layer is known only where the model calls it. So a model that can be pruned
/// on data calls its layers through the recorder, in one function that serves both: `forward` is that function with
/// [`Recorder::off`], which runs the layer and nothing else. Wrapping the layers instead would change the model's
/// type and the paths in its records, and a closure for each layer would have to repeat the forward pass.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Distribution, Tensor, activation::relu}};
/// use regimen_pruning::Masks;
/// use regimen_pruning::after::{Pattern, Recorder, Rule, prune_on};
///
/// #[derive(Module, Debug)]
/// struct Mlp {
///     first: Linear,
///     second: Linear,
/// }
///
/// impl Mlp {
///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
///         self.recorded(x, &mut Recorder::off())
///     }
///
///     fn recorded(&self, x: Tensor<2>, recorder: &mut Recorder) -> Tensor<2> {
///         let x = relu(recorder.linear(&self.first, x));
///         recorder.linear(&self.second, x)
///     }
/// }
///
/// # let device = Device::flex();
/// # let model = Mlp { first: LinearConfig::new(8, 16).init(&device), second: LinearConfig::new(16, 4).init(&device) };
/// # let batches = vec![Tensor::<2>::random([32, 8], Distribution::Default, &device); 4];
/// let masks = Masks::dense(&model)?;
/// let (model, masks) = prune_on(model, masks, Rule::SPARSE_GPT, Pattern::Share(0.5), &batches, |model, batch, recorder| {
///     model.recorded(batch.clone(), recorder);
/// })?;
/// assert_eq!(masks.density(), 0.5);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    wanted: Wanted,
    failure: Option<PruningError>,
}

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one recorder a pass over the data"
)]
enum Wanted {
    Nothing,
    /// The layers in the order of their first call.
    Order(Vec<ParamId>),
    /// The inputs of one layer.
    Inputs(ParamId, Calibration),
}

impl Recorder {
    /// Runs layers and takes nothing down.
    #[must_use]
    pub fn off() -> Self {
        Self::new(Wanted::Nothing)
    }

    fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            failure: None,
        }
    }

    /// `layer.forward(x)`, with `x` of `[.., inputs]`.
    pub fn linear<const D: usize>(&mut self, layer: &Linear, x: Tensor<D>) -> Tensor<D> {
        self.enters(layer.weight.id, || {
            let width = x.dims()[D - 1];
            Ok(x.clone()
                .reshape([x.shape().num_elements() / width.max(1), width]))
        });
        layer.forward(x)
    }

    /// `layer.forward(x)`, with `x` of `[batch, channels, length]`; groups are an error of [`prune_on`].
    pub fn conv1d(&mut self, layer: &Conv1d, x: Tensor<3>) -> Tensor<3> {
        self.enters(layer.weight.id, || {
            let [_, channels, kernel] = layer.weight.val().dims();
            let width = ungrouped(layer.groups, channels * kernel)?;
            let patches = Conv1d {
                weight: one_hot(&x, [width, channels, kernel]),
                bias: None,
                ..layer.clone()
            };
            Ok(rows(patches.forward(x.clone()).swap_dims(1, 2), width))
        });
        layer.forward(x)
    }

    /// `layer.forward(x)`, with `x` of `[batch, channels, height, width]`; groups are an error of [`prune_on`].
    pub fn conv2d(&mut self, layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
        self.enters(layer.weight.id, || {
            let [_, channels, height, length] = layer.weight.val().dims();
            let width = ungrouped(layer.groups, channels * height * length)?;
            let patches = Conv2d {
                weight: one_hot(&x, [width, channels, height, length]),
                bias: None,
                ..layer.clone()
            };
            Ok(rows(
                patches.forward(x.clone()).permute([0, 2, 3, 1]),
                width,
            ))
        });
        layer.forward(x)
    }

    /// `layer.forward` of query, key and value, each `[batch, length, d_model]`, with what `masked` adds to them (or `|x| x`);
    /// the inputs of all four projections are taken down.
    pub fn attention(
        &mut self,
        layer: &MultiHeadAttention,
        [query, key, value]: [Tensor<3>; 3],
        masked: impl FnOnce(MhaInput) -> MhaInput,
    ) -> MhaOutput {
        let width = layer.d_model;
        self.enters(layer.query.weight.id, || Ok(rows(query.clone(), width)));
        self.enters(layer.key.weight.id, || Ok(rows(key.clone(), width)));
        self.enters(layer.value.weight.id, || Ok(rows(value.clone(), width)));
        let output = layer.forward(masked(MhaInput::new(query, key, value.clone())));
        self.enters(layer.output.weight.id, || {
            let [batch, length, _] = value.dims();
            let value = layer.value.forward(value);
            let heads = value.reshape([batch, length, layer.n_heads, layer.d_k]);
            let context = output.weights.clone().matmul(heads.swap_dims(1, 2));
            Ok(rows(context.swap_dims(1, 2), width))
        });
        output
    }

    /// `layer.forward(x)`; the inputs of both linear layers are taken down.
    pub fn feed_forward<const D: usize>(
        &mut self,
        layer: &PositionWiseFeedForward,
        x: Tensor<D>,
    ) -> Tensor<D> {
        let x = self.linear(&layer.linear_inner, x);
        let x = layer.dropout.forward(layer.activation.forward(x));
        self.linear(&layer.linear_outer, x)
    }

    /// Takes down what enters a layer of one's own, by the id of its weight: `[tokens, inputs]`. The closure runs only if it
    /// is asked for; its error is that of [`prune_on`].
    pub fn enters(&mut self, weight: ParamId, inputs: impl FnOnce() -> Result<Tensor<2>>) {
        match &mut self.wanted {
            Wanted::Nothing => {}
            Wanted::Order(order) => {
                if !order.contains(&weight) {
                    order.push(weight);
                }
            }
            Wanted::Inputs(id, calibration) if *id == weight => {
                let added = inputs().and_then(|inputs| calibration.add(inputs));
                if let Err(error) = added {
                    self.failure.get_or_insert(error);
                }
            }
            Wanted::Inputs(..) => {}
        }
    }
}

/// A weight with which a convolution gives its patches.
fn one_hot<const D: usize, const I: usize>(x: &Tensor<I>, shape: [usize; D]) -> Param<Tensor<D>> {
    let eye = Tensor::<2>::eye(shape[0], &x.device()).cast(x.dtype());
    Param::from_tensor(eye.reshape(shape))
}

fn rows<const D: usize>(x: Tensor<D>, width: usize) -> Tensor<2> {
    let count = x.shape().num_elements() / width.max(1);
    x.reshape([count, width])
}

fn ungrouped(groups: usize, width: usize) -> Result<usize> {
    match groups {
        1 => Ok(width),
        _ => Err(PruningError::range("groups", groups, "1")),
    }
}

/// Prunes the layers that the masks cover, in the order in which `forward` reaches them, each from the inputs that the
/// model, pruned up to there, gives it over all `batches`; otherwise as [`prune`](super::prune).
///
/// `forward` runs the model, in the form it has for inference ([`Module::valid`]: no dropout, batch norm by its running
/// statistics, which stay as they are), on one batch through the recorder. Its tensors lie on the plain device: put the
/// batches on `device.inner()`. It runs once to learn the order, and once a layer and batch. Of the inputs only sums are
/// kept ([`Calibration`]).
///
/// A weight that is used at several places is pruned from the inputs of all of them.
///
/// # Errors
/// If there is no batch, `forward` calls a masked layer not through the recorder or not at all, a masked convolution is
/// grouped, an argument is out of range or a value is not finite.
pub fn prune_on<M: Module, B>(
    module: M,
    masks: Masks,
    rule: Rule,
    pattern: Pattern,
    batches: &[B],
    forward: impl FnMut(&M, &B, &mut Recorder),
) -> Result<(M, Masks)> {
    let watch = Watch::default();
    prune_on_watched(module, masks, rule, pattern, batches, forward, &watch)
}

/// As [`prune_on`], watched: a step is a layer. Stopped, it returns a module and masks of which the layers that were not
/// reached are as they were given.
///
/// # Errors
/// As [`prune_on`].
pub fn prune_on_watched<M: Module, B>(
    module: M,
    mut masks: Masks,
    rule: Rule,
    pattern: Pattern,
    batches: &[B],
    mut forward: impl FnMut(&M, &B, &mut Recorder),
    watch: &Watch,
) -> Result<(M, Masks)> {
    let (layers, weights) = (masks.layers().len(), masks.total());
    let _span = tracing::info_span!("prune", ?rule, layers, weights).entered();
    let mut done = 0;
    masks.check(&module)?;
    let mut module = independent(&module);
    let Some(first) = batches.first() else {
        return Err(PruningError::range("batches.len()", 0, "at least 1"));
    };
    let mut recorder = Recorder::new(Wanted::Order(Vec::new()));
    forward(&module.valid(), first, &mut recorder);
    let Wanted::Order(order) = recorder.wanted else {
        return Err(replaced());
    };
    if let Some(mask) = masks.layers().iter().find(|mask| !order.contains(&mask.id)) {
        return Err(PruningError::Mismatch {
            path: mask.path.clone(),
            expected: "a layer that `forward` calls through the recorder".into(),
            found: "no call; leave it out of the masks by `Masks::dense_of`".into(),
        });
    }
    for id in order {
        let Some(index) = masks.layers().iter().position(|mask| mask.id == id) else {
            continue;
        };
        let shown = module.valid();
        let mut recorder = Recorder::new(Wanted::Inputs(id, Calibration::new(rule)));
        for batch in batches {
            forward(&shown, batch, &mut recorder);
        }
        if let Some(error) = recorder.failure {
            return Err(error);
        }
        let Wanted::Inputs(_, calibration) = recorder.wanted else {
            return Err(replaced());
        };
        (module, masks) = prune_one(module, masks, index, &calibration, rule, pattern)?;
        done += 1;
        tracing::debug!(layer = %masks.layers()[index].path, rows = calibration.rows(), "layer pruned");
        if !watch.goes_on("prune", done, layers) {
            break;
        }
    }
    Ok((module, masks))
}

fn replaced() -> PruningError {
    PruningError::range("recorder", "another", "the one that `forward` gets")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{prune, prune_layer};
    use super::*;
    use burn::nn::attention::MultiHeadAttentionConfig;
    use burn::nn::conv::{Conv1dConfig, Conv2dConfig};
    use burn::nn::transformer::PositionWiseFeedForwardConfig;
    use burn::nn::{BatchNorm, BatchNormConfig, LinearConfig, PaddingConfig1d, PaddingConfig2d};
    use burn::tensor::activation::relu;
    use burn::tensor::{Device, Distribution};

    #[derive(Module, Debug)]
    struct Net {
        head: Linear,
        conv: Conv2d,
        norm: BatchNorm,
        second: Conv2d,
    }

    impl Net {
        fn new(device: &Device) -> Self {
            let conv = |from, to| {
                Conv2dConfig::new([from, to], [3, 3])
                    .with_padding(PaddingConfig2d::Same)
                    .init(device)
            };
            Self {
                head: LinearConfig::new(4 * 9, 3).init(device),
                conv: conv(2, 6),
                norm: BatchNormConfig::new(6).init(device),
                second: Conv2dConfig::new([6, 4], [3, 3])
                    .with_stride([2, 2])
                    .with_padding(PaddingConfig2d::Same)
                    .init(device),
            }
        }

        fn recorded(&self, x: Tensor<4>, recorder: &mut Recorder) -> Tensor<2> {
            let x = relu(self.norm.forward(recorder.conv2d(&self.conv, x)));
            let x = relu(recorder.conv2d(&self.second, x));
            recorder.linear(&self.head, x.flatten(1, 3))
        }
    }

    fn batches(device: &Device) -> Vec<Tensor<4>> {
        let batch = |_| Tensor::random([8, 2, 6, 6], Distribution::Default, device);
        (0..3).map(batch).collect()
    }

    #[test]
    fn a_convolution_is_its_patches_times_its_weight() {
        let device = Device::flex();
        let x = Tensor::<4>::random([2, 3, 7, 5], Distribution::Default, &device);
        let conv = Conv2dConfig::new([3, 4], [3, 2])
            .with_stride([2, 1])
            .with_padding(PaddingConfig2d::Explicit(1, 0, 2, 1))
            .with_dilation([1, 2])
            .with_bias(false)
            .init(&device);
        let calibration = Calibration::new(Rule::Wanda);
        let mut recorder = Recorder::new(Wanted::Inputs(conv.weight.id, calibration));
        let y = recorder.conv2d(&conv, x.clone());
        let norm = y.clone().square().sum().into_scalar::<f32>();
        let Wanted::Inputs(_, sums) = recorder.wanted else {
            panic!()
        };
        assert_eq!(sums.rows(), y.dims()[0] * y.dims()[2] * y.dims()[3]);
        // The patches themselves, by their outer product: trace(W G W^T) is the energy of the output.
        let mut recorder = Recorder::new(Wanted::Inputs(
            conv.weight.id,
            Calibration::new(Rule::SPARSE_GPT),
        ));
        recorder.conv2d(&conv, x);
        let Wanted::Inputs(_, sums) = recorder.wanted else {
            panic!()
        };
        let w = conv
            .weight
            .val()
            .reshape([4, 18])
            .try_into_vec_as::<f32>()
            .unwrap();
        let w =
            regimen_tensor::linalg::DMatrix::from_row_iterator(4, 18, w.into_iter().map(f64::from));
        let energy =
            (&w * sums.hessian(0.0).unwrap() * w.transpose()).trace() * sums.rows() as f64 / 2.0;
        approx::assert_relative_eq!(energy, f64::from(norm), max_relative = 1e-4);
    }

    #[test]
    fn a_network_is_pruned_from_model_and_data() {
        // Over several networks: for one of them what is made up for on one layer may cost on the next.
        let (mut made_up, mut zeros) = (0.0, 0.0);
        for place in 0..10 {
            let device = match place % 2 {
                0 => Device::flex(),
                _ => Device::flex().autodiff(),
            };
            let (model, data) = (Net::new(&device), batches(&device.clone().inner()));
            for rule in [Rule::Magnitude, Rule::Wanda, Rule::SPARSE_GPT] {
                let masks = Masks::dense(&model).unwrap();
                let run = |model: &Net, x: &Tensor<4>, recorder: &mut Recorder| {
                    model.recorded(x.clone(), recorder);
                };
                let before = model.norm.running_mean.value_sync().into_data();
                let (pruned, masks) =
                    prune_on(model.clone(), masks, rule, Pattern::Share(0.5), &data, run).unwrap();
                assert_eq!(masks.density(), 0.5, "{rule:?}");
                assert_eq!(model.norm.running_mean.value_sync().into_data(), before);
                assert_eq!(
                    pruned.conv.weight.val().is_require_grad(),
                    device.is_autodiff()
                );
                let error = |other: &Net| {
                    let y = |m: &Net| m.valid().recorded(data[0].clone(), &mut Recorder::off());
                    (y(other) - y(&model)).square().mean().into_scalar::<f32>()
                };
                let zeroed = masks.apply(model.clone()).unwrap();
                if matches!(rule, Rule::SparseGpt { .. }) {
                    made_up += error(&pruned);
                    zeros += error(&zeroed);
                }
            }
        }
        assert!(made_up < zeros, "what stays makes up for what goes");
    }

    #[test]
    fn layers_are_pruned_in_the_order_of_the_forward_pass_and_as_from_given_inputs() {
        let device = Device::flex();
        let (model, data) = (Net::new(&device), batches(&device));
        let all = Tensor::cat(data.clone(), 0);
        let run = |model: &Net, x: &Tensor<4>, recorder: &mut Recorder| {
            model.recorded(x.clone(), recorder);
        };
        let group = burn::module::ParamGroup::from_path("head.weight");
        let masks = Masks::dense_of(&model, &group).unwrap();
        let share = Pattern::Share(0.5);
        let (by_data, _) =
            prune_on(model.clone(), masks.clone(), Rule::Wanda, share, &data, run).unwrap();
        let enters = |model: &Net, _: &str| {
            let x = relu(model.norm.forward(model.conv.forward(all.clone())));
            relu(model.second.forward(x)).flatten(1, 3)
        };
        let (by_hand, _) = prune(model, masks, Rule::Wanda, share, enters).unwrap();
        assert_eq!(
            by_data.head.weight.val().into_data(),
            by_hand.head.weight.val().into_data()
        );
    }

    #[test]
    fn attention_and_feed_forward_are_seen() {
        let device = Device::flex();
        let mha = MultiHeadAttentionConfig::new(8, 2).init(&device);
        let ff = PositionWiseFeedForwardConfig::new(8, 12).init(&device);
        let x = Tensor::<3>::random([2, 5, 8], Distribution::Default, &device);
        let mut recorder = Recorder::new(Wanted::Inputs(
            mha.output.weight.id,
            Calibration::new(Rule::SPARSE_GPT),
        ));
        let y = recorder
            .attention(&mha, [x.clone(), x.clone(), x.clone()], |x| x)
            .context;
        let Wanted::Inputs(_, sums) = recorder.wanted else {
            panic!()
        };
        // trace(W^T G W) is the energy of the outputs less the bias.
        let bias = mha.output.bias.as_ref().unwrap().val();
        let energy = (y - bias.reshape([1, 1, 8]))
            .square()
            .sum()
            .into_scalar::<f32>();
        let w = mha.output.weight.val().try_into_vec_as::<f32>().unwrap();
        let w =
            regimen_tensor::linalg::DMatrix::from_row_iterator(8, 8, w.into_iter().map(f64::from));
        let found =
            (w.transpose() * sums.hessian(0.0).unwrap() * &w).trace() * sums.rows() as f64 / 2.0;
        approx::assert_relative_eq!(found, f64::from(energy), max_relative = 1e-4);
        let mut recorder = Recorder::new(Wanted::Order(Vec::new()));
        let seen = recorder.feed_forward(&ff, x.clone());
        assert_eq!(seen.into_data(), ff.forward(x.clone()).into_data());
        recorder.attention(&mha, [x.clone(), x.clone(), x], |x| x);
        let Wanted::Order(order) = recorder.wanted else {
            panic!()
        };
        assert_eq!(order.len(), 6);
    }

    #[test]
    fn conv1d_is_seen_and_what_cannot_be_served_is_an_error() {
        let device = Device::flex();
        #[derive(Module, Debug)]
        struct Wave {
            conv: Conv1d,
        }
        let x = vec![Tensor::<3>::random(
            [4, 2, 9],
            Distribution::Default,
            &device,
        )];
        let config = Conv1dConfig::new(2, 4, 3).with_padding(PaddingConfig1d::Same);
        let model = Wave {
            conv: config.init(&device),
        };
        let run = |model: &Wave, x: &Tensor<3>, recorder: &mut Recorder| {
            recorder.conv1d(&model.conv, x.clone());
        };
        let masks =
            |model: &Wave| Masks::dense_of(model, &burn::module::ParamGroup::all()).unwrap();
        let half = Pattern::Share(0.5);
        let (_, pruned) = prune_on(
            model.clone(),
            masks(&model),
            Rule::SPARSE_GPT,
            half,
            &x,
            run,
        )
        .unwrap();
        assert_eq!(pruned.density(), 0.5);
        let grouped = Wave {
            conv: config.with_groups(2).init(&device),
        };
        let failed = prune_on(grouped.clone(), masks(&grouped), Rule::Wanda, half, &x, run);
        assert!(failed.unwrap_err().to_string().contains("groups"));
        let failed = prune_on(
            model.clone(),
            masks(&model),
            Rule::Wanda,
            half,
            &x,
            |_, _, _| {},
        );
        assert!(
            failed
                .unwrap_err()
                .to_string()
                .contains("through the recorder")
        );
        let failed = prune_on(
            model.clone(),
            masks(&model),
            Rule::Wanda,
            half,
            &x[..0],
            run,
        );
        assert!(failed.unwrap_err().to_string().contains("batches"));
        let weight = Tensor::<2>::ones([2, 3], &device);
        assert!(prune_layer(weight, Tensor::ones([4, 5], &device), Rule::Wanda, half).is_err());
    }
}
