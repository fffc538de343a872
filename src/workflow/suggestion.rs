//! Which key somebody meant who wrote an unknown one.

use crate::workflow::keys::Key;
use crate::workflow::mistake::SHOWN;
use crate::workflow::similar::similar;

/// The key that was probably meant. Nobody reads suggestions past the mistakes that are shown.
pub(crate) fn suggestion(key: &str, keys: &[Key], mistakes: usize) -> Option<&'static str> {
    if mistakes > SHOWN { None } else { similar(key, keys.iter().map(|key| key.name)) }
}
