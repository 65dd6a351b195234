//! ltree, lquery and ltxtquery.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::is_named;
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::value::text::check_text;
use crate::{EncodeError, Type, ValueError};

/// A path of labels, as its text: `Top.Science.Astronomy`.
///
/// See [ltree](https://www.postgresql.org/docs/current/ltree.html).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ltree(pub String);

/// A pattern that an [`Ltree`] is compared with, as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lquery(pub String);

/// Words that an [`Ltree`] is searched for, as their text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ltxtquery(pub String);

/// The version of the binary form, which is a byte in front of the text.
const VERSION: u8 = 1;

macro_rules! texts {
    ($($text:ident $name:literal $what:literal),+) => {$(
        impl fmt::Display for $text {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Scalar for $text {
            const TEXT: &'static str = $what;

            fn is(ty: &Type) -> bool {
                is_named(ty, $name)
            }

            fn natural() -> Type {
                Type::UNKNOWN
            }

            fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
                match bytes.take_u8()? {
                    VERSION => Ok(Self(bytes.take_rest_str()?.to_owned())),
                    other => Err(ValueError::malformed(format!("version {other} is not known"))),
                }
            }

            fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
                check_text(&self.0)?;
                out.put_u8(VERSION);
                out.put_slice(self.0.as_bytes());
                Ok(())
            }

            fn parse(text: &str) -> Option<Self> {
                Some(Self(text.to_owned()))
            }
        }
    )+};
}

texts!(Ltree "ltree" "an ltree", Lquery "lquery" "an lquery", Ltxtquery "ltxtquery" "an ltxtquery");

scalar!(Ltree, Lquery, Ltxtquery);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::scalar::decode;

    #[test]
    fn only_the_known_version_is_read() {
        assert_eq!(decode(b"\x01a.b"), Ok(Ltree("a.b".to_owned())));
        assert!(decode::<Lquery>(b"\x02a.b").is_err());
        assert!(decode::<Ltxtquery>(b"").is_err());
        let mut out = BytesMut::new();
        Lquery("*.a".to_owned()).put(&mut out).unwrap();
        assert_eq!(out, &b"\x01*.a"[..]);
    }
}
