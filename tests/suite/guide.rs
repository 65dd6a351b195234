//! The production guide: what it says in SQL runs, what it links to is there, and what it says of defaults is so.

use std::fs;

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
