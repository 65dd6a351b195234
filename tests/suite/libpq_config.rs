//! Connection strings, beside libpq 18 itself.

use std::collections::BTreeMap;

use cornac_conn::Config;
use cornac_oracle::Libpq;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

/// How many strings of each kind are compared.
const CASES: u32 = 5_000;

fn oracle() -> Libpq {
    Libpq::load(&cornac_tests::libpq().unwrap()).unwrap()
}

/// What differs on purpose, with the reason.
fn differs_on_purpose(text: &str) -> Option<&'static str> {
    if text.contains("://")
        && !text.starts_with("postgres://")
        && !text.starts_with("postgresql://")
        && !text.contains(char::is_whitespace)
    {
        return Some(
            "a URL of another scheme is an error that says so; libpq reads pairs and says that there is no =",
        );
    }
    if !is_utf8_when_decoded(text) {
        return Some(
            "percent-encoded bytes that are not UTF-8 are an error; libpq passes them on, and client_encoding is UTF8 here",
        );
    }
    None
}

/// Whether percent-encoded bytes in it are UTF-8.
fn is_utf8_when_decoded(text: &str) -> bool {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).is_ok()
}

/// Compares what the two make of a string: the same values, or an error from both.
fn compare(oracle: &Libpq, text: &str) -> Result<bool, TestCaseError> {
    let theirs = oracle.conninfo_parse(text).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let ours = Config::options_in(text);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => {
            let ours: BTreeMap<String, String> =
                ours.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            prop_assert_eq!(&ours, theirs, "{:?}", text);
            Ok(true)
        }
        (Err(_), Err(_)) => Ok(false),
        (Err(_), Ok(_)) if differs_on_purpose(text).is_some() => Ok(false),
        _ => Err(TestCaseError::fail(format!("{text:?}: ours {ours:?}, theirs {theirs:?}"))),
    }
}

fn run(name: &str, strategy: impl Strategy<Value = String>) {
    let oracle = oracle();
    let (accepted, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let mut runner = TestRunner::new_with_rng(
        Cases { cases: CASES, failure_persistence: None, ..Cases::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&strategy, |text| {
            let count = if compare(&oracle, &text)? { &accepted } else { &refused };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    println!("{name}: {} strings read alike, {} refused by both", accepted.get(), refused.get());
    assert!(accepted.get() > 200 && refused.get() > 200, "both kinds are there");
}

fn key() -> impl Strategy<Value = String> {
    let oracle = oracle();
    let known: Vec<String> = oracle.keywords().unwrap().into_iter().map(|keyword| keyword.name).collect();
    prop_oneof![20 => proptest::sample::select(known), 1 => Just("colour".to_owned()), 1 => Just(String::new()), 1 => Just("ssl".to_owned())]
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z0-9.-]{1,8}",
        2 => "(%[0-9a-fA-F]{2}|[a-z]){1,5}",
        1 => "[a-z%@:/?&=,' \\\\\\[\\]+é]{0,6}",
        1 => Just("%00".to_owned()),
        1 => Just(String::new()),
        1 => Just("%2Frun%2Fpg".to_owned()),
        1 => Just("true".to_owned()),
    ]
}

#[test]
fn urls_mean_to_us_what_they_mean_to_libpq() {
    let host = prop_oneof![4 => part(), 1 => Just("[::1]".to_owned()), 1 => Just("[::1".to_owned()), 1 => Just("[]".to_owned()), 1 => Just("[::1]x".to_owned())];
    let place = (host, proptest::option::of(prop_oneof!["[0-9]{1,5}", part()]))
        .prop_map(|(host, port)| port.map_or(host.clone(), |port| format!("{host}:{port}")));
    let credentials = (part(), proptest::option::of(part())).prop_map(|(user, password)| {
        password.map_or(format!("{user}@"), |password| format!("{user}:{password}@"))
    });
    let pair = (key(), part(), 0..12_u8).prop_map(|(key, value, kind)| match kind {
        0 => key,
        1 => format!("{key}={value}={value}"),
        2 => String::new(),
        _ => format!("{key}={value}"),
    });
    let url = (
        proptest::sample::select(vec!["postgres://", "postgresql://"]),
        proptest::option::of(credentials),
        proptest::collection::vec(place, 0..4),
        proptest::option::of(part()),
        proptest::option::of(proptest::collection::vec(pair, 0..4)),
    )
        .prop_map(|(scheme, credentials, places, dbname, pairs)| {
            let dbname = dbname.map_or_else(String::new, |dbname| format!("/{dbname}"));
            let pairs = pairs.map_or_else(String::new, |pairs| format!("?{}", pairs.join("&")));
            format!("{scheme}{}{}{dbname}{pairs}", credentials.unwrap_or_default(), places.join(","))
        });
    run("URLs", url);
}

#[test]
fn pairs_mean_to_us_what_they_mean_to_libpq() {
    let blank =
        prop_oneof![6 => Just(String::new()), 2 => Just(" ".to_owned()), 1 => "[ \t\n\r\x0b\x0c]{1,3}"];
    let value = prop_oneof![
        4 => part(),
        3 => "[a-z '\\\\=]{0,6}".prop_map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))),
        1 => "'[a-z '\\\\=]{0,6}'?",
        1 => "[a-z\\\\ ]{0,6}",
    ];
    let pair = (key(), blank.clone(), blank.clone(), value, blank, 0..15_u8).prop_map(
        |(key, before, behind, value, end, kind)| match kind {
            0 => key,
            _ => format!("{key}{before}={behind}{value}{end}"),
        },
    );
    let pairs = proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join(" "));
    run("pairs", pairs);
}

#[test]
fn strings_of_any_kind() {
    let pieces = vec![
        "postgres://",
        "postgresql://",
        "host",
        "=",
        "'",
        "\\",
        " ",
        "user",
        "%",
        "%20",
        "%zz",
        "@",
        ":",
        "/",
        "?",
        "&",
        ",",
        "[",
        "]",
        "::1",
        "5432",
        "password",
        "dbname",
        "x",
        "sslmode",
        "prefer",
        "é",
        "\t",
        "mysql://",
    ];
    let text =
        proptest::collection::vec(proptest::sample::select(pieces), 0..12).prop_map(|pieces| pieces.concat());
    let plain = (proptest::sample::select(vec!["", "host=", "postgres://", "postgresql://"]), text)
        .prop_map(|(begin, text)| format!("{begin}{text}"));
    run("pieces", plain);
}

#[test]
fn input_01_what_libpq_calls_malformed_is_an_error_with_its_place_or_key() {
    let oracle = oracle();
    let none = cornac_conn::Surroundings::none().with_user("me");
    // A secret in each, where it has a place for one.
    for (text, said) in [
        ("postgres://me:tusk!ivory@[::1", "at byte 25"),
        ("postgres://me:tusk!ivory@[]", "at byte 25"),
        ("postgres://me:tusk!ivory@[]:5432/db", "at byte 25"),
        ("postgres://me:tusk!ivory@[::1]db", "at byte 30"),
        ("postgres://me:tusk!ivory@[::1]%20", "at byte 30"),
        ("postgres://me:tusk!ivory%", "port"),
        ("postgres://me:tusk!ivory%@db", "password"),
        ("postgres://me:tusk!ivory%f@db", "password"),
        ("postgres://me:tusk!ivory%zz@db", "password"),
        ("postgres://me:tusk!ivory%00@db", "password"),
        ("postgres://m%e:tusk!ivory@db", "user"),
        ("postgres://m%00e:tusk!ivory@db", "user"),
        ("postgres://me:tusk!ivory@d%b", "host"),
        ("postgres://me:tusk!ivory@db:%1/x", "port"),
        ("postgres://me:tusk!ivory@db/%x", "database name"),
        ("postgres://me:tusk!ivory@db/x?", ""),
        ("postgres://me:tusk!ivory@db/x?port", "at byte 30"),
        ("postgres://me:tusk!ivory@db/x?port&host=a", "at byte 30"),
        ("postgres://me:tusk!ivory@db/x?host=a&port", "at byte 37"),
        ("postgres://me:tusk!ivory@db/x?port=1=2", "at byte 30"),
        ("postgres://me:tusk!ivory@db/x?=1", "\"\""),
        ("postgres://me:tusk!ivory@db/x?p%6frt=1", ""),
        ("postgres://me:tusk!ivory@db/x?po%rt=1", "options"),
        ("postgres://me:tusk!ivory@db/x?port=%", "options"),
        ("postgres://me:tusk!ivory@db/x?colour=red", "\"colour\""),
        ("postgres://me:tusk!ivory@db/x?PORT=1", "\"PORT\""),
        ("postgres://me:tusk!ivory@db/x?ssl=false", "\"ssl\""),
        ("postgres://me:tusk ivory@db/x", "password"),
        ("password=tusk!ivory user", "at byte 20"),
        ("password=tusk!ivory user host=a", "at byte 20"),
        ("password='tusk!ivory", "at byte 9"),
        ("password='tusk!ivory\\'", "at byte 9"),
        ("password=tusk!ivory =a", "\"\""),
        ("password=tusk!ivory colour=red", "\"colour\""),
        ("password=tusk!ivory USER=me", "\"USER\""),
        ("tusk!ivory", "at byte 0"),
        ("host", "at byte 0"),
    ] {
        let theirs = oracle.conninfo_parse(text).unwrap();
        match Config::parse_in(text, &none) {
            Ok(_) => assert!(said.is_empty() && theirs.is_ok(), "{text}: {theirs:?}"),
            Err(error) => {
                assert!(
                    theirs.is_err() && !said.is_empty() && error.to_string().contains(said),
                    "{text}: {error}"
                );
                assert!(!format!("{error} {error:?}").contains("ivory"), "{text}: {error:?}");
            }
        }
    }
    // What is well-formed and contradicts itself; libpq says so when it connects.
    for (text, said) in [
        ("sslmode=disable sslnegotiation=direct", "sslnegotiation=direct does not go with sslmode=disable"),
        ("sslrootcert=system sslmode=prefer", "sslrootcert=system does not go with sslmode=prefer"),
        ("min_protocol_version=3.2 max_protocol_version=3.0", "min_protocol_version is newer"),
        (
            "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_min_protocol_version is newer",
        ),
        ("host=a,b hostaddr=127.0.0.1", "host has 2 values"),
        ("host=a,b,c port=1,2", "port has 2 values"),
        ("require_auth=md5,!password", "either all of its methods"),
        ("require_auth=md5,md5", "twice"),
        ("require_auth=,md5", "require_auth"),
        ("port=0", "port cannot be \"0\""),
        ("port=65536", "port cannot be \"65536\""),
        ("port=-1", "port cannot be \"-1\""),
        ("connect_timeout=1h", "connect_timeout cannot be \"1h\""),
        ("sslmode=", "sslmode cannot be"),
        ("sslmode=REQUIRE", "sslmode cannot be \"REQUIRE\""),
        ("target_session_attrs=master", "target_session_attrs cannot be \"master\""),
        ("channel_binding=yes", "channel_binding cannot be \"yes\""),
    ] {
        let text = format!("host=127.0.0.1 user=me dbname=x password=tusk!ivory {text}");
        let ours = Config::parse_in(&text, &none);
        // Nobody listens at port 1: a string that is in order gets as far as that.
        let text = if text.contains("port=") { text } else { format!("{text} port=1") };
        let theirs = oracle.connect(&text).unwrap().unwrap_err();
        match ours {
            Ok(_) => assert!(said.is_empty() && theirs.contains("Connection refused"), "{text}: {theirs}"),
            Err(error) => {
                assert!(!said.is_empty() && error.to_string().contains(said), "{text}: {error}");
                assert!(!theirs.contains("Connection refused"), "{text}: libpq takes it: {theirs}");
                assert!(!format!("{error:?}").contains("ivory"), "{text}: {error:?}");
            }
        }
    }
}

#[test]
fn every_key_of_libpq_has_an_answer() {
    let keywords = oracle().keywords().unwrap();
    assert_eq!(keywords.len(), 50);
    let values: BTreeMap<&str, &str> = BTreeMap::from([
        ("channel_binding", "require"),
        ("connect_timeout", "3"),
        ("hostaddr", "127.0.0.1"),
        ("port", "6000"),
        ("client_encoding", "UTF8"),
        ("keepalives", "0"),
        ("keepalives_idle", "1"),
        ("keepalives_interval", "1"),
        ("keepalives_count", "1"),
        ("tcp_user_timeout", "1"),
        ("sslmode", "require"),
        ("sslnegotiation", "postgres"),
        ("sslcertmode", "require"),
        ("sslsni", "0"),
        ("require_auth", "!password"),
        ("min_protocol_version", "3.0"),
        ("max_protocol_version", "latest"),
        ("ssl_min_protocol_version", "TLSv1.3"),
        ("ssl_max_protocol_version", "TLSv1.3"),
        ("gssencmode", "disable"),
        ("gssdelegation", "1"),
        ("target_session_attrs", "standby"),
        ("load_balance_hosts", "random"),
        (
            "scram_client_key",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= scram_server_key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        (
            "scram_server_key",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= scram_client_key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
    ]);
    let refused = ["service", "sslcompression", "gsslib", "replication"];
    let none = cornac_conn::Surroundings::none().with_user("me");
    let without = format!("{:?}", Config::parse_in("user=me", &none).unwrap());
    for keyword in keywords {
        let name = &*keyword.name;
        let value = if name == "sslcompression" { "1" } else { values.get(name).copied().unwrap_or("other") };
        match Config::parse_in(&format!("user=me {name}={value}"), &none) {
            Ok(config) => {
                assert!(!refused.contains(&name), "{name}");
                // What is set is kept, unless it says what is so anyway.
                let says_nothing_new =
                    ["client_encoding", "sslnegotiation", "min_protocol_version", "gssencmode"];
                let changed = format!("{config:?}") != without;
                assert_eq!(changed, !says_nothing_new.contains(&name), "{name}={value}");
            }
            Err(error) => assert!(refused.contains(&name), "{name}: {error}"),
        }
        // The environment variable means the same.
        if let Some(variable) = keyword.variable.filter(|_| !refused.contains(&name) && !value.contains(' '))
        {
            let by_variable = Config::parse_in("", &none.clone().with_variable(variable, value)).unwrap();
            let by_key = Config::parse_in(&format!("{name}={value}"), &none).unwrap();
            assert_eq!(format!("{by_variable:?}"), format!("{by_key:?}"), "{name}");
        }
    }
}
