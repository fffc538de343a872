//! Who is connected, and who leaves when somebody else comes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

type Seats = Arc<Mutex<Vec<Arc<Seat>>>>;

/// All of them, in the order in which they came.
pub(super) struct Guests {
    seats: Seats,
    most: usize,
}

#[derive(Debug, Default)]
struct Seat {
    /// Requests that are being answered.
    asks: AtomicUsize,
    leaves: CancellationToken,
}

/// One connection; its place is free once nobody has it any more.
#[derive(Clone)]
pub(super) struct Guest(Arc<Place>);

struct Place {
    seat: Arc<Seat>,
    seats: Seats,
}

impl Guests {
    pub(super) fn new(most: usize) -> Guests {
        Guests { seats: Arc::default(), most }
    }

    /// A place for one more. Where there is none, the first to come that asks for nothing leaves; `None` where all of them ask.
    pub(super) fn seat(&self) -> Option<Guest> {
        let mut seats = lock(&self.seats);
        if seats.len() >= self.most {
            let waits = seats.iter().position(|seat| seat.asks.load(Ordering::Acquire) == 0)?;
            seats.remove(waits).leaves.cancel();
            tracing::debug!("{} connections at once: the one that waited for longest is closed", self.most);
        }
        let seat = Arc::<Seat>::default();
        seats.push(seat.clone());
        Some(Guest(Arc::new(Place { seat, seats: self.seats.clone() })))
    }
}

impl Guest {
    /// A request is being answered as long as this is kept.
    pub(super) fn asking(&self) -> Asking<'_> {
        self.0.seat.asks.fetch_add(1, Ordering::AcqRel);
        Asking(&self.0.seat)
    }

    /// Until somebody else has its place.
    pub(super) async fn made_room(&self) {
        self.0.seat.leaves.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.seats).retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

pub(super) struct Asking<'g>(&'g Seat);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asks.fetch_sub(1, Ordering::AcqRel);
    }
}

fn lock(seats: &Mutex<Vec<Arc<Seat>>>) -> MutexGuard<'_, Vec<Arc<Seat>>> {
    seats.lock().unwrap_or_else(PoisonError::into_inner)
}
