//! What the gates of hard attention do to gradients and to changes of weights (Serra et al., arXiv 1801.01423, sections 2.3 to 2.5).

use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::ParamEntry;

use crate::{ContinualError, Result};

/// Largest magnitude of what enters a hyperbolic cosine.
const STEEP: f64 = 50.0;

/// `s_max/s * (cosh(s e) + 1) / (cosh(e) + 1)`, with `|s e|` at most 50.
pub(super) fn compensation(embedding: Tensor<1>, s: f64, s_max: f64) -> Tensor<1> {
    let steep = (embedding.clone() * s).clamp(-STEEP, STEEP);
    let flat = embedding.clamp(-STEEP, STEEP);
    (steep.cosh() + 1.0) / (flat.cosh() + 1.0) * (s_max / s)
}

/// The embedding of a task among those of all, and the others untouched.
pub(super) fn of_task(
    entry: &ParamEntry,
    values: Tensor<1>,
    task: usize,
    change: impl FnOnce(Tensor<1>) -> Tensor<1>,
    others: &Tensor<1>,
) -> Result<Tensor<1>> {
    let [tasks, units] = matrix(entry)?;
    if task >= tasks {
        return Err(no_embedding(task, tasks));
    }
    let row = values.narrow(0, task * units, units);
    let mut parts = Vec::new();
    if task > 0 {
        parts.push(others.clone().narrow(0, 0, task * units));
    }
    parts.push(change(row));
    if task + 1 < tasks {
        let left = (tasks - task - 1) * units;
        parts.push(others.clone().narrow(0, (task + 1) * units, left));
    }
    Ok(Tensor::cat(parts, 0))
}

pub(super) fn matrix(entry: &ParamEntry) -> Result<[usize; 2]> {
    let shape = entry.shape.as_slice();
    <[usize; 2]>::try_from(shape).map_err(|_| {
        let what = format!("embeddings `{}`", entry.path);
        ContinualError::mismatch(what, "[tasks, units]", format!("{shape:?}"))
    })
}

pub(super) fn no_embedding(task: usize, tasks: usize) -> ContinualError {
    let allowed = format!("below {tasks}: the gates have as many embeddings");
    ContinualError::range("task", task, &allowed)
}

/// `1 - min(a_out, a_in)` for a weight, `1 - a_out` for a bias, flat; none where nothing is protected.
pub(super) fn movable(
    entry: &ParamEntry,
    input: Option<Tensor<1>>,
    output: Option<Tensor<1>>,
) -> Result<Tensor<1>> {
    let fits = |gate: &Tensor<1>, size: usize| {
        let [units] = gate.dims();
        let fits = units > 0 && size.is_multiple_of(units);
        let what = format!("units that `{}` stands between", entry.path);
        match fits {
            true => Ok(size / units),
            false => Err(ContinualError::mismatch(what, size, units)),
        }
    };
    // [in, out] for a linear layer, [out, in, kernel..] for a convolution.
    let (rows, columns, transposed) = match entry.shape.as_slice() {
        [out] => (1, *out, false),
        [input, out] => (*input, *out, false),
        [out, rest @ ..] => (rest.iter().product(), *out, true),
        [] => (1, 1, false),
    };
    let output = match output {
        Some(gate) => {
            let times = fits(&gate, columns)?;
            Some(repeated(gate, times).reshape([1, columns]))
        }
        None => None,
    };
    let input = match input {
        // A bias has no input.
        Some(gate) if entry.shape.len() > 1 => {
            let times = fits(&gate, rows)?;
            Some(repeated(gate, times).reshape([rows, 1]))
        }
        _ => None,
    };
    let gate = match (input, output) {
        (Some(input), Some(output)) => input
            .expand([rows, columns])
            .min_pair(output.expand([rows, columns])),
        (Some(one), None) | (None, Some(one)) => one.expand([rows, columns]),
        (None, None) => Tensor::zeros(
            [rows, columns],
            (&entry.values.device(), FloatDType::F32.into()),
        ),
    };
    let gate = if transposed { gate.transpose() } else { gate };
    Ok(gate.reshape([rows * columns]).neg() + 1.0)
}

/// Each unit so many times in a row, as a flattened image or a kernel has it.
fn repeated(gate: Tensor<1>, times: usize) -> Tensor<1> {
    let [units] = gate.dims();
    let gate = gate.reshape([units, 1]).expand([units, times]);
    gate.reshape([units * times])
}

pub(super) fn no_gate(path: &str) -> ContinualError {
    let what = format!("embeddings `{path}`");
    ContinualError::mismatch(what, "a parameter of the model", "none")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;
    use burn::tensor::activation::sigmoid;

    use super::*;

    /// s 5, s_max 400, e (.3, -1, 2).
    #[test]
    fn the_gate_and_its_compensated_gradient() {
        let embedding = Tensor::<1>::from_floats([0.3, -1.0, 2.0], &Device::flex());
        let gate = sigmoid(embedding.clone() * 5.0);
        let values: Vec<f32> = gate.clone().try_into_vec_as().unwrap();
        for (value, expected) in values.iter().zip([0.817_574_5, 0.006_692_85, 0.999_954_6]) {
            assert_relative_eq!(*value, expected, epsilon = 1e-6);
        }
        // d gate / d e = s a (1 - a), then the factor: s_max sigmoid'(e) whatever s is.
        let slope = gate.clone() * (gate.neg() + 1.0) * 5.0;
        let slope = slope * compensation(embedding, 5.0, 400.0);
        let values: Vec<f32> = slope.try_into_vec_as().unwrap();
        for (value, expected) in values.iter().zip([97.783_325, 78.644_77, 41.997_43]) {
            assert_relative_eq!(*value, expected, max_relative = 3e-3);
        }
    }

    #[test]
    fn the_compensation_of_extreme_embeddings_is_finite() {
        let far = Tensor::<1>::from_floats([-1e9, 1e9, 6.0, 0.0], &Device::flex());
        for s in [1.0 / 400.0, 1.0, 400.0] {
            let factor: Vec<f32> = compensation(far.clone(), s, 400.0)
                .try_into_vec_as()
                .unwrap();
            assert!(factor.iter().all(|factor| factor.is_finite()), "{factor:?}");
        }
    }
}
