//! One run with all that keeps a state: every type of the libraries that implements `Part` is in its checkpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::LrScheduler;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module;
use burn::nn::{Linear as Layer, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::{
    AbilityPaced, AbilityPacedConfig, AdaptiveBatch, AdaptiveBatchConfig, BatchTest, Chosen,
    ClusterDraws, ClusterDrawsConfig, CurriculumLoader, DynamicRandom, EasyFirst, Forgetting,
    GradientStatistics, InfoBatch, InfoBatchConfig, LiveBatchSize, LrBySamples, Mixture,
    MixtureConfig, Pacing, Prioritised, ReplayMix, ReplayMixConfig, Sample, Sampler, SelfPaced,
    Seta, SetaConfig, StaticSubset, Uniform, Weighted,
};
use regimen_curriculum::{AdaptiveDifficulty, AdaptiveDifficultyConfig};
use regimen_curriculum::{AgentMixture, MixturePolicy, Trajectory};
use regimen_moe::balance::{BiasUpdate, BiasUpdateConfig, GlobalBalance, Load};
use regimen_moe::pathways::{Checkpoint as Pathways, PathwayTracker};
use regimen_moe::{
    Moe, MoeConfig, Noise, NoisyRouterConfig, Router, RouterConfig, SigmoidRouterConfig,
};
use regimen_pruning::{
    GraNetConfig, GrowthRule, Masks, Movement, MovementConfig, PerTask, PerTaskConfig, Pruner,
    RigLConfig, SetConfig, SparseTraining, TopKast, TopKastConfig,
};
use regimen_rl_rewards::recipes::learned::{OpenEs, OpenEsConfig};
use regimen_rl_rewards::{
    AdaptiveKl, BcoShift, DecodingTemperature, RunningMean, Temperature, TokenSampler,
};
use regimen_schedules::forecast::law::RunningAreas;
use regimen_schedules::{
    AdaGradNorm, Cosine, EarlySignals, EarlySignalsConfig, Feedback, Greedy, GreedyConfig,
    LearningTrace, LearningTraceConfig, Linear, LrFeedback, LrSchedule, Norm, ReduceOnPlateau,
    ReduceOnPlateauConfig,
};
use regimen_tensor::checkpoint::{Checkpoint, PartError};
use regimen_tensor::{GradientNorms, ParamVector, Part, ScalarLog};
use regimen_unlearning::methods::train::amnesiac::{Amnesiac, AmnesiacConfig};
use regimen_unlearning::methods::train::salun::{SalUn, SalUnConfig};
use regimen_unlearning::{
    Classifier, ForgetRequest, Ledger, Matching, MatchingConfig, Prepared, Trak, TrakConfig,
    Unlearn, UnlearnConfig,
};

use super::continual::Continual;
use super::towers::{Numbered, Pairs, Perceptron, Result, STEPS, Tower, loss};

/// Parts that are drawn when they are made, and stay.
pub(super) const FIXED: [&str; 1] = ["matching"];

/// More of one domain, then of the other.
struct InTurn;

impl MixturePolicy for InTurn {
    fn next(&self, run: &Trajectory) -> regimen_curriculum::Result<Vec<f64>> {
        let share = [0.75, 0.25][run.steps().len() % 2];
        Ok(vec![share, 1.0 - share])
    }
}

const POINTS: usize = 64;
const WIDTH: usize = 12;
/// Steps of one of the tasks that are learned one after another.
const TASK: u64 = 8;

#[derive(Clone, Debug)]
struct Batch {
    ids: Vec<usize>,
    pairs: Pairs,
}

/// Points of the unit square; the class is whether `a * b` is above a quarter.
struct Points;

impl Batcher<Sample<[f32; 2]>, Batch> for Points {
    fn batch(&self, samples: Vec<Sample<[f32; 2]>>, device: &Device) -> Batch {
        let points: Vec<[f32; 2]> = samples.iter().map(|sample| sample.item).collect();
        Batch {
            ids: samples.iter().map(|sample| sample.id).collect(),
            pairs: pairs(&points, device),
        }
    }
}

fn pairs(points: &[[f32; 2]], device: &Device) -> Pairs {
    let labels: Vec<i64> = points
        .iter()
        .map(|[a, b]| i64::from(a * b > 0.25))
        .collect();
    let count = points.len();
    (
        Tensor::from_data(TensorData::new(points.concat(), [count, 2]), device),
        Tensor::from_data(TensorData::new(labels, [count]), device),
    )
}

/// Two mixtures of experts, one balanced by a bias, one with noise.
#[derive(Module, Debug)]
struct Net {
    first: Layer,
    balanced: Moe,
    noisy: Moe,
    head: Layer,
}

impl Net {
    fn new(device: &Device) -> Result<Self> {
        let mixture = |router| {
            MoeConfig::new(WIDTH, 8, 4, 1)
                .with_router(router)
                .init(device)
        };
        let net = Self {
            first: LinearConfig::new(2, WIDTH).init(device),
            balanced: mixture(RouterConfig::Sigmoid(SigmoidRouterConfig::new()))?,
            noisy: mixture(RouterConfig::Noisy(NoisyRouterConfig::new()))?,
            head: LinearConfig::new(WIDTH, 2).init(device),
        };
        Ok(net.map(&mut Numbered(0)))
    }

    /// Logits, and the loads of the two mixtures.
    fn forward(&self, inputs: Tensor<2>) -> (Tensor<2>, Load, Load) {
        let [count, _] = inputs.dims();
        let hidden = relu(self.first.forward(inputs)).reshape([1, count, WIDTH]);
        let (one, first) = self.balanced.forward(hidden.clone());
        let (two, second) = self.noisy.forward(hidden.clone());
        let hidden = (hidden + one + two).reshape([count, WIDTH]);
        let logits = self.head.forward(hidden);
        (logits, Load::of(&first), Load::of(&second))
    }

    /// The stream of the noisy router, which the net shares.
    fn noise(&self) -> Result<Noise> {
        match &self.noisy.router {
            Router::Noisy(router) => Ok(router.noise().clone()),
            _ => Err("the router has no noise".into()),
        }
    }
}

/// The stream of a router's noise as a part. The model's record, which is loaded first, gives the router a stream of its own:
/// what is read is kept until the restored router can take it.
struct Stream<'a> {
    of: Noise,
    read: &'a mut Option<Vec<u8>>,
}

impl Part for Stream<'_> {
    fn kind(&self) -> String {
        self.of.kind()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        self.of.save()
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        self.of.load(bytes)?;
        *self.read = Some(bytes.to_vec());
        Ok(())
    }
}

/// All that the run keeps.
pub(super) struct Run {
    net: Net,
    optim: ModuleOptimizer,
    rate: LrFeedback<ReduceOnPlateau>,
    loader: CurriculumLoader<Seta, [f32; 2], Batch>,
    stream: Option<Vec<u8>>,
    pruner: Pruner,
    masks: Masks,
    balance: GlobalBalance,
    bias: BiasUpdate,
    pathways: PathwayTracker,
    losses: ScalarLog,
    norms: GradientNorms,
    signals: EarlySignals,
    areas: RunningAreas,
    trace: LearningTrace,
    // The sizes of the batches, and what else chooses examples.
    size: LiveBatchSize,
    sizes: AdaptiveBatch,
    infobatch: InfoBatch,
    uniform: Uniform,
    random: DynamicRandom,
    subset: StaticSubset,
    paced: AbilityPaced,
    clusters: ClusterDraws,
    chosen: Chosen,
    easy: EasyFirst,
    own: SelfPaced,
    hard: Prioritised,
    good: Weighted,
    mixed: Mixture,
    decided: AgentMixture,
    replayed: ReplayMix,
    forgotten: Forgetting,
    difficult: AdaptiveDifficulty,
    // Towers, each with what steps it and its rate.
    rigl: (Tower, Pruner, LrBySamples<Linear>),
    set: (Tower, SparseTraining, Greedy),
    tasks: (Tower, PerTask, AdaGradNorm),
    movement: (Tower, Movement, ReduceOnPlateau),
    top_kast: (Tower, TopKast, LrSchedule<Cosine>),
    // What forgets.
    ledger: Ledger,
    salun: (Tower, Unlearn, SalUn, ModuleLrScheduler),
    amnesiac: (Tower, Unlearn, Amnesiac),
    matching: (Tower, Matching),
    trak: Trak,
    // What draws tokens.
    decoding: DecodingTemperature,
    temperature: Temperature,
    sampler: TokenSampler,
    drawn: ScalarLog,
    kl: AdaptiveKl,
    search: OpenEs,
    rewards: RunningMean,
    shift: BcoShift,
    // What learns one task after another.
    continual: Continual,
}

impl Run {
    pub(super) fn new() -> Result<Self> {
        let device = Device::flex().autodiff();
        device.seed(1);
        let net = Net::new(&device)?;
        let pruner = GraNetConfig::new(0.8, STEPS)
            .with_update_every(2)
            .init(&net)?;
        let net = pruner.mask(net)?;
        let size = LiveBatchSize::new(4)?;
        let pacing = Pacing::Root {
            start: 0.3,
            epochs: STEPS,
        };
        let points = (0..POINTS).map(|i| [(i % 8) as f32 / 8.0, (i / 8) as f32 / 8.0]);
        let data = Arc::new(InMemDataset::new(points.collect()));
        let loader = CurriculumLoader::new(
            SetaConfig::new(6).with_groups(4).init(POINTS)?,
            data,
            Arc::new(Points),
            size.clone(),
            &device,
        )?;
        let plateau = || {
            ReduceOnPlateauConfig::torch()
                .with_patience(1)
                .with_factor(0.7)
        };
        let mut ids = 1000;
        let mut tower = || {
            ids += 1000;
            Tower::new(ids, &device)
        };

        let mut rigl = tower();
        let rigl_pruner = RigLConfig::new(0.7, STEPS)
            .with_update_every(3)
            .init(&rigl.model)?;
        rigl.model = rigl_pruner.mask(rigl.model)?;
        let set = tower();
        let set_config = SetConfig::new(0.6, STEPS).with_update_every(3);
        let set_masks = set_config.init(&set.model)?.masks();
        let set_training = SparseTraining::new(set_config.method()?, set_masks, 7);
        let tasks = tower();
        let per_task = PerTaskConfig::new(0.3)
            .with_update_every(2)
            .with_growth(GrowthRule::Gradient)
            .init(&tasks.model)?;
        let movement = tower();
        let moved = MovementConfig::new(0.7, STEPS)
            .with_update_every(2)
            .init(&movement.model)?;
        let mut kast = tower();
        let top_kast = TopKastConfig::new(0.3, 0.6)
            .with_update_every(3)
            .init(&kast.model)?;
        kast.model = top_kast.mask(kast.model)?;

        let forgetting = tower();
        let (forget, _) = sets(&device);
        let salun = SalUnConfig::new(2).init(&forgetting.model, forget.0)?;
        let unlearn = UnlearnConfig::new(STEPS).init()?;
        let decoding = DecodingTemperature::exploratory(1.2, 0.1)?.with_protected(0);
        Ok(Self {
            masks: pruner.masks(),
            pruner,
            net,
            optim: AdamWConfig::new().init(),
            rate: LrFeedback::scaling(Linear::new(0.02, 2 * STEPS)?, plateau().init(1.0)?),
            loader,
            stream: None,
            balance: GlobalBalance::new(),
            bias: BiasUpdateConfig::new().with_rate(0.01).init()?,
            pathways: PathwayTracker::new(),
            losses: ScalarLog::new(),
            norms: GradientNorms::new(Norm::L1),
            signals: EarlySignalsConfig::new(20, 60).init()?,
            areas: RunningAreas::new(0.9)?,
            trace: LearningTraceConfig::new().init()?,
            size,
            sizes: AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.8 }, 4, 16).init()?,
            infobatch: InfoBatchConfig::new(STEPS).init(POINTS)?,
            uniform: Uniform::new(POINTS, 1)?,
            random: DynamicRandom::new(POINTS, 0.5, 2)?,
            subset: StaticSubset::new(POINTS, 0.5, 3)?,
            easy: EasyFirst::new(&[0.5; POINTS], pacing, 4)?,
            own: SelfPaced::new(POINTS, pacing, 5)?,
            hard: Prioritised::new(POINTS, 0.5, 1.0, 6)?,
            good: Weighted::new(&[0.5; POINTS], 0.5, 7)?,
            mixed: MixtureConfig::new(vec![1.0, 2.0])
                .with_length(POINTS / 3)
                .init(&(0..POINTS).map(|id| id % 2).collect::<Vec<_>>())?,
            decided: AgentMixture::new(
                MixtureConfig::new(vec![1.0, 1.0])
                    .with_length(POINTS / 3)
                    .init(&(0..POINTS).map(|id| id % 2).collect::<Vec<_>>())?,
                vec![0.0],
                &InTurn,
            )?,
            replayed: ReplayMixConfig::new(0.25, 4).init(&[POINTS / 2], POINTS - POINTS / 2)?,
            forgotten: Forgetting::new(POINTS)?,
            paced: AbilityPacedConfig::new()
                .with_least(10)
                .init(&[0.5; POINTS])?,
            chosen: Chosen::new(POINTS, (0..POINTS / 2).collect(), 8)?,
            clusters: ClusterDrawsConfig::new(9)
                .with_fixed(false)
                .init(&(0..POINTS).map(|id| id % 4).collect::<Vec<_>>())?,
            difficult: AdaptiveDifficultyConfig::new(5).init(&[0.5; POINTS])?,
            rigl: (
                rigl,
                rigl_pruner,
                LrBySamples::new(Linear::new(0.02, 1000)?),
            ),
            set: (
                set,
                set_training,
                GreedyConfig::new().with_patience(0).init(0.01)?,
            ),
            tasks: (tasks, per_task, AdaGradNorm::new(0.01)?),
            movement: (movement, moved, plateau().init(0.02)?),
            top_kast: (kast, top_kast, LrSchedule::new(Cosine::new(0.02, STEPS)?)),
            ledger: Ledger::new(POINTS),
            salun: (
                forgetting,
                unlearn.clone(),
                salun,
                ModuleLrScheduler::new(LrSchedule::new(Linear::new(0.02, 4 * STEPS)?)),
            ),
            amnesiac: (tower(), unlearn, AmnesiacConfig::new(2).init()?),
            matching: (
                tower(),
                MatchingConfig::new()
                    .with_epochs(STEPS)
                    .with_batch_size(4)
                    .init(&[0, 1], &[2, 3, 4, 5, 6, 7])?,
            ),
            trak: TrakConfig::new()
                .with_dimensions(4)
                .with_lambda(0.1)
                .init()?,
            temperature: decoding.into(),
            sampler: TokenSampler::new(decoding),
            decoding,
            drawn: ScalarLog::new(),
            kl: AdaptiveKl::new(0.1, 6.0, 1000)?,
            search: OpenEsConfig::new().with_pairs(2).init(vec![0.5; 3], 4)?,
            rewards: RunningMean::new(0.9)?,
            shift: BcoShift::new(0.9)?,
            continual: Continual::new(100_000, &device)?,
        })
    }

    /// The list of all parts.
    pub(super) fn unit(&mut self, folder: &Path) -> Checkpoint<'_> {
        let stream = self.net.noise().map(|of| Stream {
            of,
            read: &mut self.stream,
        });
        let unit = Checkpoint::new(folder)
            .with_model(&mut self.net)
            .with_optimizer(&mut self.optim)
            .with_scheduler(&mut self.rate)
            .with("loader", &mut self.loader)
            .with("pruner", &mut self.pruner)
            .with("masks", &mut self.masks)
            .with("balance", &mut self.balance)
            .with("pathways", &mut self.pathways)
            .with("losses", &mut self.losses)
            .with("norms", &mut self.norms)
            .with("signals", &mut self.signals)
            .with("areas", &mut self.areas)
            .with("trace", &mut self.trace)
            .with("size", &mut self.size)
            .with("sizes", &mut self.sizes)
            .with("infobatch", &mut self.infobatch)
            .with("uniform", &mut self.uniform)
            .with("random", &mut self.random)
            .with("subset", &mut self.subset)
            .with("paced", &mut self.paced)
            .with("clusters", &mut self.clusters)
            .with("chosen", &mut self.chosen)
            .with("easy", &mut self.easy)
            .with("own", &mut self.own)
            .with("hard", &mut self.hard)
            .with("good", &mut self.good)
            .with("mixed", &mut self.mixed)
            .with("decided", &mut self.decided)
            .with("replayed", &mut self.replayed)
            .with("forgotten", &mut self.forgotten)
            .with("difficult", &mut self.difficult)
            .with_model_as("rigl-model", &mut self.rigl.0.model)
            .with("rigl-optimizer", &mut self.rigl.0.optim)
            .with("rigl", &mut self.rigl.1)
            .with("rigl-rate", &mut self.rigl.2)
            .with_model_as("set-model", &mut self.set.0.model)
            .with("set-optimizer", &mut self.set.0.optim)
            .with("set", &mut self.set.1)
            .with("set-rate", &mut self.set.2)
            .with_model_as("tasks-model", &mut self.tasks.0.model)
            .with("tasks-optimizer", &mut self.tasks.0.optim)
            .with("tasks", &mut self.tasks.1)
            .with("tasks-rate", &mut self.tasks.2)
            .with_model_as("movement-model", &mut self.movement.0.model)
            .with("movement-optimizer", &mut self.movement.0.optim)
            .with("movement", &mut self.movement.1)
            .with("movement-rate", &mut self.movement.2)
            .with_model_as("top-kast-model", &mut self.top_kast.0.model)
            .with("top-kast-optimizer", &mut self.top_kast.0.optim)
            .with("top-kast", &mut self.top_kast.1)
            .with("top-kast-rate", &mut self.top_kast.2)
            .with("ledger", &mut self.ledger)
            .with_model_as("salun-model", &mut self.salun.0.model)
            .with("salun-optimizer", &mut self.salun.0.optim)
            .with("salun-run", &mut self.salun.1)
            .with("salun", &mut self.salun.2)
            .with("salun-rate", &mut self.salun.3)
            .with_model_as("amnesiac-model", &mut self.amnesiac.0.model)
            .with("amnesiac-optimizer", &mut self.amnesiac.0.optim)
            .with("amnesiac-run", &mut self.amnesiac.1)
            .with("amnesiac", &mut self.amnesiac.2)
            .with_model_as("matching-model", &mut self.matching.0.model)
            .with("matching-optimizer", &mut self.matching.0.optim)
            .with("matching", &mut self.matching.1)
            .with("trak", &mut self.trak)
            .with("decoding", &mut self.decoding)
            .with("temperature", &mut self.temperature)
            .with("sampler", &mut self.sampler)
            .with("drawn", &mut self.drawn)
            .with("kl", &mut self.kl)
            .with("search", &mut self.search)
            .with("rewards", &mut self.rewards)
            .with("shift", &mut self.shift)
            .keep(1);
        let unit = self.continual.parts(unit);
        match stream {
            Ok(stream) => unit.with("noise", stream),
            Err(_) => unit,
        }
    }

    /// Goes on from the newest checkpoint; its step, 0 if there is none.
    pub(super) fn restore(&mut self, folder: &Path) -> Result<u64> {
        let step = self.unit(folder).restore()?.unwrap_or(0);
        if let Some(bytes) = self.stream.take() {
            let mut noise = self.net.noise()?;
            noise.load(&bytes).map_err(|error| error.to_string())?;
        }
        Ok(step)
    }

    /// Trains from a step to another, and calls `after` with the number of steps that are done.
    pub(super) fn train(
        &mut self,
        start: u64,
        end: u64,
        mut after: impl FnMut(&mut Self, u64) -> Result<()>,
    ) -> Result<()> {
        let (loader, replay) = (self.loader.clone(), self.continual.loader());
        let mut replayed = replay.iter();
        let mut step = start;
        while step < end {
            for batch in loader.iter() {
                self.step(step, &batch?)?;
                let points = match replayed.next() {
                    Some(points) => points?,
                    None => {
                        replayed = replay.iter();
                        replayed.next().ok_or("an epoch without a batch")??
                    }
                };
                self.continual.step(step, &points)?;
                step += 1;
                after(self, step)?;
                if step == end {
                    break;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, step: u64, batch: &Batch) -> Result<()> {
        let loss = self.main_step(step, batch)?;
        self.examples(batch, loss)?;
        self.towers(step, &batch.pairs, loss)?;
        self.forget(step)?;
        self.draw(step, batch)
    }

    /// The main network. Its loss.
    fn main_step(&mut self, step: u64, Batch { ids, pairs }: &Batch) -> Result<f64> {
        let (logits, load, noisy) = self.net.forward(pairs.0.clone());
        let losses = loss(logits, &pairs.1);
        self.loader
            .feedback()
            .observe(ids.clone(), losses.losses().detach());
        let mean = losses.mean_loss();
        self.losses.observe(mean.clone());
        self.losses.end_update(&self.net);
        let total = mean
            + self.balance.loss(&load)? * 0.01
            + regimen_moe::balance::load_balancing_loss(&noisy) * 0.01;
        let grads = GradientsParams::from_grads(total.backward(), &self.net);
        self.norms.observe(&self.net, &grads);
        let rate = self.rate.step();
        self.net = self
            .pruner
            .optimize(self.net.clone(), &mut self.optim, rate, grads);
        self.pruner.status().map_err(|error| error.to_string())?;
        self.masks = self.pruner.masks();
        // Two batches count as one for the balance, and saves come every three: some come between the two.
        if step % 2 == 1 {
            let loads = self.balance.end_step()?;
            self.net.balanced = self.bias.step(self.net.balanced.clone(), &loads)?;
        }
        let last = |values: Vec<f64>| values.last().copied().ok_or("nothing was logged");
        let (loss, norm) = (last(self.losses.values()?)?, last(self.norms.norms()?)?);
        self.rate.observe(loss);
        self.signals.observe(ids.len() as u64, norm, loss)?;
        self.areas.observe(rate)?;
        self.trace
            .observe(step as f64 + 1.0, 90.0 - 40.0 / (step as f64 + 1.0))?;
        let figures = BTreeMap::from([("norm".to_owned(), norm)]);
        self.pathways.add(Pathways {
            step,
            accuracy: loss,
            figures,
        })?;
        Ok(loss)
    }

    /// What chooses examples, and how many.
    fn examples(&mut self, Batch { ids, pairs }: &Batch, loss: f64) -> Result<()> {
        let points = pairs.0.clone().try_into_vec_as::<f32>()?;
        let gradients = points.chunks(2).map(|point| {
            let [a, b] = [f64::from(point[0]), f64::from(point[1])];
            [a * b - 0.25 - loss * 0.1, a - b]
        });
        let gradients: Vec<[f64; 2]> = gradients.collect();
        let statistics = match gradients.len() {
            0 | 1 => None,
            _ => Some(GradientStatistics::of(&gradients)?),
        };
        self.size
            .set(self.sizes.step(ids.len(), statistics.as_ref())?)?;
        let plans = [
            self.infobatch.plan(),
            self.uniform.plan(),
            self.random.plan(),
            self.subset.plan(),
            self.paced.plan(),
            self.clusters.plan(),
            self.chosen.plan(),
            self.easy.plan(),
            self.own.plan(),
            self.hard.plan(),
            self.good.plan(),
            self.mixed.plan(),
            self.decided.plan(),
            self.replayed.plan(),
            self.difficult.plan(),
        ];
        for plan in plans {
            let losses: Vec<f32> = plan.ids.iter().map(|id| *id as f32 + loss as f32).collect();
            self.infobatch.observe(&plan.ids, &losses)?;
            self.own.observe(&plan.ids, &losses)?;
            self.hard.observe(&plan.ids, &losses)?;
            let right: Vec<bool> = losses.iter().map(|loss| *loss < 9.0).collect();
            self.forgotten.observe(&plan.ids, &right)?;
            self.difficult.observe(&plan.ids, &losses)?;
        }
        self.decided.report(vec![-loss], &InTurn)?;
        self.rigl.2.advance(ids.len());
        Ok(())
    }

    fn towers(&mut self, step: u64, pairs: &Pairs, loss: f64) -> Result<()> {
        let (tower, pruner, rate) = &mut self.rigl;
        let rate = rate.step();
        tower.step(pairs, |model, optim, grads| {
            pruner.optimize(model, optim, rate, grads)
        });
        pruner.status().map_err(|error| error.to_string())?;

        let (tower, training, greedy) = &mut self.set;
        let (rate, mut failed) = (greedy.observe(loss), Ok(()));
        tower.step(pairs, |model, optim, grads| {
            let (model, done) = training.optimize(model, optim, rate, grads);
            failed = done;
            model
        });
        failed?;

        let (tower, tasks, by_norm) = &mut self.tasks;
        if step.is_multiple_of(TASK) {
            tower.model = tasks.begin(tower.model.clone(), TASK as usize)?;
            tower.optim = AdamWConfig::new().init();
        }
        let norm = ParamVector::gradients(&tower.model, &tower.gradients(pairs)).l2();
        let rate = by_norm.observe(f64::from(norm.into_scalar::<f32>()));
        tower.step(pairs, |model, optim, grads| {
            tasks.optimize(model, optim, rate, grads)
        });
        tasks.status().map_err(|error| error.to_string())?;
        if step % TASK == TASK - 1 {
            tasks.finish(&tower.model)?;
        }

        let (tower, movement, plateau) = &mut self.movement;
        let rate = plateau.observe(loss);
        tower.step(pairs, |model, optim, grads| {
            movement.optimize(model, optim, rate, grads)
        });
        movement.status().map_err(|error| error.to_string())?;

        let (tower, kast, schedule) = &mut self.top_kast;
        let rate = schedule.step();
        tower.step(pairs, |model, optim, grads| {
            kast.optimize(model, optim, rate, grads)
        });
        kast.status().map_err(|error| error.to_string())?;
        Ok(())
    }

    /// One epoch of each method of unlearning, and their records.
    fn forget(&mut self, step: u64) -> Result<()> {
        let device = Device::flex().autodiff();
        let (forget, retain) = sets(&device);
        let (tower, run, salun, rate) = &mut self.salun;
        let mut rate = rate.step().base();
        tower.model = run.epoch(
            tower.model.clone(),
            salun,
            &mut tower.optim,
            &mut rate,
            &forget,
            &retain,
        )?;
        let (tower, run, amnesiac) = &mut self.amnesiac;
        tower.model = run.epoch(
            tower.model.clone(),
            amnesiac,
            &mut tower.optim,
            &mut 0.01,
            &forget,
            &retain,
        )?;

        let (tower, matching) = &mut self.matching;
        let inputs = inputs(8, &device);
        let targets = inputs.clone();
        let start = tower.model.clone();
        tower.model = matching.epoch(
            step as usize,
            start.clone(),
            &start,
            &mut tower.optim,
            &targets,
            |model: &Perceptron, points: Tensor<1, Int>| {
                let inputs = inputs.clone().select(0, points);
                let labels = Tensor::zeros([inputs.dims()[0]], &inputs.device());
                model.logits(&(inputs, labels))
            },
        )?;
        if step % 5 == 2 {
            let example = |place: usize| {
                let inputs = inputs.clone().narrow(0, place, 1);
                (inputs, place % 2)
            };
            let logits = |model: &Perceptron, inputs: Tensor<2>| {
                let labels = Tensor::zeros([1], &inputs.device());
                model.logits(&(inputs, labels))
            };
            let (train, eval) = ((0..6).map(example), (6..8).map(example));
            self.trak.add(&tower.model, train, eval, logits)?;
            let place = step as usize;
            let request = ForgetRequest::examples(format!("step {step}"), [place, place + 1])?;
            self.ledger.add(request)?;
        }
        Ok(())
    }

    /// Tokens by the logits of the batch.
    fn draw(&mut self, step: u64, batch: &Batch) -> Result<()> {
        if step.is_multiple_of(4) {
            self.decoding = self.decoding.at_step(step as usize + 1);
            self.temperature = self.decoding.into();
            self.sampler = self.sampler.clone().with_temperature(self.decoding);
        }
        let (logits, ..) = self.net.valid().forward(batch.pairs.0.clone().inner());
        let mut rng = ChaCha8Rng::seed_from_u64(step);
        let positions: Vec<usize> = (0..batch.ids.len()).map(|row| 20 * row).collect();
        let sampled = self.sampler.sample(logits, &positions, &mut rng)?;
        self.drawn.observe(sampled.log_probs);
        self.drawn.end_update(&self.net);
        let reward = (step as f64).sin();
        self.kl.update(5.0 + reward, positions.len())?;
        self.search.update(&[[reward, 0.5], [0.0, reward]])?;
        self.rewards.next(&[reward, 0.5])?;
        self.shift.update(reward)?;
        Ok(())
    }
}

fn inputs(count: usize, device: &Device) -> Tensor<2> {
    let values = (0..2 * count).map(|i| (i as f32 * 0.7).sin());
    let data = TensorData::new(values.collect::<Vec<f32>>(), [count, 2]);
    Tensor::from_data(data, device)
}

/// What is to be forgotten, and what is not.
fn sets(device: &Device) -> (Prepared<Pairs>, Prepared<Pairs>) {
    let forget = pairs(&[[0.1, 0.9], [0.8, 0.7]], device);
    let retain = pairs(&[[0.2, 0.3], [0.9, 0.9], [0.6, 0.6]], device);
    (Prepared(vec![forget]), Prepared(vec![retain]))
}
