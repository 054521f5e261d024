//! The queue: as many processes as cores, the next job for whichever is free.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::origin::cores;
use super::process::Running;
use super::{Job, Plan, Store};
use crate::experiment::SeedResult;

/// How long the queue sleeps between looks at its processes.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs the jobs in their order, and hands on each result as it comes, with whether it was kept from an earlier run.
///
/// # Errors
/// If a process can't be started, or `each` fails; processes that still run are then ended.
pub fn execute(
    jobs: &[Job],
    plan: &Plan,
    store: &Store,
    each: &mut dyn FnMut(&Job, SeedResult, bool) -> Result<()>,
) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut waiting = VecDeque::new();
    for job in jobs {
        match store.kept(job) {
            Some(result) => each(job, result, true)?,
            None => waiting.push_back(job),
        }
    }
    let mut running: Vec<Running<'_>> = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < cores()
            && let Some(job) = waiting.pop_front()
        {
            let at_once = (running.len() + 1 + waiting.len()).min(cores());
            let threads = (cores() / at_once).max(1);
            running.push(Running::start(&program, plan, job, store, threads)?);
        }
        let mut still = Vec::new();
        for mut process in running {
            match process.result()? {
                Some(result) => each(process.job(), result, false)?,
                None => still.push(process),
            }
        }
        running = still;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
