//! Values whose types are known at run time only.

mod decode;
mod encode;
#[cfg(feature = "serde_json")]
mod json;
mod row;
mod text;

use super::{
    BitString, Cid, Cidr, Circle, Cube, Date, HalfVector, Hstore, Inet, Int2Vector, Interval, JsonPath,
    JsonText, Line, Lquery, Lseg, Ltree, Ltxtquery, MacAddr, MacAddr8, Money, Numeric, OidVector, Path,
    PgBox, PgLsn, PgSnapshot, Point, Polygon, SparseVector, Tid, Time, TimeTz, Timestamp, Timestamptz,
    TsQuery, TsVector, Uuid, Vector, Xid, Xid8,
};
use crate::{Array, Multirange, Oid, Range, Type};

/// Writes the enum, and what is done with each of its scalar variants, out of one table: the variant, the Rust type in it, and the types
/// of PostgreSQL's that it stands for.
macro_rules! values {
    ($($(#[$doc:meta])+ $variant:ident($rust:ty) = $($name:literal)|+;)+) => {
        /// A value of any type, for programs that do not know beforehand what a result holds.
        ///
        /// Every column can be read as one, and what was read can be sent again. `Display` is the text that the server itself sends, and `psql` shows, under
        /// `TimeZone` UTC, `DateStyle` ISO, `IntervalStyle` postgres, `lc_monetary` C and `bytea_output` hex; NULL is shown as nothing.
        ///
        /// ```
        /// use cornac_types::{Decode, Type, Value};
        ///
        /// let value = Value::from_binary(&Type::INT4, &7_i32.to_be_bytes())?;
        /// assert_eq!(value, Value::Int4(7));
        /// assert_eq!(value.to_string(), "7");
        /// # Ok::<(), cornac_types::ValueError>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Value {
            /// NULL, of whatever type.
            Null,
            $($(#[$doc])+ $variant($rust),)+
            /// What a function gives that returns nothing.
            Void,
            /// A label of an enum.
            Enum(Type, Box<str>),
            /// An array, with its own type.
            Array(Type, Array<Value>),
            /// A range, with its own type.
            Range(Type, Box<Range<Value>>),
            /// A multirange, with its own type.
            Multirange(Type, Multirange<Value>),
            /// The fields of a composite type, or of a record, in their order. [`Type::fields`] has their names.
            Composite(Type, Vec<Value>),
            /// The text of a value of which nothing else is known.
            Other(Type, Box<str>),
            /// The bytes of a value of which nothing else is known: of a type that is not built in, in an anonymous record.
            Opaque(Type, Box<[u8]>),
        }

        impl Value {
            /// Reads the binary form of a type that is not made of others; `None` if there is no variant for it.
            fn scalar_from_binary(ty: &Type, value: &[u8]) -> Option<Result<Self, crate::ValueError>> {
                use crate::{Decode, Format};
                match ty.name()? {
                    $($($name)|+ if <$rust>::accepts(ty, Format::Binary) => {
                        Some(<$rust>::from_binary(ty, value).map(Self::$variant))
                    })+
                    _ => None,
                }
            }

            /// Reads the text of a type that is not made of others; `None` if there is no variant for it.
            fn scalar_from_text(ty: &Type, text: &str) -> Option<Result<Self, crate::ValueError>> {
                use crate::{Decode, Format};
                match ty.name()? {
                    $($($name)|+ if <$rust>::accepts(ty, Format::Text) => {
                        Some(<$rust>::from_text(ty, text.to_owned().into()).map(Self::$variant))
                    })+
                    _ => None,
                }
            }

            /// The value of a variant that is not made of others.
            fn as_scalar(&self) -> Option<&dyn crate::Encode> {
                match self {
                    $(Self::$variant(value) => Some(value),)+
                    _ => None,
                }
            }
        }
    };
}

values! {
    /// `bool`.
    Bool(bool) = "bool";
    /// `"char"`.
    Char(i8) = "char";
    /// `int2`.
    Int2(i16) = "int2";
    /// `int4`.
    Int4(i32) = "int4";
    /// `int8`.
    Int8(i64) = "int8";
    /// `oid`, and the `reg*` types, which are OIDs.
    Oid(Oid) = "oid" | "regproc" | "regprocedure" | "regoper" | "regoperator" | "regclass" | "regtype" | "regrole" | "regnamespace" | "regconfig" | "regdictionary" | "regcollation" | "regdatabase";
    /// `xid`.
    Xid(Xid) = "xid";
    /// `xid8`.
    Xid8(Xid8) = "xid8";
    /// `cid`.
    Cid(Cid) = "cid";
    /// `tid`.
    Tid(Tid) = "tid";
    /// `float4`.
    Float4(f32) = "float4";
    /// `float8`.
    Float8(f64) = "float8";
    /// `numeric`.
    Numeric(Numeric) = "numeric";
    /// `money`.
    Money(Money) = "money";
    /// `text`, and whatever else is text.
    Text(Box<str>) = "text" | "varchar" | "bpchar" | "name" | "unknown" | "cstring" | "xml" | "refcursor" | "citext";
    /// `bytea`.
    Bytea(Vec<u8>) = "bytea";
    /// `date`.
    Date(Date) = "date";
    /// `time`.
    Time(Time) = "time";
    /// `timetz`.
    TimeTz(TimeTz) = "timetz";
    /// `timestamp`.
    Timestamp(Timestamp) = "timestamp";
    /// `timestamptz`.
    Timestamptz(Timestamptz) = "timestamptz";
    /// `interval`.
    Interval(Interval) = "interval";
    /// `uuid`.
    Uuid(Uuid) = "uuid";
    /// `json` or `jsonb`.
    Json(JsonText<String>) = "json" | "jsonb";
    /// `jsonpath`.
    JsonPath(JsonPath<String>) = "jsonpath";
    /// `inet`.
    Inet(Inet) = "inet";
    /// `cidr`.
    Cidr(Cidr) = "cidr";
    /// `macaddr`.
    MacAddr(MacAddr) = "macaddr";
    /// `macaddr8`.
    MacAddr8(MacAddr8) = "macaddr8";
    /// `bit` or `varbit`.
    BitString(BitString) = "bit" | "varbit";
    /// `point`.
    Point(Point) = "point";
    /// `line`.
    Line(Line) = "line";
    /// `lseg`.
    Lseg(Lseg) = "lseg";
    /// `box`.
    Box(PgBox) = "box";
    /// `path`.
    Path(Path) = "path";
    /// `polygon`.
    Polygon(Polygon) = "polygon";
    /// `circle`.
    Circle(Circle) = "circle";
    /// `tsvector`.
    TsVector(TsVector) = "tsvector";
    /// `tsquery`.
    TsQuery(TsQuery) = "tsquery";
    /// `pg_lsn`.
    PgLsn(PgLsn) = "pg_lsn";
    /// `pg_snapshot` or `txid_snapshot`.
    PgSnapshot(PgSnapshot) = "pg_snapshot" | "txid_snapshot";
    /// `int2vector`.
    Int2Vector(Int2Vector) = "int2vector";
    /// `oidvector`.
    OidVector(OidVector) = "oidvector";
    /// `hstore`.
    Hstore(Hstore) = "hstore";
    /// `ltree`.
    Ltree(Ltree) = "ltree";
    /// `lquery`.
    Lquery(Lquery) = "lquery";
    /// `ltxtquery`.
    Ltxtquery(Ltxtquery) = "ltxtquery";
    /// `cube`.
    Cube(Cube) = "cube";
    /// pgvector's `vector`.
    Vector(Vector) = "vector";
    /// pgvector's `halfvec`.
    HalfVector(HalfVector) = "halfvec";
    /// pgvector's `sparsevec`.
    SparseVector(SparseVector) = "sparsevec";
}

impl Value {
    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}
