//! The crate `ipnet`.

use std::borrow::Cow;

use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::no_room;
use crate::{Cidr, Decode, Encode, EncodeError, Format, Inet, IsNull, Type, ValueError};

impl From<IpNet> for Inet {
    fn from(net: IpNet) -> Self {
        Self::new(net.addr(), net.prefix_len()).unwrap_or(Self::from(net.addr()))
    }
}

impl TryFrom<Inet> for IpNet {
    type Error = ValueError;

    fn try_from(inet: Inet) -> Result<Self, ValueError> {
        Self::new(inet.address(), inet.prefix_len()).map_err(no_room)
    }
}

impl TryFrom<IpNet> for Cidr {
    type Error = ValueError;

    /// Bits to the right of the prefix are an error.
    fn try_from(net: IpNet) -> Result<Self, ValueError> {
        let has_more = || ValueError::out_of_range(format!("{net} has bits to the right of its prefix"));
        Self::new(net.addr(), net.prefix_len()).ok_or_else(has_more)
    }
}

impl From<Cidr> for IpNet {
    fn from(network: Cidr) -> Self {
        let alone = |_| Self::from(network.address());
        Self::new(network.address(), network.prefix_len()).unwrap_or_else(alone)
    }
}

/// Both inet and cidr.
impl<'r> Decode<'r> for IpNet {
    fn accepts(ty: &Type, _format: Format) -> bool {
        *ty == Type::INET || *ty == Type::CIDR
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        Inet::from_binary(ty, value)?.try_into()
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        Inet::from_text(ty, text)?.try_into()
    }
}

/// As inet, or as cidr if no bit is set to the right of the prefix.
impl Encode for IpNet {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        if *ty == Type::CIDR {
            return Cidr::try_from(*self).map_err(|error| super::unfit(&error))?.encode(ty, out);
        }
        Inet::from(*self).encode(ty, out)
    }

    fn natural_type(&self) -> Type {
        Type::INET
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        if *ty == Type::CIDR {
            return Cidr::try_from(*self).map_err(|error| super::unfit(&error))?.encode_text(ty, out);
        }
        Inet::from(*self).encode_text(ty, out)
    }
}

macro_rules! families {
    ($($net:ident $family:ident),+) => {$(
        impl<'r> Decode<'r> for $net {
            fn accepts(ty: &Type, format: Format) -> bool {
                IpNet::accepts(ty, format)
            }

            fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
                match IpNet::from_binary(ty, value)? {
                    IpNet::$family(net) => Ok(net),
                    other => Err(no_room(other)),
                }
            }

            fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
                match IpNet::from_text(ty, text)? {
                    IpNet::$family(net) => Ok(net),
                    other => Err(no_room(other)),
                }
            }
        }

        impl Encode for $net {
            fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
                IpNet::$family(*self).encode(ty, out)
            }

            fn natural_type(&self) -> Type {
                Type::INET
            }

            fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
                IpNet::$family(*self).encode_text(ty, out)
            }
        }
    )+};
}

families!(Ipv4Net V4, Ipv6Net V6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_06_a_network_with_other_bits_is_no_cidr() {
        let net: IpNet = "10.0.0.1/8".parse().unwrap();
        let mut out = BytesMut::new();
        assert_eq!(net.encode(&Type::INET, &mut out), Ok(IsNull::No));
        assert_eq!(IpNet::from_binary(&Type::INET, &out), Ok(net));
        assert!(Ipv6Net::from_binary(&Type::INET, &out).is_err());
        let error = net.encode(&Type::CIDR, &mut out).unwrap_err();
        assert_eq!(error, EncodeError::out_of_range("10.0.0.1/8 has bits to the right of its prefix"));
    }
}
