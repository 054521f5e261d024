//! # SparseLinear
//!
//! A pruned linear layer in compressed row form, for inference on the host: only what is not zero is stored and
//! multiplied.
//!
//! Source: compressed sparse rows as `sprs` keeps them.

use std::sync::{Arc, OnceLock};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::nn::Linear;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compressed::Compressed;
use crate::error::read;
use crate::{PruningError, Result};

/// The zeros of an [`nn::Linear`](Linear) left out: each output's weights as pairs of input and value, of 8 bytes.
///
/// `y = x W + b` with `x` of `[.., inputs]` and `y` of `[.., outputs]`, on the host and by all threads, in single precision
/// and off the autodiff tape; `y` has the type and the device of `x`. At a batch of 1 it is bound by memory as the dense
/// product is, and moves `2 * density` of its bytes.
///
/// It is a module: a pruned model holds it in the place of its linear layer, is moved and saved with it, and serves in
/// the learner's inference. Burn loads a record into tensors of the same sizes: make the model to load into with
/// [`with_count`](Self::with_count). The layer does not learn.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use regimen_pruning::{SparseLinear, after};
///
/// let device = Device::flex();
/// let linear = LinearConfig::new(64, 10).init(&device);
/// let masks = after::magnitude(&linear, regimen_pruning::Masks::dense(&linear)?, 0.95)?;
/// let linear: Linear = masks.apply(linear)?;
///
/// let sparse = SparseLinear::new(&linear)?;
/// assert_eq!((sparse.count(), sparse.outputs()), (32, 10));
/// let x = Tensor::<2>::ones([3, 64], &device);
/// let difference = (sparse.forward(x.clone())? - linear.forward(x)).abs().max();
/// assert!(difference.into_scalar::<f32>() < 1e-5);
/// # Ok::<(), regimen_pruning::PruningError>(())
/// ```
#[derive(Module, Debug)]
pub struct SparseLinear {
    /// `[count]`, an output after the other.
    values: Param<Tensor<1>>,
    /// The input of each value, `[count]`.
    columns: Param<Tensor<1, Int>>,
    /// Where each output's values start, `[outputs + 1]`.
    starts: Param<Tensor<1, Int>>,
    bias: Option<Param<Tensor<1>>>,
    inputs: usize,
    outputs: usize,
    host: Cache,
}

impl SparseLinear {
    /// The layer's weights that are not zero, and its bias, on its device and in its type.
    ///
    /// # Errors
    /// If the device cannot be read, or the layer has more than 4 billion weights.
    pub fn new(linear: &Linear) -> Result<Self> {
        let weight = linear.weight.val().detach().inner();
        let (shape, device, dtype) = (weight.dims(), weight.device(), weight.dtype());
        let bias = linear.bias.as_ref().map(|bias| read("bias", bias.val()));
        let host = Compressed::of(&read("weight", weight)?, shape, bias.transpose()?)?;
        Ok(Self::of(host, &device, dtype))
    }

    /// A layer with `count` stored weights, all zero: to load a record into.
    ///
    /// # Errors
    /// If there are more than 2^32 - 1 weights or 2^26 inputs or outputs, or `count` exceeds the weights.
    pub fn with_count(
        inputs: usize,
        outputs: usize,
        count: usize,
        bias: bool,
        device: &Device,
    ) -> Result<Self> {
        super::compressed::check_shape(outputs, inputs)?;
        if count > inputs * outputs {
            let allowed = format!("0 to {}", inputs * outputs);
            return Err(PruningError::range("count", count, &allowed));
        }
        let place = |i: usize| {
            u32::try_from(i).map_err(|_| PruningError::range("count", i, "at most 2^32 - 1"))
        };
        let starts = (0..=outputs).map(|row| place((row * inputs).min(count)));
        let columns = (0..count).map(|i| place(i % inputs.max(1)));
        let (starts, columns) = (
            starts.collect::<Result<_>>()?,
            columns.collect::<Result<_>>()?,
        );
        let bias = bias.then(|| vec![0.0; outputs]);
        let host = Compressed::new((outputs, inputs), starts, columns, vec![0.0; count], bias)?;
        let device = device.clone().inner();
        let dtype = Tensor::<1>::zeros([1], &device).dtype();
        Ok(Self::of(host, &device, dtype))
    }

    fn of(host: Compressed, device: &Device, dtype: DType) -> Self {
        let floats = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [values.len()]);
            Param::from_tensor(Tensor::<1>::from_data(data, (device, dtype)))
        };
        let ints = |values: &[u32]| {
            let data = TensorData::new(values.to_vec(), [values.len()]).convert::<i64>();
            Param::initialized(ParamId::new(), Tensor::<1, Int>::from_data(data, device))
        };
        let (outputs, inputs) = host.weight.shape();
        Self {
            values: floats(host.weight.data()),
            columns: ints(host.weight.indices()),
            starts: ints(host.weight.indptr().raw_storage()),
            bias: host.bias.as_deref().map(floats),
            inputs,
            outputs,
            host: Cache::of(host),
        }
    }

    /// The rows on the host: read from the tensors when they were loaded or changed, and kept.
    fn host(&self) -> Result<&Compressed> {
        if let Some(host) = self.host.0.get() {
            return Ok(host);
        }
        let places = |what: &str, places: &Param<Tensor<1, Int>>| -> Result<Vec<u32>> {
            let values = places.val().try_into_vec_as::<i64>();
            let values =
                values.map_err(|reason| PruningError::Sparse(format!("{what}: {reason}")))?;
            let place = |value: &i64| u32::try_from(*value);
            let places = values
                .iter()
                .map(place)
                .collect::<std::result::Result<_, _>>();
            places.map_err(|_| {
                PruningError::Sparse(format!("{what} that are negative or above 2^32"))
            })
        };
        let bias = self.bias.as_ref().map(|bias| read("bias", bias.val()));
        let host = Compressed::new(
            (self.outputs, self.inputs),
            places("starts", &self.starts)?,
            places("columns", &self.columns)?,
            read("values", self.values.val())?,
            bias.transpose()?,
        )?;
        Ok(self.host.0.get_or_init(|| host))
    }

    /// The dense layer again, on a device and in this layer's type.
    ///
    /// # Errors
    /// If the layer's own device cannot be read, or holds no compressed rows.
    pub fn to_linear(&self, device: &Device) -> Result<Linear> {
        let options = (device, self.values.val().dtype());
        let data = TensorData::new(self.host()?.dense(), [self.inputs, self.outputs]);
        let bias = self.host()?.bias.as_ref();
        Ok(Linear {
            weight: Param::from_tensor(Tensor::from_data(data, options)),
            bias: bias.map(|bias| {
                let data = TensorData::new(bias.clone(), [self.outputs]);
                Param::from_tensor(Tensor::from_data(data, options))
            }),
        })
    }

    /// Number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of weights that are stored.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.val().dims()[0]
    }

    /// Share of weights that are stored.
    #[must_use]
    pub fn density(&self) -> f64 {
        self.count() as f64 / (self.inputs() * self.outputs()) as f64
    }

    /// Bytes of weights, indices and bias that a product reads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bias = self.bias.as_ref().map_or(0, |_| self.outputs());
        4 * (2 * self.count() + self.outputs() + 1 + bias)
    }

    /// `[.., inputs]` to `[.., outputs]`, on the device and in the type of the inputs.
    ///
    /// # Errors
    /// If the inputs' width differs, their device cannot be read or a record was loaded that holds no compressed rows.
    pub fn forward<const D: usize>(&self, inputs: Tensor<D>) -> Result<Tensor<D>> {
        let inputs = inputs.detach().inner();
        let (mut shape, device, dtype) = (inputs.dims(), inputs.device(), inputs.dtype());
        if shape[D - 1] != self.inputs() {
            return Err(PruningError::range(
                "inputs' last dimension",
                shape[D - 1],
                &self.inputs().to_string(),
            ));
        }
        shape[D - 1] = self.outputs();
        let outputs = self.apply(&read("inputs", inputs)?)?;
        Ok(Tensor::from_data(
            TensorData::new(outputs, shape),
            (&device, dtype),
        ))
    }

    /// As [`forward`](Self::forward), over slices: rows of `inputs` values to rows of `outputs` values.
    ///
    /// # Errors
    /// If the length is no multiple of the layer's inputs.
    pub fn apply(&self, inputs: &[f32]) -> Result<Vec<f32>> {
        self.host()?.apply(inputs)
    }
}

/// The same stored weights, whatever the type.
impl PartialEq for SparseLinear {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.host(), other.host()), (Ok(a), Ok(b)) if a == b)
    }
}

impl Serialize for SparseLinear {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let host = self.host().map_err(serde::ser::Error::custom)?;
        host.serialize(serializer)
    }
}

/// Onto the default device.
impl<'de> Deserialize<'de> for SparseLinear {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let host = Compressed::deserialize(deserializer)?;
        let device = Device::default();
        let dtype = Tensor::<1>::zeros([1], &device).dtype();
        Ok(Self::of(host, &device, dtype))
    }
}

/// The rows on the host. Whatever changes the tensors of the module empties it.
#[derive(Clone, Default)]
struct Cache(Arc<OnceLock<Compressed>>);

impl Cache {
    fn of(host: Compressed) -> Self {
        Self(Arc::new(OnceLock::from(host)))
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache")
    }
}

impl Module for Cache {
    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, _: &Device) -> Self {
        self
    }

    fn to_device(self, _: &Device) -> Self {
        self
    }

    fn visit<V: ModuleVisitor>(&self, _: &mut V) {}

    fn map<M: ModuleMapper>(self, _: &mut M) -> Self {
        Self::default()
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }

    fn materialize(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for Cache {
    fn content(&self, content: Content) -> Option<Content> {
        Some(content)
    }
}

impl ModuleDisplay for Cache {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::module::Param;
    use proptest::prelude::*;

    /// A layer of small integers, whose sums are exact in any order.
    fn layer(inputs: usize, outputs: usize, every: usize, bias: bool) -> Linear {
        let device = Device::flex();
        let value = |i: usize| match i % every {
            0 => ((i * 37 + 11) % 17) as f32 - 8.0,
            _ => 0.0,
        };
        let weight: Vec<f32> = (0..inputs * outputs).map(value).collect();
        let weight = Tensor::<2>::from_data(TensorData::new(weight, [inputs, outputs]), &device);
        let values: Vec<f32> = (0..outputs).map(|i| (i % 5) as f32 - 2.0).collect();
        let values = Tensor::<1>::from_data(TensorData::new(values, [outputs]), &device);
        Linear {
            weight: Param::from_tensor(weight),
            bias: bias.then(|| Param::from_tensor(values)),
        }
    }

    fn batch(batch: usize, inputs: usize) -> Tensor<2> {
        let values: Vec<f32> = (0..batch * inputs)
            .map(|i| ((i * 29 + 3) % 13) as f32 - 6.0)
            .collect();
        Tensor::from_data(TensorData::new(values, [batch, inputs]), &Device::flex())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn equals_the_dense_layer(inputs in 1_usize..90, outputs in 1_usize..150, every in 1_usize..40,
            size in 0_usize..40, bias: bool) {
            let linear = layer(inputs, outputs, every, bias);
            let sparse = SparseLinear::new(&linear).unwrap();
            let x = batch(size.max(1), inputs);
            // As numbers, since the dense product of a zero and a negative input is -0.
            let expected = linear.forward(x.clone()).try_into_vec_as::<f32>().unwrap();
            prop_assert_eq!(sparse.forward(x).unwrap().try_into_vec_as::<f32>().unwrap(), expected);
            let again = SparseLinear::new(&sparse.to_linear(&Device::flex()).unwrap()).unwrap();
            prop_assert_eq!(&again, &sparse);
            let text = serde_json::to_string(&sparse).unwrap();
            prop_assert_eq!(serde_json::from_str::<SparseLinear>(&text).unwrap(), sparse);
        }
    }

    #[test]
    fn wrong_inputs_are_refused() {
        let sparse = SparseLinear::new(&layer(6, 4, 2, true)).unwrap();
        assert!(sparse.forward(batch(2, 5)).is_err());
        assert!(sparse.apply(&[0.0; 7]).is_err());
        assert!(sparse.apply(&[]).unwrap().is_empty());
        let text = serde_json::to_string(&sparse)
            .unwrap()
            .replace("\"shape\":[4,", "\"shape\":[5,");
        assert!(serde_json::from_str::<SparseLinear>(&text).is_err());
        assert!(SparseLinear::with_count(3, 2, 7, true, &Device::flex()).is_err());
    }

    #[derive(Module, Debug)]
    struct Net {
        first: SparseLinear,
        last: Linear,
    }

    #[test]
    fn a_model_holds_it_and_saves_moves_and_loads_it() {
        let device = Device::flex();
        let net = Net {
            first: SparseLinear::new(&layer(6, 4, 3, true)).unwrap(),
            last: layer(4, 2, 1, false),
        };
        let run = |net: &Net| {
            let hidden = net
                .first
                .forward(Tensor::<3>::ones([2, 3, 6], &device))
                .unwrap();
            net.last.forward(hidden).into_data()
        };
        let expected = run(&net);
        assert_eq!(run(&net.clone().to_device(&device)), expected);
        assert_eq!(run(&net.valid()), expected);
        let bytes = net.clone().into_record().into_bytes().unwrap();
        let record = || burn::store::ModuleRecord::from_bytes(bytes.clone()).unwrap();
        let like = |count| Net {
            first: SparseLinear::with_count(6, 4, count, true, &device).unwrap(),
            last: layer(4, 2, 2, false),
        };
        let empty = like(net.first.count());
        assert_ne!(run(&empty), expected);
        let loaded = empty.load_record(record());
        assert_eq!(run(&loaded), expected);
        assert_eq!(loaded.first, net.first);
        assert!(like(1).try_load_record(record()).is_err());
    }

    #[test]
    fn other_types_are_kept() {
        for dtype in [
            burn::tensor::FloatDType::BF16,
            burn::tensor::FloatDType::F64,
        ] {
            let mut linear = layer(6, 4, 2, false);
            linear.weight = linear.weight.map(|w| w.cast(dtype));
            let sparse = SparseLinear::new(&linear).unwrap();
            let y = sparse.forward(batch(2, 6).cast(dtype)).unwrap();
            assert_eq!(y.dtype(), dtype.into());
            assert_eq!(
                y.into_data(),
                linear.forward(batch(2, 6).cast(dtype)).into_data()
            );
            assert_eq!(
                sparse
                    .to_linear(&Device::flex())
                    .unwrap()
                    .weight
                    .val()
                    .dtype(),
                dtype.into()
            );
        }
    }
}
