//! Sets of so many classes, counted and found by their number.

/// How many sets of `size` there are of `of`; `u64::MAX` if there are more.
pub(super) fn count(of: usize, size: usize) -> u64 {
    if size > of {
        return 0;
    }
    let mut sets = 1_u64;
    for k in 0..size.min(of - size) as u64 {
        // `sets` is the number of sets of `k`: the product is a multiple of `k + 1`.
        let product = u128::from(sets) * u128::from(of as u64 - k);
        match u64::try_from(product / u128::from(k + 1)) {
            Ok(next) => sets = next,
            Err(_) => return u64::MAX,
        }
    }
    sets
}

/// The set of this number in the lexicographic order; the numbers start again after the last.
pub(super) fn of_number(of: usize, size: usize, number: u64) -> Vec<usize> {
    let all = count(of, size);
    let mut left = if all == u64::MAX {
        number
    } else {
        number % all.max(1)
    };
    let mut set = Vec::with_capacity(size);
    let mut next = 0;
    while set.len() < size && next < of {
        let with_next = count(of - next - 1, size - set.len() - 1);
        if left < with_next {
            set.push(next);
        } else {
            left -= with_next;
        }
        next += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_of_four_in_their_order() {
        let sets: Vec<Vec<usize>> = (0..7).map(|number| of_number(4, 2, number)).collect();
        let pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3], [0, 1]];
        assert_eq!(sets, pairs.map(Vec::from));
        assert_eq!((count(10, 2), count(100, 10)), (45, 17_310_309_456_440));
        assert_eq!((count(1000, 500), count(3, 4)), (u64::MAX, 0));
        assert_eq!(of_number(1000, 3, u64::MAX).len(), 3);
        assert_eq!(of_number(1000, 500, 1)[498..], [498, 500]);
    }

    proptest! {
        #[test]
        fn every_set_has_one_number(of in 1_usize..9, size in 0_usize..9) {
            let size = size.min(of);
            let all: std::collections::BTreeSet<Vec<usize>> =
                (0..count(of, size)).map(|number| of_number(of, size, number)).collect();
            prop_assert_eq!(all.len() as u64, count(of, size));
            prop_assert!(all.iter().all(|set| set.len() == size && set.is_sorted()));
        }
    }
}
