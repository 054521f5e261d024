//! A weight that slides from the decoder that sees both directions to the one that generates, against fixed weights.
//!
//! Real words of prose are restored after some of their letters were replaced. One encoder serves two decoders. `Importance`
//! weighs their losses in the first stage; in the second the generating decoder attends to the other's features over a
//! `Bridge` that stops gradients, or does not. The large size does the same on simulated spectra of peptides.

mod stages;

use anyhow::{Context as _, Result, ensure};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use self::stages::{ALONE, ANNEALED, BLOCKED, FIXED, Job, NOT_BLOCKED, OPEN, REVERSED, SWAPPED};
use crate::data::Text;
use crate::experiment::{
    Better, Check, Context, DataKind, Fault, Quantity, Revision, System, Trial, differences, values,
};
use crate::hybrid_decoder::{HybridConfig, Pair, PeptideConfig, corrupted, peptides, words_of};

/// The experiment.
pub const SYSTEM: System = System {
    name: "importance-annealing",
    number: 2,
    krate: "regimen-schedules",
    paper: "Bidirectional Representations Augmented Autoregressive Biological Sequence Generation (arXiv 2510.08169)",
    paper_figure: "Nine-species benchmarks of peptide sequencing, amino-acid recall with both stages: 0.811 against 0.785 of the best autoregressive model (version 1), 0.906 against 0.882 (version 2)",
    claim: "A weight that slides from the bidirectional to the generating decoder leaves the latter with a lower loss than the reversed slide, at this size not with a lower one than training it alone. Blocking gradients between the decoders protects the bidirectional one",
    metric: "generating decoder's loss on unseen words, per letter",
    unit: "nats",
    better: Better::Lower,
    baseline: ALONE,
    method: ANNEALED,
    seeds: 100..103,
    source: file!(),
    data: DataKind::Text,
    curve: "update / loss of the generating decoder in training, nats a letter",
    faults: FAULTS,
    revisions: REVISIONS,
    run,
    judge,
};

const FAULTS: &[Fault] = &[
    Fault {
        name: SWAPPED,
        does: "The weight of the annealed arm slides the other way, from the generating decoder's loss to the other's",
        turns: &["reversed minus annealed"],
    },
    Fault {
        name: NOT_BLOCKED,
        does: "The blocked bridge lets gradients through, and the bidirectional decoder is trained on",
        turns: &["largest gradient over the blocked bridge"],
    },
];

const REVISIONS: &[Revision] = &[
    Revision {
        changed: "The bounds of autoregressive only minus annealed and of fixed 0.5 minus annealed were raised from 0 to 0.01 nats, the least that is expected at the large size, since the first run had passed on noise",
        before: "Seeds 0 to 2 under the bounds of 0, all conditions met: 0.002 ± 0.003 and 0.006 ± 0.006 nats; reversed minus annealed 0.048 ± 0.007; CTC loss 0.32 ± 0.02 apart",
    },
    Revision {
        changed: "Words are corrupted anew each time that they are drawn. Corrupted once, the model learnt them by heart",
        before: "The rule with bounds of 0.01 did not hold on seeds 0 to 2: 0.002 ± 0.003 and 0.006 ± 0.006 nats",
    },
    Revision {
        changed: "Two conditions were dropped, autoregressive only minus annealed and fixed 0.5 minus annealed, as they are expected of the large size only. Seeds 0 to 2 were replaced by 100 to 102",
        before: "With words corrupted anew, the rule did not hold on seeds 0 to 2: 0.002 ± 0.007 and 0.010 ± 0.009 nats. The other conditions were met",
    },
    Revision {
        changed: "Both dropped conditions are asked again with their bounds of 0.01 nats, the first of them as the headline check, their figures being known",
        before: "The rule without them held on seeds 100 to 102; the two are -0.006 ± 0.004 and 0.009 ± 0.003 nats",
    },
];

const NOISE: f64 = 0.3;

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    words(context, seed)?.both_stages(&mut trial, "")?;
    if context.full {
        spectra(context, seed)?.both_stages(&mut trial, "peptides, ")?;
    }
    Ok(trial)
}

/// Words of the text, corrupted anew each time that they are drawn. Unseen words are corrupted once.
fn words(context: &Context, seed: u64) -> Result<Job<'_>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (longest, test) = if context.full { (10, 1200) } else { (8, 600) };
    let mut texts = vec![context.text()?];
    if context.full && context.folder.is_none() {
        // Prose alone has too few words for the large size.
        texts.push(Text::verse()?);
    }
    let mut words = words_of(&texts, 5, longest, &mut rng);
    let found = words.len();
    ensure!(found > 2 * test, "only {found} different words");
    let test = words.split_off(found - test);
    let test: Vec<Pair> = test
        .iter()
        .map(|word| corrupted(word, NOISE, longest, &mut rng))
        .collect();
    let sizes = HybridConfig::new(27 + longest, 28 + longest, 26, longest, longest);
    let sizes = match context.full {
        true => sizes,
        false => sizes
            .with_frames(16)
            .with_width(32)
            .with_heads(2)
            .with_layers(1),
    };
    let draw = move |rng: &mut ChaCha8Rng| {
        let word = words.choose(rng).context("no words")?;
        Ok(corrupted(word, NOISE, longest, rng))
    };
    Job::new(context, seed, sizes, Box::new(draw), &test)
}

/// Spectra of peptides.
fn spectra(context: &Context, seed: u64) -> Result<Job<'_>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let config = PeptideConfig::new();
    let train = peptides(&config, 4800, &mut rng);
    let test = peptides(&config, 1200, &mut rng);
    let [seen, prefix] = config.features();
    let sizes = HybridConfig::new(seen, prefix, 19, config.peaks(), config.longest);
    let draw = move |rng: &mut ChaCha8Rng| Ok(train.choose(rng).context("no peptides")?.clone());
    Job::new(context, seed, sizes, Box::new(draw), &test)
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let gap = |name: &str, worse, better, metric| {
        Quantity::new(name, "nats", differences(trials, worse, better, metric))
    };
    let crossed = |name: &str, arm| {
        let largest = values(trials, arm, "largest gradient over the bridge");
        Quantity::new(name, "", largest)
    };
    let ctc = "CTC loss a letter after the second stage, not blocked minus blocked";
    vec![
        gap(
            "autoregressive only minus annealed",
            ALONE,
            ANNEALED,
            "main",
        )
        .at_least(0.01)
        .headline(),
        gap("fixed 0.5 minus annealed", FIXED, ANNEALED, "main").at_least(0.01),
        gap("reversed minus annealed", REVERSED, ANNEALED, "main").at_least(0.01),
        gap(ctc, OPEN, BLOCKED, "CTC loss, nats a letter").at_least(0.05),
        crossed("largest gradient over the blocked bridge", BLOCKED).exactly(0.0),
        crossed("largest gradient over the open bridge", OPEN).at_least(1e-6),
    ]
}
