//! How often a client may ask with a token that opens nothing: whoever guesses tokens costs the database nothing after a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many may be wrong at once.
const BURST: f64 = 60.0;
/// And so many more in each second.
const PER_SECOND: f64 = 2.0;
/// Clients that are remembered; beyond them, those are forgotten that have been still for longest.
const CLIENTS: usize = 10_000;

/// What is left to each client that was wrong.
#[derive(Debug, Default)]
pub(super) struct Limit(Mutex<HashMap<IpAddr, Left>>);

#[derive(Debug, Clone, Copy)]
struct Left {
    misses: f64,
    at: Instant,
}

impl Left {
    fn now(self, now: Instant) -> f64 {
        (self.misses + now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND).min(BURST)
    }
}

impl Limit {
    /// How long the client has to wait before it may ask again; `None` where it may now.
    pub(super) fn wait_of(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&client).copied();
        let left = known.map(|left| left.now(now)).filter(|left| *left < 1.0)?;
        Some(Duration::from_secs_f64((1.0 - left) / PER_SECOND))
    }

    /// It had a token that opens nothing.
    pub(super) fn missed(&self, client: IpAddr, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CLIENTS && !known.contains_key(&client) {
            known.retain(|_, left| left.now(now) < BURST);
            if let Some(still) = known.iter().min_by_key(|(_, left)| left.at).map(|(client, _)| *client)
                && known.len() >= CLIENTS
            {
                known.remove(&still);
            }
        }
        let left = known.get(&client).map_or(BURST, |left| left.now(now));
        known.insert(client, Left { misses: left - 1.0, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_guesses_has_to_wait_and_others_do_not() {
        let (limit, begun) = (Limit::default(), Instant::now());
        let [guesses, other] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse::<IpAddr>().expect("an address"));
        for _ in 0..60 {
            assert_eq!(limit.wait_of(guesses, begun), None);
            limit.missed(guesses, begun);
        }
        assert_eq!(limit.wait_of(guesses, begun), Some(Duration::from_millis(500)));
        assert_eq!(limit.wait_of(other, begun), None);
        assert_eq!(limit.wait_of(guesses, begun + Duration::from_millis(500)), None);
    }

    #[test]
    fn the_memory_for_clients_is_bounded() {
        let (limit, begun) = (Limit::default(), Instant::now());
        for number in 0..20_000u32 {
            limit.missed(IpAddr::V4(number.into()), begun);
        }
        assert!(limit.0.lock().expect("a lock").len() <= CLIENTS);
    }
}
