//! Every scalar type to real servers and back: edge values as literals, in binary and in text, one by one and in arrays.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use cornac::types::{
    BitString, Cid, Cidr, Circle, Date, Inet, Int2Vector, Interval, Line, Lseg, MacAddr, MacAddr8, Money,
    Numeric, OidVector, Path, PgBox, PgLsn, PgSnapshot, Point, Polygon, Tid, Time, TimeTz, Timestamp,
    Timestamptz, TsQuery, TsVector, Type, Uuid, Xid, Xid8, quote_literal,
};
use cornac::{Client, Connection, Decode, Delivery, Encode};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, provision, still_usable};

/// Runs a story on PostgreSQL 15 and 18, with the settings that `Display` stands for.
pub(crate) async fn on_both_versions(story: impl AsyncFn(u32, &mut Connection)) {
    for major in [15_u32, 18] {
        let binaries = Some(provision(Some(&major.to_string())).unwrap());
        let cluster = Cluster::start(&ClusterOptions { binaries, ..ClusterOptions::default() }).unwrap();
        assert!(cluster.version().starts_with(&major.to_string()));
        let mut c = Connection::connect(&cluster.config(SUPERUSER)).await.unwrap();
        c.simple_query("SET TimeZone = 'UTC'").await.unwrap();
        deadline(story(major, &mut c)).await;
        still_usable(&mut c).await;
    }
}

/// What is compared of a type beside its text.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Equality {
    /// The server is asked whether the two are distinct.
    Server,
    /// The type has no equality, or one that takes different values for the same.
    Text,
}

/// Sends each of `literals` through the server in every way that there is.
pub(crate) async fn check<T>(c: &mut Connection, ty: &str, equality: Equality, literals: &[&str])
where
    T: Encode + Display + FromStr<Err: Debug> + Send + Sync + Debug + for<'r> Decode<'r>,
{
    for literal in literals {
        let at = format!("{literal}::{ty}");
        let quoted = quote_literal(literal).unwrap();
        // The output function's text; some types have a cast to text that writes another one.
        let sql =
            format!("SELECT v, format('%s', v), ARRAY[v, NULL, v] FROM (SELECT {quoted}::{ty} AS v) AS s");
        let (value, text, array): (T, String, Vec<Option<T>>) = c.fetch_one(&sql, ()).await.expect(&at);
        assert_eq!(value.to_string(), text, "{at} as it is shown");
        let shown: Vec<_> = array.iter().map(|value| value.as_ref().map(T::to_string)).collect();
        assert_eq!(shown, [Some(text.clone()), None, Some(text.clone())], "{at} in an array");
        assert_eq!(text.parse::<T>().expect(&at).to_string(), text, "{at} read from its text");

        let same = if equality == Server {
            format!("$1::{ty} IS NOT DISTINCT FROM {quoted}::{ty}")
        } else {
            "true".to_owned()
        };
        let sql = format!("SELECT format('%s', $1::{ty}), {same}");
        let (back, same): (String, bool) = c.fetch_one(&sql, (&value,)).await.expect(&at);
        assert_eq!((&back, same), (&text, true), "{at} sent");
        let sql = format!("SELECT format('%s', ($1::{ty}[])[1])");
        match c.fetch_value::<String, _>(&sql, (&[&value][..],)).await {
            Ok(element) => assert_eq!(element, text, "{at} sent in an array"),
            // What the server does not read in binary has no place in an array, and is refused before it is sent.
            Err(error) => {
                let goes_as_text = ["aclitem", "int2vector", "oidvector", "tsquery"].contains(&ty);
                assert!(goes_as_text && error.delivery() == Delivery::NotSent, "{at} in an array: {error}");
            }
        }

        let by_simple = c.simple_query(&format!("SELECT {quoted}::{ty}")).await.expect(&at);
        let row = &by_simple[0].rows[0];
        let read: T = match row.get(0) {
            Ok(read) => read,
            // The simple protocol asks for no names of types: those of extensions are known by their numbers alone.
            Err(_) if value.natural_type() == Type::UNKNOWN => {
                row.get::<String>(0).expect(&at).parse().expect(&at)
            }
            Err(error) => panic!("{at} received as text: {error}"),
        };
        assert_eq!(read.to_string(), text, "{at} received as text");

        let mut written = String::new();
        let sql = match value.encode_text(&value.natural_type(), &mut written) {
            Ok(_) => format!("SELECT format('%s', {}::{ty})", quote_literal(&written).unwrap()),
            Err(_) if ty == "money" => continue,
            Err(error) => panic!("{at} has no text: {error}"),
        };
        let back: String = c.fetch_value(&sql, ()).await.expect(&at);
        assert_eq!(back, text, "{at} sent as text");
    }
}

use Equality::{Server, Text};

#[tokio::test]
async fn numbers_survive() {
    on_both_versions(async |_, c| {
        let longest = format!("-{}.{}", "9".repeat(131_072), "1".repeat(16_383));
        let numerics = [
            "0",
            "-0.00",
            "1",
            "-1",
            "0.1",
            "0.10",
            "1e-16383",
            "1e131071",
            "123456789.000000001",
            "-0.00001234",
            "9999",
            "10000",
            "99999999",
            "100000000.0001",
            "1e20",
            "NaN",
            "Infinity",
            "-Infinity",
            "0.0000000000000000000000000000000000000001",
            &longest,
        ];
        check::<Numeric>(c, "numeric", Server, &numerics).await;
        check::<Numeric>(c, "numeric(10,3)", Server, &["1", "1234567.891", "-0.0004"]).await;
        let amounts =
            ["0", "$0.05", "-$1,234.56", "$92,233,720,368,547,758.07", "-$92,233,720,368,547,758.08"];
        check::<Money>(c, "money", Server, &amounts).await;
        check::<Xid>(c, "xid", Server, &["0", "3", "4294967295"]).await;
        check::<Xid8>(c, "xid8", Server, &["0", "18446744073709551615"]).await;
        check::<Cid>(c, "cid", Server, &["0", "4294967295"]).await;
        check::<Tid>(c, "tid", Server, &["(0,0)", "(4294967295,65535)"]).await;
        check::<PgLsn>(c, "pg_lsn", Server, &["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"]).await;
        check::<PgSnapshot>(c, "pg_snapshot", Text, &["1:1:", "10:20:10,14,15", "1:9223372036854775807:3"])
            .await;
        check::<PgSnapshot>(c, "txid_snapshot", Text, &["10:20:10,14,15"]).await;
        check::<Int2Vector>(c, "int2vector", Text, &["", "1", "1 -2 32767 -32768 0"]).await;
        check::<OidVector>(c, "oidvector", Server, &["", "0", "1 4294967295 7"]).await;
    })
    .await;
}

#[tokio::test]
async fn dates_and_times_survive() {
    on_both_versions(async |major, c| {
        let dates = [
            "2000-01-01",
            "1999-12-31",
            "2024-02-29",
            "0001-01-01",
            "0001-12-31 BC",
            "4714-11-24 BC",
            "5874897-12-31",
            "infinity",
            "-infinity",
        ];
        check::<Date>(c, "date", Server, &dates).await;
        let times = ["00:00:00", "24:00:00", "23:59:60", "23:59:59.999999", "00:00:00.000001", "12:30:00.5"];
        check::<Time>(c, "time", Server, &times).await;
        let times = [
            "00:00:00+00",
            "24:00:00-15:59:59",
            "12:00:00.25+05:30",
            "00:00:00+15:59:59",
            "12:00:00+00:00:01",
        ];
        check::<TimeTz>(c, "timetz", Server, &times).await;
        let timestamps = [
            "2000-01-01 00:00:00",
            "1999-12-31 23:59:59.999999",
            "4714-11-24 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "infinity",
            "-infinity",
            "0001-12-31 23:59:60 BC",
            "2016-12-31 23:59:60",
            "2024-02-29 24:00:00",
            "10000-01-01 00:00:00.1",
        ];
        check::<Timestamp>(c, "timestamp", Server, &timestamps).await;
        check::<Timestamptz>(c, "timestamptz", Server, &timestamps).await;
        let mut intervals = vec![
            "0",
            "1 year 2 mons 3 days 04:05:06.789",
            "-1 year -2 mons +3 days -04:05:06.789",
            "-1 days +00:00:00.000001",
            "1 mon",
            "-1 mon",
            "1 day -00:00:01",
            "178956970 years 7 mons 2147483647 days 2562047788:00:54.775806",
            "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807",
            "100000:00:00",
            "-00:00:00.5",
            "1 year -1 days",
        ];
        if major >= 17 {
            intervals.extend(["infinity", "-infinity"]);
        }
        check::<Interval>(c, "interval", Server, &intervals).await;
    })
    .await;
}

#[tokio::test]
async fn addresses_bits_and_identifiers_survive() {
    on_both_versions(async |_, c| {
        let uuids = [
            "00000000-0000-0000-0000-000000000000",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "{FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF}",
        ];
        check::<Uuid>(c, "uuid", Server, &uuids).await;
        let addresses = [
            "0.0.0.0",
            "0.0.0.0/0",
            "192.168.1.17/24",
            "255.255.255.255/32",
            "::",
            "::/0",
            "::1",
            "::2",
            "::1:0",
            "::ffff:0:0",
            "2001:db8::1/64",
            "::ffff:1.2.3.4",
            "::1.2.3.4/100",
            "1:0:0:2::3",
            "1:0:2:0:3:0:4:0",
            "fe80::1:0:0:1",
            "0:0:1::",
        ];
        check::<Inet>(c, "inet", Server, &addresses).await;
        let networks = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.1.2.3",
            "192.168",
            "::/0",
            "2001:db8::/32",
            "::ffff:1.2.3.0/120",
            "::1",
        ];
        check::<Cidr>(c, "cidr", Server, &networks).await;
        check::<MacAddr>(c, "macaddr", Server, &["00:00:00:00:00:00", "08-00-2B-01-02-ff"]).await;
        check::<MacAddr8>(
            c,
            "macaddr8",
            Server,
            &["08:00:2b:01:02:03:04:05", "ff:ff:ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03"],
        )
        .await;
        let long = "10".repeat(1000);
        check::<BitString>(c, "varbit", Server, &["", "0", "1", "10101010", "101010101", &long]).await;
        check::<BitString>(c, "bit(9)", Server, &["000000000", "111111111"]).await;
    })
    .await;
}

#[tokio::test]
async fn shapes_survive() {
    on_both_versions(async |_, c| {
        let points = [
            "(0,0)",
            "(-0,1e-5)",
            "(0.1,123456789012345)",
            "(1e15,1.7976931348623157e308)",
            "(5e-324,-1e-300)",
            "(NaN,Infinity)",
            "(-Infinity,0.30000000000000004)",
            "(9007199254740993,1e23)",
            "(9.5367431640625e-07,5.684341886080802e-14)",
            "(67108900,1e22)",
        ];
        check::<Point>(c, "point", Text, &points).await;
        check::<Line>(c, "line", Text, &["{1,-1,0}", "{0,2,1e20}"]).await;
        check::<Lseg>(c, "lseg", Text, &["[(0,0),(1,1)]", "((-1,2.5),(3,4))"]).await;
        check::<PgBox>(c, "box", Text, &["(1,2),(3,4)", "((3,2),(1,4))"]).await;
        check::<Path>(c, "path", Text, &["[(0,0)]", "((0,0),(1,1),(2,0))", "[(0,0),(1,1.5)]"]).await;
        check::<Polygon>(c, "polygon", Text, &["((0,0))", "((0,0),(1,1),(2,-1e100))"]).await;
        check::<Circle>(c, "circle", Text, &["<(0,0),0>", "<(1.5,-2),3e10>"]).await;
    })
    .await;
}

#[tokio::test]
async fn documents_and_queries_survive() {
    on_both_versions(async |_, c| {
        let documents = [
            "",
            "a",
            "'fat':2,4 'cat':3A 'rat':12B,13C",
            r"'it''s':1 'x\\y' 'a b'",
            "'Größe':16383 '象'",
            "a:99999",
        ];
        check::<TsVector>(c, "tsvector", Server, &documents).await;
        let queries = [
            "",
            "fat",
            "fat & rat",
            "fat & (rat | !cat)",
            "!!a",
            "a <-> b <-> c",
            "a <-> (b <-> c)",
            "a <5> b",
            "a <0> b",
            "a:*AB & b:D",
            r"'it''s' | 'x\\y'",
            "!(a & b) | c",
            "(a | b) <-> c",
            "a | b | c & d",
            "a & (b & c)",
            "(a <-> b) & !(c <2> d)",
            "'Größe':*",
        ];
        check::<TsQuery>(c, "tsquery", Server, &queries).await;
    })
    .await;
}
