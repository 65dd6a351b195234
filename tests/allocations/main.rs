//! What reading a value takes from the allocator: what the value owns, and nothing else.

use std::alloc::System;
use std::sync::Mutex;

use cornac::types::Format;
use cornac::{RowRef, sql};
use cornac_tests::samples::samples;
use cornac_tests::{fuzz, workspace_root};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process, so that those who count take turns.
static COUNTING: Mutex<()> = Mutex::new(());

#[test]
fn a_row_takes_no_more_memory_than_its_value_keeps() {
    let _counting = COUNTING.lock().unwrap();
    let mut wasteful = Vec::new();
    let mut counted = 0;
    for sample in samples() {
        for literal in &sample.literals {
            let (columns, values) = sample.row(literal);
            let row = RowRef::new(&columns, &values);
            // Whatever is made once for all rows is made now.
            sample.read(row);
            let region = Region::new(ALLOCATOR);
            let mut made = None;
            sample.read_and_drop(row, &mut || made = Some(region.change()));
            let made = made.unwrap();
            let left = region.change();
            let kept = left.deallocations - made.deallocations;
            // What is given back before the value is whole was taken in vain, and so was what had to grow.
            if made.deallocations + made.reallocations > 0 || made.allocations != kept {
                let (ty, rust_type) = (&sample.ty, sample.rust_type);
                wasteful.push(format!(
                    "{ty} {literal:?} as {rust_type}: {made:?}, and {kept} given back with the value"
                ));
            }
            counted += 1;
        }
    }
    assert!(wasteful.is_empty(), "{}", wasteful.join("\n"));
    println!("{counted} values");
}

#[test]
fn a_statement_with_its_parameters_inside_takes_no_memory_for_the_first_four() {
    let _counting = COUNTING.lock().unwrap();
    let (id, name, price, tags) = (7_i64, String::from("tusk"), 2.5, ["a", "b"]);
    let region = Region::new(ALLOCATOR);
    let four = sql!("UPDATE item SET name = {name}, price = {price}, tags = {tags} WHERE id = {id}");
    assert_eq!(region.change().allocations, 0);
    assert_eq!(four.text(), "UPDATE item SET name = $1, price = $2, tags = $3 WHERE id = $4");
    let region = Region::new(ALLOCATOR);
    let six = sql!("SELECT {id}, {name}, {price}, {tags}, {five}, {six}", five = 5, six = 6);
    let made = region.change();
    assert_eq!((made.allocations, made.reallocations), (1, 0), "one for all of them");
    assert_eq!(six.text(), "SELECT $1, $2, $3, $4, $5, $6");
}

#[test]
fn hostile_values_take_memory_in_proportion_to_their_length() {
    let _counting = COUNTING.lock().unwrap();
    let mut most = 0.0_f64;
    for sample in samples() {
        let mut values: Vec<_> =
            sample.literals.iter().map(|literal| sample.encoded(literal).to_vec()).collect();
        let whole = values.clone();
        for value in whole {
            // Each group of four bytes says that what follows is as long as can be said, or shorter than nothing.
            for start in 0..value.len().saturating_sub(3) {
                for count in [i32::MAX, i32::MIN, -2, 0x0fff_ffff, 0x0100_0000] {
                    let mut value = value.clone();
                    value[start..start + 4].copy_from_slice(&count.to_be_bytes());
                    values.push(value);
                }
            }
            for start in 0..value.len().saturating_sub(1) {
                for count in [u16::MAX, 0x7fff, 0x8000] {
                    let mut value = value.clone();
                    value[start..start + 2].copy_from_slice(&count.to_be_bytes());
                    values.push(value);
                }
            }
            values.extend((0..value.len()).map(|len| value[..len].to_vec()));
        }
        for value in &values {
            most = most.max(taken(value, || sample.check(Format::Binary, value)));
        }
    }
    println!("at most {most:.0} bytes for each byte of a value");
}

#[test]
fn what_fuzzing_found_takes_memory_in_proportion_to_its_length() {
    let _counting = COUNTING.lock().unwrap();
    let corpus = workspace_root().join("fuzz/corpus/types_decode");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        // What is made once is not the value's.
        fuzz::types_decode(&data);
        taken(&data, || fuzz::types_decode(&data));
        files += 1;
    }
    assert!(files > 100, "{files}");
}

/// What a value may take beside that which is in proportion to its length: errors in words.
const TAKEN_ASIDE_MAX: usize = 16 << 10;

/// What it may take for each of its bytes: it is read, written, read and written.
const TAKEN_FOR_EACH_MAX: usize = 256;

/// How many bytes are taken for each byte of a value.
#[expect(clippy::cast_precision_loss, reason = "it is for people")]
fn taken(value: &[u8], act: impl FnOnce()) -> f64 {
    let region = Region::new(ALLOCATOR);
    act();
    let taken = region.change().bytes_allocated;
    let allowed = TAKEN_ASIDE_MAX + TAKEN_FOR_EACH_MAX * value.len();
    assert!(taken <= allowed, "{taken} bytes were taken for a value of {}: {value:?}", value.len());
    taken as f64 / value.len().max(64) as f64
}
