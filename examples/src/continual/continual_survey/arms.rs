//! The arms: a method, the values of its strength that were tried, and those that were chosen.

/// What an arm learns by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Naive,
    Ewc,
    OnlineEwc,
    Si,
    Mas,
    RWalk,
    Lwf,
    Gpm,
    Ogd,
    AGem,
    Gem,
    Er,
    ErAce,
    Der,
    DerPlusPlus,
    Mir,
    Gss,
    Icarl,
    Lucir,
    PackNet,
    Hat,
    Progressive,
    GDumb,
    NearestMean,
    Slda,
    SldaOfFeatures,
    Cumulative,
    Joint,
}

/// An arm of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arm {
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// Epochs a task, in plain ones: twice as many without replay give as many gradients as replay takes.
    pub(super) times: usize,
    /// The values of its strength that the tuning seeds tried; none where it has no strength.
    pub(super) grid: &'static [f64],
    /// Those that were chosen: on the digits and any set but the next, and on clothing.
    pub(super) chosen: [f64; 2],
    /// Examples that its memory holds, where it is another number than that of the experiment.
    pub(super) memory: Option<usize>,
}

impl Arm {
    /// The strength on a set.
    pub(super) fn strength(&self, set: &str) -> f64 {
        self.chosen[usize::from(set == "clothing")]
    }
}

const fn arm(
    name: &'static str,
    method: Method,
    times: usize,
    grid: &'static [f64],
    chosen: [f64; 2],
) -> Arm {
    Arm {
        name,
        method,
        times,
        grid,
        chosen,
        memory: None,
    }
}

/// The arms of the checks: every seed.
pub(super) const DECIDING: [Arm; 5] = [
    arm("naive", Method::Naive, 2, &[], [0.0; 2]),
    arm("ewc", Method::Ewc, 2, &[1e3, 3e3, 1e4, 3e4], [3e3; 2]),
    arm("er", Method::Er, 1, &[2.0, 4.0, 8.0, 16.0], [8.0; 2]),
    arm(
        "der++",
        Method::DerPlusPlus,
        1,
        &[1.0, 2.0, 4.0, 8.0],
        [4.0; 2],
    ),
    arm(
        "gdumb",
        Method::GDumb,
        1,
        &[30.0, 60.0, 120.0, 240.0],
        [120.0; 2],
    ),
];

/// The others at as many gradients as replay takes.
pub(super) const REPORTED: [Arm; 22] = [
    arm(
        "online ewc",
        Method::OnlineEwc,
        2,
        &[1e3, 3e3, 1e4, 3e4],
        [3e3; 2],
    ),
    arm("si", Method::Si, 2, &[3.0, 10.0, 30.0, 100.0], [10.0; 2]),
    arm("mas", Method::Mas, 2, &[1.0, 3.0, 10.0, 30.0], [10.0, 3.0]),
    arm("rwalk", Method::RWalk, 2, &[1e2, 3e2, 1e3, 3e3], [1e3; 2]),
    arm("lwf", Method::Lwf, 2, &[3.0, 10.0, 30.0, 100.0], [30.0; 2]),
    arm("gpm", Method::Gpm, 2, &[0.8, 0.9, 0.95, 0.99], [0.95; 2]),
    arm(
        "packnet",
        Method::PackNet,
        2,
        &[0.6, 0.7, 0.8, 0.9],
        [0.8; 2],
    ),
    arm("hat", Method::Hat, 2, &[0.1, 0.3, 0.75, 2.0], [2.0, 0.1]),
    arm(
        "progressive",
        Method::Progressive,
        2,
        &[8.0, 16.0, 32.0, 64.0],
        [8.0, 64.0],
    ),
    arm("joint", Method::Joint, 2, &[], [0.0; 2]),
    arm("ogd", Method::Ogd, 2, &[2.0, 5.0, 10.0, 20.0], [2.0, 10.0]),
    arm("a-gem", Method::AGem, 1, &[], [0.0; 2]),
    arm("gem", Method::Gem, 1, &[0.0, 0.5, 1.0, 2.0], [2.0; 2]),
    arm(
        "er-ace",
        Method::ErAce,
        1,
        &[2.0, 4.0, 8.0, 16.0],
        [16.0; 2],
    ),
    arm("der", Method::Der, 1, &[0.3, 1.0, 3.0, 10.0], [1.0, 10.0]),
    arm("mir", Method::Mir, 1, &[0.5, 1.0, 2.0, 4.0], [4.0, 2.0]),
    arm("gss", Method::Gss, 1, &[0.5, 1.0, 2.0, 4.0], [1.0; 2]),
    arm("icarl", Method::Icarl, 1, &[0.15, 0.5, 1.5, 5.0], [1.5; 2]),
    arm(
        "lucir",
        Method::Lucir,
        1,
        &[1.0, 2.0, 5.0, 10.0],
        [1.0, 2.0],
    ),
    arm("nearest mean", Method::NearestMean, 1, &[], [0.0; 2]),
    arm(
        "slda",
        Method::Slda,
        1,
        &[0.002, 0.005, 0.02, 0.05],
        [0.02, 0.005],
    ),
    arm(
        "slda, features",
        Method::SldaOfFeatures,
        1,
        &[2e-5, 1e-4, 5e-4, 0.002],
        [1e-4, 2e-5],
    ),
];

/// Those without replay at the plain number of epochs, each with its strength.
pub(super) const PLAIN: [Arm; 13] = [
    plain("naive, plain", DECIDING[0]),
    plain("ewc, plain", DECIDING[1]),
    plain("online ewc, plain", REPORTED[0]),
    plain("si, plain", REPORTED[1]),
    plain("mas, plain", REPORTED[2]),
    plain("rwalk, plain", REPORTED[3]),
    plain("lwf, plain", REPORTED[4]),
    plain("gpm, plain", REPORTED[5]),
    plain("packnet, plain", REPORTED[6]),
    plain("hat, plain", REPORTED[7]),
    plain("progressive, plain", REPORTED[8]),
    plain("joint, plain", REPORTED[9]),
    arm("cumulative", Method::Cumulative, 1, &[], [0.0; 2]),
];

const fn plain(name: &'static str, of: Arm) -> Arm {
    Arm {
        name,
        times: 1,
        ..of
    }
}

/// Larger memories, with the large size alone.
pub(super) const LARGE: [Arm; 6] = [
    holding("er, 200", 200, DECIDING[2]),
    holding("er, 500", 500, DECIDING[2]),
    holding("der++, 200", 200, DECIDING[3]),
    holding("der++, 500", 500, DECIDING[3]),
    holding("gdumb, 200", 200, DECIDING[4]),
    holding("gdumb, 500", 500, DECIDING[4]),
];

const fn holding(name: &'static str, memory: usize, of: Arm) -> Arm {
    Arm {
        name,
        memory: Some(memory),
        ..of
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Arm> {
        DECIDING.iter().chain(&REPORTED).chain(&PLAIN).chain(&LARGE)
    }

    /// As many values for each method, and what was chosen is one of them.
    #[test]
    fn grids_are_of_one_size_and_have_what_was_chosen() {
        for arm in all() {
            match arm.grid {
                [] => assert_eq!(arm.chosen, [0.0; 2], "{}", arm.name),
                grid => {
                    assert_eq!(grid.len(), 4, "{}", arm.name);
                    let has = |strength| grid.contains(strength);
                    assert!(arm.chosen.iter().all(has), "{}", arm.name);
                }
            }
        }
    }

    #[test]
    fn names_are_different_and_plain_arms_are_named_by_theirs() {
        let names: BTreeSet<&str> = all().map(|arm| arm.name).collect();
        assert_eq!(names.len(), all().count());
        for plain in &PLAIN {
            let whole = DECIDING.iter().chain(&REPORTED);
            let mut whole = whole.filter(|arm| arm.method == plain.method);
            let expected = whole.next().map(|arm| format!("{}, plain", arm.name));
            assert_eq!(plain.name, expected.as_deref().unwrap_or("cumulative"));
        }
    }
}
