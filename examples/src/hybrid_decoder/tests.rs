use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_schedules::Importance;
use regimen_schedules::values::per_length;
use regimen_tensor::ParamVector;

use super::*;
use crate::data::Text;

fn words() -> (HybridConfig, Vec<Pair>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let words = words_of(&[Text::prose().unwrap()], 5, 8, &mut rng);
    let pairs = words[..6].iter().map(|w| corrupted(w, 0.3, 8, &mut rng));
    let pairs = pairs.collect();
    let config = HybridConfig::new(35, 36, 26, 8, 8);
    (config.with_width(16).with_heads(2).with_layers(1), pairs)
}

fn spectra() -> (HybridConfig, Vec<Pair>) {
    let config = PeptideConfig::new();
    let pairs = peptides(&config, 6, &mut ChaCha8Rng::seed_from_u64(2));
    let [seen, prefix] = config.features();
    let sizes = HybridConfig::new(seen, prefix, 19, config.peaks(), config.longest);
    (sizes.with_width(16).with_heads(2).with_layers(1), pairs)
}

fn batch(config: &HybridConfig, pairs: &[Pair], device: &Device) -> PairBatch {
    config.batch(pairs, device).unwrap()
}

/// The largest gradient of a loss in a part of the model.
fn largest<M: Module>(loss: &Tensor<1>, part: &M) -> f64 {
    let gradients = GradientsParams::from_grads(loss.backward(), part);
    let values = ParamVector::gradients(part, &gradients).to_host().unwrap();
    let sizes = values.into_iter().flatten().map(|g| f64::from(g.abs()));
    sizes.fold(0.0, f64::max)
}

fn ctc(probabilities: &[[f32; 3]], target: &[i64]) -> f64 {
    let device = Device::default();
    let values: Vec<f32> = probabilities.concat();
    let shape = [probabilities.len(), 1, 3];
    let logits = Tensor::<3>::from_data(TensorData::new(values, shape), &device).log();
    let int = |values: Vec<i64>| {
        let shape = [values.len()];
        Tensor::<1, Int>::from_data(TensorData::new(values, shape), &device)
    };
    let losses = CTCLossConfig::new().with_blank(BLANK).init().forward(
        log_softmax(logits, 2),
        int(target.to_vec()).unsqueeze(),
        int(vec![probabilities.len() as i64]),
        int(vec![target.len() as i64]),
    );
    f64::from(losses.into_scalar::<f32>())
}

#[test]
fn a_corrupted_word_keeps_its_target_and_most_letters() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let word = [3, 1, 20, 19, 1];
    let (mut same, mut draws) = (0, Vec::new());
    for _ in 0..2000 {
        let pair = corrupted(&word, 0.3, 8, &mut rng);
        assert_eq!((&pair.target[..], pair.prefixes.len()), (&word[..], 6));
        let letter = |(place, row): (usize, &Vec<f32>)| {
            assert!(row.len() == 35 && row[27 + place] == 1.0 && row.iter().sum::<f32>() == 2.0);
            row[..27].iter().position(|x| *x == 1.0).unwrap() as u8
        };
        let seen: Vec<u8> = pair.seen.iter().enumerate().map(letter).collect();
        same += seen.iter().zip(&word).filter(|(a, b)| a == b).count();
        draws.push(seen);
    }
    // A random letter is the right one once in 26 times.
    let share = same as f64 / 10_000.0;
    assert!((share - (0.7 + 0.3 / 26.0)).abs() < 0.02, "{share}");
    assert!(draws.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn ctc_sums_over_all_paths() {
    let rows = [[0.6, 0.3, 0.1], [0.1, 0.7, 0.2], [0.5, 0.2, 0.3]];
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-5, "{found}");
    close(ctc(&rows, &[1]), 0.759_286_983_1);
    close(ctc(&rows, &[1, 2]), 1.402_423_743_0);
    close(ctc(&rows, &[2, 1]), 2.538_307_426_5);
    close(ctc(&rows, &[1, 1]), 5.115_995_809_8);
    close(ctc(&rows, &[2]), 2.002_480_500_5);
    let even = [[1.0 / 3.0; 3]; 4];
    close((-ctc(&even, &[1, 2])).exp(), 0.185_185_185_2);
    close((-ctc(&even, &[1])).exp(), 0.123_456_790_1);
    close((-ctc(&even, &[1, 1])).exp(), 0.061_728_395_1);
}

#[test]
fn weights_at_the_ends_leave_one_decoder_out() {
    let device = Device::default().autodiff();
    for (config, pairs) in [words(), spectra()] {
        let (model, batch) = (config.init(&device), batch(&config, &pairs, &device));
        let loss = |step| {
            let memory = model.encode(&batch);
            let nar = model.nar_losses(model.both_ways(&memory), &batch);
            let ar = model.ar_losses(model.ar_log_probs(memory, &batch), &batch);
            let mean = |losses| per_length(losses, batch.lengths.clone()).unwrap();
            let importance = Importance::linear(10).unwrap();
            importance.combine(step, mean(ar), mean(nar)).unwrap()
        };
        for (step, ar, nar) in [(0, false, true), (5, true, true), (10, true, false)] {
            assert_eq!(largest(&loss(step), &model.ar) > 0.0, ar);
            assert_eq!(largest(&loss(step), &model.nar) > 0.0, nar);
            assert!(largest(&loss(step), &model.encoder) > 0.0);
        }
    }
}

#[test]
fn a_blocked_bridge_stops_every_gradient() {
    let device = Device::default().autodiff();
    let (config, pairs) = words();
    let (model, batch) = (config.init(&device), batch(&config, &pairs, &device));
    let loss = |bridge| {
        let memory = model.encode(&batch);
        let memory = model.join(bridge, model.both_ways(&memory), memory);
        let log_probs = model.ar_log_probs(memory.unwrap(), &batch);
        per_length(model.ar_losses(log_probs, &batch), batch.lengths.clone()).unwrap()
    };
    assert_eq!(largest(&loss(Bridge::Blocked), &model.nar), 0.0);
    assert_eq!(largest(&loss(Bridge::Blocked), &model.frames), 0.0);
    assert!(largest(&loss(Bridge::Open), &model.nar) > 0.0);
    assert!(largest(&loss(Bridge::Open), &model.frames) > 0.0);
    assert!(largest(&loss(Bridge::Blocked), &model.encoder) > 0.0);
}

#[test]
fn later_letters_change_nothing_before() {
    let device = Device::default();
    let (config, mut pairs) = words();
    let model = config.init(&device);
    let log_probs = |pairs: &[Pair]| {
        let batch = batch(&config, pairs, &device);
        model.ar_log_probs(model.encode(&batch), &batch)
    };
    let before = log_probs(&pairs);
    pairs[0].prefixes[4] = vec![1.0; 36];
    let after = log_probs(&pairs);
    let change = (after - before).abs().narrow(0, 0, 1);
    let largest = |from: usize, to: usize| {
        let part = change.clone().narrow(1, from, to - from);
        part.max().into_scalar::<f32>()
    };
    assert_eq!(largest(0, 4), 0.0);
    assert!(largest(4, 5) > 1e-3);
}

#[test]
fn padding_changes_nothing() {
    let device = Device::default();
    let (config, pairs) = spectra();
    let losses = |config: &HybridConfig, model: &HybridDecoder| {
        let batch = batch(config, &pairs, &device);
        let memory = model.encode(&batch);
        let nar = model.nar_losses(model.both_ways(&memory), &batch);
        let ar = model.ar_losses(model.ar_log_probs(memory, &batch), &batch);
        (nar.into_data(), ar.into_data())
    };
    let model = config.init(&device);
    let few = losses(&config, &model);
    let many = losses(
        &HybridConfig {
            things: 40,
            ..config.clone()
        },
        &model,
    );
    let tolerance = burn::tensor::Tolerance::<f32>::absolute(1e-4);
    few.0.assert_approx_eq(&many.0, tolerance);
    few.1.assert_approx_eq(&many.1, tolerance);
}

#[test]
fn targets_that_no_path_spells_are_refused() {
    let (config, mut pairs) = words();
    let device = Device::default();
    assert_eq!(frames_needed(&[1, 1, 2, 2, 2]), 8);
    let refused = |config: &HybridConfig, pair: &Pair| {
        let pair = std::slice::from_ref(pair);
        config.batch(pair, &device).is_err()
    };
    pairs[0].target = vec![3; 8];
    assert!(!refused(&config.clone().with_frames(15), &pairs[0]));
    assert!(refused(&config.clone().with_frames(14), &pairs[0]));
    pairs[0].target = vec![1, 2, 3, 4, 5, 6, 7, 8, 9];
    assert!(refused(&config, &pairs[0]));
    pairs[0].target.clear();
    assert!(refused(&config, &pairs[0]));
}

#[test]
fn fragments_have_their_exact_masses() {
    // G A S: b1, b2 and y2, y1 from tables of monoisotopic masses.
    let found = peptides::ions(&[1, 2, 3]);
    let expected = [[58.028_74, 177.086_98], [129.065_85, 106.049_87]];
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-4)
        );
        assert!((found[0] + found[1] - 233.101_17 - 2.0 * 1.007_276).abs() < 1e-4);
    }
}
