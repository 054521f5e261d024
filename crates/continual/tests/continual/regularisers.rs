//! Weight regularisers by hand: importances, paths, penalties.

use approx::assert_relative_eq;
use burn::module::{Module, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use regimen_continual::penalties::{Fisher, fisher};
use regimen_continual::{
    Classifier, EwcConfig, MasConfig, OnlineEwcConfig, RWalkConfig, SiConfig, Strategy,
};
use regimen_tensor::{ParamVector, Prepared, Watch};

use super::two::{Two, batch};

type Pair = (Tensor<2>, Tensor<1, Int>);

/// Logits `x w` with `w` `[2, 2]`.
#[derive(Module, Debug)]
struct Matrix {
    w: Param<Tensor<2>>,
}

impl Matrix {
    fn new(w: [[f32; 2]; 2]) -> Self {
        let device = Device::flex().autodiff();
        Self {
            w: Param::from_data(w, &device),
        }
    }
}

impl Classifier for Matrix {
    type Batch = Pair;

    fn logits(&self, (inputs, _): &Pair) -> Tensor<2> {
        inputs.clone().matmul(self.w.val())
    }
}

fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_relative_eq!(found, expected, epsilon = 1e-6, max_relative = 1e-5);
    }
}

fn host(vector: &ParamVector) -> Vec<f32> {
    vector.to_host().unwrap().concat()
}

fn diagonal(model: &Matrix, rows: &[[f32; 2]], labels: &[i64], kind: Fisher) -> Vec<f32> {
    let data = Prepared(vec![batch(rows, labels)]);
    host(&fisher(model, &data, kind, 100, 0, &Watch::default()).unwrap())
}

/// W = 0, x = (1, 2): gradients of log p are (.5, 1) and (-.5, -1) for label 0.
#[test]
fn the_fisher_diagonals_of_one_example() {
    let model = Matrix::new([[0.0; 2]; 2]);
    let of = |kind| diagonal(&model, &[[1.0, 2.0]], &[0], kind);
    let square = [0.25, 0.25, 1.0, 1.0];
    near(&of(Fisher::Empirical), &square);
    near(&of(Fisher::True), &square);
    near(&of(Fisher::Sampled), &square);
    near(&of(Fisher::Weighted), &square.map(|value| value / 2.0));
}

/// Gradients [1, 0], [-1, 2], [3, 1] of single examples, whatever the batch: [3.667, 1.667], where the square of their mean is [1, 1].
#[test]
fn the_fisher_diagonal_is_of_single_examples() {
    let model = Matrix::new([[0.0; 2]; 2]);
    // With W = 0 the gradient for label 1 is x / 2 in the second column: rows twice as large give the gradients above.
    let rows = [[2.0, 0.0], [-2.0, 4.0], [6.0, 2.0]];
    let found = diagonal(&model, &rows, &[1, 1, 1], Fisher::Empirical);
    near(&[found[1], found[3]], &[11.0 / 3.0, 5.0 / 3.0]);
}

/// lambda 100, F (1, 4), theta (.2, -.1), theta* (0, .1): 10, gradient (20, -80).
#[test]
fn ewc_penalises_from_the_second_task_on() {
    let device = Device::flex().autodiff();
    let model = Two::new([0.0, 0.1]);
    let seen = batch(&[[1.0, 2.0]], &[0]);
    let ewc = EwcConfig::new(100.0)
        .with_fisher(Fisher::Empirical)
        .init(&model)
        .unwrap();
    let penalty = |model: &Two| Strategy::<Two>::penalty(&ewc, model, &seen).unwrap();
    assert_eq!(penalty(&model).into_scalar::<f32>(), 0.0);
    let model = ewc
        .after_task(model, &Prepared(vec![seen.clone()]))
        .unwrap();
    let held = ewc.held().unwrap();
    let f = host(held.weights());
    let p = 1.0 / (1.0 + 0.2_f32.exp());
    near(&f, &[(1.0 - p).powi(2), 4.0 * (1.0 - p).powi(2)]);
    let moved = model.with([0.2, -0.1]);
    let value = penalty(&moved);
    let grads = GradientsParams::from_grads(value.backward(), &moved);
    near(
        &[value.into_scalar::<f32>()],
        &[50.0 * 0.04 * (f[0] + f[1])],
    );
    let gradient = host(&ParamVector::gradients(&moved, &grads));
    near(&gradient, &[20.0 * f[0], -20.0 * f[1]]);
    // A second task that needs nothing new: the first one's penalty stays.
    let idle = (
        Tensor::<2>::zeros([1, 2], &device),
        Tensor::<1, Int>::from_data([0], &device),
    );
    let before = penalty(&moved).into_scalar::<f32>();
    let moved = ewc.after_task(moved, &Prepared(vec![idle])).unwrap();
    near(&[penalty(&moved).into_scalar::<f32>()], &[before]);
    assert_eq!(ewc.tasks(), 2);
}

/// gamma .9, (1, 2) then (.5, .5): (1.4, 2.3).
#[test]
fn online_ewc_fades_and_moves_its_anchor() {
    let model = Matrix::new([[0.0; 2]; 2]);
    let ewc = OnlineEwcConfig::new(1.0)
        .with_gamma(0.9)
        .with_fisher(Fisher::Empirical)
        .init(&model)
        .unwrap();
    let root = |value: f32| 2.0 * value.sqrt();
    let first = batch(&[[root(1.0), root(2.0)]], &[0]);
    let second = batch(&[[root(0.5), root(0.5)]], &[0]);
    let model = ewc.after_task(model, &Prepared(vec![first])).unwrap();
    let model = ewc
        .after_task(model, &Prepared(vec![second.clone()]))
        .unwrap();
    let f = host(ewc.held().unwrap().weights());
    near(&[f[0], f[2]], &[1.4, 2.3]);
    let penalty = Strategy::<Matrix>::penalty(&ewc, &model, &second).unwrap();
    assert_eq!(penalty.into_scalar::<f32>(), 0.0);
}

/// f = W x with rows (1, 2), (0, -1), x = (1, .5): |2 (W x) x^T| = [[4, 2], [1, .5]].
#[test]
fn mas_importances_by_hand() {
    let model = Matrix::new([[1.0, 0.0], [2.0, -1.0]]);
    let seen = batch(&[[1.0, 0.5]], &[0]);
    let mas = MasConfig::new(1.0).init(&model).unwrap();
    let model = mas
        .after_task(model, &Prepared(vec![seen.clone()]))
        .unwrap();
    let omega = [4.0, 1.0, 2.0, 0.5];
    near(&host(mas.held().unwrap().weights()), &omega);
    let _ = mas
        .after_task(model, &Prepared(vec![seen.clone()]))
        .unwrap();
    near(
        &host(mas.held().unwrap().weights()),
        &omega.map(|value| 2.0 * value),
    );
    let model = Matrix::new([[1.0, 0.0], [2.0, -1.0]]);
    let mas = MasConfig::new(1.0)
        .with_decay(Some(0.5))
        .init(&model)
        .unwrap();
    let model = mas
        .after_task(model, &Prepared(vec![seen.clone()]))
        .unwrap();
    let _ = mas.after_task(model, &Prepared(vec![seen])).unwrap();
    near(&host(mas.held().unwrap().weights()), &omega);
}

/// Updates with these gradients by SGD with a rate of .1.
fn walked(strategy: &impl Strategy<Two>, mut model: Two, gradients: &[[f32; 2]]) -> Two {
    let mut optim = SgdConfig::new().init();
    for gradient in gradients {
        let vector = ParamVector::of(&model)
            .from_host(vec![gradient.to_vec()])
            .unwrap();
        model = strategy.optimize(model, &mut optim, 0.1, vector.into_gradients());
    }
    strategy.status().unwrap();
    model
}

/// Gradients (1, -2), (.5, -1), weights (0, 0), (-.1, .2), (-.15, .3): w = (.125, .5).
#[test]
fn si_notes_the_path() {
    for (xi, expected) in [
        (0.1, [1.020_408_2, 2.631_579]),
        (1e-3, [5.319_149, 5.494_505_5]),
    ] {
        let si = SiConfig::new(1.0)
            .with_xi(xi)
            .init(&Two::new([0.0; 2]))
            .unwrap();
        let model = walked(&si, Two::new([0.0; 2]), &[[1.0, -2.0], [0.5, -1.0]]);
        near(&host(&si.work()), &[0.125, 0.5]);
        let none = Prepared(Vec::<Pair>::new());
        let model = si.after_task(model, &none).unwrap();
        near(&host(si.held().unwrap().weights()), &expected);
        assert_eq!(host(&si.work()), [0.0; 2]);
        near(
            &host(si.held().unwrap().anchor()),
            &host(&ParamVector::of(&model)),
        );
    }
}

/// In the second task the penalty is part of the loss, and not of the path.
#[test]
fn si_takes_the_gradient_of_the_penalty_off() {
    let seen = batch(&[[1.0, 2.0]], &[0]);
    let none = Prepared(Vec::<Pair>::new());
    let si = SiConfig::new(2.0)
        .with_xi(0.1)
        .init(&Two::new([0.0; 2]))
        .unwrap();
    let model = walked(&si, Two::new([0.0; 2]), &[[1.0, -2.0], [0.5, -1.0]]);
    let model = si.after_task(model, &none).unwrap().with([0.5, -0.5]);
    let mut optim = SgdConfig::new().init();
    // Two micro-batches, each with the penalty.
    let loss = si.loss(&model, &seen).unwrap() + si.loss(&model, &seen).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let total = host(&ParamVector::gradients(&model, &grads));
    let plain = regimen_continual::plain_loss(&model, &seen) * 2.0;
    let plain = GradientsParams::from_grads(plain.backward(), &model);
    let plain = host(&ParamVector::gradients(&model, &plain));
    let _ = si.optimize(model, &mut optim, 0.1, grads);
    si_work(&host(&si.work()), &plain, &total);
}

fn si_work(work: &[f32], plain: &[f32], total: &[f32]) {
    for place in 0..2 {
        let expected = plain[place] * 0.1 * total[place];
        assert_relative_eq!(work[place], expected, max_relative = 1e-4, epsilon = 1e-6);
    }
}

/// F (2, .5), a move of (.1, -.2), dL (.02, -.01): s = (2, -1), of which the second counts as 0.
#[test]
fn rwalk_scores_gain_per_distance() {
    let model = Two::new([0.0; 2]);
    let walk = RWalkConfig::new()
        .with_alpha(1.0)
        .with_interval(1)
        .with_lambda(1.0)
        .init(&model)
        .unwrap();
    // g^2 is (2, .5); by SGD at .1 the move is -.1 g, and dL .1 g^2: s = .1 g^2 / (g^2 / 2 * .01 g^2) = 20 / g^2.
    let g = [2.0_f32.sqrt(), -(0.5_f32.sqrt())];
    let model = walked(&walk, model, &[g]);
    near(&host(&walk.fisher()), &[2.0, 0.5]);
    // With the machine epsilon below the fraction.
    let eps = f32::EPSILON;
    near(
        &host(&walk.task_score()),
        &[0.2 / (0.02 + eps), 0.05 / (0.001_25 + eps)],
    );
    let _ = walk
        .after_task(model, &Prepared(Vec::<Pair>::new()))
        .unwrap();
    near(
        &host(walk.held().unwrap().weights()),
        &[
            1.0 + 0.2 / (0.02 + eps) / (0.05 / (0.001_25 + eps)),
            0.25 + 1.0,
        ],
    );
}

#[test]
fn a_gradient_that_is_no_number_leaves_everything_as_it_was() {
    let si = SiConfig::new(1.0).init(&Two::new([0.0; 2])).unwrap();
    let model = Two::new([0.5, 1.0]);
    let vector = ParamVector::of(&model)
        .from_host(vec![vec![f32::NAN, 1.0]])
        .unwrap();
    let mut optim = SgdConfig::new().init();
    let model = si.optimize(model, &mut optim, 0.1, vector.into_gradients());
    assert_eq!(host(&ParamVector::of(&model)), [0.5, 1.0]);
    assert_eq!(Strategy::<Two>::skipped(&si), 1);
    let status = Strategy::<Two>::status(&si).unwrap_err().to_string();
    assert!(
        status.contains("step 1") && status.contains('w'),
        "{status}"
    );
    assert_eq!(host(&si.work()), [0.0; 2]);
}
