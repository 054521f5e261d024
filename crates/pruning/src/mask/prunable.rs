//! # Prunable
//!
//! Which parameters a mask covers when the user chooses none, and why the others stay dense.
//!
//! Source: weights of linear layers and convolutions, as the released codes of SNIP, GraSP, SynFlow, RigL and GraNet take
//! them; embeddings, routers, tokens and frozen parameters are left out by decision of this crate.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;
use serde::{Deserialize, Serialize};

/// Why a parameter stays dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Why {
    /// A bias, the scale of a norm, a scalar: fewer than two axes.
    Vector,
    /// An embedding: Burn's `Embedding`, or a parameter whose name or layer has `embed` in it. A row is what is known of one
    /// token; pruned by magnitude, rare tokens lose theirs.
    Embedding,
    /// A learned token or a table of positions: a name or layer with `token` or `position` in it, or three axes and more of
    /// which at most one is longer than 1.
    Token,
    /// Inside a router: a layer's type or a part of the path has `router` in it, or a part of the path is `gate` beside
    /// another with `expert` in it.
    Router,
    /// Frozen: on a training device without a gradient.
    Frozen,
    /// Prunable, but the masks do not cover it.
    NotChosen,
}

/// A parameter that stays dense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftDense {
    /// The parameter's path in its module.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Why no mask covers it.
    pub why: Why,
}

/// Why parameters are not prunable, by id; those that are have no entry.
pub(super) fn reasons<M: Module>(module: &M) -> HashMap<ParamId, Why> {
    let mut visitor = Reasons::default();
    for entry in ParamVector::of(module).entries() {
        let path = entry.path.to_lowercase();
        let parts: Vec<&str> = path.split('.').collect();
        if let Some(place) = parts.iter().position(|part| part.contains("expert")) {
            visitor.mixtures.insert(parts[..place].join("."));
        }
    }
    module.visit(&mut visitor);
    visitor.found
}

/// The parameters that are frozen: on a training device without a gradient.
pub(crate) fn frozen<M: Module>(module: &M) -> HashSet<ParamId> {
    #[derive(Default)]
    struct Frozen(HashSet<ParamId>);
    impl ModuleVisitor for Frozen {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if is_frozen(param) {
                self.0.insert(param.id);
            }
        }
    }
    let mut visitor = Frozen::default();
    module.visit(&mut visitor);
    visitor.0
}

fn is_frozen<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    let values = param.val();
    values.is_autodiff() && !values.is_require_grad()
}

/// Layers of Burn whose `weight` is a matrix or a kernel, whatever its axes.
const LAYERS: [&str; 8] = [
    "Linear",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DeformConv2d",
];

#[derive(Default)]
struct Reasons {
    /// The path, each part with the type of the module that holds it, in lower case but for the type's own name.
    parts: Vec<(String, String)>,
    /// The paths of modules that hold experts.
    mixtures: HashSet<String>,
    found: HashMap<ParamId, Why>,
}

impl Reasons {
    fn why<const D: usize>(&self, param: &Param<Tensor<D>>) -> Option<Why> {
        let values = param.val();
        if D < 2 {
            return Some(Why::Vector);
        }
        let routes = |(name, holder): &(String, String)| {
            name.contains("router") || holder.to_lowercase().contains("router")
        };
        let gates = |(place, (name, _)): (usize, &(String, String))| {
            let before: Vec<&str> = self.parts[..place].iter().map(|p| p.0.as_str()).collect();
            name == "gate" && self.mixtures.contains(&before.join("."))
        };
        if self.parts.iter().any(routes) || self.parts.iter().enumerate().any(gates) {
            return Some(Why::Router);
        }
        if is_frozen(param) {
            return Some(Why::Frozen);
        }
        let (name, holder) = self.parts.last()?;
        if LAYERS.contains(&holder.as_str()) {
            return None;
        }
        let holder = holder.to_lowercase();
        let named = |word: &str| name.contains(word) || holder.contains(word);
        if named("embed") {
            return Some(Why::Embedding);
        }
        let axes = values.dims().iter().filter(|size| **size > 1).count();
        let token = named("token") || named("position") || (D > 2 && axes < 2);
        token.then_some(Why::Token)
    }
}

impl ModuleVisitor for Reasons {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        let holder = container_type.rsplit(':').next().unwrap_or_default();
        self.parts.push((name.to_lowercase(), holder.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.parts.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(why) = self.why(param) {
            self.found.insert(param.id, why);
        }
    }
}
