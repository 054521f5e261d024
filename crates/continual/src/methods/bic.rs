//! # BiasCorrection
//!
//! Bias correction: two numbers that take back what a head favours the newest classes by, fitted on a few held-out examples.
//!
//! Source: Wu et al., "Large scale incremental learning" (BiC, arXiv 1905.13260), section 4.

use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::check;
use crate::examples::read;
use crate::teacher::constant;
use crate::{ContinualError, Result};

/// Strength of what holds scale and offset near 1 and 0: where the examples are classified without a fault, they would have no bound.
const RIDGE: f64 = 1e-4;
/// Steps of Newton's method, at most, and halvings of each.
const STEPS: usize = 50;
/// Classes that a correction may name.
const MOST: usize = 1 << 24;

/// `scale * z_c + offset` for the logits of new classes, `z_c` for the others.
///
/// [`fit`](Self::fit) minimises the mean cross-entropy of the corrected logits and `1e-4 / 2 ((scale - 1)^2 + offset^2)` by Newton's method on the
/// host, exactly, since it is convex. The examples are held out of training, as many of each class.
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use regimen_continual::BiasCorrection;
///
/// let device = Device::flex();
/// // Class 1 is new, and all examples are taken for it.
/// let logits = Tensor::<2>::from_data([[1.0, 2.0], [0.5, 2.5], [0.0, 4.0], [-0.5, 4.5]], &device);
/// let labels = Tensor::<1, Int>::from_data([0, 0, 1, 1], &device);
/// let correction = BiasCorrection::fit(logits.clone(), labels, &[1])?;
/// let corrected = correction.apply(logits)?;
/// assert_eq!(corrected.argmax(1).try_into_vec_as::<i64>().unwrap(), [0, 0, 1, 1]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// Differs from the paper, which takes steps of gradient descent, in the solution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BiasCorrection {
    scale: f64,
    offset: f64,
    new: Vec<usize>,
}
checked_serde!(BiasCorrection);

impl Checked for BiasCorrection {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        check("scale", self.scale, true, "finite")?;
        check("offset", self.offset, true, "finite")?;
        let odd = self.new.iter().find(|class| **class >= MOST);
        match (self.new.is_empty(), odd) {
            (true, _) => Err(ContinualError::Empty("the new classes")),
            (_, Some(class)) => Err(ContinualError::range("new", class, "below 2^24")),
            _ => Ok(()),
        }
    }
}

/// Loss, gradient and second derivatives at a scale and an offset.
struct Slope {
    loss: f64,
    gradient: [f64; 2],
    /// In scale, in both, in offset.
    curvature: [f64; 3],
}

impl BiasCorrection {
    /// From logits `[batch, classes]` of held-out examples and their labels `[batch]`.
    ///
    /// # Errors
    /// If there is no example or no new class, a class or label is none of the logits', shapes do not fit, or logits are not finite.
    pub fn fit(logits: Tensor<2>, labels: Tensor<1, Int>, new: &[usize]) -> Result<Self> {
        let ([batch, classes], [found]) = (logits.dims(), labels.dims());
        if batch != found {
            return Err(ContinualError::mismatch("labels", batch, found));
        }
        if batch == 0 {
            return Err(ContinualError::Empty("the held-out examples"));
        }
        let logits: Vec<f32> = read("logits", logits.try_into_vec_as())?;
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(ContinualError::NotFinite("logits".into()));
        }
        let labels: Vec<i64> = read("labels", labels.try_into_vec_as())?;
        let allowed = format!("a class below {classes}");
        let labels: Vec<usize> = labels
            .into_iter()
            .map(|label| {
                let class = usize::try_from(label).ok();
                let class = class.filter(|class| *class < classes);
                class.ok_or_else(|| ContinualError::range("label", label, &allowed))
            })
            .collect::<Result<_>>()?;
        let mut is_new = vec![false; classes];
        for class in new {
            let place = is_new.get_mut(*class);
            *place.ok_or_else(|| ContinualError::range("new", class, &allowed))? = true;
        }
        let rows = || logits.chunks_exact(classes).zip(labels.iter().copied());
        let (mut at, mut now) = ([1.0, 0.0], slope(rows(), &is_new, [1.0, 0.0]));
        for _ in 0..STEPS {
            let ([a, b], [p, q, r]) = (now.gradient, now.curvature);
            let determinant = p * r - q * q;
            let step = [(r * a - q * b) / determinant, (p * b - q * a) / determinant];
            let lower = (0..STEPS).find_map(|halvings| {
                let share = 0.5_f64.powi(halvings as i32);
                let next = [at[0] - share * step[0], at[1] - share * step[1]];
                let there = slope(rows(), &is_new, next);
                (there.loss < now.loss).then_some((next, there))
            });
            let Some(lower) = lower else { break };
            (at, now) = lower;
        }
        Self {
            scale: at[0],
            offset: at[1],
            new: new.to_vec(),
        }
        .checked()
    }

    /// What the logits of new classes are multiplied by.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// What is added to them.
    #[must_use]
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// Corrected logits `[batch, classes]`, in their type.
    ///
    /// # Errors
    /// If a new class is none of the logits'.
    pub fn apply(&self, logits: Tensor<2>) -> Result<Tensor<2>> {
        let [_, classes] = logits.dims();
        let (mut scales, mut offsets) = (vec![1.0_f32; classes], vec![0.0_f32; classes]);
        for class in &self.new {
            if *class >= classes {
                let allowed = format!("a class below {classes}");
                return Err(ContinualError::range("new", class, &allowed));
            }
            (scales[*class], offsets[*class]) = (self.scale as f32, self.offset as f32);
        }
        let device = crate::teacher::plain(&logits.device());
        let row = |values: Vec<f32>| {
            let values = TensorData::new(values, [1, classes]);
            let row = Tensor::<2>::from_data(values, (&device, FloatDType::F32.into()));
            constant(row.cast(logits.dtype()), &logits)
        };
        let (scales, offsets) = (row(scales), row(offsets));
        Ok(logits * scales + offsets)
    }
}

fn slope<'a>(
    rows: impl Iterator<Item = (&'a [f32], usize)>,
    is_new: &[bool],
    [scale, offset]: [f64; 2],
) -> Slope {
    let (mut loss, mut gradient, mut curvature) = (0.0, [0.0; 2], [0.0; 3]);
    let mut count = 0.0;
    for (logits, label) in rows {
        count += 1.0;
        let corrected = |(logit, new): (&f32, &bool)| match new {
            true => scale * f64::from(*logit) + offset,
            false => f64::from(*logit),
        };
        let all: Vec<f64> = logits.iter().zip(is_new).map(corrected).collect();
        let highest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = all.iter().map(|logit| (logit - highest).exp()).sum();
        loss += highest + sum.ln() - all[label];
        // Means over the softmax of u = (z, 1) on new classes and 0 on others, and of its squares.
        let (mut one, mut two) = ([0.0; 2], [0.0; 3]);
        for (class, logit) in logits
            .iter()
            .enumerate()
            .filter(|(class, _)| is_new[*class])
        {
            let (share, z) = ((all[class] - highest).exp() / sum, f64::from(*logit));
            let own = f64::from(class == label);
            gradient[0] += (share - own) * z;
            gradient[1] += share - own;
            one = [one[0] + share * z, one[1] + share];
            two = [two[0] + share * z * z, two[1] + share * z, two[2] + share];
        }
        curvature[0] += two[0] - one[0] * one[0];
        curvature[1] += two[1] - one[0] * one[1];
        curvature[2] += two[2] - one[1] * one[1];
    }
    let away = [scale - 1.0, offset];
    Slope {
        loss: loss / count + 0.5 * RIDGE * (away[0] * away[0] + away[1] * away[1]),
        gradient: [0, 1].map(|i| gradient[i] / count + RIDGE * away[i]),
        curvature: [
            curvature[0] / count + RIDGE,
            curvature[1] / count,
            curvature[2] / count + RIDGE,
        ],
    }
}
