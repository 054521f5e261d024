//! Absurd hypotheses, levels, tables of questions and games for a prior.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regimen_curriculum::Result;
use regimen_curriculum::active::robust::{
    Ascent, Hypotheses, Levels, NoisyQuestions, QuestionTable, RobustPriorConfig, softmax_gradient,
};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

fn game(flip: f64, rounds: usize) -> Result<NoisyQuestions> {
    let rows = vec![vec![true, false], vec![false, false], vec![true, true]];
    NoisyQuestions::new(QuestionTable::new(rows)?, flip, rounds)
}

fn trained(config: &RobustPriorConfig, start: &[f64; 3], offset: f64) -> Result<Vec<f64>> {
    let game = game(0.1, 2)?;
    let prior = config.train(&game, start, &[offset; 3])?;
    assert!(
        prior
            .iter()
            .all(|chance| (0.0..=1.0 + 1e-9).contains(chance))
    );
    config.errors(&game, &prior)
}

#[test]
fn robust_active_learning() {
    let mut h = Hostile::new("curriculum robust active learning");
    let few = || RobustPriorConfig::new().with_rounds(2).with_games(2);
    for value in NUMBERS {
        h.input(format_args!("Hypotheses {value}"), || {
            let sets = Hypotheses::best_arm(3)?;
            let means = [value, 0.5, 0.2];
            sets.best(&means)?;
            assert!(sets.complexity(&means, 10)? > 0.0 && sets.surrogate(&means)? > 0.0);
            sets.at_level(&[0.9, 0.5, 0.2], value)
        });
        h.input(format_args!("Levels {value}"), || {
            let levels = Levels::quantiles(&[1.0, value, 3.0], 2)?;
            levels.worst(&[1.0, value, 3.0], &[0.1, value, 0.3])?;
            levels.excess(&[1.0, value, 3.0], &[0.1, 0.2, 0.3], &[0.1, value])?;
            levels.offsets(&[1.0, value, 3.0], &[0.1, value])
        });
        let _ = Levels::new(vec![1.0]).unwrap().class(value);
        h.input(format_args!("flip {value}"), || {
            let game = game(value, 3)?;
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            game.play(&[1.0; 3], 2, &mut rng)
        });
        h.input(format_args!("prior {value}"), || {
            let game = game(0.1, 3)?;
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            game.play(&[value, 1.0, 0.0], 2, &mut rng)
        });
        for ascent in [Ascent::Gradient, Ascent::Mirror] {
            h.input(
                format_args!("RobustPriorConfig {value}, {ascent:?}"),
                || {
                    trained(&few().with_ascent(ascent).with_rate(value), &[1.0; 3], 0.0)?;
                    trained(&few().with_ascent(ascent), &[1.0, value, 1.0], 0.0)?;
                    trained(&few().with_ascent(ascent), &[1.0; 3], value)
                },
            );
        }
        h.input(format_args!("softmax_gradient {value}"), || {
            softmax_gradient(&[value, 0.0], &[0.5, 0.1])?;
            softmax_gradient(&[0.0, 0.0], &[value, 0.1])
        });
    }
    for n in COUNTS {
        h.input(format_args!("sets of {n}"), || {
            Hypotheses::best_arm(n)?;
            Hypotheses::top(12, n)?;
            Hypotheses::top(n, 2)
        });
        h.input(format_args!("thresholds {n}"), || {
            if n > 256 && n <= 4096 {
                return Hypotheses::new(Vec::new());
            }
            Hypotheses::thresholds(n)
        });
        h.input(format_args!("steps {n}"), || {
            let steps = if n > 1000 && n <= 1_000_000 { 10 } else { n };
            Hypotheses::best_arm(3)?.complexity(&[0.9, 0.5, 0.1], steps)?;
            game(0.1, 2)?.table().complexities(steps)
        });
        h.input(format_args!("classes {n}"), || {
            Levels::quantiles(&[1.0, 2.0], n)
        });
        h.input(format_args!("rounds and items {n}"), || {
            let game = game(0.1, n)?;
            let mut posterior = game.start(&[1.0; 3])?;
            game.learn(&mut posterior, n, true);
            assert!(game.question(&posterior) < 2 && game.answer(&posterior) < 3);
            let mut rng = ChaCha8Rng::seed_from_u64(u64::MAX);
            let _ = game.said(n, n, &mut rng);
            game.play(&[1.0; 3], n, &mut rng)
        });
        h.input(format_args!("games {n}"), || {
            let small = if n > 64 && n <= 1 << 20 { 2 } else { n };
            trained(&few().with_games(small).with_seed(n as u64), &[1.0; 3], 0.0)?;
            trained(&few().with_rounds(small), &[1.0; 3], 0.0)
        });
    }
    h.input("ragged", || QuestionTable::new(vec![vec![true], vec![]]));
    h.input("empty", || QuestionTable::new(Vec::new()));
    h.input("ragged sets", || Hypotheses::new(vec![vec![true], vec![]]));
    h.finish();
}
