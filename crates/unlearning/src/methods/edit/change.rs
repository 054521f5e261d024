use burn::module::Module;
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;

use crate::error::Result;

/// How much an edit changed the weights: an edit that changed next to nothing has forgotten nothing.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use regimen_unlearning::methods::edit::{Change, task_vector::negate};
///
/// let model = LinearConfig::new(3, 2).init(&Device::flex());
/// let tuned = model.clone(); // trained on the forget set, at a rate that was too low
/// let edited = negate(&model, &tuned, 1.0)?;
/// assert!(edited.change.is_negligible());
/// assert_eq!(edited.change, Change::between(&model, &edited.model)?);
/// # Ok::<(), regimen_unlearning::UnlearningError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Scalars that have another value than before.
    pub changed: usize,
    /// Scalars that the edit could change.
    pub total: usize,
    /// `||after - before|| / ||before||` over these: 0 where nothing changed.
    pub distance: f64,
}

/// A model after an edit.
#[derive(Clone, Debug)]
pub struct Edited<M> {
    /// The model; its parameters still require gradients where they did.
    pub model: M,
    /// How much the edit changed.
    pub change: Change,
}

/// Below this share of scalars an edit is negligible.
const SHARE: f64 = 0.005;

/// Below this relative distance an edit is negligible.
const DISTANCE: f64 = 1e-3;

impl Change {
    /// What lies between two models of the same parameters; running statistics do not count.
    ///
    /// # Errors
    /// If the models hold other parameters.
    pub fn between<M: Module>(before: &M, after: &M) -> Result<Self> {
        Self::of(&ParamVector::of(before), &ParamVector::of(after))
    }

    /// Two read-backs.
    pub(super) fn of(before: &ParamVector, after: &ParamVector) -> Result<Self> {
        let gap = after.clone().widened().sub(&before.clone().widened())?;
        let counts = gap.entries().iter().map(|entry| {
            let moved = entry.values.clone().not_equal_elem(0.0);
            moved.int().sum()
        });
        let changed = counts.reduce(|left, right| left + right);
        let changed = changed.map_or(0, |count| count.into_scalar::<i64>() as usize);
        let (gap, norm) = (gap.l2(), before.l2());
        let both = Tensor::cat(vec![gap.clone(), norm.cast(gap.dtype())], 0);
        let both = both.try_into_vec_as::<f64>().unwrap_or_default();
        let distance = match both[..] {
            [0.0, _] => 0.0,
            [gap, norm] => (gap / norm.max(f64::MIN_POSITIVE)).min(f64::MAX),
            _ => f64::NAN,
        };
        Ok(Self {
            changed,
            total: before.len(),
            distance,
        })
    }

    /// The share of scalars that have another value than before, `0..=1`.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.changed as f64 / self.total.max(1) as f64
    }

    /// Whether less than 0.5 % of the scalars changed, or all of them together moved by less than 0.1 % of their norm: look at the forget
    /// set before you file the request as done.
    #[must_use]
    pub fn is_negligible(&self) -> bool {
        self.share() < SHARE || self.distance < DISTANCE
    }

    /// Warns of an edit that changed next to nothing; `hint` says what to do.
    pub(super) fn warn(&self, method: &str, hint: &str) {
        let (share, distance) = (self.share(), self.distance);
        if self.is_negligible() {
            tracing::warn!(
                method,
                share,
                distance,
                "the edit changed next to nothing: {hint}"
            );
        } else {
            tracing::debug!(method, share, distance, "edited");
        }
    }
}
