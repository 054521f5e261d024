//! Absurd settings of preferences and absurd log-probabilities.

use burn::tensor::{Bool, Device, Tensor};
use regimen_rl_rewards::{
    Aot, ApoDown, ApoZero, Bco, BcoShift, Cpo, DiscoPop, Dpo, DpoLoss, Exo, FDivergence, Ipo, Kto,
    Marked, Nca, Orpo, Pairs, Preference, Result, Scored, SimPo, Sppo, alignment_weights,
};
use regimen_tensor::testing::{Hostile, NUMBERS};

fn scored(a: f64, b: f64) -> Result<Scored> {
    let device = Device::flex();
    Scored::new(
        Tensor::from_data([a, b], &device),
        Tensor::from_data([3.0, 0.0], &device),
    )
}

fn pairs(a: f64, b: f64) -> Result<Pairs> {
    Pairs::new(scored(a, b)?, scored(b, a)?)?
        .with_reference(scored(-1.0, -2.0)?, scored(-2.0, -1.0)?)
}

#[test]
fn preferences() {
    let mut h = Hostile::new("rl-rewards preferences");
    for (a, b) in NUMBERS
        .iter()
        .flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b)))
    {
        let all: [(&str, Result<Box<dyn Preference>>); 20] = [
            ("Dpo::new", Dpo::new(a).map(|p| Box::new(p) as _)),
            (
                "robust",
                Dpo::new(a)
                    .and_then(|p| p.with_loss(DpoLoss::Robust(b)))
                    .map(|p| Box::new(p) as _),
            ),
            (
                "smoothed",
                Dpo::new(a)
                    .and_then(|p| p.with_loss(DpoLoss::Smoothed(b)))
                    .map(|p| Box::new(p) as _),
            ),
            ("Ipo::of_sums", Ipo::of_sums(a).map(|p| Box::new(p) as _)),
            (
                "Ipo::of_averages",
                Ipo::of_averages(a).map(|p| Box::new(p) as _),
            ),
            ("SimPo::new", SimPo::new(a, b).map(|p| Box::new(p) as _)),
            (
                "SimPo shaped",
                SimPo::new(1.0, 0.5)
                    .and_then(|p| p.with_alpha(b))
                    .map(|p| Box::new(p) as _),
            ),
            (
                "Cpo identity",
                Cpo::new(a).map(|p| Box::new(p.with_identity()) as _),
            ),
            ("Orpo::new", Orpo::new(a).map(|p| Box::new(p) as _)),
            (
                "Cpo::new",
                Cpo::new(a)
                    .and_then(|p| p.with_alpha(b))
                    .map(|p| Box::new(p) as _),
            ),
            (
                "Cpo smoothed",
                Cpo::new(a)
                    .and_then(|p| p.with_smoothing(b))
                    .map(|p| Box::new(p) as _),
            ),
            (
                "Bco::new",
                Bco::new(a)
                    .and_then(|p| p.with_shift(b))
                    .map(|p| Box::new(p) as _),
            ),
            ("Nca::new", Nca::new(a).map(|p| Box::new(p) as _)),
            ("Sppo::new", Sppo::new(a).map(|p| Box::new(p) as _)),
            ("ApoZero::new", ApoZero::new(a).map(|p| Box::new(p) as _)),
            ("ApoDown::new", ApoDown::new(a).map(|p| Box::new(p) as _)),
            ("Exo::new", Exo::new(a, b).map(|p| Box::new(p) as _)),
            (
                "Aot::paired",
                Aot::paired(a)
                    .and_then(|p| p.with_smoothing(b))
                    .map(|p| Box::new(p) as _),
            ),
            ("Aot::unpaired", Aot::unpaired(a).map(|p| Box::new(p) as _)),
            (
                "DiscoPop::new",
                DiscoPop::new(a)
                    .and_then(|p| p.with_tau(b))
                    .map(|p| Box::new(p) as _),
            ),
        ];
        for (name, preference) in all {
            h.input(format_args!("{name} {a} {b}"), || {
                let preference = preference?;
                preference.loss(&pairs(-3.0, -4.0)?)?;
                preference.losses(&pairs(a, b)?)
            });
        }
        h.input(format_args!("FDivergence {a} {b}"), || {
            for divergence in [FDivergence::ForwardKl, FDivergence::JensenShannon] {
                Dpo::new(0.1)?.loss(&pairs(a, b)?.with_divergence(divergence)?)?;
            }
            let pairs = pairs(-1.0, b)?.with_divergence(FDivergence::Alpha(a))?;
            assert!(ApoZero::new(0.1)?.loss(&pairs).is_err());
            Dpo::new(0.1)?.loss(&pairs)
        });
        h.input(
            format_args!("Scored::of_pair, alignment_weights {a} {b}"),
            || {
                let device = Device::flex();
                let of = |value: f64| {
                    let log_probs = Tensor::<2>::full([2, 3], value, &device);
                    (log_probs, Tensor::<2>::ones([2, 3], &device).bool())
                };
                let (log_probs, mask) = of(a);
                let _ = alignment_weights(log_probs, of(b).0, mask)?;
                Scored::of_pair(of(a), of(b), b)
            },
        );
        h.input(format_args!("Kto::new {a} {b}"), || {
            let kto = Kto::new(a)?.with_weights(a, b)?;
            let good = Tensor::<1, Bool>::from_data([true, false], &Device::flex());
            let point = Kto::reference_point(&scored(a, b)?, &scored(b, a)?)?;
            kto.loss(&Marked::new(scored(a, b)?, scored(b, a)?, good)?, point)
        });
        h.input(format_args!("BcoShift::new {a} {b}"), || {
            let mut shift = BcoShift::new(a)?;
            assert!(shift.update(b)?.is_finite());
            Bco::new(0.1)?.with_shift(shift.value())
        });
    }
    let device = Device::flex();
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &device);
    for (log_probs, mask) in [([0, 3], [0, 3]), ([2, 0], [2, 0]), ([1, 2], [2, 1])] {
        h.input(format_args!("Scored::of {log_probs:?}"), || {
            Scored::of(zeros(log_probs), zeros(mask).bool())
        });
    }
    h.input("Scored::of_pair", || {
        let of = |rows: usize| (zeros([rows, 2]), zeros([rows, 2]).bool());
        Scored::of_pair(of(1), of(2), 0.5)
    });
    h.input("alignment_weights", || {
        alignment_weights(zeros([1, 2]), zeros([2, 2]), zeros([1, 2]).bool())
    });
    h.input("Scored::new", || {
        let none = || Tensor::<1>::zeros([0], &device);
        Scored::new(none(), none())
    });
    h.input("Pairs::new", || {
        Pairs::new(
            scored(1.0, 2.0)?,
            Scored::of(zeros([1, 1]), zeros([1, 1]).bool())?,
        )
    });
    h.input("Marked::new", || {
        Marked::new(
            scored(1.0, 2.0)?,
            scored(1.0, 2.0)?,
            Tensor::full([3], true, &device),
        )
    });
    h.finish();
}
