//! Choice and cleaning of text: BM25 beside bm25s in turns, the overlap of a corpus with evaluation text, and likeness scores beside a plain
//! matrix product.

use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use criterion::{Criterion, Throughput};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regimen_curriculum::text::{
    Aggregation, Bm25Config, Bm25Variant, DecontaminationConfig, Evaluation, Hit, LikenessConfig,
    NearDuplicatesConfig, TextTokens, Vectors, Verify,
};
use regimen_tensor::linalg::inner_products;

use crate::peer::{Pair, Peer, is_wanted, median, quantile};

/// Texts of so many words from a vocabulary of 50,000, the most frequent one in a tenth of all places.
fn texts(count: usize, words: usize, seed: u64) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let text = |_| {
        let words = (0..words).map(|_| {
            let place = 50_000_f64.powf(rng.random::<f64>()) as usize;
            format!("w{place:x}")
        });
        words.collect::<Vec<_>>().join(" ")
    };
    (0..count).map(text).collect()
}

pub(crate) fn overlap(criterion: &mut Criterion) {
    let tests = Evaluation::new("tests").with_tests(texts(10_000, 60, 1));
    let index = DecontaminationConfig::new().init(&[tests]).unwrap();
    let documents = texts(50_000, 60, 2);
    let bytes: usize = documents.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("overlap with 10,000 tests", |bencher| {
        bencher.iter(|| index.scan(&documents));
    });
    group.finish();
}

pub(crate) fn near_duplicates(criterion: &mut Criterion) {
    let documents = texts(20_000, 60, 5);
    let bytes: usize = documents.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(bytes as u64));
    for verify in [Verify::Exact, Verify::Nothing] {
        let config = NearDuplicatesConfig::new().with_verify(verify);
        let index = config.init().unwrap();
        group.bench_function(format!("near duplicates, {verify:?}"), |bencher| {
            bencher.iter(|| index.groups(&documents).unwrap());
        });
    }
    group.finish();
}

const DOCUMENTS: usize = 100_000;
const QUERIES: usize = 1_000;
const BEST: usize = 10;
const ROUNDS: usize = 9;

/// Takes turns with bm25s: scores first, then the time of 1,000 queries over 100,000 documents at its better number of threads.
pub(crate) fn peer(criterion: &mut Criterion) {
    // Criterion measures one thing at a time; taking turns needs a loop of its own.
    let _ = criterion;
    if !is_wanted("bm25-peer") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("bm25-peer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (documents, queries) = (texts(DOCUMENTS, 60, 3), texts(QUERIES, 12, 4));
    std::fs::write(folder.join("documents"), documents.join("\n")).unwrap();
    std::fs::write(folder.join("queries"), queries.join("\n")).unwrap();
    let config = Bm25Config::new()
        .with_variant(Bm25Variant::Lucene8)
        .with_tokens(TextTokens::Whitespace);
    let start = Instant::now();
    let index = config.init(&documents).unwrap();
    println!("index: {:.2} s", start.elapsed().as_secs_f64());
    if let Some(mut peer) = Peer::start("bm25") {
        let answer = peer.ask(&format!("case {} {BEST}", folder.display()));
        println!("bm25s: {answer}");
        compare(&index.top_of_all(&queries, BEST), &mut peer);
        times(|| drop(index.top_of_all(&queries, BEST)), &mut peer);
    } else {
        println!("bm25s: no peer to compare with; `benches/peers/setup.sh` installs it");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The scores of all answers; documents of one score may stand in another order.
fn compare(found: &[Vec<Hit>], peer: &mut Peer) {
    let mut apart = 0_f64;
    for (query, hits) in found.iter().enumerate() {
        let theirs: [f64; BEST] = peer.numbers(&format!("scores {query}"));
        for (hit, score) in hits.iter().zip(theirs) {
            apart = apart.max((f64::from(hit.score) - score).abs() / score.abs().max(1.0));
        }
    }
    println!("scores apart by {apart:.1e} at most");
    assert!(apart < 1e-5, "other scores");
}

fn times(mut ours: impl FnMut(), peer: &mut Peer) {
    let (mut own, mut theirs) = (Vec::new(), vec![Vec::new(); 2]);
    for round in 0..ROUNDS + 1 {
        let start = Instant::now();
        ours();
        let time = start.elapsed().as_secs_f64() * 1e3;
        for (threads, all) in theirs.iter_mut().enumerate() {
            let time = peer.times(&format!("run {}", threads + 1))[0];
            // The first round warms up.
            if round > 0 {
                all.push(time);
            }
        }
        if round > 0 {
            own.push(time);
        }
    }
    let words = |all: &[f64]| {
        let [low, high] = [0.25, 0.75].map(|share| quantile(all.to_vec(), share));
        format!("{:.0} ({low:.0} to {high:.0})", median(all.to_vec()))
    };
    println!(
        "milliseconds of {QUERIES} queries over {DOCUMENTS} documents, medians of {ROUNDS} turns with quartiles: ours {}, bm25s with one thread {}, with two {}",
        words(&own),
        words(&theirs[0]),
        words(&theirs[1])
    );
    let pair = Pair {
        path: format!("BM25, {QUERIES} queries over {DOCUMENTS} documents"),
        library: None,
        ours: &own,
        theirs: &theirs,
        limit: None,
    };
    pair.tell(peer);
}

const TARGETS: usize = 1_000;
const DIMENSIONS: usize = 384;
/// Rows that one thread multiplies at a time.
const ROWS: usize = 1024;

/// Likeness scores of 100,000 documents to 1,000 targets, in turns with two plain products of the same matrices, Burn's and one of pieces of rows on
/// all cores: elements are multiplications and additions.
pub(crate) fn likeness(criterion: &mut Criterion) {
    if !is_wanted("likeness") {
        return;
    }
    let vectors = |count: usize, seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let numbers = (0..count * DIMENSIONS).map(|_| rng.random::<f32>() - 0.5);
        numbers.collect::<Vec<f32>>()
    };
    let (pool, targets) = (vectors(DOCUMENTS, 5), vectors(TARGETS, 6));
    let [both, one] = [&pool, &targets].map(|all| Vectors::new(all, DIMENSIONS).unwrap());
    let configs = [Aggregation::Max, Aggregation::MeanLog]
        .map(|aggregation| LikenessConfig::new().with_aggregation(aggregation));
    let work = (2 * DOCUMENTS * TARGETS * DIMENSIONS) as f64;
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Elements(work as u64));
    for (config, name) in configs.iter().zip(["best rank", "all ranks"]) {
        group.bench_function(format!("likeness to 1,000 targets, {name}"), |bencher| {
            bencher.iter(|| config.init(&both, &one).unwrap());
        });
    }
    group.finish();
    let device = Device::default();
    let matrix = |values: &[f32], rows| {
        let data = TensorData::new(values.to_vec(), [rows, DIMENSIONS]);
        Tensor::<2>::from_data(data, &device)
    };
    let (left, right) = (
        matrix(&pool, DOCUMENTS),
        matrix(&targets, TARGETS).transpose(),
    );
    let mut product = vec![0.0; DOCUMENTS * TARGETS];
    let mut rates = [const { Vec::new() }; 4];
    for round in 0..ROUNDS + 1 {
        let mut rate = |which: usize, run: &mut dyn FnMut()| {
            let start = Instant::now();
            run();
            // The first round warms up.
            if round > 0 {
                rates[which].push(work / start.elapsed().as_secs_f64() / 1e9);
            }
        };
        for (which, config) in configs.iter().enumerate() {
            rate(which, &mut || drop(config.init(&both, &one).unwrap()));
        }
        rate(2, &mut || {
            drop(left.clone().matmul(right.clone()));
            device.sync().unwrap();
        });
        rate(3, &mut || {
            let pieces = product.par_chunks_mut(ROWS * TARGETS);
            pieces
                .zip(pool.par_chunks(ROWS * DIMENSIONS))
                .for_each(|(out, rows)| {
                    inner_products(rows, &targets, DIMENSIONS, out).unwrap();
                });
        });
    }
    let fastest = median(rates[2].clone()).max(median(rates[3].clone()));
    let words = |all: &[f64]| {
        let [low, high] = [0.25, 0.75].map(|share| quantile(all.to_vec(), share));
        let share = 100.0 * median(all.to_vec()) / fastest;
        format!(
            "{:.1} ({low:.1} to {high:.1}), {share:.0} %",
            median(all.to_vec())
        )
    };
    let [best, all, burn, rows] = rates.each_ref().map(|rates| words(rates));
    println!(
        "billions of operations a second, {DOCUMENTS} documents, {TARGETS} targets, {DIMENSIONS} dimensions, medians of {ROUNDS} turns with quartiles, and their share of the faster plain product: likeness by the best rank {best}, by the mean over all ranks {all}; Burn's product {burn}, product of pieces of rows {rows}"
    );
}
