//! Damaged settings of verifiers and rewards.

use regimen_rl_rewards::reward::{
    AnyLength, AnyScorer, Overlong, PerToken, Response, Reward, Scorer,
};
use regimen_rl_rewards::verify::{
    AnyVerifier, Choice, Constraint, Countdown, CountdownForm, Extract, Gsm8k, Instructions, Json,
    MathAnswer, MathFlex, NumberRule, Quantifier, Sudoku, Tags, TextForm, TextMatch, TokenF1,
    Verifier,
};
use regimen_schedules::Linear;
use regimen_tensor::testing::Hostile;
use serde::de::DeserializeOwned;

use super::{State, read, state};

/// Reads a verifier and uses it.
fn judged<V: DeserializeOwned + Verifier>(text: &str) -> Result<(), String> {
    let verifier = read::<V>(text)?;
    for response in [
        "",
        "7",
        "<think>a</think><answer>B</answer>",
        "{\"a\": 1}",
        "3*5+7",
    ] {
        for reference in ["", "7", "B", "3 5 7 = 22"] {
            assert!((0.0..=1.0).contains(&verifier.verify(response, reference).score));
        }
    }
    Ok(())
}

/// Reads a part of a reward and uses it.
fn scored<S: DeserializeOwned + Scorer>(text: &str) -> Result<(), String> {
    let scorer = read::<S>(text)?;
    for tokens in [0, 1, 20, usize::MAX] {
        let verdict = scorer.score(&Response::new("7", tokens), "7");
        assert!(!verdict.score.is_nan());
    }
    Ok(())
}

fn rewarded(text: &str) -> Result<(), String> {
    let reward = read::<Reward>(text)?;
    for step in [0, 7, usize::MAX] {
        let responses = [Response::new("7", 9), Response::cut_off("", 0)];
        let scored = reward.score_at(step, &responses, &["7", "8"]);
        let scored = scored.map_err(|error| error.to_string())?;
        assert!(scored.iter().all(|scored| scored.score.is_finite()));
    }
    Ok(())
}

fn all() -> Vec<State> {
    let choice = Choice::new(4).unwrap();
    let fuzzy = TextMatch::fuzzy(0.5).unwrap();
    let countdown = Countdown::new(CountdownForm::Steps);
    let countdown = countdown.with_score_for_form(0.1).unwrap();
    let overlong = Overlong::new(8, 16).unwrap().with_floor(-1.0).unwrap();
    let length = PerToken::new(0.5).unwrap().with_free(3);
    let reward = Reward::new().with(MathAnswer::default(), 1.0).unwrap();
    let reward = reward.annealed(Json::default(), Linear::new(1.0, 9).unwrap());
    let reward = reward.unwrap().with(overlong, 0.5).unwrap();
    let reward = reward.gated_by(Tags::think_then_answer()).unwrap();
    let reward = reward.with_closed(-1.0).unwrap().with_unfinished(-10.0);
    let reward = reward.unwrap().clipped(-2.0, 2.0).unwrap();
    let words = Constraint::Words {
        n: 3,
        quantifier: Quantifier::Around,
    };
    let sections = Constraint::Sections {
        n: 2,
        section_splitter: "Part".into(),
    };
    let constraint = |text: &str| {
        let constraint = read::<Constraint>(text)?;
        let _ = constraint.is_met("Part 1, Part 2");
        let _ = constraint.is_met("");
        Ok(())
    };
    vec![
        state("MathAnswer", &MathAnswer::default(), judged::<MathAnswer>),
        state("MathFlex", &MathFlex::new(), judged::<MathFlex>),
        state("Gsm8k", &Gsm8k::default(), judged::<Gsm8k>),
        state("Choice", &choice, judged::<Choice>),
        state("TextMatch", &fuzzy, judged::<TextMatch>),
        state("TokenF1", &TokenF1::default(), judged::<TokenF1>),
        state("Tags", &Tags::think_then_answer(), judged::<Tags>),
        state("Json", &Json::default(), judged::<Json>),
        state("Instructions", &Instructions::all(), judged::<Instructions>),
        state("Countdown", &countdown, judged::<Countdown>),
        state("Sudoku", &Sudoku::new(), judged::<Sudoku>),
        state(
            "AnyVerifier",
            &AnyVerifier::from(choice),
            judged::<AnyVerifier>,
        ),
        state("AnyScorer", &AnyScorer::from(choice), scored::<AnyScorer>),
        state(
            "AnyLength",
            &AnyLength::Overlong(overlong),
            scored::<AnyLength>,
        ),
        state("Overlong", &overlong, scored::<Overlong>),
        state("PerToken", &length, scored::<PerToken>),
        state("Reward", &reward, rewarded),
        state("Constraint of words", &words, constraint),
        state("Constraint of sections", &sections, constraint),
        state("CountdownForm", &CountdownForm::Steps, |text| {
            judged::<Countdown>(&format!("{{\"form\":{text},\"for_form\":0.0}}"))
        }),
        state("Extract", &Extract::Boxed, |text| {
            judged::<TokenF1>(&format!("{{\"place\":{text}}}"))
        }),
        state("NumberRule", &NumberRule::Signed, |text| {
            judged::<Gsm8k>(&format!("{{\"rule\":{text}}}"))
        }),
        state("TextForm", &TextForm::Squad, |text| {
            read::<TextForm>(text).map(drop)
        }),
        state("Quantifier", &Quantifier::AtMost, |text| {
            read::<Quantifier>(text).map(drop)
        }),
    ]
}

#[test]
fn damaged_verifiers_and_rewards_are_refused_or_serve() {
    let mut hostile = Hostile::new("rl-rewards verifier states");
    for State { name, sample, read } in all() {
        hostile.state(name, &sample, read);
    }
    hostile.finish();
}
