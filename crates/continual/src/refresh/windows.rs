//! Which move belongs to which optimizer step.

use burn::tensor::Device;
use regimen_tensor::ParamVector;

/// The moves of the last two optimizer steps, and which of them each device's copy of the model has taken.
///
/// The first micro-batch of a step decides its move; copies on other devices, which may lag by one step, take the same.
#[derive(Debug)]
pub(super) struct Windows<K = Device> {
    opened: usize,
    kept: Vec<(usize, ParamVector)>,
    taken: Vec<(K, usize)>,
}

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self {
            opened: 0,
            kept: Vec::new(),
            taken: Vec::new(),
        }
    }
}

impl<K: Clone + PartialEq> Windows<K> {
    /// The move of the step that runs, if a micro-batch of it has decided.
    pub(super) fn open(&self) -> Option<&ParamVector> {
        let (number, moves) = self.kept.last()?;
        let taken = self.taken.iter().any(|(_, last)| last >= number);
        (!taken).then_some(moves)
    }

    /// Keeps a move for the step that runs, unless there is one; the move that counts.
    pub(super) fn decide(&mut self, moves: ParamVector) -> ParamVector {
        if let Some(first) = self.open() {
            return first.clone();
        }
        self.opened += 1;
        self.kept.push((self.opened, moves.clone()));
        if self.kept.len() > 2 {
            self.kept.remove(0);
        }
        moves
    }

    /// The move of the step that a device's copy takes now; none if there was none.
    pub(super) fn take(&mut self, device: &K) -> Option<ParamVector> {
        let place = self.taken.iter().position(|(known, _)| known == device);
        let last = place.map_or(0, |place| self.taken[place].1);
        let next = self.kept.iter().find(|(number, _)| *number == last + 1);
        let newest = self.kept.last().filter(|(number, _)| *number > last);
        let (number, moves) = next.or(newest).cloned()?;
        match place {
            Some(place) => self.taken[place].1 = number,
            None => self.taken.push((device.clone(), number)),
        }
        Some(moves)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::LinearConfig;

    use super::*;

    fn vector(value: f32) -> ParamVector {
        let layer = LinearConfig::new(1, 1)
            .with_bias(false)
            .init(&Device::flex());
        ParamVector::of(&layer)
            .from_host(vec![vec![value]])
            .unwrap()
    }

    fn value(moves: Option<ParamVector>) -> Option<f32> {
        moves.map(|moves| moves.to_host().unwrap()[0][0])
    }

    #[test]
    fn the_first_micro_batch_decides_and_the_step_takes_it_once() {
        let (mut windows, device) = (Windows::<u8>::default(), 0);
        assert!(windows.open().is_none());
        assert_eq!(value(windows.take(&device)), None);
        windows.decide(vector(1.0));
        assert_eq!(value(Some(windows.decide(vector(2.0)))), Some(1.0));
        assert_eq!(value(windows.take(&device)), Some(1.0));
        assert_eq!(value(windows.take(&device)), None);
        assert!(windows.open().is_none());
        windows.decide(vector(3.0));
        assert_eq!(value(windows.take(&device)), Some(3.0));
    }

    #[test]
    fn a_copy_that_lags_takes_the_move_of_its_own_step() {
        let mut windows = Windows::<u8>::default();
        let (one, two) = (1, 2);
        windows.decide(vector(1.0));
        assert_eq!(value(windows.take(&one)), Some(1.0));
        windows.decide(vector(2.0));
        assert_eq!(value(windows.take(&two)), Some(1.0));
        assert_eq!(value(Some(windows.decide(vector(9.0)))), Some(2.0));
        assert_eq!(value(windows.take(&two)), Some(2.0));
        assert_eq!(value(windows.take(&one)), Some(2.0));
        // One that joins late takes the newest.
        windows.decide(vector(3.0));
        windows.take(&one);
        windows.decide(vector(4.0));
        windows.take(&one);
        windows.decide(vector(5.0));
        assert_eq!(value(windows.take(&one)), Some(5.0));
    }
}
