//! What somebody meant who wrote a key that there is not.

use crate::workflow::keys::Key;
use crate::workflow::mistake::SHOWN;
use crate::workflow::similar::similar;

/// The key that was probably meant. Nobody reads suggestions past the mistakes that are shown.
pub(crate) fn meant(key: &str, keys: &[Key], mistakes: usize) -> Option<&'static str> {
    if mistakes > SHOWN { None } else { similar(key, keys.iter().map(|key| key.name)) }
}
