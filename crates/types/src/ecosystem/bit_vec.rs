//! The crate `bit-vec`.

use bit_vec::BitVec;

use super::through;
use crate::{BitString, ValueError};

impl TryFrom<BitString> for BitVec {
    type Error = ValueError;

    fn try_from(bits: BitString) -> Result<Self, ValueError> {
        let mut found = Self::from_bytes(bits.as_bytes());
        found.truncate(bits.len());
        Ok(found)
    }
}

impl TryFrom<&BitVec> for BitString {
    type Error = ValueError;

    /// More bits than PostgreSQL counts are an error.
    fn try_from(bits: &BitVec) -> Result<Self, ValueError> {
        let too_many = || ValueError::out_of_range(format!("it has {} bits", bits.len()));
        Self::from_bytes(bits.to_bytes(), bits.len()).ok_or_else(too_many)
    }
}

through!(BitVec => BitString, VARBIT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_keep_their_order() {
        for text in ["", "1", "10110", "100000001"] {
            let bits: BitString = text.parse().unwrap();
            let found = BitVec::try_from(bits.clone()).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), bits.iter().collect::<Vec<_>>());
            assert_eq!(BitString::try_from(&found), Ok(bits));
        }
    }
}
