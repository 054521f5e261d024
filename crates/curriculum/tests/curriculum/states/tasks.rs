//! Damaged families of tasks, rules and measures.

use burn::tensor::{Device, Tensor};
use regimen_curriculum::tasks::{
    ContextRule, Measured, Phase, SequenceBatch, TaskFamily, TaskFamilyConfig,
};

use super::{State, state, text_of};

fn made(family: &TaskFamily) -> Result<(), String> {
    if family.features() * family.projected() > 1 << 16 || family.classes() > 1 << 12 {
        return Ok(());
    }
    let task = family.unseen(3);
    assert!(task.projection().iter().all(|value| value.is_finite()));
    assert!(task.labels().iter().all(|label| *label < family.classes()));
    family.task(0).map(drop).map_err(text_of)
}

pub(super) fn states() -> Vec<State> {
    let config = TaskFamilyConfig::new(4, 3, 3)
        .with_tasks(8)
        .with_identity(0.5);
    let measured = Measured {
        seen_first: 0.3,
        seen_late: 0.5,
        unseen_late: 0.4,
    };
    vec![
        state("TaskFamily", &config.init().unwrap(), |family| {
            made(&family)
        }),
        state("TaskFamilyConfig", &config, |config| {
            made(&config.init().map_err(text_of)?)
        }),
        state("Measured", &measured, |measured| {
            Phase::of(&measured, 0.25, 0.1).map(drop).map_err(text_of)
        }),
        state("Phase", &Phase::Learns, |_| Ok(())),
        state(
            "ContextRule",
            &ContextRule::Ridge { penalty: 0.5 },
            |rule| {
                let examples = Tensor::<3>::ones([1, 3, 1], &Device::flex());
                let batch = SequenceBatch::new(examples, &[0, 1, 0], 2).map_err(text_of)?;
                rule.predict(&batch).map(drop).map_err(text_of)
            },
        ),
    ]
}
