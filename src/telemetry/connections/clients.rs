//! Who is connected, and who has to leave when somebody else comes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

type Seats = Arc<Mutex<Vec<Arc<Seat>>>>;

/// All of them, in the order in which they came.
pub(super) struct Clients {
    seats: Seats,
    since: Instant,
    most: usize,
}

#[derive(Debug, Default)]
struct Seat {
    /// Requests that are being answered.
    asks: AtomicUsize,
    /// When something came or went: milliseconds since the first client could come.
    moved: AtomicU64,
    leaves: CancellationToken,
}

/// One connection; its place is free once nobody has it any more.
#[derive(Clone)]
pub(super) struct Client(Arc<Place>);

struct Place {
    seat: Arc<Seat>,
    since: Instant,
    seats: Seats,
}

impl Clients {
    pub(super) fn new(most: usize) -> Clients {
        Clients { seats: Arc::default(), since: Instant::now(), most }
    }

    /// A place for one more. Where there is none, the one leaves that asks for nothing and has been still for longest; `None` where
    /// all of them ask.
    pub(super) fn seat(&self) -> Option<Client> {
        let mut seats = lock(&self.seats);
        if seats.len() >= self.most {
            let waiting = seats.iter().enumerate().filter(|(_, seat)| seat.asks.load(Ordering::Acquire) == 0);
            let (still, _) = waiting.min_by_key(|(_, seat)| seat.moved.load(Ordering::Relaxed))?;
            seats.remove(still).leaves.cancel();
            tracing::debug!("{} connections at once: the one that was still for longest is closed", self.most);
        }
        let seat = Arc::<Seat>::default();
        seats.push(seat.clone());
        let client = Client(Arc::new(Place { seat, since: self.since, seats: self.seats.clone() }));
        client.moves();
        Some(client)
    }
}

impl Client {
    /// Something comes or goes.
    pub(super) fn moves(&self) {
        let now = u64::try_from(self.0.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.seat.moved.store(now, Ordering::Relaxed);
    }

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
