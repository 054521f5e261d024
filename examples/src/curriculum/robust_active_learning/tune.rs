//! What rates of the adversary give on a seed that does not count.

use anyhow::Result;

use super::arms::{Games, Zoo, classes, tell};
use crate::experiment::{Context, Trial};

/// Prints the excess of the robust prior and of the min-max one at each rate; `best` is of the policies at that rate.
///
/// # Errors
/// Those of the run.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let zoo = Zoo::new()?;
    line(format!(
        "{} items, {} questions, bounds {:?}",
        zoo.items(),
        zoo.game.table().questions(),
        zoo.levels.bounds()
    ));
    for rate in [0.3, 1.0, 3.0, 10.0] {
        let mut games = Games::new(&context, seed);
        games.training = games.training.with_rate(rate);
        let (_, best) = classes(&zoo, &games)?;
        let mut trial = Trial::new(seed);
        for (arm, offsets) in [
            ("robust", zoo.levels.offsets(&zoo.complexities, &best)?),
            ("min-max", vec![0.0; zoo.items()]),
        ] {
            let prior = games
                .training
                .train(&zoo.game, &vec![1.0; zoo.items()], &offsets)?;
            let errors = games.training.clone().with_games(800).with_seed(seed + 7);
            tell(
                &mut trial,
                arm,
                &zoo,
                &errors.errors(&zoo.game, &prior)?,
                &best,
            )?;
            let found = trial.value(arm, "main");
            let mean = trial.value(arm, "mean error");
            line(format!(
                "rate {rate}, {arm}: excess {found:.2}, mean error {mean:.2}"
            ));
        }
    }
    Ok(())
}
