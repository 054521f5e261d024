//! Class probabilities of a pool of candidates.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};

use crate::error::{CurriculumError, Result, check_examples, count};

/// Numbers that one piece of the pool holds.
const PIECE: usize = 1 << 18;

/// What a model answers about each candidate of a pool: a probability of every class, from one model or from several samples of it.
///
/// Samples are the passes of a model with dropout, or the members of an ensemble or a committee. Half-precision input is read in single
/// precision, and so are all sums. Candidates are worked on in pieces, so that intermediate results are small.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_curriculum::active::acquisition::ClassProbabilities;
///
/// let device = Device::default();
/// let pool = ClassProbabilities::new(Tensor::<2>::from_data([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]], &device))?;
/// assert_eq!((pool.samples(), pool.candidates(), pool.classes()), (1, 3, 2));
/// assert!(ClassProbabilities::new(Tensor::<2>::from_data([[0.9, 0.3]], &device)).is_err());
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassProbabilities {
    /// `[samples, candidates, classes]`
    values: Tensor<3>,
    piece: usize,
}

impl ClassProbabilities {
    /// From probabilities `[candidates, classes]` of one model.
    ///
    /// # Errors
    /// If there is no candidate, more than 2^28, fewer than two classes, a value that is not finite or negative, or a row whose sum is not 1 within
    /// 0.001 (0.02 for half precision).
    pub fn new(probabilities: Tensor<2>) -> Result<Self> {
        let [candidates, classes] = probabilities.dims();
        check_shape([1, candidates, classes])?;
        Self::of_samples(probabilities.reshape([1, candidates, classes]))
    }

    /// From probabilities `[samples, candidates, classes]`.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and if there is no sample.
    pub fn of_samples(probabilities: Tensor<3>) -> Result<Self> {
        check_shape(probabilities.dims())?;
        let tolerance = match probabilities.dtype() {
            DType::F16 | DType::BF16 => 0.02,
            _ => 1e-3,
        };
        let values = wide(probabilities);
        let sums = values.clone().sum_dim(2);
        let off = (sums.clone() - 1.0).abs().max();
        // Not finite if any value is not.
        let facts = vec![values.clone().min(), off, sums.sum()];
        let facts = read(Tensor::cat(facts, 0))?;
        let [least, off, total] = [facts[0], facts[1], facts[2]];
        let refuse = |value: f64, allowed| Err(out_of_range("probabilities", value, allowed));
        if !total.is_finite() {
            return refuse(total, "finite numbers");
        }
        if least < 0.0 {
            return refuse(least, "0 to 1");
        }
        if off > tolerance {
            return refuse(1.0 + off, "a sum of 1 for each candidate");
        }
        Ok(Self::of_checked(values))
    }

    /// From logits `[candidates, classes]` of one model.
    ///
    /// # Errors
    /// If there is no candidate, more than 2^28, fewer than two classes, or a logit is not finite.
    pub fn of_logits(logits: Tensor<2>) -> Result<Self> {
        let [candidates, classes] = logits.dims();
        check_shape([1, candidates, classes])?;
        Self::of_sample_logits(logits.reshape([1, candidates, classes]))
    }

    /// From logits `[samples, candidates, classes]`.
    ///
    /// # Errors
    /// As for [`of_logits`](Self::of_logits), and if there is no sample.
    pub fn of_sample_logits(logits: Tensor<3>) -> Result<Self> {
        check_shape(logits.dims())?;
        let logits = wide(logits);
        check_finite("logits", logits.clone())?;
        Ok(Self::of_checked(softmax(logits, 2)))
    }

    fn of_checked(values: Tensor<3>) -> Self {
        let [samples, _, classes] = values.dims();
        let piece = (PIECE / (samples * classes)).max(1);
        Self { values, piece }
    }

    /// So many candidates at a time, instead of as many as have about 262,144 (2^18) probabilities; fewer need less memory, more suit large
    /// accelerators. Results are the same.
    ///
    /// # Errors
    /// If there are none, or more than 2^28.
    pub fn with_piece(mut self, candidates: usize) -> Result<Self> {
        let good = (1..=1 << 28).contains(&candidates);
        count("piece", candidates, good, "1 to 268435456 (2^28)")?;
        self.piece = candidates;
        Ok(self)
    }

    /// How many samples of the model there are.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.values.dims()[0]
    }

    /// How many candidates.
    #[must_use]
    pub fn candidates(&self) -> usize {
        self.values.dims()[1]
    }

    /// How many classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.values.dims()[2]
    }

    /// The probabilities, `[samples, candidates, classes]`.
    #[must_use]
    pub fn values(&self) -> Tensor<3> {
        self.values.clone()
    }

    /// Mean probabilities over the samples, `[candidates, classes]`.
    #[must_use]
    pub fn consensus(&self) -> Tensor<2> {
        consensus(self.values.clone())
    }

    /// What `of` says of each piece `[samples, some candidates, classes]`, one after another.
    pub(super) fn by_piece(&self, of: impl Fn(Tensor<3>) -> Tensor<1>) -> Tensor<1> {
        let candidates = self.candidates();
        if candidates <= self.piece {
            return of(self.values.clone());
        }
        let starts = (0..candidates).step_by(self.piece);
        let pieces = starts.map(|start| {
            let length = self.piece.min(candidates - start);
            of(self.values.clone().narrow(1, start, length))
        });
        Tensor::cat(pieces.collect(), 0)
    }

    /// Candidates of a piece.
    pub(super) fn piece(&self) -> usize {
        self.piece
    }
}

/// The mean over samples of `[samples, candidates, classes]`.
pub(super) fn consensus(values: Tensor<3>) -> Tensor<2> {
    let [samples, candidates, classes] = values.dims();
    let mean = if samples == 1 {
        values
    } else {
        values.mean_dim(0)
    };
    mean.reshape([candidates, classes])
}

/// Without a tape, in at least single precision.
pub(super) fn wide<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let tensor = tensor.detach();
    match tensor.dtype() {
        DType::F32 | DType::F64 => tensor,
        _ => tensor.cast(DType::F32),
    }
}

fn check_shape([samples, candidates, classes]: [usize; 3]) -> Result<()> {
    count("samples", samples, samples > 0, "1 or more")?;
    check_examples(candidates)?;
    count("classes", classes, classes > 1, "2 or more")
}

/// Refuses a tensor with a number that is not finite, or too large for sums of squares.
pub(super) fn check_finite<const D: usize>(field: &'static str, values: Tensor<D>) -> Result<()> {
    let total = read(values.square().sum())?;
    if total.iter().all(|total| total.is_finite()) {
        return Ok(());
    }
    let allowed = "finite numbers whose squares can be summed";
    Err(out_of_range(field, total[0], allowed))
}

fn out_of_range(field: &'static str, value: f64, allowed: &'static str) -> CurriculumError {
    CurriculumError::OutOfRange {
        field,
        value: value.to_string(),
        allowed,
    }
}

/// Numbers of the device.
pub(super) fn read(values: Tensor<1>) -> Result<Vec<f64>> {
    let read = values.try_into_vec_as();
    read.map_err(|error| CurriculumError::Read(format!("{error:?}")))
}
