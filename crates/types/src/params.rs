//! Writing all parameters of a statement.

use bytes::{BufMut, BytesMut};

use crate::{Encode, EncodeError, Format, IsNull, ParamError, Type};

/// The parameters of a statement: a tuple, `()` for none, or a slice of values of one type or behind `dyn`.
///
/// ```
/// use cornac_types::{Encode, Params};
///
/// fn count(params: impl Params) -> usize {
///     params.count()
/// }
///
/// assert_eq!(count(()), 0);
/// assert_eq!(count((7, "tusk", None::<f64>)), 3);
/// let name = String::from("tusk");
/// let collected: Vec<&(dyn Encode + Sync)> = vec![&7, &name];
/// assert_eq!(count(collected.as_slice()), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the parameters of a statement",
    label = "these are no parameters",
    note = "parameters are a tuple (`(a,)` for one, `()` for none), a slice, or a struct that derives `Params`"
)]
pub trait Params {
    /// How many there are.
    fn count(&self) -> usize;

    /// Passes the formats in which they are written to `put`: one if all are binary, else one for each.
    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format));

    /// Whether all are written in binary, as data of a COPY must be. Asked for each row, so that it is worth to answer it without
    /// collecting the formats.
    fn all_binary(&self, types: &[Type]) -> bool {
        let mut all_binary = true;
        self.formats(types, &mut |format| all_binary &= format == Format::Binary);
        all_binary
    }

    /// Appends each of them behind its 4-byte length; the length -1 stands for NULL.
    ///
    /// # Errors
    ///
    /// When there are more or fewer than `types`, or one does not fit its type. What was appended by then is taken back by the
    /// caller.
    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError>;

    /// Shows each of them to `visit`, in order: for the simple query protocol, where they become part of the SQL. Parameters that show
    /// nothing, as by default, cannot be sent that way.
    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        let _ = visit;
    }
}

impl<P: Params + ?Sized> Params for &P {
    fn count(&self) -> usize {
        (**self).count()
    }

    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
        (**self).formats(types, put);
    }

    fn all_binary(&self, types: &[Type]) -> bool {
        (**self).all_binary(types)
    }

    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        (**self).encode(types, out)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        (**self).for_each(visit);
    }
}

impl<T: Encode> Params for [T] {
    fn count(&self) -> usize {
        self.len()
    }

    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
        put_formats(self.iter().zip(types).map(|(value, ty)| value.format(ty.base())), put);
    }

    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        check_count(types, self.len())?;
        let start = out.len();
        for ((index, value), ty) in self.iter().enumerate().zip(types) {
            put(index, value, ty, start, out)?;
        }
        Ok(())
    }

    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        for value in self {
            visit(value);
        }
    }
}

impl<T: Encode, const N: usize> Params for [T; N] {
    fn count(&self) -> usize {
        N
    }

    fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
        self.as_slice().formats(types, put);
    }

    fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        Params::encode(self.as_slice(), types, out)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
        self.as_slice().for_each(visit);
    }
}

impl Params for () {
    fn count(&self) -> usize {
        0
    }

    fn formats(&self, _types: &[Type], _put: &mut dyn FnMut(Format)) {}

    fn encode(&self, types: &[Type], _out: &mut BytesMut) -> Result<(), ParamError> {
        check_count(types, 0)
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt)+;)+) => {$(
        impl<$($name: Encode),+> Params for ($($name,)+) {
            fn count(&self) -> usize {
                [$($index),+].len()
            }

            fn formats(&self, types: &[Type], put: &mut dyn FnMut(Format)) {
                let values: [&dyn Encode; [$($index),+].len()] = [$(&self.$index),+];
                put_formats(values.iter().zip(types).map(|(value, ty)| value.format(ty.base())), put);
            }

            #[inline]
            fn all_binary(&self, types: &[Type]) -> bool {
                let mut types = types.iter();
                $(
                    types.next().is_none_or(|ty| self.$index.format(ty.base()) == Format::Binary) &&
                )+
                true
            }

            #[inline]
            fn encode(&self, types: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
                check_count(types, self.count())?;
                let start = out.len();
                let mut types = types.iter();
                $(
                    if let Some(ty) = types.next() {
                        put($index, &self.$index, ty, start, out)?;
                    }
                )+
                Ok(())
            }

            fn for_each(&self, visit: &mut dyn FnMut(&dyn Encode)) {
                $(visit(&self.$index);)+
            }
        }
    )+};
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15;
}

pub(crate) fn check_count(types: &[Type], given: usize) -> Result<(), ParamError> {
    let taken = types.len();
    if taken == given { Ok(()) } else { Err(ParamError::Count { taken, given }) }
}

pub(crate) fn put_formats(formats: impl Iterator<Item = Format> + Clone, put: &mut dyn FnMut(Format)) {
    if formats.clone().all(|format| format == Format::Binary) {
        formats.take(1).for_each(put);
    } else {
        formats.for_each(put);
    }
}

/// The longest value that PostgreSQL takes, in bytes (`MaxAllocSize`). The parameters of a statement are no longer in all: they go in one
/// message.
const LEN_MAX: usize = 0x3fff_ffff;

/// Refuses what is too long as soon as that is seen, before more memory is taken for it.
pub(crate) fn check_len(bytes: usize) -> Result<(), EncodeError> {
    if bytes <= LEN_MAX { Ok(()) } else { Err(too_long("it is", bytes)) }
}

#[cold]
fn too_long(what: &str, bytes: usize) -> EncodeError {
    EncodeError::TooLong(
        format!("{what} {bytes} bytes long or more, and PostgreSQL takes at most {LEN_MAX}").into(),
    )
}

/// Appends one parameter behind its length. The first one begins at `start`.
pub(crate) fn put<T: Encode + ?Sized>(
    index: usize,
    value: &T,
    ty: &Type,
    start: usize,
    out: &mut BytesMut,
) -> Result<(), ParamError> {
    let total = |out: &mut BytesMut| match out.len().saturating_sub(start) {
        bytes if bytes > LEN_MAX => Err(too_long("with those before it, it is", bytes)),
        _ => Ok(()),
    };
    put_value(value, ty.base(), out).and_then(|()| total(out)).map_err(|error| ParamError::Value {
        number: index.saturating_add(1),
        ty: ty.clone(),
        rust_type: value.rust_type(),
        error,
    })
}

/// Appends a value behind its length, which is filled in afterwards. Array elements are written so too.
pub(crate) fn put_value<T: Encode + ?Sized>(
    value: &T,
    ty: &Type,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_i32(-1);
    if value.encode(ty, out)? == IsNull::Yes {
        return Ok(());
    }
    let written = out.len().saturating_sub(start).saturating_sub(4);
    let length = i32::try_from(written).map_err(|_| too_long("it is", written))?;
    if let Some(place) = out.get_mut(start..).and_then(|value| value.first_chunk_mut::<4>()) {
        *place = length.to_be_bytes();
    }
    Ok(())
}
