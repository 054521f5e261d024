//! An encoder with the heads that its base session trains.

use burn::module::{Module, ModuleDisplay, Param};
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_tensor::ParamVector;

use super::augment::Augment;
use super::config::FewShotConfig;
use super::simplex::simplex_etf;
use crate::classifier::{Classifier, Encoder};
use crate::error::check;
use crate::examples::Examples;
use crate::methods::{CosineLinear, unit};
use crate::{ContinualError, Result};

/// Numbers of a layer at most.
const MOST: usize = 1 << 28;
/// What the logits of classes without a column are: finite, so that no loss is NaN.
const ABSENT: f32 = -1e9;
/// For classes without a column.
const NONE: i64 = -1;

/// An encoder: from a batch to features, without a head.
///
/// ```
/// use burn::{module::Module, nn::Linear, tensor::{Int, Tensor, activation::relu}};
/// use regimen_continual::Backbone;
///
/// #[derive(Module, Debug)]
/// struct Body {
///     layers: Vec<Linear>,
/// }
///
/// impl Backbone for Body {
///     type Batch = (Tensor<2>, Tensor<1, Int>);
///
///     fn features(&self, (images, _): &Self::Batch) -> Tensor<2> {
///         self.layers.iter().fold(images.clone(), |x, layer| relu(layer.forward(x)))
///     }
/// }
/// ```
pub trait Backbone: Module + ModuleDisplay {
    /// Inputs with their labels.
    type Batch: Augment;

    /// Features `[batch, width]`.
    fn features(&self, batch: &Self::Batch) -> Tensor<2>;
}

/// An encoder with the heads of a base session: [`FewShotConfig::init`] makes it, and later sessions train the encoder alone.
#[derive(Module, Debug)]
pub struct FewShotNet<E: Module> {
    /// The encoder.
    pub encoder: E,
    /// Cosines with a direction for each base and pseudo-class, and for those that room was left for.
    pub head: CosineLinear,
    /// Two layers before the contrastive losses; none where these see the features themselves, or are not asked for.
    pub projector: Vec<Linear>,
    /// Features to the four quarters by which an image is turned.
    pub turns: Option<Linear>,
    /// For each class its column of the head, -1 for classes of later sessions.
    #[module(skip)]
    columns: Vec<i64>,
}

impl<E: Module> FewShotNet<E> {
    /// With heads drawn on the host from the seed, in the type and on the device of the encoder's first parameter.
    pub(super) fn new(encoder: E, config: &FewShotConfig) -> Result<Self> {
        let first = ParamVector::of(&encoder).entries().first().cloned();
        let dtype = first.map_or(DType::F32, |entry| entry.dtype);
        let device = encoder.devices().into_iter().next().unwrap_or_default();
        let mut layers = Layers {
            rng: ChaCha8Rng::seed_from_u64(config.seed),
            device,
            dtype,
        };
        let columns = config.pseudo.columns(config.base.len());
        let columns = columns.saturating_add(config.room);
        let fits = columns.saturating_mul(config.width) <= MOST;
        let allowed = "268 million with the classes to train";
        check("width", config.width as f64, fits, allowed)?;
        let weight = match config.simplex {
            None => layers.uniform([config.width, columns], config.width),
            Some(_) => {
                let plain = Device::inner(layers.device.clone());
                let frame = simplex_etf(columns, config.width, config.seed, &plain)?;
                let values = frame.try_into_vec_as::<f32>();
                let values = crate::examples::read("a simplex", values)?;
                layers
                    .param(values, [config.width, columns])
                    .set_require_grad(false)
            }
        };
        let sigma = layers.param(vec![config.scale as f32], [1]);
        let projected = config.contrast.is_some() || config.pretrain.is_some();
        let projector = match config.projection {
            Some(width) if projected => vec![
                layers.linear(config.width, config.width)?,
                layers.linear(config.width, width)?,
            ],
            _ => Vec::new(),
        };
        let turns = config.rotation.map(|_| layers.linear(config.width, 4));
        let mut of_classes = vec![NONE; config.classes];
        for (column, class) in config.base.iter().enumerate() {
            of_classes[*class] = column as i64;
        }
        Ok(Self {
            encoder,
            head: CosineLinear {
                weight,
                sigma: sigma.set_require_grad(false),
            },
            projector,
            turns: turns.transpose()?,
            columns: of_classes,
        })
    }

    /// Features as the contrastive losses see them.
    pub(super) fn projected(&self, features: Tensor<2>) -> Tensor<2> {
        match self.projector.as_slice() {
            [first, second] => second.forward(relu(first.forward(features))),
            _ => features,
        }
    }

    /// The columns of labels `[batch]`, -1 for labels of no base class.
    pub(super) fn columns_of(&self, labels: Tensor<1, Int>) -> Tensor<1, Int> {
        let last = self.columns.len() as i64 - 1;
        let columns = TensorData::new(self.columns.clone(), [self.columns.len()]);
        let columns = Tensor::from_data(columns, (&labels.device(), labels.dtype()));
        let outside = labels.clone().lower_elem(0);
        let outside = outside.bool_or(labels.clone().greater_elem(last));
        let columns: Tensor<1, Int> = columns;
        let found = columns.select(0, labels.clamp(0, last));
        found.mask_fill(outside, NONE)
    }

    /// Logits of features over the columns of the head, `[batch, columns]`, in f32.
    pub(super) fn scores(&self, features: Tensor<2>) -> Tensor<2> {
        let sigma = self.head.sigma.val().cast(FloatDType::F32).reshape([1, 1]);
        self.head.cosines(features) * sigma
    }

    /// The width that features must have.
    pub(super) fn width(&self) -> usize {
        self.head.weight.dims()[0]
    }
}

impl<E: Backbone> FewShotNet<E> {
    /// The features of a batch, if they are of the width that the heads have.
    pub(super) fn encoded(&self, batch: &E::Batch) -> Result<Tensor<2>> {
        let features = self.encoder.features(batch);
        let ([_, found], expected) = (features.dims(), self.width());
        if found != expected {
            let what = "width of the features";
            return Err(ContinualError::mismatch(what, expected, found));
        }
        Ok(features)
    }
}

impl<E: Backbone> Classifier for FewShotNet<E> {
    type Batch = E::Batch;

    /// By the head of the base session: -1e9 for all other classes. [`FewShot`](super::FewShot) classifies by prototypes.
    fn logits(&self, batch: &E::Batch) -> Tensor<2> {
        let scores = self.scores(self.features(batch));
        let [rows, _] = scores.dims();
        let device = scores.device();
        let classes = self.columns.len();
        let known = |column: &i64| (*column).max(0);
        let places: Vec<i64> = self.columns.iter().map(known).collect();
        let places = Tensor::from_data(TensorData::new(places, [classes]), &device);
        let absent: Vec<bool> = self.columns.iter().map(|column| *column == NONE).collect();
        let absent: Tensor<2, burn::tensor::Bool> =
            Tensor::from_data(TensorData::new(absent, [1, classes]), &device);
        let scores = scores.select(1, places);
        scores.mask_fill(absent.expand([rows, classes]), ABSENT)
    }
}

impl<E: Backbone> Encoder for FewShotNet<E> {
    fn features(&self, batch: &E::Batch) -> Tensor<2> {
        self.encoder.features(batch)
    }
}

/// Features of length 1, in f32.
pub(super) fn directions(features: Tensor<2>) -> Tensor<2> {
    unit(features.cast(FloatDType::F32), 1)
}

/// The labels of a batch as pretraining sees them: none.
pub(super) fn same_size<B: Examples>(first: &B, second: &B) -> Result<()> {
    let (expected, found) = (first.count(), second.count());
    if expected == found {
        return Ok(());
    }
    let what = "examples of the second view";
    Err(ContinualError::mismatch(what, expected, found))
}

/// Draws layers on the host.
struct Layers {
    rng: ChaCha8Rng,
    device: Device,
    dtype: DType,
}

impl Layers {
    fn param<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        let data = TensorData::new(values, shape);
        Param::from_tensor(Tensor::from_data(data, (&self.device, self.dtype)))
    }

    /// Uniform within `inputs^(-1/2)`, as Burn draws linear layers.
    fn uniform<const D: usize>(&mut self, shape: [usize; D], inputs: usize) -> Param<Tensor<D>> {
        let most = 1.0 / (inputs.max(1) as f32).sqrt();
        let count = shape.iter().product();
        let values = (0..count).map(|_| self.rng.random_range(-most..most));
        let values = values.collect();
        self.param(values, shape)
    }

    fn linear(&mut self, inputs: usize, outputs: usize) -> Result<Linear> {
        let fits = outputs > 0 && inputs.saturating_mul(outputs) <= MOST;
        let allowed = "1 or more, 268 million with `width`";
        check("projection", outputs as f64, fits, allowed)?;
        Ok(Linear {
            weight: self.uniform([inputs, outputs], inputs),
            bias: Some(self.uniform([outputs], inputs)),
        })
    }
}
