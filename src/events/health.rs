//! A worker's components: healthy or not.

use super::TARGET;
use crate::model::health::{Component, Status};

/// A check found another status than the one before; the first one of a boot, anything but healthy.
pub(crate) fn changed(component: Component, was: Option<Status>, status: Status, reason: Option<&str>) {
    let (component, was) = (component.as_str(), was.map_or("unknown", Status::as_str));
    match status {
        Status::Healthy => {
            tracing::info!(target: TARGET, event = "component_recovered", component, was, "{component} is healthy again");
        }
        Status::Degraded | Status::Unhealthy => {
            let reason = reason.unwrap_or("no reason is known");
            tracing::warn!(target: TARGET, event = "component_not_healthy", component, was, status = status.as_str(),
                           "{component} is {status}: {reason}");
        }
    }
}
