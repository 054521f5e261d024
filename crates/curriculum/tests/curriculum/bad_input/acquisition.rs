//! Absurd arguments for active learning.

use burn::tensor::{Device, Tensor};
use regimen_curriculum::CurriculumError;
use regimen_curriculum::active::acquisition::{
    Acquisition, Badge, Bald, BatchBald, ClassProbabilities, CoreSet, Criterion, Embeddings,
    Entropy, GradientEmbeddings, Labelling, LeastConfident, Margin, MaxDivergence, RoundFacts,
    Score, Stopping, TypiClust, VariationRatio, VoteEntropy, cohens_kappa, highest, typicality,
};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

type Answer = Result<(), CurriculumError>;

fn scores() -> [Box<dyn Score>; 7] {
    [
        Box::new(LeastConfident),
        Box::new(Margin),
        Box::new(Entropy),
        Box::new(Bald),
        Box::new(VoteEntropy),
        Box::new(VariationRatio),
        Box::new(MaxDivergence),
    ]
}

/// All that can be asked of probabilities.
fn asked(pool: Result<ClassProbabilities, CurriculumError>, wanted: usize) -> Answer {
    let pool = pool?;
    for score in scores() {
        match score.scores(&pool) {
            Ok(found) => {
                let found: Vec<f32> = found.try_into_vec_as().unwrap();
                assert!(found.iter().all(|score| score.is_finite()));
            }
            Err(error) => assert!(matches!(error, CurriculumError::TooFew { .. })),
        }
    }
    Margin.select(&pool, wanted)?;
    BatchBald::new().with_outcomes(4).select(&pool, wanted)?;
    Ok(())
}

#[test]
fn acquisitions() {
    let mut hostile = Hostile::new("curriculum acquisitions");
    let device = Device::flex();
    for shape in [
        [0, 0, 0],
        [0, 3, 2],
        [2, 0, 2],
        [2, 3, 0],
        [2, 3, 1],
        [1, 1, 2],
        [2, 3, 4],
    ] {
        let name = format!("probabilities {shape:?}");
        let share = 1.0 / shape[2].max(1) as f32;
        let values = Tensor::<3>::zeros(shape, &device) + share;
        hostile.input(&name, || {
            asked(ClassProbabilities::of_samples(values.clone()), 1)
        });
        hostile.input(&name, || {
            asked(ClassProbabilities::of_sample_logits(values), 1)
        });
        let rows = Tensor::<2>::zeros([shape[1], shape[2]], &device) + share;
        hostile.input(&name, || asked(ClassProbabilities::new(rows.clone()), 1));
        hostile.input(&name, || {
            asked(ClassProbabilities::of_logits(rows.clone()), 1)
        });
        hostile.input(&name, || embedded(rows, 1));
    }
    let good = || ClassProbabilities::of_samples(Tensor::<3>::zeros([2, 3, 2], &device) + 0.5);
    for n in COUNTS {
        let name = format!("{n} wanted");
        hostile.input(&name, || asked(good(), n));
        hostile.input(&name, || embedded(Tensor::<2>::ones([3, 2], &device), n));
        hostile.input(&name, || highest(Tensor::<1>::ones([3], &device), n));
        hostile.input(format!("pieces of {n}"), || asked(good()?.with_piece(n), 2));
        hostile.input(format!("{n} outcomes"), || {
            BatchBald::new().with_outcomes(n).select(&good()?, 2)
        });
        let pool = || Embeddings::new(Tensor::<2>::ones([3, 2], &device));
        hostile.input(format!("{n} neighbours"), || typicality(&pool()?, n));
        for method in [
            TypiClust::new().with_neighbours(n),
            TypiClust::new().with_clusters(n),
            TypiClust::new().with_sweeps(n).with_seed(n as u64),
        ] {
            hostile.input(format!("{method:?}"), || method.select(&pool()?, 2));
        }
        hostile.input(format!("gradient {n}"), || {
            let rows = Tensor::<2>::ones([3, 2], &device);
            GradientEmbeddings::new(&good()?, rows)?.squared_distances(n)
        });
        hostile.input(format!("{n} examples"), || {
            let mut labelling = Labelling::new(n, u64::MAX)?;
            labelling.label(&[0])?;
            labelling.random(1).map(drop)
        });
        hostile.input(format!("{n} labelled"), || {
            Labelling::new(9, 0)?.label(&[1, n])
        });
        hostile.input(format!("{n} at random"), || Labelling::new(9, 0)?.random(n));
        hostile.input(format!("{n} labels"), || RoundFacts::new(n));
        hostile.input(format!("{n} right"), || {
            RoundFacts::new(1)?.with_batch(n, 3)
        });
        hostile.input(format!("{n} in the batch"), || {
            RoundFacts::new(1)?.with_batch(0, n)
        });
        hostile.input(format!("a budget of {n}"), || {
            observed(Criterion::Budget { labels: n })
        });
        for kappa in NUMBERS {
            let name = format!("kappa {kappa} over {n}");
            let criterion = Criterion::StablePredictions { kappa, rounds: n };
            hostile.input(&name, || observed(criterion));
            let within = kappa;
            let criterion = Criterion::FlatUncertainty { within, rounds: n };
            hostile.input(&name, || observed(criterion));
        }
    }
    for x in NUMBERS {
        let of = |y: f64| Tensor::<2>::from_data([[x as f32, y as f32], [0.5, 0.5]], &device);
        for y in [0.0, 1.0, 1.0 - x, f64::NAN] {
            let name = format!("{x} and {y}");
            hostile.input(&name, || asked(ClassProbabilities::new(of(y)), 1));
            hostile.input(&name, || asked(ClassProbabilities::of_logits(of(y)), 1));
            hostile.input(&name, || embedded(of(y), 1));
        }
        let scores = Tensor::<1>::from_data([x as f32, 0.5], &device);
        hostile.input(format!("a score of {x}"), || highest(scores, 1));
        hostile.input(format!("uncertainty {x}"), || {
            RoundFacts::new(1)?.with_uncertainties(&[x, x])
        });
        for criterion in [
            Criterion::OverallUncertainty { below: x },
            Criterion::MaxUncertainty { below: x },
            Criterion::MinError { accuracy: x },
        ] {
            hostile.input(format!("{criterion:?}"), || observed(criterion));
        }
    }
    hostile.input("no criterion", || Stopping::new(Vec::new()));
    hostile.input("kappa of none", || cohens_kappa(&[], &[]));
    hostile.input("kappa of some", || cohens_kappa(&[usize::MAX], &[1, 2]));
    hostile.input("no prediction", || {
        RoundFacts::new(1)?.with_predictions(Vec::new())
    });
    hostile.input("none labelled", || {
        CoreSet.distances(&Embeddings::new(Tensor::<2>::ones([3, 2], &device))?)
    });
    hostile.input("other features", || {
        Embeddings::new(Tensor::<2>::ones([3, 2], &device))?
            .with_labelled(Tensor::<2>::ones([3, 1], &device))
    });
    hostile.finish();
}

/// All that looks at embeddings.
fn embedded(rows: Tensor<2>, wanted: usize) -> Answer {
    let [candidates, _] = rows.dims();
    let device = rows.device();
    let pool = Embeddings::new(rows.clone())?;
    let none = Tensor::<2>::zeros([0, pool.features()], &device);
    let labelled = pool.clone().with_labelled(rows.clone())?;
    let pool = pool.with_labelled(none)?;
    for pool in [&pool, &labelled] {
        CoreSet.select(pool, wanted)?;
        TypiClust::new().select(pool, wanted)?;
    }
    let answers = Tensor::<2>::zeros([candidates, 2], &device) + 0.5;
    let gradients = GradientEmbeddings::new(&ClassProbabilities::new(answers)?, rows)?;
    Badge::new(0).select(&gradients, wanted).map(drop)
}

fn observed(criterion: Criterion) -> Answer {
    let mut stopping = Stopping::new(vec![criterion])?;
    for _ in 0..3 {
        let facts = RoundFacts::new(3)?.with_uncertainties(&[0.5, 0.25])?;
        let facts = facts.with_predictions(vec![0, 1, 1])?.with_batch(1, 2)?;
        stopping.observe(&facts)?;
    }
    Ok(())
}
