//! Fisher forgetting, as AdityaGolatkar/SelectiveForgetting computes it.

use regimen_tensor::{ParamEntry, ParamVector, fisher, independent};
use regimen_unlearning::FisherForgettingConfig;

use super::{FORGOTTEN, Golden, Net, network};

#[test]
fn the_true_fisher_diagonal_is_that_of_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/fisher.csv"));
    let (net, data) = network();
    let retain = data.only(|c| c != FORGOTTEN).batches(1);
    let logits = |net: &Net, (images, _)| net.forward(images);
    let found = fisher::true_diagonal(&net.evaluated(), retain, logits).unwrap();
    golden.assert_near("fisher", &found, 2e-5);
}

/// What forgetting makes of a model with this seed, with the parameters of the Fisher diagonal.
fn forgotten(config: &FisherForgettingConfig, net: &Net, fisher: &ParamVector) -> ParamVector {
    let forgetting = config.init().unwrap();
    ParamVector::of(&forgetting.forget(net.clone(), fisher, 5).unwrap().model)
}

#[test]
fn means_and_variances_of_the_noise_are_those_of_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/fisher.csv"));
    let (net, data) = network();
    let retain = data.only(|c| c != FORGOTTEN).batches(1);
    let logits = |net: &Net, (images, _)| net.forward(images);
    let net = net.evaluated();
    let fisher = fisher::true_diagonal(&net, retain, logits).unwrap();
    let zero = ParamVector::of(&net).zeros_like();
    let zero = zero.write_to(independent(&net)).unwrap();

    let examples = FisherForgettingConfig::new().with_head(Some("head".into()));
    let class = examples.clone().with_class(Some(FORGOTTEN));
    // The same draws with a variance that is known: of F = 1, alpha times the factor 10 of vectors and of the last layer.
    let ones = fisher.clone().map(|_, values| values.ones_like());
    let draws = forgotten(&examples, &zero, &ones);
    for (config, mean, variance) in [
        (&examples, "examples mean", "examples variance"),
        (&class, "class mean", "class variance"),
    ] {
        let noise = forgotten(config, &zero, &fisher);
        let ratio = noise
            .clone()
            .zip(&draws, |noise, draw| (noise / draw).square());
        let found = ratio.unwrap().map(|entry, ratio| {
            let ten = entry.shape.len() == 1 || entry.path.starts_with("head");
            ratio * if ten { 1e-5 } else { 1e-6 }
        });
        let head = |entry: &ParamEntry| entry.path.starts_with("head");
        golden.assert_near(variance, &found.filter(head), 1e-4);
        golden.assert_near("variance", &found.filter(|entry| !head(entry)), 1e-4);
        let means = forgotten(config, &net, &fisher).sub(&noise).unwrap();
        golden.assert_near(mean, &means.filter(head), 1e-4);
    }
}
