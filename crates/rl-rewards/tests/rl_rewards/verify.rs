//! Verifiers: agreement with math-verify, and what holds on any text.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use regimen_rl_rewards::verify::{MathAnswer, Verifier, math_equal};

#[path = "../../fuzz/invariants.rs"]
mod invariants;

use invariants::TARGETS;

/// The fields of a line of CSV.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(letter),
        }
    }
    fields
}

/// 500 pairs of `golden/verify.py`, which math-verify 0.9.0 compared in both orders.
///
/// The pairs on which it differs, all of them listed here, are those of scientific notation whose mantissa is no binary fraction: it
/// multiplies floats, and 9.3 times 10^5 is 930000.0000000001 to it. Both are equal here, as their values are.
#[test]
fn it_agrees_with_math_verify() {
    let text = include_str!("../../golden/verify_math.csv");
    let (header, rows) = text.split_once('\n').unwrap();
    assert!(header.contains("math-verify 0.9.0"));
    let (mut count, mut wrong, mut others) = (0, String::new(), Vec::new());
    for row in rows.lines() {
        let row = fields(row);
        let [kind, a, b, same, forth, back] = &row[..] else {
            panic!("{row:?}");
        };
        count += 1;
        for (a, b) in [(a, b), (b, a)] {
            let found = math_equal(a, b);
            if found.is_ok() != (same == "1") {
                writeln!(wrong, "{kind}: {a} | {b}: {found:?}").unwrap();
            }
        }
        if forth != same || back != same {
            others.push((a.clone(), b.clone()));
        }
    }
    assert_eq!(wrong, "");
    let explained = [
        (r"9.3 \times 10^{5}", "930000"),
        (r"1.1 \times 10^{2}", "110"),
    ];
    let explained = explained.map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!((count, others), (500, explained.to_vec()));
}

/// Texts that break checkers.
fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "\0",
        "$",
        "$$",
        "\\",
        "\\\\",
        "{",
        "}",
        "^",
        "_",
        "|",
        ",",
        "=",
        "<",
        "-",
        "+",
        ".",
        "#",
        "####",
        "9^9^9^9",
        "2^{2^{2^{2^{2^2}}}}",
        "10^{-99999}",
        "1e308",
        "1e-400",
        "0/0",
        "1/0",
        "0^0",
        "0^{-1}",
        "(-1)^{1/2}",
        "400!",
        "400!!",
        "10^{10}!",
        r"\sqrt[0]{2}",
        r"\sqrt[99999]{2}",
        r"\log_1 2",
        r"\log_0 0",
        r"\ln 0",
        r"\tan{\frac{\pi}{2}}",
        r"\binom{400}{200}",
        r"\binom{3}{-1}",
        r"\boxed",
        r"\boxed{",
        r"\boxed}",
        r"\boxed \boxed{\boxed{",
        r"\frac",
        r"\frac1",
        r"\frac{1}",
        r"\text{",
        r"\text{\text{a}}",
        r"\begin{pmatrix}",
        r"\end{pmatrix}",
        r"\begin{pmatrix}1&\\&2\end{pmatrix}",
        r"\begin{x}",
        "(1,2",
        "1,2)",
        "[1,2}",
        r"\{1,2",
        "{,}",
        ",,,,",
        "1,,2",
        "x_",
        "x_{",
        "x^",
        r"\pm",
        r"\pm\mp\pm 1",
        "1=2=3=4",
        "x<y<z<x",
        "∞",
        "-∞",
        "∞-∞",
        "½",
        "٣",
        "١٢",
        "שלום 5 עולם",
        "\u{202e}5+5\u{202c}",
        "e\u{301}",
        "👩‍👩‍👧",
        "ﬁ",
        "ß",
        "İ",
        "\u{feff}7",
        "<think>",
        "</think>",
        "<answer>",
        "</answer><answer>",
        "Final Answer: The final answer is",
        "the answer is",
        "answer:",
        "[[[",
        "{\"a\":",
        "\"\\ud800\"",
        "[1,2] 3",
        "1... ..3. ...1 .2..",
        "3 5 7 = 22",
        "((((1))))",
        "1+",
        "*1",
        "1**2",
        "1//2",
        "-",
        "--1",
        "A or B",
        "(A)(B)",
        "A a A",
        "a\u{0}b",
        "\u{fffd}\u{fffd}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push(String::from_utf8_lossy(b"\xed\xa0\x80 \xff\xfe 5").into_owned());
    for (piece, times) in [
        ("(", 1_000_000),
        (")", 50_000),
        ("{", 15_000),
        ("[", 15_000),
        ("\\{", 10_000),
        (r"\frac{1", 5_000),
        (r"\frac{1}{", 5_000),
        (r"\sqrt{", 5_000),
        ("-", 50_000),
        ("9", 1_000_000),
        ("9^", 25_000),
        ("1,", 25_000),
        ("!", 50_000),
        ("$", 50_000),
        (r"\boxed{", 7_500),
        (r"\boxed ", 7_500),
        ("answer", 7_500),
        ("answer is ", 5_000),
        ("answer:**", 5_000),
        ("<answer>", 6_000),
        ("</answer>", 6_000),
        ("#", 50_000),
        ("*", 50_000),
        ("a ", 25_000),
        ("*1", 10_000),
        ("\n", 50_000),
        (" ", 50_000),
        ("1 ", 25_000),
        ("x", 50_000),
        ("é", 25_000),
        ("\\", 50_000),
        ("|", 50_000),
        ("\\text{", 7_500),
        ("Final Answer: The final answer is ", 1_500),
        (" I hope it is correct", 2_500),
        (". ", 25_000),
        ("[", 50_000),
        ("<<", 25_000),
        ("* * *", 10_000),
        ("</think>", 6_000),
        (".5", 25_000),
        ("1/", 25_000),
        ("<", 50_000),
        ("=", 50_000),
        ("x=", 25_000),
    ] {
        texts.push(piece.repeat(times));
    }
    // The same within the bounds on the length of an answer, where they are read.
    for piece in [
        "(",
        "|",
        "-",
        "9",
        "9^",
        "1,",
        "!",
        r"\frac{1}{",
        r"\sqrt{",
        "x^",
        "x+",
        "xy",
        "(x+1)",
        "_",
        "2^",
        "x=",
        "1/",
        "%",
        "a_1",
    ] {
        for length in [60, 1000, 4000] {
            let mut text = piece.repeat(length / piece.len());
            texts.push(text.clone());
            text.push('1');
            texts.push(text);
        }
    }
    for (open, close) in [
        ("(", ")"),
        ("{", "}"),
        (r"\{", r"\}"),
        ("[", ")"),
        ("|(", ")|"),
        (r"\sqrt{", "}"),
    ] {
        for depth in [10, 39, 41, 300] {
            texts.push(format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    let list: Vec<String> = (0..119).map(|n| format!("{n}.5")).collect();
    texts.push(list.join(","));
    texts.push(format!(
        r"\{{{}\}}",
        list.iter().rev().cloned().collect::<Vec<_>>().join(",")
    ));
    let powers: Vec<String> = (0..40).map(|n| format!("(x+{n})^{{90}}")).collect();
    texts.push(powers.join("+"));
    texts
}

/// Every verifier answers for every nasty text, beside a small one and beside itself, at once.
#[test]
fn nasty_texts_are_answered_at_once() {
    for text in nasty() {
        let shown: String = text.chars().take(40).collect();
        for (name, check) in TARGETS {
            let start = Instant::now();
            check(&text, "1");
            check(&text, &text);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(4), "{name} {shown}: {took:?}");
        }
    }
}

#[test]
fn nasty_pairs() {
    let texts: Vec<String> = nasty()
        .into_iter()
        .filter(|text| text.len() <= 48)
        .collect();
    for a in &texts {
        for b in &texts {
            for (_, check) in TARGETS {
                check(a, b);
            }
        }
    }
}

/// Pieces that make texts on which the readers go far.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "2",
        "10",
        "0.5",
        "1,234",
        "x",
        "y",
        "+",
        "-",
        "\\cdot ",
        "/",
        "^",
        "^{",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "\\{",
        "\\}",
        ",",
        "=",
        "<",
        "\\frac",
        "\\sqrt",
        "\\pi",
        "\\infty",
        "\\text{",
        "\\%",
        "%",
        "!",
        "|",
        "_",
        " ",
        "\\pm ",
        "\\cup ",
        "\\in ",
        "\\le ",
        "\\sin ",
        "\\log_",
        "\\boxed{",
        "$",
        "answer is ",
        "<answer>",
        "</answer>",
        "####",
        "\n",
        "A",
        "(B)",
        "cm",
        "e",
        "i",
        "**",
        ";",
        "* * *",
        "******",
        "P.S.",
        "é",
        "\\begin{matrix}",
        "\\end{matrix}",
        "&",
        "\\\\",
        "\\left",
        "\\right",
        "\\binom",
        "°",
        "and ",
        "1... ..1.",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_answered(a in "\\PC{0,60}", b in "\\PC{0,60}") {
        for (_, check) in TARGETS {
            check(&a, &b);
        }
    }

    #[test]
    fn texts_of_mathematics_are_answered(a in pieces(), b in pieces()) {
        for (_, check) in TARGETS {
            check(&a, &b);
        }
    }

    #[test]
    fn a_rational_in_all_its_forms(n in -9999_i64..9999, d in 1_i64..500, k in 1_i64..9) {
        let forms = [
            format!("{n}/{d}"),
            format!(r"\frac{{{n}}}{{{d}}}"),
            format!(r"\dfrac{{{}}}{{{}}}", n * k, d * k),
            format!(r"\frac{{{n}}}{{{d}}} \text{{ cm}}"),
            format!("x = {n}/{d}"),
            format!(r"{n} \cdot {d}^{{-1}}"),
            format!("({n} + {k})/{d} - {k}/{d}"),
        ];
        for a in &forms {
            for b in &forms {
                prop_assert!(math_equal(a, b).is_ok(), "{} {}", a, b);
            }
            let other = format!("{}/{d}", n + 1);
            prop_assert!(math_equal(a, &other).is_err(), "{} {}", a, other);
        }
        let response = format!("So we get $\\boxed{{{}}}$.", forms[1]);
        prop_assert!(MathAnswer::default().verify(&response, &forms[2]).is_right());
    }

    #[test]
    fn polynomials_of_the_same_roots(roots in prop::collection::vec(-9_i64..9, 1..5)) {
        let factored: String = roots.iter().map(|r| format!("(x - ({r}))")).collect();
        let mut coefficients = vec![1_i64];
        for root in &roots {
            let mut next = vec![0; coefficients.len() + 1];
            for (power, c) in coefficients.iter().enumerate() {
                next[power + 1] += c;
                next[power] -= c * root;
            }
            coefficients = next;
        }
        let terms = coefficients.iter().enumerate().map(|(power, c)| format!("({c})x^{{{power}}}"));
        let expanded = terms.collect::<Vec<_>>().join("+");
        prop_assert!(math_equal(&factored, &expanded).is_ok(), "{} {}", factored, expanded);
        let other = format!("{expanded}+1");
        prop_assert!(math_equal(&other, &factored).is_err());
    }

    #[test]
    fn sets_in_any_order(mut numbers in prop::collection::hash_set(-99_i64..99, 1..8)) {
        let list = |numbers: &[i64]| numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        let one: Vec<i64> = numbers.drain().collect();
        let other: Vec<i64> = one.iter().rev().copied().collect();
        let (a, b) = (format!(r"\{{{}\}}", list(&one)), list(&other));
        prop_assert!(math_equal(&a, &b).is_ok());
        let more = format!("{b}, 100");
        prop_assert!(math_equal(&a, &more).is_err());
    }
}
