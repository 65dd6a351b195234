//! Captures that are neither parameters nor names nor parts of a statement. A `Cow` is among them for the reason that `types.rs` gives.

use std::borrow::Cow;

macro_rules! sql {
    ($($sql:tt)*) => {
        cornac_derive::sql!(cornac_types; $($sql)*)
    };
}

#[derive(Clone)]
struct Opaque;

fn generic<T>(value: T) {
    sql!("SELECT {value}");
}

fn main() {
    let opaque: Cow<'static, Opaque> = Cow::Owned(Opaque);
    sql!("SELECT {opaque}");
    sql!("SELECT {value}", value = &opaque);
    sql!("SELECT {nothing}");
    generic(7);
}
