//! # Replicas
//!
//! Which device's copy of a model counts a step.

/// Which copy of a model, one a device as `ExecutionStrategy::ddp` makes them, takes a step first. All copies take the same
/// steps, none more than one ahead of another, because they wait for each other's gradients.
#[derive(Debug)]
pub struct Replicas<K> {
    /// Steps that were counted, and how many of them each device's copy has taken.
    steps: usize,
    taken: Vec<(K, usize)>,
}

impl<K> Default for Replicas<K> {
    fn default() -> Self {
        Self {
            steps: 0,
            taken: Vec::new(),
        }
    }
}

impl<K: PartialEq> Replicas<K> {
    /// Whether this device's copy is the first to take its next step. One that lags by more than a step has joined, or
    /// training has moved to it: it is the first.
    pub fn leads(&mut self, device: K) -> bool {
        let place = self.taken.iter().position(|(known, _)| *known == device);
        let place = place.unwrap_or_else(|| {
            self.taken.push((device, 0));
            self.taken.len() - 1
        });
        let taken = &mut self.taken[place].1;
        let leads = *taken + 1 != self.steps;
        if leads {
            self.steps += 1;
        }
        *taken = self.steps;
        leads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(calls: &[u8]) -> Vec<bool> {
        let mut replicas = Replicas::default();
        calls.iter().map(|device| replicas.leads(*device)).collect()
    }

    #[test]
    fn a_step_is_counted_once_however_many_devices_take_it() {
        assert_eq!(led(&[0, 0, 0]), [true; 3]);
        assert_eq!(led(&[0, 1, 0, 1]), [true, false, true, false]);
        // Another device may be the first of the next step.
        assert_eq!(
            led(&[0, 1, 1, 0, 0, 1]),
            [true, false, true, false, true, false]
        );
        let three = led(&[0, 1, 2, 2, 0, 1, 1, 0, 2]);
        assert_eq!(three.iter().filter(|leads| **leads).count(), 3);
        assert_eq!(three.iter().step_by(3).filter(|leads| **leads).count(), 3);
    }

    #[test]
    fn training_that_moves_to_another_device_goes_on_counting() {
        assert_eq!(led(&[0, 0, 0, 1, 1]), [true; 5]);
    }
}
