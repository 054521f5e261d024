//! Steps of continual learning beside those of Avalanche and of Mammoth, in turns.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use criterion::Criterion;
use regimen_continual::memory::MemoryConfig;
use regimen_continual::penalties::Fisher;
use regimen_continual::{
    AGemConfig, DerPlusPlusConfig, ErConfig, EwcConfig, LwfConfig, OnlineEwcConfig, SiConfig,
    plain_loss,
};
use regimen_examples::models::CnnConfig;
use regimen_tensor::{ParamVector, Prepared};

use crate::continual::{BATCH, Batch, Boxed, Model, SIDE, batch, optimizer, step, step_at};
use crate::peer::{Pair, Peer, is_wanted, median, quantile};

/// Examples in the memory while times are taken.
const KEPT: usize = 500;
const ROUNDS: usize = 15;
/// Rate of the steps whose results are compared: high, so that methods differ.
const HIGH: f64 = 0.3;
/// Difference of results, over how far they went, that counts as the same.
const SAME: f64 = 1e-3;

/// A method by its name here, the peers that have it, and those whose definition is the same, so that results are compared.
struct Row {
    name: &'static str,
    peers: &'static [&'static str],
    compared: &'static [&'static str],
}

const BOTH: &[&str] = &["avalanche", "mammoth"];
const MAMMOTH: &[&str] = &["mammoth"];

/// Avalanche takes EWC's importances of mini-batches, and SI's of the penalised gradient, cut; its DER++ draws once and keeps logits of the
/// end of a task.
const ROWS: [Row; 7] = [
    Row {
        name: "plain",
        peers: BOTH,
        compared: BOTH,
    },
    Row {
        name: "Ewc",
        peers: BOTH,
        compared: MAMMOTH,
    },
    Row {
        name: "Si",
        peers: BOTH,
        compared: MAMMOTH,
    },
    Row {
        name: "Lwf",
        peers: BOTH,
        compared: BOTH,
    },
    Row {
        name: "Er",
        peers: BOTH,
        compared: BOTH,
    },
    Row {
        name: "DerPlusPlus",
        peers: BOTH,
        compared: MAMMOTH,
    },
    Row {
        name: "AGem",
        peers: BOTH,
        compared: BOTH,
    },
];

/// A method with a memory of this size.
fn strategy(name: &str, model: &Model, kept: usize, online: bool) -> Option<Boxed> {
    let memory = || MemoryConfig::reservoir(kept);
    Some(match name {
        // Mammoth's `e_lambda` and Avalanche's `ewc_lambda` are half of ours; Mammoth's is the online one.
        "Ewc" if online => Box::new(
            OnlineEwcConfig::new(100.0)
                .with_fisher(Fisher::Weighted)
                .init(model)
                .unwrap(),
        ),
        "Ewc" => Box::new(EwcConfig::new(100.0).init(model).unwrap()),
        "Si" => Box::new(SiConfig::new(0.1).with_clip(Some(1.0)).init(model).unwrap()),
        "Lwf" => Box::new(LwfConfig::new().init(model).unwrap()),
        "Er" => Box::new(
            ErConfig::new(memory())
                .with_joined(true)
                .init(model)
                .unwrap(),
        ),
        "DerPlusPlus" => Box::new(DerPlusPlusConfig::new(memory()).init(model).unwrap()),
        "AGem" => Box::new(
            AGemConfig::new()
                .with_memory(kept)
                .with_batch(BATCH)
                .init::<Batch>()
                .unwrap(),
        ),
        _ => return None,
    })
}

/// The network and the batches of both tasks, which the peer reads.
struct Case {
    model: Model,
    tasks: [Batch; 2],
    folder: PathBuf,
}

impl Case {
    fn new(device: &Device) -> Self {
        device.seed(0);
        let model = Model {
            inner: CnnConfig::new(SIDE, 10).init(device),
        };
        let tasks = [(); 2].map(|()| {
            let (_, labels) = batch(device);
            let images = Tensor::random([BATCH, SIDE * SIDE], Distribution::Default, device);
            (images, labels)
        });
        let folder = std::env::temp_dir().join(format!("continual-peer-{}", std::process::id()));
        let case = Self {
            model,
            tasks,
            folder,
        };
        case.write();
        case
    }

    /// Weights in the layers' order, a linear layer's as PyTorch has it; images and labels of one task after the other.
    fn write(&self) {
        let mut weights = Vec::new();
        for entry in ParamVector::of(&self.model).entries() {
            let flat: Vec<f32> = entry.values.clone().inner().try_into_vec_as().unwrap();
            match entry.shape[..] {
                [inputs, outputs] => weights.extend(
                    (0..outputs)
                        .flat_map(|o| (0..inputs).map(move |i| (o, i)))
                        .map(|(o, i)| flat[i * outputs + o]),
                ),
                _ => weights.extend(flat),
            }
        }
        let images = self
            .tasks
            .iter()
            .flat_map(|(images, _)| images.clone().inner().try_into_vec_as::<f32>().unwrap());
        let labels = self
            .tasks
            .iter()
            .flat_map(|(_, labels)| labels.clone().inner().try_into_vec_as::<i64>().unwrap());
        std::fs::create_dir_all(&self.folder).unwrap();
        let write =
            |name: &str, bytes: Vec<u8>| std::fs::write(self.folder.join(name), bytes).unwrap();
        write(
            "weights",
            weights.iter().flat_map(|x| x.to_le_bytes()).collect(),
        );
        write("images", images.flat_map(f32::to_le_bytes).collect());
        write("labels", labels.flat_map(i64::to_le_bytes).collect());
    }

    /// A step on the first task, its end, and steps on the second: the losses of both tasks then.
    fn result(&self, name: &str, online: bool, steps: usize) -> [f64; 2] {
        let strategy = strategy(name, &self.model, BATCH, online);
        let (mut model, mut optim) = (self.model.clone(), optimizer());
        let [first, second] = &self.tasks;
        model = step_at(HIGH, strategy.as_deref(), model, &mut optim, first);
        if let Some(strategy) = &strategy {
            model = strategy
                .after_task(model, &Prepared(vec![first.clone()]))
                .unwrap();
        }
        for _ in 0..steps {
            model = step_at(HIGH, strategy.as_deref(), model, &mut optim, second);
        }
        self.losses(&model)
    }

    fn losses(&self, model: &Model) -> [f64; 2] {
        let loss = |batch| f64::from(plain_loss(model, batch).into_scalar::<f32>());
        self.tasks.each_ref().map(loss)
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Takes turns with both libraries at this machine's number of threads: results first, then the times of a step in the second task.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    if !is_wanted("continual-peer") {
        return;
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/.venv/mammoth");
    let mammoth: PathBuf = std::env::var_os("MAMMOTH").map_or(own, Into::into);
    let has_mammoth = mammoth.is_dir();
    if !has_mammoth {
        println!("{}: no checkout of Mammoth", mammoth.display());
    }
    let arguments = has_mammoth.then_some(mammoth.as_os_str());
    let Some(mut peer) = Peer::start_with("continual", arguments.as_slice()) else {
        println!("continual: no peers to compare with; `benches/peers/setup.sh` installs them");
        return;
    };
    let case = Case::new(&Device::default().autodiff());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    peer.ask(&format!("case {}", case.folder.display()));
    peer.ask(&format!("threads {threads}"));
    let is_there = |library: &&str| has_mammoth || *library != "mammoth";
    let rows = ROWS
        .iter()
        .map(|row| (row, row.peers.iter().copied().filter(is_there).collect()));
    let rows: Vec<(&Row, Vec<&str>)> = rows.collect();
    for (row, libraries) in &rows {
        results(&case, row, libraries, &mut peer);
    }
    println!("milliseconds of a step, median and quartiles of {ROUNDS} turns, {threads} threads");
    for (row, libraries) in &rows {
        times(&case, row, libraries, &mut peer);
    }
}

fn results(case: &Case, row: &Row, libraries: &[&str], peer: &mut Peer) {
    let before = case.losses(&case.model);
    // A memory draws the same examples only until it has seen the second task.
    let steps = match row.name {
        "Er" | "DerPlusPlus" => 1,
        _ => 3,
    };
    for library in libraries {
        let ours = case.result(row.name, *library == "mammoth", steps);
        let question = format!("result {library} {} {steps} {HIGH}", row.name);
        let theirs: [f64; 2] = peer.numbers(&question);
        let apart = (0..2).map(|i| (ours[i] - theirs[i]).abs() / (theirs[i] - before[i]).abs());
        let apart = apart.fold(0.0, f64::max);
        let compared = row.compared.contains(library);
        let words = if compared {
            ""
        } else {
            " (another definition)"
        };
        println!(
            "{}, {library}: losses {ours:.6?} and {theirs:.6?}, apart by {apart:.1e} of their way{words}",
            row.name
        );
        assert!(
            !compared || apart < SAME,
            "{} of {library} is another method",
            row.name
        );
    }
}

fn times(case: &Case, row: &Row, libraries: &[&str], peer: &mut Peer) {
    if libraries.is_empty() {
        return;
    }
    let strategy = strategy(row.name, &case.model, KEPT, false);
    let (mut model, mut optim) = (case.model.clone(), optimizer());
    let [first, second] = &case.tasks;
    for _ in 0..10 {
        model = step(strategy.as_deref(), model, &mut optim, first);
    }
    if let Some(strategy) = &strategy {
        model = strategy
            .after_task(model, &Prepared(vec![first.clone(); 8]))
            .unwrap();
    }
    for library in libraries {
        peer.ask(&format!("start {library} {}", row.name));
    }
    let mut all = vec![Vec::new(); 1 + libraries.len()];
    for round in 0..ROUNDS + 2 {
        // Threads of the one before may spin for a while.
        let settle = || std::thread::sleep(Duration::from_millis(50));
        settle();
        let start = Instant::now();
        model = step(strategy.as_deref(), model, &mut optim, second);
        let mut turn = vec![start.elapsed().as_secs_f64() * 1e3];
        for library in libraries {
            settle();
            turn.push(peer.times(&format!("run {library} {}", row.name))[0]);
        }
        // The first rounds warm up.
        if round >= 2 {
            all.iter_mut()
                .zip(turn)
                .for_each(|(all, time)| all.push(time));
        }
    }
    for (library, theirs) in libraries.iter().zip(&all[1..]) {
        let pair = Pair {
            path: format!("continual step, {}", row.name),
            library: Some(library),
            ours: &all[0],
            theirs: std::slice::from_ref(theirs),
            limit: None,
        };
        pair.tell(peer);
    }
    let words = ["ours"]
        .into_iter()
        .chain(libraries.iter().copied())
        .zip(all);
    let words: Vec<String> = words
        .map(|(name, all)| {
            let [low, high] = [0.25, 0.75].map(|share| quantile(all.clone(), share));
            format!("{name} {:.1} ({low:.1} to {high:.1})", median(all))
        })
        .collect();
    println!("{}: {}", row.name, words.join(", "));
}
