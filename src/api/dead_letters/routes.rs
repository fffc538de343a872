//! The route of each verb.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{dismiss, force, list, preview, retry};
use crate::api::Api;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(list::stats))
        .routes(routes!(list::show))
        .routes(routes!(retry::one))
        .routes(routes!(retry::those))
        .routes(routes!(preview::preview))
        .routes(routes!(dismiss::one))
        .routes(routes!(dismiss::those))
        .routes(routes!(force::force))
}
