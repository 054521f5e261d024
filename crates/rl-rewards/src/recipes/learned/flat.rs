//! A module's parameters as the numbers of a search.

use burn::module::Module;
use regimen_tensor::{ParamVector, TensorError};

use crate::error::{Result, RlRewardsError};

/// All parameters of a module in the order of its fields: the mean that a search starts from.
///
/// ```
/// use burn::tensor::Device;
/// use regimen_rl_rewards::recipes::learned::{DriftConfig, flat, with_flat};
///
/// let drift = DriftConfig::new().with_hidden(2).init(&Device::flex())?;
/// let mut numbers = flat(&drift)?;
/// assert_eq!(numbers.len(), 8 * 2 + 2);
/// numbers[0] = 0.25;
/// assert_eq!(flat(&with_flat(drift, &numbers)?)?[0], 0.25);
/// # Ok::<(), regimen_rl_rewards::RlRewardsError>(())
/// ```
///
/// # Errors
/// If the device fails.
pub fn flat<M: Module>(module: &M) -> Result<Vec<f64>> {
    let values = ParamVector::of(module).to_host().map_err(read)?;
    Ok(values.into_iter().flatten().map(f64::from).collect())
}

/// The module with these parameters, in the order of [`flat`], rounded to its type.
///
/// # Errors
/// If there are not as many numbers as parameters.
pub fn with_flat<M: Module>(module: M, numbers: &[f64]) -> Result<M> {
    let like = ParamVector::of(&module);
    let total: usize = like.entries().iter().map(|entry| entry.len()).sum();
    if numbers.len() != total {
        return Err(RlRewardsError::OutOfRange {
            field: "numbers",
            value: format!("{} of them", numbers.len()),
            allowed: "one a parameter of the module",
        });
    }
    let mut rest = numbers.iter().map(|value| *value as f32);
    let values = like.entries().iter();
    let values = values.map(|entry| rest.by_ref().take(entry.len()).collect());
    let vector = like.from_host(values.collect()).map_err(read)?;
    vector.write_to(module).map_err(read)
}

fn read(error: TensorError) -> RlRewardsError {
    RlRewardsError::Read(error.to_string())
}
