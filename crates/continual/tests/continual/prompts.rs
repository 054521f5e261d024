//! Columns, prompts and adapters.

use approx::assert_relative_eq;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use regimen_continual::{AdapterPoolConfig, DualPromptConfig, ProgressiveConfig, PromptPoolConfig};
use regimen_tensor::ParamVector;

use super::net::{examples, numbers};

fn with<M: Module>(model: M, path: &str, values: &[f32]) -> M {
    let vector = ParamVector::of(&model);
    let vector = vector.filter(|entry| entry.path == path);
    let vector = vector.from_host(vec![values.to_vec()]).unwrap();
    vector.write_to(model).unwrap()
}

#[test]
fn the_keys_likest_to_a_query_are_chosen() {
    let device = Device::flex().autodiff();
    let config = PromptPoolConfig::new(2, 3).with_pool(3).with_length(2);
    let pool = config.with_chosen(2).init(&device).unwrap();
    let pool = with(pool, "keys", &[1.0, 1.0, 0.0, 1.0, -1.0, 0.0]);
    let queries = Tensor::<2>::from_data([[1.0, 0.0], [-2.0, 0.0]], &device);
    let cosines = numbers(pool.cosines(queries.clone()).unwrap());
    let half = std::f32::consts::FRAC_1_SQRT_2;
    for (value, expected) in cosines.iter().zip([half, 0.0, -1.0, -half, 0.0, 1.0]) {
        assert_relative_eq!(*value, expected, epsilon = 1e-6);
    }
    let chosen = pool.choose(queries).unwrap();
    let places: Vec<i64> = chosen.places.clone().try_into_vec_as().unwrap();
    assert_eq!(places, [0, 1, 2, 1]);
    let prompts = numbers(pool.prompts.val());
    let rows = [
        &prompts[..6],
        &prompts[6..12],
        &prompts[12..],
        &prompts[6..12],
    ];
    assert_eq!(numbers(chosen.prompts.clone()), rows.concat());
    let pull = chosen.pull.clone();
    assert_relative_eq!(
        numbers(pull.clone())[0],
        (2.0 - half + 1.0) / 2.0,
        epsilon = 1e-6
    );
    // The pull moves chosen keys toward their queries, and no prompt.
    let grads = GradientsParams::from_grads(pull.backward(), &pool);
    let vector = ParamVector::gradients(&pool, &grads);
    let prompts = vector.by_path("prompts").unwrap().values.clone();
    assert!(numbers(prompts).iter().all(|g| *g == 0.0));
    let keys = numbers(vector.by_path("keys").unwrap().values.clone());
    assert!(keys[0] < 0.0 && keys[1] > 0.0, "{keys:?}");
    assert!(pool.choose(Tensor::<2>::ones([1, 3], &device)).is_err());
    let nothing = numbers(pool.cosines(Tensor::<2>::zeros([1, 2], &device)).unwrap());
    assert_eq!(nothing, [0.0; 3]);
}

#[test]
fn a_task_has_its_expert_prompt_and_all_the_general_one() {
    let device = Device::flex().autodiff();
    let config = DualPromptConfig::new(2, 3, 2)
        .with_general(1)
        .with_expert(2);
    let prompts = config.init(&device).unwrap();
    let prompts = with(prompts, "experts.keys", &[1.0, 0.0, 0.0, 1.0]);
    let queries = Tensor::<2>::from_data([[3.0, 0.1], [0.0, 2.0]], &device);
    let chosen = prompts.choose(queries.clone()).unwrap();
    let places: Vec<i64> = chosen.places.try_into_vec_as().unwrap();
    assert_eq!(places, [0, 1]);
    let second = prompts.of_task(queries.clone(), 1).unwrap();
    let experts = numbers(prompts.experts.prompts.val());
    let twice = [&experts[6..], &experts[6..]].concat();
    assert_eq!(numbers(second.prompts), twice);
    let cosine = 0.1 / (9.01_f32).sqrt();
    assert_relative_eq!(
        numbers(second.pull)[0],
        (1.0 - cosine) / 2.0,
        epsilon = 1e-6
    );
    let general = numbers(prompts.general.val());
    assert_eq!(
        numbers(prompts.general(2).unwrap()),
        [general.clone(), general].concat()
    );
    assert!(prompts.of_task(queries, 2).is_err());
}

#[test]
fn each_example_has_its_task_s_adapter() {
    let device = Device::flex().autodiff();
    let pool = AdapterPoolConfig::new(2, 2, 3).with_bottleneck(1);
    let pool = pool.init(&device).unwrap();
    let pool = with(pool, "down", &[1.0, 1.0, 1.0, 0.0, 0.0, -1.0]);
    let pool = with(pool, "up", &[1.0, -1.0, 0.5, 0.0, 2.0, 2.0]);
    let inputs = Tensor::<3>::from_data([[[1.0, 2.0]], [[1.0, 2.0]], [[1.0, -2.0]]], &device);
    let outputs = pool.forward(inputs.clone(), &[0, 1, 2]).unwrap();
    assert_eq!(numbers(outputs), [4.0, -1.0, 1.5, 2.0, 5.0, 2.0]);
    assert!(pool.forward(inputs.clone(), &[0, 1]).is_err());
    assert!(pool.forward(inputs, &[0, 1, 3]).is_err());
    let pool = with(pool, "keys", &[1.0, 1.0, 0.0, 1.0, -1.0, 0.0]);
    let queries = Tensor::<2>::from_data([[1.0, 0.1], [-2.0, 0.0]], &device);
    assert_eq!(pool.likest(queries.clone(), 3).unwrap(), [0, 2]);
    assert_eq!(pool.likest(queries.clone(), 2).unwrap(), [0, 1]);
    assert!(pool.likest(queries.clone(), 4).is_err());
    assert!(pool.likest(queries.clone(), 0).is_err());
    let pull = numbers(pool.pull(queries.clone(), 1).unwrap())[0];
    assert_relative_eq!(pull, 1.0 - 0.05 / 1.01_f32.sqrt(), epsilon = 1e-6);
    assert!(pool.pull(queries, 3).is_err());
}

#[test]
fn columns_before_the_last_keep_their_bits_and_are_read() {
    let device = Device::flex().autodiff();
    let network = ProgressiveConfig::new(vec![4, 6, 5]).with_alpha(1.0);
    let network = network.init(2, &device).unwrap();
    let network = network.grow(3).unwrap().grow(3).unwrap();
    assert_eq!(network.columns[2].laterals.len(), 2);
    assert_eq!(network.columns[2].laterals[0].down.weight.dims(), [12, 16]);
    let (inputs, _) = examples(6, 1);
    let first = numbers(network.forward(inputs.clone(), 0).unwrap());
    let second = numbers(network.forward(inputs.clone(), 1).unwrap());
    // Without the scalars nothing of the other columns is read.
    let read = numbers(network.forward(inputs.clone(), 2).unwrap());
    for layer in [0, 1] {
        let scales = format!("columns.2.laterals.{layer}.scales");
        let apart = with(network.clone(), &scales, &[0.0, 0.0]);
        assert_ne!(numbers(apart.forward(inputs.clone(), 2).unwrap()), read);
    }
    let before = ParamVector::of(&network).to_host().unwrap();
    let mut optim = AdamConfig::new().init();
    let mut network = network;
    for _ in 0..3 {
        let loss = network.forward(inputs.clone(), 2).unwrap().square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        network = optim.step(0.1, network, grads);
    }
    let after = ParamVector::of(&network);
    let entries = after.entries().iter().zip(after.to_host().unwrap());
    for ((entry, after), before) in entries.zip(before) {
        let last = entry.path.starts_with("columns.2");
        assert_eq!(after != before, last, "{}", entry.path);
    }
    assert_eq!(numbers(network.forward(inputs.clone(), 0).unwrap()), first);
    assert_eq!(numbers(network.forward(inputs.clone(), 1).unwrap()), second);
    assert!(network.forward(inputs, 3).is_err());
}

#[test]
fn a_column_by_hand() {
    let device = Device::flex();
    let network = ProgressiveConfig::new(vec![1, 1])
        .with_adapter(1)
        .with_alpha(0.5);
    let network = network.init(1, &device).unwrap().grow(1).unwrap();
    let values = [
        ("columns.0.layers.0.weight", 2.0),
        ("columns.0.layers.0.bias", 1.0),
        ("columns.1.layers.0.weight", 1.0),
        ("columns.1.layers.0.bias", 0.0),
        ("columns.1.layers.1.weight", 3.0),
        ("columns.1.layers.1.bias", -1.0),
        ("columns.1.laterals.0.down.weight", 2.0),
        ("columns.1.laterals.0.down.bias", -1.0),
        ("columns.1.laterals.0.up.weight", 10.0),
    ];
    let network = values.into_iter().fold(network, |network, (path, value)| {
        with(network, path, &[value])
    });
    // Hidden units 7 and 3; the adapter relu(.5 * 7 * 2 - 1) = 6: 9 - 1 + 60.
    let outputs = network.forward(Tensor::<2>::from_data([[3.0]], &device), 1);
    assert_eq!(numbers(outputs.unwrap()), [68.0]);
}

#[test]
fn absurd_sizes_are_refused() {
    let device = Device::flex();
    let huge = usize::MAX;
    for sizes in [[0, 1], [1, 0], [huge, 1], [1, huge], [1 << 25, 1 << 25]] {
        assert!(
            PromptPoolConfig::new(sizes[0], sizes[1])
                .init(&device)
                .is_err()
        );
        assert!(
            AdapterPoolConfig::new(2, sizes[0], sizes[1])
                .init(&device)
                .is_err()
        );
        assert!(
            DualPromptConfig::new(2, sizes[0], sizes[1])
                .init(&device)
                .is_err()
        );
    }
    let pool = PromptPoolConfig::new(2, 2);
    assert!(pool.clone().with_chosen(11).init(&device).is_err());
    assert!(pool.clone().with_chosen(0).init(&device).is_err());
    assert!(pool.clone().with_pool(huge).init(&device).is_err());
    assert!(pool.with_length(huge).init(&device).is_err());
    for widths in [
        vec![],
        vec![4],
        vec![4, 0],
        vec![huge, 2],
        vec![1 << 20, 1 << 20],
    ] {
        assert!(ProgressiveConfig::new(widths).init(2, &device).is_err());
    }
    let good = ProgressiveConfig::new(vec![4, 2]);
    assert!(good.init(0, &device).is_err() && good.init(huge, &device).is_err());
    for bad in [f64::NAN, f64::INFINITY, 1e300] {
        assert!(good.clone().with_alpha(bad).init(2, &device).is_err());
    }
    let network = good.init(2, &device).unwrap();
    assert!(network.clone().grow(0).is_err() && network.grow(huge).is_err());
}
