//! Items that cannot become values.

use cornac_derive::{Decode, Encode};

#[derive(Encode)]
#[cornac(crate = cornac_types)]
enum WithFields {
    Calm,
    Hungry(i32),
}

#[derive(Decode)]
#[cornac(crate = cornac_types)]
enum Doubled {
    Calm,
    #[cornac(rename = "Calm")]
    Hungry,
}

#[derive(Decode)]
#[cornac(crate = cornac_types)]
enum Empty {}

#[derive(Encode)]
#[cornac(crate = cornac_types, integer)]
#[repr(u64)]
enum TooLarge {
    One,
}

#[derive(Encode)]
#[cornac(crate = cornac_types, integer)]
enum Labelled {
    #[cornac(rename = "one")]
    One,
}

#[derive(Encode)]
#[cornac(crate = cornac_types, transparent)]
enum TransparentEnum {
    One,
}

#[derive(Encode)]
#[cornac(crate = cornac_types, transparent)]
struct TwoFields(i32, i32);

#[derive(Encode)]
#[cornac(crate = cornac_types, integer)]
struct NoEnum(i32);

#[derive(Decode)]
#[cornac(crate = cornac_types)]
union Union {
    a: i32,
    b: u32,
}

#[derive(Encode)]
#[cornac(crate = cornac_types)]
enum NoSuchAttribute {
    #[cornac(skip)]
    One,
}

#[derive(Decode)]
#[cornac(crate = cornac_types)]
struct Unit;

#[derive(Encode)]
#[cornac(crate = cornac_types)]
struct Flattened {
    id: i32,
    #[cornac(flatten)]
    rest: (i32, i32),
}

#[derive(Decode)]
#[cornac(crate = cornac_types)]
struct RenamedInOrder(i32, #[cornac(rename = "id")] i32);

#[derive(Decode)]
#[cornac(crate = cornac_types)]
struct DoubledField {
    id: i32,
    #[cornac(rename = "id")]
    other: i32,
}

fn main() {}
