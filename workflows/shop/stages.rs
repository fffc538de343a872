//! The work on an order.

use piton::{Committed, Failure, Input, StageContext};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a run is started on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) order: Uuid,
    pub(super) items: Vec<String>,
}

/// Input of a stage: the run's own under `input`.
#[derive(Deserialize)]
pub(super) struct OfOrder {
    input: Order,
}

#[derive(Deserialize)]
pub(super) struct OfItem {
    item: String,
}

#[derive(Deserialize)]
pub(super) struct Packed {
    input: Order,
    pack: Vec<String>,
}

/// What a run comes to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parcel {
    pub(super) content: String,
}

/// A payment service would be given the context's idempotency key here.
pub(super) async fn pay(Input(OfOrder { input }): Input<OfOrder>) -> Result<usize, Failure> {
    if input.items.is_empty() {
        return Err(Failure::invalid_input("the order has no items"));
    }
    Ok(input.items.len())
}

pub(super) async fn pack(Input(OfItem { item }): Input<OfItem>) -> Result<String, Failure> {
    Ok(item)
}

/// The parcel and the stage's result are committed together: it runs at least once, and writes exactly one parcel.
pub(super) async fn ship(
    Input(Packed { input, pack }): Input<Packed>,
    context: StageContext,
) -> Result<Committed<Parcel>, Failure> {
    let content = format!("parcel of {} for {}", pack.join(", "), input.order);
    context
        .commit(async |mut tx| {
            sqlx::query("insert into shop.parcels (order_id, content) values ($1, $2)")
                .bind(input.order)
                .bind(&content)
                .execute(&mut *tx)
                .await?;
            Ok(Parcel { content: content.clone() })
        })
        .await
}
