//! Where each assignment stands among those of its expert: a counting sort that stays on the device.

use burn::tensor::{IndexingUpdateOp, Int, Tensor};

/// Rows that are summed one after the other. Some backends compute each entry of a cumulative sum from the start, which is
/// quadratic in the rows: sums of chunks, of chunks of chunks and so on keep it linear.
const CHUNK: usize = 64;

/// The place of each assignment in its expert's queue.
pub(crate) struct Ranks {
    /// Earlier assignments of the same expert, `[rows, slots]`.
    pub(crate) rank: Tensor<2, Int>,
    /// Assignments of each expert, `[experts]`.
    pub(crate) counts: Tensor<1, Int>,
}

impl Ranks {
    /// Of choices `[rows, slots]` in order of precedence: earlier rows first, within a row earlier slots. Where `counted`, of the
    /// same shape, is 0 and not 1, a choice counts as nothing, and its rank means nothing.
    pub(crate) fn of(
        choices: &Tensor<2, Int>,
        counted: Option<&Tensor<2, Int>>,
        experts: usize,
    ) -> Self {
        let ([rows, slots], device) = (choices.dims(), choices.device());
        let none = Tensor::<2, Int>::zeros([rows, experts], (&device, choices.dtype()));
        let values = counted.cloned().unwrap_or_else(|| choices.ones_like());
        let hits = none.scatter(1, choices.clone(), values, IndexingUpdateOp::Add);
        let (before, counts) = earlier(hits);
        let mut rank = before.gather(1, choices.clone());
        if slots > 1 {
            rank = rank + earlier_in_row(choices, counted);
        }
        Self {
            rank,
            counts: counts.reshape([experts]),
        }
    }
}

/// Slots of the same row that come first and have the same expert, `[rows, slots]`: zero but for a table that repeats an expert.
fn earlier_in_row(choices: &Tensor<2, Int>, counted: Option<&Tensor<2, Int>>) -> Tensor<2, Int> {
    let ([rows, slots], device) = (choices.dims(), choices.device());
    let table = [rows, slots, slots];
    let one = choices.clone().unsqueeze_dim::<3>(2).expand(table);
    let other = choices.clone().unsqueeze_dim::<3>(1).expand(table);
    let place = Tensor::<1, Int>::arange(0..slots as i64, &device);
    let square = [slots, slots];
    let first = place.clone().reshape([1, slots]).expand(square);
    let first = first.lower(place.reshape([slots, 1]).expand(square));
    let same = one
        .equal(other)
        .bool_and(first.unsqueeze::<3>().expand(table));
    let mut same = same.int().cast(choices.dtype());
    if let Some(counted) = counted {
        same = same * counted.clone().unsqueeze_dim::<3>(1);
    }
    let count = same.sum_dim(2);
    count.reshape([rows, slots])
}

/// The sums of the rows before each row, `[rows, columns]`, and of all rows, `[1, columns]`.
pub(crate) fn earlier(values: Tensor<2, Int>) -> (Tensor<2, Int>, Tensor<2, Int>) {
    let ([rows, columns], device) = (values.dims(), values.device());
    if rows <= CHUNK {
        let up_to = values.clone().cumsum(0);
        let all = up_to.clone().narrow(0, rows - 1, 1);
        return (up_to - values, all);
    }
    let chunks = rows.div_ceil(CHUNK);
    let missing = chunks * CHUNK - rows;
    let mut padded = values;
    if missing > 0 {
        let zeros = Tensor::zeros([missing, columns], (&device, padded.dtype()));
        padded = Tensor::cat(vec![padded, zeros], 0);
    }
    let chunked = padded.reshape([chunks, CHUNK, columns]);
    let up_to = chunked.clone().cumsum(1);
    let sums = up_to.clone().narrow(1, CHUNK - 1, 1);
    let (before, all) = earlier(sums.reshape([chunks, columns]));
    let sums = up_to - chunked + before.unsqueeze_dim::<3>(1);
    let sums = sums.reshape([chunks * CHUNK, columns]);
    (sums.narrow(0, 0, rows), all)
}

#[cfg(all(test, feature = "flex"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn sums_before_each_row_are_the_same_in_one_chunk_and_in_chunks_of_chunks() {
        let device = Device::flex();
        for rows in [1, 63, 64, 65, 128, 4097, 5000] {
            let values: Vec<i64> = (0..rows * 3).map(|i| (i * 7919 + 13) % 11).collect();
            let tensor = TensorData::new(values.clone(), [rows as usize, 3]);
            let (before, all) = earlier(Tensor::from_data(tensor, &device));
            let mut sums = [0; 3];
            let mut expected = Vec::new();
            for row in values.chunks(3) {
                expected.extend(sums);
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
            assert_eq!(before.try_into_vec_as::<i64>().unwrap(), expected, "{rows}");
            assert_eq!(all.try_into_vec_as::<i64>().unwrap(), sums);
        }
    }

    #[test]
    fn an_expert_that_a_token_repeats_is_counted_twice() {
        let device = Device::flex();
        let choices = Tensor::<2, Int>::from_data([[2, 2], [1, 2], [2, 1]], &device);
        let ranks = Ranks::of(&choices, None, 3);
        assert_eq!(
            ranks.rank.try_into_vec_as::<i64>().unwrap(),
            [0, 1, 0, 2, 3, 1]
        );
        assert_eq!(ranks.counts.try_into_vec_as::<i64>().unwrap(), [0, 2, 4]);
        let counted = Tensor::<2, Int>::from_data([[0, 1], [1, 1], [1, 1]], &device);
        let ranks = Ranks::of(&choices, Some(&counted), 3);
        assert_eq!(
            ranks.rank.try_into_vec_as::<i64>().unwrap()[1..],
            [0, 0, 1, 2, 1]
        );
    }
}
