//! Which parameters belong to the units of a hidden layer: those that make them, and those that read them.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, FloatDType, Tensor, TensorData};
use regimen_tensor::{ParamEntry, ParamVector};
use serde::{Deserialize, Serialize};

use crate::{ContinualError, Result};

/// A hidden layer by the paths in its model: the layer that makes its units, what normalises them, and the layers that read them.
///
/// `Units::new("hidden.0").with_norm("norms.0").before("hidden.1")`. A layer is a linear one `[inputs, units]`, or a convolution
/// `[units, channels, kernel..]`. A reading layer is a linear one, with a row or, behind a flattened image, a block of rows a unit, or a
/// convolution. A parameter of its own, such as stacked experts `[experts, inputs, outputs]`, is named as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// The path of the layer whose outputs the units are.
    pub layer: String,
    /// The paths of batch norms between the layer and its nonlinearity.
    pub norms: Vec<String>,
    /// The paths of the layers that read the units.
    pub next: Vec<String>,
}

impl Units {
    /// Of a layer.
    #[must_use]
    pub fn new(layer: impl Into<String>) -> Self {
        Self {
            layer: layer.into(),
            norms: Vec::new(),
            next: Vec::new(),
        }
    }

    /// With a norm with a gain for each unit behind the layer.
    #[must_use]
    pub fn with_norm(mut self, path: impl Into<String>) -> Self {
        self.norms.push(path.into());
        self
    }

    /// With a layer that reads the units.
    #[must_use]
    pub fn before(mut self, path: impl Into<String>) -> Self {
        self.next.push(path.into());
        self
    }
}

/// A parameter that has a part for each unit: flat it is `[outer, units, inner]`.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub(super) entry: ParamEntry,
    pub(super) outer: usize,
    pub(super) units: usize,
    pub(super) inner: usize,
}

impl Spread {
    fn new(entry: &ParamEntry, units: usize, axis: usize) -> Result<Self> {
        let shape = &entry.shape;
        let size = shape.get(axis).copied().unwrap_or_default();
        // A linear layer behind a flattened image has a block of rows a unit.
        let blocks = shape.len() == 2 && axis == 0 && units > 0 && size > 0;
        if size != units && !(blocks && size.is_multiple_of(units)) {
            let what = format!("units of `{}`", entry.path);
            return Err(ContinualError::mismatch(what, units, format!("{shape:?}")));
        }
        let outer: usize = shape[..axis].iter().product();
        let all = entry.len();
        Ok(Self {
            entry: entry.clone(),
            outer,
            units,
            inner: all / (outer * units).max(1),
        })
    }

    /// A flag for each value, on where its unit's is.
    pub(super) fn flags(&self, units: &[bool]) -> Vec<bool> {
        let all = self.outer * self.units * self.inner;
        (0..all)
            .map(|at| units[at / self.inner % self.units])
            .collect()
    }

    /// `values` where the flags are on, in the parameter's own type.
    pub(super) fn with(&self, flags: &[bool], values: Tensor<1>) -> ParamEntry {
        let old = &self.entry.values;
        let mask = TensorData::new(flags.to_vec(), [flags.len()]);
        let mask = Tensor::<1, Bool>::from_data(mask, &old.device());
        let new = values.cast(old.dtype());
        self.entry.with_values(old.clone().mask_where(mask, new))
    }

    /// In f32, `[outer, units, inner]`.
    pub(super) fn wide(&self) -> Tensor<3> {
        let values = self.entry.values.clone().cast(FloatDType::F32);
        values.reshape([self.outer, self.units, self.inner])
    }
}

/// What belongs to the units of one layer, in a model.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) weight: Spread,
    /// What is 0 for a new unit: the bias of the layer, shifts and running means of norms.
    pub(super) zeros: Vec<Spread>,
    /// What is 1 for a new unit: gains and running variances of norms.
    pub(super) ones: Vec<Spread>,
    /// The weights that read the units, each with the bias beside it.
    pub(super) next: Vec<(Spread, Option<ParamEntry>)>,
}

/// The state of a model as layers are looked up in it.
pub(super) struct Known {
    vector: ParamVector,
    frozen: HashSet<ParamId>,
}

impl Known {
    pub(super) fn of<M: Module>(model: &M) -> Self {
        Self {
            vector: ParamVector::state(model),
            frozen: frozen(model),
        }
    }

    /// The parts of a layer's units; none where its own weight or one that reads it is frozen.
    pub(super) fn find(&self, of: &Units) -> Result<Option<Found>> {
        let weight = self.weight(&of.layer)?;
        let axis = usize::from(weight.shape.len() == 2);
        let units = weight.shape.get(axis).copied().unwrap_or_default();
        if units == 0 || weight.shape.len() < 2 {
            let what = format!("the weight of `{}`", of.layer);
            let found = format!("{:?}", weight.shape);
            return Err(ContinualError::mismatch(what, "two axes or more", found));
        }
        if of.next.is_empty() {
            return Err(ContinualError::Empty("the layers that read the units"));
        }
        let mut found = Found {
            weight: Spread::new(weight, units, axis)?,
            zeros: Vec::new(),
            ones: Vec::new(),
            next: Vec::new(),
        };
        let mut add = |path: String, ones: bool| -> Result<bool> {
            let Some(entry) = self.vector.by_path(&path) else {
                return Ok(false);
            };
            let spread = Spread::new(entry, units, 0)?;
            let to = if ones {
                &mut found.ones
            } else {
                &mut found.zeros
            };
            to.push(spread);
            Ok(true)
        };
        add(format!("{}.bias", of.layer), false)?;
        for norm in &of.norms {
            if !add(format!("{norm}.gamma"), true)? {
                let what = format!("the norm `{norm}`");
                return Err(ContinualError::mismatch(what, "a `gamma`", "none"));
            }
            add(format!("{norm}.beta"), false)?;
            add(format!("{norm}.running_mean"), false)?;
            add(format!("{norm}.running_var"), true)?;
        }
        for path in &of.next {
            let entry = self.weight(path)?;
            let axis = usize::from(entry.shape.len() > 2);
            let bias = self.vector.by_path(&format!("{path}.bias")).cloned();
            found.next.push((Spread::new(entry, units, axis)?, bias));
        }
        let is_frozen = |spread: &Spread| self.frozen.contains(&spread.entry.id);
        if is_frozen(&found.weight) || found.next.iter().any(|(next, _)| is_frozen(next)) {
            return Ok(None);
        }
        found.zeros.retain(|spread| !is_frozen(spread));
        found.ones.retain(|spread| !is_frozen(spread));
        for (_, bias) in &mut found.next {
            *bias = bias.take().filter(|bias| !self.frozen.contains(&bias.id));
        }
        Ok(Some(found))
    }

    fn weight(&self, path: &str) -> Result<&ParamEntry> {
        let weight = self.vector.by_path(&format!("{path}.weight"));
        weight.or_else(|| self.vector.by_path(path)).ok_or_else(|| {
            let what = format!("the layer `{path}`");
            ContinualError::mismatch(what, "a `weight` in the model", "none")
        })
    }
}

/// That all layers are there, once at least; how many units each has.
pub(super) fn sizes<M: Module>(model: &M, layers: &[Units]) -> Result<Vec<usize>> {
    if layers.is_empty() {
        return Err(ContinualError::Empty("the hidden layers"));
    }
    let vector = ParamVector::state(model);
    let known = Known {
        vector,
        frozen: HashSet::new(),
    };
    let size = |units: &Units| {
        let found = known.find(units)?;
        Ok(found.map_or(0, |found| found.weight.units))
    };
    layers.iter().map(size).collect()
}

/// The parameters that do not train, of a model on a device with autodiff; running statistics are none.
pub(super) fn frozen<M: Module>(model: &M) -> HashSet<ParamId> {
    struct Frozen(HashSet<ParamId>);
    impl ModuleVisitor for Frozen {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.is_require_grad() {
                self.0.insert(param.id);
            }
        }
    }
    if !model.devices().iter().any(|device| device.is_autodiff()) {
        return HashSet::new();
    }
    let mut frozen = Frozen(HashSet::new());
    model.visit(&mut frozen);
    for entry in ParamVector::buffers(model).entries() {
        frozen.0.remove(&entry.id);
    }
    frozen.0
}
