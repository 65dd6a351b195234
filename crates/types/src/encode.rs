//! Writing one value.

use bytes::{BufMut, BytesMut};

use crate::params::put_value;
use crate::{EncodeError, Format, Type};

/// Whether what was written is a value, or stands for NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsNull {
    /// It is NULL, and nothing was written.
    Yes,
    /// It is the value that was written.
    No,
}

/// A Rust type whose values can be parameters.
///
/// It can be used behind `dyn`, so that parameters can be collected at run time: `&[&(dyn Encode + Sync)]`.
///
/// ```
/// use bytes::BytesMut;
/// use cornac_types::{Encode, IsNull, Type};
///
/// let mut out = BytesMut::new();
/// assert_eq!(7_i64.encode(&Type::INT4, &mut out), Ok(IsNull::No));
/// assert_eq!(&out[..], [0, 0, 0, 7]);
/// assert!(i64::MAX.encode(&Type::INT4, &mut out).is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a value of PostgreSQL",
    label = "this type does not implement `Encode`",
    note = "derive `Encode` for enums, newtypes and composite types"
)]
pub trait Encode {
    /// The format in which [`encode`](Self::encode) writes values for a parameter of `ty`.
    fn format(&self, ty: &Type) -> Format {
        ty.binary_format()
    }

    /// Appends the value as one of `ty`, without its length.
    ///
    /// # Errors
    ///
    /// When the value cannot become one of `ty`. What was appended by then is taken back by the caller.
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError>;

    /// Appends the value as one of `ty` behind its 4-byte length, or the length -1 for NULL, as Bind and COPY have it. By default that is what
    /// [`encode`](Self::encode) writes, with the length filled in afterwards; a type that knows its length before has less to do.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    #[inline]
    fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        put_value(self, ty, out)
    }

    /// The type that the value is of where nobody says what a statement takes: asked only where parameters become literals of the SQL,
    /// in the simple query protocol. [`Type::UNKNOWN`], the default, leaves it to the server, as for a constant in quotes.
    fn natural_type(&self) -> Type {
        Type::UNKNOWN
    }

    /// Appends the value's text as one of `ty`, as the server would read it, without any quotes: asked only where
    /// [`natural_type`](Self::natural_type) is.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode); by default that there is no such text.
    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        let _ = (ty, out);
        Err(EncodeError::out_of_range(
            "it can only be sent in binary, which the simple query protocol is not",
        ))
    }

    /// The Rust type, for errors.
    fn rust_type(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    fn format(&self, ty: &Type) -> Format {
        (**self).format(ty)
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        (**self).encode(ty, out)
    }

    #[inline]
    fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        (**self).encode_sized(ty, out)
    }

    fn natural_type(&self) -> Type {
        (**self).natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        (**self).encode_text(ty, out)
    }

    fn rust_type(&self) -> &'static str {
        (**self).rust_type()
    }
}

impl<T: Encode> Encode for Option<T> {
    fn format(&self, ty: &Type) -> Format {
        self.as_ref().map_or(ty.binary_format(), |value| value.format(ty))
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        match self {
            Some(value) => value.encode(ty, out),
            None => Ok(IsNull::Yes),
        }
    }

    #[inline]
    fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Some(value) => value.encode_sized(ty, out),
            None => {
                out.put_i32(-1);
                Ok(())
            }
        }
    }

    fn natural_type(&self) -> Type {
        self.as_ref().map_or(Type::UNKNOWN, Encode::natural_type)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        match self {
            Some(value) => value.encode_text(ty, out),
            None => Ok(IsNull::Yes),
        }
    }
}
