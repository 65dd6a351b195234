//! Arbitrary values to a real server and back: 200 of each type, or as many as `PROPTEST_CASES` says.

mod strategies;

use std::borrow::Cow;
use std::fmt::Debug;
use std::future::Future;

use bytes::BytesMut;
use cornac::types::{Array, Multirange, Oid, Range, Type};
use cornac::{Client, Connection, Decode, Encode, Timestamptz};
use cornac_tests::{deadline_of, shared, still_usable};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// How many go in one statement.
const AT_ONCE: usize = 1_000;

/// What a type's text is for.
#[derive(Clone, Copy, PartialEq)]
enum Text {
    /// It says all that the value is.
    Exact,
    /// It does not.
    Lossy,
}

/// The number of values of each type.
fn cases() -> usize {
    let set = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    set.unwrap_or(200)
}

/// More values take longer.
async fn deadline<F: Future>(body: F) -> F::Output {
    let cases = u64::try_from(cases()).unwrap_or(u64::MAX);
    deadline_of(60 + cases / 50, Box::pin(body)).await
}

fn values<T: Debug>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::default();
    (0..cases()).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

fn encoded<T: Encode>(value: &T, ty: &Type) -> BytesMut {
    let mut out = BytesMut::new();
    value.encode(ty, &mut out).expect("it fits");
    out
}

/// Values that the server keeps as they are: they come back byte for byte, in an array with NULLs between them and one by one; and their text,
/// as the server writes it, is read as the same.
async fn exact<T>(c: &mut Connection, name: &str, text: Text, strategy: impl Strategy<Value = T>)
where
    T: Encode + for<'r> Decode<'r> + Debug + Clone + Send + Sync,
{
    let sql = format!("SELECT v, v::text FROM unnest($1::{name}[]) WITH ORDINALITY AS u (v, n) ORDER BY n");
    let array = format!("SELECT $1::{name}[]");
    for values in values(strategy).chunks(AT_ONCE) {
        let sent: Vec<Option<T>> = values.iter().flat_map(|value| [Some(value.clone()), None]).collect();
        let mut rows = c.rows(&sql, (&sent,)).await.expect(name);
        let ty = rows.columns().get(0).expect("a column").ty().clone();
        for value in &sent {
            let row = rows.next().await.expect(name).expect("a row for each");
            let back: Option<T> = row.get(0).unwrap_or_else(|error| panic!("{value:?} came back: {error}"));
            let (Some(value), Some(back)) = (value, &back) else {
                assert!(value.is_none() && back.is_none(), "{value:?} came back as {back:?}");
                continue;
            };
            assert_eq!(encoded(back, &ty), encoded(value, &ty), "{value:?} came back as {back:?}");
            if text == Text::Exact {
                let text: &str = row.get(1).expect("text");
                let read = T::from_text(&ty, Cow::Borrowed(text));
                let read = read.unwrap_or_else(|error| panic!("{text:?} of {value:?}: {error}"));
                assert_eq!(
                    encoded(&read, &ty),
                    encoded(value, &ty),
                    "{text:?} of {value:?} was read as {read:?}"
                );
            }
        }
        assert!(rows.next().await.expect(name).is_none());
        drop(rows);
        let back: Vec<Option<T>> = c.fetch_value(&array, (&sent,)).await.expect(name);
        let bytes = |values: &[Option<T>]| -> Vec<_> {
            values.iter().map(|value| value.as_ref().map(|value| encoded(value, &ty))).collect()
        };
        assert_eq!(bytes(&back), bytes(&sent), "{name}[]");
    }
}

/// Values that the server brings into a form of its own: what came back is, sent again, the same to the server as what was sent first.
async fn equal<T>(c: &mut Connection, name: &str, strategy: impl Strategy<Value = T>)
where
    T: Encode + for<'r> Decode<'r> + Debug + Clone + Send + Sync,
{
    let back = format!("SELECT v FROM unnest($1::{name}[]) WITH ORDINALITY AS u (v, n) ORDER BY n");
    let compared = format!(
        "SELECT sent IS NOT DISTINCT FROM back FROM unnest($1::{name}[], $2::{name}[]) WITH ORDINALITY AS u (sent, back, n) ORDER BY n"
    );
    for sent in values(strategy).chunks(AT_ONCE) {
        let back: Vec<T> = c.fetch_values(&back, (sent,)).await.expect(name);
        assert_eq!(back.len(), sent.len());
        let same: Vec<bool> = c.fetch_values(&compared, (sent, &back)).await.expect(name);
        assert_eq!(same.len(), sent.len());
        for ((sent, back), same) in sent.iter().zip(&back).zip(&same) {
            assert!(same, "{sent:?} came back as {back:?}");
        }
    }
}

async fn connect() -> (cornac_tests::TestDatabase, Connection) {
    let database = shared().database().await;
    let mut connection = database.connect().await;
    connection.simple_query("SET lc_monetary = 'C'; SET TimeZone = 'UTC'").await.expect("settings");
    (database, connection)
}

#[tokio::test]
async fn numbers() {
    deadline(async {
        let (_database, mut connection) = connect().await;
        let c = &mut connection;
        // Its cast to text spells it out.
        exact(c, "bool", Text::Lossy, any::<bool>()).await;
        exact(c, "\"char\"", Text::Exact, 0..=127_i8).await;
        exact(c, "int2", Text::Exact, any::<i16>()).await;
        exact(c, "int4", Text::Exact, any::<i32>()).await;
        exact(c, "int8", Text::Exact, any::<i64>()).await;
        exact(c, "oid", Text::Exact, any::<u32>().prop_map(Oid)).await;
        exact(c, "float4", Text::Exact, strategies::float4()).await;
        exact(c, "float8", Text::Exact, strategies::float8()).await;
        exact(c, "numeric", Text::Exact, strategies::numeric()).await;
        exact(c, "money", Text::Exact, any::<i64>().prop_map(cornac::types::Money)).await;
        exact(c, "xid", Text::Exact, any::<u32>().prop_map(cornac::types::Xid)).await;
        exact(c, "xid8", Text::Exact, any::<u64>().prop_map(cornac::types::Xid8)).await;
        exact(c, "cid", Text::Exact, any::<u32>().prop_map(cornac::types::Cid)).await;
        exact(c, "tid", Text::Exact, strategies::tid()).await;
        exact(c, "pg_lsn", Text::Exact, any::<u64>().prop_map(cornac::types::PgLsn)).await;
        exact(c, "pg_snapshot", Text::Exact, strategies::snapshot()).await;
        exact(c, "int2vector", Text::Exact, strategies::int2vector()).await;
        exact(c, "oidvector", Text::Exact, strategies::oidvector()).await;
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn texts_and_bytes() {
    deadline(async {
        let (_database, mut connection) = connect().await;
        let c = &mut connection;
        exact(c, "text", Text::Exact, strategies::text()).await;
        exact(c, "varchar", Text::Exact, strategies::text()).await;
        // Its cast to text takes the blanks at its end away.
        exact(c, "bpchar", Text::Lossy, strategies::text()).await;
        exact(c, "name", Text::Exact, "[a-zü ]{0,30}").await;
        exact(c, "bytea", Text::Exact, prop::collection::vec(any::<u8>(), 0..60)).await;
        exact(c, "json", Text::Exact, strategies::json()).await;
        equal(c, "jsonb", strategies::json()).await;
        exact(c, "varbit", Text::Exact, strategies::bit_string()).await;
        exact(c, "uuid", Text::Exact, any::<[u8; 16]>().prop_map(cornac::types::Uuid)).await;
        exact(c, "tsvector", Text::Exact, strategies::ts_vector()).await;
        // Its text does not tell `(a & b) & c` from `a & (b & c)`.
        exact(c, "tsquery", Text::Lossy, strategies::ts_query()).await;
        c.simple_query(
            "CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext; CREATE EXTENSION cube",
        )
        .await
        .unwrap();
        equal(c, "hstore", strategies::hstore()).await;
        exact(c, "ltree", Text::Exact, strategies::ltree()).await;
        exact(c, "citext", Text::Exact, strategies::text()).await;
        exact(c, "cube", Text::Exact, strategies::cube()).await;
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn times_and_addresses() {
    deadline(async {
        let (_database, mut connection) = connect().await;
        let c = &mut connection;
        exact(c, "date", Text::Exact, strategies::date()).await;
        exact(c, "time", Text::Exact, strategies::time()).await;
        exact(c, "timetz", Text::Exact, strategies::time_tz()).await;
        exact(c, "timestamp", Text::Exact, strategies::timestamp()).await;
        exact(c, "timestamptz", Text::Exact, strategies::timestamptz()).await;
        exact(c, "interval", Text::Exact, strategies::interval()).await;
        exact(c, "inet", Text::Exact, strategies::inet()).await;
        exact(c, "cidr", Text::Exact, strategies::inet().prop_map(cornac::types::Inet::network)).await;
        exact(c, "macaddr", Text::Exact, any::<[u8; 6]>().prop_map(cornac::types::MacAddr)).await;
        exact(c, "macaddr8", Text::Exact, any::<[u8; 8]>().prop_map(cornac::types::MacAddr8)).await;
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn shapes() {
    deadline(async {
        let (_database, mut connection) = connect().await;
        let c = &mut connection;
        exact(c, "point", Text::Exact, strategies::point()).await;
        exact(c, "line", Text::Exact, strategies::line()).await;
        exact(c, "lseg", Text::Exact, strategies::lseg()).await;
        exact(c, "path", Text::Exact, strategies::path()).await;
        exact(c, "polygon", Text::Exact, strategies::polygon()).await;
        exact(c, "circle", Text::Exact, strategies::circle()).await;
        exact(c, "box", Text::Exact, strategies::pg_box()).await;
        still_usable(c).await;
    })
    .await;
}

/// Ranges, arrays of ranges, and multiranges.
async fn ranges<T, S>(c: &mut Connection, name: &str, strategy: impl Fn() -> S)
where
    T: Encode + for<'r> Decode<'r> + Debug + Clone + PartialOrd + Send + Sync,
    S: Strategy<Value = T>,
{
    let range = || strategies::range(strategy());
    equal::<Range<T>>(c, &format!("{name}range"), range()).await;
    let many = prop::collection::vec(range(), 0..4).prop_map(Multirange);
    equal::<Multirange<T>>(c, &format!("{name}multirange"), many).await;
}

#[tokio::test]
async fn ranges_of_every_sort() {
    deadline(async {
        let (_database, mut connection) = connect().await;
        let c = &mut connection;
        // The server writes a discrete range with its upper bound excluded: the greatest has none behind it.
        ranges(c, "int4", || -2_000_000_000..2_000_000_000_i32).await;
        ranges(c, "int8", || -9_000_000_000_000_000_000..9_000_000_000_000_000_000_i64).await;
        ranges(c, "num", strategies::numeric).await;
        ranges(c, "date", strategies::finite_date).await;
        ranges(c, "ts", strategies::timestamp).await;
        ranges::<Timestamptz, _>(c, "tstz", strategies::timestamptz).await;
        still_usable(c).await;
    })
    .await;
}

#[tokio::test]
async fn arrays_of_any_shape() {
    deadline(async {
        let (_database, mut connection) = connect().await;
        let c = &mut connection;
        for sent in values(strategies::array()) {
            let sql = "SELECT $1::int4[], $1::int4[]::text";
            let (back, text): (Array<Option<i32>>, String) = c.fetch_one(sql, (&sent,)).await.unwrap();
            assert_eq!(back, sent);
            let read = Array::<Option<i32>>::from_text(&Type::INT4_ARRAY, Cow::Borrowed(&text));
            assert_eq!(read, Ok(sent), "{text}");
        }
        still_usable(c).await;
    })
    .await;
}
