//! # quadratic
//!
//! A weighted square of the distance from earlier weights, differentiable by the present ones.
//!
//! Source: `D_Psi` of `Psi = 1/2 theta^T F theta` with a diagonal F, in Wang et al. (arXiv 2403.13249), section 3.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::ParamVector;

use crate::strategy::zero;
use crate::{ContinualError, Result};

/// `sum_i w_i (theta_i - anchor_i)^2`, `[1]`, in f32: differentiable by the model's parameters.
///
/// Parameters of the model that the vectors have not (by path) do not count. `weights` and `anchor` are moved to the model's device.
///
/// # Errors
/// If the vectors hold a parameter, by its path, that the model has not, or in another shape.
pub fn quadratic<M: Module>(
    model: &M,
    weights: &ParamVector,
    anchor: &ParamVector,
) -> Result<Tensor<1>> {
    weights.same_space(anchor)?;
    let pairs = weights.entries().iter().zip(anchor.entries());
    let pairs =
        pairs.map(|(weight, anchor)| (weight.path.as_str(), (&weight.values, &anchor.values)));
    let mut visitor = Distance {
        known: pairs.collect(),
        path: Vec::new(),
        sum: None,
        odd: None,
    };
    model.visit(&mut visitor);
    if let Some((path, found)) = visitor.odd {
        let expected = weights.by_path(&path).map_or(0, |entry| entry.len());
        let what = format!("values of `{path}`");
        return Err(ContinualError::mismatch(what, expected, found));
    }
    if let Some(path) = visitor.known.keys().next() {
        let what = format!("parameter `{path}`");
        return Err(ContinualError::mismatch(
            what,
            "a parameter of the model",
            "none",
        ));
    }
    let device = model.devices().into_iter().next().unwrap_or_default();
    Ok(visitor.sum.unwrap_or_else(|| zero(&device)))
}

struct Distance<'a> {
    known: HashMap<&'a str, (&'a Tensor<1>, &'a Tensor<1>)>,
    path: Vec<String>,
    sum: Option<Tensor<1>>,
    odd: Option<(String, usize)>,
}

impl ModuleVisitor for Distance<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let Some((weights, anchor)) = self.known.remove(path.as_str()) else {
            return;
        };
        let value = param.val();
        let count = value.shape().num_elements();
        if weights.dims() != [count] || anchor.dims() != [count] {
            self.odd.get_or_insert((path, count));
            return;
        }
        let value = value.reshape([count]).cast(FloatDType::F32);
        let here = |tensor: &Tensor<1>| {
            let tensor = tensor.clone().cast(FloatDType::F32);
            match value.is_autodiff() {
                true => Tensor::from_inner(tensor.to_device(&value.device().inner())),
                false => tensor.to_device(&value.device()),
            }
        };
        let difference = value.clone() - here(anchor);
        let sum = (difference.clone() * here(weights) * difference).sum();
        self.sum = Some(match self.sum.take() {
            Some(before) => before + sum,
            None => sum,
        });
    }
}

/// A sum of weighted squares around several anchors, kept as one: constant memory however many were added.
///
/// `sum_t sum_i w_ti (theta_i - a_ti)^2` is `sum_i W_i (theta_i - m_i)^2 + c` with `W = sum_t w_t`, `m` the mean of the anchors
/// under the weights, and a constant `c`: value and gradient are those of the sum.
#[derive(Clone, Debug)]
pub struct Quadratic {
    weights: ParamVector,
    anchor: ParamVector,
    constant: f64,
}

impl Quadratic {
    /// One term: weights of 0 or more, and its anchor.
    ///
    /// # Errors
    /// If they are of different parameters.
    pub fn new(weights: ParamVector, anchor: ParamVector) -> Result<Self> {
        Self::of_parts(weights.widened(), anchor.widened(), 0.0)
    }

    pub(crate) fn of_parts(
        weights: ParamVector,
        anchor: ParamVector,
        constant: f64,
    ) -> Result<Self> {
        weights.same_space(&anchor)?;
        crate::error::strength("constant", constant)?;
        Ok(Self {
            weights,
            anchor,
            constant,
        })
    }

    /// The sum of both.
    ///
    /// # Errors
    /// If they are of different parameters, or the device fails.
    pub fn plus(self, other: &Self) -> Result<Self> {
        let sum = self.weights.clone().add(&other.weights)?;
        // Where no term has a weight, the newest anchor stands.
        let share = other.weights.clone().zip(&sum, |weight, sum| {
            let none = sum.clone().equal_elem(0.0);
            (weight / sum.mask_fill(none.clone(), 1.0)).mask_fill(none, 1.0)
        })?;
        let between = other.anchor.clone().sub(&self.anchor)?;
        let spread = self.weights.hadamard(&share)?;
        let spread = spread.hadamard(&between)?.dot(&between)?;
        let spread = crate::examples::read("constant", spread.try_into_vec_as::<f32>())?;
        let anchor = self.anchor.add(&share.hadamard(&between)?)?;
        let constant = self.constant + other.constant + f64::from(spread[0]);
        Self::of_parts(sum, anchor, constant)
    }

    /// All weights, and the constant, times a factor of 0 or more.
    ///
    /// # Errors
    /// If the factor is negative or not finite.
    pub fn scale(self, factor: f64) -> Result<Self> {
        crate::error::strength("factor", factor)?;
        Ok(Self {
            weights: self.weights.scale(factor),
            anchor: self.anchor,
            constant: self.constant * factor,
        })
    }

    /// The sum at a model's parameters, `[1]`, in f32.
    ///
    /// # Errors
    /// As for [`quadratic`].
    pub fn at<M: Module>(&self, model: &M) -> Result<Tensor<1>> {
        Ok(quadratic(model, &self.weights, &self.anchor)? + self.constant)
    }

    /// The gradient of the sum at these parameters, `2 W (theta - m)`, for the parameters of `point`.
    ///
    /// # Errors
    /// If it is of other parameters.
    pub fn gradient(&self, point: &ParamVector) -> Result<ParamVector> {
        let weights = self.weights.rebound(point)?;
        let difference = point.clone().widened().sub(&self.anchor.rebound(point)?)?;
        Ok(weights.hadamard(&difference)?.scale(2.0))
    }

    /// The sum of the weights.
    #[must_use]
    pub fn weights(&self) -> &ParamVector {
        &self.weights
    }

    /// The mean of the anchors under the weights.
    #[must_use]
    pub fn anchor(&self) -> &ParamVector {
        &self.anchor
    }

    /// What the sum is at its least.
    #[must_use]
    pub fn constant(&self) -> f64 {
        self.constant
    }
}
