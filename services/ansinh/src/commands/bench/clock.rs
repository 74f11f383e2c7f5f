//! How long each phase took, and who worked.

use std::time::Instant;

use serde::Serialize;

use super::resources::{Cpu, Watched};
use crate::output::{grouped, say, table};

/// One phase of the chain.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub name: &'static str,
    pub lines: u64,
    pub milliseconds: u64,
    pub lines_per_s: u64,
    /// Where programs are watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_milliseconds: Option<Cpu>,
}

pub(super) struct Clock {
    begun: Instant,
    pub phases: Vec<Phase>,
    watched: Option<(Watched, Cpu)>,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock {
            begun: Instant::now(),
            phases: Vec::new(),
            watched: None,
        }
    }
}

impl Clock {
    pub(super) const CHAIN: [&str; 5] = [
        "determine, resolve, lines and root",
        "approve and reserve",
        "release, pay, results",
        "statement and match",
        "close",
    ];

    /// From now on phases say who worked.
    pub(super) fn watch(&mut self, watched: Watched) {
        let before = Cpu::of(&watched);
        self.watched = Some((watched, before));
    }

    pub(super) fn restart(&mut self) {
        self.begun = Instant::now();
        if let Some((watched, before)) = &mut self.watched {
            *before = Cpu::of(watched);
        }
    }

    pub(super) fn phase(&mut self, name: &'static str, lines: u64) -> u64 {
        let milliseconds = elapsed(self.begun);
        let lines_per_s = per_second(lines, milliseconds);
        say(&format!("{name}: {} lines/s", grouped(lines_per_s)));
        self.phases.push(Phase {
            name,
            lines,
            milliseconds,
            lines_per_s,
            cpu_milliseconds: self
                .watched
                .as_ref()
                .map(|(watched, before)| Cpu::of(watched) - *before),
        });
        self.restart();
        lines_per_s
    }

    /// From opening to closing.
    pub(super) fn chain(&self) -> u64 {
        let chain = self
            .phases
            .iter()
            .filter(|it| Clock::CHAIN.contains(&it.name));
        chain.map(|it| it.milliseconds).sum()
    }

    pub(super) fn chain_cpu(&self) -> Cpu {
        let chain = self
            .phases
            .iter()
            .filter(|it| Clock::CHAIN.contains(&it.name));
        let cpu = chain.filter_map(|it| it.cpu_milliseconds);
        cpu.fold(Cpu::default(), Cpu::plus)
    }
}

pub(super) fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn per_second(count: u64, milliseconds: u64) -> u64 {
    count * 1000 / milliseconds.max(1)
}

pub(super) fn row(name: &str, lines: u64, milliseconds: u64, rate: u64) -> [String; 4] {
    let seconds = format!("{},{:03}", milliseconds / 1000, milliseconds % 1000);
    [name.to_owned(), grouped(lines), seconds, grouped(rate)]
}

pub(super) fn phase_table(phases: &[Phase], more: Vec<[String; 4]>) -> comfy_table::Table {
    let phases = phases
        .iter()
        .map(|it| row(it.name, it.lines, it.milliseconds, it.lines_per_s));
    let rows = phases.chain(more);
    table(&["phase", "lines", "s", "lines/s"], 1, rows)
}
