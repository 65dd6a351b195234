//! Fields whose types do not do what is asked of them. A `Cow` is among them since the compiler then shows no more than the other `Cow`s that would
//! do, so that what it says stays the same when there are more types.

use std::borrow::Cow;

use cornac_derive::{Decode, Encode, FromRow, Params};

#[derive(Clone)]
struct Opaque;

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct NotDecoded {
    id: i32,
    opaque: Cow<'static, Opaque>,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct NotARow {
    id: i32,
    #[cornac(flatten)]
    opaque: Opaque,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct NotConverted {
    #[cornac(try_from = "i32")]
    opaque: Opaque,
}

#[derive(FromRow)]
#[cornac(crate = cornac_types)]
struct NoDefault {
    id: i32,
    #[cornac(skip)]
    opaque: Opaque,
}

#[derive(Params)]
#[cornac(crate = cornac_types)]
struct NotEncoded {
    opaque: Cow<'static, Opaque>,
}

#[derive(Encode, Decode)]
#[cornac(crate = cornac_types)]
struct Newtype(Cow<'static, Opaque>);

fn main() {}
