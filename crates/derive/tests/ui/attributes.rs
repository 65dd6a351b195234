//! Attributes that are wrong, or contradict each other.

use cornac_derive::{FromRow, Params};

#[derive(FromRow)]
#[cornac(crate = cornac_types, rename = "items")]
struct NoSuchAttribute {
    id: i32,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct NoSuchFieldAttribute {
    #[cornac(renamed = "label")]
    name: String,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types, rename_all = "Snake")]
struct NoSuchCase {
    id: i32,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct Twice {
    #[cornac(rename = "a", rename = "b")]
    id: i32,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct Doubled {
    id: i32,
    #[cornac(rename = "id")]
    other: i32,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct RenamedAndFlattened {
    #[cornac(flatten, rename = "label")]
    name: Doubled,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct DefaultOfFlattened {
    #[cornac(flatten, default)]
    name: Doubled,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct SkippedAndConverted {
    id: i32,
    #[cornac(skip, try_from = "i32")]
    name: String,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct JsonAndConverted {
    #[cornac(try_from = "i32", json)]
    name: String,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct RenamedInTuple(#[cornac(rename = "id")] i32);

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct FlattenedInTuple(#[cornac(flatten)] Doubled);

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct DefaultInTuple(#[cornac(default)] i32);

#[derive(FromRow)]
#[cornac(crate = cornac_types, integer)]
struct NoEnum {
    id: i32,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct Unit;

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
enum Enum {
    One,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct TwoLifetimes<'a, 'b> {
    a: &'a str,
    b: &'b str,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct NoType {
    #[cornac(try_from = "not a type")]
    id: i32,
}

#[derive(Params)]
#[cornac(crate = cornac_types)]
struct FlattenedParams {
    #[cornac(flatten)]
    id: (i32, i32),
}

#[derive(Params)]
#[cornac(crate = cornac_types)]
struct DoubledParams {
    id: i32,
    #[cornac(rename = "id")]
    other: i32,
}

fn main() {}
