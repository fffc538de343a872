//! Why reading from a program was given up.

/// Why reading from a program was given up.
pub(super) enum Cut {
    TooMuch,
    Broken(std::io::Error),
}

impl From<std::io::Error> for Cut {
    fn from(error: std::io::Error) -> Cut {
        Cut::Broken(error)
    }
}
