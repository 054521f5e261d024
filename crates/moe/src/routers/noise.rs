//! Random numbers of a router, from its own seed and the number of calls so far.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::top_k::on_host;
use crate::Result;
use crate::error::read;

/// A stream of random tensors that can be stopped and gone on with: the n-th depends on the seed, on the stream's own number and on
/// `n` alone.
///
/// Clones share the count, as the clones of a module in training do. A router's stream is part of the module's record: its number and
/// the count are saved and loaded with the weights.
#[derive(Debug, Clone)]
pub struct Noise {
    seed: u64,
    place: Arc<Mutex<Place>>,
    /// Where the record's tensor is made; a stream outside of a router has none and is in no record.
    device: Option<Device>,
}

/// Where a stream is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// The stream's own number: streams of one seed differ by it.
    stream: u64,
    calls: u64,
}

impl Place {
    /// 16 bits at a time, which every type of integer holds.
    const PARTS: usize = 8;

    fn parts(self) -> [i64; Self::PARTS] {
        let part = |i: usize| {
            let number = if i < 4 { self.stream } else { self.calls };
            ((number >> (16 * (i % 4))) & 0xffff) as i64
        };
        std::array::from_fn(part)
    }

    fn of_parts(parts: &[i64]) -> Option<Self> {
        let number = |parts: &[i64]| {
            let parts = parts.iter().enumerate();
            parts.fold(0, |sum, (i, part)| {
                sum | ((*part as u64 & 0xffff) << (16 * i))
            })
        };
        let (stream, calls) = (parts.get(..4)?, parts.get(4..Self::PARTS)?);
        Some(Self {
            stream: number(stream),
            calls: number(calls),
        })
    }

    /// Differs wherever the place does.
    fn id(self) -> ParamId {
        let spread = self.calls.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ParamId::from(self.stream ^ spread)
    }
}

impl Noise {
    /// A stream from its start, which is in no record.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            place: Arc::default(),
            device: None,
        }
    }

    /// The stream of a new router: its number comes from the device's generator.
    pub(super) fn of_layer(seed: u64, device: &Device) -> Result<Self> {
        let drawn = Distribution::Uniform(0.0, 65536.0);
        let drawn = Tensor::<1>::random([4], drawn, (device, DType::F32));
        let parts = read("noise", drawn)?;
        let parts = parts.into_iter().enumerate();
        let stream = parts.fold(0, |sum, (i, part)| sum | (part as u64 & 0xffff) << (16 * i));
        let noise = Self {
            device: Some(device.clone()),
            ..Self::new(seed)
        };
        noise.place().stream = stream;
        Ok(noise)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tensors were drawn.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.place().calls
    }

    /// Goes on after this many tensors.
    pub fn resume(&self, calls: u64) {
        self.place().calls = calls;
    }

    fn next(&self) -> ChaCha8Rng {
        let mut place = self.place();
        let spread = place.stream.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ spread);
        rng.set_stream(place.calls);
        place.calls += 1;
        rng
    }

    /// Uniform from `1 - spread` to `1 + spread`, in float32.
    pub(super) fn uniform(&self, shape: [usize; 2], spread: f64, device: &Device) -> Tensor<2> {
        let (mut rng, spread) = (self.next(), spread as f32);
        let values =
            (0..shape[0] * shape[1]).map(|_| 1.0 + spread * (2.0 * rng.random::<f32>() - 1.0));
        tensor(values.collect(), shape, device)
    }

    /// Standard normal, in float32.
    pub(super) fn normal(&self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let mut rng = self.next();
        let values = (0..shape[0] * shape[1]).map(|_| rng.sample::<f32, _>(StandardNormal));
        tensor(values.collect(), shape, device)
    }

    /// The same stream with records made on another device.
    fn on(mut self, device: impl FnOnce(&Device) -> Device) -> Self {
        self.device = self.device.as_ref().map(device);
        self
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// The place as a tensor that a record takes. The tensor is made from the host's numbers whenever the module is visited.
impl Module for Noise {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        if let Some(device) = &self.device {
            visitor.visit_int(&param(*self.place(), device));
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let Some(device) = &self.device else {
            return self;
        };
        let place = *self.place();
        let mapped = mapper.map_int(param(place, device));
        // A record brings the identity of another place. Reading waits for the device: only where there may be something new.
        if mapped.id == place.id() && !on_host(device) {
            return self;
        }
        let parts = mapped.val().try_into_vec_as::<i64>();
        match parts.ok().and_then(|parts| Place::of_parts(&parts)) {
            Some(loaded) if loaded != place => Self {
                place: Arc::new(Mutex::new(loaded)),
                ..self
            },
            _ => self,
        }
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn to_device(self, device: &Device) -> Self {
        self.on(|_| device.clone())
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone().on(|device| device.clone().inner())
    }

    fn train(self) -> Self {
        self
    }
}

fn param(place: Place, device: &Device) -> Param<Tensor<1, Int>> {
    let parts = TensorData::new(place.parts().to_vec(), [Place::PARTS]);
    Param::initialized(place.id(), Tensor::from_data(parts, device))
}

impl ModuleDisplayDefault for Noise {
    fn content(&self, content: Content) -> Option<Content> {
        content.add_formatted(&"Noise".to_owned()).optional()
    }
}

impl ModuleDisplay for Noise {}
