//! Which place of a batched product each assignment has, given out on the device: the side of a dispatch that knows no experts.
//!
//! Places come in blocks of one size; a block belongs to one expert. With a capacity each expert has one block. Dropless, an
//! expert has as many blocks as its assignments fill, and only their greatest number is known on the host.

use burn::tensor::{Bool, DType, FloatDType, IndexingUpdateOp, Int, Tensor};

use super::{Capacity, DropGroup, DropOrder, Ranks, capacity, earlier, ranks_by_gate};

/// Which place each assignment has, and which token each place.
pub(crate) struct Places {
    /// Of each place the token, `[blocks * size]`; 0 for an empty place.
    pub(crate) token: Tensor<1, Int>,
    /// Of each assignment the place, `[tokens * top_k]`; 0 where it has none.
    pub(crate) place: Tensor<1, Int>,
    /// True for an assignment without a place: dropped, or of padding. Absent if there can be none.
    pub(crate) without: Option<Tensor<1, Bool>>,
    /// Of each block the expert, `[blocks]`; absent if block `e` is that of expert `e`.
    pub(crate) expert: Option<Tensor<1, Int>>,
    /// Blocks.
    pub(crate) blocks: usize,
    /// Places of a block.
    pub(crate) size: usize,
    /// Assignments of each expert before any was dropped, `[experts]`.
    pub(crate) counts: Tensor<1>,
    /// Assignments that were dropped, `[1]`.
    pub(crate) dropped: Tensor<1>,
}

/// Places of a block, and how many blocks there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) size: usize,
    pub(crate) count: usize,
}

impl Blocks {
    /// For `assignments` (at least one) to `experts` of tokens of width `d_model`.
    ///
    /// Each block has its own copy of its expert's weights, and an expert's last block is part empty. With `a` assignments an
    /// expert, blocks of `sqrt(a d_model)` places keep copies and empty places together smallest; with more than `a` there
    /// would be more empty places than taken ones. So `size = ceil(sqrt(a min(a, d_model)))`. The blocks of `n` busy experts are
    /// at most `(assignments - n) / size + n`, rounded down: fewer than twice the experts if `d_model` is at least `a`.
    pub(crate) fn of(assignments: usize, experts: usize, d_model: usize) -> Self {
        let average = assignments as f64 / experts as f64;
        let size = (average * average.min(d_model as f64)).sqrt().ceil() as usize;
        Self::of_size(size.max(1), assignments, experts)
    }

    fn of_size(size: usize, assignments: usize, experts: usize) -> Self {
        let busy = experts.min(assignments);
        Self {
            size,
            count: (assignments - busy) / size + busy,
        }
    }
}

impl Places {
    /// A fixed number of places an expert, in the whole batch or in each of its `sequences`; what finds none is dropped.
    pub(crate) fn with_capacity(
        choices: &Tensor<2, Int>,
        gates: &Tensor<2>,
        valid: Option<&Tensor<1>>,
        experts: usize,
        rule: &Capacity,
        sequences: usize,
    ) -> Self {
        let [tokens, k] = choices.dims();
        let groups = match rule.group {
            DropGroup::Batch => 1,
            DropGroup::Sequence => sequences,
        };
        let each = tokens / groups;
        let size = capacity(each, experts, k, rule.factor).min(each);
        let queue = |group: usize| {
            let (from, all) = (group * each, groups == 1);
            let valid = valid.map(|valid| valid.clone().narrow(0, from, each));
            if all {
                return Queue::of(choices, gates, valid.as_ref(), experts, rule, size);
            }
            let choices = choices.clone().narrow(0, from, each);
            let gates = gates.clone().narrow(0, from, each);
            let mut queue = Queue::of(&choices, &gates, valid.as_ref(), experts, rule, size);
            queue.place =
                queue.place + choices * ((groups - 1) * size) as i64 + (group * size) as i64;
            queue
        };
        let queues: Vec<Queue> = (0..groups).map(queue).collect();
        let place = Tensor::cat(queues.iter().map(|q| q.place.clone()).collect(), 0);
        let without = Tensor::cat(queues.iter().map(|q| q.without.clone()).collect(), 0);
        let counts = queues.into_iter().map(|q| q.counts);
        let counts = Tensor::stack::<2>(counts.collect(), 0)
            .sum_dim(0)
            .reshape([experts]);
        let kept = without.clone().bool_not().int().sum().cast(FloatDType::F32);
        let dropped = counts.clone().sum() - kept;
        let blocks = Blocks {
            size: groups * size,
            count: experts,
        };
        Self::fill(place, Some(without), None, blocks, counts, dropped)
    }

    /// As many blocks an expert as it fills.
    pub(crate) fn dropless(
        choices: &Tensor<2, Int>,
        valid: Option<&Tensor<1>>,
        experts: usize,
        blocks: Blocks,
    ) -> Self {
        let ([tokens, k], device) = (choices.dims(), choices.device());
        let Blocks { size, count } = blocks;
        let counted = valid.map(|valid| counted(valid, choices));
        let Ranks { rank, counts } = Ranks::of(choices, counted.as_ref(), experts);
        let filled = (counts.clone() + (size as i64 - 1)) / size as i64;
        let filled = filled.reshape([experts, 1]);
        let (first, _) = earlier(filled.clone());
        let start = first.clone().reshape([experts]);
        let start = start.select(0, choices.clone().reshape([tokens * k]));
        let place = start.reshape([tokens, k]) * size as i64 + rank;
        // Block b is that of the expert before which, itself included, more than b blocks end. Blocks that nobody fills are
        // given to the last expert.
        let pair = [count, experts];
        let end = (first + filled).reshape([1, experts]).expand(pair);
        let index = Tensor::<1, Int>::arange(0..count as i64, &device);
        let ended = end.lower_equal(index.reshape([count, 1]).expand(pair));
        let expert = ended.int().cast(choices.dtype()).sum_dim(1);
        let expert = expert.reshape([count]).clamp_max(experts as i64 - 1);
        let without = valid.map(|valid| padding(valid, k));
        let counts = counts.cast(FloatDType::F32);
        let dropped = Tensor::zeros([1], (&device, DType::F32));
        Self::fill(place, without, Some(expert), blocks, counts, dropped)
    }

    fn fill(
        place: Tensor<2, Int>,
        without: Option<Tensor<2, Bool>>,
        expert: Option<Tensor<1, Int>>,
        Blocks { size, count }: Blocks,
        counts: Tensor<1>,
        dropped: Tensor<1>,
    ) -> Self {
        let ([tokens, k], device) = (place.dims(), place.device());
        let (total, places) = (tokens * k, size * count);
        let place = place.reshape([total]);
        let without = without.map(|without| without.reshape([total]));
        let (mut target, mut kept) = (place.clone(), place.clone());
        if let Some(without) = &without {
            // What has no place goes to one behind all others, which is cut off.
            target = place.clone().mask_fill(without.clone(), places as i64);
            kept = place.mask_fill(without.clone(), 0);
        }
        let dtype = target.dtype();
        let token = Tensor::<1, Int>::arange(0..tokens as i64, &device).cast(dtype);
        let token = token.unsqueeze_dim::<2>(1).expand([tokens, k]);
        let mut token = token.reshape([total]);
        if let Some(without) = &without {
            token = token.mask_fill(without.clone(), 0);
        }
        let empty = Tensor::<1, Int>::zeros([places + 1], (&device, dtype));
        let token = empty.scatter(0, target, token, IndexingUpdateOp::Add);
        Self {
            token: token.narrow(0, 0, places),
            place: kept,
            without,
            expert,
            blocks: count,
            size,
            counts,
            dropped,
        }
    }
}

/// Assignments that compete for the same places.
struct Queue {
    /// The place of each, if experts have `size` places each, `[tokens, k]`.
    place: Tensor<2, Int>,
    /// True for those that have none.
    without: Tensor<2, Bool>,
    /// Assignments of each expert, `[experts]`.
    counts: Tensor<1>,
}

impl Queue {
    fn of(
        choices: &Tensor<2, Int>,
        gates: &Tensor<2>,
        valid: Option<&Tensor<1>>,
        experts: usize,
        rule: &Capacity,
        size: usize,
    ) -> Self {
        let ([tokens, k], device) = (choices.dims(), choices.device());
        let mut limit = Tensor::<1>::full([1], size as f64, (&device, DType::F32));
        if let Some(valid) = valid {
            let real = single(valid.clone()).sum();
            limit = limit_of(real, k as f64 * rule.factor / experts as f64).min_pair(limit);
        }
        let counted = valid.map(|valid| counted(valid, choices));
        let Ranks { rank, counts } = match rule.order {
            DropOrder::Position => Ranks::of(choices, counted.as_ref(), experts),
            DropOrder::Choice => by_slot(choices, counted.as_ref(), experts),
            DropOrder::Probability => {
                ranks_by_gate(choices, gates, counted.as_ref(), experts, &limit)
            }
        };
        let float = rank.clone().cast(FloatDType::F32);
        let mut without = float.greater_equal(limit.unsqueeze::<2>().expand([tokens, k]));
        if let Some(valid) = valid {
            without = without.bool_or(padding(valid, k));
        }
        Self {
            place: choices.clone() * size as i64 + rank,
            without,
            counts: counts.cast(FloatDType::F32),
        }
    }
}

/// Places of an expert for a number of tokens that is known on the device only, as [`capacity`] gives them.
///
/// A product that is whole but for the rounding of float32 is not rounded up.
fn limit_of(tokens: Tensor<1>, places_per_token: f64) -> Tensor<1> {
    (tokens * places_per_token * (1.0 - 3e-7)).ceil()
}

/// First choices of all tokens before second choices.
fn by_slot(choices: &Tensor<2, Int>, counted: Option<&Tensor<2, Int>>, experts: usize) -> Ranks {
    let [tokens, k] = choices.dims();
    let column = |table: &Tensor<2, Int>| table.clone().transpose().reshape([tokens * k, 1]);
    let counted = counted.map(column);
    let Ranks { rank, counts } = Ranks::of(&column(choices), counted.as_ref(), experts);
    let rank = rank.reshape([k, tokens]).transpose();
    Ranks { rank, counts }
}

/// 1 for the assignments of a token and 0 for those of padding, like the choices.
fn counted(valid: &Tensor<1>, choices: &Tensor<2, Int>) -> Tensor<2, Int> {
    let valid = valid.clone().detach().int().cast(choices.dtype());
    valid.unsqueeze_dim::<2>(1).expand(choices.dims())
}

/// True for each assignment of padding, `[tokens, k]`.
fn padding(valid: &Tensor<1>, k: usize) -> Tensor<2, Bool> {
    let [tokens] = valid.dims();
    let padding = valid.clone().detach().equal_elem(0.0);
    padding.unsqueeze_dim::<2>(1).expand([tokens, k])
}

fn single(tensor: Tensor<1>) -> Tensor<1> {
    tensor.detach().cast(FloatDType::F32)
}

#[cfg(all(test, feature = "flex"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn integers(tensor: Tensor<1, Int>) -> Vec<i64> {
        tensor.try_into_vec_as::<i64>().unwrap()
    }

    fn floats(tensor: Tensor<1>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    fn catalogue() -> Tensor<2, Int> {
        Tensor::from_data([[2, 0], [1, 2], [2, 1], [0, 2]], &Device::flex())
    }

    #[test]
    fn dropless_places_are_a_stable_sort_by_expert() {
        let blocks = Blocks { size: 3, count: 4 };
        let places = Places::dropless(&catalogue(), None, 4, blocks);
        // Experts 0 and 1 fill one block each, expert 2 two, expert 3 none.
        assert_eq!(integers(places.expert.unwrap()), [0, 1, 2, 2]);
        assert_eq!(integers(places.place), [6, 0, 3, 7, 8, 4, 1, 9]);
        assert_eq!(integers(places.token), [0, 3, 0, 1, 2, 0, 0, 1, 2, 3, 0, 0]);
        assert_eq!(floats(places.counts), [2.0, 2.0, 4.0, 0.0]);
        assert!(places.without.is_none());
    }

    #[test]
    fn padding_takes_no_place() {
        let valid = Tensor::<1>::from_floats([1.0, 0.0, 1.0, 1.0], &Device::flex());
        let blocks = Blocks { size: 2, count: 5 };
        let places = Places::dropless(&catalogue(), Some(&valid), 4, blocks);
        assert_eq!(integers(places.place), [4, 0, 0, 0, 5, 2, 1, 6]);
        let without = places.without.unwrap().int();
        assert_eq!(integers(without), [0, 0, 1, 1, 0, 0, 0, 0]);
        assert_eq!(
            integers(places.expert.unwrap()),
            [0, 1, 2, 2, 3],
            "one is idle"
        );
        assert_eq!(floats(places.counts), [2.0, 1.0, 3.0, 0.0]);
    }

    /// No split of the assignments between experts needs more blocks than there are.
    #[test]
    fn there_are_blocks_for_every_split() {
        for experts in 1..5_usize {
            for assignments in 1..9_usize {
                for size in 1..6 {
                    let blocks = Blocks::of_size(size, assignments, experts);
                    let mut most = 0;
                    for code in 0..(assignments + 1).pow(experts as u32) {
                        let part = |e: u32| code / (assignments + 1).pow(e) % (assignments + 1);
                        let split: Vec<usize> = (0..experts as u32).map(part).collect();
                        if split.iter().sum::<usize>() == assignments {
                            most = most.max(split.iter().map(|n| n.div_ceil(size)).sum());
                        }
                    }
                    assert_eq!(most, blocks.count, "{assignments} to {experts} by {size}");
                }
            }
        }
        // An even share of 256 assignments, tokens as wide: fewer than twice the experts.
        assert_eq!(
            Blocks::of(4096, 16, 256),
            Blocks {
                size: 256,
                count: 31
            }
        );
        // More assignments than width: smaller blocks.
        assert_eq!(Blocks::of(65536, 64, 256).size, 512);
        // One token: a block for each of its experts.
        assert_eq!(Blocks::of(2, 64, 256), Blocks { size: 1, count: 2 });
    }

    #[test]
    fn the_limit_on_the_device_is_the_capacity_of_the_host() {
        let device = Device::flex();
        for (experts, k, factor) in [(8, 2, 1.25), (64, 8, 1.2), (7, 2, 1.0), (4, 2, 1.2)] {
            let counts: Vec<f32> = (0..40_000).map(|tokens| tokens as f32).collect();
            let tokens = Tensor::<1>::from_floats(counts.as_slice(), &device);
            let found = floats(limit_of(tokens, k as f64 * factor / experts as f64));
            for (tokens, found) in found.into_iter().enumerate() {
                let expected = capacity(tokens, experts, k, factor) as f32;
                assert_eq!(
                    found, expected,
                    "{tokens} tokens, {experts} experts, {factor}"
                );
            }
        }
    }
}
