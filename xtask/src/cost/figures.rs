//! The figures, and the table of them.

use cornac_benches::cost::Workload;
use serde_json::{Map, Value, json};

use super::baseline::Baseline;

/// What doing something once costs, or what is held takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Figures {
    Done { instructions: f64, allocations: f64, system_calls: f64 },
    Held { heap_bytes: f64 },
}

/// What is counted, under its name in files, and how it is shown.
pub(super) const KINDS: [Kind; 4] = [
    Kind { name: "instructions", decimals: 0, of: |figures| figures.done().map(|done| done[0]) },
    Kind { name: "allocations", decimals: 2, of: |figures| figures.done().map(|done| done[1]) },
    Kind { name: "system_calls", decimals: 2, of: |figures| figures.done().map(|done| done[2]) },
    Kind { name: "heap_bytes", decimals: 0, of: Figures::heap_bytes },
];

impl Figures {
    fn done(&self) -> Option<[f64; 3]> {
        match *self {
            Self::Done { instructions, allocations, system_calls } => {
                Some([instructions, allocations, system_calls])
            }
            Self::Held { .. } => None,
        }
    }

    fn heap_bytes(&self) -> Option<f64> {
        match *self {
            Self::Held { heap_bytes } => Some(heap_bytes),
            Self::Done { .. } => None,
        }
    }
}

/// One of the figures.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    decimals: usize,
    /// None where it is not what the workload is about.
    pub(super) of: fn(&Figures) -> Option<f64>,
}

/// A workload's figures.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) workload: Workload,
    pub(super) cornac: Option<Figures>,
    pub(super) floor: Option<Figures>,
}

/// What cornac may cost at most: instructions, allocations, system calls, bytes. Set beside a floor that was counted when it was set.
fn ceilings(workload: Workload) -> [Option<f64>; 4] {
    match workload {
        Workload::PointSelect => [Some(3500.0), Some(1.0), Some(4.0), None],
        Workload::PipelinedPointSelect | Workload::RowCollected => [Some(900.0), Some(1.0), None, None],
        Workload::RowDropped => [Some(650.0), Some(1.0), None, None],
        Workload::RowBorrowed => [Some(450.0), Some(0.0), None, None],
        Workload::CopyRow => [Some(850.0), None, None, None],
        Workload::IdleConnection => [None, None, None, Some(16_384.0)],
        Workload::UsedConnection => [None, None, None, Some(40_960.0)],
    }
}

pub(super) fn print(rows: &[Row], baseline: &Baseline) {
    println!("{:<24}{:<14}{:>10}{:>10}{:>12}{:>10}", "per", "", "cornac", "floor", "checked in", "at most");
    for row in rows {
        for (kind, ceiling) in KINDS.iter().zip(ceilings(row.workload)) {
            let shown = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| kind.shown(figure));
            let cornac = row.cornac.as_ref().and_then(kind.of);
            let floor = row.floor.as_ref().and_then(kind.of);
            if cornac.is_none() && floor.is_none() {
                continue;
            }
            // Rounded as shown: a hundredth is noise.
            let above = matches!((cornac, ceiling), (Some(cornac), Some(most)) if kind.exceeds(cornac, most));
            println!(
                "{:<24}{:<14}{:>10}{:>10}{:>12}{:>10}{}",
                row.workload.name(),
                kind.name.replace('_', " "),
                cornac.map_or("no verb".to_owned(), |figure| kind.shown(figure)),
                shown(floor),
                shown(baseline.figure(row.workload, kind.name)),
                shown(ceiling),
                if above { "  above" } else { "" },
            );
        }
    }
}

pub(super) fn json(rows: &[Row]) -> String {
    let figures = |figures: &Figures| {
        Value::from(
            KINDS
                .iter()
                .filter_map(|kind| Some((kind.name.to_owned(), json!((kind.of)(figures)?))))
                .collect::<Map<_, _>>(),
        )
    };
    let row = |row: &Row| {
        let clients =
            json!({ "cornac": row.cornac.as_ref().map(figures), "floor": row.floor.as_ref().map(figures) });
        (row.workload.name().to_owned(), clients)
    };
    let all: Map<_, _> = rows.iter().map(row).collect();
    format!("{:#}\n", Value::from(all))
}

impl Kind {
    fn shown(&self, figure: f64) -> String {
        format!("{figure:.*}", self.decimals)
    }

    /// As it is shown and checked in.
    pub(super) fn rounded(&self, figure: f64) -> f64 {
        let unit = if self.decimals == 0 { 1.0 } else { 100.0 };
        (figure * unit).round() / unit
    }

    /// Whether `figure` is above `limit` by more than counting it again may make of it.
    fn exceeds(&self, figure: f64, limit: f64) -> bool {
        self.rounded(figure) > limit + if self.decimals == 0 { 0.0 } else { SLACK }
    }

    /// Whether `figure` is more than 5 % above `before`.
    pub(super) fn has_grown(&self, figure: f64, before: f64) -> bool {
        self.exceeds(figure, before * 1.05)
    }
}

/// How many allocations or system calls of a run may be somebody else's doing (a buffer that was read into in three pieces rather than two), per
/// piece of work.
const SLACK: f64 = 0.02;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_grown_when_it_is_more_than_a_twentieth_above_the_one_before() {
        let [instructions, allocations, ..] = KINDS;
        assert!(!instructions.has_grown(1050.4, 1000.0));
        assert!(instructions.has_grown(1051.0, 1000.0));
        assert!(!allocations.has_grown(0.01, 0.0));
        assert!(allocations.has_grown(0.1, 0.0));
        assert!(!allocations.has_grown(1.0, 1.0));
        assert!(allocations.has_grown(1.1, 1.0));
    }
}
