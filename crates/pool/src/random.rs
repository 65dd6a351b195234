//! Chance that nobody has to trust: for spreading what would else happen at one moment.

use std::hash::{BuildHasher, RandomState};

/// A number from 0 up to, not including, 1.
pub(crate) fn unit() -> f64 {
    // Each RandomState has keys of its own. 53 bits are what an f64 holds.
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let part = bits as f64 / (1_u64 << 53) as f64;
    part
}
