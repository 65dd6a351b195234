//! tid.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError};

/// Where a row stands in its table: `ctid`.
///
/// ```
/// use cornac_types::Tid;
///
/// let place: Tid = "(7,1)".parse().unwrap();
/// assert_eq!(place, Tid { block: 7, offset: 1 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid {
    /// The number of the page.
    pub block: u32,
    /// The number within the page.
    pub offset: u16,
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.block, self.offset)
    }
}

impl Scalar for Tid {
    const TEXT: &'static str = "a tid";

    fn is(ty: &Type) -> bool {
        *ty == Type::TID
    }

    fn natural() -> Type {
        Type::TID
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        Ok(Self { block: bytes.take_u32()?, offset: bytes.take_u16()? })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u32(self.block);
        out.put_u16(self.offset);
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let (block, offset) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
        Some(Self { block: block.parse().ok()?, offset: offset.parse().ok()? })
    }
}

scalar!(Tid);
