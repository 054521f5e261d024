//! The choice of settings on seeds 1000 to 1002, which count nowhere else.
//!
//! `TUNE=" " cargo test --release -p regimen-examples --lib -- --nocapture unified_continual_refresh::tune` prints a row a setting; with
//! `TUNE="clothing ER"` those alone. First the base's own strength is chosen, by its class-incremental accuracy in the mean over the seeds;
//! then, with that strength, `delta`, `gamma`, and what the base does with as many gradients. Online EWC chooses its strength again for
//! its arms with equal gradients and with refresh. The page has the table.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use regimen_tensor::stats::{mean, standard_error};

use super::arms::{code, paper};
use super::choices::DELTAS;
use super::plan::{Base, Equal, Plan, Size, Strength};
use super::run::{Found, run};
use crate::continual::bed::tasks;
use crate::data::Images;
use crate::experiment::Context;

const SEEDS: [u64; 3] = [1000, 1001, 1002];
const SHARES: [f64; 3] = [0.05, 0.1, 0.2];

/// The strengths of a base that are tried.
fn strengths(base: Base) -> Vec<Strength> {
    let none = Strength {
        alpha: 0.0,
        beta: 0.0,
        lambda: 0.0,
    };
    match base {
        Base::DerPlusPlus => [0.3, 1.0, 3.0]
            .into_iter()
            .flat_map(|alpha| {
                [0.5, 1.0, 2.0].map(|beta| Strength {
                    alpha,
                    beta,
                    ..none
                })
            })
            .collect(),
        Base::Er => [1.0, 2.0, 4.0, 8.0]
            .map(|beta| Strength { beta, ..none })
            .into(),
        _ => [100.0, 300.0, 1000.0, 3000.0, 10_000.0]
            .map(|lambda| Strength { lambda, ..none })
            .into(),
    }
}

struct Bench {
    set: &'static str,
    images: Images,
    context: Context,
}

impl Bench {
    /// Mean accuracy over the seeds; NaN if one failed.
    fn try_out(&self, base: Base, what: &str, plan: &Plan) -> f64 {
        let size = Size::of(&self.context);
        let of_seed = |seed| {
            let parts = tasks(&self.images, seed).unwrap();
            run(plan, size, &parts, seed, &self.context.device).ok()
        };
        let found: Option<Vec<Found>> = SEEDS.into_iter().map(of_seed).collect();
        let Some(found) = found else {
            println!("{} | {} | {what} | failed", self.set, base.name());
            return f64::NAN;
        };
        let of = |value: fn(&Found) -> f64| found.iter().map(value).collect::<Vec<_>>();
        let accuracy = of(|found| found.accuracy);
        println!(
            "{} | {} | {what} | {:.2} ± {:.2} | {:.1} | {:.2}",
            self.set,
            base.name(),
            mean(&accuracy),
            standard_error(&accuracy),
            mean(&of(|found| found.forgetting)),
            mean(&of(|found| found.seconds)),
        );
        mean(&accuracy)
    }

    /// The best of some plans, by name.
    fn best(&self, base: Base, plans: Vec<(String, Plan)>) -> Plan {
        let tried = plans.into_iter().map(|(what, plan)| {
            let accuracy = self.try_out(base, &what, &plan);
            (accuracy, what, plan)
        });
        let best = tried
            .filter(|(accuracy, ..)| !accuracy.is_nan())
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let (_, what, plan) = best.unwrap();
        println!("{} | {} | chosen: {what}", self.set, base.name());
        plan
    }

    /// A plan with each strength of its base. Replay keeps its own, which matters little there.
    fn with_strengths(&self, what: &str, plan: &Plan) -> Vec<(String, Plan)> {
        let strengths = strengths(plan.base).into_iter();
        let named = strengths.map(|strength| {
            let Strength {
                alpha,
                beta,
                lambda,
            } = strength;
            let name = format!("{what}, alpha {alpha}, beta {beta}, lambda {lambda}");
            let plan = Plan {
                strength,
                ..plan.clone()
            };
            (name, plan)
        });
        named.collect()
    }

    /// Chooses the settings of a base; the plain plan.
    fn tune(&self, base: Base) -> Plan {
        let size = Size::of(&self.context);
        let first = Plan::plain(base, strengths(base)[0], size);
        let plain = self.best(base, self.with_strengths("plain", &first));
        let equal = |equal: Equal| {
            let plan = plain.clone().equal(equal, size);
            (format!("equal gradients: {equal:?}"), plan)
        };
        let deltas = DELTAS.map(|delta| {
            let plan = plain.clone().refreshed(code(delta));
            (format!("delta {delta:e}"), plan)
        });
        let shares = SHARES.map(|share| {
            let plan = plain.clone().refreshed(paper(share, size));
            (format!("gamma / eta {share}"), plan)
        });
        let delta = self.best(base, deltas.into());
        self.best(base, shares.into());
        if base.draws() > 0 {
            self.best(base, vec![equal(Equal::Epochs), equal(Equal::Replay)]);
            return plain;
        }
        // What else is trained changes the Fisher information, and so the strength that is best.
        let (what, plan) = equal(Equal::Epochs);
        self.best(base, self.with_strengths(&what, &plan));
        self.best(base, self.with_strengths("refresh", &delta));
        plain
    }
}

/// Small and around ER alone, unless `TUNE` says which are to be chosen; `TUNE=" "` is all of them.
#[test]
fn settings_are_chosen_on_the_tuning_seeds() {
    let wanted = std::env::var("TUNE");
    let mut context = Context::new(SEEDS[0]);
    context.small = wanted.is_err();
    for set in context.image_sets().unwrap() {
        let mut bench = Bench {
            set: set.name,
            images: set.images,
            context: context.clone(),
        };
        let Ok(wanted) = &wanted else {
            bench.images = bench.images.at_most(200);
            let chosen = bench.tune(Base::Er);
            assert!(strengths(Base::Er).contains(&chosen.strength));
            continue;
        };
        for base in Base::DECIDING {
            if format!("{} {}", bench.set, base.name()).contains(wanted) {
                bench.tune(base);
            }
        }
    }
}
