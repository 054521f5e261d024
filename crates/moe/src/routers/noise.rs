//! Random numbers of a router, from its own seed and the number of calls so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param, ParamId,
};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regimen_tensor::Part;
use regimen_tensor::checkpoint::{PartError, json};
use serde::{Deserialize, Serialize};

use super::top_k::on_host;
use crate::Result;
use crate::error::{MoeError, read};

/// A stream of random tensors that can be stopped and gone on with: the n-th depends on the seed, on the stream's own number, on the
/// device and on `n` alone.
///
/// Clones share the counts, as the clones of a module in training do. A fork on another device, as Burn makes for replicas, draws other
/// numbers by a count of its own, whichever replica comes first; replicas on one device share one count, and take its numbers in the order of
/// their calls. A router's stream is part of the module's record: its number and the largest count are saved and loaded with the weights, and
/// all replicas go on from there. As a [`Part`] of a checkpoint it keeps the count of each device.
#[derive(Debug, Clone)]
pub struct Noise {
    seed: u64,
    counts: Arc<Mutex<Counts>>,
    /// Where the record's tensor is made; a stream outside of a router has none and is in no record.
    device: Option<Device>,
    /// Where the router was made or moved to; forks elsewhere are replicas.
    home: Option<Device>,
    /// 0 at home, else a number of the fork's device.
    replica: u64,
}

/// How many tensors of a stream were drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    /// The stream's own number: streams of one seed differ by it.
    stream: u64,
    /// Of each replica that has drawn nothing yet.
    calls: u64,
    /// Of each other replica.
    drawn: BTreeMap<u64, u64>,
}

impl Counts {
    fn at(stream: u64, calls: u64) -> Self {
        Self {
            stream,
            calls,
            drawn: BTreeMap::new(),
        }
    }

    fn place(&self) -> Place {
        let drawn = self.drawn.values().copied().max();
        Place {
            stream: self.stream,
            calls: drawn.map_or(self.calls, |drawn| drawn.max(self.calls)),
        }
    }
}

/// What a [`Noise`] saves.
#[derive(Serialize, Deserialize)]
struct Saved {
    seed: u64,
    counts: Counts,
}

/// Where a stream is, for its record.
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
            counts: Arc::default(),
            device: None,
            home: None,
            replica: 0,
        }
    }

    /// The stream of a new router: its number comes from the device's generator.
    pub(super) fn of_layer(seed: u64, device: &Device) -> Result<Self> {
        let drawn = Distribution::Uniform(0.0, 65536.0);
        let drawn = Tensor::<1>::random([4], drawn, (device, DType::F32));
        let parts = read("noise", drawn)?;
        let parts = parts.into_iter().enumerate();
        let stream = parts.fold(0, |sum, (i, part)| sum | (part as u64 & 0xffff) << (16 * i));
        Ok(Self {
            device: Some(device.clone()),
            home: Some(device.clone()),
            counts: Arc::new(Mutex::new(Counts::at(stream, 0))),
            ..Self::new(seed)
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tensors were drawn; over several devices the largest count of any.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.counts().place().calls
    }

    /// Goes on after this many tensors, on every device.
    pub fn resume(&self, calls: u64) {
        let mut counts = self.counts();
        *counts = Counts::at(counts.stream, calls);
    }

    fn next(&self) -> ChaCha8Rng {
        let mut counts = self.counts();
        let spread = (counts.stream ^ self.replica).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = counts.calls;
        let calls = counts.drawn.entry(self.replica).or_insert(first);
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ spread);
        rng.set_stream(*calls);
        *calls = calls.wrapping_add(1);
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

    /// The same counts by the numbers of another replica.
    fn of_replica(self, replica: u64) -> Self {
        Self { replica, ..self }
    }
}

/// A number of a device that is the same in every run: FNV-1a of its name.
fn number(device: &Device) -> u64 {
    let name = format!("{device:?}");
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// The counts of all replicas, which share what is restored. A state of another seed is refused.
impl Part for Noise {
    fn kind(&self) -> String {
        "router noise 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&Saved {
            seed: self.seed,
            counts: self.counts().clone(),
        })
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        let Saved { seed, counts } = json::load(bytes)?;
        if seed != self.seed {
            let allowed = format!("{}, the router's", self.seed);
            return Err(MoeError::range("seed", seed, &allowed).into());
        }
        *self.counts() = counts;
        Ok(())
    }
}

fn tensor(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

/// The place as a tensor that a record takes. The tensor is made from the host's numbers whenever the module is visited.
impl Module for Noise {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        if let Some(device) = &self.device {
            let place = self.counts().place();
            visitor.visit_int(&param(place, device));
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let Some(device) = &self.device else {
            return self;
        };
        let place = self.counts().place();
        let mapped = mapper.map_int(param(place, device));
        // A record brings the identity of another place. Reading waits for the device: only where there may be something new.
        if mapped.id == place.id() && !on_host(device) {
            return self;
        }
        let parts = mapped.val().try_into_vec_as::<i64>();
        match parts.ok().and_then(|parts| Place::of_parts(&parts)) {
            Some(loaded) if loaded != place => Self {
                counts: Arc::new(Mutex::new(Counts::at(loaded.stream, loaded.calls))),
                ..self
            },
            _ => self,
        }
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn to_device(self, device: &Device) -> Self {
        let home = self.home.as_ref().map(|_| device.clone());
        Self { home, ..self }.on(|_| device.clone()).of_replica(0)
    }

    fn fork(self, device: &Device) -> Self {
        let device = device.clone();
        let home = self.home.as_ref().map(|home| home.clone().inner());
        let replica = match home {
            Some(home) if home != device.clone().inner() => number(&device.clone().inner()),
            _ => 0,
        };
        self.on(|_| device).of_replica(replica)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn draw(noise: &Noise) -> Vec<f32> {
        let drawn = noise.normal([2, 3], &Device::flex());
        drawn.try_into_vec_as::<f32>().unwrap()
    }

    /// Two replicas: whichever comes first, each draws its own numbers.
    #[test]
    fn the_noise_of_replicas_is_their_own_in_any_order() {
        let replicas = || {
            let home = Noise::new(3);
            let away = home.clone().of_replica(number(&Device::flex()));
            (home, away)
        };
        let (home, away) = replicas();
        let one = [draw(&home), draw(&home), draw(&away), draw(&away)];
        let (home, away) = replicas();
        let [third, first, fourth, second] = [draw(&away), draw(&home), draw(&away), draw(&home)];
        assert_eq!(one, [first, second, third, fourth]);
        assert!((1..4).all(|i| (0..i).all(|j| one[i] != one[j])));
        assert_eq!(home.calls(), 2);
    }

    #[test]
    fn a_part_keeps_the_count_of_each_replica_and_restores_what_is_shared() {
        let mut home = Noise::new(3);
        let away = home.clone().of_replica(7);
        let _ = (draw(&home), draw(&away), draw(&away));
        let saved = Part::save(&home).unwrap();
        let expected = [draw(&home), draw(&away)];
        Part::load(&mut home, &saved).unwrap();
        assert_eq!([draw(&home), draw(&away)], expected);
        assert!(Part::load(&mut Noise::new(4), &saved).is_err());
        assert!(Part::load(&mut home, &saved[1..]).is_err());
        let start = draw(&Noise::new(3));
        home.resume(u64::MAX);
        let _ = draw(&home);
        assert_eq!(draw(&home), start);
    }

    #[test]
    fn a_fork_on_the_same_device_is_no_other_replica() {
        let device = Device::flex().autodiff();
        let noise = Noise::of_layer(1, &device).unwrap();
        assert_eq!(noise.clone().fork(&device.clone().inner()).replica, 0);
        assert_eq!(noise.clone().fork(&device).to_device(&device).replica, 0);
        assert_ne!(number(&device), 0);
    }
}
