//! # ParamVector
//!
//! A point or a direction in a module's parameter space, one flat tensor per parameter.
//!
//! Source: the vector-space operations that Fisher diagonals, masks and projections share.

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use super::entry::ParamEntry;
use super::walk;
use crate::error::{Result, TensorError};

/// A point or a direction in a module's parameter space.
///
/// It holds one flat tensor per float parameter, in the module's order, keyed by [`ParamId`] and
/// carrying the parameter's path and type. Running statistics, such as those of batch norm, are not parameters:
/// [`buffers`](Self::buffers) and [`state`](Self::state) give them. All arithmetic stays on the device of the parameters; nothing
/// is read back unless [`to_host`](Self::to_host) or [`save`](Self::save) is called.
///
/// Norms and inner products of half precision are taken in f32, and a vector of one float type combined with one
/// of another gives the wider of both. [`write_to`](Self::write_to) and [`into_gradients`](Self::into_gradients)
/// return to the parameter's own type.
///
/// Two vectors can be combined when they hold the same ids and shapes in the same order;
/// otherwise the operation returns [`TensorError::Mismatch`].
///
/// ```
/// use burn::{module::Module, nn::LinearConfig, tensor::Device};
/// use regimen_tensor::ParamVector;
///
/// let layer = LinearConfig::new(3, 2).init(&Device::flex());
/// let weights = ParamVector::of(&layer);
/// assert_eq!(weights.len(), 8);
///
/// // Halve every weight and write the result back.
/// let halved = weights.clone().scale(0.5);
/// let layer = halved.write_to(layer)?;
/// let difference = ParamVector::of(&layer).sub(&weights.scale(0.5))?;
/// assert_eq!(difference.l2().into_scalar::<f32>(), 0.0);
/// # Ok::<(), regimen_tensor::TensorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ParamVector {
    pub(super) entries: Vec<ParamEntry>,
}

impl ParamVector {
    /// Every float parameter of a module, frozen ones too, without its running statistics.
    #[must_use]
    pub fn of<M: Module>(module: &M) -> Self {
        Self::of_group(module, &ParamGroup::all())
    }

    /// The float parameters of a module that a group selects, by id, path or regex.
    #[must_use]
    pub fn of_group<M: Module>(module: &M, group: &ParamGroup) -> Self {
        Self::parameters(module, walk::values(module, group))
    }

    /// The running statistics of a module, such as the means and variances of batch norm; empty where it has
    /// none. Statistics that wait for their next update are settled first.
    #[must_use]
    pub fn buffers<M: Module>(module: &M) -> Self {
        let buffers = walk::buffers(module);
        Self::state(module).filter(|entry| buffers.contains(&entry.id))
    }

    /// Parameters and running statistics, in the module's order: all that a checkpoint of floats holds.
    #[must_use]
    pub fn state<M: Module>(module: &M) -> Self {
        Self {
            entries: walk::values(&module.valid(), &ParamGroup::all()),
        }
    }

    /// The gradients of a module's float parameters; zeros where a parameter has none.
    #[must_use]
    pub fn gradients<M: Module>(module: &M, grads: &GradientsParams) -> Self {
        Self::parameters(module, walk::gradients(module, grads))
    }

    fn parameters<M: Module>(module: &M, mut entries: Vec<ParamEntry>) -> Self {
        let buffers = walk::buffers(module);
        entries.retain(|entry| !buffers.contains(&entry.id));
        Self { entries }
    }

    /// A vector of these entries, in this order. Values that do not fit their entry's shape are an error where two vectors are
    /// combined or one is written to a module; [`into_gradients`](Self::into_gradients) needs values that fit.
    #[must_use]
    pub fn from_entries(entries: Vec<ParamEntry>) -> Self {
        Self { entries }
    }

    /// The same parameters, all zero.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.clone().map(|_, values| values.zeros_like())
    }

    /// The parameters for which `keep` says so.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&ParamEntry) -> bool) -> Self {
        let kept = self.entries.iter().filter(|entry| keep(entry));
        Self {
            entries: kept.cloned().collect(),
        }
    }

    /// The parameters, in the module's order.
    #[must_use]
    pub fn entries(&self) -> &[ParamEntry] {
        &self.entries
    }

    /// The parameter with this id.
    #[must_use]
    pub fn get(&self, id: ParamId) -> Option<&ParamEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// The parameter with this path.
    #[must_use]
    pub fn by_path(&self, path: &str) -> Option<&ParamEntry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// The number of scalars.
    #[must_use]
    pub fn len(&self) -> usize {
        let lengths = self.entries.iter().map(ParamEntry::len);
        lengths.fold(0, usize::saturating_add)
    }

    /// Whether the vector holds no scalar.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the values into the module's parameters of the same ids; the others stay.
    ///
    /// A parameter that required its gradient still does, as a leaf of a new graph; values are cast to its type
    /// and moved to its device. Running statistics are written in place, into all clones of the module that share
    /// them: write into an [`independent`](crate::independent) copy where that matters.
    ///
    /// # Errors
    /// [`TensorError::Mismatch`] if a parameter of the vector is not in the module or has another
    /// shape there, or its values don't fit its shape; the module is not returned half written.
    pub fn write_to<M: Module>(&self, module: M) -> Result<M> {
        let target = Self::state(&module);
        for entry in &self.entries {
            match target.get(entry.id) {
                None => return Err(mismatch(&entry.path, &entry.shape, &"no such parameter")),
                Some(own) if own.shape != entry.shape => {
                    return Err(mismatch(&entry.path, &entry.shape, &own.shape));
                }
                Some(_) if entry.values.dims() != [entry.len()] => {
                    let found = entry.values.dims();
                    return Err(mismatch(&entry.path, &entry.shape, &found));
                }
                Some(_) => {}
            }
        }
        Ok(walk::write(module, &self.entries))
    }

    /// The same values for the parameters of `like`, found by their paths: with its ids, in its order and on its devices. Parameters
    /// that `like` has not are left out.
    ///
    /// # Errors
    /// [`TensorError::Mismatch`] if a parameter of `like` is not in this vector, or has another shape here.
    pub fn rebound(&self, like: &Self) -> Result<Self> {
        let entries = like
            .entries
            .iter()
            .map(|own| match self.by_path(&own.path) {
                Some(entry) if entry.shape == own.shape => {
                    let values = entry.values.clone().to_device(&own.values.device());
                    Ok(own.with_values(values))
                }
                Some(entry) => Err(mismatch(&own.path, &own.shape, &entry.shape)),
                None => Err(mismatch(&own.path, &own.shape, &"no such parameter")),
            });
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
        })
    }

    /// The vector as gradients for [`ModuleOptimizer::step`](burn::optim::ModuleOptimizer::step).
    #[must_use]
    pub fn into_gradients(self) -> GradientsParams {
        walk::into_gradients(self.entries)
    }

    /// Reads all values, one transfer per parameter.
    ///
    /// # Errors
    /// [`TensorError::Read`] if the device fails.
    pub fn to_host(&self) -> Result<Vec<Vec<f32>>> {
        self.entries.iter().map(read).collect()
    }

    /// A vector like this one with values from the host, one `Vec` per parameter.
    ///
    /// # Errors
    /// [`TensorError::Mismatch`] if the number of parameters or a length differs.
    pub fn from_host(&self, values: Vec<Vec<f32>>) -> Result<Self> {
        if values.len() != self.entries.len() {
            let expected = format!("{} parameters", self.entries.len());
            return Err(mismatch_text("*", expected, values.len().to_string()));
        }
        let pairs = self.entries.iter().zip(values);
        let entries = pairs.map(|(entry, values)| {
            if values.len() != entry.len() {
                return Err(mismatch(&entry.path, &entry.shape, &values.len()));
            }
            let data = TensorData::new(values, [entry.len()]);
            let tensor = Tensor::from_data(data, (&entry.values.device(), entry.values.dtype()));
            Ok(entry.with_values(tensor))
        });
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
        })
    }
}

fn read(entry: &ParamEntry) -> Result<Vec<f32>> {
    let values = entry.values.clone().try_into_vec_as::<f32>();
    values.map_err(|reason| TensorError::Read {
        what: entry.path.clone(),
        reason: reason.to_string(),
    })
}

pub(super) fn mismatch(path: &str, expected: &[usize], found: &dyn std::fmt::Debug) -> TensorError {
    mismatch_text(path, format!("{expected:?}"), format!("{found:?}"))
}

pub(super) fn mismatch_text(path: &str, expected: String, found: String) -> TensorError {
    TensorError::Mismatch {
        path: path.to_owned(),
        expected,
        found,
    }
}
