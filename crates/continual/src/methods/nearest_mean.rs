//! # NearestMean
//!
//! Nearest class mean: an example has the class whose mean of features is nearest, and nothing is trained.
//!
//! Source: Mensink et al., "Distance-based image classification: generalizing to new classes at near-zero cost" (TPAMI 2013), section 3.2.

use burn::config::Config;
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use regimen_tensor::checkpoint::{Part, PartError};
use serde::{Deserialize, Serialize};

use crate::error::{check, positive};
use crate::examples::read;
use crate::saved::Saved;
use crate::teacher::{constant, plain};
use crate::{ContinualError, Result};

/// Numbers that the means may hold.
const MOST: usize = 1 << 28;

/// The score of a class that has no example: below every score of a known one.
const UNKNOWN: f32 = f32::MIN;
/// The least score of a known class.
const LEAST: f32 = -1e38;

/// `score_c(f) = -‖f - mu_c‖^2`, where `mu_c` is the mean of the features of all examples of class c so far.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `classes` | | classes that are to come, at least 1 |
/// | `width` | | width of the features, at least 1 |
///
/// Features are what an [`Encoder`](crate::Encoder) shows, or the inputs themselves as rows `[batch, width]`. The encoder has to stay as it is:
/// means of earlier features are not corrected. The order of the examples changes nothing but rounding. A class without examples
/// has the least score that f32 has.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::NearestMeanConfig;
///
/// let device = Device::flex();
/// let mut means = NearestMeanConfig::new(3, 2).init(&device)?;
/// let features = Tensor::<2>::from_data([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]], &device);
/// means.add(features, Tensor::<1, Int>::from_data([0, 0, 2], &device))?;
/// let scores = means.logits(Tensor::from_data([[2.0, 1.0]], &device))?;
/// // 1 from (2, 0), and 2^2 + 1 from (0, 2); class 1 is not known.
/// assert_eq!(scores.try_into_vec_as::<f32>().unwrap(), [-1.0, f32::MIN, -5.0]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct NearestMeanConfig {
    /// Classes that are to come, at least 1.
    pub classes: usize,
    /// Width of the features, at least 1.
    pub width: usize,
}

impl NearestMeanConfig {
    /// Without examples, on this device.
    ///
    /// # Errors
    /// If `classes` or `width` is 0, or both together are more than 268 million.
    pub fn init(&self, device: &Device) -> Result<NearestMean> {
        positive("classes", self.classes)?;
        positive("width", self.width)?;
        let count = self.classes.saturating_mul(self.width);
        let allowed = "268 million with the classes";
        check("width", self.width as f64, count <= MOST, allowed)?;
        let to = (&plain(device), FloatDType::F32.into());
        Ok(NearestMean {
            counts: vec![0; self.classes],
            means: Tensor::zeros([self.classes, self.width], to),
        })
    }
}

/// The means of classes. See [`NearestMeanConfig`].
#[derive(Clone, Debug)]
pub struct NearestMean {
    counts: Vec<u64>,
    /// `[classes, width]`, in f32 on a plain device; zeros for classes without examples.
    means: Tensor<2>,
}

/// What is saved beside the means.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    counts: Vec<u64>,
}

/// What a batch changes.
pub(super) struct Seen {
    next: NearestMean,
    /// Each example less the mean of its class in the batch, `[batch, width]`.
    pub(super) within: Tensor<2>,
    /// The mean of each class in the batch less its mean before, `[classes, width]`.
    pub(super) moved: Tensor<2>,
    /// `n c / (n + c)` of n examples before and c in the batch, `[classes, 1]`.
    pub(super) between: Tensor<2>,
}

impl NearestMean {
    /// Examples of each class so far.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The means, `[classes, width]`, in f32; zeros for classes without examples.
    #[must_use]
    pub fn means(&self) -> Tensor<2> {
        self.means.clone()
    }

    /// Bytes that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        4 * self.means.shape().num_elements() + size_of_val(self.counts.as_slice())
    }

    /// Adds examples: features `[batch, width]` and their labels `[batch]`, on any device. On an error nothing is changed.
    ///
    /// # Errors
    /// If the shapes do not fit, a label is no class, or features are not finite or so large that their mean is not.
    pub fn add(&mut self, features: Tensor<2>, labels: Tensor<1, Int>) -> Result<()> {
        let seen = self.see(features, labels)?;
        finite([seen.next.means.clone()])?;
        self.keep(seen);
        Ok(())
    }

    /// The scores `[batch, classes]` of features `[batch, width]`, in f32 on their device.
    ///
    /// # Errors
    /// If the width does not fit, or no example was added yet.
    pub fn logits(&self, features: Tensor<2>) -> Result<Tensor<2>> {
        let features = self.fitting(features)?.cast(FloatDType::F32);
        let means = constant(self.means.clone(), &features);
        // From the middle of the known means: squares of what all share would only bring rounding.
        let known = self.row(|count| if count > 0 { 1.0 } else { 0.0 });
        let total: f32 = self.counts.iter().map(|count| f32::from(*count > 0)).sum();
        let middle = constant(known.matmul(self.means.clone()) / total, &features);
        let (features, means) = (features - middle.clone(), means - middle);
        let inner = features.clone().matmul(means.clone().transpose());
        let squares = |rows: Tensor<2>| rows.square().sum_dim(1);
        let scores = inner * 2.0 - squares(features) - squares(means).transpose();
        self.known_only(scores.clamp_max(0.0).clamp_min(LEAST))
    }

    /// The scores, where classes without examples have the least one.
    pub(crate) fn known_only(&self, scores: Tensor<2>) -> Result<Tensor<2>> {
        if self.counts.iter().all(|count| *count == 0) {
            return Err(ContinualError::Empty("the examples of all classes"));
        }
        let unknown = self.row(|count| if count > 0 { 0.0 } else { 1.0 });
        let unknown = constant(unknown, &scores).expand(scores.dims());
        Ok(scores.mask_fill(unknown.greater_elem(0.5), UNKNOWN))
    }

    /// Features of the right width.
    pub(crate) fn fitting(&self, features: Tensor<2>) -> Result<Tensor<2>> {
        let ([_, found], [_, expected]) = (features.dims(), self.means.dims());
        if found != expected {
            let what = "width of the features";
            return Err(ContinualError::mismatch(what, expected, found));
        }
        Ok(features)
    }

    /// What a batch would change.
    pub(super) fn see(&self, features: Tensor<2>, labels: Tensor<1, Int>) -> Result<Seen> {
        let features = self.fitting(features)?;
        let ([batch, _], [found]) = (features.dims(), labels.dims());
        if batch != found {
            return Err(ContinualError::mismatch("labels", batch, found));
        }
        if batch == 0 {
            return Err(ContinualError::Empty("a batch of features"));
        }
        let features = if features.is_autodiff() {
            features.inner()
        } else {
            features
        };
        let features = features.cast(FloatDType::F32);
        let features = features.to_device(&self.means.device());
        let labels: Vec<i64> = read("labels", labels.try_into_vec_as())?;
        let classes = self.counts.len();
        let mut members = vec![0.0_f32; batch * classes];
        let mut added = vec![0_u64; classes];
        for (place, label) in labels.into_iter().enumerate() {
            let class = usize::try_from(label).ok().filter(|class| *class < classes);
            let class = class.ok_or_else(|| {
                let allowed = format!("a class below {classes}");
                ContinualError::range("label", label, &allowed)
            })?;
            members[place * classes + class] = 1.0;
            added[class] += 1;
        }
        let members = self.tensor(members, [batch, classes]);
        let column = |of: &dyn Fn(f64, f64) -> f64| -> Tensor<2> {
            let pairs = self.counts.iter().zip(&added);
            let values = pairs.map(|(n, c)| {
                if *c == 0 {
                    0.0
                } else {
                    of(*n as f64, *c as f64)
                }
            });
            self.tensor(values.map(|value| value as f32).collect(), [classes, 1])
        };
        let sums = members.clone().transpose().matmul(features.clone());
        let own = sums * column(&|_, c| 1.0 / c);
        let present = column(&|_, _| 1.0);
        let moved = own.clone() - self.means.clone() * present;
        let means = self.means.clone() + moved.clone() * column(&|n, c| c / (n + c));
        let counts = self.counts.iter().zip(&added);
        Ok(Seen {
            next: Self {
                counts: counts.map(|(n, c)| n.saturating_add(*c)).collect(),
                means,
            },
            within: features - members.matmul(own),
            moved,
            between: column(&|n, c| n * c / (n + c)),
        })
    }

    pub(super) fn keep(&mut self, seen: Seen) {
        *self = seen.next;
    }

    /// A number for each class, `[1, classes]`.
    fn row(&self, of: impl Fn(u64) -> f32) -> Tensor<2> {
        let values: Vec<f32> = self.counts.iter().map(|count| of(*count)).collect();
        let count = values.len();
        self.tensor(values, [1, count])
    }

    fn tensor(&self, values: Vec<f32>, dims: [usize; 2]) -> Tensor<2> {
        let to = (&self.means.device(), FloatDType::F32.into());
        Tensor::from_data(TensorData::new(values, dims), to)
    }

    pub(crate) fn saved(&self) -> Result<Saved> {
        let counts = self.counts.clone();
        Saved::new(&Plain { counts })?.with_tensor("means", self.means.clone())
    }

    /// What was saved, if it is of as many classes and of this width.
    pub(crate) fn restored(&self, saved: &Saved) -> Result<Self> {
        let Plain { counts } = saved.state()?;
        let means = saved.tensor::<2>("means", &self.means.device())?;
        let (expected, classes) = (self.means.dims(), self.counts.len());
        let found = means.as_ref().map(Tensor::dims);
        match means {
            Some(means) if found == Some(expected) && counts.len() == classes => {
                Ok(Self { counts, means })
            }
            _ => Err(ContinualError::mismatch(
                "counts and means",
                format!("{classes} and {expected:?}"),
                format!("{} and {found:?}", counts.len()),
            )),
        }
    }
}

impl Seen {
    pub(super) fn means(&self) -> Tensor<2> {
        self.next.means.clone()
    }
}

/// Refuses values that are not finite: one read for all of them.
pub(super) fn finite<const N: usize>(values: [Tensor<2>; N]) -> Result<()> {
    // Zero times what is not finite is NaN.
    let zeros = values.map(|values| (values * 0.0).sum());
    let sum = Tensor::cat(zeros.to_vec(), 0).sum();
    let sum: Vec<f32> = read("a sum of features", sum.try_into_vec_as())?;
    match sum.first() {
        Some(0.0) => Ok(()),
        _ => Err(ContinualError::NotFinite("sums of the features".into())),
    }
}

impl Part for NearestMean {
    fn kind(&self) -> String {
        "nearest-mean 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        Ok(self.saved()?.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        *self = self.restored(&Saved::read(bytes)?)?;
        Ok(())
    }
}
