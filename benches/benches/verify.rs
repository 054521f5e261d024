//! Checks of answers: mathematical equality of the pairs on which math-verify was asked too, and finding an answer in a response.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use regimen_rl_rewards::verify::{Extract, MathAnswer, Verifier, math_equal};

const PAIRS: [(&str, &str); 16] = [
    ("58752.00", "58,752"),
    (r"\frac{60}{78}", r"\dfrac{10}{13}"),
    (r"1\frac{1}{2}", r"\frac{3}{2}"),
    ("-12.50", "-12.5"),
    (r"4.1 \times 10^{4}", "41000"),
    (r"37\%", "0.37"),
    (r"120\text{ cm}", "120"),
    (r"3\sqrt{5}", r"\sqrt{45}"),
    (r"\frac{7\pi}{12}", r"\frac{7}{12}\pi"),
    ("(x+3)(x-5)", "x^2-2x-15"),
    (r"\log_{2} 8", "3"),
    ("3, 7, 11", r"\{11,3,7\}"),
    (r"(1, \frac{2}{3})", r"\left(1, \dfrac{2}{3}\right)"),
    (r"(-\infty, 4]", r"\left(-\infty,4\right]"),
    ("x=5", "5"),
    ("7", "8"),
];

pub(crate) fn checks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(PAIRS.len() as u64));
    group.bench_function("math_equal, 16 pairs", |bencher| {
        bencher.iter(|| {
            for (a, b) in PAIRS {
                let _ = black_box(math_equal(black_box(a), black_box(b)));
            }
        });
    });
    let step =
        "Then we add both sides and divide by 12, which leaves $x + 3 = 15$ for the next step.\n";
    let responses =
        PAIRS.map(|(a, _)| format!("{}Hence the answer is $\\boxed{{{a}}}$.", step.repeat(12)));
    group.bench_function("extraction, 16 responses of 1,100 bytes", |bencher| {
        bencher.iter(|| {
            for response in &responses {
                black_box(Extract::first(&Extract::USUAL, black_box(response)));
            }
        });
    });
    let verifier = MathAnswer::default();
    group.bench_function("MathAnswer, 16 responses of 1,100 bytes", |bencher| {
        bencher.iter(|| {
            for (response, (_, reference)) in responses.iter().zip(PAIRS) {
                black_box(verifier.verify(black_box(response), reference));
            }
        });
    });
    group.finish();
}
