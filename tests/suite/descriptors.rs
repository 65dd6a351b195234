//! A process that has used up its descriptors.

use std::process::Command;

use cornac_tests::{Cluster, ClusterOptions};

#[test]
fn os_01_connecting_without_a_descriptor_is_typed_and_works_when_there_are_some_again() {
    let server = Cluster::start(&ClusterOptions::default()).unwrap();
    // In a process of its own: the limit is for all of it. It has deadlines of its own, and is ended when they are over.
    let mut client = Command::new("timeout");
    client.args([
        "50",
        env!("CARGO_BIN_EXE_few_descriptors"),
        &format!("{}?sslmode=disable", server.url("postgres")),
    ]);
    let output = client.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?}", output.status);
    let told = |who: &str| {
        let typed =
            said.lines().filter(|line| line.starts_with(who) && line.contains("Too many open files")).count();
        let transient = format!("{who}: transient true, may retry true");
        (typed, said.lines().filter(|line| *line == transient).count())
    };
    assert_eq!(told("alone"), (3, 3), "{said}");
    assert_eq!(told("pool"), (3, 3), "{said}");
    assert_eq!(said.matches("recovered").count(), 3);
    let last = said.lines().last().unwrap();
    let counts: Vec<&str> =
        last.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    assert!(matches!(counts[..], [opened, closed] if opened == closed), "{last}");
}
