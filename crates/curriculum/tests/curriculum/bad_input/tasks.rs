//! Absurd families of tasks, pools, sequences, rules and measures.

use burn::tensor::{DType, Device, Tensor, TensorData};
use regimen_curriculum::tasks::{
    ContextRule, LabelledPool, Measured, Phase, SequenceBatch, TaskFamilyConfig, TaskSequences,
    late, plateau, recurrent_state, transformer_state,
};
use regimen_curriculum::{CurriculumError, Result};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

fn features(rows: usize, value: f32) -> Tensor<2> {
    let data = TensorData::new(vec![value; rows * 3], [rows, 3]);
    Tensor::from_data(data, &Device::flex())
}

fn sequences(family: &TaskFamilyConfig, length: usize) -> Result<TaskSequences> {
    let pool = LabelledPool::new(features(6, 0.5), vec![0, 1, 2, 0, 1, 2])?;
    TaskSequences::new(family.init()?, pool.standardised(), length)
}

#[test]
fn families() {
    let mut h = Hostile::new("curriculum families of tasks");
    for n in COUNTS {
        h.input(format_args!("TaskFamilyConfig {n}"), || {
            for family in [
                TaskFamilyConfig::new(n, 2, 3),
                TaskFamilyConfig::new(3, n, 3),
                TaskFamilyConfig::new(3, 2, n),
                TaskFamilyConfig::new(3, 2, 3).with_tasks(n as u64),
            ] {
                let family = family.with_seed(n as u64).init();
                // A task of the largest sizes would be a gigabyte.
                if let Ok(family) = family
                    && family.features() * family.projected() < 1 << 20
                    && family.classes() < 1 << 12
                {
                    let task = family.unseen(n as u64);
                    assert_eq!(task.labels().len(), family.classes());
                    let last = family.tasks().unwrap_or(u64::MAX);
                    assert!(family.task(last).is_err());
                }
            }
            TaskFamilyConfig::new(n, n, n).init()
        });
        h.input(format_args!("TaskSequences {n}"), || {
            let family = TaskFamilyConfig::new(3, 2, 3);
            let of = sequences(&family, n)?;
            of.unseen(n as u64, 1)?;
            Ok::<_, CurriculumError>(())
        });
        h.input(format_args!("batch {n}"), || {
            let family = TaskFamilyConfig::new(3, 2, 3);
            let of = sequences(&family, 4)?;
            if n < 1 << 12 {
                of.seen(0, n)?;
                of.random_pairs(0, n)?;
            }
            Ok::<_, CurriculumError>(())
        });
        h.input(format_args!("late, plateau {n}"), || {
            late(&[0.5, 0.25], n)?;
            plateau(&[0.5, 0.25], n, 1, 0.5)?;
            plateau(&[0.5, 0.25], 2, n, 0.5)
        });
        let _ = (transformer_state(n, n, n), recurrent_state(n, n));
    }
    for value in NUMBERS {
        h.input(format_args!("identity {value}"), || {
            TaskFamilyConfig::new(3, 2, 3).with_identity(value).init()
        });
        h.input(format_args!("plateau {value}"), || {
            plateau(&[value], 3, 1, 0.5)?;
            plateau(&[0.5], 3, 1, value)?;
            late(&[value], 1)
        });
        h.input(format_args!("Phase {value}"), || {
            let measured = |seen_first, seen_late, unseen_late| Measured {
                seen_first,
                seen_late,
                unseen_late,
            };
            Phase::of(&measured(value, 0.5, 0.5), 0.5, 0.1)?;
            Phase::of(&measured(0.5, value, 0.5), 0.5, 0.1)?;
            Phase::of(&measured(0.5, 0.5, value), value, 0.1)?;
            Phase::of(&measured(0.5, 0.5, 0.5), 0.5, value)
        });
    }
    h.finish();
}

#[test]
fn sequences_and_rules() {
    let mut h = Hostile::new("curriculum sequences of tasks");
    let device = Device::flex();
    for value in NUMBERS {
        h.input(format_args!("LabelledPool {value}"), || {
            LabelledPool::new(features(2, value as f32), vec![0, 1])
        });
        for dtype in [DType::F32, DType::BF16] {
            h.input(
                format_args!("SequenceBatch of {value} in {dtype:?}"),
                || {
                    let examples = Tensor::<3>::full([2, 3, 2], value, (&device, dtype));
                    let batch = SequenceBatch::new(examples, &[0, 1, 1, 0, 0, 1], 2)?;
                    for rule in [
                        ContextRule::NearestNeighbour,
                        ContextRule::NearestMean,
                        ContextRule::Ridge { penalty: value },
                        ContextRule::OnlineSgd { rate: value },
                    ] {
                        // What cannot be computed is predicted as some class all the same.
                        if let Ok(found) = rule.predict(&batch) {
                            let found: Vec<i64> = found.try_into_vec_as().unwrap();
                            assert!(found.iter().all(|class| (0..2).contains(class)), "{rule:?}");
                        }
                    }
                    ContextRule::OnlineSgd { rate: value }
                        .predict(&batch)
                        .map(drop)
                },
            );
        }
    }
    for n in COUNTS {
        h.input(format_args!("labels {n}"), || {
            let examples = Tensor::<3>::ones([1, 2, 1], &device);
            SequenceBatch::new(examples.clone(), &[0, n], 3)?;
            SequenceBatch::new(examples, &[0, 1], n)
        });
        h.input(format_args!("pool of label {n}"), || {
            LabelledPool::new(features(n.min(9), 1.0), vec![0; 2])?;
            let pool = LabelledPool::new(features(2, 1.0), vec![0, n])?;
            TaskSequences::new(TaskFamilyConfig::new(3, 2, 3).init()?, pool, 2)
        });
    }
    h.input("empty", || {
        SequenceBatch::new(Tensor::<3>::ones([0, 2, 1], &device), &[], 3)
    });
    h.input("other shape", || {
        let batch = SequenceBatch::new(Tensor::<3>::ones([1, 2, 1], &device), &[0, 1], 3)?;
        batch.accuracy(Tensor::zeros([1, 3], &device))
    });
    h.finish();
}
