//! Points in time between rows and the engine.
//!
//! Postgres knows years that chrono does not, and `infinity`; sqlx' own decoding of such a value panics. Everything in the
//! store reads and writes times as a [`Moment`], and Piton is built without sqlx' support for chrono, so that nothing else
//! compiles.

use std::fmt;

use chrono::{DateTime, Utc};
use sqlx::decode::Decode;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Postgres, Type};

use super::{Store, StoreError};

/// 2000-01-01, from where Postgres counts microseconds, in seconds since 1970.
const EPOCH_OF_POSTGRES: i64 = 946_684_800;
/// The first and the last microsecond that is told apart: those of the years 1 to 9999, which every format can write.
const FIRST: i64 = -63_082_281_600_000_000;
const LAST: i64 = 252_455_615_999_999_999;
/// What Postgres sends for `-infinity` and `infinity`.
const BEFORE_ALL: i64 = i64::MIN;
const AFTER_ALL: i64 = i64::MAX;

/// Numbers of Postgres' types `timestamptz` and `timestamptz[]`.
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);

/// A time in a row. What lies outside the years 1 to 9999 is read as the first or the last moment of them, and those are
/// written as `-infinity` and `infinity`: the order of times survives the way there and back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) DateTime<Utc>);

impl Moment {
    /// Before all others.
    pub(crate) const START: DateTime<Utc> = at(FIRST);

    fn of_postgres(micros: i64) -> Moment {
        Moment(at(micros.clamp(FIRST, LAST)))
    }

    fn to_postgres(self) -> i64 {
        match self.0.timestamp_micros().saturating_sub(EPOCH_OF_POSTGRES * 1_000_000) {
            micros if micros <= FIRST => BEFORE_ALL,
            micros if micros >= LAST => AFTER_ALL,
            micros => micros,
        }
    }
}

/// Within the bounds chrono has every moment.
const fn at(micros: i64) -> DateTime<Utc> {
    let seconds = EPOCH_OF_POSTGRES + micros.div_euclid(1_000_000);
    match DateTime::from_timestamp(seconds, micros.rem_euclid(1_000_000) as u32 * 1_000) {
        Some(at) => at,
        None => DateTime::UNIX_EPOCH,
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Moment> for DateTime<Utc> {
    fn from(moment: Moment) -> DateTime<Utc> {
        moment.0
    }
}

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Moment {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(self.to_postgres(), buffer)
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Moment, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Moment::of_postgres(Decode::<Postgres>::decode(value)?)),
            PgValueFormat::Text => Err("a time came as text, and every statement asks for it in binary".into()),
        }
    }
}

/// The same where a row may have none.
pub(crate) struct MaybeMoment(Option<Moment>);

impl From<MaybeMoment> for Option<DateTime<Utc>> {
    fn from(MaybeMoment(moment): MaybeMoment) -> Option<DateTime<Utc>> {
        moment.map(DateTime::from)
    }
}

impl Type<Postgres> for MaybeMoment {
    fn type_info() -> PgTypeInfo {
        Moment::type_info()
    }
}

impl Decode<'_, Postgres> for MaybeMoment {
    fn decode(value: PgValueRef<'_>) -> Result<MaybeMoment, BoxDynError> {
        Ok(MaybeMoment(Decode::<Postgres>::decode(value)?))
    }
}

impl Store {
    /// What the database's clock shows.
    pub(crate) async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let Moment(now) = sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.pool).await?;
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bounds_are_the_years_1_to_9999() {
        assert_eq!(at(FIRST).to_rfc3339(), "0001-01-01T00:00:00+00:00");
        assert_eq!(at(LAST).to_rfc3339(), "9999-12-31T23:59:59.999999+00:00");
        assert_eq!(at(0).to_rfc3339(), "2000-01-01T00:00:00+00:00");
    }

    #[test]
    fn what_has_no_end_comes_back_as_it_was() {
        for infinity in [BEFORE_ALL, AFTER_ALL] {
            assert_eq!(Moment::of_postgres(infinity).to_postgres(), infinity);
        }
        assert_eq!(Moment(DateTime::<Utc>::MAX_UTC).to_postgres(), AFTER_ALL);
        assert_eq!(Moment(DateTime::<Utc>::MIN_UTC).to_postgres(), BEFORE_ALL);
    }

    proptest! {
        #[test]
        fn no_time_of_postgres_panics_and_their_order_stays(one in any::<i64>(), other in any::<i64>()) {
            let read = Moment::of_postgres;
            prop_assert!(one > other || read(one) <= read(other));
            prop_assert!(read(one).to_postgres() > other || read(one) <= read(other) || one > other);
            prop_assert!(read(one).0.checked_add_signed(TimeDelta::days(365)).is_some());
        }

        #[test]
        fn times_of_these_years_come_back_as_they_were(micros in FIRST + 1..LAST) {
            prop_assert_eq!(Moment::of_postgres(micros).to_postgres(), micros);
        }
    }
}
