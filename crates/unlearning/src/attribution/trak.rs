//! # Trak
//!
//! Datamodels from gradients of a few trained models, projected to a few dimensions, without re-training on subsets.
//!
//! Source: Park, Georgiev, Ilyas, Leclerc and Madry, "TRAK: Attributing Model Behavior at Scale", ICML 2023.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{FloatDType, Int, Tensor};
use regimen_tensor::checked::Checked;
use regimen_tensor::linalg::{DMatrix, inverse_spd};
use regimen_tensor::{Drawn, ParamVector, Projection, TensorError, Watch};
use serde::{Deserialize, Serialize};

use super::{Datamodel, margins};
use crate::error::{Result, UnlearningError, all_finite, check, count, memory};
use crate::gradients::{gradients, measured};
use crate::part::part;
use crate::watched::watched;

/// What of a model's output is attributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Attributed {
    /// The margin of the example's class: one output a point, one backward pass.
    #[default]
    Margin,
    /// Every logit, as datamodel matching needs them: one backward pass a class.
    Logits,
}

/// How gradients are attributed.
///
/// | field | default | range |
/// |---|---|---|
/// | `dimensions` | 2048 | 1 to 32,768; with `lambda` 0 at most the number of training points |
/// | `lambda` | 0 | 0 or more, against the scale of `Phi' Phi` |
/// | `attributed` | margin | see [`Attributed`] |
/// | `seed` | 0 | any; of the projection |
#[derive(Config, Debug, PartialEq)]
pub struct TrakConfig {
    /// Numbers that a gradient is projected to.
    #[config(default = 2048)]
    pub dimensions: usize,
    /// Ridge on the Gram matrix of projected gradients.
    #[config(default = 0.0)]
    pub lambda: f64,
    /// What is attributed.
    #[config(default = "Attributed::Margin")]
    pub attributed: Attributed,
    /// Seed of the projection.
    #[config(default = 0)]
    pub seed: u64,
}

impl TrakConfig {
    /// Checks the parameters and starts without a checkpoint.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn init(&self) -> Result<Trak> {
        let trak = Trak {
            config: self.clone(),
            kernel: Vec::new(),
            errors: Vec::new(),
            points: 0,
            classes: 0,
            checkpoints: 0,
        };
        trak.checked()
    }

    fn check(&self) -> Result<()> {
        let dimensions = self.dimensions;
        let good = (1..=1 << 15).contains(&dimensions);
        count("dimensions", dimensions, good, "1 to 32,768")?;
        check("lambda", self.lambda, self.lambda >= 0.0, "0 or more")
    }
}

/// The projected-gradient estimator: `beta = mean(phi(x)' (Phi' Phi + lambda I)^-1 Phi') mean(Q)`.
///
/// `phi` are gradients of the attributed output, `Phi` of the training points' margins
/// ([`margins`]), projected, over the root of the number of parameters; `Q = diag(1 - p)`. The two means are over
/// checkpoints, each taken before the product. One backward pass an example, or one an example and class for logits.
///
/// The projection is drawn once a checkpoint and kept on the model's device. Gradients of more than `8 * dimensions` scalars,
/// and of more than 16,384, are folded to that many before they are projected
/// ([`Projection::with_buckets`]), which adds an eighth at most to the variance of their inner products.
///
/// The scale of the scores is arbitrary in the released code and biased by the projection here: multiply them by the
/// [`calibration`](super::datamodel_score::calibration) on a few re-trained models before using them as predictions.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Int, Tensor}};
/// use regimen_unlearning::TrakConfig;
///
/// let device = Device::flex().autodiff();
/// let data: Vec<(Tensor<2>, usize)> = [([1., 0.2], 0), ([0.1, 1.], 1), ([1., 1.5], 1)]
///     .map(|(x, y)| (Tensor::from_data([x], &device), y))
///     .to_vec();
/// let mut trak = TrakConfig::new().with_dimensions(2).init()?;
/// for _ in 0..3 {
///     let checkpoint = LinearConfig::new(2, 2).init(&device); // your trained models
///     trak.add(&checkpoint, data.clone(), data[..1].to_vec(), |model, x| model.forward(x))?;
/// }
/// let datamodel = trak.datamodel()?;
/// assert_eq!((datamodel.n_train(), datamodel.n_eval()), (3, 1));
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Trak {
    config: TrakConfig,
    /// Sum over checkpoints of `Phi (Phi' Phi + lambda I)^-1 phi(x)`, `[outputs, n_train]` column-major.
    kernel: Vec<f64>,
    /// Sum over checkpoints of `1 - p`, `[n_train]`.
    errors: Vec<f64>,
    points: usize,
    classes: usize,
    checkpoints: usize,
}

regimen_tensor::checked_serde!(Trak);

impl Checked for Trak {
    type Error = UnlearningError;

    fn check(&self) -> Result<()> {
        self.config.check()?;
        let (outputs, train) = (self.points.checked_mul(self.classes), self.errors.len());
        let values = outputs.and_then(|outputs| outputs.checked_mul(train));
        let (found, allowed) = (self.kernel.len(), "points * classes * errors long");
        count("kernel", found, values == Some(found), allowed)?;
        let (done, allowed) = (
            self.checkpoints,
            "0 where nothing was added, else 1 or more",
        );
        count("checkpoints", done, (done == 0) == (found == 0), allowed)?;
        let empty = [self.points, self.classes, train].map(|length| length == 0);
        let allowed = "0 where `classes` and `errors` are empty, else 1 or more";
        count("points", self.points, empty == [found == 0; 3], allowed)?;
        all_finite("kernel", &self.kernel)?;
        all_finite("errors", &self.errors)
    }
}

part!(
    /// The sums over checkpoints, as JSON; those of another configuration are refused.
    Trak,
    "trak 1"
);

/// Scalars of stacked gradients that are held at once.
const SCALARS: usize = 1 << 26;

/// Scalars up to which a gradient is never folded.
const BUCKETS: usize = 1 << 14;

impl Trak {
    /// How many checkpoints have been added.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        self.checkpoints
    }

    /// Adds a trained model.
    ///
    /// Each example is an input and its label; `logits` returns `[1, classes]`. The training examples must come in the
    /// same order for every checkpoint, and so must the evaluation examples. The model must be on an
    /// autodiff device; gradients are taken as in inference (dropout off, running statistics in batch normalisation), and
    /// the model stays as it is.
    ///
    /// # Errors
    /// If the model carries no gradient, a set is empty or of another size than before, a label is not a class, a gradient is not finite, or
    /// `Phi' Phi + lambda I` is singular (lower `dimensions` or raise `lambda`).
    pub fn add<M: Module, I: Clone>(
        &mut self,
        model: &M,
        train: impl IntoIterator<Item = (I, usize)>,
        eval: impl IntoIterator<Item = (I, usize)>,
        logits: impl FnMut(&M, I) -> Tensor<2>,
    ) -> Result<()> {
        self.add_watched(model, train, eval, logits, &Watch::default())?;
        Ok(())
    }

    /// [`add`](Self::add), watched: `"trak training"` and `"trak evaluation"` report examples. Where it is stopped before it is done,
    /// nothing is added, and the result is false.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_watched<M: Module, I: Clone>(
        &mut self,
        model: &M,
        train: impl IntoIterator<Item = (I, usize)>,
        eval: impl IntoIterator<Item = (I, usize)>,
        mut logits: impl FnMut(&M, I) -> Tensor<2>,
        watch: &Watch,
    ) -> Result<bool> {
        let model = &measured(model);
        let space = ParamVector::of(model);
        let (room, drawn) = ((SCALARS / space.len().max(1)).max(1), self.drawn(&space)?);
        let of = (model, &drawn, room);
        let mut found = Vec::new();
        let mut margin = |model: &M, (input, label): (I, usize)| {
            let margin = margin_of(logits(model, input), label)?;
            found.push(margin.clone().detach());
            Ok(margin)
        };
        let parameters = space.len();
        let _span = tracing::info_span!("trak", parameters, dimensions = self.config.dimensions);
        let _span = _span.entered();
        let train = watched("trak training", train, watch);
        let train_features = self.features(of, "training", train, &mut margin)?;
        if watch.is_stopped() {
            return Ok(false);
        }
        let errors = margin_errors(found)?;
        let eval = watched("trak evaluation", eval, watch);
        let (eval_features, points, classes) = self.eval(of, eval, logits)?;
        if watch.is_stopped() {
            return Ok(false);
        }

        let dimensions = self.config.dimensions;
        let rows = train_features.nrows();
        let few = self.config.lambda == 0.0 && dimensions > rows;
        let allowed = "at most the number of training points, where `lambda` is 0";
        count("dimensions", dimensions, !few, allowed)?;
        memory::<f64>("dimensions", dimensions, &[dimensions, 4 * dimensions])?;
        memory::<f64>("evaluation points", points, &[3 * points, classes, rows])?;
        let ridge = DMatrix::identity(dimensions, dimensions) * self.config.lambda;
        let inverse = inverse_spd(train_features.tr_mul(&train_features) + ridge)?;
        let kernel = eval_features * inverse * train_features.transpose();
        self.accumulate(kernel.as_slice(), &errors, points, classes)?;
        Ok(true)
    }

    /// The projection for gradients in this space: longer ones are folded first.
    fn drawn(&self, space: &ParamVector) -> Result<Drawn> {
        let device = space.entries().first().map(|entry| entry.values.device());
        let device = device.ok_or(UnlearningError::Empty("parameter"))?;
        let buckets = (8 * self.config.dimensions).max(BUCKETS);
        let projection = Projection::new(self.config.dimensions, self.config.seed)?;
        Ok(projection
            .with_buckets(buckets)?
            .draw(space.len(), &device)?)
    }

    fn accumulate(
        &mut self,
        kernel: &[f64],
        errors: &[f64],
        points: usize,
        classes: usize,
    ) -> Result<()> {
        all_finite("kernel", kernel)?;
        all_finite("errors", errors)?;
        if self.checkpoints == 0 {
            (self.points, self.classes) = (points, classes);
            (self.kernel, self.errors) = (vec![0.0; kernel.len()], vec![0.0; errors.len()]);
        }
        let allowed = "as many as at the first checkpoint";
        let count = errors.len();
        let good = count == self.errors.len();
        crate::error::count("training points", count, good, allowed)?;
        let good = (points, classes) == (self.points, self.classes);
        crate::error::count("evaluation points", points, good, allowed)?;
        let add = |sum: &mut [f64], values: &[f64]| {
            sum.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value);
        };
        add(&mut self.kernel, kernel);
        add(&mut self.errors, errors);
        self.checkpoints = self.checkpoints.saturating_add(1);
        Ok(())
    }

    /// Features of the attributed outputs, `[points * classes, dimensions]`, with points and classes.
    fn eval<M: Module, I: Clone>(
        &self,
        of: (&M, &Drawn, usize),
        eval: impl Iterator<Item = (I, usize)>,
        mut logits: impl FnMut(&M, I) -> Tensor<2>,
    ) -> Result<(DMatrix<f64>, usize, usize)> {
        if self.config.attributed == Attributed::Margin {
            let margin = |model: &M, (input, label)| margin_of(logits(model, input), label);
            let features = self.features(of, "evaluation", eval, margin)?;
            let points = features.nrows();
            return Ok((features, points, 1));
        }
        let mut eval = eval.peekable();
        let first = eval.peek().map(|(input, _)| logits(of.0, input.clone()));
        let classes = first.map_or(0, |logits| logits.dims()[1]);
        let outputs =
            eval.flat_map(|(input, _)| (0..classes).map(move |class| (input.clone(), class)));
        let logit = |model: &M, (input, class): (I, usize)| {
            Ok(logits(model, input).narrow(1, class, 1).reshape([1]))
        };
        let features = self.features(of, "evaluation", outputs, logit)?;
        let points = features.nrows() / classes;
        Ok((features, points, classes))
    }

    /// The projected gradients of examples, `[examples, dimensions]`, over the root of the number of parameters; at most
    /// `room` gradients are held at once.
    fn features<M: Module, E>(
        &self,
        (model, drawn, room): (&M, &Drawn, usize),
        set: &'static str,
        mut examples: impl Iterator<Item = E>,
        mut output: impl FnMut(&M, E) -> Result<Tensor<1>>,
    ) -> Result<DMatrix<f64>> {
        let (mut done, mut scale) = (Vec::new(), 0.0);
        loop {
            let mut waiting = Vec::new();
            for example in examples.by_ref().take(room) {
                let grads = gradients(&output(model, example)?, model)?;
                let gradient = ParamVector::gradients(model, &grads);
                scale = (gradient.len() as f64).sqrt().recip();
                waiting.push(flat(&gradient));
            }
            if waiting.is_empty() {
                break;
            }
            let rows = Tensor::<1>::stack::<2>(waiting, 0);
            done.push(drawn.apply(rows)? * scale);
        }
        if done.is_empty() {
            return Err(UnlearningError::Empty(set));
        }
        let features = Tensor::cat(done, 0);
        let [rows, columns] = features.dims();
        let values = read(features.reshape([rows * columns]), "projected gradients")?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(UnlearningError::NotFinite(set));
        }
        Ok(DMatrix::from_row_slice(rows, columns, &values))
    }

    /// The effects of training points' presence, with intercepts of 0.
    ///
    /// # Errors
    /// If no checkpoint has been added.
    pub fn datamodel(&self) -> Result<Datamodel> {
        if self.checkpoints == 0 {
            return Err(UnlearningError::Empty("checkpoint"));
        }
        let (count, width) = (self.checkpoints as f64, self.points * self.classes);
        let columns = self.kernel.chunks(width).zip(&self.errors);
        let effects = columns.flat_map(|(kernel, error)| {
            let error = error / count;
            kernel
                .iter()
                .map(move |kernel| (kernel / count * error) as f32)
        });
        Datamodel::new(
            self.points,
            self.classes,
            vec![0.0; width],
            effects.collect(),
        )
    }
}

/// A vector's values in one row, in f32 whatever its parameters' types.
fn flat(vector: &ParamVector) -> Tensor<1> {
    let values = vector.entries().iter();
    Tensor::cat(
        values
            .map(|entry| entry.values.clone().cast(FloatDType::F32))
            .collect(),
        0,
    )
}

/// The margin `[1]` of one example.
fn margin_of(logits: Tensor<2>, label: usize) -> Result<Tensor<1>> {
    let good = label < logits.dims()[1];
    count("label", label, good, "one of the classes")?;
    let label = Tensor::<1, Int>::from_data([label as i64], &logits.device());
    Ok(margins(logits, label))
}

/// `1 - p` of margins `log(p / (1 - p))`.
fn margin_errors(margins: Vec<Tensor<1>>) -> Result<Vec<f64>> {
    let values = read(Tensor::cat(margins, 0), "margins")?;
    Ok(values.into_iter().map(|m| 1.0 / (1.0 + m.exp())).collect())
}

fn read(values: Tensor<1>, what: &str) -> Result<Vec<f64>> {
    let values = values.try_into_vec_as::<f64>();
    Ok(values.map_err(|reason| TensorError::Read {
        what: what.to_owned(),
        reason: reason.to_string(),
    })?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    const INPUTS: [[f32; 3]; 6] = [
        [1.0, 0.2, -0.3],
        [0.1, 1.0, 0.4],
        [1.0, 1.5, 0.0],
        [-0.7, 0.3, 1.1],
        [0.4, -1.2, 0.6],
        [-0.2, 0.9, -1.4],
    ];

    fn examples(device: &Device) -> Vec<(Tensor<2>, usize)> {
        let rows = INPUTS.iter().enumerate();
        rows.map(|(i, row)| (Tensor::from_data([*row], device), i % 2))
            .collect()
    }

    fn model(device: &Device) -> Linear {
        LinearConfig::new(3, 2).with_bias(false).init(device)
    }

    fn forward(model: &Linear, input: Tensor<2>) -> Tensor<2> {
        model.forward(input)
    }

    fn trak(config: TrakConfig, models: &[Linear], device: &Device) -> Trak {
        let mut trak = config.init().unwrap();
        for model in models {
            let (train, eval) = (examples(device), examples(device)[..2].to_vec());
            trak.add(model, train, eval, forward).unwrap();
        }
        trak
    }

    /// For two classes the margin is `z_y - z_other`: its gradient is `(x, -x)` up to sign, so that without
    /// projection loss `phi' (Phi' Phi)^-1 Phi'` is the hat matrix of the inputs.
    #[test]
    fn a_linear_model_has_the_hat_matrix() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let config = TrakConfig::new().with_dimensions(3);
        let datamodel = trak(config, std::slice::from_ref(&model), &device)
            .datamodel()
            .unwrap();
        let x = DMatrix::from_fn(6, 3, |row, column| f64::from(INPUTS[row][column]));
        let hat = &x * (x.tr_mul(&x)).try_inverse().unwrap() * x.transpose();
        for (i, (input, label)) in examples(&device).into_iter().enumerate() {
            let margin = margin_of(model.forward(input), label).unwrap();
            let margin = margin.into_scalar::<f32>();
            let error = 1.0 / (1.0 + f64::from(margin).exp());
            for eval in 0..2 {
                let sign = if i % 2 == eval % 2 { 1.0 } else { -1.0 };
                let expected = sign * hat[(eval, i)] * error;
                let found = f64::from(datamodel.effect(i)[eval]);
                assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            }
        }
    }

    #[test]
    fn means_are_taken_before_the_product() {
        let device = Device::flex().autodiff();
        let (one, two) = (model(&device), model(&device));
        let config = TrakConfig::new().with_dimensions(3).with_lambda(0.1);
        let both = trak(config.clone(), &[one.clone(), two.clone()], &device);
        let (first, second) = (
            trak(config.clone(), &[one], &device),
            trak(config, &[two], &device),
        );
        let found = both.datamodel().unwrap();
        for i in 0..6 {
            let kernel = |trak: &Trak, eval: usize| trak.kernel[i * 2 + eval];
            let error = (first.errors[i] + second.errors[i]) / 2.0;
            for eval in 0..2 {
                let mean = (kernel(&first, eval) + kernel(&second, eval)) / 2.0;
                assert!((f64::from(found.effect(i)[eval]) - mean * error).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_margin_is_the_difference_of_two_logits() {
        let device = Device::flex().autodiff();
        let models = [model(&device)];
        let config = TrakConfig::new().with_dimensions(3);
        let margin = trak(config.clone(), &models, &device).datamodel().unwrap();
        let logits = config.with_attributed(Attributed::Logits);
        let logits = trak(logits, &models, &device).datamodel().unwrap();
        assert_eq!((logits.n_eval(), logits.n_classes()), (2, 2));
        for i in 0..6 {
            for eval in 0..2 {
                let of = |class: usize| logits.effect(i)[eval * 2 + class];
                let difference = of(eval % 2) - of(1 - eval % 2);
                assert!((difference - margin.effect(i)[eval]).abs() < 1e-4);
            }
        }
    }

    /// A batch that is full takes no example from the next one.
    #[test]
    fn every_example_has_its_row_however_few_gradients_are_held() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        let trak = TrakConfig::new().with_dimensions(3).init().unwrap();
        let drawn = trak.drawn(&ParamVector::of(&model)).unwrap();
        let features = |room| {
            let margin = |model: &Linear, (input, label)| margin_of(forward(model, input), label);
            let examples = examples(&device).into_iter();
            trak.features((&model, &drawn, room), "training", examples, margin)
                .unwrap()
        };
        let whole = features(6);
        assert_eq!(whole.shape(), (6, 3));
        for room in [1, 2, 5, 7] {
            assert!((features(room) - &whole).amax() < 1e-6, "room {room}");
        }
    }

    #[test]
    fn state_resumes() {
        let device = Device::flex().autodiff();
        let models = [model(&device), model(&device)];
        let config = TrakConfig::new().with_dimensions(3);
        let straight = trak(config.clone(), &models, &device);
        let half = trak(config, &models[..1], &device);
        let text = serde_json::to_string(&half).unwrap();
        let mut resumed: Trak = serde_json::from_str(&text).unwrap();
        let eval = examples(&device)[..2].to_vec();
        resumed
            .add(&models[1], examples(&device), eval, forward)
            .unwrap();
        assert_eq!(resumed.checkpoints(), 2);
        assert_eq!(resumed.datamodel().unwrap(), straight.datamodel().unwrap());
    }

    #[test]
    fn bad_input_is_named() {
        let device = Device::flex().autodiff();
        let model = model(&device);
        assert!(TrakConfig::new().with_dimensions(0).init().is_err());
        assert!(TrakConfig::new().with_lambda(-1.0).init().is_err());
        let mut trak = TrakConfig::new().with_dimensions(3).init().unwrap();
        assert!(trak.datamodel().is_err());
        let all = examples(&device);
        let empty = trak.add(&model, vec![], all.clone(), forward).unwrap_err();
        assert_eq!(empty.to_string(), "the training set is empty");
        assert!(trak.add(&model, all.clone(), vec![], forward).is_err());
        // Six training points of rank 3 in twelve dimensions.
        let mut wide = TrakConfig::new().with_dimensions(12).init().unwrap();
        assert!(wide.add(&model, all.clone(), all.clone(), forward).is_err());
        trak.add(&model, all.clone(), all.clone(), forward).unwrap();
        assert!(
            trak.add(&model, all.clone(), all[..1].to_vec(), forward)
                .is_err()
        );
    }
}
