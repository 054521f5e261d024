//! Tasks of the same classes on other inputs.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use super::planned::Planned;
use super::stream::Scenario;
use super::task::Task;
use super::transform::{Permutation, Transform};
use crate::{ContinualError, Result};

/// Tasks at most.
const MOST: usize = 1 << 16;

/// Tasks that have all examples and all classes, each with a transform of the inputs of its own.
///
/// ```
/// use regimen_continual::scenario::{DomainIncremental, Scenario};
///
/// let scenario = DomainIncremental::rotated(vec![0.0, 45.0, 90.0])?;
/// let tasks = scenario.train(&[0, 1, 0, 2])?;
/// assert_eq!((tasks.len(), &tasks[2].examples[..], &tasks[2].task.classes[..]), (3, &[0, 1, 2, 3][..], &[0, 1, 2][..]));
/// let turned = tasks[2].transform.apply(&[1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(turned, [2.0, 4.0, 1.0, 3.0]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct DomainIncremental {
    transforms: Vec<Transform>,
}
checked_serde!(DomainIncremental);

impl DomainIncremental {
    /// With these transforms, one a task.
    ///
    /// # Errors
    /// If there is none, there are more than 65,536, or an angle is not finite.
    pub fn new(transforms: Vec<Transform>) -> Result<Self> {
        Self { transforms }.checked()
    }

    /// The inputs as they are, then in another random order of their pixels for each task.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn permuted(tasks: usize, seed: u64) -> Result<Self> {
        if tasks > MOST {
            return Err(ContinualError::range("tasks", tasks, "1 to 65,536"));
        }
        let transform = |task: usize| match task {
            0 => Transform::None,
            // Seeds of one run are not those of the next.
            task => Transform::Permuted(Permutation::new(seed.rotate_left(32) ^ task as u64)),
        };
        Self::new((0..tasks).map(transform).collect())
    }

    /// The inputs turned by these angles in degrees.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn rotated(degrees: Vec<f64>) -> Result<Self> {
        Self::new(degrees.into_iter().map(Transform::Rotated).collect())
    }
}

impl Checked for DomainIncremental {
    type Error = ContinualError;

    fn check(&self) -> Result<()> {
        let tasks = self.transforms.len();
        if !(1..=MOST).contains(&tasks) {
            return Err(ContinualError::range("tasks", tasks, "1 to 65,536"));
        }
        self.transforms
            .iter()
            .try_for_each(|transform| match transform {
                Transform::Rotated(degrees) => {
                    crate::error::check("degrees", *degrees, true, "finite")
                }
                Transform::None | Transform::Permuted(_) | Transform::Corrupted(_) => Ok(()),
            })
    }
}

impl Scenario for DomainIncremental {
    fn train(&self, labels: &[usize]) -> Result<Vec<Planned>> {
        if labels.is_empty() {
            return Err(ContinualError::Empty("the examples of a task"));
        }
        let mut classes = labels.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let tasks = self.transforms.iter().enumerate();
        let planned = tasks.map(|(id, transform)| {
            let task = Task {
                id,
                classes: classes.clone(),
                examples: labels.len(),
            };
            Planned {
                transform: transform.clone(),
                ..Planned::new(task, (0..labels.len()).collect(), false)
            }
        });
        Ok(planned.collect())
    }
}
