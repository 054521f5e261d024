//! Item response theory beside py-irt, in turns.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use criterion::Criterion;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::ability::irt::{Estimator, IrtConfig, Responses};
use regimen_tensor::stats::pearson;

use crate::peer::{Pair, Peer, is_wanted, median, quantile};

/// Subjects, items, and the share of all pairs that is observed.
type Size = (usize, usize, f64);

/// What py-irt can finish.
const BESIDE: Size = (200, 500, 0.3);
/// Ours alone.
const LARGE: Size = (1_000, 10_000, 0.1);
const ROUNDS: usize = 3;
/// Epochs of py-irt, of which 2,000 is its default: it takes minutes.
const EPOCHS: [usize; 2] = [100, 300];

/// Subjects, items and right answers by the one-parameter model, with the items' difficulties.
fn answers((subjects, items, observed): Size) -> (Vec<(usize, usize, bool)>, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    // Nearly normal: a sum of twelve uniform numbers.
    let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
    let abilities: Vec<f64> = (0..subjects).map(|_| normal()).collect();
    let difficulties: Vec<f64> = (0..items).map(|_| normal()).collect();
    let mut all = Vec::new();
    for (subject, ability) in abilities.iter().enumerate() {
        for (item, difficulty) in difficulties.iter().enumerate() {
            if rng.random_bool(observed) {
                let right = 1.0 / (1.0 + (difficulty - ability).exp());
                all.push((subject, item, rng.random_bool(right)));
            }
        }
    }
    (all, difficulties)
}

/// Takes turns with py-irt: the time of a fit, and how its difficulties agree with the truth.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    if !is_wanted("irt-peer") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("irt-peer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    large();
    let (subjects, items, _) = BESIDE;
    let (answers, truth) = answers(BESIDE);
    println!(
        "{subjects} subjects, {items} items, {} answers",
        answers.len()
    );
    let mut text = String::new();
    for (subject, item, right) in &answers {
        writeln!(text, "{subject} {item} {}", u8::from(*right)).unwrap();
    }
    std::fs::write(folder.join("answers"), text).unwrap();
    let responses = Responses::new(subjects, items, answers).unwrap();
    let fits = fits().map(|(estimator, config)| (estimator, config, Vec::new()));
    turns(fits, &responses, &truth, &folder);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn fits() -> [(Estimator, IrtConfig); 2] {
    [Estimator::Marginal, Estimator::Joint]
        .map(|estimator| (estimator, IrtConfig::new().with_estimator(estimator)))
}

/// Both estimators at a size that is too large for the peer.
fn large() {
    let (subjects, items, observed) = LARGE;
    let (answers, truth) = answers(LARGE);
    println!("{subjects} subjects, {items} items, {observed} observed:");
    let responses = Responses::new(subjects, items, answers).unwrap();
    for (estimator, config) in fits() {
        let times = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            let fit = config.fit(&responses).unwrap();
            (start.elapsed().as_secs_f64(), fit)
        });
        let (times, fits): (Vec<_>, Vec<_>) = times.unzip();
        let agreement = pearson(&fits[0].difficulties(), &truth).unwrap_or(f64::NAN);
        println!(
            "ours, {estimator:?}: {:.2} s, correlation {agreement:.4}",
            median(times)
        );
    }
}

fn turns(
    mut fits: [(Estimator, IrtConfig, Vec<f64>); 2],
    responses: &Responses,
    truth: &[f64],
    folder: &Path,
) {
    let mut peer = Peer::start("irt");
    if let Some(peer) = &mut peer {
        let _ = peer.ask(&format!("case {}", folder.display()));
    } else {
        println!("py-irt: no peer to compare with; `benches/peers/setup.sh` installs it");
    }
    let agree = |found: &[f64]| pearson(found, truth).unwrap_or(f64::NAN);
    let mut theirs = [[(); 2]; 2].map(|all| all.map(|()| Vec::new()));
    for round in 0..ROUNDS {
        for (estimator, config, times) in &mut fits {
            let start = Instant::now();
            let fit = config.fit(responses).unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e3);
            if round == 0 {
                let agreement = agree(&fit.difficulties());
                println!("ours, {estimator:?}: correlation {agreement:.4}");
            }
        }
        let Some(peer) = &mut peer else { continue };
        for (epochs, times) in EPOCHS.iter().zip(&mut theirs) {
            for (threads, times) in times.iter_mut().enumerate() {
                let question = format!("fit {epochs} {}", threads + 1);
                times.push(peer.times(&question)[0]);
            }
            if round == 0 {
                let found = std::fs::read_to_string(folder.join("difficulties")).unwrap();
                let found: Vec<f64> = found.lines().map(|line| line.parse().unwrap()).collect();
                println!("py-irt, {epochs} epochs: correlation {:.4}", agree(&found));
            }
        }
    }
    let words = |times: &[f64]| {
        let [low, high] = [0.0, 1.0].map(|share| quantile(times.to_vec(), share));
        format!("{:.1} ({low:.1} to {high:.1})", median(times.to_vec()))
    };
    println!("milliseconds of a fit, medians of {ROUNDS} turns with the least and the most:");
    for (estimator, _, times) in &fits {
        println!("ours, {estimator:?}: {}", words(times));
    }
    if let Some(peer) = &peer {
        let (subjects, items, observed) = BESIDE;
        for (epochs, times) in EPOCHS.iter().zip(&theirs) {
            let [one, two] = times.each_ref().map(|times| words(times));
            println!("py-irt, {epochs} epochs: one thread {one}, two {two}");
            let pair = Pair {
                path: format!(
                    "item response fit {subjects} x {items}, {observed} observed; theirs {epochs} epochs"
                ),
                library: None,
                ours: &fits[0].2,
                theirs: times,
                limit: None,
            };
            pair.tell(peer);
        }
    }
}
