//! Absurd settings of guided responses.

use burn::tensor::Device;
use regimen_rl_rewards::policy::{Rollouts, SamplePolicy, generate};
use regimen_rl_rewards::{Guidance, Placement, Reformulation, Result};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

use crate::policy::{Sums, decoding};

pub(crate) struct Model;

impl SamplePolicy for Model {
    fn sample(&self, prompts: &[Vec<u32>], samples: usize, seed: u64) -> Result<Rollouts> {
        generate(&Sums, prompts, samples, &decoding(3), seed, &Device::flex())
    }
}

/// Groups with and without a success; guidance for the first prompt alone is no prompt where `bad`.
pub(crate) fn used(recipe: Reformulation, reward: f64, bad: bool) -> Result<()> {
    let rollouts = Model.sample(&[vec![1], vec![2], vec![3]], 3, 1)?;
    let rewards = vec![0.0, 1.0, 0.0, reward, reward, reward, 0.0, 0.0, 0.0];
    let guide = |prompt: usize| (prompt != 2).then(|| if bad { vec![] } else { vec![4, 4] });
    let mixed = recipe.rescue(rollouts, rewards, guide, &Model, 9, |_, _| Ok(reward))?;
    assert_eq!(mixed.rewards().len(), mixed.rollouts().len());
    assert_eq!(mixed.guided().len(), mixed.rollouts().len());
    mixed.groups().map(drop)
}

#[test]
fn guided_responses() {
    let mut h = Hostile::new("rl-rewards reformulation");
    for a in NUMBERS {
        for b in NUMBERS {
            h.input(format_args!("share {a}, failure {b}"), || {
                let recipe = Reformulation::default().with_share(a)?.with_failure(b)?;
                used(recipe, b, false)?;
                used(recipe.with_placement(Placement::Add), b, false)
            });
        }
        h.input(
            format_args!("rewards of {a}, guidance without a token"),
            || used(Reformulation::default(), a, true),
        );
    }
    for n in COUNTS {
        h.input(format_args!("a group of {n}"), || {
            for placement in [Placement::Add, Placement::Replace] {
                let recipe = Reformulation::default().with_placement(placement);
                assert!(recipe.guided(n) <= n);
            }
            Ok::<_, String>(())
        });
    }
    h.input("no rollouts", || {
        let none = Rollouts::default();
        let recipe = Reformulation::default();
        let mixed = recipe.rescue(none, vec![], |_| None, &Model, 0, |_, _| Ok(0.0))?;
        mixed.groups()
    });
    let long = "x".repeat(1 << 16);
    h.input("a long question", || {
        assert!(Guidance::SolutionAndAnswer.prompt(&long, "", &long).len() > 1 << 17);
        Ok::<_, String>(())
    });
    h.finish();
}
