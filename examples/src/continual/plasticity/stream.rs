//! Finding B: a stream of images whose labels change at random for long and are true at the end, learned from a buffer of the latest ones.

use std::collections::VecDeque;

use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::plasticity::{ReplayRatio, ReplayRatioConfig, active, probe};

use super::arms::{LOW, When};
use super::bed::{BATCH, Bed, optimizer, watched};
use super::faults::ITSELF;
use super::net::Between;
use crate::experiment::Context;

/// Adam's rate.
const RATE: f64 = 3e-3;
/// Items that the buffer holds.
const BUFFER: usize = 300;

/// Items with random labels, items from one relabelling to the next, items with true labels, and the high ratio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) unstable: usize,
    relabelled: usize,
    pub(super) stable: usize,
    pub(super) high: f64,
    /// Items from one test to the next in the stable part.
    test: usize,
}

impl Size {
    pub(super) fn of(context: &Context) -> Self {
        let size = |unstable, relabelled, stable, high, test| Self {
            unstable,
            relabelled,
            stable,
            high,
            test,
        };
        match (context.small, context.full) {
            // No multiple of the intervals that are tried: no comparison falls on the change.
            (true, _) => size(630, 100, 100, 4.0, 50),
            (_, true) => size(5930, 300, 3000, 8.0, 100),
            _ => size(1930, 200, 400, 4.0, 25),
        }
    }
}

/// What an arm gave.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Mean accuracy on the test images over the stable part, in percent; and after its end.
    pub(super) mean: f64,
    pub(super) end: f64,
    pub(super) curve: Vec<(f64, f64)>,
    pub(super) updates: usize,
    /// After how many items the ratio became high: all of them where it did not.
    pub(super) switched: usize,
    /// Active units at the end of the unstable part, of each hidden layer, in percent.
    pub(super) active: Vec<f64>,
}

/// The ratio at each item.
enum Clock {
    Rule(ReplayRatio),
    /// Two static ones, the second from an item on.
    At(usize, [ReplayRatio; 2]),
}

fn fixed(ratio: f64) -> Result<ReplayRatio> {
    let config = ReplayRatioConfig::new(u64::MAX).with_window(1);
    Ok(config.with_low(ratio).with_high(ratio).init()?)
}

impl Clock {
    fn new(when: When, size: &Size, seed: u64) -> Result<Self> {
        let items = size.unstable + size.stable;
        let at = |item| -> Result<Self> { Ok(Self::At(item, [fixed(LOW)?, fixed(size.high)?])) };
        match when {
            When::Always(ratio) => Ok(Self::At(items, [fixed(ratio)?, fixed(ratio)?])),
            When::Oracle => at(size.unstable),
            When::Anywhere => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xA11);
                at(rng.random_range(0..items))
            }
            When::Active(tau, interval) | When::Loss(tau, interval) => {
                let config = ReplayRatioConfig::new(interval as u64);
                let config = config.with_window(interval as u64 / 4).with_tau(tau);
                let config = config.with_low(LOW).with_high(size.high);
                Ok(Self::Rule(config.init()?))
            }
        }
    }

    fn step(&mut self, item: usize) -> usize {
        match self {
            Self::Rule(ratio) => ratio.step(),
            Self::At(at, [before, _]) if item < *at => before.step(),
            Self::At(_, [_, after]) => after.step(),
        }
    }
}

/// One arm.
///
/// # Errors
/// If the device fails.
pub(super) fn learn(bed: &Bed<'_>, when: When) -> Result<Found> {
    let (seed, size) = (bed.seed, Size::of(bed.context));
    let mut clock = Clock::new(when, &size, seed)?;
    let itself = bed.context.is_broken_by(ITSELF);
    let (images, classes) = (bed.train.labels.len(), bed.train.classes);
    let (mut model, mut optim) = (bed.net(Between::Relu), optimizer(0.0));
    let mut items = ChaCha8Rng::seed_from_u64(seed);
    let mut draws = ChaCha8Rng::seed_from_u64(seed ^ 0xD4A5);
    let mut buffer: VecDeque<(usize, usize)> = VecDeque::new();
    let mut labels = Vec::new();
    let (mut found, mut first) = (Found::default(), None);
    for item in 0..size.unstable + size.stable {
        let stable = item >= size.unstable;
        if !stable && item % size.relabelled == 0 {
            labels = (0..images)
                .map(|_| items.random_range(0..classes))
                .collect();
        }
        let place = items.random_range(0..images);
        let label = if stable {
            bed.train.labels[place]
        } else {
            labels[place]
        };
        if buffer.len() == BUFFER {
            buffer.pop_front();
        }
        buffer.push_back((place, label));
        for _ in 0..clock.step(item) {
            let drawn: Vec<(usize, usize)> = (0..BATCH)
                .map(|_| buffer[draws.random_range(0..buffer.len())])
                .collect();
            let (places, of): (Vec<usize>, Vec<usize>) = drawn.into_iter().unzip();
            let batch = bed.batch(&places, &of);
            let (next, shown, loss) = watched(model, &mut optim, RATE, &batch)?;
            model = next;
            found.updates += 1;
            if let Clock::Rule(ratio) = &mut clock
                && ratio.watches()
            {
                let measure = match when {
                    When::Loss(..) => loss.into_scalar::<f32>(),
                    _ => active(&shown)?.into_scalar::<f32>(),
                };
                let measure = f64::from(measure);
                let first = *first.get_or_insert(measure);
                ratio.observe(if itself { first } else { measure })?;
            }
        }
        if item + 1 == size.unstable {
            let places: Vec<usize> = (0..images.min(300)).collect();
            let batch = bed.batch(&places, &vec![0; places.len()]);
            let layers = probe(&model, &batch, 0.025)?.layers;
            found.active = layers.iter().map(|layer| 100.0 * layer.active).collect();
        }
        if stable && (item + 1 - size.unstable).is_multiple_of(size.test) {
            let point = (item + 1 - size.unstable) as f64;
            found.curve.push((point, bed.tested(&model)));
        }
    }
    let points: Vec<f64> = found.curve.iter().map(|point| point.1).collect();
    found.mean = points.iter().sum::<f64>() / points.len().max(1) as f64;
    found.end = points.last().copied().unwrap_or_default();
    let all = size.unstable + size.stable;
    found.switched = match clock {
        Clock::Rule(ratio) => ratio.switched().map_or(all, |step| step as usize),
        Clock::At(at, _) => at,
    };
    Ok(found)
}
