//! inet and cidr.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{Decode, Encode, EncodeError, Format, IsNull, Type, ValueError};

/// A host's address and the network that it is in, as PostgreSQL's `inet` keeps them.
///
/// The order is the server's: IPv4 first, then by network, then by address.
///
/// ```
/// use cornac_types::Inet;
///
/// let host: Inet = "192.168.1.17/24".parse().unwrap();
/// assert_eq!(host.prefix_len(), 24);
/// assert_eq!(host.network().to_string(), "192.168.1.0/24");
/// let alone: Inet = "::1".parse().unwrap();
/// assert_eq!(alone.prefix_len(), 128);
/// ```
///
/// See [Network Address Types](https://www.postgresql.org/docs/current/datatype-net-types.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inet {
    address: IpAddr,
    prefix_len: u8,
}

/// A network, as PostgreSQL's `cidr` keeps it: no bit is set to the right of the prefix.
///
/// ```
/// use cornac_types::Cidr;
///
/// let network: Cidr = "10.0.0.0/8".parse().unwrap();
/// assert_eq!(network.to_string(), "10.0.0.0/8");
/// assert!("10.0.0.1/8".parse::<Cidr>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(Inet);

impl Inet {
    /// An address, and the bits of it that name the network; `None` if it has not so many.
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        (prefix_len <= width(address)).then_some(Self { address, prefix_len })
    }

    /// The address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits of the address name the network.
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether the network is the host alone.
    pub fn is_host(self) -> bool {
        self.prefix_len == width(self.address)
    }

    /// The network.
    pub fn network(self) -> Cidr {
        let left = u32::from(self.prefix_len);
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - left).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - left).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Cidr(Self { address, prefix_len: self.prefix_len })
    }
}

impl Cidr {
    /// A network; `None` if a bit is set to the right of the prefix, or the address has not so many.
    pub fn new(address: IpAddr, prefix_len: u8) -> Option<Self> {
        Inet::new(address, prefix_len).and_then(Self::of)
    }

    /// The network's first address.
    pub const fn address(self) -> IpAddr {
        self.0.address
    }

    /// How many bits of the address name the network.
    pub const fn prefix_len(self) -> u8 {
        self.0.prefix_len
    }

    fn of(inet: Inet) -> Option<Self> {
        (inet.network().0 == inet).then_some(Self(inet))
    }
}

impl From<IpAddr> for Inet {
    /// The host alone.
    fn from(address: IpAddr) -> Self {
        Self { address, prefix_len: width(address) }
    }
}

impl From<Cidr> for Inet {
    fn from(network: Cidr) -> Self {
        network.0
    }
}

/// The bits of an address.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Ord for Inet {
    fn cmp(&self, other: &Self) -> Ordering {
        // Networks are compared by the bits that both have, then by their lengths.
        let shorter = self.prefix_len.min(other.prefix_len);
        let network = |inet: &Self| Self { prefix_len: shorter, ..*inet }.network().address();
        let by_family = self.address.is_ipv6().cmp(&other.address.is_ipv6());
        by_family
            .then_with(|| network(self).cmp(&network(other)))
            .then_with(|| self.prefix_len.cmp(&other.prefix_len))
            .then_with(|| self.address.cmp(&other.address))
    }
}

impl PartialOrd for Inet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Inet {
    /// Without the prefix if the network is the host alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_address(f, self.address)?;
        if self.is_host() { Ok(()) } else { write!(f, "/{}", self.prefix_len) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        put_address(f, self.0.address)?;
        write!(f, "/{}", self.0.prefix_len)
    }
}

/// The server shows the last four bytes as IPv4 where the first twelve are zeros, which Rust does not.
fn put_address(f: &mut fmt::Formatter<'_>, address: IpAddr) -> fmt::Result {
    if let IpAddr::V6(address) = address {
        if let [0, 0, 0, 0, 0, 0, high, low] = address.segments() {
            if high != 0 {
                let last = Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
                return write!(f, "::{last}");
            }
        }
    }
    write!(f, "{address}")
}

/// `PGSQL_AF_INET` and `PGSQL_AF_INET6`, which are the same on every machine.
const FAMILY_IPV4: u8 = 2;
const FAMILY_IPV6: u8 = 3;

/// Family, prefix, whether it is a cidr, number of bytes, bytes of the address.
fn take(bytes: &mut Cursor<'_>) -> Result<Inet, ValueError> {
    let [family, prefix_len, _is_cidr, len] = bytes.take()?;
    let address = match (family, len) {
        (FAMILY_IPV4, 4) => IpAddr::from(bytes.take::<4>()?),
        (FAMILY_IPV6, 16) => IpAddr::from(bytes.take::<16>()?),
        _ => return Err(ValueError::malformed(format!("it has {len} bytes of family {family}"))),
    };
    Inet::new(address, prefix_len)
        .ok_or_else(|| ValueError::malformed(format!("{address} has no {prefix_len} bits")))
}

fn put(inet: Inet, is_cidr: bool, out: &mut BytesMut) {
    let mut put = |family, len, address: &[u8]| {
        out.put_slice(&[family, inet.prefix_len, u8::from(is_cidr), len]);
        out.put_slice(address);
    };
    match inet.address {
        IpAddr::V4(address) => put(FAMILY_IPV4, 4, &address.octets()),
        IpAddr::V6(address) => put(FAMILY_IPV6, 16, &address.octets()),
    }
}

impl Scalar for Inet {
    const TEXT: &'static str = "an inet";

    /// A network is an address with a prefix too.
    fn is(ty: &Type) -> bool {
        *ty == Type::INET
    }

    fn natural() -> Type {
        Type::INET
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        take(bytes)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put(*self, false, out);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let Some((address, prefix_len)) = text.split_once('/') else {
            return text.parse().ok().map(|address: IpAddr| address.into());
        };
        if !prefix_len.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Self::new(address.parse().ok()?, prefix_len.parse().ok()?)
    }
}

impl Scalar for Cidr {
    const TEXT: &'static str = "a cidr";

    fn is(ty: &Type) -> bool {
        *ty == Type::CIDR
    }

    fn natural() -> Type {
        Type::CIDR
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let inet = take(bytes)?;
        let no_network = || ValueError::malformed(format!("{inet} has bits to the right of its prefix"));
        Self::of(inet).ok_or_else(no_network)
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        put(self.0, true, out);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        Inet::parse(text).and_then(Self::of)
    }
}

scalar!(Inet, Cidr);

/// An inet that is a host alone.
impl<'r> Decode<'r> for IpAddr {
    fn accepts(ty: &Type, format: Format) -> bool {
        Inet::accepts(ty, format)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        host(Inet::from_binary(ty, value)?)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        host(Inet::from_text(ty, text)?)
    }
}

fn host(inet: Inet) -> Result<IpAddr, ValueError> {
    if inet.is_host() {
        Ok(inet.address)
    } else {
        Err(ValueError::out_of_range(format!("{inet} is an address in a network; ask for Inet")))
    }
}

/// A host alone, also as a cidr.
impl Encode for IpAddr {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        let inet = Inet::from(*self);
        if *ty == Type::CIDR { Cidr(inet).encode(ty, out) } else { inet.encode(ty, out) }
    }

    fn natural_type(&self) -> Type {
        Type::INET
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let inet = Inet::from(*self);
        if *ty == Type::CIDR { Cidr(inet).encode_text(ty, out) } else { inet.encode_text(ty, out) }
    }
}

macro_rules! families {
    ($($address:ident $family:ident $what:literal),+) => {$(
        /// An inet that is a host alone, of this family.
        impl<'r> Decode<'r> for $address {
            fn accepts(ty: &Type, format: Format) -> bool {
                Inet::accepts(ty, format)
            }

            fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
                match IpAddr::from_binary(ty, value)? {
                    IpAddr::$family(address) => Ok(address),
                    other => Err(ValueError::out_of_range(format!("{other} is {}", $what))),
                }
            }

            fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
                match IpAddr::from_text(ty, text)? {
                    IpAddr::$family(address) => Ok(address),
                    other => Err(ValueError::out_of_range(format!("{other} is {}", $what))),
                }
            }
        }

        impl Encode for $address {
            fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
                IpAddr::$family(*self).encode(ty, out)
            }

            fn natural_type(&self) -> Type {
                Type::INET
            }

            fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
                IpAddr::$family(*self).encode_text(ty, out)
            }
        }
    )+};
}

families!(Ipv4Addr V4 "IPv6", Ipv6Addr V6 "IPv4");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_the_server_shows_them() {
        for text in [
            "0.0.0.0/0",
            "192.168.1.17/24",
            "255.255.255.255",
            "::",
            "::1",
            "::/0",
            "2001:db8::1/64",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "1:0:0:2::3",
            "fe80::1:0:0:1",
        ] {
            assert_eq!(text.parse::<Inet>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.1/32".parse::<Inet>().unwrap().to_string(), "10.0.0.1");
        assert_eq!("10.0.0.1".parse::<Cidr>().unwrap().to_string(), "10.0.0.1/32");
        for text in ["10.0.0.1/33", "10.0.0", "10.0.0.1/", "10.0.0.1/+8", "::1/129", "10.0.0.1/8/8", ""] {
            assert!(text.parse::<Inet>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_is_by_network_first() {
        let ascending = ["1.2.3.4/8", "1.2.3.0/24", "1.2.3.4/24", "1.2.3.4", "9.0.0.0/8", "::/0", "::1"];
        let mut sorted = ascending.map(|text| text.parse::<Inet>().unwrap());
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted.map(|inet| inet.to_string()), ascending);
    }

    #[test]
    fn an_address_in_a_network_is_no_address_alone() {
        let text = |text: &'static str| IpAddr::from_text(&Type::INET, text.into());
        assert_eq!(text("127.0.0.1"), Ok(IpAddr::from([127, 0, 0, 1])));
        let error = text("127.0.0.1/8").unwrap_err();
        assert_eq!(Ipv4Addr::from_text(&Type::INET, "127.0.0.1".into()), Ok(Ipv4Addr::LOCALHOST));
        assert!(Ipv6Addr::from_text(&Type::INET, "127.0.0.1".into()).is_err());
        assert_eq!(error, ValueError::out_of_range("127.0.0.1/8 is an address in a network; ask for Inet"));
    }

    #[test]
    fn bytes_that_are_no_address_are_refused() {
        for bytes in [
            &[2, 33, 0, 4, 1, 2, 3, 4][..],
            &[2, 8, 0, 16, 1, 2, 3, 4],
            &[4, 8, 0, 4, 1, 2, 3, 4],
            &[2, 8, 0, 4, 1],
            &[2],
        ] {
            assert!(Inet::from_binary(&Type::INET, bytes).is_err(), "{bytes:?}");
        }
        assert!(Cidr::from_binary(&Type::CIDR, &[2, 8, 1, 4, 10, 0, 0, 1]).is_err());
    }
}
