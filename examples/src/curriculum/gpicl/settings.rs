//! Sizes and rates, chosen on seeds that do not count.

use anyhow::{Context as _, Result, bail};

use crate::experiment::Context;

/// The fault that the label of a place is in the place itself.
pub(super) const OWN_LABEL: &str = "own-label";
/// The fault that the labels of the context are of another task.
pub(super) const OTHER_LABELS: &str = "labels-of-another-task";

/// How large everything is.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Classes, the first ones of each data set.
    pub(super) classes: usize,
    /// Numbers of a projected example.
    pub(super) projected: usize,
    /// Places of a sequence.
    pub(super) length: usize,
    /// The last places, over which an accuracy is late.
    pub(super) late: usize,
    /// Width of the transformer.
    pub(super) width: usize,
    /// Its blocks.
    pub(super) layers: usize,
    /// Updates.
    pub(super) updates: usize,
    /// Sequences of an update.
    pub(super) batch: usize,
    /// The learning rate after the warm-up.
    pub(super) rate: f64,
    /// Share of the tasks in training that keep their labels.
    pub(super) identity: f64,
    /// Sequences of a test.
    pub(super) tests: usize,
    /// The rate of online gradient descent.
    pub(super) sgd: f64,
    /// The penalty of ridge regression.
    pub(super) ridge: f64,
}

/// Updates over which the rate grows.
pub(super) const WARM_UP: usize = 50;

impl Settings {
    pub(super) fn of(context: &Context) -> Self {
        let usual = Self {
            classes: 3,
            projected: 8,
            length: 16,
            late: 5,
            width: 64,
            layers: 2,
            updates: 600,
            batch: 64,
            rate: 2e-3,
            identity: 0.7,
            tests: 512,
            sgd: 0.3,
            ridge: 3.0,
        };
        if context.full {
            return Self {
                classes: 4,
                projected: 16,
                length: 24,
                updates: 2500,
                ..usual
            };
        }
        if context.small {
            return Self {
                classes: 2,
                projected: 4,
                length: 8,
                late: 4,
                width: 32,
                updates: 250,
                rate: 4e-3,
                identity: 1.0,
                ..usual
            };
        }
        usual
    }

    /// Another value of a setting, `name=value`.
    pub(super) fn set(&mut self, text: &str) -> Result<()> {
        let (name, value) = text.split_once('=').context("a setting is name=value")?;
        let whole = || value.parse::<usize>();
        match name {
            "classes" => self.classes = whole()?,
            "projected" => self.projected = whole()?,
            "length" => self.length = whole()?,
            "late" => self.late = whole()?,
            "width" => self.width = whole()?,
            "layers" => self.layers = whole()?,
            "updates" => self.updates = whole()?,
            "batch" => self.batch = whole()?,
            "tests" => self.tests = whole()?,
            "rate" => self.rate = value.parse()?,
            "identity" => self.identity = value.parse()?,
            "sgd" => self.sgd = value.parse()?,
            "ridge" => self.ridge = value.parse()?,
            _ => bail!("{name}: no such setting"),
        }
        Ok(())
    }
}
