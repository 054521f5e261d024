//! The settings that each system tried on seeds that do not count.

use anyhow::{Result, bail};
use regimen_examples::rl_rewards::entropic_particle_filtering as epf;
use regimen_examples::rl_rewards::exploratory_annealed_decoding as annealed;
use regimen_examples::schedules::continual_pretraining;
use regimen_examples::{continual, curriculum, rl_rewards, schedules};

/// Tries them on a seed, and prints what they give.
pub(crate) fn tried(system: &str, set: &[String], seed: u64) -> Result<()> {
    let line = |line| println!("{line}");
    match system {
        "unified-post-training" => rl_rewards::unified_post_training::tune::tune(seed, line)?,
        "data-mixing-agent" => curriculum::data_mixing_agent::tune::tune(seed, set, line)?,
        "betr" => curriculum::betr::tune::tune(seed, line)?,
        "adaptive-difficulty" => rl_rewards::adaptive_difficulty::tune::tune(seed, line)?,
        "adaptive-inference" => rl_rewards::adaptive_inference::tune::tune(seed, set, line)?,
        "exploratory-annealed-decoding" => annealed::tune::tune(seed, line)?,
        "entropic-particle-filtering" => epf::tune::tune(seed, line)?,
        "itool" => rl_rewards::itool::tune::tune(seed, set, line)?,
        "mastery-clusters" => curriculum::mastery_clusters::tune::tune(seed, line)?,
        "gpicl" => curriculum::gpicl::tune::tune(seed, set, line)?,
        "robust-active-learning" => curriculum::robust_active_learning::tune::tune(seed, line)?,
        "pudf-irt" => curriculum::pudf_irt::tune::tune(seed, line)?,
        "shot-selection" => curriculum::shot_selection::tune::tune(seed, line)?,
        "continual-pretraining" => continual_pretraining::tune::tune(seed, line)?,
        "infinite-schedule" => schedules::infinite_schedule::tune::tune(seed, line)?,
        "scole" => continual::scole::tune::tune(seed, line)?,
        "fscil-tricks" => continual::fscil_tricks::tune::tune(seed, set, line)?,
        "backtrack-traces" => rl_rewards::backtrack_traces::tune::tune(seed, line)?,
        "sequential-or-parallel" => {
            rl_rewards::sequential_or_parallel::tune::tune(seed, set, line)?
        }
        "plasticity" => {
            let part = set.first().map_or("", String::as_str);
            continual::plasticity::tune::tune(seed, part, line)?
        }
        _ => bail!("{system}: no rates to try"),
    }
    Ok(())
}
