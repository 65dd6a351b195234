//! `cargo xtask cost --growth`: whether a piece of work costs the same however many there are.

use anyhow::{Result, bail};
use cornac_benches::cost::Growth;

use super::counting::{Counting, exact};
use crate::steps::spinning;

/// By how much a piece may cost more among many than among few. What the cost of few does not show (buffers that have reached their size, tables
/// that have grown in steps) stays below this; what is done anew for each of the others does not.
const BEND: f64 = 1.25;

/// What a piece of work costs, from one size to the next.
#[derive(Debug)]
struct Step {
    from: usize,
    to: usize,
    instructions: f64,
}

/// Counts, prints, and fails where a line bends.
pub(super) fn run(counting: &Counting, what: Option<&str>) -> Result<()> {
    let all = match what {
        Some(name) => vec![name.parse()?],
        None => Growth::ALL.to_vec(),
    };
    println!("{:<22}{:>12}{:>12}{:>22}", "", "from", "to", "instructions each");
    let mut bent = Vec::new();
    for growth in all {
        let steps = spinning(&format!("counting {}", growth.name()), || steps(counting, growth))?;
        let mut least = f64::INFINITY;
        for Step { from, to, instructions } in steps {
            let bends = instructions > least * BEND;
            let mark = if bends { "  bends" } else { "" };
            println!("{:<22}{from:>12}{to:>12}{instructions:>22.2}{mark}", growth.name());
            if bends && !bent.contains(&growth.name()) {
                bent.push(growth.name());
            }
            least = least.min(instructions);
        }
    }
    if !bent.is_empty() {
        bail!("more of these cost more each: {}", bent.join(", "));
    }
    println!("no line bends: twice as much costs at most twice as much");
    Ok(())
}

fn steps(counting: &Counting, growth: Growth) -> Result<Vec<Step>> {
    let mut totals = Vec::new();
    for &size in growth.sizes() {
        totals.push((size, exact(counting.grown(growth, size)?)?));
    }
    let times = exact(u64::try_from(growth.times())?)?;
    let mut steps = Vec::new();
    for pair in totals.windows(2) {
        if let &[(from, less), (to, more)] = pair {
            let pieces = exact(u64::try_from(to - from)?)? * times;
            steps.push(Step { from, to, instructions: (more - less) / pieces });
        }
    }
    Ok(steps)
}
