//! Batch norm under changing batches: statistics over groups of one size.

#[cfg(feature = "burn")]
use burn::tensor::Tensor;
use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count, finite};

/// How a batch norm takes its statistics, so that they are always over about as many inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BatchNormGroups {
    /// Parts of a device's batch that are normalised separately: shared gain and bias, statistics of their own.
    pub splits: usize,
    /// Devices that normalise together.
    pub synchronised: usize,
}
checked_serde!(BatchNormGroups);

impl Checked for BatchNormGroups {
    type Error = CurriculumError;

    /// Where a batch is split, a group is no larger than a device's batch: no devices are joined then.
    fn check(&self) -> Result<()> {
        let (splits, devices) = (self.splits, self.synchronised);
        count("splits", splits, splits > 0, "1 or more")?;
        let good = devices > 0 && (devices == 1 || splits == 1);
        count(
            "synchronised",
            devices,
            good,
            "1 or more, and 1 with `splits` above 1",
        )
    }
}

impl BatchNormGroups {
    /// For a long-cycle batch over some devices, with statistics over `group` inputs (8 in the paper): with `r = batch / (devices group)`,
    /// `splits = floor(r)` and `synchronised = floor(1 / r)`, each 1 or more, as in the released code. So a group holds `group` inputs
    /// or more, less than twice as many. The short cycle does not change the groups.
    ///
    /// The released code does not count the devices that there are: here no more are synchronised.
    ///
    /// ```
    /// use regimen_curriculum::BatchNormGroups;
    ///
    /// let splits = [512, 256, 128, 64].map(|batch| BatchNormGroups::new(batch, 8, 8).map(|g| g.splits));
    /// assert_eq!(splits, [Ok(8), Ok(4), Ok(2), Ok(1)]);
    /// assert_eq!(BatchNormGroups::new(32, 8, 8)?.synchronised, 2);
    /// assert_eq!(BatchNormGroups::new(30, 1, 8)?.splits, 3);
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If a number is 0.
    pub fn new(batch: usize, devices: usize, group: usize) -> Result<Self> {
        check("batch", batch as f64, batch > 0, "1 or more")?;
        check("devices", devices as f64, devices > 0, "1 or more")?;
        check("group", group as f64, group > 0, "1 or more")?;
        let inputs = devices.checked_mul(group);
        let inputs = inputs.ok_or_else(|| CurriculumError::OutOfRange {
            field: "group",
            value: group.to_string(),
            allowed: "within a machine word, over all devices",
        })?;
        Ok(Self {
            splits: (batch / inputs).max(1),
            synchronised: (inputs / batch).clamp(1, devices),
        })
    }
}

/// The running statistics of one batch norm: for each group a mean and a variance of each channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BatchNormStatistics {
    means: Vec<Vec<f64>>,
    variances: Vec<Vec<f64>>,
}
checked_serde!(BatchNormStatistics);

impl Checked for BatchNormStatistics {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let groups = self.means.len();
        let channels = self.means.first().map_or(0, Vec::len);
        let all = self.means.iter().chain(&self.variances);
        if groups == 0 || self.variances.len() != groups || all.clone().any(|g| g.len() != channels)
        {
            return Err(CurriculumError::OutOfRange {
                field: "variances",
                value: format!("for {} groups", self.variances.len()),
                allowed: "one for each mean, of one or more groups",
            });
        }
        all.clone()
            .try_for_each(|group| finite("statistics", group))?;
        let mut means = self.means.iter().flatten();
        means.try_for_each(|mean| check("mean", *mean, mean.abs() <= 1e140, "up to 1e140"))?;
        let mut variances = self.variances.iter().flatten();
        let good = |v: f64| (0.0..=1e290).contains(&v);
        variances.try_for_each(|v| check("variance", *v, good(*v), "0 to 1e290"))
    }
}

impl BatchNormStatistics {
    /// Means and variances, `[groups][channels]`.
    ///
    /// # Errors
    /// If there is no group, the lengths differ, a value is not finite, a mean is above 1e140, or a variance is negative or above 1e290: what
    /// is merged is finite then.
    pub fn new(means: Vec<Vec<f64>>, variances: Vec<Vec<f64>>) -> Result<Self> {
        Self { means, variances }.checked()
    }

    /// Mean and variance of all inputs, for evaluation: the average of the means, and the average of the variances plus the
    /// variance of the means. Recompute them over some batches (200 in the paper) where it matters.
    ///
    /// ```
    /// use regimen_curriculum::BatchNormStatistics;
    ///
    /// let groups = BatchNormStatistics::new(vec![vec![0.0], vec![2.0]], vec![vec![1.0], vec![3.0]])?;
    /// assert_eq!(groups.merged(), (vec![1.0], vec![3.0]));
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    #[must_use]
    pub fn merged(&self) -> (Vec<f64>, Vec<f64>) {
        let channels = 0..self.means[0].len();
        let merge = |channel: usize| {
            let mean = average(self.means.iter().map(|group| group[channel]));
            let within = average(self.variances.iter().map(|group| group[channel]));
            let squares = self
                .means
                .iter()
                .map(|group| (group[channel] - mean).powi(2));
            (mean, within + average(squares))
        };
        channels.map(merge).unzip()
    }

    /// The statistics for another number of groups: each starts from the merged ones. The same number changes nothing.
    ///
    /// # Errors
    /// If `groups` is 0 or above 65536.
    pub fn regrouped(&self, groups: usize) -> Result<Self> {
        check_groups(groups)?;
        if groups == self.means.len() {
            return Ok(self.clone());
        }
        let (mean, variance) = self.merged();
        Ok(Self {
            means: vec![mean; groups],
            variances: vec![variance; groups],
        })
    }

    /// Means, `[groups][channels]`.
    #[must_use]
    pub fn means(&self) -> &[Vec<f64>] {
        &self.means
    }

    /// Variances, `[groups][channels]`.
    #[must_use]
    pub fn variances(&self) -> &[Vec<f64>] {
        &self.variances
    }
}

/// The most groups of a batch norm.
const MOST_GROUPS: usize = 1 << 16;

/// Refuses a number of groups that no batch is split into.
pub(super) fn check_groups(groups: usize) -> Result<()> {
    let good = (1..=MOST_GROUPS).contains(&groups);
    count("groups", groups, good, "1 to 65536")
}

fn average(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// [`BatchNormStatistics::merged`] on the device: means and variances `[groups, channels]` to `[channels]`.
///
/// # Errors
/// If the shapes differ or there is no group.
#[cfg(feature = "burn")]
pub fn merge_groups(means: Tensor<2>, variances: Tensor<2>) -> Result<(Tensor<1>, Tensor<1>)> {
    let (shape, other) = (means.dims(), variances.dims());
    if shape != other || shape[0] == 0 {
        return Err(CurriculumError::OutOfRange {
            field: "variances",
            value: format!("of shape {other:?} for means of {shape:?}"),
            allowed: "one for each mean, of one or more groups",
        });
    }
    Ok(merged(means, variances))
}

/// [`merge_groups`] of statistics that belong together.
#[cfg(feature = "burn")]
pub(super) fn merged(means: Tensor<2>, variances: Tensor<2>) -> (Tensor<1>, Tensor<1>) {
    let [_, channels] = means.dims();
    let mean = means.clone().mean_dim(0);
    let between = (means - mean.clone()).square().mean_dim(0);
    let variance = variances.mean_dim(0) + between;
    (mean.reshape([channels]), variance.reshape([channels]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_groups_are_the_statistics_of_all(values in prop::collection::vec(-9.0_f64..9.0, 12), groups in 1_usize..5) {
            let size = 12 / groups;
            let parts: Vec<&[f64]> = values.chunks_exact(size).take(groups).collect();
            let moments = |part: &[f64]| {
                let mean = part.iter().sum::<f64>() / part.len() as f64;
                let squares = part.iter().map(|x| (x - mean).powi(2));
                (mean, squares.sum::<f64>() / part.len() as f64)
            };
            let (means, variances) = parts.iter().map(|part| {
                let (mean, variance) = moments(part);
                (vec![mean], vec![variance])
            }).unzip();
            let statistics = BatchNormStatistics::new(means, variances).unwrap();
            let (mean, variance) = statistics.merged();
            let all = moments(&values[..size * groups]);
            prop_assert!((mean[0] - all.0).abs() < 1e-9 && (variance[0] - all.1).abs() < 1e-9);
            let other = statistics.regrouped(groups + 1).unwrap();
            prop_assert_eq!(other.means().len(), groups + 1);
            let (again, _) = other.merged();
            prop_assert!((again[0] - mean[0]).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_statistics_are_refused() {
        let new = BatchNormStatistics::new;
        assert!(new(vec![], vec![]).is_err());
        assert!(new(vec![vec![0.0]], vec![vec![1.0, 2.0]]).is_err());
        assert!(new(vec![vec![f64::NAN]], vec![vec![1.0]]).is_err());
        assert!(new(vec![vec![0.0]], vec![vec![-1.0]]).is_err());
        assert!(
            new(vec![vec![0.0]], vec![vec![1.0]])
                .unwrap()
                .regrouped(0)
                .is_err()
        );
        assert!(BatchNormGroups::new(0, 1, 8).is_err());
        assert!(BatchNormGroups::new(1, usize::MAX, 8).is_err());
        let read = serde_json::from_str::<BatchNormStatistics>(r#"{"means":[],"variances":[]}"#);
        assert!(read.is_err());
    }

    #[test]
    fn groups_are_cut_off_as_in_the_released_code() {
        let of = |batch, devices| {
            let groups = BatchNormGroups::new(batch, devices, 8).unwrap();
            (groups.splits, groups.synchronised)
        };
        assert_eq!([of(28, 1), of(15, 1), of(8, 1)], [(3, 1), (1, 1), (1, 1)]);
        assert_eq!([of(8, 8), of(24, 4), of(12, 4)], [(1, 8), (1, 1), (1, 2)]);
        assert_eq!(of(1, 4), (1, 4));
    }

    #[cfg(feature = "burn")]
    #[test]
    fn on_a_device_the_same() {
        let device = burn::tensor::Device::flex();
        let means = Tensor::<2>::from_data([[0.0, 1.0], [2.0, 1.0]], &device);
        let variances = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
        assert!(merge_groups(means.clone(), variances.clone().narrow(0, 0, 1)).is_err());
        assert!(
            merge_groups(
                Tensor::zeros([0, 2], &device),
                Tensor::zeros([0, 2], &device)
            )
            .is_err()
        );
        let (mean, variance) = merge_groups(means, variances).unwrap();
        assert_eq!(mean.try_into_vec_as::<f32>().unwrap(), [1.0, 1.0]);
        assert_eq!(variance.try_into_vec_as::<f32>().unwrap(), [3.0, 3.0]);
    }
}
