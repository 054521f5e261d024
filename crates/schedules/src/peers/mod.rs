//! # Schedules by their names elsewhere
//!
//! What other libraries build from several of this crate's schedules, under their names and with
//! their arguments: a run that is ported keeps its rates.
//!
//! Source: optax 0.2.8, torch 2.15, timm 1.0.31, transformers 5.24, Keras 3.15.
//!
//! What is one schedule here is not repeated: `CosineAnnealingLR` is [`Cosine`](crate::Cosine),
//! `OneCycleLR` is [`OneCycle`](crate::OneCycle), and so on; the search of these pages knows the
//! other names. Past its end a finite schedule holds its last value, also where the library's
//! own rises again (torch's cosine, transformers' cosines) or fails (torch's one-cycle).
//!
//! Where a library takes a function, as `CyclicLR(scale_fn=..)` of torch and `WSDLRScheduler(decay_fn=..)` of timm do, a
//! [`Lambda`](crate::Lambda) calls it around a schedule. It composes and trains as every schedule does. A function can't be
//! saved; a [`Table`](crate::Table) of its values can.
//!
//! ```
//! use regimen_schedules::{AnySchedule, Curve, Cyclic, Lambda, Schedule, ScheduleExt, Table, Wsd};
//!
//! // torch: base + (max - base) triangle scale_fn(cycle), where cycles count from 1
//! let (triangle, length) = (Cyclic::new(0.0, 1.0, 10, 20)?, 30);
//! let scale = |cycle: usize| (cycle as f64).powi(-2);
//! let rate = Lambda(move |t: usize| 0.1 + 0.9 * triangle.at(t) * scale(1 + t / length));
//! assert!((rate.at(10) - 1.0).abs() < 1e-12 && (rate.at(40) - 0.325).abs() < 1e-12);
//!
//! // timm: end + (level - end) decay_fn(p) over the last phase; `Held` keeps the level until the end
//! let (warmup, stable, decay, end) = (10, 60, 30, 0.05);
//! let level = Wsd::new(1.0, warmup, stable, decay)?.with_curve(Curve::Held)?.with_end(end)?;
//! let decay_fn = |p: f64| (1.0 - p).powi(3);
//! let rate = Lambda(move |t: usize| match t.saturating_sub(warmup + stable) {
//!     0 => level.at(t),
//!     past => end + (level.at(t) - end) * decay_fn(past as f64 / decay as f64),
//! });
//! assert_eq!([rate.at(5), rate.at(70), rate.at(85), rate.at(100)], [0.5, 1.0, 0.16875, 0.05]);
//!
//! let saved: AnySchedule = Table::new(rate.table(101)?)?.into();
//! assert_eq!(saved.at(85), rate.scaled(1.0)?.at(85));
//! # Ok::<(), regimen_schedules::Error>(())
//! ```

pub mod keras;
pub mod optax;
mod parts;
pub mod recipes;
pub mod timm;
pub mod torch;
pub mod transformers;
