//! A run that stops in the middle of a task and goes on in another process: the same accuracies and weights, bit for bit.

use std::collections::BTreeSet;
use std::mem::swap;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::DataLoader;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::{Dataset, InMemDataset};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_continual::memory::{MemoryConfig, ReplayLoader, ReplayLoaderConfig};
use regimen_continual::scenario::{ClassIncremental, ClassOrder, Scenario, TaskData};
use regimen_continual::*;
use regimen_tensor::Prepared;
use regimen_tensor::checkpoint::{Checkpoint, Part, PartError, json};
use regimen_tensor::testing::{FEATURES, Reference, Residual, Transformer, VALUES};

use super::wrapped::{
    Adapted, Alone, Columns, Cosines, Dual, Fed, Gates, Headed, Prompted, Whole, Wrapped, bits,
    few, units, with_all,
};

const CLASSES: usize = 6;
const TASKS: usize = 3;
const EPOCHS: usize = 4;
const BATCH: usize = 6;
const EXAMPLES: u32 = 72;
/// Batches of an epoch: 24 examples a task.
const STEPS: usize = 4;
const RATE: f64 = 0.05;
/// Where a run stops: the task, its epoch, and the batches of it that were trained.
const STOP: (usize, usize, usize) = (1, 2, 2);

/// Rows of whole numbers: two places tell the class.
struct Rows(Vec<(Vec<f32>, usize)>);

impl Rows {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let row = |place: u32| {
            let class = place as usize % CLASSES;
            let mut row: Vec<f32> = (0..FEATURES)
                .map(|_| rng.random_range(0..VALUES) as f32)
                .collect();
            row[2 * class] = 7.0;
            row[2 * class + 1] = 0.0;
            (row, class)
        };
        Self((0..EXAMPLES).map(row).collect())
    }
}

impl Batcher<u32, Fed> for Rows {
    fn batch(&self, places: Vec<u32>, device: &Device) -> Fed {
        let rows = places.iter().map(|place| &self.0[*place as usize]);
        let inputs: Vec<f32> = rows.clone().flat_map(|(row, _)| row.clone()).collect();
        let labels: Vec<i64> = rows.map(|(_, class)| *class as i64).collect();
        let count = places.len();
        (
            Tensor::from_data(TensorData::new(inputs, [count, FEATURES]), device),
            Tensor::from_data(TensorData::new(labels, [count]), device),
        )
    }
}

type Loader = ReplayLoader<u32, Fed>;

fn class(place: &u32) -> usize {
    *place as usize % CLASSES
}

fn tasks() -> Vec<TaskData<u32>> {
    let data: Arc<dyn Dataset<u32>> = Arc::new(InMemDataset::new((0..EXAMPLES).collect()));
    let order = ClassOrder::new(CLASSES, TASKS).unwrap().shuffled(5);
    ClassIncremental::new(order).tasks(&data, class).unwrap()
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// The loader of a task; `share` of each batch is replayed.
fn loader(data: &TaskData<u32>, share: f64) -> Loader {
    let memory = MemoryConfig::reservoir(9).with_seed(4).init().unwrap();
    ReplayLoaderConfig::new(BATCH)
        .with_share(share)
        .with_task(data.task.id)
        .with_seed(data.task.id as u64)
        .init(
            data.dataset(),
            Arc::new(Rows::new()),
            &memory.into(),
            class,
            &device(),
        )
        .unwrap()
}

/// The accuracies so far: class-incremental, and under the task's mask.
#[derive(Clone, Debug, PartialEq)]
struct Measured {
    all: AccuracyMatrix,
    masked: AccuracyMatrix,
}

impl Measured {
    fn new() -> Self {
        let none = || AccuracyMatrix::new(TASKS).unwrap();
        Self {
            all: none(),
            masked: none(),
        }
    }
}

impl Part for Measured {
    fn kind(&self) -> String {
        "measured 1".into()
    }

    fn save(&self) -> std::result::Result<Vec<u8>, PartError> {
        json::save(&(&self.all, &self.masked))
    }

    fn load(&mut self, bytes: &[u8]) -> std::result::Result<(), PartError> {
        (self.all, self.masked) = json::load(bytes)?;
        Ok(())
    }
}

/// A method, with further handles on it where a run asks more of it than a strategy.
struct Made<M: Classifier> {
    strategy: Box<dyn Whole<M>>,
    refresh: Option<Refresh<Er<Fed>>>,
    pack: Option<PackNet>,
}

impl<M: Classifier> Made<M> {
    fn new(strategy: impl Whole<M> + 'static) -> Self {
        Self {
            strategy: Box::new(strategy),
            refresh: None,
            pack: None,
        }
    }
}

/// What a run leaves.
#[derive(Debug, PartialEq)]
struct Left {
    measured: Measured,
    weights: Vec<u32>,
    strategy: Vec<u8>,
}

struct Run<M: Wrapped> {
    model: M,
    optim: ModuleOptimizer,
    made: Made<M>,
    measured: Measured,
    /// Of a batch, what the loader replays.
    share: f64,
}

impl<M: Wrapped> Run<M> {
    fn new((model, made): (M, Made<M>), share: f64) -> Self {
        Self {
            model,
            optim: AdamConfig::new().init(),
            made,
            measured: Measured::new(),
            share,
        }
    }

    fn unit<'a>(&'a mut self, folder: &Path, loader: &'a mut Loader) -> Checkpoint<'a> {
        Checkpoint::new(folder)
            .with_model(&mut self.model)
            .with_optimizer(&mut self.optim)
            .with("strategy", &mut *self.made.strategy)
            .with("loader", loader)
            .with("measured", &mut self.measured)
    }

    fn step(&mut self, batch: &Fed) -> Result<()> {
        let strategy = &self.made.strategy;
        let moved = match &self.made.refresh {
            Some(refresh) => refresh.unlearn(&self.model, batch)?,
            None => self.model.clone(),
        };
        let grads = strategy.loss(&moved, batch)?.backward();
        let grads = GradientsParams::from_grads(grads, &moved);
        let model = self.model.clone();
        self.model = strategy.update(model, &mut self.optim, RATE.into(), grads.into());
        let status = strategy.status();
        status.map_err(|error| ContinualError::State(error.to_string()))
    }

    /// The share of a task's examples that are told rightly, of all classes or of the task's alone.
    fn accuracy(&self, data: &TaskData<u32>, masked: bool) -> Result<f64> {
        let batch = Rows::new().batch(places(data), &device().inner());
        let task = masked.then_some(data.task.id);
        let model = match (&self.made.pack, task) {
            (Some(pack), Some(task)) => pack.model_for(&self.model, task)?,
            _ => self.model.clone(),
        };
        let model = model.valid().shown(task);
        let logits = self.made.strategy.logits(&model, &batch)?;
        let logits = match masked {
            true => data.task.mask(logits),
            false => logits,
        };
        let told: Vec<i64> = logits.argmax(1).try_into_vec_as().unwrap();
        let right = places(data)
            .iter()
            .zip(&told)
            .filter(|(place, told)| class(place) as i64 == **told)
            .count();
        Ok(right as f64 / told.len() as f64)
    }

    fn measure(&mut self, tasks: &[TaskData<u32>], after: usize) -> Result<()> {
        for (on, data) in tasks.iter().enumerate().take(after + 1) {
            let (all, masked) = (self.accuracy(data, false)?, self.accuracy(data, true)?);
            self.measured.all.set(after, on, all)?;
            self.measured.masked.set(after, on, masked)?;
        }
        Ok(())
    }

    /// From the start, or from the middle of an epoch, to the end, or to where it stops: then the loader comes back.
    fn train(&mut self, mut going: Option<Loader>, stops: bool) -> Result<Option<Loader>> {
        let tasks = tasks();
        let (first, mut epoch) = match &going {
            Some(_) => (STOP.0, STOP.1),
            None => (0, 0),
        };
        for (id, data) in tasks.iter().enumerate().skip(first) {
            let loader = match going.take() {
                Some(loader) => loader,
                None => {
                    let model = self.model.clone();
                    self.model = self.made.strategy.before_task(model, &data.task)?;
                    loader(data, self.share)
                }
            };
            for epoch in epoch..EPOCHS {
                for (place, batch) in loader.iter().enumerate() {
                    self.step(&batch?)?;
                    if stops && (id, epoch, place + 1) == STOP {
                        return Ok(Some(loader.clone()));
                    }
                }
            }
            epoch = 0;
            let whole = Rows::new().batch(places(data), &device());
            let model = self.model.clone();
            self.model = self
                .made
                .strategy
                .after_task(model, &Prepared(vec![whole]))?;
            self.measure(&tasks, id)?;
        }
        Ok(None)
    }

    fn left(self) -> Left {
        Left {
            measured: self.measured,
            weights: bits(&self.model),
            strategy: self.made.strategy.save().unwrap(),
        }
    }
}

fn places(data: &TaskData<u32>) -> Vec<u32> {
    (0..data.data.len())
        .map(|place| data.data.get(place).unwrap())
        .collect()
}

/// What a straight run leaves, one that stopped and went on, and one that went on with a strategy made anew.
struct Outcome {
    straight: Left,
    resumed: Left,
    without: Result<Left>,
}

fn outcome<M: Wrapped>(make: impl Fn(u64) -> Result<(M, Made<M>)>, share: f64) -> Result<Outcome> {
    let mut straight = Run::new(make(1)?, share);
    straight.train(None, false)?;

    let folder = tempfile::tempdir().unwrap();
    {
        let mut run = Run::new(make(1)?, share);
        let mut loader = run.train(None, true)?.unwrap();
        run.unit(folder.path(), &mut loader).save(1).unwrap();
    }
    // Another process: other weights and ids, until the checkpoint brings its own.
    let go_on = |whole: bool| {
        let (model, made) = make(99)?;
        let mut run = Run::new((model.begin(STOP.0), made), share);
        let mut loader = loader(&tasks()[STOP.0], share);
        let mut spare = make(98)?.1.strategy;
        if !whole {
            swap(&mut run.made.strategy, &mut spare);
        }
        let restored = run.unit(folder.path(), &mut loader).restore();
        assert_eq!(restored.unwrap(), Some(1));
        if !whole {
            swap(&mut run.made.strategy, &mut spare);
        }
        run.train(Some(loader), false)?;
        Ok(run.left())
    };
    Ok(Outcome {
        straight: straight.left(),
        resumed: go_on(true)?,
        without: go_on(false),
    })
}

type Row = (&'static str, Box<dyn Fn() -> Result<Outcome>>);

fn encoder<M: Reference>(seed: u64) -> M {
    M::seeded(&device(), seed).unwrap()
}

type Net = Headed<Residual>;

/// A method on the network with batch norm.
fn on_net<S: Whole<Net> + 'static>(
    name: &'static str,
    init: impl Fn(&Net) -> Result<S> + 'static,
) -> Row {
    on_net_made(name, 0.0, move |net| Ok(Made::new(init(net)?)))
}

fn on_net_made(
    name: &'static str,
    share: f64,
    init: impl Fn(&Net) -> Result<Made<Net>> + 'static,
) -> Row {
    let make = move |seed| {
        let net = Headed::new(encoder(seed), CLASSES, &device(), seed);
        let made = init(&net)?;
        Ok((net, made))
    };
    (name, Box::new(move || outcome(&make, share)))
}

/// An architecture that keeps what it learned by itself.
fn alone<M: Wrapped>(name: &'static str, make: impl Fn(u64) -> Result<M> + 'static) -> Row {
    let make = move |seed| Ok((make(seed)?, Made::new(Alone::default())));
    (name, Box::new(move || outcome(&make, 0.0)))
}

/// Every method of the crate, and the loader of replay.
fn all() -> Vec<Row> {
    let memory = || MemoryConfig::reservoir(8).with_seed(3);
    vec![
        on_net("Ewc", |net| EwcConfig::new(50.0).with_examples(6).init(net)),
        on_net("OnlineEwc", |net| {
            let config = OnlineEwcConfig::new(50.0).with_gamma(0.9);
            config.with_examples(6).init(net)
        }),
        on_net("Si", |net| SiConfig::new(1.0).init(net)),
        on_net("Mas", |net| MasConfig::new(1.0).with_examples(6).init(net)),
        on_net("RWalk", |net| RWalkConfig::new().with_interval(3).init(net)),
        on_net("Lwf", |net| LwfConfig::new().init(net)),
        on_net("Er", move |net| ErConfig::new(memory()).init(net)),
        on_net("ErAce", move |net| ErAceConfig::new(memory()).init(net)),
        on_net("Der", move |net| DerConfig::new(memory()).init(net)),
        on_net("DerPlusPlus", move |net| {
            DerPlusPlusConfig::new(memory()).init(net)
        }),
        on_net("Mir", move |net| {
            let config = MirConfig::new(memory(), RATE).with_candidates(6);
            config.with_replay(Some(3)).init(net)
        }),
        on_net("Gss", |net| GssConfig::new(8).with_gradients(3).init(net)),
        on_net("GDumb", |net| GDumbConfig::new(8).init(net)),
        on_net("Icarl", |net| IcarlConfig::new(12).init(net)),
        on_net("GroupMask", |_| Ok(GroupMask::default())),
        on_net("SubNet", |net| SubNetConfig::new().init(net)),
        on_net("ReDo", |net| {
            let config = ReDoConfig::new(units::<Residual>()).with_tau(0.9);
            config.with_every(7).init(net)
        }),
        on_net("ContinualBackprop", |net| {
            let config = ContinualBackpropConfig::new(units::<Residual>());
            config.with_rho(0.05).with_maturity(3).init(net)
        }),
        on_net("Reset", |net| {
            ResetConfig::new(vec!["head".into()], 7).init(net)
        }),
        on_net("ShrinkPerturb", |_| ShrinkPerturbConfig::new(7).init()),
        on_net("L2Init", |net| L2InitConfig::new(0.1).init(net)),
        on_net("AGem", |_| {
            AGemConfig::new().with_memory(4).with_batch(3).init()
        }),
        on_net("Gem", |_| GemConfig::new().with_memory(4).init()),
        on_net("Ogd", |net| OgdConfig::new().with_examples(4).init(net)),
        on_net("Gpm", |net| GpmConfig::new().with_first(0.9).init(net)),
        on_net_made("PackNet", 0.0, |net| {
            let pack = PackNetConfig::new().init(net)?;
            let made = Made::new(pack.clone());
            Ok(Made {
                pack: Some(pack),
                ..made
            })
        }),
        on_net_made("Refresh", 0.0, move |net| {
            let config = RefreshConfig::new().with_form(Form::code(1e-3));
            let er = ErConfig::new(memory()).init(net)?;
            let refresh = config.with_examples(6).init(net, er)?;
            let made = Made::new(refresh.clone());
            Ok(Made {
                refresh: Some(refresh),
                ..made
            })
        }),
        on_net_made("ReplayLoader", 0.4, |_| Ok(Made::new(Alone::default()))),
        (
            "Lucir",
            Box::new(|| {
                let make = |seed| {
                    let encoder = encoder::<Residual>(seed);
                    let net = Cosines::new(encoder, CLASSES, &device(), seed)?;
                    let lucir = LucirConfig::new(12).init(&net)?;
                    Ok((net, Made::new(lucir)))
                };
                outcome(make, 0.0)
            }),
        ),
        (
            "Hat",
            Box::new(|| {
                let make = |seed| {
                    let encoder = encoder::<Residual>(seed);
                    let net = Gates::new(encoder, CLASSES, STEPS, &device(), seed)?;
                    let hat = net.hat();
                    Ok((net, Made::new(hat)))
                };
                outcome(make, 0.0)
            }),
        ),
        (
            "FewShot",
            Box::new(|| {
                let make = |seed| {
                    let base = tasks()[0].task.classes.clone();
                    let encoder = encoder::<Residual>(seed);
                    let (net, handle) = few(encoder, base, CLASSES, with_all)?;
                    Ok((net, Made::new(handle)))
                };
                outcome(make, 0.0)
            }),
        ),
        alone("Progressive", |seed| {
            Columns::new(encoder::<Residual>(seed), CLASSES, &device(), seed)
        }),
        alone("PromptPool", |seed| {
            Prompted::new(encoder::<Transformer>(seed), CLASSES, &device(), seed)
        }),
        alone("DualPrompt", |seed| {
            Dual::new(encoder::<Transformer>(seed), CLASSES, &device(), seed)
        }),
        alone("AdapterPool", |seed| {
            Adapted::new(encoder::<Transformer>(seed), CLASSES, &device(), seed)
        }),
    ]
}

/// Whose training does not depend on a strategy's state: a watcher of the stream, and what the model or the loader keeps.
const WITHOUT: [&str; 7] = [
    "AdapterPool",
    "DualPrompt",
    "GDumb",
    "GroupMask",
    "Progressive",
    "PromptPool",
    "ReplayLoader",
];

#[test]
fn stopped_in_the_middle_of_a_task_every_strategy_goes_on_bit_for_bit() {
    let mut alike = BTreeSet::new();
    for (name, outcome) in all() {
        let Outcome {
            straight,
            resumed,
            without,
        } = outcome().unwrap_or_else(|error| panic!("{name}: {error}"));
        let Measured { all, masked } = &straight.measured;
        assert!(all.get(2, 0).is_some() && masked.get(2, 2).is_some());
        assert_eq!(resumed.measured, straight.measured, "{name}");
        assert!(resumed.weights == straight.weights, "{name}: weights");
        assert!(resumed.strategy == straight.strategy, "{name}: state");
        // Else the test would say nothing of the strategy's state.
        if without.is_ok_and(|without| without.weights == straight.weights) {
            alike.insert(name);
        }
    }
    assert_eq!(alike, BTreeSet::from(WITHOUT));
}

/// The code of the crate, without comments.
fn code(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => code(&path, all),
            false => {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().map(str::trim);
                let lines = lines.filter(|line| !line.starts_with("//"));
                lines.for_each(|line| *all += &format!("{line} "));
            }
        }
    }
}

/// The names that stand behind a text.
fn behind<'a>(code: &'a str, text: &str) -> BTreeSet<&'a str> {
    let names = code.split(text).skip(1);
    let name = |rest: &'a str| {
        let end = rest.find(|c: char| !c.is_alphanumeric());
        &rest[..end.unwrap_or(rest.len())]
    };
    names.map(name).collect()
}

#[test]
fn no_method_is_missing() {
    let mut text = String::new();
    code(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    let strategies = behind(&text, "Strategy<M> for ");
    assert!(strategies.len() > 21, "{strategies:?}");
    let configs = behind(&text, "pub struct ").into_iter();
    let mut known: BTreeSet<&str> = configs
        .filter_map(|name| name.strip_suffix("Config"))
        .chain(strategies)
        .collect();
    // What a method's network is made of, what makes memories, what learns by sums alone, whose restored state `classifiers.rs` compares,
    // and what chooses classes or counts updates, which its own tests save and restore.
    for part in [
        "CosineLinear",
        "FrequencyReplay",
        "HatGate",
        "Memory",
        "NearestMean",
        "Prototypes",
        "ReplayRatio",
        "Slda",
        "WeightNormLinear",
    ] {
        assert!(known.remove(part), "{part}");
    }
    let table: BTreeSet<&str> = all().into_iter().map(|(name, _)| name).collect();
    assert_eq!(table, known);
}
