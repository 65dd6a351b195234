//! ParameterDescription: what a statement takes.

use crate::cursor::Cursor;
use crate::error::{Malformed, Problem};

/// ParameterDescription: the type of each parameter of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterDescription<'a> {
    /// Four bytes a parameter.
    types: &'a [u8],
}

impl<'a> ParameterDescription<'a> {
    /// How many parameters there are.
    pub fn len(&self) -> usize {
        self.types.len() / 4
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The OID of each parameter's type.
    pub fn types(&self) -> impl Iterator<Item = u32> + use<'a> {
        let mut rest = Cursor::new(self.types);
        std::iter::from_fn(move || rest.take_u32("type").ok())
    }

    /// The OIDs as they stand on the wire.
    #[cfg(feature = "server")]
    pub(super) fn types_bytes(&self) -> &'a [u8] {
        self.types
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let count = body.take_u16("parameters")?;
        if body.remaining() != usize::from(count).saturating_mul(4) {
            return Err(Malformed::new("parameters", Problem::Count(count.into())));
        }
        Ok(Self { types: body.rest() })
    }
}
