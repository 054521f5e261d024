//! Absurd settings of verifiers and rewards.

use regimen_rl_rewards::reward::{AnyScorer, Overlong, PerToken, Response, Reward};
use regimen_rl_rewards::verify::{
    AnyVerifier, Choice, Countdown, CountdownForm, Extract, Gsm8k, Instructions, Json, MathAnswer,
    MathFlex, NumberRule, Reason, Sudoku, Tags, TextForm, TextMatch, TokenF1, Verdict, Verifier,
    math_equal,
};
use regimen_rl_rewards::{Result, RlRewardsError};
use regimen_schedules::Constant;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

const TEXTS: [&str; 8] = [
    "",
    " ",
    "7",
    "\0",
    "\\boxed{",
    "é<answer>",
    "[1,2",
    "3 5 7 = 22",
];

fn used(verifier: impl Into<AnyVerifier>) -> Result<()> {
    let verifier = verifier.into();
    for response in TEXTS {
        for reference in TEXTS {
            let score = verifier.verify(response, reference).score;
            assert!((0.0..=1.0).contains(&score));
        }
    }
    Ok(())
}

fn scored(reward: &Reward) -> Result<()> {
    for n in COUNTS {
        let responses = [Response::new("7", n), Response::cut_off("", n)];
        for step in [0, n] {
            let scored = reward.score_at(step, &responses, &["7", ""])?;
            assert!(scored.iter().all(|scored| scored.score.is_finite()));
        }
    }
    Ok(())
}

#[test]
fn verifiers() {
    let mut h = Hostile::new("rl-rewards verifiers");
    for options in 0..=u8::MAX {
        h.input(format_args!("Choice::new {options}"), || {
            Choice::new(options).and_then(used)
        });
    }
    for a in NUMBERS {
        h.input(format_args!("TextMatch::fuzzy {a}"), || {
            let fuzzy = TextMatch::fuzzy(a)?;
            used(fuzzy.with_form(TextForm::Trimmed))?;
            used(fuzzy.with_place(Extract::Hashes))
        });
        h.input(format_args!("Countdown {a}"), || {
            let steps = Countdown::new(CountdownForm::Steps);
            used(steps.with_score_for_form(a)?)
        });
    }
    for text in TEXTS {
        h.input(format_args!("Tags::new {text}"), || {
            used(Tags::new(&[text])?.with_text_around(true))
        });
        h.input(format_args!("Tags::new {text} twice"), || {
            Tags::new(&[text; 2]).and_then(used)
        });
    }
    h.input("Tags::new of none", || Tags::new(&[]).and_then(used));
    let many: Vec<String> = (0..99).map(|n| format!("tag{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    h.input("Tags::new of many", || Tags::new(&many).and_then(used));
    h.input("without bad settings", || {
        used(MathAnswer::at(&[]))?;
        used(MathAnswer::at(&[Extract::Whole; 99]))?;
        used(MathFlex::new())?;
        used(Gsm8k::new(NumberRule::Release))?;
        used(TokenF1::at(Extract::LastNumber))?;
        used(Json::new(false))?;
        used(Sudoku::new())?;
        used(Instructions::all())?;
        used(TextMatch::exact())?;
        used(Tags::think_then_answer())
    });
    for (a, b) in TEXTS.iter().flat_map(|a| TEXTS.map(|b| (*a, b))) {
        h.input(format_args!("math_equal {a} {b}"), || {
            math_equal(a, b).map_err(|reason| reason.to_string())
        });
    }
    for n in COUNTS {
        h.input(format_args!("Verdict::share {n}"), || {
            let verdicts = [Verdict::share(n, 3), Verdict::share(3, n)];
            let bounded = |verdict: &Verdict| (0.0..=1.0).contains(&verdict.score);
            assert!(verdicts.iter().all(bounded));
            assert!(Verdict::of(true, Reason::Different).is_right() && Verdict::right().is_right());
            assert!(!Verdict::of(false, Reason::Long).is_right());
            assert!(!Verdict::wrong(Reason::Long).is_right());
            assert!(Verdict::graded(n as f64, Reason::Alike).is_right() == (n > 0));
            Ok::<_, RlRewardsError>(())
        });
    }
    h.finish();
}

#[test]
fn rewards() {
    let mut h = Hostile::new("rl-rewards rewards");
    let one = || Reward::new().with(Gsm8k::default(), 1.0);
    for a in NUMBERS {
        h.input(format_args!("weight {a}"), || {
            scored(&one()?.with(Json::default(), a)?)
        });
        h.input(format_args!("weights {a}"), || {
            let weight = Constant::new(a).unwrap_or(Constant::ONE);
            let reward = one()?.annealed(AnyScorer::from(Json::default()), weight)?;
            scored(&reward.with(Gsm8k::default(), a)?)
        });
        h.input(format_args!("closed {a}"), || {
            scored(&one()?.gated_by(Sudoku::new())?.with_closed(a)?)
        });
        h.input(format_args!("unfinished {a}"), || {
            scored(&one()?.with_unfinished(a)?)
        });
        h.input(format_args!("PerToken {a}"), || {
            let length = PerToken::new(a)?.with_free(3).with_most(a)?;
            scored(&one()?.with(length, 1.0)?)
        });
        h.input(format_args!("floor {a}"), || {
            scored(&one()?.with(Overlong::new(1, 2)?.with_floor(a)?, 1.0)?)
        });
        for b in NUMBERS {
            h.input(format_args!("bounds {a} {b}"), || {
                scored(&one()?.clipped(a, b)?)
            });
        }
    }
    for (a, b) in COUNTS.iter().flat_map(|a| COUNTS.map(|b| (*a, b))) {
        h.input(format_args!("Overlong {a} {b}"), || {
            scored(&one()?.with(Overlong::new(a, b)?, 1.0)?)
        });
    }
    h.input("no references", || {
        one()?.score(&[Response::new("7", 1)], &[""; 0]).map(drop)
    });
    h.input("nothing", || {
        Reward::<AnyScorer>::of_own().score(&[], &[""; 0]).map(drop)
    });
    h.finish();
}
