//! A model of characters that is trained on one domain of text after another.

use std::sync::Arc;

use anyhow::Result;
use burn::data::dataloader::DataLoader;
use burn::data::dataset::Dataset;
use burn::lr_scheduler::LrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use regimen_curriculum::text::TokenWindows;
use regimen_curriculum::{CurriculumLoader, ReplayMix, ReplayMixConfig};
use regimen_tensor::ParamVector;

use crate::data::{Text, TextBatch, WindowBatcher};
use crate::experiment::{Context, Domain};
use crate::models::CharWindow;
use crate::optim::adam;
use crate::train::{CharModel, batch_loss};

/// Windows that a choice is made by.
const CHOICE: usize = 2048;

/// How the texts become batches.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// Characters that a model sees.
    pub(crate) window: usize,
    /// Samples of a batch.
    pub(crate) batch: usize,
    /// Windows that a validation loss is the mean of.
    pub(crate) judged: usize,
    /// The share of the training text that is kept to choose by.
    pub(crate) choose: f64,
}

impl Default for Sizes {
    /// Those of `CharWindow`.
    fn default() -> Self {
        Self {
            window: 8,
            batch: 64,
            judged: 8192,
            choose: 0.0,
        }
    }
}

/// The domains of a run.
pub(crate) struct Stream {
    device: Device,
    seed: u64,
    sizes: Sizes,
    domains: Vec<Split>,
}

/// The parts of a domain: to train on, to choose by, and to judge by.
struct Split {
    train: Arc<TokenWindows<u8>>,
    choose: Option<Text>,
    judge: Text,
}

/// A model and its optimizer. A clone is a checkpoint: training goes on from either.
#[derive(Clone)]
pub(crate) struct State<M = CharWindow> {
    pub(crate) model: M,
    optim: ModuleOptimizer,
}

/// Batches of a domain, with a fraction of another in each.
pub(crate) struct Mixed {
    loader: CurriculumLoader<ReplayMix, Vec<u8>, TextBatch>,
    batcher: Arc<WindowBatcher>,
}

impl Mixed {
    /// The windows of the other domain in all batches so far.
    pub(crate) fn replayed(&self) -> usize {
        self.batcher.counted()
    }
}

impl Stream {
    /// The domains of the context: the last tenth of each is judged by, and a share of the text before it is kept to choose by.
    pub(crate) fn new(
        context: &Context,
        seed: u64,
        embedded: &[Domain],
        sizes: Sizes,
    ) -> Result<Self> {
        let Sizes { window, choose, .. } = sizes;
        let split = |text: Text| {
            let (rest, judge) = text.split(0.9);
            let (train, kept) = rest.split(1.0 - choose);
            Ok(Split {
                train: Arc::new(train.windows(window)?),
                choose: (choose > 0.0).then_some(kept),
                judge,
            })
        };
        let texts = context.domains(embedded)?.into_iter();
        Ok(Self {
            device: context.device.clone(),
            seed,
            sizes,
            domains: texts.map(split).collect::<Result<_>>()?,
        })
    }

    /// How many domains there are.
    pub(crate) fn len(&self) -> usize {
        self.domains.len()
    }

    /// An untrained model with Adam, the same for a seed.
    pub(crate) fn start<M: CharModel>(&self) -> State<M> {
        self.device.seed(self.seed);
        State {
            model: M::untrained(&self.device),
            optim: adam(0.95),
        }
    }

    /// Batches of a domain; each `part` of a run has its own.
    pub(crate) fn batches(&self, domain: usize, part: u64) -> Result<Mixed> {
        self.of(None, domain, 0.0, part)
    }

    /// Batches of a domain with a fraction of an older one in each.
    pub(crate) fn mixed(
        &self,
        (domain, old): (usize, usize),
        fraction: f64,
        part: u64,
    ) -> Result<Mixed> {
        self.of(Some(old), domain, fraction, part)
    }

    fn of(&self, old: Option<usize>, domain: usize, fraction: f64, part: u64) -> Result<Mixed> {
        let windows = |at: usize| -> Arc<dyn Dataset<Vec<u8>>> { self.domains[at].train.clone() };
        let old: Vec<_> = old.into_iter().map(windows).collect();
        let olds = old.iter().map(|windows| windows.len()).sum();
        let batcher = Arc::new(WindowBatcher::new(olds));
        let config = ReplayMixConfig::new(fraction, self.sizes.batch);
        let config = config.with_seed(1000 * self.seed + part);
        let loader = config.loader(old, windows(domain), batcher.clone(), &self.device)?;
        Ok(Mixed { loader, batcher })
    }

    /// The validation loss on a domain.
    pub(crate) fn loss(&self, model: &impl CharModel, domain: usize) -> f64 {
        let text = &self.domains[domain].judge;
        self.even_loss(model, text, self.sizes.judged)
    }

    /// The loss on the text of a domain that is kept to choose by; NaN without one.
    pub(crate) fn choice_loss(&self, model: &impl CharModel, domain: usize) -> f64 {
        let kept = self.domains[domain].choose.as_ref();
        kept.map_or(f64::NAN, |text| self.even_loss(model, text, CHOICE))
    }

    fn even_loss(&self, model: &impl CharModel, text: &Text, count: usize) -> f64 {
        let device = self.device.clone().inner();
        batch_loss(model, text.even(count, self.sizes.window, &device))
    }
}

impl<M: CharModel> State<M> {
    /// The model with an optimizer that knows nothing of the updates before.
    pub(crate) fn forgotten(self) -> Self {
        Self {
            optim: adam(0.95),
            ..self
        }
    }

    /// A step from this model's weights to another's: 0 is this, 1 the other.
    pub(crate) fn towards(&self, other: &Self, step: f64) -> Result<M> {
        let own = ParamVector::of(&self.model).scale(1.0 - step);
        let between = own.axpy(step, &ParamVector::of(&other.model))?;
        Ok(between.write_to(self.model.clone())?)
    }

    /// Trains for so many updates, over as many epochs of the batches as these take.
    pub(crate) fn trained(
        self,
        batches: &Mixed,
        updates: usize,
        rate: &mut dyn LrScheduler,
    ) -> Result<Self> {
        let Self {
            mut model,
            mut optim,
        } = self;
        let mut left = updates;
        while left > 0 {
            for batch in batches.loader.iter().take(left) {
                let lr = rate.step();
                let output = model.step(batch?);
                model = model.optimize(&mut optim, lr.into(), output.grads);
                left -= 1;
            }
        }
        Ok(Self { model, optim })
    }
}
