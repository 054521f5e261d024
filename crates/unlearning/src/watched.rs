use regimen_tensor::Watch;

/// Examples or batches, each reported once it is done: when the next one is asked for. After a stop there is no next one.
pub(crate) struct Watched<'a, I> {
    inner: I,
    watch: &'a Watch,
    work: &'static str,
    done: usize,
    total: usize,
    ended: bool,
}

/// Watches a pass over examples or batches under the name of its work; their number is what the iterator says of it.
pub(crate) fn watched<'a, I: IntoIterator>(
    work: &'static str,
    items: I,
    watch: &'a Watch,
) -> Watched<'a, I::IntoIter> {
    let inner = items.into_iter();
    let (least, most) = inner.size_hint();
    Watched {
        inner,
        watch,
        work,
        done: 0,
        total: most.unwrap_or(least),
        ended: false,
    }
}

impl<I: Iterator> Iterator for Watched<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if self.ended {
            return None;
        }
        let total = self.total.max(self.done);
        let goes_on = self.done == 0 || self.watch.goes_on(self.work, self.done, total);
        let item = goes_on.then(|| self.inner.next()).flatten();
        self.ended = item.is_none();
        self.done += usize::from(!self.ended);
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.inner.size_hint().1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn every_item_is_reported_when_it_is_done_and_a_stop_ends_the_pass() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (own, count) = (seen.clone(), Arc::new(AtomicUsize::new(0)));
        let asked = count.clone();
        let watch = Watch::new()
            .with_progress(move |at| own.lock().expect("no panic").push((at.done, at.total)))
            .until(move || asked.fetch_add(1, Ordering::Relaxed) >= 2);
        assert!(watched("pass", 0..5, &watch).eq(0..3));
        assert_eq!(*seen.lock().expect("no panic"), [(1, 5), (2, 5), (3, 5)]);
        assert!(watched("pass", 0..2, &Watch::default()).eq(0..2));
        assert_eq!(watched("pass", 0..0, &watch).count(), 0);
    }
}
