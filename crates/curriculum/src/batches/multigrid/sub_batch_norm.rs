//! # SubBatchNorm
//!
//! A batch norm whose statistics are over groups of a batch, aggregated for evaluation: their noise stays the same when the batch grows.
//!
//! Source: multigrid training, arXiv 1912.00998, and `SubBatchNorm3d` of its released code.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Flag, Module, ModuleDisplay, Param, RunningState};
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::batch_norm::{check_groups, merged};
use crate::error::{CurriculumError, Result, check, count};

/// How a [`SubBatchNorm`] is made.
///
/// | field | default | range |
/// |---|---|---|
/// | `num_features` | required | channels, 1 or more; up to 2^24 times `groups` |
/// | `groups` | required | parts of a batch with statistics of their own, 1 to 65536: `BatchNormGroups::splits` |
/// | `epsilon` | 1e-5 | finite, above 0; added to variances |
/// | `momentum` | 0.1 | `0..=1`: the share of a batch's statistics in the running ones |
#[derive(Config, Debug)]
pub struct SubBatchNormConfig {
    /// Channels.
    pub num_features: usize,
    /// Parts of a batch with statistics of their own.
    pub groups: usize,
    /// What is added to variances.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// The share of a batch's statistics in the running ones.
    #[config(default = 0.1)]
    pub momentum: f64,
}

impl SubBatchNormConfig {
    /// A layer that normalises to mean 0 and variance 1.
    ///
    /// # Errors
    /// If a field is out of its range.
    pub fn init(&self, device: &Device) -> Result<SubBatchNorm> {
        let (channels, groups) = (self.num_features, self.groups);
        check_groups(groups)?;
        let all = channels.saturating_mul(groups);
        let good = channels > 0 && all <= MOST_STATISTICS;
        let allowed = "1 or more, up to 2^24 with those of all groups";
        count("num_features", channels, good, allowed)?;
        check("epsilon", self.epsilon, self.epsilon > 0.0, "above 0")?;
        let share = (0.0..=1.0).contains(&self.momentum);
        check("momentum", self.momentum, share, "0 to 1")?;
        Ok(SubBatchNorm {
            gamma: Param::from_tensor(Tensor::ones([channels], device)),
            beta: Param::from_tensor(Tensor::zeros([channels], device)),
            training: Param::from_bool(true),
            running_mean: RunningState::new(Tensor::zeros([groups, channels], device)),
            running_var: RunningState::new(Tensor::ones([groups, channels], device)),
            momentum: self.momentum,
            epsilon: self.epsilon,
        })
    }
}

/// The most statistics, groups times channels.
const MOST_STATISTICS: usize = 1 << 24;

/// Batch norm over groups of a batch, for inputs `[batch, channels, ...]` of any rank from 2 on.
///
/// `y = (x - mean_g) / sqrt(var_g + epsilon) * gamma + beta`. While it trains, example `i` of a batch belongs to the group
/// `g = i mod groups`, with the mean and the variance (divided by the number of values) of that group alone; gain and bias are shared, and
/// each group keeps running statistics of its own. Elsewhere, all examples are normalised by the [aggregated](Self::aggregated)
/// statistics. As with Burn's `BatchNorm`, it trains on a device with autodiff unless it is frozen. With one group it is
/// that batch norm.
///
/// Statistics over a fixed number of examples keep their noise when the batch changes: multigrid training takes groups of 8, see
/// [`BatchNormGroups`](crate::BatchNormGroups), and changes their number with [`regrouped`](Self::regrouped).
///
/// Differs from `SubBatchNorm3d` of the released code:
/// - A batch that the groups do not divide is allowed: the first groups have one example more, and groups without an example keep
///   their running statistics. There it is an error.
/// - Aggregated statistics follow the groups; there they are those of the last call of `aggregate_stats`.
/// - Running variances are divided by the number of values, as in Burn; there, as in PyTorch, by one less.
/// - When the number of groups changes, each starts from the aggregated statistics; there the model is built anew and its groups'
///   statistics start from mean 0 and variance 1 or from a checkpoint of the same number.
/// - Statistics of half-precision inputs are taken in single precision, and a batch whose statistics are not finite leaves the running
///   ones as they were.
/// - There is no synchronisation over devices: a device whose batch is smaller than a group has the statistics of its own batch.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::SubBatchNormConfig;
///
/// let device = Device::flex().autodiff();
/// let norm = SubBatchNormConfig::new(1, 2).init(&device)?;
/// // Two groups: 0 and 2, and 10 and 30.
/// let x = Tensor::<2>::from_floats([[0.0], [10.0], [2.0], [30.0]], &device);
/// let y: Vec<f32> = norm.forward(x)?.inner().try_into_vec_as()?;
/// assert!(y.iter().zip([-1.0, -1.0, 1.0, 1.0]).all(|(y, expected)| (y - expected).abs() < 1e-4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SubBatchNorm {
    /// Gain, `[channels]`.
    pub gamma: Param<Tensor<1>>,
    /// Bias, `[channels]`.
    pub beta: Param<Tensor<1>>,
    /// Whether it trains on a device with autodiff.
    pub training: Param<Flag>,
    /// Running means, `[groups, channels]`.
    pub running_mean: RunningState<Tensor<2>>,
    /// Running variances, `[groups, channels]`.
    pub running_var: RunningState<Tensor<2>>,
    /// The share of a batch's statistics in the running ones.
    pub momentum: f64,
    /// What is added to variances.
    pub epsilon: f64,
}

/// Normalised examples `[batch, channels, ...]`, and means and variances `[groups, channels]`.
type Normalised<const D: usize> = (Tensor<D>, Tensor<2>, Tensor<2>);

impl SubBatchNorm {
    /// The normalised input, in its type and shape, `[batch, channels, ...]`.
    ///
    /// # Errors
    /// If the input has no second dimension, or another number of channels.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Result<Tensor<D>> {
        let dims = input.dims();
        let [channels] = self.gamma.shape().dims();
        if dims.get(1) != Some(&channels) {
            return Err(CurriculumError::OutOfRange {
                field: "input",
                value: format!("of shape {dims:?}"),
                allowed: "[batch, channels, ...] with the channels of the layer",
            });
        }
        if dims.iter().product::<usize>() == 0 {
            return Ok(input);
        }
        let (device, dtype) = (input.device(), input.dtype());
        let exact = match dtype {
            DType::F16 | DType::BF16 => DType::F32,
            own => own,
        };
        let input = input.cast(exact);
        let gamma = self.gamma.val().cast(exact);
        let beta = self.beta.val().cast(exact);
        let output = if device.is_autodiff() && self.training.is_enabled() {
            let (output, mean, var) = self.grouped(input, gamma, beta);
            self.follow(&self.running_mean, &self.running_var, mean, var);
            output
        } else {
            let (mean, var) = self.aggregated();
            let on = |values: Tensor<1>| values.to_device(&device).cast(exact);
            batch_norm(input, gamma, beta, on(mean), on(var), self.epsilon)
        };
        Ok(output.cast(dtype))
    }

    /// The groups of a batch, each normalised by itself.
    fn grouped<const D: usize>(
        &self,
        input: Tensor<D>,
        gamma: Tensor<1>,
        beta: Tensor<1>,
    ) -> Normalised<D> {
        let (batch, groups) = (input.dims()[0], self.groups());
        let (each, more) = (batch / groups, batch % groups);
        let norm = |rows: Tensor<D>, groups: usize| {
            let (gamma, beta) = (gamma.clone(), beta.clone());
            self.whole_groups(rows, groups, gamma, beta)
        };
        if more == 0 || each == 0 {
            return norm(input, groups.min(batch));
        }
        // The first groups have one example more: they are normalised apart, and the rows put back in their order.
        let device = input.device();
        let places = |first: bool| -> Vec<usize> {
            let all = 0..batch;
            all.filter(|row| (row % groups < more) == first).collect()
        };
        let (long, short) = (places(true), places(false));
        let mut back = vec![0_i64; batch];
        for (place, row) in long.iter().chain(&short).enumerate() {
            back[*row] = place as i64;
        }
        let index = |rows: Vec<i64>| {
            let count = rows.len();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &device)
        };
        let rows = |rows: Vec<usize>| {
            let rows = rows.into_iter().map(|row| row as i64).collect();
            input.clone().select(0, index(rows))
        };
        let (a, b) = (norm(rows(long), more), norm(rows(short), groups - more));
        let joined = Tensor::cat(vec![a.0, b.0], 0).select(0, index(back));
        (
            joined,
            Tensor::cat(vec![a.1, b.1], 0),
            Tensor::cat(vec![a.2, b.2], 0),
        )
    }

    /// Groups of one size: those of an example become channels of their own.
    fn whole_groups<const D: usize>(
        &self,
        rows: Tensor<D>,
        groups: usize,
        gamma: Tensor<1>,
        beta: Tensor<1>,
    ) -> Normalised<D> {
        let dims = rows.dims();
        let mut apart = dims;
        apart[0] = dims[0] / groups;
        apart[1] = dims[1] * groups;
        let each = |values: Tensor<1>| values.repeat_dim(0, groups);
        let normalised =
            batch_norm_train(rows.reshape(apart), each(gamma), each(beta), self.epsilon);
        let shape = [groups, dims[1]];
        (
            normalised.output.reshape(dims),
            normalised.mean.detach().reshape(shape),
            normalised.variance.detach().reshape(shape),
        )
    }

    /// Moves the running statistics of the first groups, those with an example, towards theirs.
    fn follow(
        &self,
        means: &RunningState<Tensor<2>>,
        vars: &RunningState<Tensor<2>>,
        mean: Tensor<2>,
        var: Tensor<2>,
    ) {
        let finite = mean.clone().is_finite().bool_and(var.clone().is_finite());
        for (state, new) in [(means, mean), (vars, var)] {
            let old = state.value_sync().to_device(&new.device());
            let (dtype, [groups, _]) = (old.dtype(), old.dims());
            let found = new.dims()[0];
            let known = old.clone().narrow(0, 0, found).cast(new.dtype());
            let moved = known.clone() * (1.0 - self.momentum) + new * self.momentum;
            let moved = known.mask_where(finite.clone(), moved).cast(dtype);
            let all = if found < groups {
                Tensor::cat(vec![moved, old.narrow(0, found, groups - found)], 0)
            } else {
                moved
            };
            state.update(all.detach());
        }
    }

    /// The number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.running_mean.value().dims()[0]
    }

    /// Mean and variance of all groups together, `[channels]` each: the average of the means, and the average of the variances plus
    /// the variance of the means. Of a layer that has just trained, take [`valid`](Module::valid) first: statistics of
    /// the last batch may be pending.
    #[must_use]
    pub fn aggregated(&self) -> (Tensor<1>, Tensor<1>) {
        merged(self.running_mean.value(), self.running_var.value())
    }

    /// The layer with another number of groups: each starts from the aggregated statistics. The same number changes nothing.
    ///
    /// The statistics are its own: those of clones of the layer as it was stay as they are.
    ///
    /// # Errors
    /// If `groups` is 0 or above 65536.
    pub fn regrouped(self, groups: usize) -> Result<Self> {
        check_groups(groups)?;
        let (means, vars) = (
            self.running_mean.value_sync(),
            self.running_var.value_sync(),
        );
        if groups == means.dims()[0] {
            return Ok(self);
        }
        let (mean, var) = merged(means, vars);
        let each = |values: Tensor<1>| {
            RunningState::new(values.unsqueeze_dim::<2>(0).repeat_dim(0, groups))
        };
        Ok(Self {
            running_mean: each(mean),
            running_var: each(var),
            ..self
        })
    }
}

impl ModuleDisplay for SubBatchNorm {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        let settings = DisplaySettings::new();
        settings.with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [channels] = self.gamma.shape().dims();
        content
            .add("num_features", &channels)
            .add("groups", &self.groups())
            .add("momentum", &self.momentum)
            .add("epsilon", &self.epsilon)
            .optional()
    }
}
