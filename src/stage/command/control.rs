//! The worker's end of the socket to a guard.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::net::UnixStream;

use super::report::{LENGTH, Report};
use crate::system::descriptors;

/// Reading and writing share it. When it is dropped, the guard ends its program.
pub(super) struct Control(UnixStream);

impl Control {
    /// With the guard's end, in which these bytes lie as far as there is room: so many of them.
    pub(super) fn pair(first: &[u8]) -> io::Result<(Control, StdUnixStream, usize)> {
        let (mut ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let sent = ours.write(first)?;
        Ok((Control(UnixStream::from_std(ours)?), theirs, sent))
    }

    pub(super) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.0.writable().await?;
            match self.0.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next report; `None` when the guard is gone. One is written at once, and comes as a whole.
    pub(super) async fn report(&self) -> io::Result<Option<Report>> {
        loop {
            self.0.readable().await?;
            let mut bytes = [0; LENGTH];
            match self.0.try_read(&mut bytes) {
                Ok(LENGTH) => return Report::of(bytes).map(Some).ok_or_else(|| ErrorKind::InvalidData.into()),
                // Also where it was killed with an order that it had not read.
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the guard has reported something that was not read yet, or is gone.
    pub(super) fn has_news(&self) -> bool {
        descriptors::is_readable(&self.0)
    }
}
