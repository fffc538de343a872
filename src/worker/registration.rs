//! How a boot gets its name. A name belongs to one process at a time: a new boot waits for a live process that has it, and
//! takes it at once from a dead one.

use std::time::{Duration, Instant};

use super::{NameTaken, Shutdown};
use crate::events;
use crate::model::suspect::Evidence;
use crate::neighbour;
use crate::recovery::{Judgement, Recovery, freeing};
use crate::store::backoff::Backoff;
use crate::store::boots::{Boot, Holder, Predecessor, Registering, Superseded};
use crate::store::gone::SuspectedBoot;
use crate::store::{Store, StoreError};

/// Between two looks at a living process that has the name.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Between two lines about it.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What becomes of a boot that wants to register.
#[derive(Debug)]
pub(super) enum Registered {
    As(Boot),
    /// Another process has the name, and is seen to live.
    NameTaken(NameTaken),
    /// Somebody asked this process to stop.
    Asked,
}

/// What a process does that finds a living one with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenTaken {
    /// It is new, and the other one may be about to stop.
    Wait,
    /// It had the name, was given up, and comes too late.
    End,
}

/// What is to be done about the boot that has the name.
enum Verdict {
    /// Its process is no more, or is this one.
    TakeOver(SuspectedBoot, Evidence),
    /// It may be gone: that shows within that time.
    Doubt(Duration),
    WaitForIt(SuspectedBoot),
}

/// What came of one attempt.
enum Attempt {
    Registered,
    /// Something has changed meanwhile.
    Again,
    Doubt(Duration),
    /// That one has the name, and lives by all that is known.
    Held(SuspectedBoot),
}

/// Registers a boot of one name.
pub(super) struct Registration<'r> {
    store: &'r Store,
    when_taken: WhenTaken,
    recovery: Recovery,
    /// Who had the name at first.
    first: Option<SuspectedBoot>,
    told: Option<Instant>,
}

impl<'r> Registration<'r> {
    pub(super) fn new(store: &'r Store, when_taken: WhenTaken) -> Registration<'r> {
        let recovery = Recovery::new(crate::config::host_name());
        Registration { store, when_taken, recovery, first: None, told: None }
    }

    /// Waits for a database that is away, too. Each try is a boot of its own, for one whose answer was lost may have been
    /// registered: it holds nothing, and the next one of this process ends it.
    pub(super) async fn register(mut self, like: &Boot, shutdown: &Shutdown) -> Result<Registered, StoreError> {
        let mut backoff = Backoff::default();
        loop {
            let boot = like.renewed();
            let wait = match self.attempt(&boot).await {
                Ok(Attempt::Registered) => return Ok(Registered::As(boot)),
                Ok(Attempt::Again) => Duration::ZERO,
                Ok(Attempt::Doubt(wait)) => wait.min(LOOK_EVERY),
                Ok(Attempt::Held(other)) => {
                    if self.when_taken == WhenTaken::End && self.is_seen_to_live(&other, &boot) {
                        return Ok(Registered::NameTaken(NameTaken::by(&other)));
                    }
                    self.tell(&other);
                    LOOK_EVERY
                }
                Err(StoreError::Away(error)) => {
                    if backoff.is_first() {
                        tracing::warn!("registering waits: {error}");
                    }
                    self.recovery.was_away();
                    backoff.grown()
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.asked() => return Ok(Registered::Asked),
            }
        }
    }

    async fn attempt(&mut self, boot: &Boot) -> Result<Attempt, StoreError> {
        let holder = self.store.holder(&boot.name, boot.lease).await?;
        let superseded = match holder.map(|holder| self.judge(boot, holder)) {
            None => None,
            Some(Verdict::TakeOver(before, evidence)) => Some((before, evidence)),
            Some(Verdict::Doubt(wait)) => return Ok(Attempt::Doubt(wait)),
            Some(Verdict::WaitForIt(other)) => return Ok(Attempt::Held(other)),
        };
        let superseded = superseded.as_ref().map(|(boot, evidence)| Superseded { boot, evidence: *evidence });
        let Registering::Done(predecessor) = self.store.register_worker(boot, superseded).await? else {
            return Ok(Attempt::Again);
        };
        if let Some(Predecessor { boot: old, ended, freed }) = predecessor {
            freeing::report(&ended, &freed);
            events::worker::superseded(&boot.name, &old);
        }
        Ok(Attempt::Registered)
    }

    fn judge(&mut self, boot: &Boot, Holder { seen, sign }: Holder) -> Verdict {
        if seen.process.machine.is_some() && seen.process == boot.process {
            return Verdict::TakeOver(seen, Evidence::None);
        }
        if neighbour::lives(&seen.process, &boot.process) == Some(false) {
            let evidence = seen.evidence();
            return Verdict::TakeOver(seen, evidence);
        }
        let judged = match sign {
            Some(_) => self.recovery.judge(std::slice::from_ref(&seen)),
            None => self.recovery.judge(&[]),
        };
        match judged.first() {
            Some(Judgement::Gone(sign)) => {
                let seen = SuspectedBoot { sign: *sign, ..seen };
                let evidence = seen.evidence();
                Verdict::TakeOver(seen, evidence)
            }
            Some(Judgement::Doubted(wait)) => Verdict::Doubt(*wait),
            Some(Judgement::Lives) | None => Verdict::WaitForIt(seen),
        }
    }

    /// It is there on this machine, or was heard of since it was first asked after. A lock alone proves nothing: where a
    /// machine is gone, the server holds it on.
    fn is_seen_to_live(&mut self, other: &SuspectedBoot, boot: &Boot) -> bool {
        let first = self.first.get_or_insert_with(|| other.clone());
        let was_heard_of = first.worker != other.worker || first.last_seen < other.last_seen;
        was_heard_of || neighbour::lives(&other.process, &boot.process) == Some(true)
    }

    fn tell(&mut self, other: &SuspectedBoot) {
        if self.told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            events::worker::waits_for_its_name(&other.name, &other.process.host, other.process.pid);
        }
    }
}
