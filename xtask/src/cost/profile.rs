//! Profiles to read.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cornac_benches::cost::{Client, Workload};

use super::counting::{Counting, exact, profiled_size};
use crate::steps::spinning;

/// How many functions and files are listed.
const LISTED: usize = 60;

/// Leaves in `directory` what callgrind wrote of cornac's doing `workload`; what each function and each file takes of it, per piece of work; and what
/// callgrind_annotate makes of it by line.
pub(super) fn keep(counting: &Counting, workload: Workload, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let name = workload.name();
    let file = directory.join(format!("{name}.callgrind.out"));
    let count = profiled_size(workload);
    let done = spinning(&format!("profiling {name}"), || {
        counting.callgrind(Client::Cornac, workload, count, &file)
    })?;
    if !done {
        println!("{name}: no verb");
        return Ok(());
    }
    let profile = Profile::parse(&fs::read_to_string(&file)?);
    let table = profile.table(exact(u64::try_from(count)?)?)?;
    let output = Command::new("callgrind_annotate")
        .args(["--threshold=99", "--show-percs=yes", "--auto=yes", "--context=2"])
        .arg(&file)
        .output()
        .context("callgrind_annotate comes with valgrind")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (functions, lines) =
        (directory.join(format!("{name}.functions.txt")), directory.join(format!("{name}.lines.txt")));
    fs::write(&functions, &table)?;
    fs::write(&lines, &output.stdout)?;
    println!("{table}\n{name}: {count} times");
    for file in [file, functions, lines] {
        println!("  {}", file.display());
    }
    Ok(())
}

/// What callgrind wrote, by function as it was compiled (with all that was inlined into it), and by the file that the source stands in.
#[derive(Debug, Default)]
struct Profile {
    functions: HashMap<String, Cost>,
    files: HashMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    own: u64,
    with_calls: u64,
}

impl Profile {
    /// Reads callgrind's format, of which this is what matters: `fn=(ID) NAME` begins a function and `fl`, `fi` and `fe` a file, the names only where they
    /// stand first; `calls=` announces a line that is the cost of what was called; every other line of a position and a number is own cost.
    fn parse(text: &str) -> Self {
        let mut profile = Self::default();
        let (mut functions, mut files) = (Names::default(), Names::default());
        let (mut function, mut file) = (String::new(), String::new());
        let mut is_call = false;
        for line in text.lines() {
            match line.split_once('=') {
                Some(("fn", name)) => function = functions.resolve(name),
                Some(("cfn", name)) => drop(functions.resolve(name)),
                Some(("fl" | "fi" | "fe", name)) => file = files.resolve(name),
                Some(("cfi" | "cfl", name)) => drop(files.resolve(name)),
                Some(("calls", _)) => is_call = true,
                Some(_) => {}
                None => {
                    let begins_with_position =
                        line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c));
                    let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
                    if let Some(cost) = cost.filter(|_| begins_with_position) {
                        let entry = profile.functions.entry(function.clone()).or_default();
                        entry.with_calls += cost;
                        if !is_call {
                            entry.own += cost;
                            *profile.files.entry(file.clone()).or_default() += cost;
                        }
                    }
                    is_call = false;
                }
            }
        }
        profile
    }

    /// Instructions per piece of work.
    fn table(&self, count: f64) -> Result<String> {
        let mut table = String::new();
        let mut functions: Vec<_> = self.functions.iter().collect();
        functions.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.own));
        writeln!(table, "{:>10} {:>10}  function, with what was inlined into it", "own", "with calls")?;
        for (name, cost) in functions.iter().take(LISTED) {
            let (own, with_calls) = (exact(cost.own)? / count, exact(cost.with_calls)? / count);
            writeln!(table, "{own:>10.1} {with_calls:>10.1}  {}", shortened(name))?;
        }
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(|(_, own)| std::cmp::Reverse(**own));
        writeln!(table, "\n{:>10}  file that the source stands in", "own")?;
        for (name, own) in files.into_iter().take(LISTED) {
            writeln!(table, "{:>10.1}  {}", exact(*own)? / count, shortened(name))?;
        }
        Ok(table)
    }
}

/// Names by their numbers.
#[derive(Debug, Default)]
struct Names(HashMap<String, String>);

impl Names {
    /// `(12) name` says what 12 is; `(12)` repeats it.
    fn resolve(&mut self, text: &str) -> String {
        let (number, name) = text.split_once(' ').unwrap_or((text, ""));
        if !name.is_empty() {
            self.0.insert(number.to_owned(), name.to_owned());
        }
        self.0.get(number).cloned().unwrap_or_default()
    }
}

/// Without the part of a path that is the same for all of a crate, and without long lists of type parameters.
fn shortened(name: &str) -> String {
    let root = format!("{}/", cornac_tests::workspace_root().display());
    let name = name.strip_prefix(&root).unwrap_or(name);
    let name = name.rsplit_once("/registry/src/").map_or(name, |(_, name)| name);
    let name = name.rsplit_once("/library/").map_or(name, |(_, name)| name);
    if name.chars().count() > 110 {
        name.chars().take(110).chain("...".chars()).collect()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cost_is_told_from_the_cost_of_calls() {
        let profile = Profile::parse(
            "fl=(1) a.rs\nfn=(1) outer\n10 5\nfi=(2) b.rs\n+2 7\nfe=(1)\ncfn=(2) inner\ncalls=3 20\n* 30\n\nfn=(2)\n20 30\n",
        );
        let outer = profile.functions["outer"];
        let inner = profile.functions["inner"];
        assert_eq!((outer.own, outer.with_calls, inner.own, inner.with_calls), (12, 42, 30, 30));
        assert_eq!((profile.files["a.rs"], profile.files["b.rs"]), (35, 7));
    }
}
