//! The floor's side of the work.

use std::hint::black_box;
use std::path::Path;

use anyhow::{Result, ensure};

use super::Workload;
use crate::floor::{Floor, OwnedRow, Syncs};
use crate::recorded::PORT;
use crate::work::sample;

pub(super) async fn run(workload: Workload, count: usize, directory: &Path) -> Result<()> {
    let mut floor = Floor::connect(&directory.join(format!(".s.PGSQL.{PORT}")), "cost").await?;
    match workload {
        Workload::PointSelect => {
            floor
                .point_selects(count, |id, name, at| {
                    black_box((id, name, at));
                })
                .await?;
        }
        Workload::PipelinedPointSelect => {
            floor
                .pipelined_point_selects(count, Syncs::Each, |id, name, at| {
                    black_box((id, name, at));
                })
                .await?;
        }
        Workload::RowDropped => {
            floor
                .measurements(count, |(id, total, ratio, label, at, even)| {
                    drop(black_box((id, total, ratio, label.to_owned(), at, even)));
                })
                .await?;
        }
        Workload::RowBorrowed => {
            floor
                .measurements(count, |row| {
                    black_box(row);
                })
                .await?;
        }
        Workload::RowCollected => {
            let mut rows: Vec<OwnedRow> = Vec::new();
            floor
                .measurements(count, |(id, total, ratio, label, at, even)| {
                    rows.push((id, total, ratio, label.to_owned(), at, even));
                })
                .await?;
            ensure!(black_box(rows).len() == count, "rows are missing");
        }
        Workload::CopyRow => {
            ensure!(
                floor.copy_in((1..).take(count).map(sample)).await? == count,
                "the server has counted other rows"
            );
        }
        Workload::IdleConnection | Workload::UsedConnection => {}
    }
    Ok(())
}
