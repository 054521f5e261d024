//! Damaged states of every type that is read from a file.

mod acquisition;
mod order;
mod robust;
mod tasks;
mod transfer;

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor};
use regimen_curriculum::AdaptiveDifficultyConfig;
use regimen_curriculum::ability::irt::{
    AbilityEstimate, Estimator, IrtConfig, IrtFit, IrtModel, ItemParameters, Normal, Responses,
    VariationalConfig, VariationalFit, ability,
};
use regimen_curriculum::ability::mastery::{
    ClusterDraws, ClusterDrawsConfig, Clusters, DpMeansConfig, DpRule, FirstCentre, KMeansConfig,
    PairSampleConfig, Points, Refinement, RefinementConfig, Round, Step, WordVectorsConfig,
};
use regimen_curriculum::text::{
    Aggregation, BinaryCounts, Bm25Config, Bm25Variant, CodeBleu, CodeBleuScore,
    DecontaminationConfig, DuplicateGroups, Evaluation, FixedShots, Hit, KeepRate, Likeness,
    LikenessConfig, NearDuplicatesConfig, Overlap, Rouge, Scan, Scored, Selection, ShotOrder,
    Shots, TextClassifier, TextClassifierConfig, TextTokens, Threshold, Vectors, Verify,
};
use regimen_curriculum::{
    AbilityPacedConfig, AdaptiveBatch, AdaptiveBatchConfig, BatchNormGroups, BatchNormStatistics,
    BatchTest, Chosen, CurriculumLoader, Dimension, DynamicRandom, EpochPlan, GradientStatistics,
    InfoBatch, InfoBatchConfig, LiveBatchSize, LoaderState, MicroBatches, MultigridConfig,
    NotedLosses, Rejected, Replay, Sampler, Seta, SetaConfig, ShortCycle, StaticSubset,
    SubBatchNormConfig, Uniform,
};
use regimen_curriculum::{
    EasyFirst, Forgetting, Mixture, MixtureConfig, Pacing, Prioritised, ReplayDraw, ReplayMix,
    ReplayMixConfig, SelfPaced, Weighted,
};
use regimen_tensor::Part;
use regimen_tensor::testing::Hostile;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::damage::{EXAMPLES, State, losses, sampled, state, text_of};
use super::trainings::{Batch, Stack, items};

fn loaded<S>(state: LoaderState<S>) -> Result<(), String>
where
    S: Sampler + Clone + Sync + Serialize + DeserializeOwned + 'static,
{
    use burn::data::dataloader::DataLoader;
    let (stack, device) = (Arc::new(Stack(DType::F32)), Device::flex());
    let loader: CurriculumLoader<S, usize, Batch> =
        CurriculumLoader::resume(state, items(EXAMPLES), stack, 2, &device).map_err(text_of)?;
    let feedback = loader.feedback();
    for _ in 0..2 {
        for batch in loader.iter() {
            let ids = batch.map_err(text_of)?.ids;
            let losses = losses(&ids);
            feedback.observe(ids, Tensor::from_floats(losses.as_slice(), &device));
        }
    }
    let mut handle = loader.clone();
    let bytes = loader.save().map_err(text_of)?;
    handle.load(&bytes).map_err(|error| panic!("{error}"))
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Live(usize);

/// Every type of this crate that is read from a file.
pub(super) fn states() -> Vec<State> {
    let mut seta = SetaConfig::new(6).with_groups(3).init(EXAMPLES).unwrap();
    let mut infobatch = InfoBatchConfig::new(6).init(EXAMPLES).unwrap();
    for _ in 0..2 {
        let plan = seta.plan();
        seta.observe(&plan.ids, &losses(&plan.ids)).unwrap();
        let plan = infobatch.plan();
        infobatch.observe(&plan.ids, &losses(&plan.ids)).unwrap();
    }
    let by_difficulty = AdaptiveDifficultyConfig::new(3).with_shuffle(true);
    let all: Vec<usize> = (0..EXAMPLES).collect();
    let mut difficult = by_difficulty.init(&losses(&all)).unwrap();
    for _ in 0..2 {
        let _ = difficult.plan();
        difficult
            .observe(&[1, 3, 5, 7], &[0.5, 0.25, 0.5, 1.0])
            .unwrap();
    }
    let (seta_config, infobatch_config) = (SetaConfig::new(6), InfoBatchConfig::new(6));
    let plan = infobatch.clone().plan();
    let rejected = Rejected {
        losses: 2,
        last: Some(3),
    };
    let noted = NotedLosses {
        ids: vec![1, 2, 1],
        losses: vec![0.5, f32::NAN, f32::NEG_INFINITY],
    };
    let loader = |sampler: Seta| LoaderState {
        sampler,
        plan: Some(plan.clone()),
        delivered: 2,
        batches: 7,
        rejected,
        later: vec![EpochPlan::new(vec![3, 1, 2])],
        noted: noted.clone(),
    };
    let multigrid = MultigridConfig::video(4, 8, 16, vec![0, 3, 5], 8);
    let adaptive = AdaptiveBatchConfig::new(BatchTest::Norm { eta: 0.5 }, 4, 100);
    let adaptive = adaptive.with_micro_batch(2, 2);
    let mut grown = adaptive.init().unwrap();
    let statistics = GradientStatistics {
        squared_norm: 1.0,
        variance: 5.0,
        inner_product_variance: Some(2.0),
        largest_ratio: 3.0,
    };
    grown.step(4, Some(&statistics)).unwrap();
    let norms = BatchNormStatistics::new(vec![vec![0.0, 1.0]; 2], vec![vec![1.0, 0.5]; 2]);
    vec![
        state("Uniform", &Uniform::new(EXAMPLES, 1).unwrap(), sampled),
        state(
            "DynamicRandom",
            &DynamicRandom::new(EXAMPLES, 0.5, 1).unwrap(),
            sampled,
        ),
        state(
            "StaticSubset",
            &StaticSubset::new(EXAMPLES, 0.5, 1).unwrap(),
            sampled,
        ),
        state(
            "Chosen",
            &Chosen::new(EXAMPLES, vec![5, 2, 7], 1).unwrap(),
            sampled,
        ),
        state("Seta", &seta, sampled),
        state("InfoBatch", &infobatch, sampled::<InfoBatch>),
        state("SetaConfig", &seta_config, |config| {
            sampled(config.init(EXAMPLES).map_err(text_of)?)
        }),
        state("InfoBatchConfig", &infobatch_config, |config| {
            sampled(config.init(EXAMPLES).map_err(text_of)?)
        }),
        state("EpochPlan", &plan, |plan| {
            let weights = (0..plan.ids.len()).map(|position| plan.weight(position));
            assert!(weights.sum::<f32>().is_finite() && plan.weight(usize::MAX) == 1.0);
            Ok(())
        }),
        state("LoaderState<Seta>", &loader(seta), loaded),
        state("Rejected", &rejected, |_| Ok(())),
        state("NotedLosses", &noted, |noted| {
            assert_eq!(noted.ids.len(), noted.losses.len());
            Ok(())
        }),
        state("AdaptiveDifficulty", &difficult, sampled),
        state("AdaptiveDifficultyConfig", &by_difficulty, |config| {
            sampled(
                config
                    .init(&losses(&[0, 1, 2, 3, 4, 5, 6, 7, 8]))
                    .map_err(text_of)?,
            )
        }),
        state("Replay", &Replay::new(0.25, 8).unwrap(), |replay| {
            for step in [0, 1, 1000, usize::MAX - 1, usize::MAX] {
                let (old, fresh) = (replay.old(step), replay.fresh(step));
                assert!(old.checked_add(fresh).is_some_and(|batch| batch > 0));
                let _ = replay.fresh_in(step);
            }
            Ok(())
        }),
        state(
            "MicroBatches",
            &MicroBatches::new(100, 16, 2).unwrap(),
            |micro| {
                assert!(micro.batch / micro.size / micro.steps >= 1);
                Ok(())
            },
        ),
        state(
            "BatchTest",
            &BatchTest::Augmented {
                theta: 0.5,
                nu: 5.0,
            },
            move |test| {
                assert!(!test.wanted(&statistics).map_err(text_of)?.is_nan());
                Ok(())
            },
        ),
        state(
            "GradientStatistics",
            &statistics,
            |statistics: GradientStatistics| {
                let eta = 0.1;
                let (theta, nu) = (0.1, 0.1);
                for test in [
                    BatchTest::Norm { eta },
                    BatchTest::CoordinateWise { eta },
                    BatchTest::InnerProduct { theta },
                    BatchTest::Augmented { theta, nu },
                ] {
                    assert!(!test.wanted(&statistics).map_err(text_of)?.is_nan());
                }
                Ok(())
            },
        ),
        state("AdaptiveBatchConfig", &adaptive, move |config| {
            adapted(config.init().map_err(text_of)?, statistics)
        }),
        state("AdaptiveBatch", &grown, move |batch| {
            adapted(batch, statistics)
        }),
        state(
            "BatchNormGroups",
            &BatchNormGroups::new(512, 8, 8).unwrap(),
            |groups| {
                assert!(groups.splits > 0 && groups.synchronised > 0);
                Ok(())
            },
        ),
        state(
            "BatchNormStatistics",
            &norms.unwrap(),
            |norms: BatchNormStatistics| {
                let (mean, variance) = norms.merged();
                assert!(mean.iter().chain(&variance).all(|value| value.is_finite()));
                norms.regrouped(3).map(drop).map_err(text_of)
            },
        ),
        state(
            "Dimension",
            &multigrid.dimensions[1].clone(),
            |dimension: Dimension| {
                let config = MultigridConfig::new(4, vec![0, 2], 4);
                let Dimension { name, size, power } = dimension;
                run(&config.with_dimension(&name, size, power))
            },
        ),
        state(
            "ShortCycle",
            multigrid.short_cycle.as_ref().unwrap(),
            |short: ShortCycle| {
                let config = MultigridConfig::images(4, 16, vec![0, 2], 4);
                run(&config.with_short_cycle(&short.dimension, short.factors))
            },
        ),
        state("MultigridConfig", &multigrid, |config| run(&config)),
        state(
            "SubBatchNormConfig",
            &SubBatchNormConfig::new(2, 2),
            |config: SubBatchNormConfig| {
                let device = Device::flex().autodiff();
                let norm = config.init(&device).map_err(text_of)?;
                norm.forward(Tensor::<2>::ones([4, 2], &device))
                    .map(drop)
                    .map_err(text_of)
            },
        ),
        state("LiveBatchSize", &Live(5), |Live(size)| {
            let mut live = LiveBatchSize::new(1).map_err(text_of)?;
            live.load(size.to_string().as_bytes()).map_err(text_of)?;
            assert!(live.get() > 0);
            Ok(())
        }),
    ]
    .into_iter()
    .chain(texts())
    .chain(abilities())
    .chain(clusters())
    .chain(robust::states())
    .chain(order::states())
    .chain(tasks::states())
    .chain(transfer::states())
    .chain(super::mixing::states::states())
    .collect()
}

/// Those of item response theory.
fn abilities() -> Vec<State> {
    let responses = || {
        let all = (0..5).flat_map(|s| (0..4).map(move |i| (s, i, (s + i) % 3 > 0)));
        Responses::new(5, 4, all).unwrap()
    };
    let fit = IrtConfig::new().fit(&responses()).unwrap();
    let item = ItemParameters {
        guessing: 0.25,
        upper: 0.9,
        ..ItemParameters::of_difficulty(0.5)
    };
    let map = AbilityEstimate::Map { prior: 1.0 };
    let pacing = Pacing::Root {
        start: 0.5,
        epochs: 3,
    };
    let mut events = Forgetting::new(3).unwrap();
    events.observe(&[0, 2], &[true, false]).unwrap();
    let paced = AbilityPacedConfig::new().with_least(3).with_lower(-1.0);
    let mut sampler = paced.init(&fit.difficulties().repeat(2)).unwrap();
    sampler.report(-0.5).unwrap();
    let fitted = move |config: IrtConfig| {
        let fit = config.with_steps(5).fit(&responses()).map_err(text_of)?;
        assert!(
            fit.difficulties()
                .iter()
                .all(|difficulty| difficulty.is_finite())
        );
        Ok::<_, String>(())
    };
    let replayed = ReplayMixConfig::new(0.5, 2).with_weights(vec![1.0, 2.0]);
    let mut mix = replayed.init(&[2, 2], 5).unwrap();
    let _ = mix.plan();
    let mixture = MixtureConfig::new(vec![1.0, 0.5])
        .with_until(vec![0.5, 1.0], 3)
        .with_length(EXAMPLES / 2);
    let domains: Vec<usize> = (0..EXAMPLES).map(|id| id % 2).collect();
    let mut mixed = mixture.init(&domains).unwrap();
    mixed.plan();
    let few = VariationalConfig::new().with_steps(5);
    let varied_fit = few.fit(&responses()).unwrap();
    let varied = move |config: VariationalConfig| {
        let fit = config.with_steps(5).fit(&responses());
        let fit = fit.map_err(text_of)?;
        assert!(fit.abilities.iter().all(|one| one.mean.is_finite()));
        Ok::<_, String>(())
    };
    vec![
        state("Pacing", &pacing, |pacing: Pacing| {
            sampled(SelfPaced::new(EXAMPLES, pacing, 1).map_err(text_of)?)
        }),
        state(
            "EasyFirst",
            &EasyFirst::new(&[0.5; EXAMPLES], pacing, 1).unwrap(),
            sampled::<EasyFirst>,
        ),
        state(
            "SelfPaced",
            &SelfPaced::new(EXAMPLES, pacing, 1).unwrap(),
            sampled::<SelfPaced>,
        ),
        state(
            "Prioritised",
            &Prioritised::new(EXAMPLES, 0.5, 1.0, 1).unwrap(),
            sampled::<Prioritised>,
        ),
        state(
            "Weighted",
            &Weighted::new(&[0.5; EXAMPLES], 0.5, 1).unwrap(),
            sampled::<Weighted>,
        ),
        state("MixtureConfig", &mixture, |config: MixtureConfig| {
            sampled(config.init(&[0; EXAMPLES]).map_err(text_of)?)
        }),
        state("Mixture", &mixed, sampled::<Mixture>),
        state("ReplayDraw", &ReplayDraw::Round, |draw| {
            let config = ReplayMixConfig::new(0.5, 2).with_draw(draw);
            sampled(config.init(&[2, 2], 5).map_err(text_of)?)
        }),
        state("ReplayMixConfig", &replayed, |config: ReplayMixConfig| {
            sampled(config.init(&[2, 2], 5).map_err(text_of)?)
        }),
        state("ReplayMix", &mix, sampled::<ReplayMix>),
        state("Forgetting", &events, |mut events: Forgetting| {
            events.observe(&[0], &[false]).map_err(text_of)?;
            assert_eq!(events.scores().len(), events.events().len());
            Ok(())
        }),
        state("IrtConfig", &IrtConfig::new(), fitted),
        state("IrtModel", &IrtModel::TwoPl, move |model| {
            fitted(IrtConfig::new().with_model(model))
        }),
        state("Estimator", &Estimator::Joint, |estimator: Estimator| {
            let config = IrtConfig::new().with_estimator(estimator);
            let one = Responses::new(1, 1, [(0, 0, true)]).map_err(text_of)?;
            config.fit(&one).map(drop).map_err(text_of)
        }),
        state("IrtFit", &fit, |_: IrtFit| Ok(())),
        state("VariationalConfig", &few, varied),
        state("Normal", &varied_fit.abilities[0], |one: Normal| {
            assert!(!one.divergence(&one).is_nan());
            Ok(())
        }),
        state("VariationalFit", &varied_fit, |fit: VariationalFit| {
            assert_eq!(fit.items().len(), fit.difficulties.len());
            Ok(())
        }),
        state("ItemParameters", &item, move |item: ItemParameters| {
            assert!((0.0..=1.0).contains(&item.probability(1.0)));
            assert!(!item.ability_for(0.5).is_nan());
            ability(&[item; 3], &[true, false, true], map)
                .map(drop)
                .map_err(text_of)
        }),
        state("AbilityEstimate", &map, |estimate: AbilityEstimate| {
            let items = [ItemParameters::of_difficulty(0.0); 2];
            let theta = ability(&items, &[true, false], estimate).map_err(text_of)?;
            assert!(!theta.is_nan());
            Ok(())
        }),
        state(
            "AbilityPacedConfig",
            &paced,
            |config: AbilityPacedConfig| sampled(config.init(&[0.5; EXAMPLES]).map_err(text_of)?),
        ),
        state("AbilityPaced", &sampler, |mut sampler| {
            sampler.report(2.0).map_err(text_of)?;
            sampled(sampler)
        }),
    ]
}

const TEXTS: [&str; 4] = ["a b c", "d e", "a c b b", "e d d"];

fn classified(config: &TextClassifierConfig) -> Result<TextClassifier, String> {
    let config = config.clone().with_least(1);
    config
        .fit(TEXTS, &[true, false, true, false])
        .map_err(text_of)
}

fn alike(config: &LikenessConfig) -> Result<(), String> {
    let vectors = Vectors::new(&[1.0, 2.0, -1.0], 1).map_err(text_of)?;
    config.init(&vectors, &vectors).map(drop).map_err(text_of)
}

/// Those of clusters.
fn clusters() -> Vec<State> {
    let points = || Points::of_rows(&[[0.0], [0.1], [4.0], [4.2], [9.0]]).unwrap();
    let dp = DpMeansConfig::new(2.0).with_first(FirstCentre::Point(1));
    let refining = RefinementConfig::new(Step::Divide(2.0)).with_rounds(4);
    let found = refining.refine(&points(), |of| of.len() as f64).unwrap();
    let assignment = found.clusters.assignment.clone();
    let draws = ClusterDrawsConfig::new(3).with_fixed(false);
    let spread = vec![0; EXAMPLES - 1].into_iter().chain([4]);
    let sampler = draws.init(&spread.collect::<Vec<_>>()).unwrap();
    let pairs = PairSampleConfig::new();
    let assigned = move |clusters: Clusters| {
        let width = clusters.centres[0].len();
        let here = Points::new(width, vec![0.5; width]).map_err(text_of)?;
        assert_eq!(clusters.assign(&here).map_err(text_of)?.len(), 1);
        let members = clusters.members();
        assert_eq!(members.iter().flatten().count(), clusters.assignment.len());
        Ok::<_, String>(())
    };
    vec![
        state("DpMeansConfig", &dp, move |config: DpMeansConfig| {
            assigned(config.with_sweeps(3).fit(&points()).map_err(text_of)?)
        }),
        state("DpRule", &DpRule::Unsquared, move |rule| {
            let config = DpMeansConfig::new(1.0).with_rule(rule);
            assigned(config.fit(&points()).map_err(text_of)?)
        }),
        state("FirstCentre", &FirstCentre::Point(1), move |first| {
            let config = DpMeansConfig::new(1.0).with_first(first);
            assigned(config.fit(&points()).map_err(text_of)?)
        }),
        state("Clusters", &found.clusters, assigned),
        state("Step", &Step::Down { from: 3.0, to: 1.0 }, move |step| {
            let config = RefinementConfig::new(step).with_rounds(3);
            let found = config.refine(&points(), |of| of.len() as f64);
            assigned(found.map_err(text_of)?.clusters)
        }),
        state("RefinementConfig", &refining, move |config| {
            let config: RefinementConfig = config;
            let config = config.with_rounds(3);
            let found = config.refine(&points(), |of| of.len() as f64);
            assigned(found.map_err(text_of)?.clusters)
        }),
        state("Round", &found.rounds[0], |_: Round| Ok(())),
        state("Refinement", &found, move |found: Refinement| {
            assigned(found.clusters)
        }),
        state(
            "KMeansConfig",
            &KMeansConfig::new(2),
            move |config: KMeansConfig| {
                assigned(config.with_sweeps(3).fit(&points()).map_err(text_of)?)
            },
        ),
        state(
            "WordVectorsConfig",
            &WordVectorsConfig::new().with_width(2).with_epochs(1),
            |config: WordVectorsConfig| {
                let config = config.with_epochs(1).with_width(2);
                let vectors = config.fit(&[[0, 1], [1, 2]], 3).map_err(text_of)?;
                assert_eq!(vectors.len(), 3);
                Ok(())
            },
        ),
        state(
            "PairSampleConfig",
            &pairs,
            move |config: PairSampleConfig| {
                let all = Clusters {
                    centres: vec![vec![0.0]; 5],
                    assignment: assignment.clone(),
                    cost: 0.0,
                    sweeps: 1,
                };
                let recorded = [(0, 1), (4, 2)];
                let found = config.sample(&all, &all, &recorded);
                assert!(found.map_err(text_of)?.len() <= 2);
                Ok(())
            },
        ),
        state(
            "ClusterDrawsConfig",
            &draws,
            |config: ClusterDrawsConfig| sampled(config.init(&[1; EXAMPLES]).map_err(text_of)?),
        ),
        state("ClusterDraws", &sampler, sampled::<ClusterDraws>),
    ]
}

/// Those of the choice of text.
fn texts() -> Vec<State> {
    let plus = Bm25Variant::Plus { delta: 1.0 };
    let overlap = Overlap {
        evaluation: 0,
        test: 2,
        share: 0.5,
    };
    let hit = Hit {
        document: 3,
        score: 0.5,
    };
    let rouge = Rouge {
        precision: 0.5,
        recall: 0.25,
        f1: 1.0 / 3.0,
    };
    let mut counts = BinaryCounts::default();
    counts.add(Some(true), true);
    counts.add(None, false);
    let scan = Scan {
        documents: 7,
        contaminated: vec![(3, overlap)],
        tests_found: vec![1],
    };
    let found = |config: &Bm25Config| {
        let index = config.init(["a b", "b c", ""]).map_err(text_of)?;
        assert!(index.scores("a a b").iter().all(|score| score.is_finite()));
        Ok::<_, String>(())
    };
    let near = NearDuplicatesConfig::new();
    let same = near
        .init()
        .unwrap()
        .groups(["a b", "c", "a b", "c"])
        .unwrap();
    let code = CodeBleu::new(["if"]).score("a if b", "a if", None, None);
    let code = code.unwrap();
    let rate = KeepRate::PowerLaw {
        factor: 4e-5,
        exponent: 0.25,
    };
    let vectors = [1.0, 0.5, -1.0, 0.25, 3.0, 1.0];
    let vectors = Vectors::new(&vectors, 2).unwrap();
    let likeness = LikenessConfig::new().init(&vectors, &vectors).unwrap();
    let classifier = classified(&TextClassifierConfig::new().with_bits(8)).unwrap();
    let scores = classifier.score_all(TEXTS);
    let threshold = Threshold::of(scores, 0.5).unwrap();
    let selection = classifier.select(TEXTS, threshold);
    vec![
        state(
            "NearDuplicatesConfig",
            &near,
            |config: NearDuplicatesConfig| {
                let index = config.init().map_err(text_of)?;
                let found = index.groups(["a b", "c", "a b"]).map_err(text_of)?;
                assert_eq!(found.groups(), [[0, 2]]);
                Ok(())
            },
        ),
        state("Verify", &Verify::Estimate, |_: Verify| Ok(())),
        state("DuplicateGroups", &same, |found: DuplicateGroups| {
            assert!(
                found
                    .repeats()
                    .iter()
                    .all(|place| *place < found.documents())
            );
            Ok(())
        }),
        state(
            "Bm25Config",
            &Bm25Config::new().with_variant(plus),
            move |config| found(&config),
        ),
        state("Bm25Variant", &plus, move |variant| {
            found(&Bm25Config::new().with_variant(variant))
        }),
        state("Hit", &hit, |_: Hit| Ok(())),
        state("TextTokens", &TextTokens::Words, |tokens: TextTokens| {
            assert_eq!(tokens.split("a b").len(), 2);
            Ok(())
        }),
        state(
            "DecontaminationConfig",
            &DecontaminationConfig::new(),
            |config: DecontaminationConfig| {
                let text = "a b c d e f g h i";
                let index = config.init(&[Evaluation::new("one").with_tests([text])]);
                let index = index.map_err(text_of)?;
                assert!(index.highest(text).is_none_or(|found| found.share == 1.0));
                Ok(())
            },
        ),
        state("Overlap", &overlap, |_: Overlap| Ok(())),
        state("Scan", &scan, |_: Scan| Ok(())),
        state(
            "FixedShots",
            &FixedShots::new(vec![2, 0]),
            |shots: FixedShots| {
                assert!(shots.shots(0, "a", 1).len() <= 1);
                Ok(())
            },
        ),
        state("ShotOrder", &ShotOrder::MostSimilarFirst, |_: ShotOrder| {
            Ok(())
        }),
        state("CodeBleu", &CodeBleu::new(["if"]), |bleu: CodeBleu| {
            let score = bleu.score("a if", "a", Some(0.5), None).map_err(text_of)?;
            assert!((0.0..=1.0).contains(&score.combined));
            Ok(())
        }),
        state("CodeBleuScore", &code, |_: CodeBleuScore| Ok(())),
        state("Aggregation", &Aggregation::MeanLog, |aggregation| {
            alike(&LikenessConfig::new().with_aggregation(aggregation))
        }),
        state("LikenessConfig", &LikenessConfig::new(), |config| {
            alike(&config)
        }),
        state("Likeness", &likeness, |likeness: Likeness| {
            let documents = likeness.scores().len();
            assert_eq!(likeness.order().len(), documents);
            assert_eq!(likeness.best(0.5).map_err(text_of)?.len(), documents);
            Ok(())
        }),
        state("KeepRate", &rate, |rate: KeepRate| {
            rate.share(1e20).map(drop).map_err(text_of)
        }),
        state(
            "TextClassifierConfig",
            &TextClassifierConfig::new().with_bits(8),
            |config: TextClassifierConfig| classified(&config).map(drop),
        ),
        state("TextClassifier", &classifier, |read: TextClassifier| {
            assert!(!read.score("a b").is_nan());
            Ok(())
        }),
        state(
            "Scored",
            &Scored {
                score: 0.5,
                tokens: 3,
            },
            |_: Scored| Ok(()),
        ),
        state("Threshold", &threshold, |_: Threshold| Ok(())),
        state("Selection", &selection, |mut selection: Selection| {
            selection.add(
                Scored {
                    score: 1e9,
                    tokens: u64::MAX,
                },
                Threshold {
                    score: 0.0,
                    share: 0.1,
                },
            );
            assert!((0.0..=1.0).contains(&selection.share()));
            selection.sampler(1).map(drop).map_err(text_of)
        }),
        state("Rouge", &rouge, |_: Rouge| Ok(())),
        state("BinaryCounts", &counts, |mut counts: BinaryCounts| {
            counts.add(Some(false), true);
            let shares = [
                counts.precision(),
                counts.recall(),
                counts.f1(),
                counts.accuracy(),
                counts.unread_share(),
            ];
            assert!(shares.iter().all(|share| !share.is_nan()));
            Ok(())
        }),
    ]
}

fn adapted(mut batch: AdaptiveBatch, statistics: GradientStatistics) -> Result<(), String> {
    for _ in 0..3 {
        let before = batch.batch_size();
        let after = batch.step(before, Some(&statistics)).map_err(text_of)?;
        assert!(before <= after && after <= batch.config().largest);
        let _ = batch.micro_batches();
    }
    Ok(())
}

/// All that a schedule answers.
pub(super) fn run(config: &MultigridConfig) -> Result<(), String> {
    use regimen_schedules::Schedule;
    let plan = config.init().map_err(text_of)?;
    assert!(plan.iteration_saving().is_finite() && plan.scale().is_finite());
    let epochs = plan.epochs();
    for epoch in [0, 1, epochs / 2, epochs, usize::MAX] {
        assert!(plan.entry_at(epoch).mean_batch() >= 1.0);
        let _ = plan.evaluates_after(epoch, usize::MAX) | plan.evaluates_after(epoch, 0);
    }
    let run = plan.run(100).map_err(text_of)?;
    for iteration in [0, 1, run.iterations(), usize::MAX] {
        assert!(run.at(iteration) >= 1.0);
        let _ = run.epoch(iteration);
    }
    let rate = run.warmed_up_rate(0.1, 0, 0.0).map_err(text_of)?;
    assert!(rate.at(usize::MAX).is_finite());
    Ok(())
}

#[test]
fn damaged_states_are_errors_or_work() {
    let mut hostile = Hostile::new("curriculum states");
    for (name, sample, read) in states() {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}

#[test]
fn what_no_loader_can_deliver_is_named() {
    let refused = |from: &str, to: &str| {
        let mut all = states().into_iter();
        let loader = all.find(|(name, ..)| *name == "LoaderState<Seta>");
        let (_, sample, read) = loader.unwrap();
        assert!(sample.contains(from), "{from} in {sample}");
        read(&sample.replacen(from, to, 1)).unwrap_err()
    };
    let message = refused("[3,1,2]", "[3,1,3]");
    assert!(message.contains("example 3 is more than once"), "{message}");
    assert!(refused("[3,1,2]", "[3,9]").contains("example 9 of 9"));
    assert!(refused("\"delivered\":2", "\"delivered\":90").contains("`delivered` is 90"));
    assert!(refused("\"batches\":7", "\"batches\":18446744073709551615").contains("`batches`"));
    assert!(refused("\"last\":3", "\"last\":null").contains("`losses` is 2"));
    assert!(refused("\"ids\":[1,2,1]", "\"ids\":[1,2]").contains("3 losses for 2 examples"));
    assert!(refused("\"ids\":[1,2,1]", "\"ids\":[1,2,77]").contains("example 77 of 9"));
    assert!(refused("\"pruned\":2", "\"pruned\":1").contains("`pruned` is 1"));
    assert!(refused("\"weights\":[", "\"weights\":[1.0,").contains("the plan's weight"));
    // A loss that is not a number goes round in JSON.
    let noted: NotedLosses =
        serde_json::from_str(r#"{"ids":[1,2],"losses":["NaN","-inf"]}"#).unwrap();
    assert!(noted.losses[0].is_nan() && noted.losses[1] == f32::NEG_INFINITY);
    assert_eq!(
        serde_json::to_string(&noted).unwrap(),
        r#"{"ids":[1,2],"losses":["NaN","-inf"]}"#
    );
}
