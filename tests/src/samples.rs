//! A Rust type for each type of PostgreSQL's, with literals: what fuzzing begins with, and what benches and counts of allocations read and write.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hint::black_box;

use bytes::BytesMut;
use cornac::types::{
    Attribute, BitString, Cid, Cidr, Circle, Column, Columns, Cube, Date, Definition, Format, HalfVector,
    Hstore, Inet, Int2Vector, Interval, JsonPath, JsonText, Kind, Line, Lquery, Lseg, Ltree, Ltxtquery,
    MacAddr, MacAddr8, Money, Multirange, Numeric, Oid, OidVector, Path, PgBox, PgLsn, PgSnapshot, Point,
    Polygon, Range, SparseVector, Tid, Time, TimeTz, Timestamp, TsQuery, TsVector, Type, Uuid, Value,
    ValueError, Vector, Xid, Xid8,
};
use cornac::{Decode, Encode, FromRow, RowRef, Timestamptz};

type Parsed = Box<dyn Encode + Send + Sync>;

/// A type, and what reads and writes its values.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The type.
    pub ty: Type,
    /// The Rust type, with its modules.
    pub rust_type: &'static str,
    /// Values, as the server writes them.
    pub literals: Vec<String>,
    parse: fn(&Type, &str) -> Result<Parsed, ValueError>,
    check: fn(&Type, Format, &[u8]),
    read: fn(RowRef<'_>),
    read_and_drop: fn(RowRef<'_>, &mut dyn FnMut()),
}

impl Sample {
    fn new<T>(ty: Type, literals: Vec<String>) -> Self
    where
        T: for<'r> Decode<'r> + Encode + Debug + Send + Sync + 'static,
    {
        Self {
            ty,
            rust_type: std::any::type_name::<T>(),
            literals,
            parse: |ty, text| Ok(Box::new(T::from_text(ty, Cow::Borrowed(text))?)),
            check: check::<T>,
            read: |row| drop(black_box(read::<T>(row))),
            read_and_drop: |row, between| {
                let value = black_box(read::<T>(row));
                between();
                drop(value);
            },
        }
    }

    /// The value that a literal stands for.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn value(&self, literal: &str) -> Box<dyn Encode + Send + Sync> {
        match (self.parse)(&self.ty, literal) {
            Ok(value) => value,
            Err(error) => panic!("{literal:?} is no {}: {error}", self.ty),
        }
    }

    /// The value as it is sent.
    ///
    /// # Panics
    ///
    /// When a literal is none.
    pub fn encoded(&self, literal: &str) -> BytesMut {
        let mut out = BytesMut::new();
        if let Err(error) = self.value(literal).encode(&self.ty, &mut out) {
            panic!("{literal:?} cannot be written as {}: {error}", self.ty);
        }
        out
    }

    /// A row of one column that holds the value.
    ///
    /// # Panics
    ///
    /// When the literal is none.
    pub fn row(&self, literal: &str) -> (Columns, BytesMut) {
        let encoded = self.encoded(literal);
        let mut values = BytesMut::new();
        values.extend_from_slice(&u32::try_from(encoded.len()).expect("it is short").to_be_bytes());
        values.extend_from_slice(&encoded);
        (self.columns(Format::Binary), values)
    }

    /// The column of this type.
    pub fn columns(&self, format: Format) -> Columns {
        std::iter::once(Column::new("value", self.ty.clone(), format)).collect()
    }

    /// Reads such a row.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn read(&self, row: RowRef<'_>) {
        (self.read)(row);
    }

    /// Reads such a row, calls `between`, and lets go of the value.
    ///
    /// # Panics
    ///
    /// When it cannot be read.
    pub fn read_and_drop(&self, row: RowRef<'_>, between: &mut dyn FnMut()) {
        (self.read_and_drop)(row, between);
    }

    /// Reads bytes of whatever origin as a value: it is one, or the error says what is wrong with it in a few words. What is read can be written,
    /// and read again as the same.
    ///
    /// # Panics
    ///
    /// When that does not hold.
    pub fn check(&self, format: Format, bytes: &[u8]) {
        (self.check)(&self.ty, format, bytes);
        check::<Value>(&self.ty, format, bytes);
    }
}

fn read<T: for<'r> Decode<'r>>(row: RowRef<'_>) -> T {
    // What a plan of one column comes to.
    static IN_ORDER: cornac::types::RowPlan = cornac::types::RowPlan::in_order();
    <(T,)>::from_row(row, &IN_ORDER).expect("it can be read").0
}

/// The longest error in words. It may show the beginning of what it is about.
const ERROR_LEN_MAX: usize = 400;

fn check<T>(ty: &Type, format: Format, bytes: &[u8])
where
    T: for<'r> Decode<'r> + Encode + Debug,
{
    let value = match read_as::<T>(ty, format, bytes) {
        Ok(value) => value,
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() <= ERROR_LEN_MAX, "an error of {} bytes: {said}", said.len());
            return;
        }
    };
    let mut written = BytesMut::new();
    // Not all that can be read can be written: text of another encoding's, or what a type of the server's own does not take.
    if value.encode(ty, &mut written).is_err() {
        return;
    }
    let format = value.format(ty);
    let again = match read_as::<T>(ty, format, &written) {
        Ok(again) => again,
        Err(error) => panic!("{value:?} was written as {written:?}, which cannot be read: {error}"),
    };
    let mut twice = BytesMut::new();
    again.encode(ty, &mut twice).expect("what was written once can be written again");
    assert_eq!(twice, written, "{value:?} and {again:?}");
}

fn read_as<'r, T: Decode<'r>>(ty: &Type, format: Format, bytes: &'r [u8]) -> Result<T, ValueError> {
    match format {
        Format::Binary => T::from_binary(ty, bytes),
        Format::Text => match std::str::from_utf8(bytes) {
            Ok(text) => T::from_text(ty, Cow::Borrowed(text)),
            Err(_) => Err(ValueError::malformed("it is not UTF-8")),
        },
    }
}

/// An OID for a type of an extension, far from those that a server gives.
const EXTENSION_OID: u32 = 60_000;

fn extension(index: u32, name: &str) -> (Type, Type) {
    let define = |oid, name: String, kind| {
        Type::new(Definition {
            oid: Oid(oid),
            schema: "public".into(),
            name: name.into(),
            kind,
            binary: true,
        })
    };
    let ty = define(EXTENSION_OID + 2 * index, name.to_owned(), Kind::Base);
    let array = define(EXTENSION_OID + 2 * index + 1, format!("_{name}"), Kind::Array(ty.clone()));
    (ty, array)
}

/// Adds a type, and the array of it.
fn put<T>(samples: &mut Vec<Sample>, ty: Type, array: Option<Type>, literals: &[&str])
where
    T: for<'r> Decode<'r> + Encode + Debug + Send + Sync + 'static,
{
    // Commas stand in boxes themselves.
    let delimiter = if ty == Type::BOX { ";" } else { "," };
    samples.push(Sample::new::<T>(ty, literals.iter().map(|&literal| literal.to_owned()).collect()));
    let Some(array) = array else { return };
    let quoted = |literal: &&str| format!("\"{}\"", literal.replace('\\', r"\\").replace('"', "\\\""));
    let elements: Vec<_> = literals.iter().map(quoted).collect();
    let literals = vec!["{}".to_owned(), format!("{{NULL{delimiter}{}}}", elements.join(delimiter))];
    samples.push(Sample::new::<Vec<Option<T>>>(array, literals));
}

macro_rules! built_in {
    ($samples:ident; $($rust:ty, $ty:ident, [$($literal:literal),+];)+) => {$(
        put::<$rust>(&mut $samples, Type::$ty, Type::$ty.array(), &[$($literal),+]);
    )+};
}

macro_rules! extensions {
    ($samples:ident; $($rust:ty, $name:literal, [$($literal:literal),+];)+) => {
        for (index, put) in [$(
            (|samples: &mut Vec<Sample>, index| {
                let (ty, array) = extension(index, $name);
                put::<$rust>(samples, ty, Some(array), &[$($literal),+]);
            }) as fn(&mut Vec<Sample>, u32)
        ),+].into_iter().enumerate() {
            put(&mut $samples, u32::try_from(index).expect("they are few"));
        }
    };
}

/// All of them.
pub fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    built_in! { samples;
        bool, BOOL, ["t", "f"];
        i8, CHAR, ["a", "\\377"];
        String, NAME, ["tusk"];
        i16, INT2, ["7", "-32768"];
        i32, INT4, ["7", "-2147483648"];
        i64, INT8, ["7", "-9223372036854775808"];
        Oid, OID, ["26", "4294967295"];
        Oid, REGPROC, ["1259"];
        Oid, REGPROCEDURE, ["1259"];
        Oid, REGOPER, ["1259"];
        Oid, REGOPERATOR, ["1259"];
        Oid, REGCLASS, ["1259"];
        Oid, REGTYPE, ["1259"];
        Oid, REGROLE, ["1259"];
        Oid, REGNAMESPACE, ["1259"];
        Oid, REGCONFIG, ["1259"];
        Oid, REGDICTIONARY, ["1259"];
        Oid, REGCOLLATION, ["1259"];
        Xid, XID, ["731"];
        Xid8, XID8, ["18446744073709551615"];
        Cid, CID, ["4"];
        Tid, TID, ["(4294967295,65535)"];
        f32, FLOAT4, ["0.1", "-Infinity", "NaN"];
        f64, FLOAT8, ["0.1", "1e+300", "-Infinity", "NaN"];
        Numeric, NUMERIC, ["0", "19.90", "-12345678901234567890.00012", "NaN", "Infinity"];
        Money, MONEY, ["$19.90", "-$92,233,720,368,547,758.08"];
        String, TEXT, ["Größe, 象", "a text of some forty characters, in ASCII"];
        String, VARCHAR, ["tusk"];
        String, BPCHAR, ["tusk  "];
        Vec<u8>, BYTEA, ["\\x00017f80ff"];
        Date, DATE, ["2024-02-29", "0044-03-15 BC", "infinity"];
        Time, TIME, ["24:00:00", "12:34:56.000001"];
        TimeTz, TIMETZ, ["12:34:56+05:45", "00:00:00-15:59:59"];
        Timestamp, TIMESTAMP, ["2024-02-29 12:34:56.000001", "-infinity"];
        Timestamptz, TIMESTAMPTZ, ["2024-02-29 12:34:56.000001+00", "infinity"];
        Interval, INTERVAL, ["1 year 2 mons -3 days 04:05:06.000007", "00:00:00"];
        Uuid, UUID, ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"];
        JsonText, JSON, ["{\"a\": [1, null, \"x\"]}"];
        JsonText, JSONB, ["{\"a\": [1, null, \"x\"]}"];
        JsonPath, JSONPATH, ["$.\"a\"[*]?(@ > 1)"];
        String, XML, ["<a b=\"c\">d</a>"];
        Inet, INET, ["192.168.0.1/24", "2001:db8::1"];
        Cidr, CIDR, ["192.168.0.0/24", "::/0"];
        MacAddr, MACADDR, ["08:00:2b:01:02:03"];
        MacAddr8, MACADDR8, ["08:00:2b:01:02:03:04:05"];
        BitString, BIT, ["101"];
        BitString, VARBIT, ["", "1010110011"];
        Point, POINT, ["(1.5,-2)", "(NaN,Infinity)"];
        Line, LINE, ["{1,-1,0}"];
        Lseg, LSEG, ["[(0,0),(1,1)]"];
        PgBox, BOX, ["(1,1),(0,0)"];
        Path, PATH, ["[(0,0),(1,1),(2,0)]", "((0,0),(1,1))"];
        Polygon, POLYGON, ["((0,0),(1,1),(2,0))"];
        Circle, CIRCLE, ["<(1,2),3.5>"];
        TsVector, TSVECTOR, ["'cat':3 'fat':2,4C 'rat':5A", "'a':1"];
        TsQuery, TSQUERY, ["'fat':AB* & ( 'cat' | !'rat' ) <-> 'x'", "'a'"];
        PgLsn, PG_LSN, ["16/B374D848"];
        PgSnapshot, PG_SNAPSHOT, ["10:20:10,14,15"];
        PgSnapshot, TXID_SNAPSHOT, ["10:20:10,14,15"];
        Int2Vector, INT2VECTOR, ["1 2 -3"];
        OidVector, OIDVECTOR, ["1 2 3"];
        String, REFCURSOR, ["<unnamed portal 1>"];
        Range<i32>, INT4RANGE, ["[1,10)", "empty", "(,)"];
        Range<i64>, INT8RANGE, ["[1,10)"];
        Range<Numeric>, NUMRANGE, ["(0.5,1e3]"];
        Range<Date>, DATERANGE, ["[2024-02-29,)"];
        Range<Timestamp>, TSRANGE, ["[\"2024-02-29 12:34:56\",infinity]"];
        Range<Timestamptz>, TSTZRANGE, ["(,\"2024-02-29 12:34:56+00\"]"];
        Multirange<i32>, INT4MULTIRANGE, ["{}", "{[1,3),[5,)}"];
        Multirange<i64>, INT8MULTIRANGE, ["{[1,3),[5,)}"];
        Multirange<Numeric>, NUMMULTIRANGE, ["{(0.5,1e3]}"];
        Multirange<Date>, DATEMULTIRANGE, ["{[2024-02-29,)}"];
        Multirange<Timestamp>, TSMULTIRANGE, ["{[\"2024-02-29 12:34:56\",infinity]}"];
        Multirange<Timestamptz>, TSTZMULTIRANGE, ["{(,\"2024-02-29 12:34:56+00\"]}"];
    }
    extensions! { samples;
        Hstore, "hstore", ["\"a\"=>\"1\", \"b\"=>NULL"];
        Ltree, "ltree", ["Top.Science"];
        Lquery, "lquery", ["Top.*{1,2}.Sci%"];
        Ltxtquery, "ltxtquery", ["Europe & Russia*@"];
        String, "citext", ["Tusk"];
        Cube, "cube", ["(1, 2, 3)", "(0, 0),(1, 1)"];
        Vector, "vector", ["[1,2,3.5]"];
        HalfVector, "halfvec", ["[1,2,3.5]"];
        SparseVector, "sparsevec", ["{1:1.5,3:2}/5"];
    }
    let [mood, item] = defined();
    put::<String>(&mut samples, mood.clone(), None, &["calm"]);
    put::<Value>(&mut samples, mood, None, &["in must"]);
    put::<Value>(&mut samples, item, None, &["(7,\"in must\",,\"{1,NULL}\")"]);
    put::<Value>(&mut samples, Type::RECORD, None, &[]);
    samples
}

/// An OID for a type that is made of others.
const DEFINED_OID: u32 = 61_000;

/// An enum, and a composite type in which it stands, and a domain.
fn defined() -> [Type; 2] {
    let define = |index, name: &str, kind| {
        let oid = Oid(DEFINED_OID + index);
        Type::new(Definition { oid, schema: "public".into(), name: name.into(), kind, binary: true })
    };
    let mood = define(0, "mood", Kind::Enum(["calm", "in must"].map(Box::from).into()));
    let price = define(1, "price", Kind::Domain(Type::NUMERIC));
    let fields = [("id", Type::INT4), ("mood", mood.clone()), ("price", price), ("parts", Type::INT8_ARRAY)];
    let fields = fields.map(|(name, ty)| Attribute::new(name, ty));
    let item = define(2, "item", Kind::Composite(fields.into()));
    [mood, item]
}
