//! Batch norm over groups, against Burn's over each group alone.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::store::ModuleRecord;
use burn::tensor::{DType, Device, Distribution, Int, Tensor, s};
use regimen_curriculum::{SubBatchNorm, SubBatchNormConfig};

fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

fn assert_close(a: &[f32], b: &[f32], error: f32) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= error * (1.0 + b.abs()), "{a} {b}");
    }
}

fn rows(groups: usize, group: usize, batch: usize, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = (0..batch)
        .filter(|row| row % groups == group)
        .map(|row| row as i32)
        .collect();
    Tensor::from_ints(rows.as_slice(), device)
}

fn norm(groups: usize, device: &Device) -> SubBatchNorm {
    let mut norm = SubBatchNormConfig::new(3, groups).init(device).unwrap();
    norm.gamma = Param::from_tensor(Tensor::from_floats([0.5, 2.0, -1.0], device));
    norm.beta = Param::from_tensor(Tensor::from_floats([0.1, 0.0, 3.0], device));
    norm
}

fn burns(norm: &SubBatchNorm, device: &Device) -> BatchNorm {
    let mut burns = BatchNormConfig::new(3).init(device);
    (burns.gamma, burns.beta) = (norm.gamma.clone(), norm.beta.clone());
    burns
}

fn input(batch: usize, seed: u64, device: &Device) -> Tensor<4> {
    device.seed(seed);
    Tensor::random([batch, 3, 2, 2], Distribution::Normal(1.0, 2.0), device)
}

/// Outputs, gradients of the input and running statistics are those of a batch norm for each group, for batches that the groups divide
/// or not, and that are smaller than they.
#[test]
fn each_group_is_a_batch_norm_of_its_own() {
    let device = Device::flex().autodiff();
    for (groups, batch) in [(1, 6), (2, 6), (3, 8), (4, 7), (5, 3)] {
        let norm = norm(groups, &device);
        let apart: Vec<BatchNorm> = (0..groups).map(|_| burns(&norm, &device)).collect();
        for step in 0..3 {
            let x = input(batch, step, &device).require_grad();
            let target = input(batch, 99, &device);
            let y = norm.forward(x.clone()).unwrap();
            let grads = (y.clone() * target.clone()).sum().backward();
            let dx = x.grad(&grads).unwrap();
            for (group, burns) in apart.iter().enumerate().take(batch) {
                let rows = rows(groups, group, batch, &device);
                let own = x.clone().inner().select(0, rows.clone().inner());
                let own = Tensor::from_inner(own).require_grad();
                let expected = burns.forward(own.clone());
                let grads = (expected.clone() * target.clone().select(0, rows.clone()))
                    .sum()
                    .backward();
                let found = y.clone().select(0, rows.clone());
                assert_close(&host(found.inner()), &host(expected.inner()), 1e-5);
                let found = dx.clone().select(0, rows.inner());
                assert_close(&host(found), &host(own.grad(&grads).unwrap()), 1e-4);
            }
        }
        let (norm, apart) = (norm.valid(), apart.iter().map(Module::valid));
        let means = host(norm.running_mean.value());
        let vars = host(norm.running_var.value());
        for (group, burns) in apart.enumerate() {
            let own = group * 3..group * 3 + 3;
            assert_close(&means[own.clone()], &host(burns.running_mean.value()), 1e-5);
            assert_close(&vars[own], &host(burns.running_var.value()), 1e-5);
        }
    }
}

#[test]
fn evaluation_takes_the_aggregated_statistics() {
    let device = Device::flex().autodiff();
    let norm = norm(2, &device);
    for step in 0..4 {
        norm.forward(input(6, step, &device)).unwrap();
    }
    let valid = norm.valid();
    let (mean, var) = valid.aggregated();
    let (means, vars) = (
        host(valid.running_mean.value()),
        host(valid.running_var.value()),
    );
    for channel in 0..3 {
        let (a, b) = (means[channel], means[3 + channel]);
        let average = (vars[channel] + vars[3 + channel]) / 2.0;
        let expected = average + ((a - b) / 2.0).powi(2);
        assert_close(
            &host(mean.clone())[channel..=channel],
            &[f32::midpoint(a, b)],
            1e-6,
        );
        assert_close(&host(var.clone())[channel..=channel], &[expected], 1e-5);
    }
    let x = input(5, 50, &device).inner();
    let shape = |values: Tensor<1>| values.reshape([1, 3, 1, 1]);
    let centred = (x.clone() - shape(mean)) / (shape(var) + 1e-5).sqrt();
    let gamma = shape(valid.gamma.val());
    let expected = centred * gamma + shape(valid.beta.val());
    let found = valid.forward(x).unwrap();
    assert_close(&host(found), &host(expected), 1e-5);
}

#[test]
fn frozen_it_evaluates_and_learns_nothing() {
    let device = Device::flex().autodiff();
    let norm = norm(2, &device).freeze();
    let x = input(6, 1, &device);
    let found = host(norm.forward(x.clone()).unwrap().inner());
    assert_eq!(found, host(norm.valid().forward(x.inner()).unwrap()));
    assert_eq!(host(norm.valid().running_mean.value()), [0.0; 6]);
}

#[test]
fn other_groups_start_from_the_aggregated_statistics() {
    let device = Device::flex().autodiff();
    let norm = norm(2, &device);
    norm.forward(input(6, 1, &device)).unwrap();
    let before = norm.clone().valid();
    let (mean, var) = before.aggregated();
    let more = norm.clone().regrouped(4).unwrap();
    assert_eq!(more.groups(), 4);
    let (again, var_again) = more.clone().valid().aggregated();
    assert_close(&host(again), &host(mean), 1e-6);
    assert_close(&host(var_again), &host(var), 1e-6);
    more.forward(input(8, 2, &device)).unwrap();
    assert_eq!(
        host(norm.valid().running_mean.value()),
        host(before.running_mean.value())
    );
    assert_eq!(norm.clone().regrouped(2).unwrap().groups(), 2);
    assert!(norm.regrouped(0).is_err());
}

#[test]
fn its_state_is_saved_and_goes_on_bit_for_bit() {
    let device = Device::flex().autodiff();
    let straight = norm(3, &device);
    straight.forward(input(7, 1, &device)).unwrap();
    let bytes = straight.valid().into_record().into_bytes().unwrap();
    let record = ModuleRecord::from_bytes(bytes).unwrap();
    let resumed = SubBatchNormConfig::new(3, 3).init(&device).unwrap();
    let resumed = resumed.load_record(record);
    let next = |norm: &SubBatchNorm| {
        let y = norm.forward(input(7, 2, &device)).unwrap().inner();
        let norm = norm.valid();
        [y.reshape([-1]), norm.running_var.value().reshape([-1])].map(host::<1>)
    };
    assert_eq!(next(&resumed), next(&straight));
}

struct Cast(DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| Tensor::from_inner(values.inner().cast(self.0)).require_grad())
    }
}

#[test]
fn half_precision_keeps_its_type() {
    let device = Device::flex().autodiff();
    let single = norm(2, &device);
    let half = norm(2, &device).map(&mut Cast(DType::BF16));
    let x = input(7, 1, &device) + 100.0;
    let y = half.forward(x.clone().cast(DType::BF16)).unwrap();
    assert_eq!(y.dtype(), DType::BF16);
    let half = half.valid();
    assert_eq!(half.running_var.value().dtype(), DType::BF16);
    // The input itself is rounded to 8 bits.
    let exact = x.clone().cast(DType::BF16).cast(DType::F32);
    let expected = host(single.forward(exact).unwrap().inner());
    assert_close(&host(y.inner().cast(DType::F32)), &expected, 0.02);
    let y = half.forward(x.inner().cast(DType::BF16)).unwrap();
    assert_eq!(y.dtype(), DType::BF16);
}

#[test]
fn a_batch_that_is_not_finite_leaves_the_running_statistics() {
    let device = Device::flex().autodiff();
    let norm = norm(2, &device);
    norm.forward(input(6, 1, &device)).unwrap();
    let before = host(norm.valid().running_mean.value());
    // Row 1 is of the second group.
    let mask = Tensor::<4>::zeros([6, 3, 2, 2], &device);
    let bad = mask.slice_fill(s![1..2], f32::NAN);
    let y = host(norm.forward(input(6, 2, &device) + bad).unwrap().inner());
    assert!(y[..12].iter().all(|y| y.is_finite()) && y[12].is_nan());
    let after = host(norm.valid().running_mean.value());
    assert_eq!(after[3..], before[3..]);
    assert!(
        after[..3]
            .iter()
            .zip(&before)
            .all(|(a, b)| a.is_finite() && a != b)
    );
}

#[test]
fn what_cannot_be_normalised_is_refused() {
    let device = Device::flex().autodiff();
    let init =
        |config: SubBatchNormConfig| config.init(&device).map(|_| ()).unwrap_err().to_string();
    let config = SubBatchNormConfig::new(3, 2);
    assert!(init(SubBatchNormConfig::new(0, 2)).contains("`num_features` is 0"));
    assert!(init(SubBatchNormConfig::new(3, 0)).contains("`groups` is 0"));
    assert!(init(config.clone().with_epsilon(0.0)).contains("`epsilon` is 0"));
    assert!(init(config.clone().with_momentum(f64::NAN)).contains("`momentum` is NaN"));
    let norm = config.init(&device).unwrap();
    let error = norm
        .forward(Tensor::<2>::zeros([4, 2], &device))
        .unwrap_err()
        .to_string();
    assert!(error.contains("shape [4, 2]"), "{error}");
    assert!(norm.forward(Tensor::<1>::zeros([3], &device)).is_err());
    let empty = norm.forward(Tensor::<2>::zeros([0, 3], &device)).unwrap();
    assert_eq!(empty.dims(), [0, 3]);
    assert!(format!("{norm}").contains("groups: 2"));
}
