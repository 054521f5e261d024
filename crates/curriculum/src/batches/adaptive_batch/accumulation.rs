//! Batches that do not fit into memory at once.

use std::ops::Range;

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count};

/// How a batch is accumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MicroBatches {
    /// Examples of one device's micro-batch.
    pub size: usize,
    /// Micro-batches of each device in one update.
    pub steps: usize,
    /// Examples of the update, `size * steps * devices`: the wanted batch, rounded up to a multiple of the devices, and of whole
    /// micro-batches on all of them if it is larger than one each.
    pub batch: usize,
}
checked_serde!(MicroBatches);

impl Checked for MicroBatches {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        let Self { size, steps, batch } = *self;
        count("size", size, size > 0, "1 or more")?;
        count("steps", steps, steps > 0, "1 or more")?;
        let each = whole("steps", size.checked_mul(steps))?;
        let good = batch > 0 && batch.is_multiple_of(each);
        count(
            "batch",
            batch,
            good,
            "`size` times `steps` on one or more devices",
        )
    }
}

impl MicroBatches {
    /// For a wanted batch, and what each of some devices holds at once.
    ///
    /// ```
    /// use regimen_curriculum::MicroBatches;
    ///
    /// let large = MicroBatches::new(100, 16, 2)?;
    /// assert_eq!((large.size, large.steps, large.batch), (16, 4, 128));
    /// let small = MicroBatches::new(20, 16, 2)?;
    /// assert_eq!((small.size, small.steps, small.batch), (10, 1, 20));
    /// let odd = MicroBatches::new(5, 16, 2)?;
    /// assert_eq!((odd.size, odd.steps, odd.batch), (3, 1, 6));
    /// # Ok::<(), regimen_curriculum::CurriculumError>(())
    /// ```
    ///
    /// # Errors
    /// If a number is 0, or the rounded batch does not fit into a machine word.
    pub fn new(batch: usize, limit: usize, devices: usize) -> Result<Self> {
        check("batch", batch as f64, batch > 0, "1 or more")?;
        check("limit", limit as f64, limit > 0, "1 or more")?;
        check("devices", devices as f64, devices > 0, "1 or more")?;
        let at_once = whole("limit", limit.checked_mul(devices))?;
        if batch <= at_once {
            // At most `limit`, so that the product fits as well.
            let size = batch.div_ceil(devices);
            return Ok(Self {
                size,
                steps: 1,
                batch: size * devices,
            });
        }
        let steps = batch.div_ceil(at_once);
        Ok(Self {
            size: limit,
            steps,
            batch: whole("batch", steps.checked_mul(at_once))?,
        })
    }

    /// The largest update of at most so many examples that can be made so; 0 if there is none.
    pub(super) fn at_most(batch: usize, limit: usize, devices: usize) -> Result<usize> {
        let rounded = Self::new(batch, limit, devices);
        let at_once = limit.saturating_mul(devices);
        match rounded {
            Ok(exact) if exact.batch == batch => Ok(batch),
            Err(error) if batch < at_once || limit == 0 || devices == 0 => Err(error),
            _ if batch >= at_once => Ok(batch - batch % at_once),
            _ => Ok(batch - batch % devices),
        }
    }
}

/// A product that fits into a machine word.
fn whole(field: &'static str, product: Option<usize>) -> Result<usize> {
    product.ok_or_else(|| CurriculumError::OutOfRange {
        field,
        value: "too large".into(),
        allowed: "within a machine word, over all devices",
    })
}

/// The positions of `examples` in at most `parts` parts whose sizes differ by at most one; no part is empty. Without parts
/// there are no positions.
///
/// ```
/// use regimen_curriculum::split;
///
/// assert_eq!(split(7, 3).collect::<Vec<_>>(), [0..2, 2..4, 4..7]);
/// ```
pub fn split(examples: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let parts = parts.min(examples);
    // `examples i / parts`, without a product that may overflow.
    let more = move |i: usize| (examples % parts) as u128 * i as u128 / parts as u128;
    let start = move |i: usize| examples / parts * i + more(i) as usize;
    (0..parts).map(move |i| start(i)..start(i + 1))
}
