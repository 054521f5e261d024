//! What holds of every verifier on any text: a score from 0 to 1, no panic, and of equality that it is symmetric and reflexive.
//!
//! Shared by the fuzz targets and the tests.

use regimen_rl_rewards::reward::{Overlong, Response, Reward};
use regimen_rl_rewards::tasks::{
    ListPuzzle, OperatorPuzzle, SelfReferencePuzzle, Solves, ZebraPuzzle,
};
use regimen_rl_rewards::verify::{
    AnyVerifier, Choice, Constraint, Countdown, CountdownForm, Extract, Gsm8k, Instructions, Json,
    MathAnswer, MathFlex, NumberRule, Sudoku, Tags, TextForm, TextMatch, TokenF1, Verifier,
    hendrycks_equal, hendrycks_normalize, last_number, math_equal, minerva_normalize,
    squad_normalize,
};

/// A target: its name, and what must hold of two texts.
pub(crate) type Target = (&'static str, fn(&str, &str));

/// All targets.
pub(crate) const TARGETS: [Target; 15] = [
    ("math_equal", equality),
    ("normalize", normalize),
    ("extract", extract),
    ("math_answer", |a, b| {
        judged(MathAnswer::default().into(), a, b)
    }),
    ("math_flex", |a, b| judged(MathFlex::new().into(), a, b)),
    ("gsm8k", |a, b| {
        judged(Gsm8k::default().into(), a, b);
        judged(Gsm8k::new(NumberRule::Release).into(), a, b);
    }),
    ("choice", |a, b| {
        if let Ok(choice) = Choice::new(5) {
            judged(choice.into(), a, b);
            judged(choice.into(), a, "C");
        }
    }),
    ("text_match", text_match),
    ("token_f1", |a, b| {
        judged(TokenF1::default().into(), a, b);
        let score = |a: &str, b: &str| TokenF1::default().verify(a, b).score;
        assert_eq!(score(a, b), score(b, a));
    }),
    ("tags", |a, b| {
        judged(Tags::think_then_answer().into(), a, b)
    }),
    ("json", |a, b| judged(Json::default().into(), a, b)),
    ("instructions", instructions),
    ("puzzles", puzzles),
    ("countdown", |a, b| {
        for form in [CountdownForm::Expression, CountdownForm::Steps] {
            judged(Countdown::new(form).into(), a, b);
            judged(Countdown::new(form).into(), a, "3 5 7 = 22");
        }
    }),
    ("sudoku_and_reward", |a, b| {
        judged(Sudoku::new().into(), a, b);
        judged(Sudoku::new().into(), a, "1... ..1. ...3 .3..");
        reward(a, b);
    }),
];

fn judged(verifier: AnyVerifier, response: &str, reference: &str) {
    let verdict = verifier.verify(response, reference);
    assert!((0.0..=1.0).contains(&verdict.score), "{verdict}");
    assert!(!verdict.to_string().is_empty());
}

fn equality(a: &str, b: &str) {
    assert_eq!(
        math_equal(a, b).is_ok(),
        math_equal(b, a).is_ok(),
        "{a:?} {b:?}"
    );
    for text in [a, b] {
        let own = math_equal(text, text);
        let empty = own == Err(regimen_rl_rewards::verify::Reason::NoAnswer);
        assert!(own.is_ok() || empty, "{text:?} {own:?}");
    }
}

fn normalize(a: &str, b: &str) {
    let _ = minerva_normalize(a);
    let _ = hendrycks_normalize(a);
    assert_eq!(hendrycks_equal(a, b), hendrycks_equal(b, a));
    assert!(hendrycks_equal(a, a));
    assert_eq!(squad_normalize(&squad_normalize(a)), squad_normalize(a));
    for rule in [NumberRule::Release, NumberRule::Signed] {
        assert!(last_number(a, rule).len() <= a.len());
    }
}

fn extract(a: &str, _: &str) {
    for place in Extract::USUAL.into_iter().chain([Extract::Whole]) {
        if let Some(found) = place.find(a) {
            assert!(!found.is_empty() && found.len() <= a.len());
        }
    }
}

fn text_match(a: &str, b: &str) {
    judged(TextMatch::exact().into(), a, b);
    if let Ok(fuzzy) = TextMatch::fuzzy(0.5) {
        judged(fuzzy.into(), a, b);
        judged(fuzzy.with_form(TextForm::Trimmed).into(), a, b);
    }
}

/// The second text as a reference, and the first judged by each constraint.
fn instructions(a: &str, b: &str) {
    judged(Instructions::default().into(), a, b);
    let words = || b.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let constraints = [
        Constraint::Keywords {
            keyword_list: words(),
        },
        Constraint::KeywordFrequency {
            word: b.to_owned(),
            n: 1,
        },
        Constraint::Sections {
            n: 2,
            section_splitter: b.to_owned(),
        },
        Constraint::Postscript {
            postscript_marker: b.to_owned(),
        },
        Constraint::FirstWord {
            n: 2,
            first_word: b.to_owned(),
            i: a.len(),
        },
        Constraint::Language {
            language: "en".to_owned(),
        },
        Constraint::RepeatPrompt {
            original_prompt: b.to_owned(),
        },
        Constraint::Paragraphs { n: 1 },
        Constraint::Placeholders { n: 1 },
        Constraint::Highlights { n: 1 },
        Constraint::Title,
        Constraint::TwoResponses,
        Constraint::Uppercase,
        Constraint::Lowercase,
        Constraint::Quotation,
        Constraint::Json,
    ];
    let verdict = Instructions::default().judge(a, &constraints);
    assert!((0.0..=1.0).contains(&verdict.score), "{verdict}");
}

fn reward(a: &str, b: &str) {
    let made = || {
        let overlong = Overlong::new(4, 9)?;
        let reward = Reward::new().with(MathAnswer::default(), 1.0)?;
        reward.with(overlong, 0.5)?.clipped(-2.0, 1.0)
    };
    if let Ok(reward) = made() {
        let scored = reward.score(&[Response::new(a, a.len())], &[b]);
        assert!(scored.is_ok_and(|scored| scored[0].score.is_finite()));
    }
}

/// An answer to a puzzle of a fixed kind, and one to whatever the reference is.
fn puzzles(response: &str, reference: &str) {
    let score = |verifier: &dyn Verifier, reference: &str| {
        let score = verifier.verify(response, reference).score;
        assert!(score == 0.0 || score == 1.0);
    };
    let (lists, operators) = (
        Solves::<ListPuzzle>::default(),
        Solves::<OperatorPuzzle>::default(),
    );
    let (houses, statements) = (
        Solves::<ZebraPuzzle>::default(),
        Solves::<SelfReferencePuzzle>::default(),
    );
    let verifiers: [(&dyn Verifier, &str); 4] = [
        (
            &lists,
            r#"{"examples":[{"from":[3,1,2],"to":[1,2]}],"length":3}"#,
        ),
        (&operators, r#"{"numbers":[3,5,2],"target":13}"#),
        (
            &houses,
            r#"{"houses":2,"kinds":1,"clues":[{"at":[{"kind":0,"which":0},1]}]}"#,
        ),
        (
            &statements,
            r#"{"statements":[{"is_false":2},{"exactly":1}]}"#,
        ),
    ];
    for (verifier, fixed) in verifiers {
        score(verifier, fixed);
        score(verifier, reference);
    }
}
