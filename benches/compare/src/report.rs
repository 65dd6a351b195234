//! Medians, ratios, the table and the raw figures.

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;

use crate::driver::Driver;
use crate::measured::Measured;
use crate::workload::Workload;

/// One driver's rounds of one workload.
#[derive(Debug)]
pub struct Entry {
    pub workload: Workload,
    pub driver: Driver,
    pub rounds: Vec<Measured>,
}

impl Entry {
    /// The median of what `figure` gives for each round.
    pub fn median(&self, figure: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        let mut figures: Vec<f64> = self.rounds.iter().filter_map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        match figures.len() {
            0 => None,
            len if len % 2 == 1 => Some(figures[middle]),
            _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
        }
    }

    /// What is compared: a rate, or memory.
    pub fn figure(&self) -> f64 {
        let figure = |measured: &Measured| {
            if self.workload.is_memory() { measured.kib_each } else { Some(measured.rate()) }
        };
        self.median(figure).unwrap_or(f64::NAN)
    }

    pub fn cpu_us(&self) -> f64 {
        self.median(|measured| Some(measured.cpu_us_each())).unwrap_or(f64::NAN)
    }

    /// The driver, and how it did the work where it has two ways.
    pub fn name(&self) -> String {
        match (self.driver, self.workload.other_way()) {
            (Driver::CornacOtherwise, Some(way)) => format!("cornac, {way}"),
            _ => self.driver.name().to_owned(),
        }
    }

    fn peak_mib(&self) -> f64 {
        self.median(|measured| Some(measured.peak_kib / 1024.0)).unwrap_or(f64::NAN)
    }
}

/// A workload's entries, and those that others are compared with.
pub struct Group<'e> {
    pub workload: Workload,
    pub entries: Vec<&'e Entry>,
}

impl<'e> Group<'e> {
    /// The workloads in their order.
    pub fn all(entries: &'e [Entry]) -> Vec<Self> {
        let group = |workload: Workload| {
            let of_it = entries.iter().filter(|entry| entry.workload == workload).collect();
            Self { workload, entries: of_it }
        };
        Workload::ALL.into_iter().map(group).filter(|group| !group.entries.is_empty()).collect()
    }

    pub fn find(&self, driver: Driver) -> Option<&'e Entry> {
        self.entries.iter().find(|entry| entry.driver == driver).copied()
    }

    /// The best of the drivers that are neither cornac nor the floor.
    pub fn best_peer(&self) -> Option<&'e Entry> {
        let peers = self.entries.iter().filter(|entry| entry.driver.is_peer()).copied();
        if self.workload.is_memory() {
            peers.min_by(|a, b| a.figure().total_cmp(&b.figure()))
        } else {
            peers.max_by(|a, b| a.figure().total_cmp(&b.figure()))
        }
    }
}

/// The lines of one workload, as they come.
pub fn lines(entries: &[Entry]) -> String {
    Group::all(entries).iter().map(table_of).collect()
}

pub fn markdown(entries: &[Entry], version: &str, rounds: usize) -> String {
    let mut text = format!(
        "Medians of {rounds} rounds, PostgreSQL {version}. Only ratios within one run count.\n\n{}\n",
        summary(entries)
    );
    for group in Group::all(entries) {
        text.push_str(&table_of(&group));
        text.push('\n');
    }
    text
}

/// cornac beside the best peer and the floor.
pub fn summary(entries: &[Entry]) -> String {
    let mut text = String::from(
        "| # | workload | cornac | best peer | cornac / best | cornac / floor | client CPU / floor | client CPU / best |\n\
         | --- | --- | --: | --- | --: | --: | --: | --: |\n",
    );
    for group in Group::all(entries) {
        let (floor, best) = (group.find(Driver::Floor), group.best_peer());
        let ratio = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => format!("{:.2}", one / other),
            _ => "-".to_owned(),
        };
        let figure = |entry: Option<&Entry>| entry.map(Entry::figure);
        let cpu = |entry: Option<&Entry>| entry.map(Entry::cpu_us);
        let mut line = |title: String, cornac: Option<&Entry>| {
            let _ = writeln!(
                text,
                "| {} | {title} | {} | {} | {} | {} | {} | {} |",
                group.workload.number(),
                cornac.map_or("no verb".to_owned(), shown_figure),
                best.map_or("-".to_owned(), |best| format!("{} {}", best.driver.name(), shown_figure(best))),
                ratio(figure(cornac), figure(best)),
                ratio(figure(cornac), figure(floor)),
                ratio(cpu(cornac), cpu(floor)),
                ratio(cpu(cornac), cpu(best)),
            );
        };
        let title = group.workload.title();
        line(title.to_owned(), group.find(Driver::Cornac));
        if let Some(otherwise) = group.find(Driver::CornacOtherwise) {
            line(format!("{title}: {}", otherwise.name()), Some(otherwise));
        }
    }
    text.push_str(&copy_against_inserts(entries));
    text
}

/// How many times the rows per second of INSERTs one by one COPY reaches, where both were measured.
fn copy_against_inserts(entries: &[Entry]) -> String {
    let rate = |workload: Workload, driver: Driver| {
        let entry = entries.iter().find(|entry| entry.workload == workload && entry.driver == driver);
        entry.map(Entry::figure)
    };
    let mut text = String::new();
    for driver in Driver::ALL {
        let Some(inserts) = rate(Workload::InsertOneByOne, driver) else { continue };
        for copy in [Workload::InsertCopy, Workload::CopyIn] {
            let Some(rows) = rate(copy, driver) else { continue };
            let _ = writeln!(
                text,
                "\n{}: COPY of {} rows, {rows:.0} rows/s, is {:.0} times as fast as INSERTs one by one, {inserts:.0} rows/s.",
                driver.name(),
                copy.count(),
                rows / inserts
            );
        }
    }
    text
}

fn table_of(group: &Group<'_>) -> String {
    let mut text = format!("### {}: {}\n\n", group.workload.number(), group.workload.title());
    let unit = if group.workload.is_memory() { "each" } else { "per second" };
    let _ = writeln!(
        text,
        "| driver | {unit} | / best peer | / floor | client CPU | CPU / floor | p50 | p95 | p99 | peak |\n\
         | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
    );
    let (best, floor) = (group.best_peer(), group.find(Driver::Floor));
    for entry in &group.entries {
        let to = |other: Option<&Entry>, figure: fn(&Entry) -> f64| {
            other.map_or("-".to_owned(), |other| format!("{:.2}", figure(entry) / figure(other)))
        };
        let micros = |figure: Option<f64>| figure.map_or("-".to_owned(), |micros| format!("{micros:.0} µs"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} MiB |",
            entry.name(),
            shown_figure(entry),
            to(best, Entry::figure),
            to(floor, Entry::figure),
            shown_cpu(entry),
            to(floor, Entry::cpu_us),
            micros(entry.median(|measured| measured.p50_us)),
            micros(entry.median(|measured| measured.p95_us)),
            micros(entry.median(|measured| measured.p99_us)),
            entry.peak_mib(),
        );
    }
    text
}

/// `17.1 k`, `1.23 M`, `45 KiB`.
pub fn shown_figure(entry: &Entry) -> String {
    let figure = entry.figure();
    if entry.workload.is_memory() {
        format!("{figure:.0} KiB")
    } else if figure >= 1e6 {
        format!("{:.2} M", figure / 1e6)
    } else if figure >= 1e4 {
        format!("{:.1} k", figure / 1e3)
    } else {
        format!("{figure:.0}")
    }
}

/// Processor time with as many digits as say something.
pub fn shown_cpu(entry: &Entry) -> String {
    let micros = entry.cpu_us();
    let decimals = if micros < 1.0 { 3 } else { 1 };
    format!("{micros:.decimals$} µs")
}

/// Every round.
pub fn json(entries: &[Entry]) -> Result<String> {
    let entry = |entry: &Entry| {
        json!({
            "workload": entry.workload.number(),
            "driver": entry.driver.name(),
            "median": entry.figure(),
            "rounds": entry.rounds,
        })
    };
    Ok(serde_json::to_string_pretty(&entries.iter().map(entry).collect::<Vec<_>>())? + "\n")
}
