//! Damaged hypotheses, levels, tables of questions and games for a prior.

use regimen_curriculum::active::robust::{
    Ascent, Hypotheses, Levels, NoisyQuestions, QuestionTable, RobustPriorConfig,
};

use super::{State, state, text_of};

fn table() -> QuestionTable {
    QuestionTable::new(vec![
        vec![true, false],
        vec![false, false],
        vec![true, true],
    ])
    .unwrap()
}

fn trained(config: RobustPriorConfig) -> Result<(), String> {
    let game = NoisyQuestions::new(table(), 0.1, 2).unwrap();
    // As many as were saved may be a million.
    let config = config.with_rounds(2).with_games(2);
    let prior = config.train(&game, &[1.0; 3], &[0.0; 3]).map_err(text_of)?;
    assert!(prior.iter().all(|chance| chance.is_finite()));
    Ok(())
}

pub(super) fn states() -> Vec<State> {
    let config = RobustPriorConfig::new().with_rounds(3).with_games(2);
    let levels = Levels::new(vec![1.0, 2.5]).unwrap();
    vec![
        state(
            "Hypotheses",
            &Hypotheses::best_arm(3).unwrap(),
            |sets: Hypotheses| {
                let means: Vec<f64> = (0..sets.queries())
                    .map(|query| 1.0 / (query + 1) as f64)
                    .collect();
                sets.complexity(&means, 10).map(drop).map_err(text_of)
            },
        ),
        state("Levels", &levels, |levels: Levels| {
            let all: Vec<f64> = levels.bounds().to_vec();
            levels.excess(&all, &all, &all).map(drop).map_err(text_of)
        }),
        state("QuestionTable", &table(), |table: QuestionTable| {
            table.complexities(5).map(drop).map_err(text_of)
        }),
        state(
            "NoisyQuestions",
            &NoisyQuestions::new(table(), 0.1, 2).unwrap(),
            |game: NoisyQuestions| {
                let posterior = game
                    .start(&vec![1.0; game.table().items()])
                    .map_err(text_of)?;
                assert!(game.question(&posterior) < game.table().questions());
                Ok(())
            },
        ),
        state("RobustPriorConfig", &config, trained),
        state("Ascent", &Ascent::Mirror, |ascent| {
            trained(RobustPriorConfig::new().with_ascent(ascent))
        }),
    ]
}
