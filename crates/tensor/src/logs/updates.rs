//! Which update of the optimizer each logged number belongs to.

use std::collections::BTreeMap;

/// How many updates had ended when a number was observed: on its own device, and on any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    own: usize,
    any: usize,
}

/// The numbers of a run by update, as sums over what each device observed.
///
/// Devices are known by their place. One that ends updates (all do under data-parallel training in threads, the main one
/// alone where it collects the gradients) counts its own; one that does not goes by the others. So nothing depends on which
/// device is ahead of which within an update.
#[derive(Debug, Default)]
pub(super) struct Updates {
    devices: Vec<OfDevice>,
}

#[derive(Debug, Default)]
struct OfDevice {
    ended: usize,
    /// Sum and count of the numbers with each stamp.
    sums: BTreeMap<Stamp, (f64, usize)>,
}

impl Updates {
    fn device(&mut self, device: usize) -> &mut OfDevice {
        if self.devices.len() <= device {
            self.devices.resize_with(device + 1, OfDevice::default);
        }
        &mut self.devices[device]
    }

    /// What a number that is observed on a device now belongs to.
    pub(super) fn stamp(&mut self, device: usize) -> Stamp {
        let own = self.device(device).ended;
        let any = self.count();
        Stamp { own, any }
    }

    /// Ends the update of a device.
    pub(super) fn end(&mut self, device: usize) {
        self.device(device).ended += 1;
    }

    /// Takes a number that was read.
    pub(super) fn add(&mut self, device: usize, stamp: Stamp, value: f64) {
        let (sum, count) = self.device(device).sums.entry(stamp).or_insert((0.0, 0));
        *sum += value;
        *count += 1;
    }

    /// Updates that have ended.
    pub(super) fn count(&self) -> usize {
        let ended = self.devices.iter().map(|device| device.ended);
        ended.max().unwrap_or(0)
    }

    /// The mean of each update that has ended; NaN for one in which nothing was observed.
    pub(super) fn means(&self) -> Vec<f64> {
        let mut totals = vec![(0.0, 0_usize); self.count()];
        for device in &self.devices {
            for (stamp, (sum, count)) in &device.sums {
                let update = if device.ended > 0 {
                    stamp.own
                } else {
                    stamp.any
                };
                if let Some(total) = totals.get_mut(update) {
                    total.0 += sum;
                    total.1 += count;
                }
            }
        }
        let mean = |(sum, count): (f64, usize)| sum / count as f64;
        totals.into_iter().map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(updates: &mut Updates, device: usize, value: f64) {
        let stamp = updates.stamp(device);
        updates.add(device, stamp, value);
    }

    #[test]
    fn micro_batches_make_one_entry() {
        let mut updates = Updates::default();
        for update in 0..3 {
            for micro in 0..4 {
                observe(&mut updates, 0, f64::from(10 * update + micro));
            }
            assert_eq!(updates.count(), update as usize);
            updates.end(0);
        }
        observe(&mut updates, 0, 99.0); // of an update that has not ended
        assert_eq!(updates.means(), [1.5, 11.5, 21.5]);
    }

    /// Each device ends its own updates, one always ahead of the other.
    #[test]
    fn two_devices_that_step_for_themselves_make_one_entry() {
        let mut updates = Updates::default();
        for update in 0..3 {
            for device in [0, 1] {
                observe(&mut updates, device, f64::from(2 * update) + device as f64);
                updates.end(device);
            }
        }
        assert_eq!(updates.means(), [0.5, 2.5, 4.5]);
    }

    #[test]
    fn a_main_device_ends_the_updates_of_all() {
        let mut updates = Updates::default();
        for update in 0..3 {
            for device in [0, 1, 1, 0] {
                observe(&mut updates, device, f64::from(2 * update) + device as f64);
            }
            updates.end(0);
        }
        assert_eq!(updates.means(), [0.5, 2.5, 4.5]);
    }

    #[test]
    fn an_update_without_a_number_is_nan() {
        let mut updates = Updates::default();
        updates.end(0);
        assert!(updates.count() == 1 && updates.means()[0].is_nan());
    }
}
