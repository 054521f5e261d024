//! A method of the crate for the perceptron, and the bytes that it keeps.

use anyhow::{Result, bail};
use regimen_continual::memory::MemoryConfig;
use regimen_continual::metrics::vector_bytes;
use regimen_continual::penalties::Quadratic;
use regimen_continual::{
    AGemConfig, DerConfig, DerPlusPlusConfig, ErAceConfig, ErConfig, EwcConfig, Fill, GemConfig,
    GpmConfig, GssConfig, IcarlConfig, LwfConfig, MasConfig, MirConfig, OgdConfig, OnlineEwcConfig,
    RWalkConfig, SiConfig, Strategy,
};
use regimen_tensor::{ParamVector, Part};

use super::arms::Method;
use super::setting::{BATCH, Bed, RATE};
use crate::continual::bed::{Naive, Net};

/// Examples of a task from which importances, directions and spans are taken.
pub(super) const LOOKED_AT: usize = 100;

/// A method, ready for the first task.
pub(super) struct Made {
    pub(super) strategy: Box<dyn Strategy<Net>>,
    /// The bytes that it keeps by now.
    pub(super) bytes: Box<dyn Fn() -> Result<usize>>,
    /// Importances and anchor of a method that holds weights.
    pub(super) held: Box<dyn Fn() -> Option<Quadratic>>,
}

/// The bytes of a state that holds little but numbers.
pub(super) fn state(part: &impl Part) -> Result<usize> {
    Ok(part.save().map_err(anyhow::Error::from_boxed)?.len())
}

/// A strategy whose handle says how many bytes it keeps.
fn made<S>(strategy: S, bytes: impl Fn(&S) -> Result<usize> + 'static) -> Made
where
    S: Strategy<Net> + Clone + 'static,
{
    let handle = strategy.clone();
    Made {
        strategy: Box::new(strategy),
        bytes: Box::new(move || bytes(&handle)),
        held: Box::new(|| None),
    }
}

/// The method for a network.
pub(super) fn make(method: Method, strength: f64, net: &Net, bed: &Bed) -> Result<Made> {
    let seed = bed.seed;
    let memory = MemoryConfig::reservoir(bed.memory).with_seed(seed);
    let fill = Fill::FirstEpoch;
    let per_task = per_task(bed);
    let teacher = vector_bytes(&ParamVector::of(net));
    // Vectors alone, and what is between them is small.
    macro_rules! saved {
        ($strategy:expr) => {
            made($strategy, |strategy| state(strategy))
        };
    }
    macro_rules! holding {
        ($strategy:expr) => {{
            let strategy = $strategy;
            let handle = strategy.clone();
            Made {
                held: Box::new(move || handle.held()),
                ..made(strategy, |strategy| state(strategy))
            }
        }};
    }
    macro_rules! remembered {
        ($strategy:expr) => {
            made($strategy, |strategy| Ok(strategy.memory().bytes()))
        };
        ($strategy:expr, $more:expr) => {
            made($strategy, move |strategy| {
                Ok(strategy.memory().bytes() + $more)
            })
        };
    }
    Ok(match method {
        Method::Naive => made(Naive::default(), |_| Ok(0)),
        Method::Ewc => holding!(
            EwcConfig::new(strength)
                .with_examples(LOOKED_AT)
                .with_seed(seed)
                .init(net)?
        ),
        Method::OnlineEwc => holding!(
            OnlineEwcConfig::new(strength)
                .with_examples(LOOKED_AT)
                .with_seed(seed)
                .init(net)?
        ),
        Method::Si => holding!(SiConfig::new(strength).init(net)?),
        Method::Mas => holding!(
            MasConfig::new(strength)
                .with_examples(LOOKED_AT)
                .init(net)?
        ),
        Method::RWalk => holding!(RWalkConfig::new().with_lambda(strength).init(net)?),
        Method::Lwf => saved!(LwfConfig::new().with_alpha(strength).init(net)?),
        Method::Gpm => saved!(
            GpmConfig::new()
                .with_first(strength)
                .with_others(strength)
                .with_examples(LOOKED_AT)
                .init(net)?
        ),
        Method::Ogd => saved!(
            OgdConfig::new()
                .with_examples(strength as usize)
                .init(net)?
        ),
        Method::AGem => remembered!(
            AGemConfig::new()
                .with_memory(per_task)
                .with_batch(BATCH)
                .with_seed(seed)
                .init()?
        ),
        Method::Gem => remembered!(
            GemConfig::new()
                .with_memory(per_task)
                .with_margin(strength)
                .with_seed(seed)
                .init()?
        ),
        Method::Er => remembered!(
            ErConfig::new(memory)
                .with_beta(strength)
                .with_fill(fill)
                .init(net)?
        ),
        Method::ErAce => remembered!(
            ErAceConfig::new(memory)
                .with_beta(strength)
                .with_fill(fill)
                .init(net)?
        ),
        Method::Der => remembered!(
            DerConfig::new(memory)
                .with_alpha(strength)
                .with_fill(fill)
                .init(net)?
        ),
        // Two draws of half a batch: as many gradients as one of a batch.
        Method::DerPlusPlus => remembered!(
            DerPlusPlusConfig::new(memory)
                .with_alpha(0.3)
                .with_beta(strength)
                .with_replay(Some(BATCH / 2))
                .with_fill(fill)
                .init(net)?
        ),
        Method::Mir => remembered!(
            MirConfig::new(memory, RATE)
                .with_beta(strength)
                .with_fill(fill)
                .init(net)?
        ),
        Method::Gss => remembered!(
            GssConfig::new(bed.memory)
                .with_beta(strength)
                .with_fill(fill)
                .with_seed(seed)
                .init(net)?
        ),
        Method::Icarl => remembered!(
            IcarlConfig::new(bed.memory).with_seed(seed).init(net)?,
            teacher
        ),
        other => bail!("{other:?} has a loop of its own"),
    })
}

/// What a memory with a part for each task keeps of one.
fn per_task(bed: &Bed) -> usize {
    (bed.memory / bed.parts.len()).max(1)
}

/// The gradients of single examples that a method takes, for each example of the stream.
pub(super) fn gradients(method: Method, bed: &Bed) -> f64 {
    let tasks = bed.parts.len() as f64;
    1.0 + match method {
        Method::Er
        | Method::ErAce
        | Method::Der
        | Method::DerPlusPlus
        | Method::Icarl
        | Method::Lucir => 1.0,
        // The virtual step, then those that it would harm.
        Method::Mir => 2.0,
        // Each example's own, and ten of the memory to compare with.
        Method::Gss => 1.0 + 1.0 + 10.0 / BATCH as f64,
        // None in the first task.
        Method::AGem => (tasks - 1.0) / tasks,
        // Of all earlier tasks.
        Method::Gem => per_task(bed) as f64 / BATCH as f64 * (tasks - 1.0) / 2.0,
        _ => 0.0,
    }
}

/// The gradients of single examples at the end of a task.
pub(super) fn gradients_after(method: Method, strength: f64) -> usize {
    match method {
        Method::Ewc | Method::OnlineEwc | Method::Mas => LOOKED_AT,
        Method::Ogd => strength as usize,
        _ => 0,
    }
}
