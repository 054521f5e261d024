//! Absurd arguments to every constructor, configuration and reader: an error that names them, or a documented value.

use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::SgdConfig;
use burn::tensor::{Device, Int, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::linalg::{DMatrix, DVector};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};
use regimen_unlearning::attribution::datamodel_score::{calibration, linear_datamodelling_score};
use regimen_unlearning::attribution::group_attribution::{group_effect, ridge};
use regimen_unlearning::attribution::margins;
use regimen_unlearning::methods::edit::{lfssd, task_vector};
use regimen_unlearning::methods::train::amnesiac::AmnesiacConfig;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::mixed_sizes;
use regimen_unlearning::methods::train::neg_grad::NegGradPlusConfig;
use regimen_unlearning::methods::train::npo::{NpoConfig, SimNpoConfig};
use regimen_unlearning::methods::train::rmu::{self, RmuConfig};
use regimen_unlearning::methods::train::salun::{SalUn, SalUnConfig, saliency};
use regimen_unlearning::methods::train::scrub::{ScrubConfig, rewind};
use regimen_unlearning::methods::train::unsir::NoiseConfig;
use regimen_unlearning::metrics::{
    Attack, LiraConfig, RelearnConfig, Shadow, attack, muse, output_distance, tofu, weight_distance,
};
use regimen_unlearning::{
    Change, Classifier, Datamodel, Evidence, FisherForgetting, FisherForgettingConfig,
    ForgetRequest, ForgettingReport, KlomConfig, Ledger, Likelihoods, MatchingConfig, Models,
    Outputs, Predictions, Prepared, Projected, ReportConfig, Split, Ssd, SsdConfig, Subsets,
    SubsetsConfig, TrakConfig, UnlearnConfig, UnlearningError, membership_inference, relabel,
    simulated_oracle, token_log_probabilities,
};

/// A linear classifier of two inputs and classes.
#[derive(Module, Debug)]
pub(crate) struct Model {
    pub(crate) head: Linear,
}

impl Model {
    pub(crate) fn new() -> Self {
        let head = LinearConfig::new(2, 2).init(&Device::flex().autodiff());
        Self { head }
    }
}

pub(crate) type Batch = (Tensor<2>, Tensor<1, Int>);

impl Classifier for Model {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.head.forward(batch.0.clone())
    }

    fn targets(batch: &Batch) -> Tensor<1, Int> {
        batch.1.clone()
    }
}

pub(crate) fn batch() -> Batch {
    let device = Device::flex().autodiff();
    let inputs = Tensor::from_data([[1.0, 0.5], [0.2, -1.0]], &device);
    (inputs, Tensor::from_data([0, 1], &device))
}

fn loss(model: &Model, batch: Batch) -> Tensor<1> {
    model.likelihoods(&batch).mean_loss()
}

/// A batch whose loss is not a number.
fn poisoned() -> Batch {
    let (inputs, labels) = batch();
    (inputs * f64::NAN, labels)
}

#[test]
fn requests() {
    let mut hostile = Hostile::new("unlearning requests");
    let data = Arc::new(InMemDataset::new(vec![0_usize, 1, 1]));
    for count in COUNTS {
        hostile.input(format!("Ledger::new, Ledger::add, total {count}"), || {
            let mut ledger = Ledger::new(count);
            ledger.add(ForgetRequest::examples("a", [0])?)?;
            ledger.split(data.clone()).map(drop).map_err(|error| {
                assert!(!error.to_string().is_empty());
                regimen_unlearning::UnlearningError::Empty("split")
            })
        });
        hostile.input(format!("ForgetRequest::examples, {count}"), || {
            let mut ledger = Ledger::new(3);
            ledger.add(ForgetRequest::examples("a", [count, count])?)?;
            ledger
                .latest(data.clone())
                .map(drop)
                .map_err(|_| regimen_unlearning::UnlearningError::Empty("latest"))
        });
        hostile.input(format!("ForgetRequest::class, {count}"), || {
            ForgetRequest::class(data.as_ref(), count, |class| *class)
        });
        hostile.input(format!("relabel, {count} classes"), || {
            relabel(&[0, count], count, u64::MAX)
        });
        hostile.input(format!("mixed_sizes, {count}"), || {
            let sizes = mixed_sizes(count, count, usize::MAX);
            assert!(sizes[0] > 0 && sizes[1] > 0);
            Ok::<_, String>(())
        });
    }
    hostile.input("ForgetRequest::examples, none", || {
        ForgetRequest::examples("", [])
    });
    hostile.input("ForgetRequest::owner, none", || {
        ForgetRequest::owner(data.as_ref(), "", |_| false)
    });
    let empty = Arc::new(InMemDataset::<usize>::new(Vec::new()));
    hostile.input("Split::new, no data", || {
        Split::new(empty.clone(), |_, _| true)
    });
    hostile.finish();
}

#[test]
fn attribution() {
    let mut hostile = Hostile::new("unlearning attribution");
    let subsets = Subsets::from_members(3, vec![vec![0], vec![1], vec![2], vec![0, 1]]).unwrap();
    let rows = |value: f32| vec![vec![value]; 4];
    let outputs = Outputs::new(rows(0.5), 1, 1).unwrap();
    let datamodel = Datamodel::new(1, 1, vec![0.0], vec![1.0, 2.0, 3.0]).unwrap();
    for count in COUNTS {
        hostile.input(format!("SubsetsConfig::init, {count} subsets"), || {
            SubsetsConfig::new(count).init(4)
        });
        hostile.input(format!("SubsetsConfig::init, of {count} points"), || {
            SubsetsConfig::new(3).init(count)
        });
        hostile.input(format!("Subsets::from_members, {count} points"), || {
            let subsets = Subsets::from_members(count, vec![vec![0]; 4])?;
            let _ = Datamodel::ridge(&subsets, &outputs, 0.0)?;
            Datamodel::difference_in_means(&subsets, &outputs)
        });
        hostile.input(format!("Datamodel::ridge, {count} points"), || {
            let subsets = Subsets::from_members(count, vec![vec![0]; 4])?;
            Datamodel::ridge(&subsets, &outputs, 1.0)
        });
        hostile.input(format!("Subsets::from_members, member {count}"), || {
            Subsets::from_members(3, vec![vec![count]])
        });
        hostile.input(format!("Outputs::new, {count} points"), || {
            Outputs::new(rows(0.0), count, 2)
        });
        hostile.input(format!("Outputs::new, {count} classes"), || {
            Outputs::new(rows(0.0), usize::MAX / 2 + 1, count)
        });
        hostile.input(format!("Datamodel::new, {count} points"), || {
            Datamodel::new(count, count, vec![0.0], vec![0.0])
        });
        hostile.input(format!("Datamodel::predict, point {count}"), || {
            assert!(datamodel.effect(count).len() <= 1);
            datamodel.predict(&[count])
        });
        hostile.input(format!("TrakConfig::init, {count} dimensions"), || {
            let mut trak = TrakConfig::new().with_dimensions(count).init()?;
            let (x, _) = batch();
            let example = (x.narrow(0, 0, 1), 0);
            let train = vec![example.clone()];
            trak.add(&Model::new(), train, [example], |model, x| {
                model.head.forward(x)
            })
        });
        hostile.input(format!("MatchingConfig::init, {count}"), || {
            MatchingConfig::new()
                .with_forget_multiplier(count.max(1 << 28))
                .with_epochs(count)
                .with_batch_size(count)
                .init(&[0, 1], &[2])
        });
        hostile.input(format!("MatchingConfig::init, retain {count}"), || {
            let matching = MatchingConfig::new()
                .with_retain_multiplier(count)
                .with_epochs(1)
                .init(&[0, count], &[1]);
            let targets = Tensor::zeros([2, 2], &Device::flex().autodiff());
            matching?.forget(&Model::new(), targets, |model, points| {
                model.head.forward(batch().0.select(0, points))
            })
        });
        hostile.input(format!("Trak, label {count}"), || {
            let mut trak = TrakConfig::new().with_dimensions(1).init()?;
            let example = (batch().0.narrow(0, 0, 1), count);
            let train = vec![example.clone()];
            trak.add(&Model::new(), train, [example], |model, x| {
                model.head.forward(x)
            })
        });
    }
    for number in NUMBERS {
        hostile.input(format!("SubsetsConfig::init, fraction {number}"), || {
            SubsetsConfig::new(3).with_fraction(number).init(10)
        });
        hostile.input(format!("Datamodel::ridge, penalty {number}"), || {
            Datamodel::ridge(&subsets, &outputs, number)
        });
        hostile.input(format!("Outputs::new, {number}"), || {
            let outputs = Outputs::new(rows(number as f32), 1, 1)?;
            let _ = Datamodel::difference_in_means(&subsets, &outputs)?;
            let _ = linear_datamodelling_score(&datamodel, &subsets, &outputs)?;
            calibration(&datamodel, &subsets, &outputs)
        });
        hostile.input(format!("Datamodel::scaled, {number}"), || {
            datamodel.clone().scaled(number)
        });
        hostile.input(format!("Datamodel::new, {number}"), || {
            Datamodel::new(1, 1, vec![number as f32], vec![number as f32])
        });
        hostile.input(format!("TrakConfig::init, lambda {number}"), || {
            TrakConfig::new().with_lambda(number).init()
        });
        hostile.input(format!("MatchingConfig::init, {number}"), || {
            let config = MatchingConfig::new().with_learning_rate(number);
            let config = config.with_rate_decay(number).with_pull(number);
            let matching = config.with_epochs(2).init(&[0], &[1])?;
            let targets = Tensor::zeros([2, 2], &Device::flex().autodiff());
            matching.forget(&Model::new(), targets, |model, points| {
                model.head.forward(batch().0.select(0, points))
            })
        });
        hostile.input(format!("simulated_oracle, {number}"), || {
            let original = Tensor::<2>::zeros([1, 1], &Device::flex());
            simulated_oracle(original, &datamodel, &[0], number)
        });
        hostile.input(format!("group_effect, ridge, {number}"), || {
            let (x, y) = (DMatrix::from_element(2, 1, number), DVector::zeros(2));
            let _ = ridge(&x, &y, number)?;
            group_effect(&x, &y, number, &[0], &DMatrix::zeros(1, 1))
        });
    }
    hostile.input("Outputs::new, no rows", || Outputs::new(vec![], 1, 1));
    hostile.input("Subsets::from_members, none", || {
        Subsets::from_members(3, vec![])
    });
    hostile.input("group_effect, nothing", || {
        let (x, y) = (DMatrix::zeros(0, 0), DVector::zeros(0));
        let _ = ridge(&x, &y, 1.0)?;
        group_effect(&x, &y, 1.0, &[], &x)
    });
    hostile.finish();
}

#[test]
fn edits() {
    let mut hostile = Hostile::new("unlearning edits");
    let model = Model::new();
    let ones = ParamVector::of(&model).map(|_, values| values.ones_like());
    for number in NUMBERS {
        hostile.input(format!("SsdConfig::init, alpha {number}"), || {
            let ssd = SsdConfig::new().with_alpha(number).init()?;
            ssd.dampen(model.clone(), &ones, &ones.clone().scale(2.0))
        });
        hostile.input(format!("SsdConfig::init, lambda {number}"), || {
            let ssd = SsdConfig::new()
                .with_alpha(0.5)
                .with_lambda(number)
                .init()?;
            ssd.dampen(model.clone(), &ones, &ones.clone().scale(2.0))
        });
        hostile.input(format!("Ssd::dampen, importance {number}"), || {
            let ssd = SsdConfig::new().init()?;
            ssd.dampen(model.clone(), &ones, &ones.clone().scale(number))
        });
        hostile.input(format!("FisherForgettingConfig::init, {number}"), || {
            let config = FisherForgettingConfig::new().with_alpha(number);
            let method = config.with_cap(number).with_head_cap(number).init()?;
            method.forget(model.clone(), &ones.clone().scale(number), u64::MAX)
        });
        hostile.input(format!("task_vector::negate, {number}"), || {
            let other = Model::new();
            let other = ParamVector::of(&model).scale(2.0).write_to(other)?;
            task_vector::negate(&model, &other, number)
        });
        hostile.input(format!("Change::between, {number}"), || {
            let scaled = ParamVector::of(&model).scale(number);
            let change = Change::between(&model, &scaled.write_to(model.clone())?)?;
            assert!((0.0..=1.0).contains(&change.share()));
            let _ = change.is_negligible();
            Ok::<_, regimen_unlearning::UnlearningError>(())
        });
    }
    for count in COUNTS {
        hostile.input(
            format!("FisherForgettingConfig::init, class {count}"),
            || {
                let head = Some("head".into());
                let config = FisherForgettingConfig::new().with_class(Some(count));
                let _ = config.clone().with_head(Some(String::new())).init()?;
                let method = config.with_head(head).init()?;
                method.forget(model.clone(), &ones, 0)
            },
        );
    }
    let none: [Batch; 0] = [];
    let ssd = SsdConfig::new().init().unwrap();
    hostile.input("Ssd::importance, nothing", || {
        Ssd::importance(&model, none.clone(), loss)
    });
    hostile.input("Ssd::importance, not finite", || {
        let found = Ssd::importance(&model, [poisoned()], loss)?;
        ssd.dampen(model.clone(), &found, &found)
    });
    hostile.input("Ssd::forget, nothing", || {
        ssd.forget(model.clone(), none.clone(), [batch()], loss)
    });
    hostile.input("Ssd::forget, not finite", || {
        ssd.forget(model.clone(), [batch()], [poisoned()], loss)
    });
    hostile.input("lfssd::importance, nothing", || {
        lfssd::importance(&model, none.clone(), |model, batch| model.logits(&batch))
    });
    hostile.input("FisherForgetting::importance, nothing", || {
        FisherForgetting::importance(&model, none.clone(), |model, batch| model.logits(&batch))
    });
    hostile.finish();
}

#[test]
fn training() {
    let mut hostile = Hostile::new("unlearning training");
    let model = Model::new();
    let data = Prepared(vec![batch()]);
    for number in NUMBERS {
        hostile.input(format!("GradientAscentConfig::init, {number}"), || {
            GradientAscentConfig::new(number).init()
        });
        hostile.input(format!("GradientDifferenceConfig::init, {number}"), || {
            let config = GradientDifferenceConfig::new().with_bound(number);
            let config = config.with_gamma(number).with_alpha(number);
            config.init::<Model>()?;
            config.init_with_original(&model)
        });
        hostile.input(format!("NegGradPlusConfig::init, {number}"), || {
            NegGradPlusConfig::new().with_a(number).init()
        });
        hostile.input(format!("NpoConfig::init, {number}"), || {
            let config = NpoConfig::new().with_beta(number).with_retain(number);
            let mut npo = config.with_divergence(number).init(&model)?;
            let mut run = UnlearnConfig::new(1).init()?;
            let mut optim = SgdConfig::new().init();
            run.run(&model, &mut npo, &mut optim, &mut 0.1, &data, &data)
        });
        hostile.input(format!("SimNpoConfig::init, {number}"), || {
            let config = SimNpoConfig::new().with_beta(number).with_margin(number);
            config.with_weight(number).init()
        });
        hostile.input(format!("RmuConfig::init, {number}"), || {
            let config = RmuConfig::new().with_c(number).with_alpha(number);
            config.init(&model, |model, (x, _)| model.head.forward(x.clone()))
        });
        hostile.input(format!("rmu::target, {number}"), || {
            assert_eq!(rmu::target(0, number, 0).len(), 0);
            assert_eq!(rmu::target(3, number, u64::MAX).len(), 3);
            Ok::<_, String>(())
        });
        hostile.input(format!("ScrubConfig::init, {number}"), || {
            let config = ScrubConfig::new().with_gamma(number).with_alpha(number);
            let mut scrub = config.with_temperature(number).init(&model)?;
            let mut run = UnlearnConfig::new(1).init()?;
            let mut optim = SgdConfig::new().init();
            run.run(&model, &mut scrub, &mut optim, &mut 0.1, &data, &data)
        });
        hostile.input(format!("SalUnConfig::init, share {number}"), || {
            SalUnConfig::new(2)
                .with_share(number)
                .init(&model, [batch()])
        });
        hostile.input(format!("NoiseConfig::learn, {number}"), || {
            let config = NoiseConfig::new().with_rate(number).with_penalty(number);
            let like = Tensor::<2>::zeros([2, 2], &Device::flex().autodiff());
            config.learn(&like, 0, |x| model.head.forward(x))
        });
        hostile.input(format!("Unlearn::run, rate {number}"), || {
            let mut run = UnlearnConfig::new(2).init()?;
            let mut optim = SgdConfig::new().init();
            let mut rate = number;
            run.run(&model, &mut FineTune, &mut optim, &mut rate, &data, &data)
        });
    }
    for count in COUNTS {
        hostile.input(format!("UnlearnConfig::init, {count}"), || {
            UnlearnConfig::new(count).with_accumulation(count).init()
        });
        hostile.input(format!("Unlearn::run, accumulation {count}"), || {
            let mut run = UnlearnConfig::new(1).with_accumulation(count).init()?;
            let mut optim = SgdConfig::new().init();
            run.run(&model, &mut FineTune, &mut optim, &mut 0.1, &data, &data)
        });
        hostile.input(format!("AmnesiacConfig::init, {count} classes"), || {
            let mut labels = AmnesiacConfig::new(count).init()?;
            let _ = labels.wrong(batch().1);
            Ok::<_, regimen_unlearning::UnlearningError>(())
        });
        hostile.input(format!("SalUnConfig::init, {count} classes"), || {
            SalUnConfig::new(count).init(&model, [batch()])
        });
    }
    let empty = Prepared(Vec::<Batch>::new());
    hostile.input("saliency, nothing", || {
        saliency(&model, Vec::<Batch>::new())
    });
    hostile.input("SalUn::from_parts, another model", || {
        let labels = AmnesiacConfig::new(2).init()?;
        SalUn::from_parts(labels, ParamVector::of(&Model::new()), &model)
    });
    hostile.input("BadTeacher::new, empty sets", || {
        let mut run = UnlearnConfig::new(1).init()?;
        let mut method = BadTeacher::new(&model, &Model::new());
        let mut optim = SgdConfig::new().init();
        run.run(&model, &mut method, &mut optim, &mut 0.1, &empty, &empty)
    });
    hostile.input("rewind, no checkpoint", || {
        rewind(&Vec::<Model>::new(), &data, &data)
    });
    hostile.input("rewind, no data", || rewind(&[Model::new()], &empty, &data));
    hostile.finish();
}

#[test]
fn metrics() {
    let mut hostile = Hostile::new("unlearning metrics");
    let model = Model::new();
    let data = Prepared(vec![batch()]);
    for number in NUMBERS {
        hostile.input(format!("Predictions::new, {number}"), || {
            let found = Predictions::new(vec![vec![number, -1.0]], vec![0])?;
            let _ = (
                found.modified_entropies(),
                found.margins(),
                found.accuracy(),
            );
            let other = Predictions::new(vec![vec![-0.7, -0.7]], vec![0])?;
            let _ = (found.zrf(&other)?, output_distance(&found, &other)?);
            attack(&found, &other, &found, Predictions::losses)
        });
        hostile.input(format!("membership_inference, {number}"), || {
            membership_inference(&[number, 0.1], &[1.0], &[number])
        });
        hostile.input(format!("KlomConfig::init, {number}"), || {
            let klom = KlomConfig::new().with_clip(number.abs()).init()?;
            let _ = klom.points(&[vec![number]], &[vec![1.0]])?;
            KlomConfig::new()
                .with_clip(number)
                .with_floor(number)
                .init()
        });
        hostile.input(format!("LiraConfig::attack, {number}"), || {
            let shadow = |margin: f64, member: bool| Shadow {
                margins: vec![margin],
                member: vec![member],
            };
            let shadows = [
                shadow(number, true),
                shadow(-number, true),
                shadow(number, false),
                shadow(0.0, false),
            ];
            let found = LiraConfig::new().attack(&[number], &shadows)?;
            Attack::auc(&found, &found)
        });
        hostile.input(format!("Attack::auc, {number}"), || {
            let scores = vec![number, 0.0];
            let found = Attack { scores };
            let _ = Attack::auc(&found, &found)?;
            Attack::true_positive_rate(&found, &found, number)
        });
        hostile.input(format!("RelearnConfig::run, {number}"), || {
            let config = RelearnConfig::new().with_rate(number);
            let _ = config.run(&model, &data, 1.0)?;
            RelearnConfig::new().run(&model, &data, number)
        });
        hostile.input(format!("ReportConfig::measure, {number}"), || {
            let config = ReportConfig::new().with_relearn_rate(number);
            let evidence = Evidence {
                retain: &data,
                forget: &data,
                test: &data,
            };
            let models = Models::new(&model, &model);
            let _ = config.measure("", "", &models, &evidence)?;
            let config = ReportConfig::new().with_tolerance(number);
            config.measure("", "", &models, &evidence)
        });
        hostile.input(format!("tofu, {number}"), || {
            let averaging = tofu::Averaging::Arithmetic;
            let _ = tofu::probability(&[number]);
            let _ = tofu::log_probability(&[number]);
            let _ = tofu::truth_ratio(number, &[number], averaging);
            let _ = tofu::log_truth_ratio(number, &[number, -1.0], averaging);
            let _ = tofu::choice_probability(number, &[number]);
            let _ = tofu::forget_truth(&[number]);
            let _ = tofu::retain_truth(&[number]);
            let _ = tofu::forget_quality(&[number, 0.0], &[number])?;
            tofu::model_utility(&[number])
        });
        hostile.input(format!("muse, {number}"), || {
            let _ = muse::min_k(&[number], number);
            let _ = muse::min_k(&[number], 1.0)?;
            muse::priv_leak(number, number)
        });
    }
    for count in COUNTS {
        hostile.input(format!("KlomConfig::init, {count} bins"), || {
            let klom = KlomConfig::new().with_bins(count).init()?;
            klom.point(&[1.0, 2.0], &[0.0])
        });
        hostile.input(format!("Predictions::new, label {count}"), || {
            Predictions::new(vec![vec![0.0]], vec![count])
        });
        hostile.input(format!("RelearnConfig::run, {count} epochs"), || {
            let config = RelearnConfig::new().with_max_epochs(count);
            config.run(&model, &data, 0.0)
        });
    }
    let none: [f64; 0] = [];
    hostile.input("tofu, muse, nothing", || {
        assert!(tofu::probability(&none).is_err() && tofu::model_utility(&none).is_err());
        assert!(muse::rouge_recall::<u8>(&[], &[]).is_err());
        assert!(muse::rouge::<u8>(&[1], &[], muse::Rouge::F1).is_err());
        assert!(muse::extraction_strength(&[]).is_err());
        muse::min_k(&none, 0.5)
    });
    hostile.input("LiraConfig::attack, nothing", || {
        LiraConfig::new().attack(&[], &[])
    });
    hostile.input("token_log_probabilities, no data", || {
        token_log_probabilities(&model, &Prepared(Vec::new()))
    });
    hostile.input("Predictions::of, not finite", || {
        Predictions::of(&model, &Prepared(vec![poisoned()]))
    });
    hostile.input("weight_distance, not finite", || {
        let broken = ParamVector::of(&model).scale(f64::INFINITY);
        weight_distance(&broken.write_to(Model::new())?, &model)
    });
    hostile.input("ForgettingReport::load, no file", || {
        ForgettingReport::load("/nonexistent/report.json")
    });
    hostile.finish();
}

/// Rows that are no numbers, none at all, and lengths that no example has.
#[test]
fn likelihoods() {
    let mut hostile = Hostile::new("unlearning likelihoods");
    let device = Device::flex();
    let used = |found: &Likelihoods| {
        let _ = (found.sums().into_data(), found.tokens().into_data());
        let _ = found.mean_loss().into_data();
        Ok::<_, String>(())
    };
    for count in COUNTS {
        for rows in [0, 1, 3] {
            hostile.input(format!("Likelihoods::of_logits, {rows}, {count}"), || {
                let labels = Tensor::<1, Int>::zeros([rows], &device);
                let logits = Tensor::<2>::ones([rows, 2], &device);
                used(&Likelihoods::of_logits(logits, labels, count))
            });
            hostile.input(format!("Likelihoods::of_hidden, {rows}, {count}"), || {
                let labels = Tensor::<2, Int>::zeros([2, rows], &device);
                let hidden = Tensor::<3>::ones([2, rows, 2], &device);
                used(&Likelihoods::of_hidden(hidden, labels, count, |x| x))
            });
        }
    }
    for number in NUMBERS {
        for label in [-1, i32::MIN, 0] {
            hostile.input(format!("Likelihoods::of_logits, {number} {label}"), || {
                let labels = Tensor::<1, Int>::from_data([label], &device);
                let logits = Tensor::<2>::full([1, 2], number, &device);
                used(&Likelihoods::of_logits(logits, labels, 1))
            });
        }
    }
    hostile.finish();
}

#[test]
fn a_label_that_is_no_class_is_nan_for_a_function() {
    let device = Device::flex().autodiff();
    let labels = || Tensor::<1, Int>::from_data([1, 2, -100, i32::MAX], &device);
    let logits = || Tensor::<2>::zeros([4, 2], &device);
    let checked = |found: &Likelihoods| {
        let log_p = found.log_p.clone().reshape([4]);
        let log_p = log_p.try_into_vec_as::<f32>().unwrap();
        assert!((log_p[0] + 2.0_f32.ln()).abs() < 1e-6);
        assert!(log_p[1].is_nan() && log_p[2] == 0.0 && log_p[3].is_nan());
        assert!(found.mean_loss().into_scalar::<f32>().is_nan());
    };
    checked(&Likelihoods::of_logits(logits(), labels(), 2));
    let hidden = logits().reshape([2, 2, 2]);
    let rows = labels().reshape([2, 2]);
    checked(&Likelihoods::of_hidden(hidden.clone(), rows, 3, |x| x));
    let without = Likelihoods::of_logits(Tensor::zeros([4, 0], &device), labels(), 2);
    assert!(without.mean_loss().into_scalar::<f32>().is_nan());

    let weight = Tensor::<2>::ones([2, 2], &device).require_grad();
    let projected = Projected {
        hidden,
        weight: weight.clone(),
        bias: None,
        chunk: 3,
    };
    checked(&projected.likelihoods(labels()));
    let loss = projected.loss(labels(), Likelihoods::mean_loss);
    assert!(loss.clone().into_scalar::<f32>().is_nan());
    let slopes = weight.grad(&loss.backward()).unwrap();
    assert!(slopes.sum().into_scalar::<f32>().is_finite());

    let found = margins(logits(), labels())
        .try_into_vec_as::<f32>()
        .unwrap();
    assert!(found[0] == 0.0 && found[1..].iter().all(|margin| margin.is_nan()));
}

#[test]
fn a_label_that_is_no_class_is_named_by_what_goes_over_a_loader() {
    let model = Model::new();
    let (inputs, labels) = batch();
    let foreign = (inputs, labels + 1);
    let data = Prepared(vec![batch(), foreign.clone()]);
    let named = |error: UnlearningError| {
        let expected = "label: 2 where one of 0..2 was expected";
        assert_eq!(error.to_string(), expected);
    };
    named(token_log_probabilities(&model, &data).unwrap_err());
    named(Predictions::of(&model, &data).unwrap_err());
    named(RelearnConfig::new().run(&model, &data, 1.0).unwrap_err());
    let mut optim = SgdConfig::new().init();
    let mut run = UnlearnConfig::new(1).init().unwrap();
    let (good, bad) = (Prepared(vec![batch()]), Prepared(vec![foreign.clone()]));
    for (forget, retain) in [(&bad, &good), (&good, &bad)] {
        let method = &mut GradientDifferenceConfig::new().init::<Model>().unwrap();
        let result = run.run(&model, method, &mut optim, &mut 0.1, forget, retain);
        named(result.unwrap_err());
    }
    let error = saliency(&model, [batch(), foreign]).unwrap_err();
    assert!(matches!(error, UnlearningError::NotFinite("forget")));
}
