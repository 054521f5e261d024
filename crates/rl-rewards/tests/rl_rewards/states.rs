//! Damaged states: what is read is refused, or serves.

mod learned;
mod objective;
mod recipes;
mod reformulation;
mod search;
mod state;
mod tasks;
mod verify;

use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::policy::{
    Completion, Decoding, End, Rollout, Rollouts, Sequences, generate,
};
use regimen_rl_rewards::{Annealing, DecodingTemperature, Temperature, TokenSampler};
use regimen_schedules::{Cosine, Schedule, ScheduleExt};
use regimen_tensor::Part;
use regimen_tensor::testing::Hostile;

use state::{State, read, state};

fn used(temperature: &impl Schedule) {
    for token in [0, 9, 10, 1000, (1 << 53) + 1, usize::MAX] {
        assert!(temperature.at(token).is_finite());
    }
}

fn sampled(text: &str) -> Result<(), String> {
    let sampler = read::<TokenSampler>(text)?;
    let logits = Tensor::<2>::from_data([[2.0, 1.0, 0.0, -1.0]], &Device::flex());
    let mut rng = StdRng::seed_from_u64(0);
    let sampled = sampler.sample(logits, &[3], &mut rng);
    sampled
        .and_then(|sampled| sampled.check())
        .map_err(|error| error.to_string())?;
    let mut other = sampler.clone();
    other.load(&sampler.save().unwrap()).unwrap();
    assert_eq!(other, sampler);
    Ok(())
}

fn all() -> Vec<State> {
    let cooling = DecodingTemperature::exploratory(1.2, 0.1).unwrap();
    let steps = DecodingTemperature::new(Annealing::TokensAndSteps, 1.2, 0.1).unwrap();
    let schedule = Cosine::new(1.0, 90).unwrap().warmed_up(9).unwrap();
    let schedule = Temperature::from(schedule.clamped(0.1, 1.0).unwrap());
    let sampler = TokenSampler::new(cooling.at_step(7)).with_top_k(3).unwrap();
    let sampler = sampler.with_top_p(0.9).unwrap();
    let mut completion = Completion::new(End::EndToken);
    completion.sampled(3, -0.5).unwrap();
    completion.observed(2);
    completion.sampled(0, -0.25).unwrap();
    let rollout = Rollout {
        prompt: 1,
        completion: completion.clone(),
    };
    let rollouts = Rollouts::new(vec![vec![1, 2], vec![4]], vec![rollout.clone()]).unwrap();
    vec![
        state("Completion", &completion, |text| {
            let read = read::<Completion>(text)?;
            assert!(read.count_sampled() <= read.len() && read.mask().count() == read.len());
            Ok(())
        }),
        state("Rollout", &rollout, |text| read::<Rollout>(text).map(drop)),
        state("Rollouts", &rollouts, |text| {
            let read = read::<Rollouts>(text)?;
            let sequences = Sequences::new(&read, 0, &Device::flex());
            let sequences = sequences.map_err(|error| error.to_string())?;
            assert_eq!(sequences.tokens().dims()[0], read.len());
            Ok(())
        }),
        state("Decoding", &crate::policy::decoding(6), |text| {
            let decoding = read::<Decoding>(text)?;
            let few = decoding.max_tokens().min(9);
            let decoding = Decoding::new(decoding.sampler().clone(), decoding.end(), few);
            let decoding = decoding.map_err(|error| error.to_string())?;
            let device = Device::flex();
            let drawn = generate(&crate::policy::Sums, &[vec![1]], 3, &decoding, 0, &device);
            drawn.map(drop).map_err(|error| error.to_string())
        }),
        state("DecodingTemperature", &cooling, |text| {
            used(&read::<DecodingTemperature>(text)?);
            Ok(())
        }),
        state("DecodingTemperature of steps", &steps.at_step(9), |text| {
            used(&read::<DecodingTemperature>(text)?);
            Ok(())
        }),
        state("Temperature", &schedule, |text| {
            used(&read::<Temperature>(text)?);
            Ok(())
        }),
        state("TokenSampler", &sampler, sampled),
        state(
            "TokenSampler of a schedule",
            &TokenSampler::new(schedule.clone()),
            sampled,
        ),
    ]
}

#[test]
fn damaged_states_are_refused_or_serve() {
    let mut hostile = Hostile::new("rl-rewards states");
    let others = objective::all().into_iter().chain(reformulation::all());
    let others = others.chain(learned::all()).chain(recipes::all());
    let others = others.chain(search::all()).chain(tasks::all());
    for State { name, sample, read } in all().into_iter().chain(others) {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}

/// A part takes the step of training; settings that differ are refused and nothing is changed.
#[test]
fn a_sampler_goes_on_at_its_step_of_training() {
    let at = |step| {
        let tau = DecodingTemperature::exploratory(1.2, 0.1).unwrap();
        TokenSampler::new(tau.at_step(step)).with_top_k(3).unwrap()
    };
    let mut sampler = at(0);
    sampler.load(&at(7).save().unwrap()).unwrap();
    assert_eq!(sampler, at(7));
    let mut other = at(0).with_top_k(4).unwrap();
    let error = other.load(&at(7).save().unwrap()).unwrap_err().to_string();
    assert!(error.contains("another `top_k`"), "{error}");
    let mut other = at(0).with_temperature(Cosine::new(1.0, 9).unwrap());
    assert!(other.load(&at(7).save().unwrap()).is_err());
    let mut tau = DecodingTemperature::exploratory(1.1, 0.1).unwrap();
    let saved = DecodingTemperature::exploratory(1.2, 0.1).unwrap();
    assert!(tau.load(&saved.save().unwrap()).is_err());
    assert!(tau.load(b"{").is_err());
    assert_eq!(tau, DecodingTemperature::exploratory(1.1, 0.1).unwrap());
    assert!(sampler.kind().ends_with(" 1") && tau.kind() != sampler.kind());
}
