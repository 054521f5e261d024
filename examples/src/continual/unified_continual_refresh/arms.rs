//! The arms: each base plain, with as many gradients as refresh takes, and with refresh; around DER++ every control.

use regimen_continual::{Direction, Form, RefreshConfig};

use super::choices::{Choice, DELTAS, choice};
use super::{DESCENT, RANDOM};
use crate::experiment::Context;

/// The method that refresh is put around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    DerPlusPlus,
    Er,
    OnlineEwc,
    Ewc,
    Lwf,
}

impl Base {
    /// Those that decide.
    pub(super) const DECIDING: [Self; 3] = [Self::DerPlusPlus, Self::Er, Self::OnlineEwc];
    /// Those of the large size.
    const LARGE: [Self; 5] = [
        Self::DerPlusPlus,
        Self::Er,
        Self::OnlineEwc,
        Self::Ewc,
        Self::Lwf,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DerPlusPlus => "DER++",
            Self::Er => "ER",
            Self::OnlineEwc => "online EWC",
            Self::Ewc => "EWC",
            Self::Lwf => "LwF",
        }
    }

    /// Draws from the memory a step.
    pub(super) fn draws(self) -> usize {
        match self {
            Self::DerPlusPlus => 2,
            Self::Er => 1,
            Self::OnlineEwc | Self::Ewc | Self::Lwf => 0,
        }
    }
}

/// What a base's own terms are multiplied by; each base reads its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Strength {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) lambda: f64,
}

/// What a base does with the gradients that refresh would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Equal {
    /// More epochs.
    Epochs,
    /// More examples of the memory a step.
    Replay,
}

/// The sizes that all arms share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) residual: bool,
    /// Examples that the memory holds.
    pub(super) memory: usize,
    pub(super) rate: f64,
    pub(super) batch: usize,
    pub(super) epochs: usize,
    /// Examples of a task of which Fisher information is taken.
    pub(super) examples: usize,
}

impl Size {
    pub(super) fn of(context: &Context) -> Self {
        let usual = Self {
            residual: false,
            memory: 50,
            rate: 0.05,
            batch: 16,
            epochs: 10,
            examples: 128,
        };
        match (context.full, context.small) {
            (true, _) => Self {
                residual: true,
                memory: 500,
                rate: 0.03,
                batch: 32,
                epochs: 50,
                examples: 1024,
            },
            (_, true) => Self {
                epochs: 2,
                examples: 8,
                ..usual
            },
            _ => usual,
        }
    }
}

/// How one run goes.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) base: Base,
    pub(super) strength: Strength,
    pub(super) epochs: usize,
    /// Examples of each draw from the memory.
    pub(super) replay: usize,
    pub(super) refresh: Option<RefreshConfig>,
    /// Whether held-out gradients and the steps of unlearning are looked at.
    pub(super) looks: bool,
}

impl Plan {
    pub(super) fn plain(base: Base, strength: Strength, size: Size) -> Self {
        Self {
            base,
            strength,
            epochs: size.epochs,
            replay: size.batch,
            refresh: None,
            looks: false,
        }
    }

    /// As many gradients of single examples as with refresh, or a few more: a gradient on the batch comes to one on the batch and the
    /// draws.
    pub(super) fn equal(self, equal: Equal, size: Size) -> Self {
        let draws = self.base.draws();
        match equal {
            Equal::Replay if draws > 0 => Self {
                replay: self.replay + size.batch.div_ceil(draws),
                ..self
            },
            _ => Self {
                epochs: (self.epochs * (draws + 2)).div_ceil(draws + 1),
                ..self
            },
        }
    }

    pub(super) fn refreshed(self, config: RefreshConfig) -> Self {
        Self {
            refresh: Some(config),
            ..self
        }
    }

    fn looked_at(self) -> Self {
        Self {
            looks: true,
            ..self
        }
    }

    /// Gradients of single examples in a step.
    pub(super) fn examples(&self, batch: usize) -> usize {
        batch * (1 + usize::from(self.refresh.is_some())) + self.replay * self.base.draws()
    }
}

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
        assert_eq!(matched(3_000, size), 3e-4);
    }
}
