//! The crate `eui48`.

use eui48::MacAddress;

use super::through;
use crate::{MacAddr, ValueError};

impl TryFrom<MacAddr> for MacAddress {
    type Error = ValueError;

    fn try_from(address: MacAddr) -> Result<Self, ValueError> {
        Ok(Self::new(address.0))
    }
}

impl TryFrom<&MacAddress> for MacAddr {
    type Error = ValueError;

    fn try_from(address: &MacAddress) -> Result<Self, ValueError> {
        Ok(Self(address.to_array()))
    }
}

through!(MacAddress => MacAddr, MACADDR);
