//! DataRow: one row of a result.

use crate::cursor::Cursor;
use crate::error::Malformed;

/// DataRow: a row as it stands in the received bytes. Its values are walked when they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataRow<'a> {
    columns: u16,
    values: &'a [u8],
}

impl<'a> DataRow<'a> {
    /// How many columns the row says that it has.
    #[inline]
    pub fn len(&self) -> u16 {
        self.columns
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    #[inline]
    pub(crate) fn new(columns: u16, values: &'a [u8]) -> Self {
        Self { columns, values }
    }

    /// The values, each behind its 4-byte length (-1 for NULL), as they came.
    #[inline]
    pub fn values_bytes(&self) -> &'a [u8] {
        self.values
    }

    /// The values one by one; `None` is NULL. An error ends it.
    pub fn values(&self) -> Values<'a> {
        Values { left: self.columns, rest: Cursor::new(self.values) }
    }

    /// Walks the whole row once: every length must fit, and nothing may be left over.
    ///
    /// # Errors
    ///
    /// Which of that does not hold.
    #[inline]
    pub fn check(&self) -> Result<(), Malformed> {
        if self.is_consistent() { Ok(()) } else { self.find_contradiction() }
    }

    #[inline]
    pub(crate) fn is_consistent(&self) -> bool {
        let mut rest = self.values;
        for _ in 0..self.columns {
            let Some((length, behind)) = rest.split_first_chunk::<4>() else { return false };
            let length = u32::from_be_bytes(*length);
            // -1 is NULL, without bytes; every other negative length is larger than what can be there.
            let length = if length == u32::MAX { 0 } else { length };
            let behind = usize::try_from(length).ok().and_then(|length| behind.get(length..));
            let Some(behind) = behind else { return false };
            rest = behind;
        }
        rest.is_empty()
    }

    #[cold]
    fn find_contradiction(&self) -> Result<(), Malformed> {
        let mut rest = Cursor::new(self.values);
        let walked = (0..self.columns).try_for_each(|_| rest.take_value("value").map(drop));
        walked.and_then(|()| rest.finish()).map_err(|error| error.in_message("DataRow"))
    }

    #[inline]
    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let columns = body.take_u16("columns")?;
        Ok(Self { columns, values: body.rest() })
    }
}

/// The values of a row.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    left: u16,
    rest: Cursor<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Option<&'a [u8]>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let value = self.rest.take_value("value").map_err(|error| error.in_message("DataRow"));
        if value.is_err() {
            self.left = 0;
        }
        Some(value)
    }
}
