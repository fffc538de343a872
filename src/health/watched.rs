//! The worker whose health is checked.

use std::sync::Arc;

use super::queue::JobsEnded;
use super::work::Work;
use crate::stage::resources::Resources;
use crate::store::Store;

/// The worker whose health is checked.
pub(crate) struct Watched {
    pub(crate) store: Store,
    pub(crate) worker: Arc<str>,
    /// What has ended in this process since it began.
    pub(crate) ended: Box<dyn Fn() -> JobsEnded + Send + Sync>,
    pub(crate) resources: Arc<Resources>,
    /// What its work came to.
    pub(crate) work: Box<dyn Fn() -> Work + Send + Sync>,
}
