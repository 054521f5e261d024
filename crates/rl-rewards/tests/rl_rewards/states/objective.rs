//! Settings of advantages, objectives and preferences.

use burn::tensor::{Device, Tensor};
use regimen_rl_rewards::{
    AdaptiveKl, Advantage, Advantages, Aggregation, Aot, ApoDown, ApoZero, Baseline, Bco, BcoShift,
    Branch, Chunked, Clip, ClipCov, Cpo, Denominator, Density, Deviation, DiscoPop, Divergence,
    Dpo, DpoLoss, DynamicSampling, Exo, FDivergence, Gae, Gdpo, Gpg, Groups, Grpo, HybridGate, Ipo,
    KlCov, KlEstimator, KlGradient, KlTerm, Kto, Level, Mismatch, MismatchBound, MismatchLevel,
    MismatchMeasure, MismatchOver, Nca, Objective, Opo, OptimalTokenBaseline, Orpo, Outside, Pairs,
    PassAtK, PolicyFilter, PolicyLoss, Preference, Reinforce, ReinforcePlusPlus, Remax, Rloo,
    RunningMean, Scale, Scored, SimPo, Sppo, Stabilisation, TokenBatch, TokenMask, Totals,
    TrustGrpo, Unified, ValueLoss,
};
use regimen_schedules::Constant;
use serde::de::DeserializeOwned;

use super::state::{State, read, state};

fn groups() -> Groups {
    let groups = Groups::of_size(vec![1.0, 0.0, 0.5, 0.5], 2).unwrap();
    groups
        .with_lengths(vec![1, 2, 3, 4])
        .unwrap()
        .with_greedy(vec![0.5, 0.5])
        .unwrap()
}

/// Settings or a number too large are told; what comes out is finite.
fn advantage<T: DeserializeOwned + Advantage>(text: &str) -> Result<(), String> {
    let found = read::<T>(text)?.advantages(&groups().with_values(vec![0.0; 4]).unwrap());
    let found = found.map_err(|error| error.to_string())?;
    assert!(found.values().iter().all(|value| value.is_finite()));
    Ok(())
}

fn full(value: f32) -> Tensor<2> {
    Tensor::full([2, 3], value, &Device::flex())
}

fn batch() -> TokenBatch {
    let batch = TokenBatch::of_mask(&TokenMask::of_lengths(&[3, 1], 3).unwrap(), &Device::flex());
    let batch = batch
        .with_old(full(-1.5))
        .unwrap()
        .with_reference(full(-1.0))
        .unwrap();
    batch.with_entropy(full(0.5)).unwrap()
}

fn advantages() -> Advantages {
    Advantages::of_responses(vec![1.0, -1.0]).unwrap()
}

fn objective(text: &str) -> Result<(), String> {
    let found = read::<Objective>(text)?.loss(full(-1.0), &batch(), &advantages());
    found.map(drop).map_err(|error| error.to_string())
}

fn preference<T: DeserializeOwned + Preference>(text: &str) -> Result<(), String> {
    let row = |values: [f32; 2]| Tensor::<1>::from_data(values, &Device::flex());
    let scored = |values| Scored::new(row(values), row([3.0, 4.0])).unwrap();
    let pairs = Pairs::new(scored([-3.0, -4.0]), scored([-4.0, -2.0])).unwrap();
    let pairs = pairs
        .with_reference(scored([-3.5, -4.0]), scored([-3.0, -3.0]))
        .unwrap();
    read::<T>(text)?
        .loss(&pairs)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn plain<T: DeserializeOwned>(text: &str) -> Result<(), String> {
    read::<T>(text).map(drop)
}

pub(super) fn all() -> Vec<State> {
    let kl = KlTerm::new(0.1)
        .unwrap()
        .with_limit(10.0)
        .unwrap()
        .with_gradient(KlGradient::K2);
    let full = Objective::dapo()
        .with_dual(3.0)
        .unwrap()
        .with_most(4.0)
        .unwrap()
        .with_kl(kl)
        .with_entropy(0.01)
        .unwrap();
    let trust = TrustGrpo::new()
        .with_steps(100)
        .unwrap()
        .with_gate(0.1)
        .unwrap();
    let scheduled = TrustGrpo::new().with_fading(Constant::new(0.5).unwrap());
    let dpo = Dpo::new(0.1)
        .unwrap()
        .with_loss(DpoLoss::Robust(0.1))
        .unwrap();
    let mut mean = RunningMean::new(0.9).unwrap();
    mean.next(&[1.0]).unwrap();
    vec![
        state("Rloo", &Rloo, advantage::<Rloo>),
        state("Remax", &Remax, advantage::<Remax>),
        state("Opo", &Opo, advantage::<Opo>),
        state("Gpg", &Gpg, advantage::<Gpg>),
        state(
            "PassAtK",
            &PassAtK::new().with_scale(1e-6).unwrap(),
            advantage::<PassAtK>,
        ),
        state("Grpo", &Grpo::default(), advantage::<Grpo>),
        state(
            "Reinforce",
            &Reinforce::new(Baseline::Constant(0.5)).unwrap(),
            advantage::<Reinforce>,
        ),
        state("Scale", &Scale::Batch, plain::<Scale>),
        state("Deviation", &Deviation::Population, plain::<Deviation>),
        state("Gdpo", &Gdpo::new(vec![1.0, 0.5]).unwrap(), |text| {
            let found = read::<Gdpo>(text)?.advantages(
                &groups(),
                &[vec![1.0, 0.0, 0.0, 1.0], vec![0.0, 3.0, 1.0, 1.0]],
            );
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("TrustGrpo", &trust, |text| {
            let found = read::<TrustGrpo>(text)?.advantages(&groups(), &[0.5, 1.0, 0.0, 0.5], 9);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("TrustGrpo, released", &TrustGrpo::released(), |text| {
            let found = read::<TrustGrpo>(text)?.advantages(&groups(), &[0.5, 1.0, 0.0, 0.5], 9);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("TrustGrpo, a schedule", &scheduled, |text| {
            let found = read::<TrustGrpo>(text)?.advantages(&groups(), &[0.5, 1.0, 0.0, 0.5], 9);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("RunningMean", &mean, |text| {
            let mut mean = read::<RunningMean>(text)?;
            assert!(mean.value().is_finite());
            let next = mean.next(&[1.0]).map_err(|error| error.to_string())?;
            assert!(next.is_finite());
            Ok(())
        }),
        state(
            "AdaptiveKl",
            &AdaptiveKl::new(0.1, 6.0, 10_000).unwrap(),
            |text| {
                let beta = read::<AdaptiveKl>(text)?
                    .update(9.0, 1)
                    .map_err(|error| error.to_string())?;
                assert!(beta.is_finite());
                Ok(())
            },
        ),
        state("Gae", &Gae::new(1.0, 0.95).unwrap(), |text| {
            let found = read::<Gae>(text)?.advantages(
                &[1.0, 0.0],
                &[0.5, 0.5],
                &TokenMask::of_lengths(&[2], 2).unwrap(),
            );
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("ReinforcePlusPlus", &ReinforcePlusPlus::default(), |text| {
            let found = read::<ReinforcePlusPlus>(text)?
                .advantages(&[1.0, 0.0], &TokenMask::of_lengths(&[2], 2).unwrap());
            found.map(drop).map_err(|error| error.to_string())
        }),
        state(
            "OptimalTokenBaseline",
            &OptimalTokenBaseline,
            plain::<OptimalTokenBaseline>,
        ),
        state("Objective", &full, objective),
        state(
            "Objective of Dr. GRPO",
            &Objective::dr_grpo(100).unwrap(),
            objective,
        ),
        state("Objective of sequences", &Objective::gspo(), objective),
        state(
            "PolicyLoss",
            &PolicyLoss::Sapo {
                positive: 1.0,
                negative: 1.05,
            },
            plain::<PolicyLoss>,
        ),
        state(
            "Aggregation",
            &Aggregation::MaxLength(100),
            plain::<Aggregation>,
        ),
        state(
            "Denominator",
            &Denominator::MicroBatch,
            plain::<Denominator>,
        ),
        state("Level", &Level::SequenceToken, plain::<Level>),
        state("Divergence", &Divergence::Kl, plain::<Divergence>),
        state("Clip", &Clip::HIGHER, plain::<Clip>),
        state("KlTerm", &kl, plain::<KlTerm>),
        state("KlEstimator", &KlEstimator::K3, plain::<KlEstimator>),
        state("Totals", &Totals::new(100, 4).unwrap(), |text| {
            let batch = batch().with_totals(read::<Totals>(text)?);
            Objective::grpo()
                .loss(self::full(-1.0), &batch, &advantages())
                .map(drop)
                .map_err(|error| error.to_string())
        }),
        state("ValueLoss", &ValueLoss::default(), |text| {
            let one = || self::full(1.0);
            let found = read::<ValueLoss>(text)?.loss(one(), one(), one(), &batch());
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("ClipCov", &ClipCov::default(), plain::<ClipCov>),
        state("KlCov", &KlCov::default(), |text| {
            let found = read::<KlCov>(text)?.select(&self::full(-1.0), &batch(), &advantages());
            found.map(drop).map_err(|error| error.to_string())
        }),
        state(
            "Mismatch",
            &Mismatch::new(MismatchLevel::Sequence, Outside::Mask),
            |text| {
                let found =
                    read::<Mismatch>(text)?.correct(self::full(-1.0), self::full(-2.0), &batch());
                found.map(drop).map_err(|error| error.to_string())
            },
        ),
        state(
            "MismatchLevel",
            &MismatchLevel::Token,
            plain::<MismatchLevel>,
        ),
        state("Outside", &Outside::Reject, plain::<Outside>),
        state(
            "MismatchBound",
            &MismatchBound::new(MismatchMeasure::K3, MismatchOver::Mean, 0.1).unwrap(),
            |text| {
                let found =
                    read::<MismatchBound>(text)?.kept(self::full(-1.0), self::full(-2.0), &batch());
                found.map(drop).map_err(|error| error.to_string())
            },
        ),
        state(
            "MismatchMeasure",
            &MismatchMeasure::K2,
            plain::<MismatchMeasure>,
        ),
        state("MismatchOver", &MismatchOver::Max, plain::<MismatchOver>),
        state("PolicyFilter", &PolicyFilter::Power(2.0), |text| {
            let weights = read::<PolicyFilter>(text)?
                .weights(&[1.0, -2.0])
                .map_err(|error| error.to_string())?;
            assert!(weights.iter().all(|weight| weight.is_finite()));
            Ok(())
        }),
        state(
            "DynamicSampling",
            &DynamicSampling::new(512).unwrap(),
            |text| {
                let sampling = read::<DynamicSampling>(text)?;
                assert!(sampling.keep(&groups(), 0).len() <= 2);
                Ok(())
            },
        ),
        state("HybridGate", &HybridGate::new(0.25).unwrap(), |text| {
            read::<HybridGate>(text)?
                .branch(2, 8)
                .map(drop)
                .map_err(|error| error.to_string())
        }),
        state("Branch", &Branch::Imitation, plain::<Branch>),
        state("Unified", &Unified::luffy(), |text| {
            let found = read::<Unified>(text)?.loss(self::full(-1.0), &batch(), &advantages());
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("Density", &Density::Shaped(0.1), plain::<Density>),
        state(
            "Stabilisation",
            &Stabilisation::Cap(5.0),
            plain::<Stabilisation>,
        ),
        state("Chunked", &Chunked::default(), |text| {
            let chunked = read::<Chunked>(text)?;
            let (device, length) = (Device::flex(), 2);
            let hidden = Tensor::<3>::ones([1, length, 2], &device);
            let tokens = Tensor::<2, burn::tensor::Int>::zeros([1, length], &device);
            chunked
                .log_probs(hidden, Tensor::ones([2, 3], &device), tokens)
                .map(drop)
                .map_err(|error| error.to_string())
        }),
        state("Dpo", &dpo, preference::<Dpo>),
        state("DpoLoss", &DpoLoss::Smoothed(0.1), plain::<DpoLoss>),
        state("FDivergence", &FDivergence::Alpha(0.5), |text| {
            let row = |value: f32| Tensor::<1>::from_data([value], &Device::flex());
            let scored = |value| Scored::new(row(value), row(3.0)).unwrap();
            let pairs = Pairs::new(scored(-3.0), scored(-4.0)).unwrap();
            let pairs = pairs
                .with_reference(scored(-3.5), scored(-3.0))
                .unwrap()
                .with_divergence(read(text)?)
                .and_then(|pairs| Dpo::new(0.1)?.loss(&pairs));
            pairs.map(drop).map_err(|error| error.to_string())
        }),
        state("Ipo", &Ipo::of_sums(0.1).unwrap(), preference::<Ipo>),
        state("Kto", &Kto::new(0.1).unwrap(), plain::<Kto>),
        state("SimPo", &SimPo::new(2.0, 1.0).unwrap(), preference::<SimPo>),
        state("Orpo", &Orpo::default(), preference::<Orpo>),
        state("Cpo", &Cpo::new(0.1).unwrap(), preference::<Cpo>),
        state("Bco", &Bco::new(0.1).unwrap(), preference::<Bco>),
        state("BcoShift", &BcoShift::new(0.99).unwrap(), |text| {
            let next = read::<BcoShift>(text)?
                .update(1.0)
                .map_err(|error| error.to_string())?;
            assert!(next.is_finite());
            Ok(())
        }),
        state("Nca", &Nca::new(0.1).unwrap(), preference::<Nca>),
        state("Sppo", &Sppo::new(0.1).unwrap(), preference::<Sppo>),
        state(
            "ApoZero",
            &ApoZero::new(0.1).unwrap(),
            preference::<ApoZero>,
        ),
        state(
            "ApoDown",
            &ApoDown::new(0.1).unwrap(),
            preference::<ApoDown>,
        ),
        state("Exo", &Exo::new(0.1, 0.1).unwrap(), preference::<Exo>),
        state("Aot", &Aot::paired(0.1).unwrap(), preference::<Aot>),
        state(
            "DiscoPop",
            &DiscoPop::new(0.1).unwrap(),
            preference::<DiscoPop>,
        ),
    ]
}
