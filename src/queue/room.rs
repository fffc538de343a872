//! Room for inputs in the memory of this process: an attempt whose input finds none starts later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Smaller inputs are not counted: slots bound them, and most attempts have only such.
const SMALL: usize = 64 << 10;
/// What a permit stands for. Semaphores count in 32 bits on some machines.
const UNIT: usize = 1 << 10;

/// Shared by all who let attempts begin.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    units: u32,
    /// Something had to wait already.
    has_been_full: Arc<AtomicBool>,
}

/// Room that is taken, until the last copy of it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// There is no room at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Room {
    pub(crate) fn of(bytes: usize) -> Room {
        // At least one, so that whatever is larger than all of it has it alone.
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, MOST);
        Room { free: Arc::new(Semaphore::new(units as usize)), units, has_been_full: Arc::default() }
    }

    /// Whether an input of that size is counted at all.
    pub(crate) fn counts(bytes: usize) -> bool {
        bytes > SMALL
    }

    /// Room for an input, if there is some now; nothing is taken for a small one.
    pub(crate) fn take_now(&self, bytes: usize) -> Result<Option<Taken>, Full> {
        if !Room::counts(bytes) {
            return Ok(None);
        }
        let permit = self.free.clone().try_acquire_many_owned(self.units_of(bytes)).map_err(|_| Full)?;
        Ok(Some(Taken { _permit: Arc::new(permit) }))
    }

    /// The same, once there is some. What is larger than all the room waits until everything else has ended.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Taken> {
        if !Room::counts(bytes) {
            return None;
        }
        if !self.has_been_full.swap(true, Ordering::Relaxed) {
            tracing::info!(
                bytes,
                "an input waits in its slot until others are done with theirs (--input-memory); of those after it nothing is said"
            );
        }
        // It is never closed.
        let permit = self.free.clone().acquire_many_owned(self.units_of(bytes)).await.ok()?;
        Some(Taken { _permit: Arc::new(permit) })
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }
}

/// What a semaphore holds on every machine.
const MOST: u32 = u32::MAX >> 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn inputs_wait_for_room_and_the_largest_has_it_alone() {
        let room = Room::of(1 << 20);
        assert!(room.take_now(SMALL).unwrap().is_none(), "small inputs are not counted");
        let half = room.take_now(512 << 10).unwrap().unwrap();
        let copy = half.clone();
        assert_eq!(room.take_now(600 << 10).err(), Some(Full));
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.take(1 << 30).await }
        });
        drop(half);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a copy still has it");
        drop(copy);
        let all = waiting.await.unwrap();
        assert_eq!(room.take_now(SMALL + 1).err(), Some(Full));
        drop(all);
        assert!(room.take_now(1 << 20).is_ok());
    }
}
