//! The production guide: what it says in SQL runs, what it links to is there, and what it says of defaults is so.

use std::fs;

use cornac::{Config, Database, Host, SqlState};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, deadline, still_usable, workspace_root};

fn guide() -> String {
    fs::read_to_string(workspace_root().join("docs/production-guide.md")).unwrap()
}

/// The blocks of one language, in order.
fn blocks<'g>(guide: &'g str, language: &str) -> Vec<&'g str> {
    let opening = format!("\n```{language}\n");
    let behind = guide.split(&opening).skip(1);
    behind.map(|behind| behind.split("\n```").next().unwrap()).collect()
}

#[tokio::test]
async fn the_sql_of_the_production_guide_runs() {
    deadline(async {
        let guide = guide();
        let blocks = blocks(&guide, "sql");
        assert!(blocks.len() > 10, "{}", blocks.len());
        let server = Cluster::start(&ClusterOptions::default()).unwrap();
        let mut connection = cornac::Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        for block in blocks {
            // One by one: some cannot stand in one query with others.
            for statement in block.split_inclusive(";\n") {
                if let Err(error) = connection.simple_query(statement).await {
                    panic!("{error:#}\n{statement}");
                }
            }
        }
        still_usable(&mut connection).await;
    })
    .await;
}

#[test]
fn the_links_of_the_production_guide_lead_somewhere() {
    let guide = guide();
    let anchors: Vec<String> = guide.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let mut links = 0;
    for link in guide.split("](").skip(1).map(|behind| behind.split(')').next().unwrap()) {
        links += 1;
        match link.strip_prefix('#') {
            Some(name) => assert!(anchors.iter().any(|anchor| anchor == name), "there is no section #{name}"),
            None if link.starts_with("https://") => {}
            None => assert!(workspace_root().join("docs").join(link).exists(), "there is no {link}"),
        }
    }
    assert!(links > 30, "{links}");
}

/// What a heading can be linked by.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn the_production_guide_names_every_option_of_the_builder() {
    let guide = guide();
    let builder = fs::read_to_string(workspace_root().join("crates/adapter/src/builder.rs")).unwrap();
    let options: Vec<_> = builder
        .lines()
        .filter_map(|line| line.strip_prefix("    pub fn "))
        .map(|line| line.split(['(', '<']).next().unwrap())
        .filter(|name| !name.starts_with("connect_lazy"))
        .collect();
    assert!(options.len() >= 25, "{options:?}");
    let rows: Vec<_> = guide.lines().filter(|line| line.starts_with("| `")).collect();
    for option in options {
        let named = format!("`{option}`");
        let is_named = |row: &&&str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&named));
        assert!(rows.iter().find(is_named).is_some(), "the guide has no row for {option}");
    }
}

/// The cells of the first row whose first cell names an option.
fn row<'g>(guide: &'g str, option: &str) -> Vec<&'g str> {
    let named = format!("`{option}`");
    let mut rows =
        guide.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').map(str::trim));
    let row = rows.find(|row| row.clone().nth(1).is_some_and(|cell| cell.contains(&named)));
    row.unwrap_or_else(|| panic!("no row for {option}")).skip(1).collect()
}

#[test]
fn the_defaults_of_the_production_guide_are_those_of_the_code() {
    let guide = guide();
    let code = format!("{:?}", Database::builder());
    for (option, said, is) in [
        ("min_size", "5", "min_size: 5"),
        ("max_size", "100", "max_size: 100"),
        ("max_capacity", "twice `max_size`", "max_capacity: None"),
        ("max_opening", "8", "max_opening: 8"),
        ("acquire_timeout", "30 s", "acquire_timeout: 30s"),
        ("open_timeout", "30 s", "open_timeout: 30s"),
        ("hook_timeout", "10 s", "hook_timeout: 10s"),
        ("check_timeout", "5 s", "check_timeout: 5s"),
        ("recycle_timeout", "10 s", "recycle_timeout: 10s"),
        ("check_after", "30 s", "check_after: Some(30s)"),
        ("idle_timeout", "10 min", "idle_timeout: Some(600s)"),
        ("max_lifetime", "30 min", "max_lifetime: Some(1800s)"),
        ("lifetime_jitter", "0.2", "lifetime_jitter: 0.2"),
        ("backoff", "100 ms, 10 s", "backoff_base: 100ms, backoff_max: 10s"),
        ("reset", "`Reset::Changed`", "reset: Changed"),
        ("statement_timeout", "none", "statement_timeout: None"),
        (
            "connect_retry",
            "3 tries",
            "connect_retry: RetryPolicy { tries: 3, base: 50ms, cap: 2s, budget: 30s }",
        ),
        ("statement_retry", "3 tries", "statement_retry: RetryPolicy { tries: 3,"),
        ("transaction_retry", "none", "transaction_retry: None"),
        ("resolve_commit", "off; 10 s", "resolve_commit: None"),
    ] {
        assert_eq!(row(&guide, option)[1], said, "{option}");
        assert!(code.contains(is), "{option} is not {is:?} in {code}");
    }
    let code = format!("{:?}", Config::new(Host::Tcp("db.example".to_owned()), "app"));
    for (option, said, is) in [
        ("connect_timeout", "10 s", "connect_timeout: Some(10s)"),
        ("statement_mode", "`Named`", "statement_mode: Named"),
        ("statement_cache_capacity", "100 statements", "statement_cache_capacity: 100"),
        ("sslmode", "`prefer`", "mode: Prefer"),
    ] {
        let row = row(&guide, option);
        assert!(row[1].starts_with(said), "{option}: {row:?}");
        assert!(code.contains(is), "{option} is not {is:?} in {code}");
    }
}

#[test]
fn the_production_guide_calls_states_by_their_names() {
    let guide = guide();
    let mut states = 0;
    for line in guide.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let codes: Vec<_> = cells.next().unwrap_or_default().split(", ").collect();
        let Some(parsed) =
            codes.iter().map(|code| SqlState::parse(code.as_bytes())).collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let names: Vec<_> = cells.next().unwrap_or_default().split(", ").collect();
        for (state, name) in parsed.iter().zip(names).filter(|(_, name)| *name != "...") {
            states += 1;
            assert_eq!(state.name(), Some(name), "{state:?}");
        }
    }
    assert!(states > 50, "{states}");
}
