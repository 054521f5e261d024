//! Seeds side by side as processes: Burn's generator is one a process.

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::experiment::{Context, Finding, System, Trial};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The experiments.
    pub systems: Vec<&'static System>,
    /// How many seeds of each, instead of their own number.
    pub seeds: Option<u64>,
    /// The large size.
    pub full: bool,
    /// A folder with the user's data.
    pub folder: Option<PathBuf>,
}

/// The findings of a plan, and the trials behind each.
pub type Findings = Vec<(&'static System, Finding, Vec<Trial>)>;

/// Runs a plan with one process a seed, as many at once as there are processors.
///
/// # Errors
/// The first seed that fails, with what it wrote to its error stream.
pub fn run(plan: &Plan) -> Result<Findings> {
    let program = std::env::current_exe().context("finding this program")?;
    let context = context(plan, 0);
    for system in &plan.systems {
        context.data_name(system.data)?;
    }
    let total = plan.systems.iter().map(|s| plan.seeds.unwrap_or(s.seeds));
    let bar = ProgressBar::new(total.sum()).with_style(style());
    let mut findings = Vec::new();
    for system in &plan.systems {
        bar.set_prefix(system.name);
        let start = Instant::now();
        let trials = run_system(&program, plan, system, &bar)?;
        let seconds = start.elapsed().as_secs_f64();
        let finding = Finding::new(system, &context, &trials, seconds)?;
        findings.push((*system, finding, trials));
    }
    bar.finish_and_clear();
    Ok(findings)
}

/// The context of one seed of a plan.
#[must_use]
pub fn context(plan: &Plan, seed: u64) -> Context {
    Context {
        full: plan.full,
        folder: plan.folder.clone(),
        ..Context::new(seed)
    }
}

/// Runs one seed in this process.
///
/// # Errors
/// What the experiment returns.
pub fn run_seed(system: &System, context: &Context, seed: u64) -> Result<Trial> {
    let start = Instant::now();
    let mut trial = (system.run)(context, seed)?;
    trial.seconds = start.elapsed().as_secs_f64();
    Ok(trial)
}

fn style() -> ProgressStyle {
    let template = "{prefix:20} {bar:30} {pos}/{len} seeds, {msg} {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn run_system(
    program: &Path,
    plan: &Plan,
    system: &System,
    bar: &ProgressBar,
) -> Result<Vec<Trial>> {
    let mut waiting: VecDeque<u64> = (0..plan.seeds.unwrap_or(system.seeds)).collect();
    let slots = std::thread::available_parallelism().map_or(1, usize::from);
    let mut running: Vec<Running> = Vec::new();
    let mut trials = Vec::new();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < slots
            && let Some(seed) = waiting.pop_front()
        {
            bar.set_message(format!("seed {seed},"));
            running.push(Running::start(program, plan, system, seed, slots)?);
        }
        let (done, still): (Vec<_>, Vec<_>) = {
            let mut done = Vec::new();
            let mut still = Vec::new();
            for mut child in running {
                if child.process.try_wait()?.is_some() {
                    done.push(child);
                } else {
                    still.push(child);
                }
            }
            (done, still)
        };
        running = still;
        for child in done {
            trials.push(child.finish(system)?);
            bar.inc(1);
        }
        std::thread::sleep(Duration::from_millis(20));
        bar.tick();
    }
    trials.sort_by_key(|trial: &Trial| trial.seed);
    Ok(trials)
}

/// A seed in its own process, which writes its trial to a file.
struct Running {
    process: Child,
    seed: u64,
    folder: tempfile::TempDir,
}

impl Running {
    fn start(
        program: &Path,
        plan: &Plan,
        system: &System,
        seed: u64,
        slots: usize,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.arg("trial").arg(system.name);
        command.args(["--seed", &seed.to_string()]);
        command.arg("--out").arg(folder.path().join("trial.json"));
        if plan.full {
            command.arg("--full");
        }
        if let Some(data) = &plan.folder {
            command.arg("--data").arg(data);
        }
        // The processes share the cores: one thread each if every core has a process.
        if slots > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            command.env("RAYON_NUM_THREADS", "1");
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        Ok(Self {
            process: process.context("starting a seed")?,
            seed,
            folder,
        })
    }

    fn finish(mut self, system: &System) -> Result<Trial> {
        let status = self.process.wait()?;
        if !status.success() {
            let mut errors = String::new();
            if let Some(mut stream) = self.process.stderr.take() {
                stream.read_to_string(&mut errors)?;
            }
            bail!("{}, seed {}: {}", system.name, self.seed, errors.trim());
        }
        let bytes = std::fs::read(self.folder.path().join("trial.json"))?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A seed that is still running when another has failed is not waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
