//! RowDescription: what a statement gives.

use crate::cursor::Cursor;
use crate::error::{Malformed, Problem};

use super::{FormatCode, WireStr};

/// The bytes of a field behind its name: two OIDs, a number, a size, a modifier and a format.
const FIELD_LEN_MIN: usize = 1 + 4 + 2 + 4 + 2 + 4 + 2;

/// RowDescription: the columns of a result. Checked as a whole when it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    fields: &'a [u8],
}

/// One column of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDescription<'a> {
    /// Its name.
    pub name: WireStr<'a>,
    /// The OID of the table that it comes from; 0 if from none.
    pub table_oid: u32,
    /// Its number in that table; 0 if from none.
    pub column_attribute: i16,
    /// The OID of its type.
    pub type_oid: u32,
    /// The size of its type in bytes; negative for types of varying size.
    pub type_size: i16,
    /// The modifier of its type, such as the limit of a varchar; -1 for none.
    pub type_modifier: i32,
    /// How its values are written. In the description of a statement it is text, since formats are chosen by Bind.
    pub format: FormatCode,
}

impl<'a> RowDescription<'a> {
    /// How many columns there are.
    pub fn len(&self) -> u16 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns.
    pub fn fields(&self) -> impl Iterator<Item = FieldDescription<'a>> + use<'a> {
        let mut rest = Cursor::new(self.fields);
        std::iter::from_fn(move || FieldDescription::decode(&mut rest).ok())
    }

    /// The columns as they stand on the wire.
    #[cfg(feature = "server")]
    pub(super) fn fields_bytes(&self) -> &'a [u8] {
        self.fields
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let count = body.take_u16("columns")?;
        if usize::from(count).saturating_mul(FIELD_LEN_MIN) > body.remaining() {
            return Err(Malformed::new("columns", Problem::Count(count.into())));
        }
        let mut walk = *body;
        for _ in 0..count {
            FieldDescription::decode(&mut walk)?;
        }
        walk.finish()?;
        Ok(Self { count, fields: body.rest() })
    }
}

impl<'a> FieldDescription<'a> {
    fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let name = WireStr::new(body.take_cstr("column name")?);
        let table_oid = body.take_u32("table")?;
        let column_attribute = body.take_i16("column number")?;
        let type_oid = body.take_u32("type")?;
        let type_size = body.take_i16("type size")?;
        let type_modifier = body.take_i32("type modifier")?;
        let code = body.take_u16("format")?;
        let unknown = Malformed::new("format", Problem::Code(code.into()));
        let format = FormatCode::from_code(code).ok_or(unknown)?;
        Ok(Self { name, table_oid, column_attribute, type_oid, type_size, type_modifier, format })
    }
}
