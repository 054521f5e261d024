//! What one sees while experiments run: a bar on a terminal, and a line for each system that is finished.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Job, origin::cores};
use crate::experiment::Finding;

/// The progress of a plan.
pub(super) struct Progress {
    bar: ProgressBar,
    start: Instant,
    left: usize,
    measured: usize,
}

impl Progress {
    pub(super) fn new(jobs: &[Job]) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(jobs.len() as u64).with_style(style())
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            start: Instant::now(),
            left: jobs.len(),
            measured: 0,
        }
    }

    /// A seed is there: measured now, or kept from an earlier run.
    pub(super) fn seed(&mut self, job: &Job, kept: bool) {
        self.left = self.left.saturating_sub(1);
        if !kept {
            self.measured += 1;
        }
        self.bar.set_prefix(job.system.name);
        self.bar.inc(1);
        self.bar.set_message(self.time_left());
    }

    /// All seeds of a system are there: a line with its name, its outcome, its seconds and the time that is left.
    #[allow(
        clippy::print_stderr,
        reason = "where there is no terminal, lines are the progress"
    )]
    pub(super) fn system(&self, finding: &Finding) {
        let line = format!(
            "{:30} {:14} {:6.1} s   {}",
            finding.system,
            finding.outcome.name(),
            finding.seconds,
            self.time_left()
        );
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// By the mean time of the seeds that were measured in this run.
    fn time_left(&self) -> String {
        if self.left == 0 {
            return "done".to_owned();
        }
        if self.measured < cores() {
            return format!("{} seeds left", self.left);
        }
        let each = self.start.elapsed().as_secs_f64() / self.measured as f64;
        let left = each * self.left as f64;
        if left < 90.0 {
            format!("about {left:.0} s left")
        } else {
            format!("about {:.0} min left", left / 60.0)
        }
    }
}

fn style() -> ProgressStyle {
    let template = "{prefix:30} {bar:30} {pos}/{len} seeds, {msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
