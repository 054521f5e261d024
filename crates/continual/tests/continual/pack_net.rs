//! Weights that belong to tasks.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, SgdConfig, momentum::MomentumConfig};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::{Classifier, PackNet, PackNetConfig, Strategy, Task};
use regimen_tensor::{ParamVector, Part, Prepared};

use super::net::{Batch, Net, examples, largest, numbers, step};

fn task(id: usize) -> Task {
    Task {
        id,
        classes: Vec::new(),
        examples: 6,
    }
}

fn data(seed: u64) -> Prepared<Batch> {
    Prepared(vec![examples(6, seed)])
}

#[test]
fn half_of_the_free_weights_are_left_after_each_task() {
    let mut model = Net::new(2);
    let pack = PackNetConfig::new().init(&model).unwrap();
    assert_eq!(pack.free().unwrap(), 1.0);
    for (id, free) in [0.5, 0.25, 0.125].into_iter().enumerate() {
        model = pack.before_task(model, &task(id)).unwrap();
        model = step(&pack, model, &examples(6, id as u64), 0.1);
        model = pack.prune(model).unwrap();
        model = pack.after_task(model, &data(id as u64)).unwrap();
        assert_eq!(pack.free().unwrap(), free);
    }
    // Each weight that is not free has one owner.
    let owners = pack
        .owners()
        .by_path("hidden.weight")
        .unwrap()
        .values
        .clone();
    let owners = numbers(owners);
    let counts = [1.0, 2.0, 3.0].map(|task| owners.iter().filter(|o| **o == task).count());
    assert_eq!(counts, [16, 8, 4]);
}

#[test]
fn the_smallest_magnitudes_are_given_back() {
    let model = Net::new(2);
    let before = numbers(model.hidden.weight.val());
    let pack = PackNetConfig::new().with_share(0.75).init(&model).unwrap();
    let model = pack.prune(model).unwrap();
    let after = numbers(model.hidden.weight.val());
    let mut sizes: Vec<f32> = before.iter().map(|value| value.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    for (before, after) in before.iter().zip(&after) {
        let kept = before.abs() >= sizes[24];
        assert_eq!(*after, if kept { *before } else { 0.0 });
    }
}

/// Adam, momentum and weight decay, none of which may move a bit.
#[test]
fn frozen_weights_keep_their_bits_and_given_ones_stay_zero() {
    let optimizers = [
        AdamWConfig::new().with_weight_decay(0.1).init(),
        SgdConfig::new()
            .with_momentum(Some(MomentumConfig::new()))
            .init(),
    ];
    for mut optim in optimizers {
        let mut model = Net::new(7);
        let pack = PackNetConfig::new().init(&model).unwrap();
        let mut train = |model: Net, pack: &PackNet, seed| {
            (0..4).fold(model, |model, _| {
                let loss = pack.loss(&model, &examples(6, seed)).unwrap();
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                pack.optimize(model, &mut optim, 0.05, grads)
            })
        };
        let old = examples(6, 1);
        model = train(model, &pack, 1);
        model = pack.prune(model).unwrap();
        let given = numbers(model.hidden.weight.val());
        model = train(model, &pack, 1);
        for (given, now) in given.iter().zip(numbers(model.hidden.weight.val())) {
            assert_eq!(*given == 0.0, now == 0.0, "{given} {now}");
        }
        model = pack.after_task(model, &data(1)).unwrap();
        let first = pack.model_for(&model, 0).unwrap();
        let outputs = numbers(first.logits(&old));
        assert_eq!(numbers(model.logits(&old)), outputs);
        let weights = numbers(model.hidden.weight.val());
        let bias = numbers(model.hidden.bias.clone().unwrap().val());

        model = pack.before_task(model, &task(1)).unwrap();
        model = train(model, &pack, 2);
        assert_eq!(numbers(model.hidden.bias.clone().unwrap().val()), bias);
        let mut moved = 0;
        for (old, now) in weights.iter().zip(numbers(model.hidden.weight.val())) {
            match *old == 0.0 {
                true => moved += usize::from(now != 0.0),
                false => assert_eq!(old.to_bits(), now.to_bits()),
            }
        }
        assert_eq!(moved, 16);
        assert_ne!(numbers(model.logits(&old)), outputs);
        let again = pack.model_for(&model, 0).unwrap();
        assert_eq!(numbers(again.logits(&old)), outputs);
        model = pack.after_task(model, &data(2)).unwrap();
        let again = pack.model_for(&model, 0).unwrap();
        assert_eq!(numbers(again.logits(&old)), outputs);
        assert!(pack.model_for(&model, 5).is_err());
        pack_status(&pack);
    }
}

fn pack_status(pack: &PackNet) {
    Strategy::<Net>::status(pack).unwrap();
}

#[derive(Module, Debug)]
struct Normed {
    first: Linear,
    norm: BatchNorm,
    head: Linear,
}

impl Classifier for Normed {
    type Batch = (Tensor<2>, Tensor<1, Int>);

    fn logits(&self, (inputs, _): &Self::Batch) -> Tensor<2> {
        self.head
            .forward(self.norm.forward(self.first.forward(inputs.clone())))
    }
}

#[test]
fn the_network_of_a_task_has_its_running_statistics() {
    let device = Device::flex().autodiff();
    let model = Normed {
        first: LinearConfig::new(4, 6).init(&device),
        norm: BatchNormConfig::new(6).init(&device),
        head: LinearConfig::new(6, 3).init(&device),
    };
    let apart = vec!["head".to_owned()];
    let pack = PackNetConfig::new().with_apart(apart).init(&model).unwrap();
    let train = |mut model: Normed, seed| {
        for _ in 0..5 {
            model = step(&pack, model, &examples(6, seed), 0.1);
        }
        pack.after_task(model, &data(seed)).unwrap()
    };
    let model = train(model, 1);
    let hidden = |model: &Normed| {
        let model = model.valid();
        let inputs = examples(6, 1).0.inner();
        numbers(model.norm.forward(model.first.forward(inputs)))
    };
    let first = pack.model_for(&model, 0).unwrap();
    let outputs = hidden(&first);
    let head = model.head.weight.val();
    let model = train(model, 9);
    assert_ne!(hidden(&model), outputs);
    assert_eq!(hidden(&pack.model_for(&model, 0).unwrap()), outputs);
    // The head is nobody's: it trains.
    assert!(largest(model.head.weight.val() - head) > 1e-3);
    // To look at the first task's network changed nothing of the live one.
    assert_ne!(hidden(&model), outputs);
}

#[test]
fn saved_in_the_middle_of_a_task_and_restored_it_goes_on() {
    let model = Net::new(3);
    let pack = PackNetConfig::new().init(&model).unwrap();
    let model = step(&pack, model, &examples(6, 1), 0.1);
    let model = pack.after_task(model, &data(1)).unwrap();
    let model = pack.before_task(model, &task(4)).unwrap();
    let model = pack.prune(model).unwrap();
    let bytes = pack.save().unwrap();
    let mut other = PackNetConfig::new().init(&Net::new(9)).unwrap();
    other.load(&bytes).unwrap();
    assert_eq!(other.save().unwrap(), bytes);
    let straight = step(&pack, model.clone(), &examples(5, 2), 0.1);
    let restored = step(&other, model, &examples(5, 2), 0.1);
    let values = |model: &Net| ParamVector::of(model).to_host().unwrap();
    assert_eq!(values(&straight), values(&restored));
    assert!(other.load(&bytes[..bytes.len() / 2]).is_err());
    let mut wrong = PackNetConfig::new()
        .init(&super::two::Two::new([1.0, 1.0]))
        .unwrap();
    assert!(wrong.load(&bytes).is_err());
}

#[test]
fn what_can_t_be_is_refused() {
    let model = Net::new(1);
    for bad in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        assert!(PackNetConfig::new().with_share(bad).init(&model).is_err());
    }
    let pack = PackNetConfig::new().init(&model).unwrap();
    let model = pack.prune(model).unwrap();
    assert!(pack.prune(model.clone()).is_err());
    assert!(pack.before_task(model.clone(), &task(1)).is_err());
    let model = pack.after_task(model, &data(1)).unwrap();
    assert!(pack.before_task(model, &task(0)).is_err());
}
