//! What derived code may stand beside: other items of the same names, private types, hygiene.
#![deny(warnings)]
#![allow(dead_code)]

use cornac_derive::{Decode, Encode, FromRow, Params};

struct Option;
struct Result;
struct Ok;
struct Some;
struct None;
struct Vec;
struct String;

#[derive(FromRow, Params, Debug)]
#[cornac(crate = cornac_types)]
pub struct Item<'r> {
    row: &'r str,
    plan: i32,
    slot: i64,
    slots: std::option::Option<i32>,
    walk: bool,
    #[cornac(default)]
    types: std::option::Option<bool>,
}

#[derive(Encode, Decode, Clone, Copy)]
#[cornac(crate = cornac_types)]
enum Other {
    Ok,
    Err,
    None,
}

#[derive(Encode, Decode)]
#[cornac(crate = cornac_types)]
struct Id<T>(T);

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct Generic<T> {
    value: T,
    #[cornac(flatten)]
    rest: std::option::Option<Rest>,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct Rest {
    other: Other,
    id: Id<i64>,
}

#[derive(FromRow, Params, Encode, Decode)]
#[cornac(crate = cornac_types, rename_all = "camelCase")]
struct Everything<'r, T> {
    reader: &'r str,
    field: T,
    fields: Id<i64>,
    #[cornac(default)]
    name: i32,
    #[cornac(skip)]
    out: std::option::Option<u128>,
}

#[derive(Encode, Decode)]
#[cornac(crate = cornac_types)]
struct InOrder<'r, T>(T, &'r str);

fn main() {}
