//! The figures that are checked in.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cornac_benches::cost::Workload;
use serde_json::{Map, Value, json};

use super::figures::{KINDS, Row};

/// What `benches/cost.json` says cornac costs: a figure of each kind for each workload.
#[derive(Debug)]
pub(super) struct Baseline(Map<String, Value>);

impl Baseline {
    pub(super) fn read() -> Result<Self> {
        let file = file();
        if !file.exists() {
            return Ok(Self(Map::new()));
        }
        let text = fs::read_to_string(&file)?;
        Ok(Self(serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?))
    }

    pub(super) fn figure(&self, workload: Workload, kind: &str) -> Option<f64> {
        self.0.get(workload.name())?.get(kind)?.as_f64()
    }

    /// What has grown, and what is not in step with the file.
    pub(super) fn findings(&self, rows: &[Row]) -> Vec<String> {
        let mut findings = Vec::new();
        for row in rows {
            let name = row.workload.name();
            for kind in KINDS {
                let kind_name = kind.name.replace('_', " ");
                match (row.cornac.as_ref().and_then(kind.of), self.figure(row.workload, kind.name)) {
                    (Some(now), Some(before)) if kind.has_grown(now, before) => findings.push(format!(
                        "{name}: {} {kind_name}, and {before} are checked in; find out why, or `cargo xtask cost --update`",
                        kind.rounded(now)
                    )),
                    (Some(_), None) => findings.push(format!(
                        "{name}: no {kind_name} are checked in; `cargo xtask cost {name} --update`"
                    )),
                    (None, Some(_)) => findings.push(format!("{name}: cornac's verb for it is gone")),
                    _ => {}
                }
            }
        }
        findings
    }

    /// Takes over the figures of these workloads, and writes the file.
    pub(super) fn update(&mut self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let Some(cornac) = &row.cornac else { continue };
            let figures = KINDS
                .iter()
                .filter_map(|kind| Some((kind.name.to_owned(), json!(kind.rounded((kind.of)(cornac)?)))));
            self.0.insert(row.workload.name().to_owned(), figures.collect::<Map<_, _>>().into());
        }
        let file = file();
        fs::write(&file, format!("{:#}\n", Value::from(self.0.clone())))?;
        println!("written to {}", file.display());
        Ok(())
    }
}

fn file() -> PathBuf {
    cornac_tests::workspace_root().join("benches/cost.json")
}
