//! Worlds of two kinds that only feedback tells apart: in one the first domain teaches, in the other the second.

use anyhow::Result;
use burn::tensor::Device;
use regimen_curriculum::MixtureWalk;
use regimen_curriculum::mixing::{MixingAgentConfig, MixturePolicy, Trajectory};

use super::arms::Used;

const STEPS: usize = 3;
const RUNS: u64 = 32;

/// What a step in a world of this kind adds to each measure.
fn gains(kind: u64, share: f64) -> [f64; 2] {
    match kind % 2 {
        0 => [share, 0.0],
        _ => [0.0, 1.0 - share],
    }
}

/// A run in a world of this kind.
fn run(kind: u64, policy: &impl MixturePolicy) -> Result<Trajectory> {
    let mut run = Trajectory::new(2, vec![0.0; 2])?;
    for _ in 0..STEPS {
        let weights = policy.next(&run)?;
        let next = run.feedback().iter().zip(gains(kind, weights[0]));
        let next = next.map(|(now, gain)| now + gain).collect();
        run.push(weights, next)?;
    }
    Ok(run)
}

/// How much more than equal shares an agent gains over both kinds of worlds: 1 is the most a policy could that knew the kind from the start. The measures may
/// change places when it is used.
///
/// # Errors
/// If the agent can't be fitted.
pub(super) fn gained(seed: u64, swapped: bool, device: &Device) -> Result<f64> {
    let walk = MixtureWalk::RandomWalk { spread: 2.0 };
    let seen = |kind: u64| run(kind, &walk.plan(2, STEPS, seed * RUNS + kind)?);
    let runs = (0..RUNS).map(seen).collect::<Result<Vec<_>>>()?;
    let config = MixingAgentConfig::new(2, 2, STEPS)
        .with_size(16, 2, 2, 32)
        .with_gamma(0.5)
        .with_updates(30, 150)
        .with_rates(3e-3, 3e-3, 1e-3)
        .with_seed(seed);
    let agent = config.fit(&runs, device)?;
    let used = Used {
        agent: &agent,
        other: None,
        swapped,
    };
    let mut over = 0.0;
    for kind in 0..2 {
        let gained: f64 = run(kind, &used)?.feedback().iter().sum();
        // Equal shares gain half of what there is.
        over += (gained - 0.5 * STEPS as f64) / (0.5 * STEPS as f64) / 2.0;
    }
    Ok(over)
}
