//! iCaRL and LUCIR: exemplars, distillation and the nearest mean.

use approx::assert_relative_eq;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::{
    Classifier, ContinualError, CosineClassifier, CosineLinear, CosineLinearConfig, Encoder,
    Examples, IcarlConfig, LucirConfig, Strategy, Task, plain_loss,
};
use regimen_tensor::checkpoint::Part;
use regimen_tensor::{ParamVector, Prepared, independent};

use super::models::{Net, bit, bits, drawn};
use super::replay::resumes;

type Rows = (Tensor<2>, Tensor<1, Int>);

fn scalar(value: Tensor<1>) -> f32 {
    value.into_scalar()
}

fn task(id: usize, classes: &[usize]) -> Task {
    Task {
        id,
        classes: classes.to_vec(),
        examples: 8,
    }
}

/// Features are the inputs; logits are their first values.
#[derive(Module, Debug)]
struct Plain {
    head: Linear,
}

impl Plain {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let head = LinearConfig::new(2, 3).with_bias(false).init(&device);
        let weight = ParamVector::of(&head);
        let values = vec![vec![1.0, 0.0, 0.5, 0.0, 1.0, -0.5]];
        let weight = weight.from_host(values).unwrap();
        Self {
            head: weight.write_to(head).unwrap(),
        }
    }
}

impl Classifier for Plain {
    type Batch = Rows;

    fn logits(&self, batch: &Rows) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl Encoder for Plain {
    fn features(&self, (inputs, _): &Rows) -> Tensor<2> {
        inputs.clone()
    }
}

#[test]
fn the_nearest_mean_of_exemplars_classifies() {
    let icarl = IcarlConfig::new(4).init(&Plain::new()).unwrap();
    let probe = super::two::batch(&[[3.0, 0.2], [0.1, 9.0]], &[0, 0]);
    let model = Plain::new();
    assert!(matches!(
        icarl.logits(&model, &probe),
        Err(ContinualError::Empty(_))
    ));
    // Class 0 along (1, 0), class 2 along (0, 1); herding takes two of each.
    let data = super::two::batch(
        &[
            [1.0, 0.0],
            [2.0, 0.1],
            [2.0, -0.1],
            [0.0, 1.0],
            [0.1, 3.0],
            [-0.1, 3.0],
        ],
        &[0, 0, 0, 2, 2, 2],
    );
    let model = icarl.after_task(model, &Prepared(vec![data])).unwrap();
    assert_eq!((icarl.memory().len(), icarl.old_classes()), (4, vec![0, 2]));
    let scores: Vec<f32> = icarl
        .logits(&model, &probe)
        .unwrap()
        .try_into_vec_as()
        .unwrap();
    assert!(scores[0] > scores[2] && scores[5] > scores[3]);
    assert!(scores[1] < -1e8 && scores[4] < -1e8);
    // The mean of class 0 is (1, 0) within a twentieth: minus the squared distance of (3, .2) / |(3, .2)|.
    assert!(scores[0] > -0.02 && scores[2] < -1.6);
    // On the plain device too.
    let plain = icarl.logits(&model.valid(), &probe.inner()).unwrap();
    let plain: Vec<f32> = plain.try_into_vec_as().unwrap();
    assert_eq!(plain, scores);
}

#[test]
fn old_classes_have_the_outputs_of_the_earlier_network_as_targets() {
    let icarl = IcarlConfig::new(2).init(&Plain::new()).unwrap();
    let bce = |z: f32, t: f32| z.max(0.0) - z * t + (-z.abs()).exp().ln_1p();
    let first = super::two::batch(&[[1.0, 0.5]], &[0]);
    let model = icarl.before_task(Plain::new(), &task(0, &[0])).unwrap();
    // Only class 0 is known: its logit is 1.
    assert_relative_eq!(
        scalar(icarl.loss(&model, &first).unwrap()),
        bce(1.0, 1.0),
        epsilon = 1e-6
    );
    let model = icarl
        .after_task(model, &Prepared(vec![first.clone()]))
        .unwrap();
    let model = icarl.before_task(model, &task(1, &[1])).unwrap();
    let head = ParamVector::of(&model).scale(2.0);
    let model = head.write_to(model).unwrap();
    let second = super::two::batch(&[[0.5, -1.0]], &[1]);
    // Batch: logits (1, -2), targets (sigmoid .5, 1). Exemplar: logits (2, 1), targets (sigmoid 1, 0).
    let s = |z: f32| 1.0 / (1.0 + (-z).exp());
    let sum = bce(1.0, s(0.5)) + bce(-2.0, 1.0) + bce(2.0, s(1.0)) + bce(1.0, 0.0);
    assert_relative_eq!(
        scalar(icarl.loss(&model, &second).unwrap()),
        sum / 4.0,
        epsilon = 1e-6
    );
    let _ = sigmoid(model.logits(&second));
    // The shares of two classes: one exemplar each, the first one of the old class.
    let model = icarl.after_task(model, &Prepared(vec![second])).unwrap();
    let memory = icarl.memory();
    assert_eq!(memory.classes().into_values().collect::<Vec<_>>(), [1, 1]);
    assert!(icarl.loss(&model, &first).is_ok());
}

#[test]
fn runs_that_stop_in_the_middle_go_on_bit_for_bit() {
    let net = Net::new(1);
    resumes(|| IcarlConfig::new(8).init(&net).unwrap());
}

#[test]
fn a_task_that_fails_leaves_icarl_as_it_was() {
    let model = Net::new(1);
    let icarl = IcarlConfig::new(8).init(&model).unwrap();
    let model = icarl
        .after_task(model, &Prepared(vec![drawn(1, 8, &[0, 1])]))
        .unwrap();
    let before = Part::save(&icarl).unwrap();
    let (inputs, labels) = drawn(2, 8, &[2]);
    let broken = Prepared(vec![(inputs * f32::NAN, labels)]);
    assert!(icarl.after_task(model.clone(), &broken).is_err());
    assert!(
        icarl
            .after_task(model, &Prepared(Vec::<Rows>::new()))
            .is_err()
    );
    assert_eq!(Part::save(&icarl).unwrap(), before);
}

/// Features under batch norm, and a cosine head.
#[derive(Module, Debug)]
struct Cosine {
    body: Linear,
    norm: BatchNorm,
    head: CosineLinear,
}

impl Cosine {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        let net = Self {
            body: LinearConfig::new(4, 5).init(&device),
            norm: BatchNormConfig::new(5).init(&device),
            head: CosineLinearConfig::new(5, 4).init(&device).unwrap(),
        };
        let weights = ParamVector::of(&net);
        let mut next = 0.3_f32;
        let mut values = |count: usize| {
            let draw = |_| {
                next = (next * 7.3 + 0.17).fract();
                next - 0.45
            };
            (0..count).map(draw).collect::<Vec<f32>>()
        };
        let values = weights.entries().iter().map(|entry| values(entry.len()));
        let weights = weights.from_host(values.collect()).unwrap();
        let weights = weights.filter(|entry| entry.path != "head.sigma");
        weights.write_to(net).unwrap()
    }
}

impl Classifier for Cosine {
    type Batch = Rows;

    fn logits(&self, batch: &Rows) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl Encoder for Cosine {
    fn features(&self, (inputs, _): &Rows) -> Tensor<2> {
        self.norm.forward(self.body.forward(inputs.clone()))
    }
}

impl CosineClassifier for Cosine {
    fn head(&self) -> &CosineLinear {
        &self.head
    }
}

fn training(lucir: &impl Strategy<Cosine>, model: Cosine, seed: u64, classes: &[i64]) -> Cosine {
    let mut optim = SgdConfig::new().init();
    let loss = lucir.loss(&model, &drawn(seed, 6, classes)).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let model = lucir.update(model, &mut optim, 0.1.into(), grads.into());
    lucir.status().unwrap();
    model
}

#[test]
fn lucir_in_the_first_task_is_cross_entropy() {
    let model = Cosine::new();
    let lucir = LucirConfig::new(8).init(&model).unwrap();
    let data = drawn(1, 6, &[0, 1]);
    let loss = lucir.loss(&independent(&model), &data).unwrap();
    let plain = plain_loss(&independent(&model), &data);
    assert_relative_eq!(scalar(loss), scalar(plain), max_relative = 1e-6);
}

#[test]
fn the_less_forget_part_grows_with_the_ratio_of_classes() {
    let model = Cosine::new();
    let with = |lambda: f64, new: &[usize]| {
        let lucir = LucirConfig::new(8).with_lambda_base(lambda).with_rank(0.0);
        let lucir = lucir.init(&model).unwrap();
        let data = Prepared(vec![drawn(1, 8, &[0, 1])]);
        let after = lucir.after_task(independent(&model), &data).unwrap();
        let after = lucir.before_task(after, &task(1, new)).unwrap();
        let moved = ParamVector::of(&after);
        let moved = moved.map(|entry, values| match entry.path.as_str() {
            "body.bias" => values + 0.3,
            "norm.gamma" => values * values_like(&entry.shape),
            _ => values,
        });
        let after = moved.write_to(after).unwrap();
        let batch = drawn(2, 6, &[2, 3]);
        let loss = scalar(lucir.loss(&after, &batch).unwrap());
        assert_eq!(lucir.old_classes(), [0, 1]);
        loss
    };
    let base = with(0.0, &[2, 3]);
    let (one, two) = (with(2.0, &[2, 3]) - base, with(4.0, &[2, 3]) - base);
    assert!(one > 1e-3);
    assert_relative_eq!(two, 2.0 * one, max_relative = 1e-3);
    // Two old classes beside one new one.
    let more = with(2.0, &[2]) - base;
    assert_relative_eq!(more, 2.0_f32.sqrt() * one, max_relative = 1e-3);
}

fn values_like(shape: &[usize]) -> Tensor<1> {
    let values: Vec<f32> = (0..shape[0]).map(|place| 0.5 + place as f32).collect();
    Tensor::from_data(values.as_slice(), &Device::flex())
}

#[test]
fn lucir_goes_on_bit_for_bit() {
    let config = LucirConfig::new(8);
    let lucir = config.init(&Cosine::new()).unwrap();
    let mut model = training(&lucir, Cosine::new(), 1, &[0, 1]);
    model = lucir
        .after_task(model, &Prepared(vec![drawn(2, 8, &[0, 1])]))
        .unwrap();
    model = training(&lucir, model, 3, &[2, 3]);
    let (bytes, mut kept) = (Part::save(&lucir).unwrap(), independent(&model));
    let mut again = config.init(&kept).unwrap();
    again.load(&bytes).unwrap();
    for seed in 4..6 {
        model = training(&lucir, model, seed, &[2, 3]);
        kept = training(&again, kept, seed, &[2, 3]);
    }
    assert_eq!(bits(&model), bits(&kept));
    for cut in [0, 9, bytes.len() / 2, bytes.len() - 1] {
        assert!(again.load(&bytes[..cut]).is_err());
    }
}

#[test]
fn a_feature_vector_of_zeros_has_finite_gradients() {
    let device = Device::flex().autodiff();
    let head = CosineLinearConfig::new(3, 2).init(&device).unwrap();
    let features = Tensor::<2>::zeros([1, 3], &device).require_grad();
    let logits = head.forward(features.clone());
    let grads = logits.sum().backward();
    let gradient: Vec<f32> = features.grad(&grads).unwrap().try_into_vec_as().unwrap();
    assert!(gradient.iter().all(|value| value.is_finite()));
    assert_eq!(bit(head.cosines(features).sum()), 0);
}

#[test]
fn bad_settings() {
    let (net, cosine) = (Net::new(1), Cosine::new());
    assert!(IcarlConfig::new(0).init(&net).is_err());
    assert!(IcarlConfig::new(8).with_replay(Some(0)).init(&net).is_err());
    let config = LucirConfig::new(8);
    assert!(LucirConfig::new(0).init(&cosine).is_err());
    for config in [
        config.clone().with_lambda_base(-1.0),
        config.clone().with_margin(f64::NAN),
        config.clone().with_margin(2.5),
        config.clone().with_hardest(0),
        config.clone().with_rank(f64::INFINITY),
        config.with_replay(Some(0)),
    ] {
        assert!(config.init(&cosine).is_err());
    }
}
