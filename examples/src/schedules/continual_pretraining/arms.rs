//! The arms of a shift: what is trained, and on which data at which rate.

use anyhow::Result;
use regimen_curriculum::Replay;
use regimen_schedules::{Constant, LrSchedule, Rewarmed, Stage};

use super::choices::{Rates, TRANSFORMER, WINDOW};
use crate::experiment::{Context, Domain, Trial};
use crate::schedules::stream::{Mixed, Sizes, State, Stream};
use crate::train::CharModel;

/// The old one, two new ones (a weak and a strong shift), and a third text that is neither.
pub(super) const DOMAINS: &[Domain] = &[
    Domain::Prose,
    Domain::Verse,
    Domain::Code,
    Domain::Documentation,
];
pub(super) const OLD: usize = 0;
pub(super) const WEAK: usize = 1;
pub(super) const STRONG: usize = 2;
const THIRD: usize = 3;

pub(super) const BASE: &str = "old only";
pub(super) const COLD: &str = "not re-warmed";
pub(super) const NONE: &str = "no replay";
pub(super) const FEW: &str = "5 % replay";
pub(super) const QUARTER: &str = "25 % replay";
pub(super) const OTHER: &str = "25 % of a third text";
pub(super) const AVERAGED: &str = "averaged weights";
pub(super) const ONCE: &str = "both from scratch, one stage";
pub(super) const UNION: &str = "both from scratch, two stages";
pub(super) const SCRATCH: &str = "new from scratch";

pub(super) const TRUNCATED: &str = "truncated-fraction";
pub(super) const FROM_NEW: &str = "replay-of-the-new";
pub(super) const LEFT_OVER: &str = "left-over-counter";

/// A share of the training text that is kept to choose the average's coefficient by.
const CHOOSE: f64 = 0.05;

/// A run of one seed.
pub(super) struct Job<'a> {
    context: &'a Context,
    pub(super) stream: Stream,
    sizes: Sizes,
    rates: Rates,
    /// Of a stage.
    pub(super) updates: usize,
}

/// The losses on the old domain, on the new one, and their mean.
pub(super) type Losses = [f64; 3];

impl<'a> Job<'a> {
    /// Of the model of a window of characters.
    pub(super) fn new(context: &'a Context, seed: u64) -> Result<Self> {
        let updates = match context {
            Context { full: true, .. } => 5_000,
            Context { small: true, .. } => 150,
            _ => 500,
        };
        let sizes = Sizes {
            choose: CHOOSE,
            ..Sizes::default()
        };
        Self::of(context, seed, sizes, WINDOW, updates)
    }

    /// Of the transformer, which predicts every place of a window.
    pub(super) fn transformer(context: &'a Context, seed: u64) -> Result<Self> {
        let (updates, batch) = if context.full { (3_000, 32) } else { (150, 8) };
        let sizes = Sizes {
            window: 32,
            batch,
            judged: 256,
            choose: CHOOSE,
        };
        Self::of(context, seed, sizes, TRANSFORMER, updates)
    }

    fn of(
        context: &'a Context,
        seed: u64,
        sizes: Sizes,
        rates: Rates,
        updates: usize,
    ) -> Result<Self> {
        Ok(Self {
            context,
            stream: Stream::new(context, seed, DOMAINS, sizes)?,
            sizes,
            rates,
            updates,
        })
    }

    /// The new domains that there are: a user's folder of two texts has one shift.
    pub(super) fn shifts(&self) -> Vec<usize> {
        (WEAK..=STRONG)
            .filter(|at| *at < self.stream.len())
            .collect()
    }

    /// Whether there is a text that is neither old nor new.
    pub(super) fn has_third(&self) -> bool {
        self.stream.len() > THIRD
    }

    /// A warm-up of 1 % and a cosine over so many updates, to a share of the peak.
    fn rate(&self, share: f64, steps: usize) -> Result<LrSchedule<Rewarmed>> {
        self.warmed(share, steps, steps / 100)
    }

    pub(super) fn warmed(
        &self,
        share: f64,
        steps: usize,
        warmup: usize,
    ) -> Result<LrSchedule<Rewarmed>> {
        let peak = share * self.rates.peak;
        let stage = Stage {
            peak,
            steps,
            warmup,
        };
        Ok(LrSchedule::new(Rewarmed::new(self.rates.end, vec![stage])?))
    }

    /// Trains on the old domain.
    pub(super) fn first<M: CharModel>(&self) -> Result<State<M>> {
        let batches = self.stream.batches(OLD, 0)?;
        let start = self.stream.start();
        start.trained(&batches, self.updates, &mut self.rate(1.0, self.updates)?)
    }

    /// Goes on with a new domain, with a fraction of the old one in each batch, re-warmed to a share of the peak; also says how
    /// many old samples there were.
    pub(super) fn replayed<M: CharModel>(
        &self,
        base: &State<M>,
        new: usize,
        fraction: f64,
        share: f64,
    ) -> Result<(State<M>, usize)> {
        // Whole samples of a batch of 16.
        let used = if self.context.is_broken_by(TRUNCATED) {
            (16.0 * fraction).floor() / 16.0
        } else {
            fraction
        };
        let old = if self.context.is_broken_by(FROM_NEW) {
            new
        } else {
            OLD
        };
        let batches = self.stream.mixed((new, old), used, 1)?;
        let base = base.clone();
        let state = if self.context.is_broken_by(LEFT_OVER) {
            // After all its steps a schedule stays at its end.
            base.trained(&batches, self.updates, &mut self.cold()?)?
        } else {
            base.trained(&batches, self.updates, &mut self.rate(share, self.updates)?)?
        };
        Ok((state, batches.replayed()))
    }

    fn cold(&self) -> Result<LrSchedule<Constant>> {
        Ok(LrSchedule::new(Constant::new(self.rates.end)?))
    }

    /// Goes on at the least rate, without replay.
    pub(super) fn not_rewarmed(&self, base: &State, new: usize) -> Result<State> {
        let batches = self.stream.mixed((new, OLD), 0.0, 1)?;
        base.clone()
            .trained(&batches, self.updates, &mut self.cold()?)
    }

    /// As replay, but of a text that is neither the old nor the new one.
    pub(super) fn third(
        &self,
        base: &State,
        new: usize,
        fraction: f64,
        share: f64,
    ) -> Result<State> {
        let batches = self.stream.mixed((new, THIRD), fraction, 1)?;
        let mut rate = self.rate(share, self.updates)?;
        base.clone().trained(&batches, self.updates, &mut rate)
    }

    /// Half old, half new, from scratch over so many stages' updates.
    pub(super) fn union<M: CharModel>(
        &self,
        new: usize,
        stages: usize,
        share: f64,
    ) -> Result<State<M>> {
        let batches = self.stream.mixed((new, OLD), 0.5, 1)?;
        self.scratch(&batches, stages, share)
    }

    /// From scratch over so many stages' updates.
    pub(super) fn scratch<M: CharModel>(
        &self,
        batches: &Mixed,
        stages: usize,
        share: f64,
    ) -> Result<State<M>> {
        let updates = stages * self.updates;
        let start = self.stream.start();
        start.trained(batches, updates, &mut self.rate(share, updates)?)
    }

    /// The weights between two models, at that tenth of the way that is best on text kept to choose by.
    pub(super) fn averaged<M: CharModel>(
        &self,
        base: &State<M>,
        adapted: &State<M>,
        new: usize,
    ) -> Result<(f64, M)> {
        let mut best: Option<(f64, f64, M)> = None;
        for tenth in 0..=10 {
            let step = f64::from(tenth) / 10.0;
            let model = base.towards(adapted, step)?;
            let of = |domain| self.stream.choice_loss(&model, domain);
            let loss = of(OLD) + of(new);
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, step, model));
            }
        }
        let (_, step, model) = best.unwrap_or_else(|| (f64::NAN, 1.0, adapted.model.clone()));
        Ok((step, model))
    }

    pub(super) fn losses(&self, model: &impl CharModel, new: usize) -> Losses {
        let [old, new] = [OLD, new].map(|domain| self.stream.loss(model, domain));
        [old, new, f64::midpoint(old, new)]
    }

    /// Notes the losses of an arm of a shift.
    pub(super) fn record(&self, trial: &mut Trial, arm: &str, model: &impl CharModel, new: usize) {
        let (arm, losses) = (named(arm, new), self.losses(model, new));
        for (metric, loss) in ["old domain", "new domain", "main"].into_iter().zip(losses) {
            trial.record(&arm, metric, loss);
        }
    }

    /// The old samples that a fraction makes in a stage.
    pub(super) fn budget(&self, fraction: f64) -> Result<usize> {
        Ok(Replay::new(fraction, self.sizes.batch)?.old_in(self.updates))
    }
}

/// An arm's name after the shift to a domain.
pub(super) fn named(arm: &str, new: usize) -> String {
    let shift = if new == STRONG { "strong" } else { "weak" };
    format!("{shift} shift: {arm}")
}
