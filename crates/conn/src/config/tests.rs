//! Strings and what they mean.

use expect_test::{Expect, expect};

use super::*;

fn check_in(surroundings: &Surroundings, text: &str, expected: &Expect) {
    let shown = match Config::parse_in(text, surroundings) {
        Ok(config) => {
            let hosts = config.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let password = config.password.as_ref().map(|p| String::from_utf8_lossy(p.expose()).into_owned());
            format!("{hosts} | {} | {} | {}", config.user, config.dbname_ref(), password.unwrap_or_default())
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

fn check(text: &str, expected: &Expect) {
    check_in(&Surroundings::none().with_user("me"), text, expected);
}

#[test]
fn urls() {
    check("postgres://app@db.example/shop", &expect!["db.example:5432 | app | shop | "]);
    check("postgresql://app:p%40ss:w@[::1]:5433/a%2Fb", &expect!["::1:5433 | app | a/b | p@ss:w"]);
    check("postgres://app@%2Frun%2Fpg/shop", &expect!["/run/pg:5432 | app | shop | "]);
    check("postgres://app@/shop?host=/run/pg&port=6000", &expect!["/run/pg:6000 | app | shop | "]);
    check("postgres://", &expect!["the default socket, port 5432 | me | me | "]);
    check("postgres://a:1,b:2,[::1]/x", &expect!["a:1 b:2 ::1:5432 | me | x | "]);
    check("postgres://a:1,b:2/x", &expect!["a:1 b:2 | me | x | "]);
    check("postgres://a,b:2/x", &expect!["a:5432 b:2 | me | x | "]);
    check("postgres://a/x?ssl=true&hostaddr=10.0.0.1", &expect!["a:5432 | me | x | "]);
}

#[test]
fn key_value_pairs() {
    check("host=a,b port=7 user = app dbname='the shop'", &expect!["a:7 b:7 | app | the shop | "]);
    check(
        r"password='it\'s \\ so' user=a\ b",
        &expect![r"the default socket, port 5432 | a b | a b | it's \ so"],
    );
    check("", &expect!["the default socket, port 5432 | me | me | "]);
    check("user=one user=two", &expect!["the default socket, port 5432 | two | two | "]);
}

#[test]
fn input_01_what_is_wrong_is_named_with_its_place() {
    check(
        "mysql://app@db",
        &expect![
            "a connection URL begins with postgres:// or postgresql://, at byte 0 of the connection string"
        ],
    );
    check(
        "postgres://app:%zz@db",
        &expect!["invalid percent-encoding in the password of the connection URL, at its byte 0"],
    );
    check(
        "postgres://app:a%00b@db",
        &expect!["invalid percent-encoding in the password of the connection URL, at its byte 1"],
    );
    check("postgres://db?colour=red", &expect![[r#"unknown connection option "colour""#]]);
    check("postgres://db?port", &expect!["an option has no =, at byte 14 of the connection string"]);
    check(
        "postgres://db?port=1=2",
        &expect!["an option has a second =; write it as %3D, at byte 14 of the connection string"],
    );
    check(
        "postgres://[::1",
        &expect![
            "an IPv6 address begins with [ and does not end with ], at byte 11 of the connection string"
        ],
    );
    check(
        "postgres://[]/",
        &expect!["there is no IPv6 address between [ and ], at byte 11 of the connection string"],
    );
    check(
        "postgres://[::1]x/",
        &expect![
            "behind a bracketed IPv6 address comes a port, a slash or nothing, at byte 16 of the connection string"
        ],
    );
    check(
        "postgres://db:0",
        &expect![[r#"connection option port cannot be "0": it is a number from 1 to 65535"#]],
    );
    check("host=a user", &expect!["an option has no =, at byte 7 of the connection string"]);
    check("host='a", &expect!["a quoted value does not end, at byte 5 of the connection string"]);
}

#[test]
fn input_01_values_that_a_key_cannot_have_are_named_with_what_it_can() {
    check(
        "client_encoding=LATIN1",
        &expect![[r#"connection option client_encoding cannot be "LATIN1": only UTF8 is spoken here"#]],
    );
    check(
        "sslmode=maybe",
        &expect![[
            r#"connection option sslmode cannot be "maybe": it is disable, allow, prefer, require, verify-ca or verify-full"#
        ]],
    );
    check(
        "sslnegotiation=direct",
        &expect![
            "sslnegotiation=direct does not go with sslmode=prefer: use require, verify-ca or verify-full"
        ],
    );
    check(
        "sslrootcert=system sslmode=require",
        &expect![
            "sslrootcert=system does not go with sslmode=require: roots that vouch for everybody prove nothing without the name; use verify-full"
        ],
    );
    check(
        "sslcompression=1",
        &expect![
            "connection option sslcompression is not supported: TLS compression exposes what is encrypted, and no server has it any more"
        ],
    );
    check(
        "replication=database",
        &expect!["connection option replication is not supported: there is no replication connection yet"],
    );
    check(
        "gssencmode=require",
        &expect![
            "connection option gssencmode is not supported: encryption by GSSAPI is not built in; use TLS"
        ],
    );
    check(
        "ssl_max_protocol_version=TLSv1.1",
        &expect![
            "connection option ssl_max_protocol_version is not supported: TLS before 1.2 is broken, and not built in"
        ],
    );
    check(
        "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
        &expect!["ssl_min_protocol_version is newer than ssl_max_protocol_version"],
    );
    check(
        "min_protocol_version=3.2 max_protocol_version=3.0",
        &expect!["min_protocol_version is newer than max_protocol_version"],
    );
    check(
        "require_auth=password,!md5",
        &expect![[
            r#"connection option require_auth cannot be "password,!md5": either all of its methods have a ! in front, or none"#
        ]],
    );
    check(
        "require_auth=md5,md5",
        &expect![[r#"connection option require_auth cannot be "md5,md5": it names a method twice"#]],
    );
    check(
        "connect_timeout=soon",
        &expect![[r#"connection option connect_timeout cannot be "soon": it is a whole number"#]],
    );
    check(
        "scram_client_key=c2hvcnQ=",
        &expect![
            "connection option scram_client_key has a value that it cannot have: it is 32 bytes in base64"
        ],
    );
    check(
        "hostaddr=nowhere",
        &expect![[r#"connection option hostaddr cannot be "nowhere": it is a list of IP addresses"#]],
    );
    check("host=a,b hostaddr=1.1.1.1", &expect!["host has 2 values, and there are 1 hosts"]);
    check_in(
        &Surroundings::none(),
        "",
        &expect!["no user is named, and the operating system's user is not known"],
    );
}

#[test]
fn input_01_a_time_of_zero_is_none_and_one_below_too() {
    let surroundings = Surroundings::none().with_user("me");
    let config = |text: &str| Config::parse_in(text, &surroundings).unwrap();
    for value in ["0", "-1", "-2147483648"] {
        assert_eq!(config(&format!("connect_timeout={value}")).connect_timeout, None);
        let text = format!(
            "keepalives_idle={value} keepalives_interval={value} keepalives_count={value} tcp_user_timeout={value}"
        );
        assert_eq!(config(&text).socket_options, SocketOptions::default(), "left to the system");
    }
    assert_eq!(config("connect_timeout=' 7 '").connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(config("").connect_timeout, Some(Duration::from_secs(10)));
    for (key, value) in
        [("connect_timeout", "2147483648"), ("tcp_user_timeout", "1.5"), ("keepalives_idle", "1s")]
    {
        let error = Config::parse_in(&format!("{key}={value}"), &surroundings).unwrap_err().to_string();
        assert_eq!(error, format!("connection option {key} cannot be \"{value}\": it is a whole number"));
    }
}

#[test]
fn the_string_comes_before_the_service_before_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let services =
        "# comment\n[other]\nhost=wrong\n[mine]\nhost=service\nport=1\nuser=service\n[next]\nport=9\n";
    std::fs::write(home.path().join(".pg_service.conf"), services).unwrap();
    let surroundings = Surroundings::none()
        .with_home(home.path())
        .with_user("os")
        .with_variable("PGHOST", "environment")
        .with_variable("PGUSER", "environment")
        .with_variable("PGDATABASE", "environment")
        .with_variable("PGPASSWORD", "environment");
    let expected = expect!["service:1 | string | environment | environment"];
    check_in(&surroundings, "service=mine user=string", &expected);
    check_in(&surroundings.clone().with_variable("PGSERVICE", "mine"), "user=string", &expected);
    check_in(&surroundings, "", &expect!["environment:5432 | environment | environment | environment"]);
    check_in(&surroundings, "service=none", &expect![[r#"service "none" is not defined in a service file"#]]);
    std::fs::write(home.path().join(".pg_service.conf"), "[a]\ncolour=red\n[b]\nservice=a\n[c]\nhost\n")
        .unwrap();
    for (service, said) in [("a", "line 2"), ("b", "line 4"), ("c", "line 6")] {
        let error = Config::parse_in(&format!("service={service}"), &surroundings).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn system_roots_ask_for_the_name_too() {
    let config = Config::parse_in("sslrootcert=system user=app", &Surroundings::none()).unwrap();
    assert_eq!(config.ssl.mode, SslMode::VerifyFull);
    let config =
        Config::parse_in("user=app sslmode=require", &Surroundings::none().with_home("/home/app")).unwrap();
    assert_eq!(config.ssl.default_directory, Some(PathBuf::from("/home/app/.postgresql")));
}

#[cfg(feature = "passfile")]
#[tokio::test]
async fn a_password_comes_from_the_file_of_its_host() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".pgpass");
    std::fs::write(&path, "# comment\na:5432:*:app:one\nb:*:shop:*:two\nlocalhost:*:*:*:three\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let surroundings = Surroundings::none().with_home(home.path()).with_user("app");
    let passwords = async |text: &str| {
        let config = Config::parse_in(text, &surroundings).unwrap();
        let mut found = Vec::new();
        for spec in config.hosts() {
            let password = config.password_for(spec).await.unwrap();
            found.push(password.map(|password| String::from_utf8_lossy(password.expose()).into_owned()));
        }
        found
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(passwords("host=a,b,c dbname=shop").await, [some("one"), some("two"), None]);
    assert_eq!(passwords("host=a,b password=given").await, [some("given"), some("given")]);
    assert_eq!(passwords("").await, [some("three")]);
    assert_eq!(passwords("host=/tmp").await, [some("three")]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(passwords("host=a").await, [None]);
}

#[test]
fn entry_21_no_secret_is_shown_whatever_the_key_and_whatever_is_wrong() {
    const SECRET: &str = "tusk!ivory";
    const KEY: &str = "dHVzayFpdm9yeSF0dXNrIWl2b3J5IXR1c2shaXZvcnk=";
    let surroundings = Surroundings::none().with_user("me");
    for keyword in &keyword::KEYWORDS {
        let quoted = format!("{}='{SECRET}'", keyword.name);
        let url = format!("postgres://db?{}={SECRET}", keyword.name);
        for text in [&quoted, &url, &format!("{quoted} colour=red"), &format!("{url}&%zz=1")] {
            let shown = match Config::parse_in(text, &surroundings) {
                Ok(config) => format!("{config:?} {config:#?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            if keyword.is_secret {
                assert!(!shown.contains(SECRET), "{}: {shown}", keyword.name);
            }
        }
    }
    // A configuration that carries every secret, while any other key has any value, or none, or comes twice.
    let secrets = [
        ("password", SECRET),
        ("sslpassword", SECRET),
        ("oauth_client_secret", SECRET),
        ("scram_client_key", KEY),
        ("scram_server_key", KEY),
    ];
    let carried = secrets.map(|(key, value)| format!("{key}='{value}'")).join(" ");
    let in_url = secrets.map(|(key, value)| format!("{key}={}", value.replace('=', "%3D"))).join("&");
    let in_url = format!("postgres://me:{SECRET}@db/x?{in_url}");
    assert!(
        Config::parse_in(&carried, &surroundings).is_ok() && Config::parse_in(&in_url, &surroundings).is_ok()
    );
    let mut looked_at = 0;
    for keyword in &keyword::KEYWORDS {
        for value in ["", "0", "1", "-1", "other", "require", "disable", "3.2", "a,b,c"] {
            for text in [
                format!("{carried} {}='{value}'", keyword.name),
                format!("{}='{value}' {carried}", keyword.name),
                format!("{carried} {}", keyword.name),
                format!("{carried} {}='{value}", keyword.name),
                format!("{in_url}&{}={value}", keyword.name),
                format!("{in_url}&{}={value}={value}", keyword.name),
                format!("{in_url}&{}=%", keyword.name),
            ] {
                let shown = match Config::parse_in(&text, &surroundings) {
                    Ok(config) => format!("{config:?} {config:#?} {:?}", config.check()),
                    Err(error) => format!("{error} {error:?}"),
                };
                for secret in [SECRET, KEY, &format!("{:?}", SECRET.as_bytes()), "tusk%21"] {
                    assert!(!shown.contains(secret), "{text}: {shown}");
                }
                looked_at += 1;
            }
        }
    }
    println!("{looked_at} configurations with secrets looked at");
    for text in [
        "postgres://me:tusk!ivory/x@db",
        "postgres://me:x/tusk!ivory@db:port",
        "postgres://me:tusk!ivory@db:port",
        "postgres://me:tusk!ivory%@db",
        "postgres://me:tusk!ivory x@db",
        "postgres://me:tusk!ivory@[::1",
        "password='tusk!ivory",
        "password=tusk!ivory port=x",
        "sslpassword=tusk!ivory sslmode=x",
    ] {
        let error = Config::parse_in(text, &surroundings).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}
