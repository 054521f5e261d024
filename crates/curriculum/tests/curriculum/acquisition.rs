//! Agreement with modAL's and scikit-activeml's own functions (`golden/acquisition.py` writes the numbers), and what acquisitions promise.

use burn::tensor::{DType, Device, Tensor, TensorData};
use proptest::prelude::*;
use regimen_curriculum::active::acquisition::{
    Acquisition, Badge, Bald, BatchBald, ClassProbabilities, ConsensusEntropy, CoreSet, Embeddings,
    Entropy, GradientEmbeddings, Labelling, LeastConfident, Margin, MaxDivergence, MeanDivergence,
    Score, TypiClust, VariationRatio, VoteEntropy, cohens_kappa, typicality,
};

const SAMPLES: usize = 4;
const CANDIDATES: usize = 40;
const CLASSES: usize = 5;
const FEATURES: usize = 3;

/// The rows of a file, after its versions and its header: what, name, numbers.
struct Golden(Vec<(String, String, Vec<f64>)>);

impl Golden {
    fn read(text: &str, versions: &str) -> Self {
        assert!(text.starts_with(versions));
        let rows = text.lines().skip(2).map(|line| {
            let mut cells = line.splitn(3, ',').map(str::to_owned);
            let mut cell = || cells.next().unwrap();
            let (what, name) = (cell(), cell());
            let values = cell();
            let values = values.split(' ').map(|value| value.parse().unwrap());
            (what, name, values.collect())
        });
        Self(rows.collect())
    }

    fn of(&self, what: &str, name: &str) -> &[f64] {
        let row = self.0.iter().find(|row| row.0 == what && row.1 == name);
        &row.unwrap_or_else(|| panic!("no `{name}` of `{what}`")).2
    }

    fn places(&self, what: &str, name: &str) -> Vec<usize> {
        self.of(what, name).iter().map(|x| *x as usize).collect()
    }

    /// How many rows are no input: every one of them is compared.
    fn count(&self) -> usize {
        self.0.iter().filter(|row| row.0 != "input").count()
    }

    /// Of the first sample, or of all.
    fn pool(&self, samples: usize, dtype: DType) -> ClassProbabilities {
        let values = self.of("input", "samples")[..samples * CANDIDATES * CLASSES].to_vec();
        let data = TensorData::new(values, [samples, CANDIDATES, CLASSES]);
        let values = Tensor::from_data(data, (&Device::flex(), dtype));
        ClassProbabilities::of_samples(values).unwrap()
    }

    fn rows(&self, name: &str, dtype: DType) -> Tensor<2> {
        let values = self.of("input", name).to_vec();
        let shape = [values.len() / FEATURES, FEATURES];
        Tensor::from_data(TensorData::new(values, shape), (&Device::flex(), dtype))
    }
}

fn modal() -> Golden {
    let text = include_str!("../../golden/acquisition_modal.csv");
    Golden::read(text, "# modAL-python 0.4.2.1, scikit-learn 1.5.2")
}

fn skactiveml() -> Golden {
    let text = include_str!("../../golden/acquisition_skactiveml.csv");
    Golden::read(text, "# scikit-activeml 1.0.1, scikit-learn 1.9.1")
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        let near = (a - b).abs() <= within * (1.0 + b.abs());
        assert!(near, "{found:?} is not {expected:?}");
    }
}

fn numbers(scores: Tensor<1>) -> Vec<f64> {
    scores.try_into_vec_as().unwrap()
}

/// In double precision to 1e-9, in single precision to 1e-6.
const PRECISIONS: [(DType, f64); 2] = [(DType::F64, 1e-9), (DType::F32, 1e-6)];

#[test]
fn scores_are_those_of_modal() {
    let golden = modal();
    for (dtype, within) in PRECISIONS {
        let (one, all) = (golden.pool(1, dtype), golden.pool(SAMPLES, dtype));
        let mut compared = 0;
        let mut compare = |what: &str, name: &str, found: Vec<f64>| {
            close(&found, golden.of(what, name), within);
            compared += 1;
        };
        let scores = |score: &dyn Score, pool| numbers(score.scores(pool).unwrap());
        compare("one", "uncertainty", scores(&LeastConfident, &one));
        let margins = scores(&Margin, &one).into_iter().map(|score| 1.0 - score);
        compare("one", "margin", margins.collect());
        compare("one", "entropy", scores(&Entropy, &one));
        compare("committee", "vote_entropy", scores(&VoteEntropy, &all));
        compare(
            "committee",
            "consensus_entropy",
            scores(&ConsensusEntropy, &all),
        );
        compare(
            "committee",
            "max_disagreement",
            scores(&MaxDivergence, &all),
        );
        let mut chosen = |name: &str, mut places: Vec<usize>| {
            places.sort_unstable();
            let places: Vec<f64> = places.into_iter().map(|place| place as f64).collect();
            compare("chosen", name, places);
        };
        chosen("uncertainty", LeastConfident.select(&one, 7).unwrap());
        chosen("margin", Margin.select(&one, 7).unwrap());
        chosen("entropy", Entropy.select(&one, 7).unwrap());
        assert_eq!(compared, golden.count());
    }
}

#[test]
fn scores_and_choices_are_those_of_scikit_activeml() {
    let golden = skactiveml();
    for (dtype, within) in PRECISIONS {
        let (one, all) = (golden.pool(1, dtype), golden.pool(SAMPLES, dtype));
        let mut compared = 0;
        let mut compare = |what: &str, name: &str, found: Vec<f64>| {
            close(&found, golden.of(what, name), within);
            compared += 1;
        };
        let scores = |score: &dyn Score, pool| numbers(score.scores(pool).unwrap());
        compare("one", "least_confident", scores(&LeastConfident, &one));
        compare("one", "margin_sampling", scores(&Margin, &one));
        compare("one", "entropy", scores(&Entropy, &one));
        compare("committee", "vote_entropy", scores(&VoteEntropy, &all));
        compare(
            "committee",
            "variation_ratios",
            scores(&VariationRatio, &all),
        );
        let name = "average_kl_divergence";
        compare("committee", name, scores(&MeanDivergence, &all));

        compare("batch_bald", "first", scores(&Bald, &all));
        let batch = BatchBald::new().with_outcomes(200).batch(&all, 4).unwrap();
        let places = batch.iter().map(|(place, _)| *place as f64);
        compare("batch_bald", "chosen", places.collect());
        let best = batch.iter().map(|(_, score)| *score);
        compare("batch_bald", "best", best.collect());

        let pool = Embeddings::new(golden.rows("embeddings", dtype)).unwrap();
        let near = pool.clone().with_labelled(golden.rows("labelled", dtype));
        let near = near.unwrap();
        compare(
            "core_set",
            "distances",
            numbers(CoreSet.distances(&near).unwrap()),
        );
        let chosen = CoreSet.select(&near, 8).unwrap();
        compare(
            "core_set",
            "chosen",
            chosen.iter().map(|place| *place as f64).collect(),
        );

        let gradients = GradientEmbeddings::new(&one, golden.rows("embeddings", dtype)).unwrap();
        let shares = |mut distances: Vec<f64>, taken: &[usize]| {
            taken.iter().for_each(|place| distances[*place] = 0.0);
            let total: f64 = distances.iter().sum();
            distances
                .into_iter()
                .map(|square| square / total)
                .collect::<Vec<f64>>()
        };
        let taken = golden.places("badge", "chosen");
        let norms = numbers(gradients.squared_norms());
        compare("badge", "shares 0", shares(norms.clone(), &[]));
        // There the origin counts as taken too, which it does not in the paper's code.
        let mut nearest = norms;
        for step in 1..taken.len() {
            let new = numbers(gradients.squared_distances(taken[step - 1]).unwrap());
            nearest
                .iter_mut()
                .zip(new)
                .for_each(|(old, new)| *old = old.min(new));
            compare(
                "badge",
                &format!("shares {step}"),
                shares(nearest.clone(), &taken[..step]),
            );
        }
        // The first is the same; the others are drawn by these shares.
        let first = Badge::new(0).select(&gradients, 1).unwrap();
        assert_eq!(first, taken[..1]);
        compared += 1;

        for neighbours in [20, 200] {
            let mean = |of: &f64, less: f64| 1.0 / of - less;
            let found = typicality(&pool, neighbours).unwrap();
            let found: Vec<f64> = found.iter().map(|x| mean(x, 1e-5)).collect();
            let theirs = golden.of("typicality", &neighbours.to_string()).iter();
            let less = 1e-7 / neighbours.min(CANDIDATES - 1) as f64;
            let theirs: Vec<f64> = theirs.map(|x| mean(x, less)).collect();
            close(&found, &theirs, within);
            compared += 1;
        }
        let votes = |sample: usize| -> Vec<usize> {
            let place = sample * CANDIDATES * CLASSES;
            let rows = &golden.of("input", "samples")[place..place + CANDIDATES * CLASSES];
            let best = |row: &[f64]| (0..CLASSES).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            rows.chunks(CLASSES).map(|row| best(row).unwrap()).collect()
        };
        let kappa = cohens_kappa(&votes(0), &votes(1)).unwrap();
        close(&[kappa], golden.of("kappa", "samples 0 and 1"), 1e-12);
        compared += 1;
        assert_eq!(compared, golden.count());
    }
}

/// Large batches, where drawn outcomes take over from all of them.
#[test]
fn batch_bald_goes_on_with_drawn_outcomes() {
    let all = skactiveml().pool(SAMPLES, DType::F32);
    let exact = BatchBald::new().with_outcomes(3125).batch(&all, 5).unwrap();
    let drawn = BatchBald::new()
        .with_outcomes(2000)
        .batch(&all, 30)
        .unwrap();
    for ((_, exact), (_, drawn)) in exact.iter().zip(&drawn) {
        assert!((exact - drawn).abs() < 0.05, "{exact} {drawn}");
    }
    let mut places: Vec<usize> = drawn.iter().map(|(place, _)| *place).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 30);
    let again = BatchBald::new()
        .with_outcomes(2000)
        .batch(&all, 30)
        .unwrap();
    assert_eq!(drawn, again);
    // No labels tell more than which of the samples it is.
    assert!(
        drawn
            .iter()
            .all(|(_, score)| *score < (SAMPLES as f64).ln() + 0.05)
    );
}

#[test]
fn half_precision_is_summed_in_single_precision() {
    let golden = skactiveml();
    let wide = numbers(Bald.scores(&golden.pool(SAMPLES, DType::F64)).unwrap());
    for dtype in [DType::BF16, DType::F16] {
        let pool = golden.pool(SAMPLES, dtype);
        let scores = Bald.scores(&pool).unwrap();
        assert_eq!(scores.dtype(), DType::F32);
        close(&numbers(scores), &wide, 0.02);
        let embeddings = golden.rows("embeddings", dtype);
        let gradients = GradientEmbeddings::new(&pool, embeddings.clone()).unwrap();
        assert_eq!(gradients.squared_norms().dtype(), DType::F32);
        assert_eq!(Badge::new(1).select(&gradients, 9).unwrap().len(), 9);
        let pool = Embeddings::new(embeddings).unwrap();
        assert_eq!(CoreSet.select(&pool, 9).unwrap().len(), 9);
    }
}

/// 3,000 candidates of 10 classes under 3 samples.
fn large(device: &Device) -> ClassProbabilities {
    let logits = (0..90_000).map(|place| ((place * 7919) % 1009) as f32 / 200.0);
    let data = TensorData::new(logits.collect::<Vec<f32>>(), [3, 3000, 10]);
    ClassProbabilities::of_sample_logits(Tensor::from_data(data, device)).unwrap()
}

#[test]
fn pieces_change_nothing() {
    let whole = large(&Device::flex());
    let scores: [&dyn Score; 7] = [
        &LeastConfident,
        &Margin,
        &Entropy,
        &Bald,
        &VoteEntropy,
        &VariationRatio,
        &MaxDivergence,
    ];
    for piece in [1, 7, 2999, 3000] {
        let pieces = whole.clone().with_piece(piece).unwrap();
        for score in scores {
            let found = numbers(score.scores(&pieces).unwrap());
            close(&found, &numbers(score.scores(&whole).unwrap()), 1e-6);
        }
        if piece > 1 {
            let few = BatchBald::new().with_outcomes(100);
            assert_eq!(
                few.select(&pieces, 3).unwrap(),
                few.select(&whole, 3).unwrap()
            );
        }
    }
}

#[test]
fn a_tape_is_left_alone() {
    let device = Device::flex().autodiff();
    let logits = Tensor::<2>::from_data([[1.0, 2.0], [0.0, 0.1]], &device).require_grad();
    let pool = ClassProbabilities::of_logits(logits).unwrap();
    assert!(!Entropy.scores(&pool).unwrap().is_require_grad());
    assert_eq!(Margin.select(&pool, 1).unwrap(), [1]);
}

#[test]
fn gradients_are_as_if_written_out() {
    let golden = skactiveml();
    let one = golden.pool(1, DType::F64);
    let embeddings = golden.rows("embeddings", DType::F64);
    let gradients = GradientEmbeddings::new(&one, embeddings).unwrap();
    let (p, h) = (
        golden.of("input", "samples"),
        golden.of("input", "embeddings"),
    );
    let written = |row: usize| -> Vec<f64> {
        let p = &p[row * CLASSES..(row + 1) * CLASSES];
        let h = &h[row * FEATURES..(row + 1) * FEATURES];
        let best = (0..CLASSES).max_by(|a, b| p[*a].total_cmp(&p[*b]));
        let error = |class: usize| p[class] - f64::from(u8::from(Some(class) == best));
        (0..CLASSES)
            .flat_map(|class| h.iter().map(move |h| error(class) * h))
            .collect()
    };
    for place in [0, 17, 39] {
        let found = numbers(gradients.squared_distances(place).unwrap());
        let to = written(place);
        let by_hand = (0..CANDIDATES).map(|row| {
            let of = written(row);
            of.iter()
                .zip(&to)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>()
        });
        close(&found, &by_hand.collect::<Vec<f64>>(), 1e-12);
    }
}

#[test]
fn typical_candidates_come_from_groups_without_labels() {
    let golden = skactiveml();
    let pool = Embeddings::new(golden.rows("embeddings", DType::F32)).unwrap();
    // The labels lie in the second group: the first one, of 15, comes first.
    let near = pool
        .with_labelled(golden.rows("labelled", DType::F32))
        .unwrap();
    let method = TypiClust::new().with_clusters(2);
    let found = method.select(&near, 5).unwrap();
    assert!(
        found[0] < 15 && found[1] >= 15 && found[2] < 15,
        "{found:?}"
    );
    let all = method.select(&near, CANDIDATES).unwrap();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..CANDIDATES).collect::<Vec<_>>());
}

/// The loop, saved and read between any two rounds.
#[test]
fn a_killed_run_asks_for_the_same() {
    let whole = large(&Device::flex());
    let round = |labelling: &mut Labelling| {
        let ids = labelling.unlabelled();
        let rows: Vec<i64> = ids.iter().map(|id| *id as i64).collect();
        let rows = TensorData::new(rows, [ids.len()]);
        let rows = Tensor::from_data(rows, &Device::flex());
        let part = ClassProbabilities::of_samples(whole.values().select(1, rows)).unwrap();
        let method = BatchBald::new()
            .with_outcomes(20)
            .with_seed(labelling.round_seed());
        let mut asked: Vec<usize> = method
            .select(&part, 3)
            .unwrap()
            .into_iter()
            .map(|place| ids[place])
            .collect();
        let random = labelling.random(5).unwrap().into_iter();
        let new = random.filter(|id| !asked.contains(id)).collect::<Vec<_>>();
        asked.extend(new);
        labelling.label(&asked).unwrap();
    };
    let mut straight = Labelling::new(3000, 11).unwrap();
    (0..4).for_each(|_| round(&mut straight));
    for kill in 0..4 {
        let mut first = Labelling::new(3000, 11).unwrap();
        (0..kill).for_each(|_| round(&mut first));
        let text = serde_json::to_string(&first).unwrap();
        let mut second: Labelling = serde_json::from_str(&text).unwrap();
        (kill..4).for_each(|_| round(&mut second));
        assert_eq!(second, straight);
    }
    assert_eq!(straight.rounds(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The two largest of any number of classes, equal or not.
    #[test]
    fn margins_by_sorting(rows in (2_usize..13).prop_flat_map(|classes| {
        prop::collection::vec(prop::collection::vec(0_u8..6, classes), 1..9)
    })) {
        let classes = rows[0].len();
        let shares: Vec<Vec<f64>> = rows.iter().map(|row| {
            let total: f64 = row.iter().map(|x| f64::from(*x) + 0.5).sum();
            row.iter().map(|x| (f64::from(*x) + 0.5) / total).collect()
        }).collect();
        let data = TensorData::new(shares.concat(), [rows.len(), classes]);
        let values = Tensor::<2>::from_data(data, (&Device::flex(), DType::F64));
        let found = numbers(Margin.scores(&ClassProbabilities::new(values).unwrap()).unwrap());
        for (row, found) in shares.into_iter().zip(found) {
            let mut row = row;
            row.sort_by(|a, b| b.total_cmp(a));
            prop_assert!((found - (1.0 - row[0] + row[1])).abs() < 1e-12);
        }
    }

    /// Each candidate that a core-set takes is as far as any from all before it.
    #[test]
    fn core_sets_take_the_farthest(points in prop::collection::vec((-50_i32..50, -50_i32..50), 2..30)) {
        let points: Vec<[f64; 2]> = points.iter().map(|(x, y)| [f64::from(*x), f64::from(*y)]).collect();
        let data = TensorData::new(points.concat(), [points.len(), 2]);
        let rows = Tensor::<2>::from_data(data, (&Device::flex(), DType::F64));
        let chosen = CoreSet.select(&Embeddings::new(rows).unwrap(), points.len()).unwrap();
        let square = |a: usize, b: usize| {
            (points[a][0] - points[b][0]).powi(2) + (points[a][1] - points[b][1]).powi(2)
        };
        for step in 1..chosen.len() {
            let to_taken = |place: usize| {
                chosen[..step].iter().map(|taken| square(place, *taken)).fold(f64::INFINITY, f64::min)
            };
            let farthest = (0..points.len()).map(to_taken).fold(0.0, f64::max);
            prop_assert!((to_taken(chosen[step]) - farthest).abs() < 1e-9 * (1.0 + farthest));
            prop_assert!(!chosen[..step].contains(&chosen[step]));
        }
    }
}
