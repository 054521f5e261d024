//! A simulator: topics over words, targets of three topics with a style of their own.
#![allow(clippy::unwrap_used)]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, StandardNormal};

use super::{Aggregation, LikenessConfig, TextClassifierConfig, Threshold, Vectors};

const WORDS: usize = 800;
const TOPICS: usize = 40;
const WANTED: usize = 3;
const DOCUMENTS: usize = 6000;
const SAMPLE: usize = 2500;
const TARGETS: usize = 150;
const DIMENSIONS: usize = 64;

/// Rising sums of a draw from a symmetric Dirichlet distribution.
fn dirichlet(rng: &mut ChaCha8Rng, concentration: f64) -> Vec<f64> {
    let gamma = Gamma::new(concentration, 1.0).unwrap();
    let mut sum = 0.0;
    let sums = (0..WORDS).map(|_| {
        sum += gamma.sample(rng);
        sum
    });
    let sums: Vec<f64> = sums.collect();
    sums.into_iter().map(|one| one / sum).collect()
}

fn draw(rng: &mut ChaCha8Rng, sums: &[f64]) -> usize {
    let chance = rng.random::<f64>();
    sums.partition_point(|sum| *sum < chance).min(WORDS - 1)
}

struct World {
    topics: Vec<Vec<f64>>,
    background: Vec<f64>,
}

impl World {
    fn text(&self, rng: &mut ChaCha8Rng, topic: usize, length: usize, style: f64) -> Vec<usize> {
        let mixed = 0.2 + 0.6 * rng.random::<f64>();
        let word = |_| {
            if rng.random::<f64>() < style {
                WORDS + rng.random_range(0..50)
            } else if rng.random::<f64>() < mixed {
                draw(rng, &self.topics[topic])
            } else {
                draw(rng, &self.background)
            }
        };
        (0..length).map(word).collect()
    }
}

/// A random projection of `log(1 + counts)`.
fn embeddings(texts: &[Vec<usize>], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let all = (WORDS + 50) * DIMENSIONS;
    let matrix: Vec<f32> = (0..all).map(|_| StandardNormal.sample(rng)).collect();
    let mut embeddings = Vec::with_capacity(texts.len() * DIMENSIONS);
    for text in texts {
        let mut counts = vec![0_f32; WORDS + 50];
        text.iter().for_each(|word| counts[*word] += 1.0);
        let mut vector = [0_f32; DIMENSIONS];
        for (count, row) in counts.iter().zip(matrix.chunks(DIMENSIONS)) {
            if *count > 0.0 {
                for (sum, value) in vector.iter_mut().zip(row) {
                    *sum += count.ln_1p() * value;
                }
            }
        }
        embeddings.extend(vector);
    }
    embeddings
}

fn words(text: &[usize]) -> String {
    text.iter().map(|word| format!("w{word} ")).collect()
}

/// The share of kept documents that are of the wanted topics.
fn share(seed: u64) -> [f64; 4] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let world = World {
        topics: (0..TOPICS).map(|_| dirichlet(&mut rng, 0.02)).collect(),
        background: dirichlet(&mut rng, 0.5),
    };
    let topics: Vec<usize> = (0..DOCUMENTS)
        .map(|_| rng.random_range(0..TOPICS))
        .collect();
    let document = |topic: &usize| {
        let length = rng.random_range(30..120);
        world.text(&mut rng, *topic, length, 0.0)
    };
    let pool: Vec<Vec<usize>> = topics.iter().map(document).collect();
    let target = |place: usize| world.text(&mut rng, place % WANTED, 25, 0.3);
    let targets: Vec<Vec<usize>> = (0..TARGETS).map(target).collect();
    let both = [&pool[..SAMPLE], &targets].concat();
    let embeddings = embeddings(&both, &mut rng);
    let (sample, target) = embeddings.split_at(SAMPLE * DIMENSIONS);
    let [sample, target] = [sample, target].map(|all| Vectors::new(all, DIMENSIONS).unwrap());
    let texts: Vec<String> = pool.iter().map(|text| words(text)).collect();
    let config = TextClassifierConfig::new().with_n(1).with_seed(seed);
    let kept = |texts_of: &[String], labels: &[bool]| {
        let classifier = config.fit(texts_of, labels).unwrap();
        // The end of the pool was not fitted on.
        let held_out = classifier.score_all(&texts[SAMPLE..]);
        let threshold = Threshold::of(held_out, 0.1).unwrap();
        let selection = classifier.select(&texts, threshold);
        assert!((selection.share() - 0.1).abs() < 0.02);
        let wanted = selection
            .kept()
            .iter()
            .filter(|place| topics[**place] < WANTED);
        wanted.count() as f64 / selection.kept().len() as f64
    };
    let betr = |aggregation| {
        let config = LikenessConfig::new().with_aggregation(aggregation);
        let likeness = config.init(&sample, &target).unwrap();
        kept(&texts[..SAMPLE], &likeness.best(0.1).unwrap())
    };
    let direct = {
        let targets = targets.iter().map(|text| words(text));
        let both: Vec<String> = targets.chain(texts[..SAMPLE].to_vec()).collect();
        let labels: Vec<bool> = (0..both.len()).map(|place| place < TARGETS).collect();
        kept(&both, &labels)
    };
    let plain = topics.iter().filter(|topic| **topic < WANTED).count();
    let plain = plain as f64 / DOCUMENTS as f64;
    [
        plain,
        betr(Aggregation::Max),
        betr(Aggregation::MeanLog),
        direct,
    ]
}

#[test]
fn the_simulators_shares() {
    let shares = [0, 1, 2].map(share);
    let mean = |arm: usize| shares.iter().map(|of| of[arm]).sum::<f64>() / 3.0;
    let [plain, max, log, direct] = [0, 1, 2, 3].map(mean);
    assert!((plain - 3.0 / 40.0).abs() < 0.02);
    assert!(max > 5.0 * plain && log > 4.0 * plain);
    assert!(max > direct + 0.05);
}
