//! # optimizer_state
//!
//! An optimizer's state of a model's parameters: read, and zeroed value by value where weights are drawn anew, off or new.
//!
//! Source: Burn's `OptimizerRecord`, in which every optimizer keeps a tensor or more of the size of each parameter.

mod record;

use std::collections::HashMap;
use std::ops::Range;

use burn::module::ParamId;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_pack::{Bytes, Header, Reader, aligned_data_section_start};
use rayon::prelude::*;

use self::record::Opened;
use crate::error::{Result, TensorError};
use crate::memory::{on_host, zero_off};

/// Of one parameter, the values whose state stays.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// The parameter's id.
    pub id: ParamId,
    /// Its path, for errors.
    pub path: &'a str,
    /// A flag for each value, row-major: off, its state becomes 0.
    pub keep: &'a [bool],
}

/// Zeroes, in every state tensor that has the size of its parameter, the values whose flag is off: momenta and second moments of
/// any optimizer. Scalars, paths and other tensors stay as they are.
///
/// One pass through the optimizer's record, so through the host: call it at decision events only. The states of Burn's own
/// optimizers are read once and changed in place, and the old ones go before the new ones are loaded: at most there are two
/// copies of the state, and a third of one tensor. Those of other optimizers go through the bytes of a file, in which there
/// are up to three copies.
///
/// # Errors
/// [`TensorError::StateType`] if a state is of another float type than Burn loads it in, the default one of the default
/// device, as that of half precision weights where single precision is the default: loaded, it would no longer fit its
/// weights. The state stays as it is. [`TensorError::State`] if the record can't be read or written.
pub fn zero_states(optim: &mut ModuleOptimizer, masks: &[Keep<'_>]) -> Result<()> {
    if masks.iter().all(|mask| !has_off(mask)) {
        return Ok(());
    }
    let record = optim.to_record();
    if record.is_empty() {
        return Ok(());
    }
    match Opened::of(record) {
        Some(opened) => mask_states(optim, opened, masks),
        None => mask_bytes(optim, masks),
    }
}

/// By the states' own tensors.
fn mask_states(optim: &mut ModuleOptimizer, opened: Opened, masks: &[Keep<'_>]) -> Result<()> {
    let mut targets = Targets::new(masks);
    for state in opened.states().values() {
        for (_, data) in &state.tensors {
            targets.find(Some(state.id), data.dtype(), data.shape().num_elements());
        }
    }
    if targets.checked()? == 0 {
        return Ok(());
    }
    for state in opened.states().values_mut() {
        let zero = |(name, data): (&'static str, TensorData)| {
            let (mut bytes, shape, dtype) = data.into_parts();
            if let Some(mask) = targets.mask(Some(state.id), shape.num_elements()) {
                zero_off(&mut bytes, mask.keep, dtype.size());
            }
            (name, TensorData::from_bytes(bytes, shape, dtype))
        };
        let tensors = std::mem::take(&mut state.tensors);
        state.tensors = tensors.into_iter().map(zero).collect();
    }
    replace(optim, opened.close());
    Ok(())
}

/// The old state goes before the new one comes: never both at once.
fn replace(optim: &mut ModuleOptimizer, record: OptimizerRecord) {
    *optim = optim.clone().load_record(OptimizerRecord::default());
    *optim = optim.clone().load_record(record);
}

/// By the record's bytes, whatever the state is made of.
fn mask_bytes(optim: &mut ModuleOptimizer, masks: &[Keep<'_>]) -> Result<()> {
    let mut bytes = optim.to_record().into_bytes().map_err(failed)?;
    let places = places(&bytes, masks)?;
    if places.is_empty() {
        return Ok(());
    }
    for (mask, place, size) in places {
        zero_off(&mut bytes[place], mask.keep, size);
    }
    replace(optim, OptimizerRecord::from_bytes(bytes).map_err(failed)?);
    if on_host(&Device::default()) {
        // The tensors are views of the record's bytes, which would stay as long as one of them, beside the copy that the next
        // step makes of each: they get memory of their own.
        let own = optim.to_record();
        *optim = optim.clone().load_record(own);
    }
    Ok(())
}

fn has_off(mask: &Keep<'_>) -> bool {
    mask.keep.par_iter().any(|active| !active)
}

/// The masks that have something off, and what was found of their states.
struct Targets<'a> {
    masks: HashMap<u64, (&'a Keep<'a>, bool)>,
    loaded: DType,
    found: usize,
    other: Option<TensorError>,
}

impl<'a> Targets<'a> {
    fn new(masks: &'a [Keep<'a>]) -> Self {
        Self {
            masks: masks
                .iter()
                .map(|mask| (mask.id.val(), (mask, has_off(mask))))
                .collect(),
            loaded: Tensor::<1>::zeros([1], &Device::default()).dtype(),
            found: 0,
            other: None,
        }
    }

    /// The mask that zeroes something in a tensor of this parameter and size.
    fn mask(&self, id: Option<u64>, size: usize) -> Option<&'a Keep<'a>> {
        let (mask, off) = self.masks.get(&id?)?;
        (*off && mask.keep.len() == size).then_some(*mask)
    }

    /// As [`mask`](Self::mask), and notes the tensor's type.
    fn find(&mut self, id: Option<u64>, dtype: DType, size: usize) -> Option<&'a Keep<'a>> {
        if dtype.is_float() && dtype != self.loaded {
            let mask = id.and_then(|id| self.masks.get(&id));
            let path = mask.map_or("*", |(mask, _)| mask.path);
            self.other.get_or_insert_with(|| TensorError::StateType {
                path: path.to_owned(),
                found: format!("{dtype:?}"),
                loaded: format!("{:?}", self.loaded),
            });
        }
        let mask = self.mask(id, size)?;
        self.found += 1;
        Some(mask)
    }

    /// How many tensors are to be changed, if all that are loaded keep their type.
    fn checked(&mut self) -> Result<usize> {
        match self.other.take() {
            Some(error) if self.found > 0 => Err(error),
            _ => Ok(self.found),
        }
    }
}

/// The masks of the state tensors that have the size of their parameter, where each tensor lies in the record's bytes, and
/// the bytes of a value.
fn places<'a>(
    record: &[u8],
    masks: &'a [Keep<'a>],
) -> Result<Vec<(&'a Keep<'a>, Range<usize>, usize)>> {
    // A reader takes its bytes, and what is shared with it can't be changed in place: it gets the table of contents alone,
    // before as many bytes of nothing, which are never touched and so take no memory. Of `u128`, because `Bytes` copies
    // what is aligned less.
    let header = Header::from_bytes(record).map_err(failed)?;
    let start = aligned_data_section_start(header.metadata_size as usize).min(record.len());
    let mut table = Bytes::from_elems(vec![0_u128; record.len().div_ceil(size_of::<u128>())]);
    table[..start].copy_from_slice(&record[..start]);
    let table = table.shared();
    let tensors = Reader::from_bytes(table.clone()).and_then(Reader::into_tensors);
    let (mut places, mut targets) = (Vec::new(), Targets::new(masks));
    for tensor in tensors.map_err(failed)? {
        let (_, dtype, shape, id, view) = tensor.into_parts().map_err(failed)?;
        let Some(mask) = targets.find(id, dtype, shape.num_elements()) else {
            continue;
        };
        // The tensor is a view into the record: its place is where it starts.
        let start = view.as_ptr().addr().checked_sub(table.as_ptr().addr());
        let place = start.map(|start| start..start + view.len());
        let Some(place) = place.filter(|place| place.end <= record.len()) else {
            return Err(failed("a tensor lies outside of its record"));
        };
        places.push((mask, place, dtype.size()));
    }
    targets.checked()?;
    Ok(places)
}

/// The tensors of an optimizer's states: their names, the ids of their parameters and their values. Through the host.
///
/// # Errors
/// [`TensorError::State`] if the record can't be read.
pub fn state_tensors(optim: &ModuleOptimizer) -> Result<Vec<(String, Option<u64>, TensorData)>> {
    let record = optim.to_record();
    if record.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(opened) = Opened::of(record) {
        let states = std::mem::take(&mut *opened.states()).into_values();
        let all = states.flat_map(|state| {
            let tensors = state.tensors.into_iter();
            tensors.map(move |(name, data)| (name.to_owned(), Some(state.id), data))
        });
        return Ok(all.collect());
    }
    let bytes = optim.to_record().into_bytes().map_err(failed)?;
    let tensors = Reader::from_bytes(bytes).and_then(Reader::into_tensors);
    let part = |tensor: burn_pack::Tensor| {
        let (name, dtype, shape, id, bytes) = tensor.into_parts().map_err(failed)?;
        Ok((name, id, TensorData::from_bytes(bytes, shape, dtype)))
    };
    tensors.map_err(failed)?.into_iter().map(part).collect()
}

fn failed(error: impl std::fmt::Display) -> TensorError {
    TensorError::State(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{
        AdaGradConfig, AdafactorConfig, AdamConfig, AdamWConfig, AdanConfig, GradientsParams,
        LambConfig, LearningRate, LionConfig, MuonConfig, Optimizer, RecordState, RmsPropConfig,
        SgdConfig, StateSink, StateSource,
    };
    use burn::tensor::Distribution;

    use super::*;

    fn optimizers() -> Vec<(&'static str, ModuleOptimizer)> {
        let momentum = || Some(MomentumConfig::new());
        vec![
            ("sgd", SgdConfig::new().with_momentum(momentum()).init()),
            ("adam", AdamConfig::new().with_amsgrad(true).init()),
            ("adamw", AdamWConfig::new().init()),
            ("adan", AdanConfig::new().init()),
            ("adagrad", AdaGradConfig::new().init()),
            ("adafactor", AdafactorConfig::new().init()),
            ("lamb", LambConfig::new().init()),
            ("lion", LionConfig::new().init()),
            ("muon", MuonConfig::new().init()),
            (
                "rmsprop",
                RmsPropConfig::new()
                    .with_centered(true)
                    .with_momentum(0.9)
                    .with_weight_decay(Some(WeightDecayConfig::new(1e-2)))
                    .init(),
            ),
        ]
    }

    /// A model of matrices alone, which every optimizer takes, after some steps.
    fn trained(optim: &mut ModuleOptimizer) -> Vec<Linear> {
        let device = Device::flex().autodiff();
        let layer = |from, to| LinearConfig::new(from, to).with_bias(false).init(&device);
        let mut model: Vec<Linear> = vec![layer(6, 7), layer(7, 5)];
        for _ in 0..3 {
            let input = Tensor::<2>::random([4, 6], Distribution::Default, &device);
            let forward = |x: Tensor<2>, layer: &Linear| layer.forward(x);
            let loss = model.iter().fold(input, forward).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optim.step(1e-2, model, gradients);
        }
        model
    }

    struct Flags(ParamId, Vec<bool>);

    impl Flags {
        fn keep(&self) -> Keep<'_> {
            Keep {
                id: self.0,
                path: "weight",
                keep: &self.1,
            }
        }
    }

    /// Every third value of each weight is off.
    fn flags(model: &[Linear]) -> Vec<Flags> {
        let of = |layer: &Linear| {
            let count = layer.weight.val().shape().num_elements();
            Flags(layer.weight.id, (0..count).map(|i| i % 3 != 1).collect())
        };
        model.iter().map(of).collect()
    }

    /// All that a record holds, in the order of names.
    fn content(record: OptimizerRecord) -> String {
        let reader = Reader::from_bytes(record.into_bytes().unwrap()).unwrap();
        let (scalars, paths) = (reader.scalars().clone(), reader.metadata().clone());
        let tensors = reader.into_tensors().unwrap().into_iter();
        let tensors = tensors.map(|tensor| {
            let (name, dtype, shape, id, bytes) = tensor.into_parts().unwrap();
            format!("{name} {dtype:?} {shape:?} {id:?} {:?}", bytes.to_vec())
        });
        format!("{scalars:?} {paths:?} {:?}", tensors.collect::<Vec<_>>())
    }

    #[test]
    fn states_of_burns_optimizers_are_masked_as_the_bytes_of_their_records() {
        for (name, mut optim) in optimizers() {
            let model = trained(&mut optim);
            let flags = flags(&model);
            let masks: Vec<Keep<'_>> = flags.iter().map(Flags::keep).collect();
            let before = content(optim.to_record());
            let opened = Opened::of(optim.to_record());
            let opened = opened.unwrap_or_else(|| panic!("a state of {name} has unknown parts"));
            assert_eq!(content(opened.close()), before, "{name}");
            let (mut by_states, mut by_bytes) = (optim.clone(), optim.clone());
            let opened = Opened::of(optim.to_record()).unwrap();
            mask_states(&mut by_states, opened, &masks).unwrap();
            mask_bytes(&mut by_bytes, &masks).unwrap();
            let masked = content(by_states.to_record());
            assert_eq!(masked, content(by_bytes.to_record()), "{name}");
            // The second moments of Adafactor have other sizes than the weights.
            assert_eq!(masked == before, name == "adafactor", "{name}");
        }
    }

    /// An optimizer of a user's, with a tensor or a scalar that no optimizer of Burn has.
    #[derive(Clone)]
    struct Other<const TENSOR: bool>;

    #[derive(Clone)]
    struct OtherState<const D: usize, const TENSOR: bool>(Tensor<D>);

    impl<const D: usize, const TENSOR: bool> RecordState for OtherState<D, TENSOR> {
        fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
            let name = if TENSOR { "average" } else { "moment_1" };
            out.push_tensor(prefix, name, self.0.clone().into_data());
            if !TENSOR {
                out.push_scalar(prefix, "count", 7_usize.into());
            }
        }

        fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
            let name = if TENSOR { "average" } else { "moment_1" };
            if !TENSOR {
                src.take_scalar(prefix, "count")?;
            }
            let data = src.take_tensor(prefix, name)?;
            Some(Self(Tensor::from_data(data, device)))
        }
    }

    impl<const TENSOR: bool> Optimizer for Other<TENSOR> {
        type State<const D: usize> = OtherState<D, TENSOR>;

        fn step<const D: usize>(
            &self,
            lr: LearningRate,
            tensor: Tensor<D>,
            grad: Tensor<D>,
            _state: Option<Self::State<D>>,
        ) -> (Tensor<D>, Option<Self::State<D>>) {
            let moved = tensor - grad.clone().mul_scalar(lr);
            (moved, Some(OtherState(grad.add_scalar(1.0))))
        }

        fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
            OtherState(state.0.to_device(device))
        }
    }

    #[test]
    fn what_no_optimizer_of_burn_has_goes_through_bytes() {
        for mut optim in [
            ModuleOptimizer::from(Other::<true>),
            ModuleOptimizer::from(Other::<false>),
        ] {
            let model = trained(&mut optim);
            let flags = flags(&model);
            let masks: Vec<Keep<'_>> = flags.iter().map(Flags::keep).collect();
            assert!(Opened::of(optim.to_record()).is_none());
            zero_states(&mut optim, &masks).unwrap();
            let states = state_tensors(&optim).unwrap();
            assert_eq!(states.len(), 2);
            for (_, id, data) in states {
                let mut all = masks.iter();
                let mask = all.find(|mask| Some(mask.id.val()) == id).unwrap();
                let values = data.convert::<f32>().try_into_vec::<f32>().unwrap();
                let found: Vec<bool> = values.iter().map(|v| *v != 0.0).collect();
                assert_eq!(found, mask.keep);
            }
        }
    }
}
