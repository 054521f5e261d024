//! # recycle
//!
//! Units made anew: incoming weights drawn, bias 0, norms as new, outgoing weights 0, and the optimizer's moments of all these.
//!
//! Source: Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning" (arXiv 2302.12902), section 5; the moments of biases and
//! norms are cleared too, which the released code leaves.

use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_tensor::optimizer_state::{Keep, zero_states};
use regimen_tensor::{ParamEntry, ParamVector};

use super::draw::{Draw, tensor};
use super::units::{Found, Known, Spread, Units};
use crate::{ContinualError, Result};

/// Which values of which parameters were made anew: their moments are to be cleared.
#[derive(Clone, Debug, Default)]
pub struct Renewed {
    values: Vec<(ParamId, String, Vec<bool>)>,
}

impl Renewed {
    /// Zeroes the optimizer's state of these values, the moments of Adam for one. Through the host: at decision events only.
    ///
    /// # Errors
    /// [`TensorError::StateType`](regimen_tensor::TensorError::StateType) if the state is of another type than Burn loads it in, as with half
    /// precision: it stays as it is. If the state can't be read or written.
    pub fn clear(&self, optim: &mut ModuleOptimizer) -> Result<()> {
        let keeps: Vec<Keep<'_>> = self
            .values
            .iter()
            .map(|(id, path, keep)| Keep {
                id: *id,
                path,
                keep,
            })
            .collect();
        Ok(zero_states(optim, &keeps)?)
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> usize {
        let new = |keep: &[bool]| keep.iter().filter(|keep| !**keep).count();
        self.values.iter().map(|(_, _, keep)| new(keep)).sum()
    }

    /// The values of a parameter with the flags on.
    pub(super) fn add(&mut self, entry: &ParamEntry, flags: &[bool]) {
        let known = self.values.iter_mut().find(|(id, ..)| *id == entry.id);
        match known {
            Some((_, _, keep)) => {
                let pairs = keep.iter_mut().zip(flags);
                pairs.for_each(|(keep, flag)| *keep &= !flag);
            }
            None => {
                let keep = flags.iter().map(|flag| !flag).collect();
                self.values.push((entry.id, entry.path.clone(), keep));
            }
        }
    }
}

/// Entries that change, one a parameter however often it does.
#[derive(Default)]
pub(super) struct Changed(Vec<ParamEntry>);

impl Changed {
    /// The parameter as it is by now.
    pub(super) fn now(&self, entry: &ParamEntry) -> ParamEntry {
        let changed = self.0.iter().find(|changed| changed.id == entry.id);
        changed.unwrap_or(entry).clone()
    }

    pub(super) fn set(&mut self, entry: ParamEntry) {
        match self.0.iter_mut().find(|changed| changed.id == entry.id) {
            Some(changed) => *changed = entry,
            None => self.0.push(entry),
        }
    }

    pub(super) fn write<M: Module>(self, model: M) -> Result<M> {
        Ok(ParamVector::from_entries(self.0).write_to(model)?)
    }
}

/// Makes units anew: each layer with the numbers of its units, each below the layer's size.
///
/// Incoming weights are drawn by `draw` from the seed, the bias is 0, gains and running variances of the layer's norms are 1, shifts and running
/// means 0, and the outgoing weights are 0: what the model computes changes by what the units gave, and not at all where they were dead, unless
/// a layer norm stands between the layer and its nonlinearity: it sees what every unit gets.
/// Layers of which the weight, or one that reads it, is frozen are left as they are. Running statistics are changed in all clones that share them.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, optim::AdamConfig, tensor::{Device, Tensor}};
/// use regimen_continual::plasticity::{Draw, Units, recycle};
///
/// #[derive(Module, Debug)]
/// struct Mlp {
///     hidden: Linear,
///     head: Linear,
/// }
///
/// let device = Device::flex().autodiff();
/// let model = Mlp { hidden: LinearConfig::new(4, 3).init(&device), head: LinearConfig::new(3, 2).init(&device) };
/// let units = Units::new("hidden").before("head");
/// let (model, renewed) = recycle(model, &[(units, vec![1])], Draw::default(), 7)?;
/// renewed.clear(&mut AdamConfig::new().init())?;
/// let outgoing: Vec<f32> = model.head.weight.val().into_data().to_vec()?;
/// assert_eq!(outgoing[2..4], [0.0, 0.0]);
/// assert_eq!(renewed.count(), 4 + 1 + 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If a layer is not in the model or its sizes do not fit, a unit is none of the layer's, or `draw` is out of range.
pub fn recycle<M: Module>(
    model: M,
    chosen: &[(Units, Vec<usize>)],
    draw: Draw,
    seed: u64,
) -> Result<(M, Renewed)> {
    draw.check()?;
    let known = Known::of(&model);
    let mut all = Vec::new();
    for (units, places) in chosen {
        if let Some(found) = known.find(units)? {
            all.push((flags(&found, places)?, found));
        }
    }
    let (mut changed, mut renewed) = (Changed::default(), Renewed::default());
    renew(&all, &mut changed, &mut renewed, draw, &mut rng(seed, 0));
    Ok((changed.write(model)?, renewed))
}

/// A stream of a seed.
pub(super) fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A flag for each unit.
pub(super) fn flags(found: &Found, places: &[usize]) -> Result<Vec<bool>> {
    let mut flags = vec![false; found.weight.units];
    for place in places {
        let units = flags.len();
        let Some(flag) = flags.get_mut(*place) else {
            let allowed = format!(
                "a unit of `{}`, 0 to {}",
                found.weight.entry.path,
                units - 1
            );
            return Err(ContinualError::range("unit", place, &allowed));
        };
        *flag = true;
    }
    Ok(flags)
}

/// First what comes in, of all layers; then what goes out, which stays 0.
pub(super) fn renew(
    all: &[(Vec<bool>, Found)],
    changed: &mut Changed,
    renewed: &mut Renewed,
    draw: Draw,
    rng: &mut ChaCha8Rng,
) {
    let on = |units: &[bool]| units.iter().any(|unit| *unit);
    let mut set =
        |spread: &Spread, units: &[bool], values: &mut dyn FnMut(&[bool]) -> Tensor<1>| {
            let flags = spread.flags(units);
            let now = Spread {
                entry: changed.now(&spread.entry),
                ..spread.clone()
            };
            changed.set(now.with(&flags, values(&flags)));
            renewed.add(&spread.entry, &flags);
        };
    for (units, found) in all.iter().filter(|(units, _)| on(units)) {
        let entry = &found.weight.entry;
        set(&found.weight, units, &mut |flags| {
            let values = flags.iter().map(|flag| match flag {
                true => draw.one(&entry.shape, rng),
                false => 0.0,
            });
            tensor(values.collect(), entry)
        });
        for (spreads, value) in [(&found.zeros, 0.0), (&found.ones, 1.0)] {
            for spread in spreads {
                set(spread, units, &mut |flags| {
                    tensor(vec![value; flags.len()], &spread.entry)
                });
            }
        }
    }
    for (units, found) in all.iter().filter(|(units, _)| on(units)) {
        for (next, _) in &found.next {
            set(next, units, &mut |flags| {
                tensor(vec![0.0; flags.len()], &next.entry)
            });
        }
    }
}
