//! The chunked path: the values and gradients of the whole logits.

use burn::tensor::{DType, Distribution, Int, Tensor};
use regimen_rl_rewards::{
    Advantages, Chunked, KlTerm, Metrics, Objective, TokenBatch, TokenMask, Totals, token_log_probs,
};

use crate::objective::{device, matrix, named, near};

const ROWS: usize = 3;
const TOKENS: usize = 4;
const WIDTH: usize = 5;
const WORDS: usize = 11;

struct Case {
    hidden: Tensor<3>,
    output: Tensor<2>,
    tokens: Tensor<2, Int>,
    batch: TokenBatch,
    advantages: Advantages,
}

fn numbers(count: usize, seed: usize) -> Vec<f64> {
    (0..count)
        .map(|i| (((i + seed) * 7919 + 13) % 101) as f64 / 50.0 - 1.0)
        .collect()
}

fn case() -> Case {
    let hidden = matrix(&numbers(ROWS * TOKENS * WIDTH, 1), ROWS * TOKENS);
    let words: Vec<i64> = (0..ROWS * TOKENS).map(|i| (i * 5 % WORDS) as i64).collect();
    let tokens = Tensor::<1, Int>::from_data(words.as_slice(), &device()).reshape([ROWS, TOKENS]);
    let lengths = [4, 2, 3];
    let mask = TokenMask::of_lengths(&lengths, TOKENS).unwrap();
    let batch = TokenBatch::of_mask(&mask, &device());
    let tokens = tokens.mask_fill(batch.mask().bool_not(), -100);
    let near_old = numbers(ROWS * TOKENS, 5)
        .iter()
        .map(|d| -2.4 + 0.3 * d)
        .collect::<Vec<_>>();
    let batch = batch.with_old(matrix(&near_old, ROWS)).unwrap();
    let batch = batch
        .with_reference(matrix(&numbers(ROWS * TOKENS, 9), ROWS))
        .unwrap();
    Case {
        hidden: hidden
            .reshape([ROWS, TOKENS, WIDTH])
            .detach()
            .require_grad(),
        output: matrix(&numbers(WIDTH * WORDS, 3), WIDTH).require_grad(),
        tokens,
        batch,
        advantages: Advantages::of_responses(vec![1.0, -0.5, 0.75]).unwrap(),
    }
}

fn compared(loss: (Tensor<1>, Metrics), case: &Case) -> (f64, Vec<f64>, Vec<f64>) {
    let gradients = loss.0.backward();
    let read = |tensor: Option<Tensor<2>>| tensor.unwrap().try_into_vec_as::<f64>().unwrap();
    let hidden = case
        .hidden
        .grad(&gradients)
        .map(|g| g.reshape([ROWS * TOKENS, WIDTH]));
    let seen = loss.1.read().unwrap();
    near(seen.loss, loss.0.clone().into_scalar::<f64>());
    (seen.loss, read(hidden), read(case.output.grad(&gradients)))
}

/// The straightforward way, with entropies of all logits.
fn plain(objective: &Objective, case: &Case) -> (f64, Vec<f64>, Vec<f64>) {
    let logits = case
        .hidden
        .clone()
        .reshape([ROWS * TOKENS, WIDTH])
        .matmul(case.output.clone());
    let log_p = burn::tensor::activation::log_softmax(logits.clone(), 1);
    let entropy = -(log_p.clone().exp() * log_p)
        .sum_dim(1)
        .reshape([ROWS, TOKENS]);
    let logits = logits.reshape([ROWS, TOKENS, WORDS]);
    let log_probs = token_log_probs(logits, case.tokens.clone()).unwrap();
    let batch = case.batch.clone().with_entropy(entropy).unwrap();
    compared(
        objective.loss(log_probs, &batch, &case.advantages).unwrap(),
        case,
    )
}

#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-8, "{a} is not {b}");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn every_objective_has_the_gradients_of_the_whole_logits() {
    let kl = KlTerm::new(0.1).unwrap();
    for (name, objective) in named() {
        for objective in [objective, objective.with_kl(kl).with_entropy(0.1).unwrap()] {
            let case = case();
            let (loss, hidden, output) = plain(&objective, &case);
            // One logit at a time, two tokens of a row, one row, two rows, everything.
            for logits in [1, 2 * WORDS, TOKENS * WORDS, 2 * TOKENS * WORDS, 1 << 20] {
                let chunked = Chunked::new(logits).unwrap();
                let found = chunked
                    .loss(
                        &objective,
                        case.hidden.clone(),
                        case.output.clone(),
                        case.tokens.clone(),
                        &case.batch,
                        &case.advantages,
                    )
                    .unwrap();
                let (value, of_hidden, of_output) = compared(found, &case);
                assert!(
                    (value - loss).abs() < 1e-9,
                    "{name} {logits}: {value} is not {loss}"
                );
                close(&of_hidden, &hidden);
                close(&of_output, &output);
            }
        }
    }
}

#[test]
fn log_probabilities_without_a_gradient() {
    let case = case();
    let logits = case
        .hidden
        .clone()
        .inner()
        .reshape([ROWS * TOKENS, WIDTH])
        .matmul(case.output.clone().inner());
    let expected = token_log_probs(
        (logits / 0.7).reshape([ROWS, TOKENS, WORDS]),
        case.tokens.clone().inner(),
    )
    .unwrap();
    let expected = expected.try_into_vec_as::<f64>().unwrap();
    for logits in [1, 3 * WORDS, 1 << 20] {
        let chunked = Chunked::new(logits).unwrap().with_temperature(0.7).unwrap();
        let found = chunked
            .log_probs(
                case.hidden.clone(),
                case.output.clone(),
                case.tokens.clone(),
            )
            .unwrap();
        assert!(!found.is_autodiff());
        for (a, b) in found
            .try_into_vec_as::<f64>()
            .unwrap()
            .iter()
            .zip(&expected)
        {
            assert!(
                (a - b).abs() < 1e-6 || (a.is_nan() && b.is_nan()),
                "{a} is not {b}"
            );
        }
    }
}

#[test]
fn a_temperature_scales_the_gradient_of_hidden_states() {
    let case = case();
    let objective = Objective::gpg();
    let of = |chunked: Chunked, hidden: Tensor<3>| {
        let (loss, _) = chunked
            .loss(
                &objective,
                hidden,
                case.output.clone(),
                case.tokens.clone(),
                &case.batch,
                &case.advantages,
            )
            .unwrap();
        let gradients = loss.backward();
        case.hidden
            .grad(&gradients)
            .unwrap()
            .try_into_vec_as::<f64>()
            .unwrap()
    };
    let cool = of(
        Chunked::default().with_temperature(0.5).unwrap(),
        case.hidden.clone(),
    );
    close(&cool, &of(Chunked::default(), case.hidden.clone() * 2.0));
}

#[test]
fn a_loss_that_is_scaled_has_scaled_gradients_and_one_without_a_graph_has_none() {
    let case = case();
    let loss = |hidden: Tensor<3>, output: Tensor<2>| {
        let batch = case.batch.clone().with_totals(Totals::new(9, 3).unwrap());
        Chunked::default()
            .loss(
                &Objective::dapo(),
                hidden,
                output,
                case.tokens.clone(),
                &batch,
                &case.advantages,
            )
            .unwrap()
            .0
    };
    let gradient = |factor: f64| {
        let loss = loss(case.hidden.clone(), case.output.clone()) * factor;
        case.output
            .grad(&loss.backward())
            .unwrap()
            .try_into_vec_as::<f64>()
            .unwrap()
    };
    let doubled: Vec<f64> = gradient(1.0).iter().map(|g| 2.0 * g).collect();
    close(&gradient(2.0), &doubled);
    let free = loss(case.hidden.clone().inner(), case.output.clone().inner());
    assert!(!free.is_autodiff());
    near(
        free.into_scalar::<f64>(),
        loss(case.hidden.clone(), case.output.clone()).into_scalar::<f64>(),
    );
}

/// f32 with a larger vocabulary, as users have it: gradients to 1e-5 of their largest.
#[test]
fn gradients_in_f32() {
    let device = device();
    device.seed(3);
    let hidden =
        Tensor::<3>::random([4, 16, 32], Distribution::Normal(0.0, 1.0), &device).require_grad();
    let output =
        Tensor::<2>::random([32, 1009], Distribution::Normal(0.0, 0.3), &device).require_grad();
    let tokens = Tensor::<2>::random([4, 16], Distribution::Uniform(0.0, 1009.0), &device).int();
    let batch = TokenBatch::of_mask(&TokenMask::of_lengths(&[16, 3, 9, 1], 16).unwrap(), &device);
    let advantages = Advantages::of_responses(vec![1.0, -1.0, 0.5, -0.5]).unwrap();
    let objective = Objective::grpo();
    let logits = hidden
        .clone()
        .reshape([64, 32])
        .matmul(output.clone())
        .reshape([4, 16, 1009]);
    let straight = objective
        .loss(
            token_log_probs(logits, tokens.clone()).unwrap(),
            &batch,
            &advantages,
        )
        .unwrap()
        .0;
    let chunked = Chunked::new(20 * 1009).unwrap();
    let found = chunked
        .loss(
            &objective,
            hidden.clone(),
            output.clone(),
            tokens.clone(),
            &batch,
            &advantages,
        )
        .unwrap()
        .0;
    let (one, two) = (straight.backward(), found.backward());
    let pairs = [
        (
            hidden.grad(&one).unwrap().flatten::<1>(0, 2),
            hidden.grad(&two).unwrap().flatten::<1>(0, 2),
        ),
        (
            output.grad(&one).unwrap().flatten::<1>(0, 1),
            output.grad(&two).unwrap().flatten::<1>(0, 1),
        ),
    ];
    for (a, b) in pairs {
        let most = a.clone().abs().max().into_scalar::<f32>();
        let off = (a - b).abs().max().into_scalar::<f32>();
        assert!(off <= 1e-5 * most, "{off} of {most}");
    }
    // Half precision: the types of the factors, and a loss in f32.
    let hidden = Tensor::from_inner(hidden.inner().cast(DType::BF16)).require_grad();
    let output = Tensor::from_inner(output.inner().cast(DType::BF16)).require_grad();
    let (loss, _) = chunked
        .loss(
            &objective,
            hidden.clone(),
            output.clone(),
            tokens,
            &batch,
            &advantages,
        )
        .unwrap();
    assert_eq!(loss.dtype(), DType::F32);
    let gradients = loss.backward();
    assert_eq!(hidden.grad(&gradients).unwrap().dtype(), DType::BF16);
    assert_eq!(output.grad(&gradients).unwrap().dtype(), DType::BF16);
}
