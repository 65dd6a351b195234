//! Rust values to PostgreSQL values and back.
//!
//! - [`Encode`] writes a parameter, [`Params`] all of a statement's;
//! - [`Decode`] reads a value, [`FromRow`] a whole row, along a [`RowPlan`] that is made once for a result;
//! - [`Type`] is one of PostgreSQL's, [`Timestamptz`] a value for which Rust has no type of its own.
//!
//! Binary first: text is read where the server sends it (the simple query protocol), and used for types that have no
//! binary form. Nothing is rounded, wrapped or cut: what does not fit is an error that names both types.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod column;
#[cfg(feature = "postgres-types")]
mod compat;
mod container;
pub mod copy;
mod decode;
#[doc(hidden)]
pub mod derived;
mod ecosystem;
mod encode;
mod error;
mod format;
mod from_row;
mod identifier;
mod oid;
mod params;
mod plan;
mod quote;
mod record;
mod row;
mod sql;
mod ty;
mod value;

pub use column::{Column, Columns};
#[cfg(feature = "postgres-types")]
pub use compat::Compat;
#[doc(hidden)]
pub use container::{
    Accepts, CompositeReader, Elements, accepts_composite, composite_format, encode_composite,
    encode_composite_text,
};
pub use container::{Array, Composite, Dimension, Multirange, Range};
pub use decode::{Decode, decode_value, plan_value};
#[cfg(feature = "serde_json")]
pub use ecosystem::Json;
pub use encode::{Encode, IsNull};
pub use error::{DecodeError, EncodeError, ParamError, PlanError, PlanProblem, RecordError, ValueError};
pub use format::Format;
pub use from_row::FromRow;
pub use identifier::{Identifier, IdentifierError, QualifiedName};
pub use oid::Oid;
pub use params::Params;
pub use plan::{Field, PlanPart, RowPlan};
pub use quote::{quote_identifier, quote_literal};
pub use record::Record;
pub use row::{RowRef, Walk};
pub use sql::Sql;
#[doc(hidden)]
pub use ty::Epochs;
pub use ty::{Attribute, Definition, Kind, Type};
pub use value::{
    BitString, Cid, Cidr, Circle, Cube, Date, HalfVector, Hstore, Inet, Int2Vector, Interval, JsonPath,
    JsonText, Lexeme, LexemePosition, Line, Lquery, Lseg, Ltree, Ltxtquery, MacAddr, MacAddr8, Money,
    Numeric, OidVector, Path, PgBox, PgLsn, PgSnapshot, Point, Polygon, SparseVector, Tid, Time, TimeTz,
    Timestamp, Timestamptz, TsOperator, TsQuery, TsQueryItem, TsVector, TsWeight, Uuid, Value, Vector, Xid,
    Xid8,
};
