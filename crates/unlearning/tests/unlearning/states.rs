//! Every type that is read from a file: a valid text, and what one does with a value that was accepted.

use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Int, Tensor};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::testing::Hostile;
use regimen_unlearning::attribution::datamodel_score::{calibration, linear_datamodelling_score};
use regimen_unlearning::methods::edit::{FisherForgettingConfig, SsdConfig};
use regimen_unlearning::methods::train::Order;
use regimen_unlearning::methods::train::amnesiac::{Amnesiac, AmnesiacConfig};
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::neg_grad::NegGradPlusConfig;
use regimen_unlearning::methods::train::npo::{NpoConfig, SimNpoConfig};
use regimen_unlearning::methods::train::rmu::RmuConfig;
use regimen_unlearning::methods::train::salun::{SalUn, SalUnConfig};
use regimen_unlearning::methods::train::scrub::{Rewound, ScrubConfig};
use regimen_unlearning::methods::train::unsir::NoiseConfig;
use regimen_unlearning::metrics::muse::Rouge;
use regimen_unlearning::metrics::tofu::{Averaging, ForgetQuality};
use regimen_unlearning::metrics::{
    Attack, LiraConfig, OutputDistance, RelearnConfig, Relearned, Shadow, output_distance,
};
use regimen_unlearning::report::{Attacks, Distances, ModelMetrics};
use regimen_unlearning::{
    Attributed, Datamodel, EpochLog, ForgetRequest, ForgettingReport, KlomConfig, KlomMeans,
    KlomSummary, Ledger, Matching, MatchingConfig, MatchingLoss, Outputs, Predictions, Prepared,
    ReportConfig, Subsets, SubsetsConfig, Trak, TrakConfig, Unlearn, UnlearnConfig,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bad_input::{Model, batch};

/// A type's name, a valid text, and what reads and uses a text.
pub(crate) type State = (&'static str, String, fn(&str) -> Result<(), String>);

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

/// A value that was accepted is written and read again.
fn round<T: DeserializeOwned + Serialize>(value: &T) -> Result<(), String> {
    drop(read::<T>(&text(value))?);
    Ok(())
}

fn linear() -> Linear {
    LinearConfig::new(2, 2).init(&Device::flex().autodiff())
}

fn examples() -> Vec<(Tensor<2>, usize)> {
    let device = Device::flex().autodiff();
    let rows = [[1.0, 0.2], [0.1, 1.0], [-0.5, 0.7]];
    let rows = rows.into_iter().enumerate();
    rows.map(|(i, row)| (Tensor::from_data([row], &device), i % 2))
        .collect()
}

fn distances() -> Distances {
    let distance = OutputDistance { kl: 0.1, l2: 0.2 };
    Distances {
        retain: distance,
        forget: distance,
        test: distance,
        weights: 0.3,
    }
}

fn attacks() -> Attacks {
    Attacks {
        loss: 0.5,
        entropy: 0.25,
        confidence: 0.75,
        modified_entropy: 1.0,
        likelihood_ratio: Some(0.5),
    }
}

fn metrics() -> ModelMetrics {
    ModelMetrics {
        retain_accuracy: 0.9,
        forget_accuracy: 0.1,
        test_accuracy: 0.8,
        membership: attacks(),
        relearn: Relearned {
            epochs: Some(2),
            steps: 4,
        },
        zrf: Some(0.9),
    }
}

fn klom() -> KlomMeans {
    KlomMeans {
        retain: 0.1,
        forget: 2.0,
        test: 0.2,
    }
}

fn report() -> ForgettingReport {
    ForgettingReport {
        request: "ann".into(),
        method: "SSD".into(),
        examples: [3, 2, 1],
        original: metrics(),
        unlearned: metrics(),
        retrained: Some(metrics()),
        to_original: distances(),
        to_retrained: Some(distances()),
        klom: Some([klom(), klom()]),
    }
}

fn subsets() -> Subsets {
    Subsets::from_members(3, vec![vec![0, 1], vec![0, 2], vec![1, 2]]).unwrap()
}

/// One value is infinitely unlikely, which a file can hold.
fn predictions() -> Predictions {
    let rows = vec![vec![-0.1, -2.4], vec![0.0, f64::NEG_INFINITY]];
    Predictions::new(rows, vec![0, 1]).unwrap()
}

fn trak() -> Trak {
    let mut trak = TrakConfig::new().with_dimensions(1).init().unwrap();
    let eval = examples()[..1].to_vec();
    trak.add(&linear(), examples(), eval, |model, x| model.forward(x))
        .unwrap();
    trak
}

fn labelled() -> SalUn {
    let config = SalUnConfig::new(2);
    config.init(&Model::new(), [batch()]).unwrap()
}

fn salun() -> String {
    String::from_utf8(labelled().save().unwrap()).unwrap()
}

fn trained() -> Unlearn {
    let mut run = UnlearnConfig::new(3).init().unwrap();
    let data = Prepared(vec![batch()]);
    let (mut optim, model) = (SgdConfig::new().init(), Model::new());
    run.epoch(model, &mut FineTune, &mut optim, &mut 0.1, &data, &data)
        .unwrap();
    run
}

pub(crate) fn states() -> Vec<State> {
    let mut ledger = Ledger::new(5);
    for positions in [vec![0, 2], vec![1]] {
        let request = ForgetRequest::examples("ann", positions).unwrap();
        ledger.add(request).unwrap();
    }
    let outputs = Outputs::new(vec![vec![0.5, 1.0]; 3], 1, 2).unwrap();
    let effects = vec![0.2, 0.1, -0.05, 0.3];
    let datamodel = Datamodel::new(1, 2, vec![0.5; 2], effects).unwrap();
    let summary = KlomConfig::new().init().unwrap();
    let rows: Vec<Vec<f64>> = (0..4).map(|i| vec![f64::from(i), 1.0]).collect();
    let summary = summary.points(&rows, &rows[1..]).unwrap();
    let shadow = Shadow {
        margins: vec![1.0, -2.0],
        member: vec![true, false],
    };
    let attack = Attack {
        scores: vec![0.5, 2.0],
    };
    let rewound = Rewound {
        checkpoint: 1,
        reference: 0.5,
        forget_errors: vec![0.0, 0.6],
    };
    let quality = ForgetQuality {
        statistic: 0.5,
        p_value: 0.1,
    };
    let log = EpochLog {
        epoch: 0,
        steps: 4,
        skipped: 1,
        forget: Some(f64::INFINITY),
        retain: None,
        stopped: true,
    };
    let amnesiac = AmnesiacConfig::new(3).init().unwrap();
    let matching = MatchingConfig::new().init(&[0], &[1, 2]).unwrap();
    let request = ForgetRequest::examples("eve", [3, 7]).unwrap();
    vec![
        ("Ledger", text(&ledger), use_ledger),
        ("ForgetRequest", text(&request), |text| {
            let request = read::<ForgetRequest>(text)?;
            let _ = Ledger::new(8).add(request.clone());
            round(&request)
        }),
        ("Subsets", text(&subsets()), use_subsets),
        ("Outputs", text(&outputs), use_outputs),
        ("Datamodel", text(&datamodel), use_datamodel),
        ("Predictions", text(&predictions()), use_predictions),
        ("Trak", text(&trak()), use_trak),
        ("Matching", text(&matching), use_matching),
        ("Unlearn", text(&trained()), use_unlearn),
        ("Amnesiac", text(&amnesiac), use_amnesiac),
        ("SalUn", salun(), |text| {
            let mut method = labelled();
            let loaded = method.load(text.as_bytes());
            loaded.map_err(|error| error.to_string())?;
            let _ = method.labels().clone().wrong(batch().1);
            assert_eq!(method.mask().len(), 6);
            Ok(())
        }),
        ("EpochLog", text(&log), |text| {
            round(&read::<EpochLog>(text)?)
        }),
        ("Rewound", text(&rewound), |text| {
            let rewound = read::<Rewound>(text)?;
            let _ = rewound.forget_errors[rewound.checkpoint];
            round(&rewound)
        }),
        ("Relearned", text(&metrics().relearn), |text| {
            round(&read::<Relearned>(text)?)
        }),
        ("Shadow", text(&shadow), |text| {
            let shadow = read::<Shadow>(text)?;
            let config = LiraConfig::new().with_online(false);
            let shadows = [shadow.clone(), shadow.clone(), shadow.clone()];
            let _ = config.attack(&shadow.margins, &shadows);
            round(&shadow)
        }),
        ("Attack", text(&attack), |text| {
            let attack = read::<Attack>(text)?;
            Attack::auc(&attack, &attack).map_err(|error| error.to_string())?;
            let _ = Attack::true_positive_rate(&attack, &attack, 0.99);
            round(&attack)
        }),
        ("KlomSummary", text(&summary), |text| {
            round(&read::<KlomSummary>(text)?)
        }),
        ("KlomMeans", text(&klom()), |text| {
            round(&read::<KlomMeans>(text)?)
        }),
        ("OutputDistance", text(&distances().test), |text| {
            round(&read::<OutputDistance>(text)?)
        }),
        ("Distances", text(&distances()), |text| {
            round(&read::<Distances>(text)?)
        }),
        ("ForgetQuality", text(&quality), |text| {
            round(&read::<ForgetQuality>(text)?)
        }),
        ("Attacks", text(&attacks()), |text| {
            round(&read::<Attacks>(text)?)
        }),
        ("ModelMetrics", text(&metrics()), |text| {
            round(&read::<ModelMetrics>(text)?)
        }),
        ("ForgettingReport", text(&report()), |text| {
            let report = read::<ForgettingReport>(text)?;
            assert!(!report.to_string().is_empty());
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            let path = folder.path().join("report.json");
            report.save(&path).map_err(|error| error.to_string())?;
            ForgettingReport::load(&path).map_err(|error| error.to_string())?;
            round(&report.with_klom(klom(), klom()))
        }),
        ("Order", text(&Order::Mixed), |text| {
            round(&read::<Order>(text)?)
        }),
        ("Rouge", text(&Rouge::F1), |text| {
            round(&read::<Rouge>(text)?)
        }),
        ("Averaging", text(&Averaging::Geometric), |text| {
            round(&read::<Averaging>(text)?)
        }),
        ("Attributed", text(&Attributed::Margin), |text| {
            round(&read::<Attributed>(text)?)
        }),
        ("MatchingLoss", text(&MatchingLoss::CrossEntropy), |text| {
            round(&read::<MatchingLoss>(text)?)
        }),
        ("SsdConfig", text(&SsdConfig::new()), |text| {
            let _ = read::<SsdConfig>(text)?.init();
            Ok(())
        }),
        (
            "FisherForgettingConfig",
            text(&FisherForgettingConfig::new()),
            |text| {
                let _ = read::<FisherForgettingConfig>(text)?.init();
                Ok(())
            },
        ),
        ("SubsetsConfig", text(&SubsetsConfig::new(4)), |text| {
            let _ = read::<SubsetsConfig>(text)?.init(3);
            Ok(())
        }),
        ("TrakConfig", text(&TrakConfig::new()), |text| {
            let _ = read::<TrakConfig>(text)?.init();
            Ok(())
        }),
        ("MatchingConfig", text(&MatchingConfig::new()), |text| {
            let config = read::<MatchingConfig>(text)?;
            // More than a million occurrences are allowed, and slow to write down.
            if config.forget_multiplier < 1 << 20 {
                let _ = config.init(&[0], &[1, 2]);
            }
            Ok(())
        }),
        ("UnlearnConfig", text(&UnlearnConfig::new(3)), |text| {
            let _ = read::<UnlearnConfig>(text)?.init();
            Ok(())
        }),
        ("AmnesiacConfig", text(&AmnesiacConfig::new(3)), |text| {
            let _ = read::<AmnesiacConfig>(text)?.init();
            Ok(())
        }),
        ("SalUnConfig", text(&SalUnConfig::new(2)), |text| {
            let _ = read::<SalUnConfig>(text)?.init(&Model::new(), [batch()]);
            Ok(())
        }),
        ("ScrubConfig", text(&ScrubConfig::new()), |text| {
            let _ = read::<ScrubConfig>(text)?.init(&Model::new());
            Ok(())
        }),
        ("NpoConfig", text(&NpoConfig::new()), |text| {
            let _ = read::<NpoConfig>(text)?.init(&Model::new());
            Ok(())
        }),
        ("SimNpoConfig", text(&SimNpoConfig::new()), |text| {
            let _ = read::<SimNpoConfig>(text)?.init();
            Ok(())
        }),
        ("RmuConfig", text(&RmuConfig::new()), |text| {
            let config = read::<RmuConfig>(text)?;
            let _ = config.init(&Model::new(), |model, (x, _)| model.head.forward(x.clone()));
            Ok(())
        }),
        (
            "GradientAscentConfig",
            text(&GradientAscentConfig::new(2.0)),
            |text| {
                let _ = read::<GradientAscentConfig>(text)?.init();
                Ok(())
            },
        ),
        (
            "GradientDifferenceConfig",
            text(&GradientDifferenceConfig::new()),
            |text| {
                let _ = read::<GradientDifferenceConfig>(text)?.init_with_original(&Model::new());
                Ok(())
            },
        ),
        (
            "NegGradPlusConfig",
            text(&NegGradPlusConfig::new()),
            |text| {
                let _ = read::<NegGradPlusConfig>(text)?.init();
                Ok(())
            },
        ),
        ("NoiseConfig", text(&NoiseConfig::new()), |text| {
            let config = read::<NoiseConfig>(text)?;
            let like = Tensor::<2>::zeros([2, 2], &Device::flex().autodiff());
            // As many steps as are asked for are made.
            if config.steps <= 1000 {
                let model = linear();
                let _ = config.learn(&like, 0, |x| model.forward(x));
            }
            Ok(())
        }),
        ("KlomConfig", text(&KlomConfig::new()), |text| {
            if let Ok(klom) = read::<KlomConfig>(text)?.init() {
                let _ = klom.point(&[1.0, -1e308], &[f64::INFINITY]);
            }
            Ok(())
        }),
        ("LiraConfig", text(&LiraConfig::new()), |text| {
            read::<LiraConfig>(text).map(drop)
        }),
        ("RelearnConfig", text(&RelearnConfig::new()), |text| {
            let config = read::<RelearnConfig>(text)?;
            let _ = config.run(&Model::new(), &Prepared(vec![batch()]), 0.0);
            Ok(())
        }),
        ("ReportConfig", text(&ReportConfig::new()), |text| {
            read::<ReportConfig>(text).map(drop)
        }),
    ]
}

fn use_ledger(text: &str) -> Result<(), String> {
    let ledger = read::<Ledger>(text)?;
    let data = Arc::new(InMemDataset::new(vec![0_usize; 5]));
    if ledger.split(data.clone()).is_ok() {
        let _ = ledger.latest(data);
    }
    let _ = ledger
        .clone()
        .add(ForgetRequest::examples("more", [3]).unwrap());
    let _ = Ledger::new(5).load(&ledger.save().map_err(|error| error.to_string())?);
    assert!(ledger.requests().len() <= 1000 && ledger.forgotten().len() <= 1000);
    round(&ledger)
}

fn use_subsets(text: &str) -> Result<(), String> {
    let subsets = read::<Subsets>(text)?;
    let _ = subsets.split_at(1);
    let rows = (0..subsets.len()).map(|i| vec![i as f32]).collect();
    let outputs = Outputs::new(rows, 1, 1).map_err(|error| error.to_string())?;
    let _ = Datamodel::difference_in_means(&subsets, &outputs);
    let _ = Datamodel::ridge(&subsets, &outputs, 0.0);
    // A thousand points are allowed, and take seconds.
    if subsets.points() < 100 || subsets.points() > 1 << 16 {
        let _ = Datamodel::ridge(&subsets, &outputs, 1.0);
    }
    round(&subsets)
}

fn use_outputs(text: &str) -> Result<(), String> {
    let outputs = read::<Outputs>(text)?;
    let _ = (outputs.row(0), outputs.row(usize::MAX), outputs.split_at(1));
    let _ = Datamodel::ridge(&subsets(), &outputs, 1.0);
    let _ = Datamodel::difference_in_means(&subsets(), &outputs);
    round(&outputs)
}

fn use_datamodel(text: &str) -> Result<(), String> {
    let datamodel = read::<Datamodel>(text)?;
    let _ = (datamodel.effect(0), datamodel.effect(usize::MAX));
    let _ = (datamodel.predict(&[0, usize::MAX]), datamodel.predict(&[0]));
    let members = vec![vec![], vec![0]];
    let subsets = Subsets::from_members(datamodel.n_train(), members).unwrap();
    let rows = vec![vec![0.5, 1.0], vec![1.0, 0.5]];
    let outputs = Outputs::new(rows, 1, 2).unwrap();
    let _ = linear_datamodelling_score(&datamodel, &subsets, &outputs);
    let _ = calibration(&datamodel, &subsets, &outputs);
    let _ = datamodel.clone().scaled(1e300);
    round(&datamodel)
}

fn use_predictions(text: &str) -> Result<(), String> {
    let found = read::<Predictions>(text)?;
    let share = found.accuracy();
    assert!((0.0..=1.0).contains(&share));
    let _ = (found.losses(), found.entropies(), found.margins());
    let _ = (found.confidences(), found.modified_entropies());
    let _ = (found.zrf(&predictions()), output_distance(&found, &found));
    let _ = output_distance(&predictions(), &found);
    round(&found)
}

fn use_trak(text: &str) -> Result<(), String> {
    let mut trak = read::<Trak>(text)?;
    let _ = trak.datamodel();
    round(&trak)?;
    let saved = trak.save().map_err(|error| error.to_string())?;
    let _ = TrakConfig::new().init().unwrap().load(&saved);
    let eval = examples()[..1].to_vec();
    let _ = trak.add(&linear(), examples(), eval, |model, x| model.forward(x));
    Ok(())
}

fn use_matching(text: &str) -> Result<(), String> {
    let matching = read::<Matching>(text)?;
    let data = Tensor::cat(examples().into_iter().map(|pair| pair.0).collect(), 0);
    let (model, mut optim) = (linear(), matching.optimizer());
    let targets = Tensor::zeros([3, 2], &Device::flex().autodiff());
    for epoch in [0, usize::MAX] {
        let logits =
            |model: &Linear, points: Tensor<1, Int>| model.forward(data.clone().select(0, points));
        let own = model.clone();
        let _ = matching.epoch(epoch, own, &model, &mut optim, &targets, logits);
    }
    round(&matching)
}

fn use_unlearn(text: &str) -> Result<(), String> {
    let mut run = read::<Unlearn>(text)?;
    let _ = (run.steps(), run.skipped(), run.finished());
    round(&run)?;
    let data = Prepared(vec![batch()]);
    let (mut optim, model) = (SgdConfig::new().init(), Model::new());
    let next = run.epoch(model, &mut FineTune, &mut optim, &mut 0.1, &data, &data);
    next.map(drop).map_err(|error| error.to_string())
}

fn use_amnesiac(text: &str) -> Result<(), String> {
    let mut labels = read::<Amnesiac>(text)?;
    let targets = Tensor::<1, Int>::from_data([0, 2, -100], &Device::flex());
    let _ = (labels.wrong(targets.clone()), labels.wrong(targets));
    round(&labels)
}

#[test]
fn damaged_states_are_refused_or_sound() {
    let mut hostile = Hostile::new("unlearning states");
    for (name, sample, read) in states() {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}
