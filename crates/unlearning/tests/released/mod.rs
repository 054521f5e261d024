//! Agreement with released code on a residual network with batch norm: `golden/make.py` writes the numbers.

mod fisher;
mod network;
mod salun;
mod scrub;
mod ssd;

use std::collections::BTreeMap;

use network::Net;
use regimen_tensor::ParamVector;

/// The rows of a golden file: values by what they are and of which parameter, in PyTorch's order.
struct Golden(BTreeMap<(&'static str, &'static str), Vec<f32>>);

impl Golden {
    fn read(text: &'static str) -> Self {
        let row = |line: &'static str| {
            let cells: Vec<&str> = line.splitn(3, ',').collect();
            let values = cells[2].split(' ').map(|v| v.parse().unwrap());
            ((cells[0], cells[1]), values.collect())
        };
        Self(text.lines().skip(2).map(row).collect())
    }

    fn of(&self, what: &'static str, name: &str) -> &[f32] {
        let values = self.0.iter().find(|((w, n), _)| *w == what && *n == name);
        values.unwrap_or_else(|| panic!("{what} of {name}")).1
    }

    /// That a vector holds these values, each within `tolerance` of the largest of its parameter.
    fn assert_near(&self, what: &'static str, vector: &ParamVector, tolerance: f32) {
        let found = vector.to_host().unwrap();
        let mut compared = 0;
        for (entry, found) in vector.entries().iter().zip(&found) {
            let Some(name) = network::name(&entry.path) else {
                continue;
            };
            let expected = network::ours(&entry.path, &entry.shape, self.of(what, &name));
            let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            assert_eq!(found.len(), expected.len(), "{name}");
            for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
                let off = (f - e).abs();
                assert!(
                    off <= tolerance * largest,
                    "{what} of {name}[{i}]: {f}, {e}"
                );
            }
            compared += found.len();
        }
        assert_eq!(compared, network::PARAMETERS);
    }
}

fn parameters(net: &Net) -> ParamVector {
    ParamVector::of(net)
}
