//! Damaged pickers, processes, beliefs and environments.

use regimen_curriculum::transfer::environments::{
    CartPole, CartPoleContext, Pendulum, PendulumContext,
};
use regimen_curriculum::transfer::{
    Acquisition, Belief, GaussianProcessConfig, Slope, TransferPicker, TransferPickerConfig,
    expected_gains,
};

use super::{State, state, text_of};

fn goes_on(mut picker: TransferPicker) -> Result<(), String> {
    if picker.tasks() > 64 {
        return Ok(());
    }
    assert!(picker.slopes().iter().all(|slope| *slope >= 0.0));
    if let Some(task) = picker.next_task().map_err(text_of)? {
        let row = vec![0.5; picker.tasks()];
        picker.observe(task, &row).map_err(text_of)?;
        assert!(picker.trained().any(|other| other == task));
    }
    let text = serde_json::to_string(&picker).map_err(text_of)?;
    let again: TransferPicker = serde_json::from_str(&text).unwrap();
    picker.resume(again).map_err(text_of)
}

fn swung(mut pendulum: Pendulum) -> Result<(), String> {
    let reward: f64 = (0..300).map(|_| pendulum.turn(1.0)).sum();
    assert!(reward.is_finite());
    pendulum.start();
    Ok(())
}

fn pushed(mut pole: CartPole) -> Result<(), String> {
    while pole.push(true) {}
    pole.start();
    assert!(!pole.has_fallen());
    Ok(())
}

pub(super) fn states() -> Vec<State> {
    let process = GaussianProcessConfig::new().with_restarts(1);
    let slope = Slope::Fixed(vec![0.01]);
    let config = TransferPickerConfig::in_a_row(5)
        .with_process(process.clone())
        .with_slope(slope.clone())
        .with_acquisition(Acquisition::Constant(0.5));
    let mut picker = config.init().unwrap();
    picker.observe(2, &[0.1, 0.5, 0.75, 0.25, 0.5]).unwrap();
    let belief = Belief {
        mean: 0.5,
        deviation: 0.25,
    };
    let with_slope = |slope: Slope| TransferPickerConfig::in_a_row(3).with_slope(slope);
    vec![
        state("TransferPicker", &picker, goes_on),
        state("TransferPickerConfig", &config, |config| {
            goes_on(config.init().map_err(text_of)?)
        }),
        state(
            "GaussianProcessConfig",
            &process,
            |process: GaussianProcessConfig| {
                let process = process.with_restarts(1);
                let process = process.fit(&[vec![0.0], vec![1.0]], &[0.5, 0.25]);
                process
                    .map_err(text_of)?
                    .at(&[0.5])
                    .map(drop)
                    .map_err(text_of)
            },
        ),
        state("Slope", &slope, move |slope| {
            goes_on(with_slope(slope).init().map_err(text_of)?)
        }),
        state(
            "Acquisition",
            &Acquisition::UpperBound(1.96),
            |acquisition| {
                let config = TransferPickerConfig::in_a_row(3).with_acquisition(acquisition);
                goes_on(config.init().map_err(text_of)?)
            },
        ),
        state("Belief", &belief, |belief| {
            let contexts = [vec![0.0]];
            let gains = expected_gains(&[belief], 1.0, (&contexts, &[0.0]), &[0.0]);
            gains.map(drop).map_err(text_of)
        }),
        state("CartPoleContext", &CartPoleContext::default(), |context| {
            pushed(CartPole::new(context, 0).map_err(text_of)?)
        }),
        state(
            "CartPole",
            &CartPole::new(CartPoleContext::default(), 3).unwrap(),
            pushed,
        ),
        state("PendulumContext", &PendulumContext::default(), |context| {
            swung(Pendulum::new(context, 0).map_err(text_of)?)
        }),
        state(
            "Pendulum",
            &Pendulum::new(PendulumContext::default(), 3).unwrap(),
            swung,
        ),
    ]
}
