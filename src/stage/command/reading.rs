//! Reading what a program writes.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::cut::Cut;

/// Everything from a pipe, unless it is more than `most` bytes and a line end.
pub(super) async fn read_up_to(from: &mut (impl AsyncRead + Unpin), most: usize) -> Result<Vec<u8>, Cut> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 3).read_to_end(&mut bytes).await?;
    if bytes.len() > most && bytes.pop_if(|last| *last == b'\n').is_some() {
        bytes.pop_if(|last| *last == b'\r');
    }
    if bytes.len() > most { Err(Cut::TooMuch) } else { Ok(bytes) }
}
