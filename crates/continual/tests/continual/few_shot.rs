//! The tricks of few-shot class-incremental learning: what each changes, and what stays.

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::few_shot::{
    Contrast, PseudoClasses, Simplex, Tuning, dot_regression, nt_xent, supervised_contrastive,
};
use regimen_continual::*;
use regimen_tensor::{ParamVector, Part, Prepared};

use super::models::{Net, bit, bits, drawn};

type Rows = (Tensor<2>, Tensor<1, Int>);

impl Backbone for Net {
    type Batch = Rows;

    fn features(&self, batch: &Rows) -> Tensor<2> {
        Encoder::features(self, batch)
    }
}

/// Features of the inputs' width; base classes 3 and 1 of four.
fn config() -> FewShotConfig {
    FewShotConfig::new(vec![3, 1], 4, 6).with_projection(Some(5))
}

fn value(loss: Tensor<1>) -> f32 {
    loss.into_scalar()
}

fn adam() -> ModuleOptimizer {
    AdamWConfig::new().with_weight_decay(0.1).init()
}

/// So many steps on a batch.
fn trained(
    (mut model, handle): (FewShotNet<Net>, FewShot),
    batch: &Rows,
    steps: usize,
) -> (FewShotNet<Net>, FewShot) {
    let mut optim = adam();
    for _ in 0..steps {
        let loss = handle.loss(&model, batch).unwrap();
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = handle.optimize(model, &mut optim, 0.05, grads);
    }
    Strategy::<FewShotNet<Net>>::status(&handle).unwrap();
    (model, handle)
}

fn data(batch: &Rows) -> impl DataLoader<Rows> {
    Prepared(vec![batch.clone()])
}

#[test]
fn without_a_trick_it_is_the_cross_entropy_of_cosines() {
    let (model, plain) = config().init(Net::new(1)).unwrap();
    let batch = drawn(2, 6, &[1, 3]);
    let loss = value(plain.loss(&model, &batch).unwrap());
    assert!((loss - value(plain_loss(&model, &batch))).abs() < 1e-6);
    assert!(value(plain.penalty(&model, &batch).unwrap()).abs() < 1e-6);
    let logits: Vec<f32> = model.logits(&batch).try_into_vec_as().unwrap();
    assert!(logits.chunks(4).all(|row| row[0] == -1e9 && row[2] == -1e9));
    assert!(logits.chunks(4).all(|row| row[1].abs() <= 16.0));
    // A label of no base class is no target.
    let other = drawn(2, 6, &[1, 2]);
    assert!(value(plain.loss(&model, &other).unwrap()).is_nan());
}

#[test]
fn each_loss_is_the_sum_of_its_parts() {
    let batch = drawn(2, 8, &[1, 3]);
    let columns = Tensor::<1, Int>::from_data([1, 0, 1, 0, 1, 0, 1, 0], &Device::flex().autodiff());
    let contrast = Contrast {
        weight: 0.3,
        tau: 0.5,
    };
    let (model, plain) = config()
        .with_contrast(Some(Contrast {
            weight: 0.0,
            ..contrast
        }))
        .init(Net::new(1))
        .unwrap();
    let (_, both) = config()
        .with_contrast(Some(contrast))
        .init(Net::new(1))
        .unwrap();
    let added = both.loss(&model, &batch).unwrap() - plain.loss(&model, &batch).unwrap();
    let features = Encoder::features(&model.encoder, &batch);
    let [first, second] = &model.projector[..] else {
        panic!("two layers");
    };
    let relu = burn::tensor::activation::relu;
    let rows = second.forward(relu(first.forward(features.clone())));
    let expected = supervised_contrastive(rows.clone(), columns.clone(), 0.5).unwrap();
    assert!((value(added) - 0.3 * value(expected)).abs() < 1e-5);

    let simplex = config().with_simplex(Some(Simplex::DotRegression(10.0)));
    let (model, pulled) = simplex.init(Net::new(1)).unwrap();
    let expected = dot_regression(features, model.head.weight.val(), columns).unwrap();
    let found = value(pulled.loss(&model, &batch).unwrap());
    assert!((found - 10.0 * value(expected)).abs() < 1e-4);
}

#[test]
fn pretraining_sees_two_views_and_no_label() {
    let (model, handle) = config().with_pretrain(Some(0.5)).init(Net::new(1)).unwrap();
    let (first, second) = (drawn(2, 4, &[9]), drawn(3, 4, &[7]));
    let found = value(handle.pretrain_loss(&model, &first, &second).unwrap());
    // Views of one batch are nearer to each other than those of two.
    let same = value(handle.pretrain_loss(&model, &first, &first).unwrap());
    assert!(same < found && found.is_finite());
    let few = drawn(3, 3, &[0]);
    assert!(handle.pretrain_loss(&model, &first, &few).is_err());
    let (model, without) = config().init(Net::new(1)).unwrap();
    let error = without.pretrain_loss(&model, &first, &second).unwrap_err();
    assert!(error.to_string().contains("pretrain"), "{error}");
    let device = Device::flex();
    let rows = |rows: [[f32; 2]; 2]| Tensor::<2>::from_data(rows, &device);
    let near = nt_xent(
        rows([[1.0, 0.0], [0.0, 1.0]]),
        rows([[1.0, 0.1], [0.1, 1.0]]),
        0.1,
    );
    assert!(value(near.unwrap()) < 0.01);
}

#[test]
fn targets_set_before_training_stay() {
    let simplex = config().with_simplex(Some(Simplex::CrossEntropy));
    let simplex = simplex.with_pseudo(PseudoClasses::Mixtures).with_room(2);
    let made = simplex.init(Net::new(1)).unwrap();
    // Two classes, their one mixture, and room for two.
    assert_eq!(made.0.head.weight.dims(), [6, 5]);
    let before = (bits(&made.0.head), bits(&made.0.encoder));
    let (model, _) = trained(made, &drawn(2, 8, &[1, 3]), 3);
    assert_eq!(bits(&model.head), before.0);
    assert_ne!(bits(&model.encoder), before.1);
}

/// Weight decay and momentum of the base session notwithstanding.
#[test]
fn what_a_session_trains() {
    let batch = drawn(2, 8, &[1, 3]);
    let novel = drawn(5, 5, &[0]);
    let half = SubNetConfig::new().with_block(vec!["encoder.first".into()]);
    for tuning in [Tuning::Frozen, Tuning::SubNet(half), Tuning::Full] {
        let made = config()
            .with_tuning(tuning.clone())
            .init(Net::new(1))
            .unwrap();
        let (model, handle) = trained(made, &batch, 3);
        let model = handle.after_task(model, &data(&batch)).unwrap();
        let before = ParamVector::of(&model).to_host().unwrap();
        let statistics = bits(&model);
        let (model, handle) = trained((model, handle), &novel, 3);
        let after = ParamVector::of(&model);
        for (entry, (before, now)) in after
            .entries()
            .iter()
            .zip(before.iter().zip(after.to_host().unwrap()))
        {
            let moved = before.iter().zip(&now).filter(|(a, b)| a != b).count();
            let in_encoder =
                entry.path.starts_with("encoder.") && !entry.path.contains("encoder.head");
            match tuning {
                Tuning::Frozen => assert_eq!(moved, 0, "{}", entry.path),
                Tuning::SubNet(_) if entry.path == "encoder.first.weight" => {
                    // Of the smaller half; a few may have no gradient.
                    assert!((6..=12).contains(&moved), "{moved}");
                    let mut sizes: Vec<f32> = before.iter().map(|w| w.abs()).collect();
                    sizes.sort_by(f32::total_cmp);
                    let pairs = before.iter().zip(&now).filter(|(a, b)| a != b);
                    assert!(pairs.into_iter().all(|(a, _)| a.abs() <= sizes[11]));
                }
                Tuning::SubNet(_) => assert_eq!(moved, 0, "{}", entry.path),
                Tuning::Full => assert_eq!(moved > 0, in_encoder, "{}", entry.path),
            }
        }
        let same = bits(&model) == statistics;
        assert_eq!(same, matches!(tuning, Tuning::Frozen));
        assert_eq!(handle.sessions(), 1);
    }
}

#[test]
fn prototypes_are_of_the_final_encoder_in_validation_mode() {
    let batch = drawn(2, 8, &[1, 3]);
    let made = config().init(Net::new(1)).unwrap();
    let (model, handle) = trained(made, &batch, 3);
    let first = handle.prototypes();
    assert!(handle.logits(&model, &batch).is_err());
    let model = handle.after_task(model, &data(&batch)).unwrap();
    let mut expected = PrototypesConfig::new(4, 6).init(&Device::flex()).unwrap();
    let plain = batch.inner();
    let features = Encoder::features(&model.encoder.valid(), &plain);
    expected.add(features, plain.1).unwrap();
    let host = |prototypes: &Prototypes| prototypes.means().try_into_vec_as::<f32>().unwrap();
    assert_eq!(host(&handle.prototypes()), host(&expected));
    assert_ne!(host(&first), host(&expected));
    assert_eq!(handle.prototypes().counts(), [0, 4, 0, 4]);
    let novel = drawn(5, 5, &[2]);
    let model = handle.after_task(model, &data(&novel)).unwrap();
    let scores = handle.logits(&model.valid(), &novel.inner()).unwrap();
    let scores: Vec<f32> = scores.try_into_vec_as().unwrap();
    assert!(
        scores
            .chunks(4)
            .all(|row| row[0] == f32::MIN && row[2] > -1.0)
    );
    assert_eq!((handle.sessions(), handle.prototypes().counts()[2]), (2, 5));
    let none = Prepared(Vec::<Rows>::new());
    assert!(handle.after_task(model, &none).is_err());
    assert_eq!(handle.sessions(), 2);
}

/// A class without a prototype has the mean of the batch; kept ones are constants.
#[test]
fn the_loss_of_a_session_by_hand() {
    let (model, handle) = config().init(Net::new(1)).unwrap();
    let (base, novel) = (drawn(2, 8, &[1, 3]), drawn(5, 5, &[0]));
    let model = handle.after_task(model, &data(&base)).unwrap();
    let rows = |tensor: Tensor<2>| -> Vec<Vec<f64>> {
        let [_, width] = tensor.dims();
        let values: Vec<f32> = tensor.try_into_vec_as().unwrap();
        let wide: Vec<f64> = values.into_iter().map(f64::from).collect();
        wide.chunks(width).map(<[f64]>::to_vec).collect()
    };
    let unit = |row: &[f64]| -> Vec<f64> {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        row.iter().map(|x| x / length).collect()
    };
    let features = rows(Encoder::features(&model.encoder, &novel));
    let features: Vec<Vec<f64>> = features.iter().map(|row| unit(row)).collect();
    let mean: Vec<f64> = (0..6)
        .map(|at| features.iter().map(|row| row[at]).sum::<f64>() / 5.0)
        .collect();
    let kept = rows(handle.prototypes().means());
    let all = [unit(&mean), unit(&kept[1]), unit(&kept[3])];
    let of_row = |row: &Vec<f64>| {
        let cosine = |of: &Vec<f64>| row.iter().zip(of).map(|(a, b)| a * b).sum::<f64>();
        let logits: Vec<f64> = all.iter().map(|of| 16.0 * cosine(of)).collect();
        logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[0]
    };
    let expected = features.iter().map(of_row).sum::<f64>() / 5.0;
    let found = f64::from(value(handle.loss(&model, &novel).unwrap()));
    assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
}

#[test]
fn the_state_goes_on_in_another_handle() {
    let batch = drawn(2, 8, &[1, 3]);
    let tuned = || config().with_tuning(Tuning::SubNet(SubNetConfig::new()));
    let (model, handle) = trained(tuned().init(Net::new(1)).unwrap(), &batch, 2);
    let model = handle.after_task(model, &data(&batch)).unwrap();
    let (_, mut other) = tuned().init(Net::new(9)).unwrap();
    let bytes = handle.save().unwrap();
    other.load(&bytes).unwrap();
    assert_eq!(other.save().unwrap(), bytes);
    let novel = drawn(5, 5, &[0]);
    let loss = |handle: &FewShot| bit(handle.loss(&model, &novel).unwrap());
    assert_eq!(loss(&other), loss(&handle));
    // With another way to tune, and with other classes.
    let (_, mut full) = config()
        .with_tuning(Tuning::Full)
        .init(Net::new(1))
        .unwrap();
    assert!(full.load(&bytes).is_err() && full.sessions() == 0);
    let more = FewShotConfig::new(vec![0], 5, 6).with_tuning(Tuning::SubNet(SubNetConfig::new()));
    let (_, mut more) = more.init(Net::new(1)).unwrap();
    assert!(more.load(&bytes).is_err() && more.sessions() == 0);
}

#[test]
fn a_smallest_share_of_each_weight_moves() {
    let net = Net::new(1);
    let sub_net = SubNetConfig::new().with_share(0.25).init(&net).unwrap();
    assert_eq!(sub_net.moving().unwrap(), None);
    let _ = sub_net.after_task(net.clone(), &data(&drawn(1, 4, &[0])));
    // 24 and 24 weights of two layers.
    assert_eq!(sub_net.moving().unwrap(), Some(12));
    let error = SubNetConfig::new()
        .with_block(vec!["norm".into()])
        .init(&net);
    assert!(error.unwrap_err().to_string().contains("norm"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |config: FewShotConfig, part: &str| {
        let error = config.init(Net::new(1)).map(drop).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(FewShotConfig::new(vec![], 4, 6), "base");
    refused(FewShotConfig::new(vec![1, 1], 4, 6), "base");
    refused(FewShotConfig::new(vec![4], 4, 6), "base");
    refused(config().with_scale(0.0), "scale");
    refused(config().with_pretrain(Some(0.0)), "pretrain");
    refused(config().with_rotation(Some(-1.0)), "rotation");
    // Eight directions in a width of six.
    let simplex = config().with_simplex(Some(Simplex::CrossEntropy));
    refused(simplex.with_pseudo(PseudoClasses::Rotations), "count");
    let (model, handle) = FewShotConfig::new(vec![0, 1], 4, 7)
        .init(Net::new(1))
        .unwrap();
    let batch = drawn(2, 4, &[0, 1]);
    assert!(handle.loss(&model, &batch).is_err());
    assert!(handle.after_task(model, &data(&batch)).is_err());
}

/// Token ids have no direction and no mean.
#[derive(Module, Debug)]
struct Tokens {
    table: burn::nn::Embedding,
}

impl Backbone for Tokens {
    type Batch = (Tensor<2, Int>, Tensor<1, Int>);

    fn features(&self, (tokens, _): &Self::Batch) -> Tensor<2> {
        let states = self.table.forward(tokens.clone());
        let [rows, _, width] = states.dims();
        states.mean_dim(1).reshape([rows, width])
    }
}

#[test]
fn tokens_have_no_rotations_and_no_mixtures() {
    let device = Device::flex().autodiff();
    let encoder = || Tokens {
        table: burn::nn::EmbeddingConfig::new(9, 6).init(&device),
    };
    let batch = (
        Tensor::<2, Int>::from_data([[1, 2, 3, 4], [5, 6, 7, 8]], &device),
        Tensor::<1, Int>::from_data([1, 3], &device),
    );
    let (model, plain) = config().init(encoder()).unwrap();
    assert!(value(plain.loss(&model, &batch).unwrap()).is_finite());
    for config in [
        config().with_pseudo(PseudoClasses::Rotations),
        config().with_pseudo(PseudoClasses::Mixtures),
        config().with_rotation(Some(1.0)),
    ] {
        let (model, handle) = config.init(encoder()).unwrap();
        let error = handle.loss(&model, &batch).unwrap_err();
        assert!(
            matches!(error, ContinualError::Unsupported { .. }),
            "{error}"
        );
    }
}
