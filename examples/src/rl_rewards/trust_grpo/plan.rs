//! The arms that are run, and for how long.

use super::arms::{Done, Length, Trust};
use super::bench::{FADING, FULL, GATED, HONEST, NONE};
use crate::experiment::Context;

/// Updates of outcome only; the other arms sample as many tokens, and fade over as many updates.
pub(super) fn updates(context: &Context) -> usize {
    match context {
        Context { full: true, .. } => 400,
        Context { small: true, .. } => 12,
        _ => 40,
    }
}

/// The arms with a scorer, but for the one with a constant weight.
pub(super) fn trusts(context: &Context) -> Vec<(&'static str, Trust)> {
    let fades_over = Some(updates(context));
    let fading = Trust {
        fades_over,
        ..Trust::BARE
    };
    let full = Trust {
        by_group: true,
        ..fading
    };
    let gated = Trust {
        is_gated: true,
        ..full
    };
    let mut arms = vec![
        (HONEST, full),
        (NONE, Trust::BARE),
        (FADING, fading),
        (FULL, full),
        (GATED, gated),
    ];
    if context.small {
        // Reported, and in no check.
        arms.retain(|(name, _)| *name != FADING);
    }
    if context.full {
        let tenth = Trust {
            alpha: 0.1,
            ..Trust::BARE
        };
        arms.extend([
            ("honest, no safeguards", Trust::BARE),
            ("honest, full + gate", gated),
            ("fooled, no safeguards, alpha .1", tenth),
        ]);
    }
    arms
}

/// The weight that the full arm gave, in every group.
pub(super) fn constant(full: &Done) -> Trust {
    Trust {
        alpha: Trust::BARE.alpha * full.mean_weight(),
        ..Trust::BARE
    }
}

/// As long as an arm has sampled as many tokens as another one did.
pub(super) fn equal(done: &Done) -> Length {
    Length::Tokens(done.budget.sampled)
}
