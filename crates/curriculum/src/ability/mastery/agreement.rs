//! How alike the members of clusters are.

/// The mean over clusters of the chance that two of a cluster's members have the same label; clusters of one member say nothing. 0 where none says
/// anything, or the lengths differ.
///
/// ```
/// use regimen_curriculum::ability::mastery::label_agreement;
///
/// assert_eq!(label_agreement(&[0, 0, 1, 1, 1], &[7, 7, 7, 8, 8]), (1.0 + 1.0 / 3.0) / 2.0);
/// ```
#[must_use]
pub fn label_agreement(assignment: &[usize], labels: &[usize]) -> f64 {
    if assignment.len() != labels.len() {
        return 0.0;
    }
    let mut sorted: Vec<(usize, usize)> = assignment
        .iter()
        .zip(labels)
        .map(|(a, b)| (*a, *b))
        .collect();
    sorted.sort_unstable();
    let pairs = |count: usize| count as f64 * (count as f64 - 1.0);
    let mut shares = Vec::new();
    for cluster in sorted.chunk_by(|a, b| a.0 == b.0) {
        if cluster.len() > 1 {
            let same = cluster.chunk_by(|a, b| a.1 == b.1);
            let same: f64 = same.map(|run| pairs(run.len())).sum();
            shares.push(same / pairs(cluster.len()));
        }
    }
    mean(&shares)
}

/// The mean over clusters of the mean similarity of consecutive members `(i, i + 1)`, as the paper averages its alignments and attentions; clusters of one
/// member say nothing. 0 where none says anything.
pub fn mean_over_clusters(
    members: &[Vec<usize>],
    mut similarity: impl FnMut(usize, usize) -> f64,
) -> f64 {
    let mut means = Vec::new();
    for cluster in members.iter().filter(|cluster| cluster.len() > 1) {
        let pairs = cluster.windows(2);
        let each: Vec<f64> = pairs.map(|pair| similarity(pair[0], pair[1])).collect();
        means.push(mean(&each));
    }
    mean(&means)
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_pairs_and_of_clusters() {
        let members = [vec![0, 1, 2], vec![3], vec![4, 5]];
        let found = mean_over_clusters(&members, |a, b| (a + b) as f64);
        assert_eq!(found, (2.0 + 9.0) / 2.0);
        assert_eq!(mean_over_clusters(&[vec![0], vec![]], |_, _| 1.0), 0.0);
        assert_eq!(label_agreement(&[], &[]), 0.0);
        assert_eq!(label_agreement(&[0], &[1, 2]), 0.0);
        assert_eq!(label_agreement(&[0, 0, 0, 0], &[1, 1, 2, 2]), 4.0 / 12.0);
    }
}
