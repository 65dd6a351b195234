//! Types of other crates: to real servers and back, and what does not fit.

use std::fmt::Debug;

use bigdecimal::BigDecimal;
use bit_vec::BitVec;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use compact_str::CompactString;
use cornac::types::{HalfVector, Json};
use cornac::{Client, Connection, Decode, Encode};
use half::f16;
use jiff::{SignedDuration, Span, civil};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::scalars::on_both_versions;

/// Each of `literals` is read, in both formats, sent again, and the server finds that it is the same.
async fn fits<T>(c: &mut Connection, ty: &str, literals: &[&str])
where
    T: Encode + Send + Sync + Debug + for<'r> Decode<'r>,
{
    for literal in literals {
        let at = format!("{literal}::{ty} as {}", std::any::type_name::<T>());
        let (value, array): (T, Vec<T>) =
            c.fetch_one(&format!("SELECT $1::{ty}, ARRAY[$1::{ty}]"), (*literal,)).await.expect(&at);
        let sql = format!("SELECT ARRAY[$1::{ty}::text, ($2::{ty}[])[1]::text, '{literal}'::{ty}::text]");
        let texts: Vec<String> = c.fetch_value(&sql, (&value, &array)).await.expect(&at);
        assert!(texts.iter().all(|text| *text == texts[2]), "{at} in binary: {texts:?}");
        let results = c.simple_query(&format!("SELECT '{literal}'::{ty}")).await.expect(&at);
        let value: T = results[0].rows[0].get(0).expect(&at);
        let mut text = String::new();
        value.encode_text(&value.natural_type(), &mut text).expect(&at);
        let back: String = c.fetch_value(&format!("SELECT $1::{ty}::text"), (text,)).await.expect(&at);
        assert_eq!(back, texts[2], "{at} in text");
    }
}

/// None of `literals` can be read, in neither format; the error has the value in it.
async fn is_refused<T>(c: &mut Connection, ty: &str, literals: &[&str])
where
    T: Send + Debug + for<'r> Decode<'r>,
{
    for literal in literals {
        let at = format!("{literal}::{ty} as {}", std::any::type_name::<T>());
        let shown: String =
            c.fetch_value(&format!("SELECT format('%s', $1::{ty})"), (*literal,)).await.unwrap();
        let error =
            c.fetch_value::<T, _>(&format!("SELECT $1::{ty} AS v"), (*literal,)).await.expect_err(&at);
        let said = error.to_string();
        assert!(said.starts_with(&format!("column 1 \"v\" ({ty}) has a value that ")), "{at}: {said}");
        assert!(said.contains(shown.get(..40).unwrap_or(&shown)), "{at}: {said}");
        let results = c.simple_query(&format!("SELECT '{literal}'::{ty}")).await.unwrap();
        results[0].rows[0].get::<T>(0).expect_err(&at);
    }
}

#[tokio::test]
async fn types_of_other_crates_come_back_as_they_went() {
    on_both_versions(async |_, c| {
        let dates = ["2000-01-01", "2024-02-29", "0001-01-01", "4714-11-24 BC", "9999-12-31"];
        fits::<NaiveDate>(c, "date", &dates).await;
        fits::<time::Date>(c, "date", &dates).await;
        fits::<civil::Date>(c, "date", &dates).await;
        let times = ["00:00:00", "23:59:59.999999"];
        fits::<NaiveTime>(c, "time", &times).await;
        fits::<time::Time>(c, "time", &times).await;
        fits::<civil::Time>(c, "time", &times).await;
        let timestamps = [
            "2000-01-01 00:00:00",
            "1969-12-31 23:59:59.999999",
            "4714-11-24 00:00:00 BC",
            "9999-12-30 21:59:59.999999",
        ];
        fits::<NaiveDateTime>(c, "timestamp", &timestamps).await;
        fits::<time::PrimitiveDateTime>(c, "timestamp", &timestamps).await;
        fits::<civil::DateTime>(c, "timestamp", &timestamps).await;
        fits::<DateTime<Utc>>(c, "timestamptz", &timestamps).await;
        fits::<DateTime<FixedOffset>>(c, "timestamptz", &timestamps).await;
        fits::<time::OffsetDateTime>(c, "timestamptz", &timestamps).await;
        fits::<jiff::Timestamp>(c, "timestamptz", &timestamps).await;
        let durations = ["0", "-00:00:00.000001", "100000:00:00.5"];
        fits::<TimeDelta>(c, "interval", &durations).await;
        fits::<time::Duration>(c, "interval", &durations).await;
        fits::<SignedDuration>(c, "interval", &durations).await;
        fits::<Span>(c, "interval", &["0", "1 year 2 mons 3 days 04:05:06.7", "-1 year -2 mons -00:00:01"])
            .await;

        let decimals = [
            "0",
            "0.00",
            "-19.90",
            "79228162514264337593543950335",
            "0.0000000000000000000000000001",
            "1e20",
        ];
        fits::<Decimal>(c, "numeric", &decimals).await;
        fits::<BigDecimal>(c, "numeric", &decimals).await;
        fits::<BigDecimal>(c, "numeric", &["1e131071", "-1e-16383"]).await;

        fits::<uuid::Uuid>(c, "uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]).await;
        fits::<ipnet::IpNet>(c, "inet", &["192.168.1.17/24", "::1", "::ffff:1.2.3.4/100"]).await;
        fits::<ipnet::IpNet>(c, "cidr", &["10.0.0.0/8", "2001:db8::/32"]).await;
        fits::<ipnet::Ipv4Net>(c, "cidr", &["10.0.0.0/8"]).await;
        fits::<ipnet::Ipv6Net>(c, "inet", &["2001:db8::1/32"]).await;
        fits::<std::net::IpAddr>(c, "inet", &["192.168.1.17", "::1"]).await;
        fits::<std::net::Ipv4Addr>(c, "inet", &["192.168.1.17"]).await;
        fits::<std::net::Ipv6Addr>(c, "inet", &["2001:db8::1"]).await;
        fits::<eui48::MacAddress>(c, "macaddr", &["08:00:2b:01:02:03"]).await;
        fits::<BitVec>(c, "varbit", &["", "1", "10101010", "101010101"]).await;
        fits::<geo_types::Point>(c, "point", &["(1.5,-2)"]).await;
        fits::<geo_types::Coord>(c, "point", &["(1.5,-2)"]).await;
        fits::<geo_types::Line>(c, "lseg", &["[(0,0),(1,2)]"]).await;
        fits::<geo_types::Rect>(c, "box", &["(3,4),(1,2)"]).await;
        fits::<geo_types::LineString>(c, "path", &["[(0,0),(1,2),(0,0)]"]).await;
        fits::<geo_types::Polygon>(c, "polygon", &["((0,0),(4,0),(4,4))", "((1,1))"]).await;
        fits::<SmolStr>(c, "text", &["", "Größe", "longer than twenty-three bytes"]).await;
        fits::<CompactString>(c, "text", &["", "Größe", "longer than twenty-four bytes"]).await;
        fits::<f16>(c, "float4", &["1.5", "-65504", "Infinity"]).await;
        for ty in ["json", "jsonb"] {
            fits::<serde_json::Value>(c, ty, &["null", "[1,\"a\",{}]"]).await;
            fits::<Json<Vec<Option<i32>>>>(c, ty, &["[1,null]"]).await;
        }
        let lent: String =
            c.fetch_value("SELECT $1::jsonb::text", (Json(&serde_json::json!({"a": 1})),)).await.unwrap();
        assert_eq!(lent, r#"{"a": 1}"#);
        let mut rows = c.rows("SELECT '{\"a\":  1}'::json", ()).await.unwrap();
        let row = rows.next().await.unwrap().unwrap();
        assert_eq!(row.get::<Json<&RawValue>>(0).unwrap().0.get(), r#"{"a":  1}"#);
        drop(rows);
        assert_eq!(Vec::<f16>::from(HalfVector(vec![0x3c00])), [f16::ONE]);
    })
    .await;
}

#[tokio::test]
async fn input_06_what_has_no_room_in_a_type_of_another_crate_is_an_error() {
    on_both_versions(async |major, c| {
        let dates = ["infinity", "-infinity", "5874897-12-31"];
        is_refused::<NaiveDate>(c, "date", &dates).await;
        is_refused::<time::Date>(c, "date", &dates).await;
        is_refused::<civil::Date>(c, "date", &dates).await;
        is_refused::<NaiveTime>(c, "time", &["24:00:00"]).await;
        is_refused::<time::Time>(c, "time", &["24:00:00"]).await;
        is_refused::<civil::Time>(c, "time", &["24:00:00"]).await;
        let timestamps = ["infinity", "-infinity", "294276-12-31 23:59:59.999999"];
        is_refused::<NaiveDateTime>(c, "timestamp", &timestamps).await;
        is_refused::<time::PrimitiveDateTime>(c, "timestamp", &timestamps).await;
        is_refused::<civil::DateTime>(c, "timestamp", &timestamps).await;
        is_refused::<DateTime<Utc>>(c, "timestamptz", &timestamps).await;
        is_refused::<time::OffsetDateTime>(c, "timestamptz", &timestamps).await;
        is_refused::<jiff::Timestamp>(c, "timestamptz", &timestamps).await;
        let mut intervals = vec!["1 day", "1 mon", "-1 year", "1 day 00:00:01"];
        if major >= 17 {
            intervals.extend(["infinity", "-infinity"]);
        }
        is_refused::<TimeDelta>(c, "interval", &intervals).await;
        is_refused::<time::Duration>(c, "interval", &intervals).await;
        is_refused::<SignedDuration>(c, "interval", &intervals).await;
        is_refused::<Span>(c, "interval", &["1 mon -1 days", "-1 days +00:00:01", "20000 years"]).await;

        let specials = ["NaN", "Infinity", "-Infinity"];
        is_refused::<Decimal>(c, "numeric", &specials).await;
        is_refused::<BigDecimal>(c, "numeric", &specials).await;
        let decimals = ["79228162514264337593543950336", "1e-29", "1e100", "7.92281625142643375935439503351"];
        is_refused::<Decimal>(c, "numeric", &decimals).await;
        is_refused::<f16>(c, "float4", &["0.1", "65536"]).await;
        is_refused::<std::net::IpAddr>(c, "inet", &["10.0.0.1/8"]).await;
        is_refused::<std::net::Ipv4Addr>(c, "inet", &["::1"]).await;
        is_refused::<ipnet::Ipv6Net>(c, "cidr", &["10.0.0.0/8"]).await;
    })
    .await;
}

#[tokio::test]
async fn input_06_what_has_no_room_in_a_column_is_not_sent() {
    on_both_versions(async |_, c| {
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        let nano = jiff::Timestamp::from_nanosecond(1).unwrap();
        let huge = BigDecimal::new(1.into(), -131_072);
        let net: ipnet::IpNet = "10.0.0.1/8".parse().unwrap();
        let cases: [(&str, &(dyn Encode + Sync), &str); 8] = [
            ("time", &leap, "parameter $1 is time, which this NaiveTime cannot become: 23:59:60.500 is a leap second"),
            ("timestamptz", &nano, "parameter $1 is timestamptz, which this Timestamp cannot become: 1970-01-01T00:00:00.000000001Z is finer than a microsecond"),
            ("date", &NaiveDate::MIN, "parameter $1 is date, which this NaiveDate cannot become: -262143-01-01"),
            ("timestamptz", &time::PrimitiveDateTime::MIN.assume_utc(), "parameter $1 is timestamptz, which this OffsetDateTime cannot become: -9999-01-01 0:00:00.0 +00:00:00"),
            ("interval", &SignedDuration::MAX, "parameter $1 is interval, which this SignedDuration cannot become: PT2562047788015215H30M7.999999999S is finer than a microsecond"),
            ("numeric", &huge, "parameter $1 is numeric, which this BigDecimal cannot become: it has 1 digits and a scale of -131072, and PostgreSQL keeps 131072 decimals before the point and 16383 behind it"),
            ("cidr", &net, "parameter $1 is cidr, which this IpNet cannot become: 10.0.0.1/8 has bits to the right of its prefix"),
            ("text", &Decimal::ONE, "parameter $1 is text, which Decimal cannot become"),
        ];
        for (ty, value, expected) in cases {
            let error = c.execute(&format!("SELECT $1::{ty}"), &[value][..]).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.delivery(), cornac::Delivery::NotSent);
        }
    })
    .await;
}
