//! Absurd contexts, slopes, processes, rows and environments.

use regimen_curriculum::Result;
use regimen_curriculum::transfer::environments::{
    CartPole, CartPoleContext, Pendulum, PendulumContext,
};
use regimen_curriculum::transfer::{
    Acquisition, Belief, GaussianProcessConfig, Slope, TransferPickerConfig, bisection,
    equidistant, expected_gains, random_tasks, rehearsal, sequential_oracle, transfer_score,
};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

/// Three choices, with rows of one value.
fn picked(config: &TransferPickerConfig, value: f64) -> Result<()> {
    let mut picker = config.init()?;
    for _ in 0..3 {
        let Some(task) = picker.next_task()? else {
            break;
        };
        picker.observe(task, &vec![value; picker.tasks()])?;
        assert!(picker.observe(task, &vec![value; picker.tasks()]).is_err());
        assert!(picker.observe(usize::MAX, &[value]).is_err());
        assert!(picker.score().is_finite());
        assert!(picker.best_for(usize::MAX).is_none());
    }
    Ok(())
}

#[test]
fn pickers() {
    let mut h = Hostile::new("curriculum choice of training tasks");
    let few = || TransferPickerConfig::in_a_row(4);
    for value in NUMBERS {
        for acquisition in [
            Acquisition::Growing,
            Acquisition::Falling,
            Acquisition::Constant(value),
            Acquisition::UpperBound(value),
        ] {
            h.input(format_args!("{acquisition:?} {value}"), || {
                picked(&few().with_acquisition(acquisition), 0.5)
            });
        }
        h.input(format_args!("row {value}"), || picked(&few(), value));
        h.input(format_args!("slope {value}"), || {
            picked(&few().with_slope(Slope::Fixed(vec![value])), 0.5)
        });
        h.input(format_args!("context {value}"), || {
            picked(
                &TransferPickerConfig::new(vec![vec![0.0], vec![value], vec![1.0]]),
                0.5,
            )
        });
        for process in [
            GaussianProcessConfig::new().with_noise(value),
            GaussianProcessConfig::new().with_variances([value, 1.0]),
            GaussianProcessConfig::new().with_lengths([0.5, value]),
            GaussianProcessConfig::new().with_fixed(value, value),
        ] {
            h.input(format_args!("{process:?}"), || {
                picked(&few().with_process(process.clone()), 0.5)
            });
        }
        h.input(format_args!("fit and belief {value}"), || {
            let config = GaussianProcessConfig::new()
                .with_restarts(1)
                .with_seed(u64::MAX);
            config.fit(&[vec![0.0], vec![1.0]], &[0.5, value])?;
            let process = config.fit(&[vec![0.0], vec![value]], &[0.5, 0.5])?;
            let belief = process.at(&[value])?;
            assert!(belief.mean.is_finite() && belief.deviation >= 0.0);
            Ok::<_, regimen_curriculum::CurriculumError>(())
        });
        h.input(format_args!("expected_gains {value}"), || {
            let belief = Belief {
                mean: 0.5,
                deviation: 0.1,
            };
            let contexts = [vec![0.0], vec![1.0]];
            expected_gains(&[belief; 2], value, (&contexts, &[0.1]), &[0.5, 0.5])?;
            expected_gains(&[belief; 2], 1.0, (&contexts, &[value]), &[0.5, value])
        });
        h.input(format_args!("choices {value}"), || {
            equidistant(&[0.0, value], 2)?;
            bisection(&[0.0, value, 1.0], 3)?;
            sequential_oracle(&[vec![value, 0.5], vec![0.5, 0.5]], 2)?;
            rehearsal(4, value, 0)
        });
    }
    for n in COUNTS {
        h.input(format_args!("in_a_row {n}"), || {
            let config = TransferPickerConfig::in_a_row(n);
            if n > 256 {
                config.init().map(drop)
            } else {
                picked(&config, 0.5)
            }
        });
        h.input(format_args!("restarts {n}"), || {
            GaussianProcessConfig::new()
                .with_restarts(n.min(1001))
                .fit(&[vec![0.0]], &[0.5])
        });
        h.input(format_args!("trainings {n}"), || {
            let contexts = [0.0, 1.0, 2.0];
            equidistant(&contexts, n)?;
            bisection(&contexts, n)?;
            random_tasks(3, n, Some(n), u64::MAX)?;
            sequential_oracle(&[vec![0.5]], n)
        });
        h.input(format_args!("score {n}"), || {
            transfer_score(&[vec![0.5]], &[n])
        });
        h.input(format_args!("rehearsal {n}"), || {
            if n > 256 && n <= 4096 {
                return Ok(Vec::new());
            }
            rehearsal(n, 0.01, u64::MAX)
        });
        assert!(Acquisition::Growing.weight(n).is_finite());
    }
    h.input("empty", || TransferPickerConfig::new(Vec::new()).init());
    h.input("ragged", || {
        TransferPickerConfig::new(vec![vec![0.0], vec![]]).init()
    });
    h.finish();
}

#[test]
fn environments() {
    let mut h = Hostile::new("curriculum environments");
    for value in NUMBERS {
        h.input(format_args!("CartPole {value}"), || {
            let usual = CartPoleContext::default();
            for context in [
                CartPoleContext {
                    cart_mass: value,
                    ..usual
                },
                CartPoleContext {
                    pole_mass: value,
                    ..usual
                },
                CartPoleContext {
                    pole_length: value,
                    ..usual
                },
                CartPoleContext {
                    force: value,
                    ..usual
                },
                CartPoleContext {
                    gravity: value,
                    ..usual
                },
            ] {
                let mut pole = CartPole::new(context, u64::MAX)?;
                let mut steps = 0;
                while pole.push(steps % 3 == 0) {
                    steps += 1;
                }
                assert!(steps < 500);
            }
            CartPole::new(
                CartPoleContext {
                    seconds: value,
                    ..usual
                },
                0,
            )
        });
        h.input(format_args!("Pendulum {value}"), || {
            let usual = PendulumContext::default();
            for context in [
                PendulumContext {
                    mass: value,
                    ..usual
                },
                PendulumContext {
                    length: value,
                    ..usual
                },
                PendulumContext {
                    torque: value,
                    ..usual
                },
                PendulumContext {
                    gravity: value,
                    ..usual
                },
                PendulumContext {
                    seconds: value,
                    ..usual
                },
            ] {
                let mut pendulum = Pendulum::new(context, u64::MAX)?;
                let rewards = (0..300).map(|_| pendulum.turn(value));
                assert!(rewards.sum::<f64>().is_finite() && pendulum.is_over());
            }
            Ok::<_, regimen_curriculum::CurriculumError>(())
        });
    }
    h.finish();
}
