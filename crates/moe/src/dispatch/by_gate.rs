//! Assignments ranked by their gates: who keeps a place where higher gates come first.

use burn::tensor::{Bool, FloatDType, IndexingUpdateOp, Int, Tensor, TensorData};

use super::{Memory, Ranks};

/// Halvings of the range of the gates: what is left of it is below the spacing of float32 where gates matter.
const HALVINGS: usize = 40;

/// The ranks of assignments `[tokens, top_k]` with higher gates first, of equal gates the earlier token; `limit` `[1]` is the number
/// of ranks that will be kept.
///
/// Where the memory is the host's the gates are sorted. Elsewhere nothing is sorted, which some backends do by a read-back: the
/// least gate that is kept is found for each expert by halving, and what is above it comes first, then what is at it (gates that
/// differ by less than about `1e-12` of their range count as equal), then the rest.
pub(crate) fn ranks_by_gate(
    choices: &Tensor<2, Int>,
    gates: &Tensor<2>,
    counted: Option<&Tensor<2, Int>>,
    experts: usize,
    limit: &Tensor<1>,
) -> Ranks {
    let gates = gates.clone().detach().cast(FloatDType::F32);
    if Memory::of(&gates.device()) == Memory::Host
        && let Ok(values) = gates.clone().try_into_vec_as::<f32>()
    {
        return sorted(choices, &values, counted, experts);
    }
    halved(choices, gates, counted, experts, limit)
}

/// By a stable sort on the host.
fn sorted(
    choices: &Tensor<2, Int>,
    gates: &[f32],
    counted: Option<&Tensor<2, Int>>,
    experts: usize,
) -> Ranks {
    let ([tokens, k], device) = (choices.dims(), choices.device());
    let total = tokens * k;
    let key = |place: &i64| {
        let gate = gates[*place as usize];
        if gate.is_nan() {
            f32::NEG_INFINITY
        } else {
            gate
        }
    };
    let mut order: Vec<i64> = (0..total as i64).collect();
    order.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let order = TensorData::new(order, [total]);
    let order = Tensor::<1, Int>::from_data(order, (&device, choices.dtype()));
    let in_order = |table: &Tensor<2, Int>| {
        let flat = table.clone().reshape([total]);
        flat.select(0, order.clone()).reshape([total, 1])
    };
    let counted = counted.map(in_order);
    let Ranks { rank, counts } = Ranks::of(&in_order(choices), counted.as_ref(), experts);
    let back = order.zeros_like();
    let rank = back.scatter(0, order, rank.reshape([total]), IndexingUpdateOp::Add);
    let rank = rank.reshape([tokens, k]);
    Ranks { rank, counts }
}

/// By the least gate that is kept.
fn halved(
    choices: &Tensor<2, Int>,
    gates: Tensor<2>,
    counted: Option<&Tensor<2, Int>>,
    experts: usize,
    limit: &Tensor<1>,
) -> Ranks {
    let ([tokens, k], dtype) = (choices.dims(), choices.dtype());
    let table = [tokens, experts];
    let spread = |values: Tensor<2>| {
        let zeros = Tensor::<2>::zeros(table, (&values.device(), values.dtype()));
        zeros.scatter(1, choices.clone(), values, IndexingUpdateOp::Add)
    };
    let ones = match counted {
        Some(counted) => counted.clone().float().cast(gates.dtype()),
        None => gates.ones_like(),
    };
    let (scores, there) = (spread(gates.clone() * ones.clone()), spread(ones));
    let row = [1, experts];
    let mut low = (gates.clone().min() - 1.0).reshape([1, 1]).expand(row);
    let mut high = gates.clone().max().reshape([1, 1]).expand(row);
    let limit = limit.clone().reshape([1, 1]).expand(row);
    for _ in 0..HALVINGS {
        let middle = (low.clone() + high.clone()) * 0.5;
        let above = scores.clone().greater(middle.clone().expand(table));
        let above = above.float().cast(there.dtype()) * there.clone();
        let enough = above.sum_dim(0).greater_equal(limit.clone());
        low = low.mask_where(enough.clone(), middle.clone());
        high = middle.mask_where(enough, high);
    }
    let of_choices = |bound: Tensor<2>| {
        let flat = choices.clone().reshape([tokens * k]);
        let bound = bound.reshape([experts]).select(0, flat);
        bound.reshape([tokens, k])
    };
    let above = gates.clone().greater(of_choices(high));
    let near = gates.greater(of_choices(low));
    let classes: [Tensor<2, Bool>; 3] = [
        above.clone(),
        near.clone().bool_and(above.bool_not()),
        near.bool_not(),
    ];
    let of_class = classes.map(|class| class.int().cast(dtype));
    let repeated = choices.clone().repeat_dim(0, 3);
    let mut in_class = Tensor::cat(of_class.to_vec(), 0);
    if let Some(counted) = counted {
        in_class = in_class * counted.clone().repeat_dim(0, 3);
    }
    let Ranks { rank, counts } = Ranks::of(&repeated, Some(&in_class), experts);
    let rank = (rank * in_class).reshape([3, tokens, k]).sum_dim(0);
    Ranks {
        rank: rank.reshape([tokens, k]),
        counts,
    }
}

#[cfg(all(test, feature = "flex"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    fn kept(ranks: &Ranks, limit: usize) -> Vec<bool> {
        let ranks = ranks.rank.clone().try_into_vec_as::<i64>().unwrap();
        ranks.iter().map(|rank| *rank < limit as i64).collect()
    }

    /// Gates with many ties, for tokens of which some are padding.
    #[test]
    fn halving_keeps_what_sorting_keeps() {
        let device = Device::flex();
        device.seed(3);
        let (tokens, experts) = (150, 5);
        let table = (0..tokens).flat_map(|t| [(t * t) % 5, (t * t + 1 + t % 4) % 5]);
        let choices = TensorData::new(table.collect::<Vec<i64>>(), [tokens as usize, 2]);
        let choices = Tensor::<2, Int>::from_data(choices, &device);
        let drawn = Tensor::<2>::random([tokens as usize, 2], Distribution::Default, &device);
        let ties = (drawn.clone() * 8.0).floor() / 8.0;
        let flags: Vec<i64> = (0..tokens * 2).map(|i| i64::from(i / 2 % 7 != 3)).collect();
        let flags = TensorData::new(flags, [tokens as usize, 2]);
        let flags = Tensor::<2, Int>::from_data(flags, &device);
        for gates in [drawn.clone(), ties, drawn.ones_like(), drawn * 1e-6] {
            for counted in [None, Some(&flags)] {
                for limit in [1, 7, 40, 90, 200] {
                    let bound = Tensor::<1>::from_floats([limit as f32], &device);
                    let halves = halved(&choices, gates.clone(), counted, experts, &bound);
                    let values = gates.clone().try_into_vec_as::<f32>().unwrap();
                    let sorts = sorted(&choices, &values, counted, experts);
                    let of_tokens: Vec<bool> = match counted {
                        Some(flags) => {
                            let flags = flags.clone().try_into_vec_as::<i64>().unwrap();
                            flags.into_iter().map(|flag| flag == 1).collect()
                        }
                        None => vec![true; 2 * tokens as usize],
                    };
                    let real = |kept: Vec<bool>| -> Vec<bool> {
                        kept.iter().zip(&of_tokens).map(|(a, b)| *a && *b).collect()
                    };
                    assert_eq!(real(kept(&halves, limit)), real(kept(&sorts, limit)));
                    let counts = |ranks: Ranks| ranks.counts.try_into_vec_as::<i64>().unwrap();
                    assert_eq!(counts(halves), counts(sorts));
                }
            }
        }
    }
}
