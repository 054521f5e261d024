//! # align_weights
//!
//! Weight aligning: after a task, the weights of its classes are brought to the mean length of those of earlier classes.
//!
//! Source: Zhao et al., "Maintaining discrimination and fairness in class incremental learning" (arXiv 1911.07053), section 4.

use burn::nn::Linear;
use burn::tensor::{FloatDType, Tensor, TensorData};

use crate::examples::read;
use crate::{ContinualError, Result};

/// The head with the weights of the `new` classes times `mean_old ‖w_c‖ / mean_new ‖w_c‖`.
///
/// `w_c` is a column of the head's weight `[width, classes]`. Biases, the weights of `old` classes and of any others, and what tracks gradients
/// stay as they were. The optimizer's state is of the weights before: make it anew, or use the result to evaluate only.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use regimen_continual::align_weights;
///
/// let device = Device::flex().autodiff();
/// let head = LinearConfig::new(64, 10).init(&device);
/// // after the task of classes 2 and 3
/// let head = align_weights(head, &[0, 1], &[2, 3])?;
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
///
/// # Errors
/// If `old` or `new` is empty or names a class that the head lacks or that the other has too, or the mean length of either is 0 or not finite.
pub fn align_weights(head: Linear, old: &[usize], new: &[usize]) -> Result<Linear> {
    let weight = head.weight.val();
    let weight = if weight.is_autodiff() {
        weight.inner()
    } else {
        weight
    };
    let [_, classes] = weight.dims();
    let norms = weight
        .clone()
        .cast(FloatDType::F32)
        .square()
        .sum_dim(0)
        .sqrt();
    let norms: Vec<f32> = read("lengths of weights", norms.try_into_vec_as())?;
    let mean = |field: &'static str, of: &[usize], others: &[usize]| {
        let mut sum = 0.0;
        for class in of {
            let allowed = format!("classes below {classes}, each on one side");
            let norm = norms.get(*class).filter(|_| !others.contains(class));
            let norm = norm.ok_or_else(|| ContinualError::range(field, class, &allowed))?;
            sum += f64::from(*norm);
        }
        let mean = sum / of.len() as f64;
        match (of.is_empty(), mean.is_finite() && mean > 0.0) {
            (true, _) => Err(ContinualError::Empty(field)),
            (false, false) => {
                let value = format!("of mean length {mean}");
                let allowed = "classes with weights that are finite and not all 0";
                Err(ContinualError::range(field, value, allowed))
            }
            (false, true) => Ok(mean),
        }
    };
    let factor = mean("old", old, new)? / mean("new", new, old)?;
    let mut factors = vec![1.0_f32; classes];
    new.iter().for_each(|class| factors[*class] = factor as f32);
    let factors = TensorData::new(factors, [1, classes]);
    let factors = Tensor::<2>::from_data(factors, (&weight.device(), weight.dtype()));
    let aligned = weight * factors;
    let weight = head.weight.map(|before| {
        if !before.is_autodiff() {
            return aligned;
        }
        let tracked = before.is_require_grad();
        let aligned = Tensor::from_inner(aligned);
        if tracked {
            aligned.require_grad()
        } else {
            aligned
        }
    });
    Ok(Linear { weight, ..head })
}
