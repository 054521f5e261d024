//! States of learned objectives.

use regimen_rl_rewards::recipes::learned::{
    DriftConfig, Horizons, Lifetime, LpgConfig, OpenEs, OpenEsConfig, Shaping, Ties,
};

use super::state::{State, read, state};

pub(super) fn all() -> Vec<State> {
    let config = OpenEsConfig::new().with_pairs(2).with_rate(0.1);
    let mut search = config.init(vec![0.25, -1.0], 7).unwrap();
    search.update(&[[1.0, 0.0], [0.0, 1.0]]).unwrap();
    vec![
        state("OpenEs", &search, |text| {
            let mut search = read::<OpenEs>(text)?;
            let pairs = search.candidates().take(1 << 10).count();
            let _ = search.seeds(0);
            let fitness = vec![[1.0, 0.0]; pairs];
            let moved = search.update(&fitness);
            assert!(search.mean().iter().all(|value| value.is_finite()));
            moved.map_err(|error| error.to_string())
        }),
        state("OpenEsConfig", &config, |text| {
            let config = read::<OpenEsConfig>(text)?;
            assert!(config.rate_at(9).is_finite());
            let search = config.init(vec![0.0], 0);
            search.map(drop).map_err(|error| error.to_string())
        }),
        state("Shaping", &Shaping::PairRanks(Ties::Half), |text| {
            let found = read::<Shaping>(text)?.utilities(&[[1.0, 2.0]]);
            found.map(drop).map_err(|error| error.to_string())
        }),
        state("Ties", &Ties::Second, |text| read::<Ties>(text).map(drop)),
        state("Lifetime", &Lifetime::new(3, 9).unwrap(), |text| {
            assert!((0.0..=1.0).contains(&read::<Lifetime>(text)?.fraction()));
            Ok(())
        }),
        state("Horizons", &Horizons::new(10, 250).unwrap(), |text| {
            let horizons = read::<Horizons>(text)?;
            let (least, most) = horizons.bounds();
            assert!((least..=most).contains(&horizons.at(0.5)));
            Ok(())
        }),
        state("DriftConfig", &DriftConfig::new().with_hidden(3), |text| {
            let config = read::<DriftConfig>(text)?;
            let small = DriftConfig {
                hidden: config.hidden.min(64),
                ..config
            };
            let drift = small.init(&burn::tensor::Device::flex());
            drift.map(drop).map_err(|error| error.to_string())
        }),
        state("LpgConfig", &LpgConfig::new().with_width(3), |text| {
            let config = read::<LpgConfig>(text)?;
            let small = LpgConfig {
                width: config.width.min(8),
                categories: config.categories.min(8),
                embedding: config.embedding.min(8),
                ..config
            };
            let network = small.init(&burn::tensor::Device::flex());
            network.map(drop).map_err(|error| error.to_string())
        }),
    ]
}
