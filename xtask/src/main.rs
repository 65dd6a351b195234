//! Every developer verb of cornac: `cargo xtask VERB`.
//!
//! Each exits with 0 only when what it checks holds, and prints its figures last.

mod bench;
mod ci;
mod codegen;
mod compare;
mod cost;
mod demo;
mod fuzz;
mod kerberos;
mod lint;
mod loom;
mod mission;
mod server;
mod steps;
mod test;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The developer verbs of cornac.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The main job on a real server, from nothing.
    Demo(demo::Arguments),
    /// Every test of the workspace, on a server that is started for them.
    Test(test::Arguments),
    /// The tests of GSSAPI, on a Kerberos realm of their own. Needs MIT Kerberos with its headers, libclang, and a PostgreSQL with GSSAPI.
    Kerberos,
    /// Start a throw-away server, print its URL, and stop it on Ctrl-C.
    Server(server::Arguments),
    /// The pool's models, in every order that their threads can take.
    Loom(loom::Arguments),
    /// Formatting, clippy, docs, generated tables, style and dependencies.
    Lint,
    /// Style that a program can check.
    Tidy,
    /// Time the stages of the client: codec, rows, parameters, SCRAM.
    Bench(bench::Arguments),
    /// The same work on cornac and on other drivers, interleaved in one run against one server.
    Compare(compare::Arguments),
    /// Count what the client costs: instructions, allocations and system calls, beside the floor.
    Cost(cost::Arguments),
    /// The figures that users were promised, on a real server.
    Mission(mission::Arguments),
    /// Run fuzz targets, and print the functions that they covered.
    Fuzz(fuzz::Arguments),
    /// Write the generated tables anew.
    Codegen(codegen::Arguments),
    /// All that CI runs.
    Ci(ci::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().verb {
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Kerberos => kerberos::run(),
        Verb::Server(arguments) => server::run(&arguments),
        Verb::Loom(arguments) => loom::run(&arguments),
        Verb::Lint => lint::run(),
        Verb::Tidy => tidy::run(),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Compare(arguments) => compare::run(&arguments),
        Verb::Cost(arguments) => cost::run(&arguments),
        Verb::Mission(arguments) => mission::run(&arguments),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Codegen(arguments) => codegen::run(&arguments),
        Verb::Ci(arguments) => ci::run(&arguments),
    }
}
