//! The arms: each base plain, with as many gradients as refresh takes, and with refresh; around DER++ every control.

use regimen_continual::{Direction, Form, RefreshConfig};

use super::choices::{Choice, DELTAS, choice};
use super::faults::{DESCENT, RANDOM};
use super::plan::{Base, Plan, Size};
use crate::experiment::Context;

/// The released code's form.
pub(super) fn code(delta: f64) -> RefreshConfig {
    RefreshConfig::new().with_form(Form::code(delta))
}

/// The paper's form at this share of the learning rate: without its noise, which at `(2 gamma)^1/2` a weight and step ends training, and
/// with a damping of 1, so that a step is one of gradient ascent where there is no Fisher information.
pub(super) fn paper(share: f64, size: Size) -> RefreshConfig {
    RefreshConfig::new().with_form(Form::Paper {
        gamma: share * size.rate,
        steps: 1,
        noise: 0.0,
        damping: 1.0,
    })
}

/// A run with a name.
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) plan: Plan,
}

/// The arms of a set of images whose runs have so many training images.
pub(super) fn arms(set: &str, images: usize, context: &Context) -> Vec<Arm> {
    let size = Size::of(context);
    let bases: &[Base] = match context.full {
        true => &Base::LARGE,
        false => &Base::DECIDING,
    };
    let mut arms = Vec::new();
    for base in bases {
        let found = choice(*base, set);
        let found = match context.full {
            true => Choice {
                delta: matched(images, size),
                ..found
            },
            false => found,
        };
        arms.extend(of_base(*base, found, size, context));
    }
    for Arm { plan, .. } in &mut arms {
        if let Some(config) = &mut plan.refresh
            && config.direction == Direction::Ascent
        {
            if context.is_broken_by(DESCENT) {
                config.direction = Direction::Descent;
            } else if context.is_broken_by(RANDOM) {
                config.direction = Direction::Random;
            }
        }
    }
    arms
}

/// The delta of the grid with which the updates of a run come nearest to the paper's: 78,000 of 1e-5.
fn matched(images: usize, size: Size) -> f64 {
    let updates = (images.div_ceil(size.batch) * size.epochs) as f64;
    let away = |delta: &f64| (updates * delta / 0.78).ln().abs();
    let nearest = DELTAS
        .into_iter()
        .min_by(|a, b| away(a).total_cmp(&away(b)));
    nearest.unwrap_or(DELTAS[0])
}

fn of_base(base: Base, found: Choice, size: Size, context: &Context) -> Vec<Arm> {
    let plain = Plan::plain(base, found.strength, size);
    let refreshed = |config: RefreshConfig| plain.clone().refreshed(config);
    let all = base == Base::DerPlusPlus;
    let mut arms = Vec::new();
    let mut add = |ending: &str, plan: Plan| {
        arms.push(Arm {
            name: format!("{}{ending}", base.name()),
            plan,
        });
    };
    let (equal, refresh) = (
        plain.clone().equal(found.equal, size),
        refreshed(code(found.delta)),
    );
    match all {
        true => {
            add(", equal gradients", equal.looked_at());
            add(", refresh", refresh.looked_at());
            add(
                ", refresh in the paper's form",
                refreshed(paper(found.share, size)).looked_at(),
            );
            let random = paper(found.share, size).with_direction(Direction::Random);
            add(
                ", random direction in the paper's form",
                refreshed(random).looked_at(),
            );
        }
        false => {
            add(", equal gradients", equal);
            add(", refresh", refresh);
        }
    }
    add("", plain.clone());
    if context.small {
        return arms;
    }
    if all {
        let code = || code(found.delta);
        add(
            ", random direction",
            refreshed(code().with_direction(Direction::Random)),
        );
        add(
            ", downwards",
            refreshed(code().with_direction(Direction::Descent)),
        );
        add(", weights restored", refreshed(code().with_restore(true)));
        add(
            ", refresh without Fisher",
            refreshed(code().with_fisher(false)),
        );
    }
    if context.full {
        for delta in DELTAS {
            add(&format!(", delta {delta:e}"), refreshed(code(delta)));
        }
    }
    arms
}

#[cfg(test)]
mod tests {
    use super::super::plan::Equal;
    use super::*;

    #[test]
    fn equal_gradients_are_not_fewer() {
        let size = Size::of(&Context::new(0));
        for base in Base::LARGE {
            let strength = choice(base, "digits").strength;
            let plain = Plan::plain(base, strength, size);
            let refreshed = plain.clone().refreshed(code(1e-5));
            let count = |plan: &Plan| plan.epochs * plan.examples(size.batch);
            for equal in [Equal::Epochs, Equal::Replay] {
                let equal = plain.clone().equal(equal, size);
                let (found, wanted) = (count(&equal), count(&refreshed));
                assert!(
                    found >= wanted && found < wanted + wanted / 10,
                    "{base:?}: {found}, {wanted}"
                );
            }
        }
    }

    #[test]
    fn as_many_updates_as_the_papers_get_its_delta() {
        let size = Size::of(&Context {
            full: true,
            ..Context::new(0)
        });
        assert_eq!(matched(50_000, size), 1e-5);
        // 94 batches, 50 epochs: 4,700 updates of 1.7e-4.
        assert_eq!(matched(3_000, size), 1e-4);
    }
}
