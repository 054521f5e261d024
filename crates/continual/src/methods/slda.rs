//! # Slda
//!
//! Streaming linear discriminant analysis: running class means and one covariance of all classes, and nothing is trained.
//!
//! Source: Hayes and Kanan, "Lifelong machine learning with deep streaming linear discriminant analysis" (arXiv 1909.01520), section 3.

use std::fmt;
use std::sync::OnceLock;

use burn::config::Config;
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::linalg::{DMatrix, cholesky_lower};

use super::nearest_mean::{NearestMean, NearestMeanConfig, finite};
use crate::error::{check, share};
use crate::examples::read;
use crate::saved::Saved;
use crate::teacher::{constant, plain};
use crate::{ContinualError, Result};

/// Widest features: the solve takes a third of the cube of it.
const WIDEST: usize = 4096;

/// `score_c(f) = w_c f + b_c`, `w_c = L mu_c`, `b_c = -1/2 mu_c^T L mu_c`, `L = ((1 - e) S + e I)^-1`.
///
/// `mu_c` is the mean of the features of class c, and S the covariance within classes, `1/n sum (f - mu_c)(f - mu_c)^T` over all n examples so
/// far with their classes' means of now.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `classes` | | classes that are to come, at least 1 |
/// | `width` | | width of the features, 1 to 4096 |
/// | `shrinkage` | 1e-4 | e, 0 to 1; features of more numbers than there are examples need more of it, such as 0.05 |
///
/// Features are what an [`Encoder`](crate::Encoder) shows, or the inputs themselves as rows `[batch, width]`. Means and covariance are on the
/// device; the solve is on the host, once after examples were added. With `shrinkage` 1 it classifies as [`NearestMean`]. A class
/// without examples has the least score that f32 has.
///
/// Differs from the paper and its code, where an example adds `n/(n+1) d d^T` with n the count of all examples and d its distance from the mean of
/// its class before it, which is 0 for a new class: there the order of the examples counts. Here, where n is the count of the class, it changes
/// nothing but rounding.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::SldaConfig;
///
/// let device = Device::flex();
/// let mut slda = SldaConfig::new(2, 2).init(&device)?;
/// // The second feature varies much within a class.
/// let features = Tensor::<2>::from_data([[0.0, -4.0], [0.2, 4.0], [1.0, 4.0], [1.2, -4.0]], &device);
/// slda.add(features, Tensor::<1, Int>::from_data([0, 0, 1, 1], &device))?;
/// let scores = slda.logits(Tensor::from_data([[0.1, 9.0], [1.1, -9.0]], &device))?;
/// assert_eq!(scores.argmax(1).try_into_vec_as::<i64>().unwrap(), [0, 1]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct SldaConfig {
    /// Classes that are to come, at least 1.
    pub classes: usize,
    /// Width of the features, 1 to 4096.
    pub width: usize,
    /// e: how much of the identity is mixed with the covariance, 0 to 1.
    #[config(default = 1e-4)]
    pub shrinkage: f64,
}

impl SldaConfig {
    /// Without examples, on this device.
    ///
    /// # Errors
    /// If a number is outside of its range, or classes and width together are more than 268 million.
    pub fn init(&self, device: &Device) -> Result<Slda> {
        share("shrinkage", self.shrinkage)?;
        let width = self.width;
        check("width", width as f64, width <= WIDEST, "1 to 4096")?;
        let means = NearestMeanConfig::new(self.classes, width).init(device)?;
        let to = (&plain(device), FloatDType::F32.into());
        Ok(Slda {
            shrinkage: self.shrinkage,
            means,
            scatter: Tensor::zeros([width, width], to),
            head: OnceLock::new(),
        })
    }
}

/// Means and covariance. See [`SldaConfig`].
#[derive(Clone)]
pub struct Slda {
    shrinkage: f64,
    means: NearestMean,
    /// n S, `[width, width]`, in f32 on a plain device.
    scatter: Tensor<2>,
    /// Weights `[width, classes]` and biases `[1, classes]`, once they are asked for.
    head: OnceLock<[Tensor<2>; 2]>,
}

impl fmt::Debug for Slda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [classes, width] = self.means.means().dims();
        write!(f, "Slda({classes} classes, {width} wide)")
    }
}

impl Slda {
    /// Examples of each class so far.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        self.means.counts()
    }

    /// The means, `[classes, width]`, in f32; zeros for classes without examples.
    #[must_use]
    pub fn means(&self) -> Tensor<2> {
        self.means.means()
    }

    /// S, `[width, width]`, in f32; zeros without examples.
    #[must_use]
    pub fn covariance(&self) -> Tensor<2> {
        self.scatter.clone() / self.examples().max(1.0)
    }

    fn examples(&self) -> f64 {
        self.counts().iter().map(|count| *count as f64).sum()
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.means.bytes() + 4 * self.scatter.shape().num_elements()
    }

    /// Adds examples: features `[batch, width]` and their labels `[batch]`, on any device. On an error nothing is changed.
    ///
    /// # Errors
    /// If the shapes do not fit, a label is no class, or features are not finite or so large that their squares are not.
    pub fn add(&mut self, features: Tensor<2>, labels: Tensor<1, Int>) -> Result<()> {
        let seen = self.means.see(features, labels)?;
        let within = seen.within.clone().transpose().matmul(seen.within.clone());
        let weighted = seen.moved.clone() * seen.between.clone();
        let between = seen.moved.clone().transpose().matmul(weighted);
        let scatter = self.scatter.clone() + within + between;
        finite([seen.means(), scatter.clone()])?;
        self.means.keep(seen);
        self.scatter = scatter;
        self.head = OnceLock::new();
        Ok(())
    }

    /// The scores `[batch, classes]` of features `[batch, width]`, in f32 on their device.
    ///
    /// # Errors
    /// If the width does not fit, no example was added yet, or S is singular and `shrinkage` too small for it.
    pub fn logits(&self, features: Tensor<2>) -> Result<Tensor<2>> {
        let features = self.means.fitting(features)?.cast(FloatDType::F32);
        let [weights, biases] = self.head()?;
        let scores = features.clone().matmul(constant(weights, &features));
        self.means.known_only(scores + constant(biases, &features))
    }

    fn head(&self) -> Result<[Tensor<2>; 2]> {
        if let Some(head) = self.head.get() {
            return Ok(head.clone());
        }
        let [classes, width] = self.means.means().dims();
        let _span = tracing::info_span!("slda", classes, width).entered();
        let means: Vec<f32> = read("means", self.means().try_into_vec_as())?;
        let covariance: Vec<f32> = read("the covariance", self.covariance().try_into_vec_as())?;
        let to_f64 = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        // A row of means is a column here.
        let means = DMatrix::from_vec(width, classes, to_f64(means));
        let covariance = DMatrix::from_vec(width, width, to_f64(covariance));
        let (e, identity) = (self.shrinkage, DMatrix::identity(width, width));
        let mixed = (&covariance + covariance.transpose()) * (0.5 * (1.0 - e)) + identity * e;
        let singular = || ContinualError::Solve {
            what: "the covariance of slda",
            reason: format!("it is singular: `shrinkage` {e} is too small for it"),
        };
        let lower = cholesky_lower(mixed).map_err(|_| singular())?;
        let half = lower.solve_lower_triangular(&means).ok_or_else(singular)?;
        let weights = lower
            .tr_solve_lower_triangular(&half)
            .ok_or_else(singular)?;
        let biases = half.column_iter().map(|half| -0.5 * half.norm_squared());
        let biases: Vec<f32> = biases.map(|bias| bias as f32).collect();
        // By columns of a class: `[classes, width]` row by row.
        let weights: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
        if weights
            .iter()
            .chain(&biases)
            .any(|value| !value.is_finite())
        {
            return Err(singular());
        }
        let to = (&self.scatter.device(), FloatDType::F32.into());
        let weights = Tensor::<2>::from_data(TensorData::new(weights, [classes, width]), to);
        let biases = Tensor::from_data(TensorData::new(biases, [1, classes]), to);
        Ok(self
            .head
            .get_or_init(|| [weights.transpose(), biases])
            .clone())
    }
}

impl Part for Slda {
    fn kind(&self) -> String {
        "slda 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let saved = self.means.saved()?;
        let saved = saved.with_tensor("scatter", self.scatter.clone())?;
        Ok(saved.to_bytes()?)
    }

    /// `shrinkage` stays as it was configured.
    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let means = self.means.restored(&saved)?;
        let scatter = saved.tensor::<2>("scatter", &self.scatter.device())?;
        let expected = self.scatter.dims();
        let found = scatter.as_ref().map(Tensor::dims);
        let Some(scatter) = scatter.filter(|_| found == Some(expected)) else {
            let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
            return Err(ContinualError::mismatch("scatter", expected, found).into());
        };
        (self.means, self.scatter) = (means, scatter);
        self.head = OnceLock::new();
        Ok(())
    }
}
