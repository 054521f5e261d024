//! Absurd settings of objectives and absurd tensors.

use burn::tensor::{Bool, DType, Device, Int, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::{
    Advantages, Aggregation, Chunked, Clip, ClipCov, Density, Divergence, DynamicSampling, Filled,
    Groups, HybridGate, KlCov, KlEstimator, KlTerm, Level, LogWeights, Mismatch, MismatchBound,
    MismatchLevel, MismatchMeasure, MismatchOver, Objective, Outside, PolicyLoss, Result,
    Stabilisation, TokenBatch, TokenMask, Totals, Unified, ValueLoss,
};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use crate::objective::named;

fn full(value: f64) -> Tensor<2> {
    Tensor::full([2, 3], value, (&Device::flex(), DType::F32))
}

fn batch() -> TokenBatch {
    TokenBatch::of_mask(&TokenMask::of_lengths(&[3, 1], 3).unwrap(), &Device::flex())
}

fn used(objective: &Objective) -> Result<()> {
    let advantages = Advantages::of_responses(vec![1.0, -1.0])?;
    let batch = batch()
        .with_old(full(-1.5))?
        .with_reference(full(-1.0))?
        .with_entropy(full(0.5))?;
    let (_, metrics) = objective.loss(full(-1.0), &batch, &advantages)?;
    // An overflow of the loss is told.
    if let Ok(seen) = metrics.read() {
        assert!(seen.loss.is_finite());
    }
    Ok(())
}

#[test]
fn settings() {
    let mut h = Hostile::new("rl-rewards objectives");
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("Clip::new {a} {b}"), || {
            used(&Objective::ppo().with_clip(Clip::new(a, b)?))
        });
        let losses = [
            PolicyLoss::Clip {
                clip: Clip::PPO,
                dual: Some(a),
                most: Some(b),
            },
            PolicyLoss::CispoCap { cap: a },
            PolicyLoss::Sapo {
                positive: a,
                negative: b,
            },
            PolicyLoss::Gmpo { low: a, high: b },
            PolicyLoss::KlCov { coefficient: a },
            PolicyLoss::Dro { beta: a },
            PolicyLoss::Dppo {
                divergence: Divergence::Kl,
                low: a,
                high: b,
                cap: a,
            },
            PolicyLoss::Vespo {
                k: [a, b],
                lambda: [b, a],
            },
        ];
        for loss in losses {
            h.input(format_args!("Objective::new {loss:?}"), || {
                used(&Objective::new(loss, Level::Token, Aggregation::Sum(b))?)
            });
        }
        h.input(format_args!("with {a} {b}"), || {
            used(&Objective::ppo().with_dual(a)?)?;
            used(&Objective::dppo(Divergence::TotalVariation, a, b)?)?;
            used(&Objective::ppo().with_most(b)?)?;
            used(&Objective::ppo().with_entropy(a)?)
        });
        h.input(format_args!("KlTerm::new {a} {b}"), || {
            used(&Objective::grpo().with_kl(KlTerm::new(a)?.with_limit(b)?))
        });
        h.input(format_args!("ValueLoss::new {a}"), || {
            ValueLoss::new(Some(a))?
                .with_aggregation(Aggregation::TokenMean)?
                .loss(full(b), full(a), full(b), &batch())
        });
        h.input(format_args!("Mismatch {a} {b}"), || {
            let mismatch = Mismatch::new(MismatchLevel::Sequence, Outside::Mask)
                .with_bounds(Some(a), Some(b))?;
            mismatch
                .with_normalisation()
                .correct(full(a), full(b), &batch())
        });
        h.input(format_args!("MismatchBound {a} {b}"), || {
            MismatchBound::new(MismatchMeasure::K3, MismatchOver::Sum, a)?.kept(
                full(a),
                full(b),
                &batch(),
            )
        });
        h.input(format_args!("ClipCov::new, KlCov::new {a} {b}"), || {
            let advantages = Advantages::of_responses(vec![a, b])?;
            let _ = KlCov::new(a)?.select(&full(b), &batch(), &advantages)?;
            ClipCov::new(1.0, a, b)?.select(
                &full(-1.0),
                &batch(),
                &advantages,
                &mut StdRng::seed_from_u64(0),
            )
        });
        h.input(format_args!("HybridGate {a} {b}"), || {
            HybridGate::srft_weights(a)?;
            HybridGate::joint_advantage(a, b, a, b)?;
            HybridGate::new(a)?.branch(1, 2)
        });
        h.input(format_args!("LogWeights::new {a} {b}"), || {
            let weights = LogWeights::new(&[a, b, -1.0])?;
            assert!((weights.values().iter().sum::<f64>() - 1.0).abs() < 1e-9);
            let effective = weights.effective();
            assert!((0.999..3.001).contains(&effective), "{effective}");
            weights.systematic(5, a)
        });
        h.input(format_args!("Unified::new {a} {b}"), || {
            let unified = Unified::new(
                Density::Shaped(a),
                Stabilisation::Cap(b),
                Aggregation::TokenMean,
            )?;
            let advantages = Advantages::of_responses(vec![1.0, -1.0])?;
            unified.loss(full(-1.0), &batch().with_old(full(-1.0))?, &advantages)
        });
        h.input(format_args!("temperature {a}"), || {
            Chunked::default().with_temperature(a)
        });
    }
    for n in COUNTS {
        h.input(format_args!("dr_grpo {n}"), || {
            Unified::dr_grpo(n)?;
            used(&Objective::dr_grpo(n)?)
        });
        h.input(format_args!("Totals::new {n}"), || {
            Totals::of_lengths(&[n, n])?;
            let batch = batch().with_totals(Totals::new(n, n)?);
            Objective::grpo().loss(
                full(-1.0),
                &batch,
                &Advantages::of_responses(vec![1.0, -1.0])?,
            )
        });
        h.input(format_args!("DynamicSampling::new {n}"), || {
            let sampling = DynamicSampling::new(n)?.with_rounds(n)?;
            let groups = Groups::of_size(vec![1.0, 0.0], 2)?;
            assert!(sampling.keep(&groups, 0).len() <= 1);
            assert_eq!(sampling.filled(n, n), Filled::Full);
            Ok::<_, regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("systematic {n}"), || {
            LogWeights::new(&[0.0, -1.0])?.systematic(if n > 1 << 31 { n } else { n.min(9) }, 0.5)
        });
        h.input(format_args!("branch {n}"), || {
            HybridGate::new(0.0)?.branch(n, n)
        });
        h.input(format_args!("rows {n}"), || {
            batch().with_totals(Totals::new(1, 1)?).rows(n / 2..n)
        });
        h.input(format_args!("Chunked::new {n}"), || Chunked::new(n));
    }
    h.finish();
}

#[test]
fn tensors() {
    let mut h = Hostile::new("rl-rewards tensors of objectives");
    let advantages = || Advantages::of_responses(vec![1.0, -1.0]);
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        h.input(format_args!("every objective {a} {b}"), || {
            let batch = batch()
                .with_old(full(a))?
                .with_reference(full(b))?
                .with_weights(full(1.0))?;
            for (_, objective) in named() {
                let objective = objective.with_kl(KlTerm::new(0.1)?);
                let (_, metrics) = objective.loss(full(b), &batch, &advantages()?)?;
                if let Ok(seen) = metrics.read() {
                    assert!(seen.loss.is_finite());
                }
            }
            let _ = KlEstimator::K3.values(full(a), full(b));
            Ok::<_, regimen_rl_rewards::RlRewardsError>(())
        });
        h.input(format_args!("Chunked::loss {a} {b}"), || {
            let device = Device::flex();
            let hidden = Tensor::<3>::full([2, 3, 2], a, &device);
            let output = Tensor::<2>::full([2, 5], b, &device);
            let tokens = Tensor::<2, Int>::full([2, 3], -100, &device);
            Chunked::new(7)?.log_probs(hidden.clone(), output.clone(), tokens.clone())?;
            Chunked::default().loss(
                &Objective::dapo(),
                hidden,
                output,
                tokens,
                &batch(),
                &advantages()?,
            )
        });
    }
    for shape in [[0, 3], [2, 0], [1, 1], [3, 2]] {
        let other = || Tensor::<2>::zeros(shape, &Device::flex());
        h.input(format_args!("TokenBatch::new {shape:?}"), || {
            TokenBatch::new(Tensor::<2, Bool>::full(shape, true, &Device::flex()))
        });
        h.input(format_args!("shapes {shape:?}"), || {
            batch().with_old(other())
        });
        h.input(format_args!("selected {shape:?}"), || {
            batch().with_selected(other().bool())?;
            batch().with_kept(other().bool())
        });
        h.input(format_args!("log-probabilities {shape:?}"), || {
            Unified::ppo().loss(other(), &batch(), &advantages()?)?;
            Objective::ppo().loss(other(), &batch(), &advantages()?)
        });
        h.input(format_args!("advantages {shape:?}"), || {
            Objective::ppo().loss_of(full(-1.0), &batch(), other())
        });
        h.input(format_args!("chunked {shape:?}"), || {
            let hidden = other().unsqueeze_dim::<3>(2);
            Chunked::default().log_probs(hidden, other(), other().int())
        });
    }
    let none = Tensor::<2, Bool>::full([2, 3], false, &Device::flex());
    h.input("no token counts", || {
        let batch = TokenBatch::new(none.clone())?;
        let (loss, _) = Objective::grpo().loss(full(f64::NAN), &batch, &advantages()?)?;
        assert_eq!(loss.into_scalar::<f32>(), 0.0);
        batch.count()
    });
    h.finish();
}
