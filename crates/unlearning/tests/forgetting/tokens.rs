//! A language model of tokens forgets sequences: what is padding does not count, and an answer is the sum of its tokens.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;
use regimen_unlearning::methods::train::amnesiac::AmnesiacConfig;
use regimen_unlearning::methods::train::bad_teacher::BadTeacher;
use regimen_unlearning::methods::train::finetune::FineTune;
use regimen_unlearning::methods::train::gradient_ascent::GradientAscentConfig;
use regimen_unlearning::methods::train::gradient_difference::GradientDifferenceConfig;
use regimen_unlearning::methods::train::npo::{NpoConfig, SimNpoConfig};
use regimen_unlearning::methods::train::scrub::{ScrubConfig, rewind};
use regimen_unlearning::metrics::RelearnConfig;
use regimen_unlearning::{
    Classifier, Likelihoods, Method, Predictions, Prepared, Projected, UnlearnConfig,
    token_log_probabilities,
};

const WORDS: usize = 11;

/// Tokens and labels, `[sequences, length]`.
type Text = (Tensor<2, Int>, Tensor<2, Int>);

#[derive(Module, Debug)]
struct Language {
    table: Embedding,
    head: Linear,
}

impl Classifier for Language {
    type Batch = Text;

    fn logits(&self, (tokens, _): &Text) -> Tensor<2> {
        let [sequences, length] = tokens.dims();
        let hidden = self.table.forward(tokens.clone());
        self.head.forward(hidden.reshape([sequences * length, 6]))
    }

    fn targets((_, labels): &Text) -> Tensor<1, Int> {
        let [sequences, length] = labels.dims();
        labels.clone().reshape([sequences * length])
    }

    fn length((_, labels): &Text) -> usize {
        labels.dims()[1]
    }
}

fn device() -> Device {
    super::device()
}

fn language(phase: f32) -> Language {
    let device = device();
    let model = Language {
        table: EmbeddingConfig::new(WORDS, 6).init(&device),
        head: LinearConfig::new(6, WORDS).init(&device),
    };
    let vector = ParamVector::of(&model);
    let mut place = phase;
    let sizes = vector.entries().iter().map(|entry| entry.len());
    let values = sizes.map(|size| {
        let next = |_| {
            place += 1.0;
            (place * 12.9898).sin()
        };
        (0..size).map(next).collect()
    });
    let values = values.collect();
    vector.from_host(values).unwrap().write_to(model).unwrap()
}

fn text<const L: usize>(tokens: &[[i64; L]], labels: &[[i64; L]]) -> Text {
    let of = |rows: &[[i64; L]]| {
        let flat = Tensor::<1, Int>::from_data(rows.concat().as_slice(), &device());
        flat.reshape([rows.len(), L])
    };
    (of(tokens), of(labels))
}

/// Two answers of three and of one token.
fn short() -> Text {
    text(&[[1, 4, 5], [2, 7, 0]], &[[4, 5, 9], [7, -100, -100]])
}

/// The same with two positions of padding.
fn padded() -> Text {
    text(
        &[[1, 4, 5, 10, 10], [2, 7, 0, 10, 10]],
        &[[4, 5, 9, -100, -100], [7, -100, -100, -100, -100]],
    )
}

fn value(loss: Tensor<1>) -> f64 {
    f64::from(loss.into_scalar::<f32>())
}

/// `log p` of each token that counts, by the plain formula.
fn by_hand(model: &Language) -> Vec<Vec<f64>> {
    let losses = |tokens: &[i64], labels: &[i64]| -> Vec<f64> {
        let of = |values: &[i64]| Tensor::<1, Int>::from_data(values, &device());
        let hidden = model.table.forward(of(tokens).reshape([1, tokens.len()]));
        let logits = model.head.forward(hidden.reshape([tokens.len(), 6]));
        let log_p = -cross_entropy(logits, of(labels));
        log_p.try_into_vec_as().unwrap()
    };
    vec![losses(&[1, 4, 5], &[4, 5, 9]), losses(&[2], &[7])]
}

fn assert_close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-4 * (1.0 + expected.abs()),
        "{found} {expected}"
    );
}

#[test]
fn likelihoods_sum_over_the_tokens_of_each_sequence() {
    let model = language(0.0);
    let exact = by_hand(&model);
    let sums: Vec<f64> = exact.iter().map(|row| row.iter().sum()).collect();
    for batch in [short(), padded()] {
        let found = model.likelihoods(&batch);
        let values: Vec<f64> = found.sums().try_into_vec_as().unwrap();
        assert_close(values[0], sums[0]);
        assert_close(values[1], sums[1]);
        assert_eq!(found.tokens().try_into_vec_as::<f64>().unwrap(), [3.0, 1.0]);
        let losses: Vec<f64> = found.losses().try_into_vec_as().unwrap();
        assert_close(losses[0], -sums[0] / 3.0);
        assert_close(value(found.mean_loss()), -(sums[0] + sums[1]) / 4.0);
    }
    // Rows that end within an example.
    let (tokens, labels) = short();
    let logits = model.logits(&(tokens, labels.clone())).narrow(0, 0, 4);
    let found = Likelihoods::of_logits(logits, labels.reshape([6]).narrow(0, 0, 4), 3);
    let values: Vec<f64> = found.sums().try_into_vec_as().unwrap();
    assert_close(values[0], sums[0]);
    assert_close(values[1], sums[1]);
    let nothing = text(&[[1, 2]], &[[-100, -100]]);
    let found = model.likelihoods(&nothing);
    assert_eq!(
        (value(found.mean_loss()), value(found.losses())),
        (0.0, 0.0)
    );
}

/// The logits of a few tokens at a time: the same values and the same gradients.
#[test]
fn chunks_of_tokens_give_the_same_likelihoods() {
    let model = language(0.0);
    let (tokens, labels) = padded();
    let gradient = |found: Likelihoods| {
        let grads = GradientsParams::from_grads(found.sums().square().mean().backward(), &model);
        ParamVector::gradients(&model, &grads)
            .to_host()
            .unwrap()
            .concat()
    };
    for chunk in [1, 3, 4, 100] {
        let whole = model.likelihoods(&(tokens.clone(), labels.clone()));
        let mut most = 0;
        let hidden = model.table.forward(tokens.clone());
        let found = Likelihoods::of_hidden(hidden, labels.clone(), chunk, |hidden| {
            most = most.max(hidden.dims()[0]);
            model.head.forward(hidden)
        });
        assert!(most <= chunk);
        let gap = (found.log_p.clone() - whole.log_p.clone()).abs().max();
        assert!(gap.into_scalar::<f32>() < 1e-5);
        let pairs = gradient(found).into_iter().zip(gradient(whole));
        assert!(
            pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-3),
            "chunk {chunk}"
        );
    }
}

/// The same model with its last layer apart.
#[derive(Module, Debug)]
struct Apart {
    inner: Language,
    #[module(skip)]
    chunk: usize,
    #[module(skip)]
    biased: bool,
}

impl Classifier for Apart {
    type Batch = Text;

    fn logits(&self, batch: &Text) -> Tensor<2> {
        self.projected(batch).unwrap().logits()
    }

    fn targets(batch: &Text) -> Tensor<1, Int> {
        Language::targets(batch)
    }

    fn length(batch: &Text) -> usize {
        Language::length(batch)
    }

    fn projected(&self, (tokens, _): &Text) -> Option<Projected> {
        let bias = self.inner.head.bias.as_ref().map(|bias| bias.val());
        Some(Projected {
            hidden: self.inner.table.forward(tokens.clone()),
            weight: self.inner.head.weight.val(),
            bias: bias.filter(|_| self.biased),
            chunk: self.chunk,
        })
    }
}

/// Value and gradient of a loss.
fn slopes<M: Module>(model: &M, loss: Tensor<1>) -> (f64, Vec<Vec<f32>>) {
    let grads = GradientsParams::from_grads(loss.backward(), model);
    let gradient = ParamVector::gradients(model, &grads).to_host().unwrap();
    (value(loss), gradient)
}

#[test]
fn a_last_layer_in_chunks_gives_every_method_the_same_loss_and_gradient() {
    fn losses<M: Classifier<Batch = Text>>(
        model: &M,
        other: &M,
    ) -> Vec<(&'static str, f64, Vec<Vec<f32>>)> {
        let mut found = Vec::new();
        let mut of = |name, method: &mut dyn Method<M>| {
            for batch in [short(), padded()] {
                for loss in [method.forget(model, &batch), method.retain(model, &batch)] {
                    let (value, gradient) = slopes(model, loss);
                    found.push((name, value, gradient));
                }
            }
        };
        let npo = NpoConfig::new().with_divergence(0.7);
        of("NPO", &mut npo.init(other).unwrap());
        of("SimNPO", &mut SimNpoConfig::new().init().unwrap());
        of(
            "ascent",
            &mut GradientAscentConfig::new(2.4).init().unwrap(),
        );
        let difference = GradientDifferenceConfig::new();
        of("difference", &mut difference.init::<M>().unwrap());
        of("KL", &mut difference.init_with_original(other).unwrap());
        of("SCRUB", &mut ScrubConfig::new().init(other).unwrap());
        of("amnesiac", &mut AmnesiacConfig::new(WORDS).init().unwrap());
        of("fine-tuning", &mut FineTune);
        found
    }
    let apart = |phase: f32, chunk: usize| Apart {
        inner: language(phase),
        chunk,
        biased: true,
    };
    let plain = losses(&language(0.3), &language(0.0));
    for chunk in [0, 1, 3, 4, 7, 100] {
        let found = losses(&apart(0.3, chunk), &apart(0.0, chunk));
        for ((name, value, gradient), (_, expected, slopes)) in found.iter().zip(&plain) {
            let scale = 1.0 + expected.abs();
            assert!(
                (value - expected).abs() < 1e-5 * scale,
                "{name}, {chunk}: {value} {expected}"
            );
            assert_eq!(gradient.len(), slopes.len(), "{name}");
            for (a, b) in gradient.iter().flatten().zip(slopes.iter().flatten()) {
                assert!(
                    (a - b).abs() < 1e-5 * (1.0 + b.abs()),
                    "{name}, {chunk}: {a} {b}"
                );
            }
        }
    }
}

#[test]
fn a_frozen_last_layer_passes_its_gradient_on_and_a_frozen_model_has_none() {
    let plain = language(0.3);
    let mut apart = Apart {
        inner: plain.clone(),
        chunk: 3,
        biased: true,
    };
    apart.inner.head = apart.inner.head.freeze();
    let loss = |model: &Apart| model.projected(&padded()).unwrap();
    let found = loss(&apart).loss(Apart::targets(&padded()), |found| found.losses().mean());
    let (value, gradient) = slopes(&apart, found);
    let expected = plain.likelihoods(&padded()).losses().mean();
    let (expected, slopes) = slopes(&plain, expected);
    assert_close(value, expected);
    assert!(gradient[1..].iter().flatten().all(|slope| *slope == 0.0));
    for (a, b) in gradient[0].iter().zip(&slopes[0]) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    let frozen = apart.freeze();
    let found = loss(&frozen).loss(Apart::targets(&padded()), |found| found.losses().mean());
    assert!(!found.is_tracked());
}

/// In half precision the slopes are taken in f32; values lie within the type's own rounding of the plain path's.
#[test]
fn a_last_layer_in_chunks_keeps_half_precision() {
    let half = |tensor: Tensor<2>| tensor.cast(burn::tensor::FloatDType::BF16);
    let random = |shape: [usize; 2], step: f64| {
        let count = (shape[0] * shape[1]) as i64;
        let values = Tensor::<1, Int>::arange(0..count, &device()).float() * step;
        half(values.sin().reshape(shape)).require_grad()
    };
    let (states, weight) = (random([4, 6], 1.7), random([6, WORDS], 2.3));
    let projected = || Projected {
        hidden: states.clone().reshape([2, 2, 6]),
        weight: weight.clone(),
        bias: None,
        chunk: 3,
    };
    let labels = || Tensor::<1, Int>::from_data([3, 1, -100, 7], &device());
    let chunked = projected()
        .loss(labels(), Likelihoods::mean_loss)
        .backward();
    let plain = projected().likelihoods(labels()).mean_loss().backward();
    for tensor in [states, weight] {
        let found = tensor.grad(&chunked).unwrap();
        assert_eq!(found.dtype(), tensor.dtype());
        let gap = (found - tensor.grad(&plain).unwrap()).abs().max();
        assert!(gap.cast(burn::tensor::FloatDType::F32).into_scalar::<f32>() < 2e-2);
    }
}

#[test]
fn npo_takes_the_sum_of_an_answer_and_simnpo_its_mean() {
    let (model, reference) = (language(0.3), language(0.0));
    let sums = |model: &Language| -> Vec<f64> {
        by_hand(model).iter().map(|row| row.iter().sum()).collect()
    };
    let (own, old) = (sums(&model), sums(&reference));
    let softplus = |x: f64| x.exp().ln_1p();
    let beta = 0.1;
    let expected = (0..2)
        .map(|i| softplus(beta * (own[i] - old[i])))
        .sum::<f64>()
        / beta;
    let mut npo = NpoConfig::new().init(&reference).unwrap();
    let beta = 4.5;
    let simple = [own[0] / 3.0, own[1]].map(|mean| softplus(beta * mean));
    let simple = simple.iter().sum::<f64>() / beta * 0.125;
    let mut simnpo = SimNpoConfig::new().init().unwrap();
    for batch in [short(), padded()] {
        assert_close(value(npo.forget(&model, &batch)), expected);
        assert_close(
            value(Method::<Language>::forget(&mut simnpo, &model, &batch)),
            simple,
        );
    }
}

#[test]
fn divergences_and_losses_leave_padding_out() {
    let (model, other) = (language(0.3), language(0.0));
    let mut difference = GradientDifferenceConfig::new()
        .init_with_original(&other)
        .unwrap();
    let mut scrub = ScrubConfig::new().init(&other).unwrap();
    let mut bad = BadTeacher::new(&other, &language(0.7));
    let mut divergent = NpoConfig::new()
        .with_retain(0.0)
        .with_divergence(1.0)
        .init(&other)
        .unwrap();
    let mut ascent = GradientAscentConfig::new(50.0).init().unwrap();
    let mut both = [short(), padded()].map(|batch| {
        [
            value(difference.retain(&model, &batch)),
            value(difference.forget(&model, &batch)),
            value(scrub.forget(&model, &batch)),
            value(scrub.retain(&model, &batch)),
            value(bad.forget(&model, &batch)),
            value(bad.retain(&model, &batch)),
            value(divergent.retain(&model, &batch)),
            value(Method::<Language>::forget(&mut ascent, &model, &batch)),
        ]
    });
    let padded = std::mem::take(&mut both[1]);
    for (short, padded) in both[0].iter().zip(padded) {
        assert_close(padded, *short);
    }
    // NPO's divergence on retained data is that of gradient difference.
    assert_close(both[0][6], both[0][0]);
    // Unbounded ascent is minus the mean loss of all tokens.
    assert_close(both[0][7], -value(model.likelihoods(&short()).mean_loss()));
}

#[test]
fn methods_train_on_sequences_and_metrics_read_them() {
    let model = language(0.0);
    let (forget, retain) = (Prepared(vec![padded()]), Prepared(vec![short()]));
    let run = |method: &mut dyn FnMut(&mut regimen_unlearning::Unlearn) -> Language| {
        let mut run = UnlearnConfig::new(3).init().unwrap();
        let trained = method(&mut run);
        assert_eq!(run.skipped(), 0);
        assert!(
            ParamVector::of(&trained)
                .l1()
                .into_scalar::<f32>()
                .is_finite()
        );
        trained
    };
    let sgd = || SgdConfig::new().init();
    let tuned = run(&mut |run| {
        run.run(
            &model,
            &mut FineTune,
            &mut sgd(),
            &mut 0.5,
            &forget,
            &retain,
        )
        .unwrap()
    });
    let mut npo = NpoConfig::new().init(&model).unwrap();
    let forgotten = run(&mut |run| {
        run.run(&model, &mut npo, &mut sgd(), &mut 0.01, &forget, &forget)
            .unwrap()
    });
    let mut amnesiac = AmnesiacConfig::new(WORDS).init().unwrap();
    run(&mut |run| {
        run.run(
            &model,
            &mut amnesiac,
            &mut sgd(),
            &mut 0.1,
            &forget,
            &retain,
        )
        .unwrap()
    });
    let total = |model: &Language| -> f64 {
        let rows = token_log_probabilities(model, &forget).unwrap();
        assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1]);
        rows.concat().iter().sum()
    };
    assert!(total(&tuned) > total(&model), "fine-tuning");
    assert_ne!(total(&forgotten), total(&model));
    let exact: Vec<f64> = by_hand(&model).concat();
    let found = token_log_probabilities(&model, &forget).unwrap().concat();
    assert!(exact.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-5));
    // Rows that are ignored are no predictions.
    assert_eq!(Predictions::of(&model, &forget).unwrap().len(), 4);
    let relearned = RelearnConfig::new()
        .with_rate(0.5)
        .run(&model, &forget, 1.0);
    assert!(relearned.unwrap().steps > 0);
    assert_eq!(
        rewind(&[model, tuned], &forget, &retain)
            .unwrap()
            .forget_errors
            .len(),
        2
    );
}
