//! The parameters inside of a statement.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use crate::{Encode, EncodeError, Format, IsNull, ParamError, Params, Type};

/// How many parameters need no memory of their own.
const FEW: usize = 4;

macro_rules! bound {
    ($($variant:ident($scalar:ty)),+) => {
        /// One parameter: small values by value, others borrowed.
        #[derive(Clone)]
        pub(super) enum Bound<'a> {
            $($variant($scalar),)+
            Text(&'a str),
            Bytes(&'a [u8]),
            Borrowed(&'a (dyn Encode + Sync)),
            /// What is no object of one word itself, such as a slice.
            Shared(Arc<dyn Encode + Send + Sync + 'a>),
        }

        impl Bound<'_> {
            fn value(&self) -> &(dyn Encode + Sync) {
                match self {
                    $(Self::$variant(value) => value,)+
                    Self::Text(value) => value,
                    Self::Bytes(value) => value,
                    Self::Borrowed(value) => value,
                    Self::Shared(value) => &**value,
                }
            }
        }

        $(
            impl<'c> super::Capture<'c> for $scalar {
                fn capture(self) -> super::Captured<'c> {
                    super::Captured::value(Bound::$variant(self))
                }
            }

            impl super::PeelCopied for super::Peel<&$scalar> {
                type Peeled = $scalar;

                fn peel(&self) -> $scalar {
                    *self.0
                }
            }
        )+
    };
}

bound!(Bool(bool), I8(i8), I16(i16), I32(i32), I64(i64), U32(u32), F32(f32), F64(f64));

impl Encode for Bound<'_> {
    fn format(&self, ty: &Type) -> Format {
        self.value().format(ty)
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        self.value().encode(ty, out)
    }

    fn encode_sized(&self, ty: &Type, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.value().encode_sized(ty, out)
    }

    fn natural_type(&self) -> Type {
        self.value().natural_type()
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        self.value().encode_text(ty, out)
    }

    fn rust_type(&self) -> &'static str {
        self.value().rust_type()
    }
}

/// All parameters of a statement, in the order of their numbers.
#[derive(Clone)]
pub(super) enum BoundValues<'a> {
    Few {
        values: [Bound<'a>; FEW],
        /// How many of them there are; the others mean nothing.
        len: usize,
    },
    Many(Vec<Bound<'a>>),
}

impl<'a> BoundValues<'a> {
    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(super) fn as_slice(&self) -> &[Bound<'a>] {
        match self {
            Self::Few { values, len } => values.get(..*len).unwrap_or_default(),
            Self::Many(values) => values,
        }
    }

    pub(super) fn push(&mut self, value: Bound<'a>) {
        match self {
            Self::Many(values) => values.push(value),
            Self::Few { values, len } => match values.get_mut(*len) {
                Some(place) => {
                    *place = value;
                    *len = len.saturating_add(1);
                }
                None => {
                    let mut many = Vec::with_capacity(FEW.saturating_mul(2));
                    many.extend_from_slice(values);
                    many.push(value);
                    *self = Self::Many(many);
                }
            },
        }
    }

    pub(super) fn extend_from(&mut self, other: &Self) {
        for value in other.as_slice() {
            self.push(value.clone());
        }
    }
}

impl Default for BoundValues<'_> {
    fn default() -> Self {
        Self::Few { values: [const { Bound::Bool(false) }; FEW], len: 0 }
    }
}

impl Params for BoundValues<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
        self.as_slice().formats(types, put);
    }

    fn all_binary(&self, types: &[Type]) -> bool {
        let mut values = self.as_slice().iter().zip(types);
        values.all(|(value, ty)| value.format(ty.base()) == Format::Binary)
    }

    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        Params::encode(self.as_slice(), types, out)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        self.as_slice().for_each(visit);
    }
}

impl fmt::Debug for BoundValues<'_> {
    /// Shows what the values are, never the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice().iter().map(Encode::rust_type)).finish()
    }
}
