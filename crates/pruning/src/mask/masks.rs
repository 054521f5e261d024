//! # Masks
//!
//! Which weights of a model are active: one mask a parameter, plain data that saves as bits.
//!
//! Source: Liu et al., "Sparse Training via Boosting Pruning Plasticity with Neuroregeneration"
//! (arXiv 2106.10404): weights of linear layers and convolutions are masked, biases and norms never are.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ParamGroup, ParamId};
use regimen_tensor::checked::Checked;
use regimen_tensor::{ParamEntry, ParamVector, checked_serde};
use serde::{Deserialize, Serialize};

use super::Mask;
use super::density::{self, Layout};
use super::multiply::{Multiply, Tensors};
use super::prunable::{self, LeftDense, Why};
use crate::{PruningError, Result};

/// The masks of a model's weights, in module order.
///
/// Plain data; the flags that act on the weights are made on each device of the weights when they are first
/// needed and kept there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Masks {
    layers: Vec<Mask>,
    #[serde(skip)]
    tensors: Tensors,
}

impl Checked for Masks {
    type Error = PruningError;

    fn check(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(PruningError::NoWeights);
        }
        let (mut paths, mut ids) = (HashSet::new(), HashSet::new());
        for mask in &self.layers {
            mask.check()?;
            if !paths.insert(&mask.path) {
                return Err(PruningError::range("path", &mask.path, "each path once"));
            }
            if !ids.insert(mask.id) {
                let id = format!("{}, of `{}`,", mask.id.val(), mask.path);
                return Err(PruningError::range("id", id, "each id once"));
            }
        }
        Ok(())
    }
}
checked_serde!(Masks);

impl PartialEq for Masks {
    fn eq(&self, other: &Self) -> bool {
        self.layers == other.layers
    }
}

impl Masks {
    /// All prunable weights, all active: those of linear layers and of convolutions of any dimension, transposed ones too,
    /// and every other parameter of two axes and more, such as stacked experts. Left dense are
    ///
    /// - biases, norms and other parameters of fewer axes,
    /// - embeddings, tokens and tables of positions,
    /// - routers,
    /// - on a training device, frozen parameters;
    ///
    /// by the rules that [`Why`] states. [`left_dense`](Self::left_dense) lists what that is in a model, and
    /// [`dense_of`](Self::dense_of) takes other parameters.
    ///
    /// # Errors
    /// If the model has none.
    pub fn dense<M: Module>(module: &M) -> Result<Self> {
        let vector = ParamVector::of(module);
        let reasons = prunable::reasons(module);
        for entry in vector.entries().iter().filter(|e| e.shape.len() > 1) {
            if let Some(why) = reasons.get(&entry.id) {
                tracing::info!(path = entry.path, ?why, "left dense");
            }
        }
        Self::of(vector.filter(|entry| !reasons.contains_key(&entry.id)))
    }

    /// The parameters of a model that these masks leave dense, in module order, each with the reason.
    ///
    /// ```
    /// use burn::{module::Module, nn::{Embedding, EmbeddingConfig, Linear, LinearConfig}, tensor::Device};
    /// use regimen_pruning::{Masks, mask::Why};
    ///
    /// #[derive(Module, Debug)]
    /// struct Model {
    ///     tokens: Embedding,
    ///     head: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let model = Model {
    ///     tokens: EmbeddingConfig::new(50, 8).init(&device),
    ///     head: LinearConfig::new(8, 50).init(&device),
    /// };
    /// let left = Masks::dense(&model)?.left_dense(&model);
    /// let why: Vec<_> = left.iter().map(|l| (l.path.as_str(), l.why)).collect();
    /// assert_eq!(why, [("tokens.weight", Why::Embedding), ("head.bias", Why::Vector)]);
    /// # Ok::<(), regimen_pruning::PruningError>(())
    /// ```
    #[must_use]
    pub fn left_dense<M: Module>(&self, module: &M) -> Vec<LeftDense> {
        let reasons = prunable::reasons(module);
        let others = self.others(&ParamVector::of(module));
        let left = others.entries().iter().map(|entry| LeftDense {
            path: entry.path.clone(),
            shape: entry.shape.clone(),
            why: reasons.get(&entry.id).copied().unwrap_or(Why::NotChosen),
        });
        left.collect()
    }

    /// The parameters of a group that have two axes or more, all active, whatever they are: embeddings, routers and frozen
    /// ones too if the group selects them.
    ///
    /// # Errors
    /// If the group holds none.
    pub fn dense_of<M: Module>(module: &M, group: &ParamGroup) -> Result<Self> {
        let vector = ParamVector::of_group(module, group);
        Self::of(vector.filter(|entry| entry.shape.len() >= 2))
    }

    fn of(vector: ParamVector) -> Result<Self> {
        if vector.is_empty() {
            return Err(PruningError::NoWeights);
        }
        let layer = |entry: &ParamEntry| Mask {
            id: entry.id,
            path: entry.path.clone(),
            shape: entry.shape.clone(),
            active: vec![true; entry.len()],
        };
        Ok(Self {
            layers: vector.entries().iter().map(layer).collect(),
            tensors: Tensors::default(),
        })
    }

    /// Without the first layer, which stays dense.
    ///
    /// # Errors
    /// If no other layer is left.
    pub fn without_first(mut self) -> Result<Self> {
        self.layers.remove(0);
        if self.layers.is_empty() {
            return Err(PruningError::NoWeights);
        }
        Ok(self)
    }

    /// Random masks at an overall `density` in [0, 1], shared out by `layout`; exactly
    /// `floor(weights * density)` are active.
    ///
    /// # Errors
    /// If `density` is out of range.
    pub fn random(mut self, layout: Layout, density: f64, seed: u64) -> Result<Self> {
        let shapes = self.shapes();
        let counts = density::counts(&shapes, &layout.densities(&shapes, density)?);
        let sizes: Vec<usize> = self.layers.iter().map(|mask| mask.active.len()).collect();
        self.set(density::random(&sizes, &counts, seed)?)?;
        Ok(self)
    }

    /// The `floor(weights * density)` largest of the scores over all layers, ties by low index; `density` in
    /// [0, 1].
    ///
    /// # Errors
    /// If `density` is out of range, a score is not finite or their numbers differ.
    pub fn keep_top(mut self, scores: &[Vec<f32>], density: f64) -> Result<Self> {
        crate::error::fraction("density", density, true)?;
        let sizes = self.layers.iter().map(|mask| mask.active.len());
        if !sizes.clone().eq(scores.iter().map(Vec::len)) {
            let found: Vec<usize> = scores.iter().map(Vec::len).collect();
            let allowed = format!("{:?}, one score a weight", sizes.collect::<Vec<_>>());
            return Err(PruningError::range(
                "scores",
                format!("{found:?} values"),
                &allowed,
            ));
        }
        let keep = density::keep(self.total(), 1.0 - density);
        let scores: Vec<&[f32]> = scores.iter().map(Vec::as_slice).collect();
        self.set(regimen_tensor::threshold::top_k_masks(&scores, None, keep)?)?;
        Ok(self)
    }

    /// Puts other flags in place, one vector a layer.
    ///
    /// # Errors
    /// If a length differs.
    pub fn set(&mut self, active: Vec<Vec<bool>>) -> Result<()> {
        let wrong = |path: &str, expected: usize, found: usize| PruningError::Mismatch {
            path: path.to_owned(),
            expected: format!("{expected} flags"),
            found: found.to_string(),
        };
        if active.len() != self.layers.len() {
            return Err(wrong("*", self.layers.len(), active.len()));
        }
        for (layer, flags) in self.layers.iter().zip(&active) {
            if layer.active.len() != flags.len() {
                return Err(wrong(&layer.path, layer.active.len(), flags.len()));
            }
        }
        for (layer, flags) in self.layers.iter_mut().zip(active) {
            layer.active = flags;
        }
        self.tensors = Tensors::default();
        Ok(())
    }

    /// The masks, in module order.
    #[must_use]
    pub fn layers(&self) -> &[Mask] {
        &self.layers
    }

    /// The shapes of the masked weights.
    #[must_use]
    pub fn shapes(&self) -> Vec<Vec<usize>> {
        self.layers.iter().map(|mask| mask.shape.clone()).collect()
    }

    /// Number of maskable weights.
    #[must_use]
    pub fn total(&self) -> usize {
        self.layers.iter().map(|mask| mask.active.len()).sum()
    }

    /// Number of active weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.layers.iter().map(Mask::count).sum()
    }

    /// Share of active weights, over all masked layers.
    #[must_use]
    pub fn density(&self) -> f64 {
        self.count() as f64 / self.total() as f64
    }

    /// Share of weights that are off.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        1.0 - self.density()
    }

    /// Sets what is off to zero, whatever its value: one pass over each tensor, on its device.
    ///
    /// # Errors
    /// If a masked parameter is missing or has another shape; the model is then consumed unchanged.
    pub fn apply<M: Module>(&self, module: M) -> Result<M> {
        self.check(&module)?;
        Ok(self.multiply(module))
    }

    /// That the model has every masked parameter in its shape.
    ///
    /// # Errors
    /// Names the first that is missing or differs.
    pub fn check<M: Module>(&self, module: &M) -> Result<()> {
        self.weights(module).map(|_| ())
    }

    /// The masked parameters' values, in the order of the masks.
    pub(crate) fn weights<M: Module>(&self, module: &M) -> Result<ParamVector> {
        self.select(&ParamVector::of(module))
    }

    pub(crate) fn select(&self, vector: &ParamVector) -> Result<ParamVector> {
        let entries: HashMap<ParamId, &ParamEntry> =
            vector.entries().iter().map(|e| (e.id, e)).collect();
        let find = |mask: &Mask| match entries.get(&mask.id) {
            Some(entry) if entry.shape == mask.shape => Ok((*entry).clone()),
            found => Err(PruningError::Mismatch {
                path: mask.path.clone(),
                expected: format!("parameter {} of shape {:?}", mask.id.val(), mask.shape),
                found: found.map_or("no such parameter".into(), |e| format!("{:?}", e.shape)),
            }),
        };
        let found = self.layers.iter().map(find).collect::<Result<Vec<_>>>()?;
        Ok(ParamVector::from_entries(found))
    }

    /// The parameters that no mask covers, in module order.
    pub(crate) fn others(&self, vector: &ParamVector) -> ParamVector {
        let masked: HashSet<ParamId> = self.layers.iter().map(|mask| mask.id).collect();
        vector.filter(|entry| !masked.contains(&entry.id))
    }

    /// That other masks are of the same parameters, by path and shape.
    ///
    /// # Errors
    /// Names the first that differs.
    pub(crate) fn same_layers(&self, other: &Self) -> Result<()> {
        let differ = |(a, b): &(&Mask, &Mask)| a.path != b.path || a.shape != b.shape;
        let mut pairs = self.layers.iter().zip(&other.layers);
        if let Some((own, other)) = pairs.find(differ) {
            return Err(PruningError::Mismatch {
                path: other.path.clone(),
                expected: format!("`{}` {:?}", own.path, own.shape),
                found: format!("`{}` {:?}", other.path, other.shape),
            });
        }
        if self.layers.len() != other.layers.len() {
            return Err(PruningError::Mismatch {
                path: "*".into(),
                expected: format!("{} masks", self.layers.len()),
                found: other.layers.len().to_string(),
            });
        }
        Ok(())
    }

    /// Attaches the masks to a model whose parameters have other ids, by path and shape: after loading a
    /// checkpoint that keeps no ids. The masks keep their paths.
    ///
    /// Masks of a network also fit a model that holds it, where `first.weight` is `net.first.weight`, and masks of that model
    /// fit the network, if there is one place where all of them fit.
    ///
    /// # Errors
    /// [`PruningError::Mismatch`] if a path is missing or a shape differs, [`PruningError::Ambiguous`] if there are several
    /// places.
    pub fn rebind<M: Module>(mut self, module: &M) -> Result<Self> {
        let ids = super::bind::ids(&self.layers, &ParamVector::of(module))?;
        for (mask, id) in self.layers.iter_mut().zip(ids) {
            mask.id = id;
        }
        self.tensors = Tensors::default();
        Ok(self)
    }

    /// [`rebind`](Self::rebind), where the model has not the parameters that the masks name.
    pub(crate) fn bind<M: Module>(&mut self, module: &M) -> Result<()> {
        if self.check(module).is_err() {
            *self = self.clone().rebind(module)?;
        }
        Ok(())
    }

    /// The masks with the paths that their parameters have in this model.
    pub(crate) fn named_in<M: Module>(&self, module: &M) -> Result<Self> {
        let vector = self.weights(module)?;
        let mut named = self.clone();
        for (mask, entry) in named.layers.iter_mut().zip(vector.entries()) {
            mask.path.clone_from(&entry.path);
        }
        Ok(named)
    }

    /// [`Masks::apply`] for a model that was checked.
    pub(crate) fn multiply<M: Module>(&self, module: M) -> M {
        let masks = self.layers.iter().map(|mask| (mask.id, mask)).collect();
        module.map(&mut Multiply {
            masks,
            tensors: &mut self.tensors.lock(),
        })
    }
}
