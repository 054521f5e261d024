//! Acquisition functions of active learning, beside modAL and scikit-activeml.

use std::ffi::OsStr;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use criterion::Criterion;
use regimen_curriculum::active::acquisition::{
    Acquisition, Badge, Bald, ClassProbabilities, CoreSet, Embeddings, Entropy, GradientEmbeddings,
    LeastConfident, Margin, Score, VoteEntropy,
};

use crate::peer::{Pair, Peer, is_wanted};

const ROUNDS: usize = 9;

/// What a peer scores or chooses, of how many samples, candidates, classes and features.
type Work = (&'static str, [usize; 4]);

const MODAL: [Work; 4] = [
    ("least-confident", [1, 100_000, 10, 1]),
    ("margin", [1, 100_000, 10, 1]),
    ("entropy", [1, 100_000, 10, 1]),
    ("vote-entropy", [10, 10_000, 10, 1]),
];

const SKACTIVEML: [Work; 7] = [
    ("least-confident", [1, 100_000, 10, 1]),
    ("margin", [1, 100_000, 10, 1]),
    ("entropy", [1, 100_000, 10, 1]),
    ("vote-entropy", [10, 100_000, 10, 1]),
    ("bald", [10, 100_000, 10, 1]),
    ("core-set", [1, 10_000, 10, 64]),
    ("badge", [1, 10_000, 10, 64]),
];

/// Numbers between -1 and 1 by a rule of their place, as `peers/acquisition.py` makes them: a hash, so that no two distances are equal.
fn numbers(count: usize) -> impl Iterator<Item = f64> {
    (0..count as u32).map(|place| {
        let hash = place.wrapping_mul(2_654_435_761);
        let hash = (hash ^ (hash >> 15)).wrapping_mul(2_246_822_519);
        f64::from(hash ^ (hash >> 13)) / 2_147_483_648.0 - 1.0
    })
}

struct Case {
    samples: Tensor<3>,
    embeddings: Tensor<2>,
}

impl Case {
    fn new([samples, candidates, classes, features]: [usize; 4]) -> Self {
        let device = Device::default();
        let all: Vec<f64> = numbers(samples * candidates * classes).collect();
        let rows = all.chunks(classes).flat_map(|row| {
            let exp: Vec<f64> = row.iter().map(|logit| (3.0 * logit).exp()).collect();
            let sum: f64 = exp.iter().sum();
            exp.into_iter().map(move |x| (x / sum) as f32)
        });
        let data = TensorData::new(rows.collect::<Vec<f32>>(), [samples, candidates, classes]);
        let own = numbers(candidates * features).map(|x| x as f32);
        let own = TensorData::new(own.collect::<Vec<f32>>(), [candidates, features]);
        Self {
            samples: Tensor::from_data(data, &device),
            embeddings: Tensor::from_data(own, &device),
        }
    }

    fn pool(&self) -> ClassProbabilities {
        ClassProbabilities::of_samples(self.samples.clone()).unwrap()
    }

    /// Input checked as a user's is, scores read to the host: what the peers do too.
    fn run(&self, what: &str) -> Vec<f64> {
        let of = |score: &dyn Score| -> Vec<f64> {
            let scores = score.scores(&self.pool()).unwrap();
            scores.try_into_vec_as().unwrap()
        };
        let places = |places: Vec<usize>| places.into_iter().map(|place| place as f64).collect();
        match what {
            "least-confident" => of(&LeastConfident),
            "margin" => of(&Margin),
            "entropy" => of(&Entropy),
            "vote-entropy" => of(&VoteEntropy),
            "bald" => of(&Bald),
            "core-set" => {
                // The first row is what is labelled.
                let rows = self.embeddings.dims()[0];
                let pool = Embeddings::new(self.embeddings.clone().narrow(0, 1, rows - 1)).unwrap();
                let pool = pool.with_labelled(self.embeddings.clone().narrow(0, 0, 1));
                let chosen = CoreSet.select(&pool.unwrap(), 100).unwrap();
                places(chosen.into_iter().map(|place| place + 1).collect())
            }
            _ => {
                let pool = GradientEmbeddings::new(&self.pool(), self.embeddings.clone());
                places(Badge::new(0).select(&pool.unwrap(), 20).unwrap())
            }
        }
    }
}

/// Takes turns with both: numbers first, then times.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    if !is_wanted("acquisition-peer") {
        return;
    }
    beside("modal", ("PEER_PYTHON_MODAL", ".venv/modal"), &MODAL);
    let environment = ("PEER_PYTHON_SKACTIVEML", ".venv/skactiveml");
    beside("skactiveml", environment, &SKACTIVEML);
}

fn beside(library: &str, python: (&str, &str), works: &[Work]) {
    let Some(mut peer) = Peer::start_in(python, "acquisition", &[OsStr::new(library)]) else {
        println!("acquisition: no {library} to compare with; `benches/peers/setup.sh` installs it");
        return;
    };
    for (what, size @ [samples, candidates, classes, features]) in works {
        let case = Case::new(*size);
        peer.ask(&format!("case {samples} {candidates} {classes} {features}"));
        compare(what, &case.run(what), &mut peer);
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let start = Instant::now();
            std::hint::black_box(case.run(what));
            let time = start.elapsed().as_secs_f64() * 1e3;
            let other = peer.times(&format!("run {what}"))[0];
            // The first round warms up.
            if round > 0 {
                own.push(time);
                theirs.push(other);
            }
        }
        let pair = Pair {
            path: format!("acquisition {what} {size:?}"),
            library: None,
            ours: &own,
            theirs: &[theirs],
            limit: None,
        };
        pair.tell(&peer);
    }
}

/// The first numbers of both: scores, or what was chosen.
fn compare(what: &str, found: &[f64], peer: &mut Peer) {
    let answer = peer.ask(&format!("values {what}"));
    let theirs = answer.split(' ').map(|word| word.parse::<f64>().unwrap());
    let off = found.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    match what {
        // Both draw at random, from the same first one on.
        "badge" => println!(
            "badge: the first of both {:?}",
            off.take(1).collect::<Vec<_>>()
        ),
        "core-set" => {
            let same = off.take_while(|off| *off == 0.0).count();
            println!("core-set: the same first {same} of 100");
        }
        _ => {
            let off = off.fold(0.0, f64::max);
            println!("{what}: scores apart by {off:.1e} at most");
            assert!(off < 1e-5, "other scores");
        }
    }
}
