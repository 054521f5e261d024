//! DoReMi on a field's own domains: a reference model and a proxy, each for the updates of a run.

use anyhow::Result;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::mixing::DoReMiConfig;
use regimen_tensor::per_example::cross_entropy;

use super::field::{Field, WINDOW};
use super::settings::BATCH;
use crate::models::CharWindow;
use crate::optim::adam;

/// The average weights. The reference model, which is given, was trained with equal shares, and so is the proxy.
///
/// # Errors
/// If a loss is not finite.
pub(super) fn weights(field: &Field, reference: &CharWindow, seed: u64) -> Result<Vec<f64>> {
    let many = field.texts.len();
    let mut doremi = DoReMiConfig::new(vec![1.0 / many as f64; many]).init()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut proxy = field.base.clone();
    let mut optim = adam(0.99);
    for _ in 0..field.sizes.steps * field.sizes.updates {
        let domains: Vec<usize> = (0..BATCH).map(|place| place % many).collect();
        let (mut windows, mut next) = (Vec::new(), Vec::new());
        for domain in &domains {
            let symbols = &field.texts[*domain].symbols;
            let at = rng.random_range(0..symbols.len() - WINDOW);
            windows.extend(
                symbols[at..at + WINDOW]
                    .iter()
                    .map(|symbol| i64::from(*symbol)),
            );
            next.push(i64::from(symbols[at + WINDOW]));
        }
        let device = &field.device;
        let windows = Tensor::from_data(TensorData::new(windows, [BATCH, WINDOW]), device);
        let next = Tensor::from_data(TensorData::new(next, [BATCH]), device);
        let losses = cross_entropy(proxy.forward(windows.clone()), next.clone());
        let known = cross_entropy(reference.forward(windows), next);
        doremi.step(&domains, &host(losses.clone())?, &host(known)?)?;
        let factors = doremi.loss_weights(&domains)?;
        let factors = Tensor::<1>::from_data(TensorData::new(factors, [BATCH]), device);
        let loss = (losses * factors).sum();
        let grads = GradientsParams::from_grads(loss.backward(), &proxy);
        proxy = optim.step(field.rate, proxy, grads);
    }
    Ok(doremi.average().to_vec())
}

fn host(losses: Tensor<1>) -> Result<Vec<f32>> {
    Ok(losses.try_into_vec_as::<f32>()?)
}
