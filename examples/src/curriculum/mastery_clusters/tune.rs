//! Refinements and selectors on seeds that do not count: `choices.rs` has what they gave.

use anyhow::Result;
use regimen_curriculum::ability::mastery::{RefinementConfig, Step};

use super::choices::BUDGET;
use super::choose::{Selector, choose, refined};
use super::renditions::Bed;
use super::{Figures, figures};
use crate::experiment::Context;

const FACTORS: [f64; 3] = [1.5, 2.0, 4.0];
const PATIENCES: [usize; 3] = [1, 2, 3];
const MOSTS: [usize; 3] = [15, 30, 60];
const COUNTS: [usize; 4] = [6, 12, 24, 48];

/// Prints where refinements end, and the accuracies of selectors at several numbers of clusters, on one tuning seed.
///
/// # Errors
/// If a selector fails.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    for set in context.image_sets()? {
        let bed = Bed::new(set.images, seed, &context.device)?;
        for factor in FACTORS {
            for (patience, most) in PATIENCES.into_iter().flat_map(|p| MOSTS.map(|m| (p, m))) {
                let config = RefinementConfig::new(Step::Divide(factor));
                let config = config.with_patience(patience).with_most(most);
                let found = refined(&bed, &config)?;
                let rounds = found.rounds.iter();
                let trace: Vec<String> = rounds
                    .map(|round| format!("{}:{:.3}", round.clusters, round.score))
                    .collect();
                line(format!(
                    "{seed}; {}; factor {factor}, patience {patience}, most {most}; {} clusters; {}",
                    set.name,
                    found.clusters.len(),
                    trace.join(" ")
                ));
            }
        }
        let mut say = |name: String, selector: Selector| -> Result<()> {
            let chosen = choose(&context, &bed, selector, BUDGET, seed)?;
            let Figures { mean, worst, .. } = figures(&context, &bed, &chosen.ids, seed)?;
            let clusters = chosen.clusters;
            line(format!(
                "{seed}; {}; {name}; {mean:.1}; {worst:.1}; {clusters}",
                set.name
            ));
            Ok(())
        };
        say("all".into(), Selector::All)?;
        say("random".into(), Selector::Random)?;
        say("farthest".into(), Selector::Farthest)?;
        say("oracle".into(), Selector::Oracle)?;
        say("refined".into(), Selector::Refined)?;
        for count in COUNTS {
            say(format!("dp-means {count}"), Selector::Fixed(count))?;
            say(format!("k-means {count}"), Selector::KMeans(count))?;
            say(format!("random centres {count}"), Selector::Centres(count))?;
        }
    }
    Ok(())
}
