//! # Specialisation
//!
//! How much the experts of a layer divide domains among them: each expert's frequency on each domain.
//!
//! Source: Qiu et al. (arXiv 2501.11873), section 4.3 (frequencies by domain); the mutual information is the information-theoretic
//! summary of the same table.

use regimen_tensor::checked::Checked;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::{MoeError, at_most, most_experts, positive};

/// Counts of the choices by domain: plain data that adds up.
///
/// A domain without any assignment takes no part in the summaries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Specialisation {
    counts: Vec<Vec<f64>>,
}

/// Numbers of a table.
const MOST: usize = 1 << 24;

impl Checked for Specialisation {
    type Error = MoeError;

    fn check(&self) -> Result<()> {
        let experts = self.counts.first().map_or(0, Vec::len);
        size(self.counts.len(), experts)?;
        for counts in &self.counts {
            row(counts, experts)?;
        }
        Ok(())
    }
}

regimen_tensor::checked_serde!(Specialisation);

fn size(domains: usize, experts: usize) -> Result<()> {
    positive("domains", domains)?;
    positive("experts", experts)?;
    most_experts(experts)?;
    at_most("domains", domains, MOST / experts)
}

/// One count an expert, whose sum is a number too.
fn row(counts: &[f64], experts: usize) -> Result<()> {
    if counts.len() != experts {
        return Err(MoeError::shape(
            "counts",
            &[counts.len()],
            format!("[{experts}]"),
        ));
    }
    let bad = counts
        .iter()
        .find(|count| !count.is_finite() || **count < 0.0);
    let sum = counts.iter().sum::<f64>();
    match bad.or((!sum.is_finite()).then_some(&sum)) {
        Some(bad) => Err(MoeError::range(
            "counts",
            bad,
            "finite numbers from 0 with a finite sum",
        )),
        None => Ok(()),
    }
}

impl Specialisation {
    /// No counts yet.
    ///
    /// # Errors
    /// If there is no domain or no expert, more than 65,536 experts, or a table of more than 2^24 counts.
    pub fn new(domains: usize, experts: usize) -> Result<Self> {
        size(domains, experts)?;
        Ok(Self {
            counts: vec![vec![0.0; experts]; domains],
        })
    }

    /// Adds the counts of tokens of a domain.
    ///
    /// # Errors
    /// If there is no such domain, there is not one finite count an expert, or a sum overflows; nothing is added then.
    pub fn add(&mut self, domain: usize, counts: &[f64]) -> Result<()> {
        let domains = self.counts.len();
        let Some(row_of) = self.counts.get_mut(domain) else {
            let allowed = format!("below the number of domains, {domains}");
            return Err(MoeError::range("domain", domain, &allowed));
        };
        row(counts, row_of.len())?;
        let sums: Vec<f64> = row_of.iter().zip(counts).map(|(a, b)| a + b).collect();
        row(&sums, sums.len())?;
        *row_of = sums;
        Ok(())
    }

    /// Each expert's share of a domain's assignments; zeros for a domain without any.
    #[must_use]
    pub fn frequencies(&self, domain: usize) -> Vec<f64> {
        let row = self.counts.get(domain).map_or(&[][..], Vec::as_slice);
        let sum: f64 = row.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        row.iter().map(|count| count / sum).collect()
    }

    /// Mean over domains of the busiest expert's share of the assignments: `1 / experts` if none stands out, `1 / top_k` at most.
    /// 0 without any assignment.
    #[must_use]
    pub fn top_frequency(&self) -> f64 {
        let rows = self.used();
        let tops = rows
            .iter()
            .map(|row| row.iter().copied().fold(0.0, f64::max));
        tops.sum::<f64>() / rows.len().max(1) as f64
    }

    /// Mutual information of domain and expert in nats, every domain weighed alike: 0 if all domains use the experts alike.
    #[must_use]
    pub fn mutual_information(&self) -> f64 {
        let rows = self.used();
        let domains = rows.len().max(1) as f64;
        let experts = rows.first().map_or(0, Vec::len);
        let mean = |expert: usize| rows.iter().map(|row| row[expert]).sum::<f64>() / domains;
        let terms = (0..experts).flat_map(|expert| {
            let mean = mean(expert);
            let present = rows.iter().map(move |row| row[expert]).filter(|p| *p > 0.0);
            present.map(move |p| p * (p / mean).ln())
        });
        terms.sum::<f64>() / domains
    }

    /// The frequencies of the domains with assignments.
    fn used(&self) -> Vec<Vec<f64>> {
        let domains = 0..self.counts.len();
        let used = domains.filter(|&domain| self.counts[domain].iter().any(|count| *count > 0.0));
        used.map(|domain| self.frequencies(domain)).collect()
    }

    /// Assignments of each expert over all domains.
    #[must_use]
    pub fn totals(&self) -> Vec<f64> {
        let experts = self.counts.first().map_or(0, Vec::len);
        (0..experts)
            .map(|e| self.counts.iter().map(|row| row[e]).sum())
            .collect()
    }
}
