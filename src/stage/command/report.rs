//! What a worker learns from the guard of a program.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Pid;

/// Its length as bytes: a letter and two numbers.
pub(super) const LENGTH: usize = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// The program has begun.
    Began(Began),
    /// Nothing was started; the number is the system's reason.
    Refused(i32),
    /// Nothing was started: the process that starts guards has threads, which a fork does not take along.
    HasThreads,
    /// Everything has ended. The guard's last word.
    Ended(ExitStatus),
}

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Began {
    pub(super) guard: Pid,
    /// It leads a process group of its own.
    pub(super) program: Pid,
}

impl Report {
    pub(super) fn to_bytes(self) -> [u8; LENGTH] {
        let (letter, numbers) = match self {
            Report::Began(Began { guard, program }) => {
                (b'b', [guard.as_raw_nonzero().get(), program.as_raw_nonzero().get()])
            }
            Report::Refused(error) => (b'r', [error, 0]),
            Report::HasThreads => (b't', [0, 0]),
            Report::Ended(status) => (b'e', [status.into_raw(), 0]),
        };
        let mut bytes = [letter; LENGTH];
        bytes[1..5].copy_from_slice(&numbers[0].to_le_bytes());
        bytes[5..].copy_from_slice(&numbers[1].to_le_bytes());
        bytes
    }

    /// `None` where they are no report.
    pub(super) fn of(bytes: [u8; LENGTH]) -> Option<Report> {
        let [letter, a, b, c, d, e, f, g, h] = bytes;
        let (first, second) = (i32::from_le_bytes([a, b, c, d]), i32::from_le_bytes([e, f, g, h]));
        match letter {
            b'b' => Some(Report::Began(Began { guard: Pid::from_raw(first)?, program: Pid::from_raw(second)? })),
            b'r' => Some(Report::Refused(first)),
            b't' => Some(Report::HasThreads),
            b'e' => Some(Report::Ended(ExitStatus::from_raw(first))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let pid = |number| Pid::from_raw(number).unwrap();
        let began = Report::Began(Began { guard: pid(7), program: pid(4_194_303) });
        let ended = [0, 1 << 8, 9, 139].map(|status| Report::Ended(ExitStatus::from_raw(status)));
        for report in [began, Report::Refused(11), Report::HasThreads].into_iter().chain(ended) {
            assert_eq!(Report::of(report.to_bytes()), Some(report));
        }
        assert_eq!(Report::of([0; LENGTH]), None);
    }
}
