//! # Multigrid
//!
//! Batches of many small inputs first and few large ones last, with the rate tied to the batch: each iteration costs the
//! same, and a run needs far fewer.
//!
//! Source: Wu, Girshick, He, Feichtenhofer and Krähenbühl, "A Multigrid Method for Efficiently Training Video Models",
//! CVPR 2020, arXiv 1912.00998.

use regimen_tensor::checked::Checked;
use regimen_tensor::checked_serde;
use serde::{Deserialize, Serialize};

use crate::error::{CurriculumError, Result, check, count};

/// A dimension of an input whose size may change during training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Dimension {
    /// Its name, such as `frames` or `side`.
    pub name: String,
    /// Its full size.
    pub size: usize,
    /// The power of the size in the cost of an input: 1 for frames, 2 for the side of a square, 1 for a text's length.
    pub power: u32,
}
checked_serde!(Dimension);

impl Checked for Dimension {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("size", self.size, self.size > 0, "1 or more")?;
        count("power", self.power as usize, self.power <= 64, "up to 64")
    }
}

/// A size that changes from iteration to iteration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct ShortCycle {
    /// The dimension's name.
    pub dimension: String,
    /// Factors of its full size, taken in turn; after them comes the size of the long cycle.
    pub factors: Vec<f64>,
}
checked_serde!(ShortCycle);

impl Checked for ShortCycle {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        self.factors.iter().copied().try_for_each(check_factor)
    }
}

fn check_factor(factor: f64) -> Result<()> {
    let good = factor > 0.0 && factor <= 1.0;
    check("factor", factor, good, "above 0, up to 1")
}

/// What a multigrid schedule is made from.
///
/// The cost of an input is the product of `size^power` over the dimensions. A shape of another size gets
/// `round(full cost / cost)` times the batch, so that an iteration costs the same.
///
/// | field | default | range |
/// |---|---|---|
/// | `batch` | required | the batch at full size, 1 or more; up to 2^40 in every shape |
/// | `stages` | required | epochs of the baseline at which its rate's stages start: 0 first, rising |
/// | `epochs` | required | epochs of the baseline, more than the last stage's start; up to 2^40 with `epoch_factor` |
/// | `dimensions` | none | at least one, with different names, of sizes from 1 and powers up to 64 |
/// | `long_cycle` | full size | one factor a dimension for each shape, above 0 and up to 1; the last is all 1 |
/// | `short_cycle` | none | factors above 0 and up to 1 |
/// | `epoch_factor` | 1.5 | epochs of this run over those of the baseline, above 0 |
/// | `gamma` | 0.1 | factor of the rate from stage to stage, above 0 |
///
/// ```
/// use regimen_curriculum::MultigridConfig;
///
/// let video = MultigridConfig::video(64, 32, 224, vec![0, 94, 154, 196], 239).init()?;
/// let first = &video.entries()[0];
/// assert_eq!((first.multiplier, &first.sizes[..], first.end_epoch), (8, &[8, 158][..], 73));
/// assert_eq!(video.epochs(), 358);
/// assert_eq!(video.rate_changes()[1], (73, 4.0));
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MultigridConfig {
    /// Batch at full size.
    pub batch: usize,
    /// Epochs at which the baseline's stages start.
    pub stages: Vec<usize>,
    /// Epochs of the baseline.
    pub epochs: usize,
    /// Dimensions that may change.
    pub dimensions: Vec<Dimension>,
    /// Factors of the sizes for each shape of the long cycle, coarse to fine; empty for full size only.
    pub long_cycle: Vec<Vec<f64>>,
    /// The size that changes at each iteration.
    pub short_cycle: Option<ShortCycle>,
    /// Epochs of this run over those of the baseline.
    pub epoch_factor: f64,
    /// Factor of the rate from stage to stage.
    pub gamma: f64,
}

checked_serde!(MultigridConfig);

impl Checked for MultigridConfig {
    type Error = CurriculumError;

    fn check(&self) -> Result<()> {
        count("batch", self.batch, self.batch > 0, "1 or more")?;
        check(
            "epoch_factor",
            self.epoch_factor,
            self.epoch_factor > 0.0,
            "above 0",
        )?;
        let epochs = self.epochs as f64 * self.epoch_factor;
        let allowed = "up to 2^40, times `epoch_factor`";
        check("epochs", epochs, epochs <= (1_u64 << 40) as f64, allowed)?;
        check("gamma", self.gamma, self.gamma > 0.0, "above 0")?;
        let rising = self.stages.windows(2).all(|pair| pair[0] < pair[1]);
        if self.stages.first() != Some(&0) || !rising {
            return refuse(
                "stages",
                format!("{:?}", self.stages),
                "0 first, then rising",
            );
        }
        let last = self.stages.last().copied().unwrap_or(0);
        check(
            "epochs",
            self.epochs as f64,
            self.epochs > last,
            "more than the last stage's start",
        )?;
        self.check_dimensions()?;
        self.short_cycle.iter().try_for_each(Checked::check)?;
        let mut factors = self.long_cycle.iter().flatten().copied();
        factors.try_for_each(check_factor)?;
        let fits = |shape: &Vec<f64>| shape.len() == self.dimensions.len();
        let full = |shape: &Vec<f64>| shape.iter().all(|factor| *factor == 1.0);
        if !self.long_cycle.iter().all(fits) || !self.long_cycle.last().is_none_or(full) {
            let value = format!("{:?}", self.long_cycle);
            return refuse(
                "long_cycle",
                value,
                "one factor a dimension, the last shape all 1",
            );
        }
        Ok(())
    }
}

impl MultigridConfig {
    /// A schedule without dimensions and cycles: add them.
    #[must_use]
    pub fn new(batch: usize, stages: Vec<usize>, epochs: usize) -> Self {
        Self {
            batch,
            stages,
            epochs,
            dimensions: Vec::new(),
            long_cycle: Vec::new(),
            short_cycle: None,
            epoch_factor: 1.5,
            gamma: 0.1,
        }
    }

    /// The paper's schedule of clips with `frames` frames and a square crop of `side` pixels.
    #[must_use]
    pub fn video(
        batch: usize,
        frames: usize,
        side: usize,
        stages: Vec<usize>,
        epochs: usize,
    ) -> Self {
        let root = 0.5_f64.sqrt();
        let long = [[0.25, root], [0.5, root], [0.5, 1.0], [1.0, 1.0]];
        Self::new(batch, stages, epochs)
            .with_dimension("frames", frames, 1)
            .with_dimension("side", side, 2)
            .with_long_cycle(long.map(Vec::from).to_vec())
            .with_short_cycle("side", vec![0.5, root])
    }

    /// The paper's spatial cycles for square images of `side` pixels: sides of a half, `1 / sqrt 2` and 1.
    #[must_use]
    pub fn images(batch: usize, side: usize, stages: Vec<usize>, epochs: usize) -> Self {
        let root = 0.5_f64.sqrt();
        Self::new(batch, stages, epochs)
            .with_dimension("side", side, 2)
            .with_long_cycle(vec![vec![0.5], vec![root], vec![1.0]])
            .with_short_cycle("side", vec![0.5, root])
    }

    /// One more dimension: its full size, and the power of the size in the cost.
    #[must_use]
    pub fn with_dimension(mut self, name: &str, size: usize, power: u32) -> Self {
        let name = name.to_owned();
        self.dimensions.push(Dimension { name, size, power });
        self
    }

    /// Factors of the sizes for each shape of the long cycle, in the order of the dimensions.
    #[must_use]
    pub fn with_long_cycle(mut self, factors: Vec<Vec<f64>>) -> Self {
        self.long_cycle = factors;
        self
    }

    /// Factors of one dimension's full size, in turn with the long cycle's own.
    #[must_use]
    pub fn with_short_cycle(mut self, dimension: &str, factors: Vec<f64>) -> Self {
        let dimension = dimension.to_owned();
        self.short_cycle = Some(ShortCycle { dimension, factors });
        self
    }

    /// The long cycle alone.
    #[must_use]
    pub fn without_short_cycle(mut self) -> Self {
        self.short_cycle = None;
        self
    }

    /// Other epochs, as a factor of the baseline's.
    #[must_use]
    pub fn with_epoch_factor(mut self, factor: f64) -> Self {
        self.epoch_factor = factor;
        self
    }

    /// Another factor of the rate from stage to stage.
    #[must_use]
    pub fn with_gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
    }

    fn check_dimensions(&self) -> Result<()> {
        if self.dimensions.is_empty() {
            return refuse("dimensions", "[]".into(), "one or more");
        }
        for (i, dimension) in self.dimensions.iter().enumerate() {
            dimension.check()?;
            let before = &self.dimensions[..i];
            if before.iter().any(|other| other.name == dimension.name) {
                return refuse("dimensions", dimension.name.clone(), "different names");
            }
        }
        match &self.short_cycle {
            Some(short) if self.position(&short.dimension).is_none() => refuse(
                "short_cycle",
                short.dimension.clone(),
                "the name of a dimension",
            ),
            _ => Ok(()),
        }
    }

    /// The place of a dimension in every list of sizes.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        let names = self.dimensions.iter();
        names
            .map(|dimension| &dimension.name)
            .position(|own| own == name)
    }
}

fn refuse<T>(field: &'static str, value: String, allowed: &'static str) -> Result<T> {
    Err(CurriculumError::OutOfRange {
        field,
        value,
        allowed,
    })
}
