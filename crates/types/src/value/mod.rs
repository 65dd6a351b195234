//! The Rust types that values become, one file a family.

mod bit_string;
mod bool;
mod bytea;
mod calendar;
mod cursor;
mod date;
mod dynamic;
mod extensions;
mod float;
mod float_text;
mod geometric;
mod inet;
mod int;
mod interval;
mod json;
mod macaddr;
mod money;
mod numeric;
mod oid;
mod option;
mod pg_lsn;
mod scalar;
mod scan;
mod snapshot;
mod text;
mod text_search;
mod tid;
mod time;
mod timestamp;
mod timestamptz;
mod timetz;
mod uuid;
mod vectors;
mod void;
mod xid;

pub use bit_string::BitString;
pub use date::Date;
pub use dynamic::Value;
pub use extensions::{Cube, HalfVector, Hstore, Lquery, Ltree, Ltxtquery, SparseVector, Vector};
pub use text_search::{Lexeme, LexemePosition, TsOperator, TsQuery, TsQueryItem, TsVector, TsWeight};

pub use geometric::{Circle, Line, Lseg, Path, PgBox, Point, Polygon};
pub use inet::{Cidr, Inet};
pub use json::{JsonPath, JsonText};
pub use macaddr::{MacAddr, MacAddr8};
pub use money::Money;
pub use pg_lsn::PgLsn;
pub use snapshot::PgSnapshot;
pub use tid::Tid;
pub use vectors::{Int2Vector, OidVector};
pub use xid::{Cid, Xid, Xid8};

pub use interval::Interval;
pub use numeric::Numeric;
pub use time::Time;
pub use timestamp::Timestamp;
pub use timestamptz::Timestamptz;
pub use timetz::TimeTz;
pub use uuid::Uuid;

#[cfg(feature = "serde_json")]
pub(crate) use json::{check_json, json_bytes, put_json_version};
#[cfg(feature = "rust_decimal")]
pub(crate) use numeric::brief;

use bytes::{BufMut, BytesMut};

use crate::ValueError;

/// Appends a value of a few bytes behind its length.
#[inline]
fn put_sized<const N: usize>(value: [u8; N], out: &mut BytesMut) {
    // No more than a number has.
    let len = u32::try_from(N).unwrap_or_default();
    out.reserve(N.saturating_add(4));
    out.put_u32(len);
    out.put_slice(&value);
}

/// The bytes of a value that has a fixed size.
#[inline]
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], ValueError> {
    match <[u8; N]>::try_from(value) {
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(length(value)),
    }
}

#[cold]
fn length(value: &[u8]) -> ValueError {
    ValueError::malformed(format!("it has {} bytes", value.len()))
}

/// The error for text that is no value of its type. It shows the beginning of the text.
#[cold]
fn not_a(what: &str, text: &str) -> ValueError {
    let beginning: String = text.chars().take(40).collect();
    ValueError::malformed(format!("{beginning:?} is not {what}"))
}
