//! Where, when and how it was measured.

use std::fmt;

use serde::Serialize;

/// The machine and the command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Unknown where there is no /proc.
    pub(crate) memory_gib: Option<u64>,
    pub(crate) postgres: String,
    pub(crate) date: String,
    pub(crate) command: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here(postgres: String, date: String) -> Machine {
        let mut command = "cargo run --release --manifest-path benches/baselines/Cargo.toml".to_owned();
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if !arguments.is_empty() {
            command.push_str(&format!(" -- {}", arguments.join(" ")));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Machine { cores, memory_gib: memory_gib(), postgres, date, command }
    }
}

fn memory_gib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some((kib / f64::from(1 << 20)).round() as u64)
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores, ", self.cores)?;
        if let Some(memory) = self.memory_gib {
            write!(f, "{memory} GiB of memory, ")?;
        }
        write!(f, "Postgres {}, {}, `{}`", self.postgres, self.date, self.command)
    }
}
