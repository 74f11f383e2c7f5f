//! What the machine gave: CPU by program, memory, write-ahead log and tables.

use std::collections::HashMap;
use std::fs;
use std::ops::Sub;

use anyhow::Context;
use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;

use super::banks::Connections;

/// Milliseconds of CPU, of user and kernel, by who took them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Cpu {
    pub ours: u64,
    pub postgres: u64,
    pub nats: u64,
    /// The banks, which are no part of us, and what PostgreSQL does for them.
    pub sandbox: u64,
}

/// The programs that are watched.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub postgres: u32,
    pub nats: u32,
    pub sandbox: u32,
    pub of_sandbox: Connections,
}

/// The ticks of one process, and of its children that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Cpu {
    /// What has been taken since each program began; zeros where the kernel does not tell.
    pub(super) fn of(watched: &Watched) -> Cpu {
        let all = processes();
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let milliseconds = |ticks: u64| ticks * 1000 / per_second.unsigned_abs().max(1);
        let own = |pid: u32| all.get(&pid).map_or(0, |it| it.own);
        // Each connection is a child of the postmaster.
        let children = all.iter().filter(|(_, it)| it.parent == watched.postgres);
        let (for_banks, for_us): (Vec<_>, Vec<_>) =
            children.partition(|(pid, _)| watched.of_sandbox.hold(**pid));
        let sum = |of: Vec<(&u32, &Ticks)>| of.iter().map(|(_, it)| it.own).sum::<u64>();
        let ended = all.get(&watched.postgres).map_or(0, |it| it.ended_children);
        let postgres = own(watched.postgres) + ended + sum(for_us);
        Cpu {
            ours: milliseconds(own(std::process::id())),
            postgres: milliseconds(postgres),
            nats: milliseconds(own(watched.nats)),
            sandbox: milliseconds(own(watched.sandbox) + sum(for_banks)),
        }
    }

    /// What counts as the chain's: all but the banks.
    pub(super) fn chain(self) -> u64 {
        self.ours + self.postgres + self.nats
    }

    pub(super) fn plus(self, other: Cpu) -> Cpu {
        Cpu {
            ours: self.ours + other.ours,
            postgres: self.postgres + other.postgres,
            nats: self.nats + other.nats,
            sandbox: self.sandbox + other.sandbox,
        }
    }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu {
            ours: self.ours.saturating_sub(before.ours),
            postgres: self.postgres.saturating_sub(before.postgres),
            nats: self.nats.saturating_sub(before.nats),
            sandbox: self.sandbox.saturating_sub(before.sandbox),
        }
    }
}

fn processes() -> HashMap<u32, Ticks> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return HashMap::new();
    };
    let pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    let ticks = pids.filter_map(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, ticks(&stat).ok()?))
    });
    ticks.collect()
}

/// A line of `/proc/<pid>/stat` (proc(5)): the name in brackets may hold anything.
fn ticks(stat: &str) -> anyhow::Result<Ticks> {
    let (_, rest) = stat.rsplit_once(')').context("a name in brackets")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |at: usize| -> anyhow::Result<u64> {
        let text = fields.get(at).context("a field")?;
        Ok(text.parse()?)
    };
    Ok(Ticks {
        parent: field(1)?.try_into()?,
        own: field(11)? + field(12)?,
        ended_children: field(13)? + field(14)?,
    })
}

/// The most memory a process has held, from the kernel; 0 where it does not tell.
pub(in crate::commands) fn peak_memory_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|it| it.split_whitespace().next())
        .and_then(|it| it.parse().ok())
        .unwrap_or_default();
    kib / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_a_name_with_brackets() {
        let stat =
            "4242 (post) gres: x) S 77 4242 4242 0 -1 4194560 900 0 3 0 12 34 56 78 20 0 1 0";
        let expected = Ticks {
            parent: 77,
            own: 46,
            ended_children: 134,
        };
        assert_eq!(ticks(stat).unwrap(), expected);
        assert!(ticks("1 (x) S 2").is_err());
    }

    #[test]
    fn work_is_counted() {
        let nobody = Watched {
            postgres: 0,
            nats: 0,
            sandbox: 0,
            of_sandbox: Connections::default(),
        };
        let before = Cpu::of(&nobody);
        let begun = std::time::Instant::now();
        let mut hash = [0; 32];
        while begun.elapsed().as_millis() < 200 {
            hash = hashed(&hash);
        }
        let took = Cpu::of(&nobody) - before;
        assert!(took.ours >= 50 && took.postgres == 0, "{took:?}");
        assert!(peak_memory_mib(std::process::id()) > 0);
    }

    fn hashed(bytes: &[u8; 32]) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        Sha256::digest(bytes).into()
    }
}
