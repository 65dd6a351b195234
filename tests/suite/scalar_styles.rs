//! Text under settings other than those that are read: the same value, or an error, and never another value.

use std::fmt::Debug;

use cornac::types::{Date, Interval, Money, Time, TimeTz, Timestamp, Timestamptz};
use cornac::{Client, Connection, Decode};

use crate::scalars::on_both_versions;

/// Which of `literals` can be read from the text that the settings at hand make of them. What can be read must be what binary says.
async fn readable<T>(c: &mut Connection, ty: &str, literals: &[&'static str]) -> Vec<&'static str>
where
    T: Debug + PartialEq + Send + for<'r> Decode<'r>,
{
    let mut readable = Vec::new();
    for literal in literals {
        let sql = format!("SELECT '{literal}'::{ty}");
        // As a parameter, since a literal in a statement that was prepared before keeps the value that it had then.
        let binary: T = c.fetch_value(&format!("SELECT $1::{ty}"), (*literal,)).await.expect(&sql);
        let results = c.simple_query(&sql).await.expect(&sql);
        if let Ok(text) = results[0].rows[0].get::<T>(0) {
            assert_eq!(text, binary, "{sql}");
            readable.push(*literal);
        }
    }
    readable
}

#[tokio::test]
async fn no_date_style_makes_another_date() {
    on_both_versions(async |_, c| {
        let dates = ["2000-01-02", "0012-11-10", "2001-02-03 BC", "infinity"];
        let timestamps =
            ["2000-01-02 03:04:05.6", "0012-11-10 00:00:00", "2001-02-03 00:00:00 BC", "-infinity"];
        let times = ["00:00:00", "23:59:59.5"];
        for (style, is_read) in [
            ("ISO, MDY", true),
            ("ISO, DMY", true),
            ("ISO, YMD", true),
            ("SQL, MDY", false),
            ("SQL, DMY", false),
            ("German", false),
            ("Postgres, MDY", false),
            ("Postgres, DMY", false),
        ] {
            let literal = |literals: &[&'static str; 4]| {
                if is_read { literals.to_vec() } else { literals[3..].to_vec() }
            };
            for zone in ["UTC", "America/St_Johns", "Asia/Kathmandu", "<+1545>-15:45"] {
                c.simple_query("SET DateStyle = 'ISO, YMD'").await.unwrap();
                c.simple_query(&format!("SET TimeZone = '{zone}'")).await.unwrap();
                let set = format!("SET DateStyle = '{style}'");
                c.simple_query(&set).await.unwrap();
                // Read in the order that every style reads.
                assert_eq!(readable::<Date>(c, "date", &dates).await, literal(&dates), "{style}");
                assert_eq!(
                    readable::<Timestamp>(c, "timestamp", &timestamps).await,
                    literal(&timestamps),
                    "{style}"
                );
                assert_eq!(
                    readable::<Timestamptz>(c, "timestamptz", &timestamps).await,
                    literal(&timestamps),
                    "{style}, {zone}"
                );
                assert_eq!(readable::<Time>(c, "time", &times).await, times, "{style}");
                assert_eq!(readable::<TimeTz>(c, "timetz", &times).await, times, "{style}, {zone}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn no_interval_style_makes_another_interval() {
    on_both_versions(async |_, c| {
        let intervals = [
            "1 year 2 mons 3 days 04:05:06.789",
            "-1 days +00:00:01",
            "3 days 04:05:06",
            "14:05:06",
            "-14:05:06",
            "04:05:06",
            "0",
            "1 mon",
        ];
        for (style, read) in [
            ("postgres", &intervals[..]),
            ("postgres_verbose", &[]),
            ("sql_standard", &["14:05:06", "-14:05:06", "04:05:06"]),
            ("iso_8601", &[]),
        ] {
            // The literals are read in a style that does not depend on the setting.
            c.simple_query(&format!("SET IntervalStyle = '{style}'")).await.unwrap();
            assert_eq!(readable::<Interval>(c, "interval", &intervals).await, read, "{style}");
        }
    })
    .await;
}

#[tokio::test]
async fn no_place_makes_another_amount() {
    on_both_versions(async |_, c| {
        let amounts = ["0", "1", "-5", "1234", "1234567"];
        assert_eq!(readable::<Money>(c, "money", &amounts).await, amounts);
        let locales: Vec<(String,)> = c
            .fetch_all("SELECT DISTINCT collcollate FROM pg_collation WHERE collprovider = 'c' AND collcollate ~ 'utf-?8'", ())
            .await
            .unwrap();
        for (locale,) in locales {
            if c.simple_query(&format!("SET lc_monetary = '{locale}'")).await.is_ok() {
                readable::<Money>(c, "money", &amounts).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn both_outputs_of_bytes_are_read() {
    on_both_versions(async |_, c| {
        let bytes: Vec<u8> = (0..=255).collect();
        for output in ["hex", "escape"] {
            c.simple_query(&format!("SET bytea_output = '{output}'")).await.unwrap();
            let results = c.simple_query(
                "SELECT string_agg(set_byte('0', 0, i), '' ORDER BY i) FROM generate_series(0, 255) AS i",
            );
            let results = results.await.unwrap();
            assert_eq!(results[0].rows[0].get::<Vec<u8>>(0).unwrap(), bytes, "{output}");
        }
    })
    .await;
}
