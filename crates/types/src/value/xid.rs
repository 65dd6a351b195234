//! xid, xid8 and cid: the numbers of transactions and of commands.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// The number of a transaction, of which the higher half is missing. It wraps around, so that there is no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Xid(pub u32);

/// The number of a transaction, whole.
///
/// ```
/// use cornac_types::Xid8;
///
/// let xid: Xid8 = "18446744073709551615".parse().unwrap();
/// assert_eq!(xid, Xid8(u64::MAX));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid8(pub u64);

/// The number of a command within its transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(pub u32);

macro_rules! counters {
    ($($counter:ident $ty:ident $text:literal $take:ident $put:ident),+) => {$(
        impl fmt::Display for $counter {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Scalar for $counter {
            const TEXT: &'static str = $text;

            fn is(ty: &Type) -> bool {
                *ty == Type::$ty
            }

            fn natural() -> Type {
                Type::$ty
            }

            fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
                bytes.$take().map(Self)
            }

            fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
                out.$put(self.0);
                Ok(())
            }

            fn parse(text: &str) -> Option<Self> {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                if is_plain { text.parse().ok().map(Self) } else { None }
            }
        }
    )+};
}

counters!(Xid XID "an xid" take_u32 put_u32, Xid8 XID8 "an xid8" take_u64 put_u64, Cid CID "a cid" take_u32 put_u32);

scalar!(Xid, Xid8, Cid);
