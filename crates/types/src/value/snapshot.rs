//! pg_snapshot, and txid_snapshot, its older name.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::cursor::Cursor;
use super::scalar::{Scalar, scalar};
use crate::{EncodeError, Type, ValueError, Xid8};

/// Which transactions a statement sees: what `pg_current_snapshot()` gives.
///
/// ```
/// use cornac_types::{PgSnapshot, Xid8};
///
/// let snapshot: PgSnapshot = "10:20:10,14".parse().unwrap();
/// assert_eq!(snapshot.in_progress, [Xid8(10), Xid8(14)]);
/// assert_eq!(snapshot.to_string(), "10:20:10,14");
/// ```
///
/// See [Transaction ID and Snapshot Information
/// Functions](https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PgSnapshot {
    /// Everything before it has ended.
    pub xmin: Xid8,
    /// Nothing from it on had begun.
    pub xmax: Xid8,
    /// What was in progress between the two, in ascending order.
    pub in_progress: Vec<Xid8>,
}

impl fmt::Display for PgSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (index, xid) in self.in_progress.iter().enumerate() {
            write!(f, "{}{xid}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Scalar for PgSnapshot {
    const TEXT: &'static str = "a pg_snapshot";

    fn is(ty: &Type) -> bool {
        *ty == Type::PG_SNAPSHOT || *ty == Type::TXID_SNAPSHOT
    }

    fn natural() -> Type {
        Type::PG_SNAPSHOT
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let count = bytes.take_count(size_of::<u64>())?;
        let [xmin, xmax] = [Xid8(bytes.take_u64()?), Xid8(bytes.take_u64()?)];
        let mut in_progress = Vec::with_capacity(count);
        for _ in 0..count {
            in_progress.push(Xid8(bytes.take_u64()?));
        }
        Ok(Self { xmin, xmax, in_progress })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let count = self.in_progress.len();
        let too_many = |_| EncodeError::out_of_range(format!("it has {count} transactions in progress"));
        out.put_i32(i32::try_from(count).map_err(too_many)?);
        for xid in [self.xmin, self.xmax].iter().chain(&self.in_progress) {
            out.put_u64(xid.0);
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let [xmin, xmax, list] = [parts.next()?, parts.next()?, parts.next()?];
        let in_progress = match list {
            "" => Some(Vec::new()),
            list => list.split(',').map(Xid8::parse).collect(),
        };
        Some(Self { xmin: Xid8::parse(xmin)?, xmax: Xid8::parse(xmax)?, in_progress: in_progress? })
    }
}

scalar!(PgSnapshot);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_any_length_are_kept() {
        for text in ["1:1:", "10:20:10", "10:20:10,14,15"] {
            assert_eq!(text.parse::<PgSnapshot>().unwrap().to_string(), text);
        }
        for text in ["", "1:1", "1:1:,", "1:1:a", "1:1:1:1"] {
            assert!(text.parse::<PgSnapshot>().is_err(), "{text}");
        }
    }
}
