//! Arbitrary bytes as a value of each type, in each format.

use std::sync::LazyLock;

use cornac::types::Format;

use crate::model_server::Choices;
use crate::samples::{Sample, samples};

/// Each is read as its own Rust type, and as a `Value`. The first two bytes are the type's OID (of one that is none, its remainder), the third one the format, and the rest is the value.
///
/// # Panics
///
/// As [`Sample::check`].
pub fn types_decode(data: &[u8]) {
    static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(samples);
    let mut choices = Choices(data);
    let oid = u32::from_be_bytes([0, 0, choices.byte(), choices.byte()]);
    let format = if choices.byte() & 1 == 0 { Format::Binary } else { Format::Text };
    let of_oid = SAMPLES.iter().find(|sample| sample.ty.oid().0 == oid);
    let remainder = || usize::try_from(oid).ok().and_then(|oid| SAMPLES.get(oid % SAMPLES.len()));
    if let Some(sample) = of_oid.or_else(remainder) {
        sample.check(format, choices.0);
    }
}
