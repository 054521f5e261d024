//! The book's pictures are what the code draws.
//!
//! `REGIMEN_WRITE_GALLERY=1 cargo test --release --workspace --test rl_rewards pictures` writes them anew.

use std::fs;
use std::path::Path;

use regimen_rl_rewards::{Annealing, DecodingTemperature};
use regimen_schedules::Picture;

#[test]
fn the_pictures_are_up_to_date() {
    let cooling = DecodingTemperature::exploratory(1.2, 0.1).unwrap();
    let cooling = cooling.with_decay(120.0).unwrap();
    let later = cooling.with_growth(2.0, 1e6).unwrap().at_step(12);
    let plain = DecodingTemperature::new(Annealing::Tokens, 1.2, 0.1).unwrap();
    let plain = plain.with_decay(40.0).unwrap().with_protected(0);
    let all = [
        ("exploratory-annealed-decoding", cooling),
        ("exploratory-annealed-decoding-later-in-training", later),
        ("exponential-decoding-temperature", plain),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/rl-rewards/pictures");
    for (name, temperature) in &all {
        let path = folder.join(format!("{name}.svg"));
        let svg = Picture::new(120).svg(&[temperature]).unwrap();
        if std::env::var_os("REGIMEN_WRITE_GALLERY").is_some() {
            fs::write(&path, &svg).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == svg, "{} is out of date", path.display());
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), all.len());
}
