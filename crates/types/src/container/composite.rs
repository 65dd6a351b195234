//! Composites: values of composite types by the names of their fields, and records, which have none, by position.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::composite_text::{fields as text_fields, put_field};
use super::{encode_as_text, take, take_i32};
use crate::error::short_name;
use crate::params::put_value;
use crate::row::take_value;
use crate::{Attribute, Decode, Encode, EncodeError, Format, IsNull, Kind, Oid, Type, ValueError};

/// A tuple that stands for a composite, field by field in their order: of a composite type, or of an anonymous record such as `ROW(1, 'a')`.
///
/// A tuple without it is a whole row ([`FromRow`](crate::FromRow)). Records can only be read: the server takes none.
///
/// ```
/// use cornac_types::{Composite, Decode, Format, Type};
///
/// assert!(Composite::<(i32, String)>::accepts(&Type::RECORD, Format::Binary));
/// let row = b"\0\0\0\x01\0\0\0\x17\0\0\0\x04\0\0\0\x07";
/// assert_eq!(Composite::from_binary(&Type::RECORD, row), Ok(Composite((7_i32,))));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Composite<T>(pub T);

/// The fields of a composite value, one after the other. For derived code.
#[derive(Debug)]
pub struct CompositeReader<'t, 'r> {
    ty: &'t Type,
    /// How many fields were taken.
    taken: usize,
    values: Values<'r>,
}

/// One field.
#[derive(Debug)]
pub struct CompositeField<'t, 'r> {
    name: &'t str,
    number: usize,
    ty: Cow<'t, Type>,
    value: FieldValue<'r>,
    /// Whether nobody has asked yet whether the types fit.
    unplanned: bool,
}

#[derive(Debug)]
enum Values<'r> {
    Binary { left: usize, rest: &'r [u8] },
    Text(std::vec::IntoIter<Option<Cow<'r, str>>>),
}

/// The value of a field, as it came.
#[derive(Debug)]
pub(crate) enum FieldValue<'r> {
    Null,
    Binary(&'r [u8]),
    Text(Cow<'r, str>),
}

impl<'t, 'r> CompositeReader<'t, 'r> {
    /// Reads the binary form: the number of fields, then of each its type's OID, and its value behind its length.
    ///
    /// # Errors
    ///
    /// When the type has another number of fields.
    pub fn binary(ty: &'t Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let mut rest = value;
        let announced = take_i32(&mut rest)?;
        // Each has an OID and a length, which bounds what a lying count can make us allocate.
        let left = usize::try_from(announced).ok().filter(|left| *left <= rest.len() / 8);
        let left = left.ok_or_else(|| ValueError::malformed(format!("it announces {announced} fields")))?;
        Self::new(ty, left, Values::Binary { left, rest })
    }

    /// Reads the binary form by what stands in it, whatever the type says: as a record, if it is not as that says.
    ///
    /// # Errors
    ///
    /// When it is cut off.
    pub(crate) fn as_it_is(ty: &'t Type, value: &'r [u8]) -> Result<Self, ValueError> {
        let mut record = CompositeReader::binary(&Type::RECORD, value)?;
        let mut known = ty.fields().iter();
        let mut fits = matches!(ty.kind(), Kind::Composite(_));
        while let Some(field) = record.next()? {
            fits &= known.next().is_some_and(|known| known.ty().oid() == field.ty.oid());
        }
        if fits && known.next().is_none() {
            return Self::binary(ty, value);
        }
        ty.contradicted();
        Self::binary(&Type::RECORD, value)
    }

    /// Reads the text.
    ///
    /// # Errors
    ///
    /// When it is no composite, or the type has another number of fields.
    pub fn text(ty: &'t Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        let is_empty = ty.fields().is_empty() && matches!(ty.kind(), Kind::Composite(_)) && text == "()";
        let fields =
            if is_empty { Vec::new() } else { super::lent(text, text_fields, |_, field| Ok(field))? };
        Self::new(ty, fields.len(), Values::Text(fields.into_iter()))
    }

    fn new(ty: &'t Type, count: usize, values: Values<'r>) -> Result<Self, ValueError> {
        if let Kind::Composite(fields) = ty.kind() {
            if fields.len() != count {
                ty.contradicted();
                let known = fields.len();
                return Err(ValueError::malformed(format!("it has {count} fields, and {ty} has {known}")));
            }
        }
        Ok(Self { ty, taken: 0, values })
    }

    /// How many fields are left.
    pub fn left(&self) -> usize {
        match &self.values {
            Values::Binary { left, .. } => *left,
            Values::Text(values) => values.len(),
        }
    }

    /// The next field; `None` behind the last.
    ///
    /// # Errors
    ///
    /// When it is cut off, or is not of the type that the composite's type says.
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: an error ends it")]
    pub fn next(&mut self) -> Result<Option<CompositeField<'t, 'r>>, ValueError> {
        let attribute = self.ty.fields().get(self.taken);
        let (name, known) = attribute.map_or(("", None), |field| (field.name(), Some(field.ty())));
        let number = self.taken.saturating_add(1);
        let (ty, value) = match &mut self.values {
            Values::Text(values) => {
                let Some(value) = values.next() else { return Ok(None) };
                (
                    Cow::Borrowed(known.unwrap_or(&Type::UNKNOWN)),
                    value.map_or(FieldValue::Null, FieldValue::Text),
                )
            }
            Values::Binary { left, rest } => {
                let Some(behind) = left.checked_sub(1) else {
                    let left_over = || ValueError::malformed("bytes are left behind its last field");
                    return if rest.is_empty() { Ok(None) } else { Err(left_over()) };
                };
                *left = behind;
                let oid = Oid(u32::from_be_bytes(take(rest)?));
                let value = take_value(rest)?.map_or(FieldValue::Null, FieldValue::Binary);
                match known {
                    Some(ty) if ty.oid() == oid => (Cow::Borrowed(ty), value),
                    Some(ty) => {
                        self.ty.contradicted();
                        let found = Type::from_oid(oid);
                        let what = format!("its field {number} {name:?} is {found}, not {ty}");
                        return Err(ValueError::malformed(what));
                    }
                    None => (Cow::Owned(Type::from_oid(oid)), value),
                }
            }
        };
        self.taken = number;
        Ok(Some(CompositeField { name, number, ty, value, unplanned: known.is_none() }))
    }

    /// Decodes the next field.
    fn decode<T: Decode<'r>>(&mut self) -> Result<T, ValueError> {
        match self.next()? {
            Some(field) => field.decode(),
            None => Err(ValueError::malformed(format!("it has {} fields only", self.taken))),
        }
    }

    /// Takes what was read of a field out of its slot.
    ///
    /// # Errors
    ///
    /// When the type has no such field.
    pub fn filled<T>(&self, name: &str, slot: Option<T>) -> Result<T, ValueError> {
        slot.ok_or_else(|| {
            self.ty.contradicted();
            ValueError::malformed(format!("{} has no field {name:?}", self.ty))
        })
    }
}

impl<'r> CompositeField<'_, 'r> {
    /// Which of these names it has. The fields of a record, which have none, stand in the order of the names.
    pub fn place(&self, names: &[&str]) -> Option<usize> {
        if self.name.is_empty() {
            return self.number.checked_sub(1).filter(|place| *place < names.len());
        }
        names.iter().position(|name| *name == self.name)
    }

    /// Its type, under all domains.
    pub(crate) fn ty(&self) -> &Type {
        self.ty.base()
    }

    pub(crate) fn value(&self) -> &FieldValue<'r> {
        &self.value
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When it does not fit.
    pub fn decode<T: Decode<'r>>(self) -> Result<T, ValueError> {
        let ty = self.ty.base();
        let format = if matches!(self.value, FieldValue::Binary(_)) { Format::Binary } else { Format::Text };
        if self.unplanned && format == Format::Binary && !T::accepts(ty, format) {
            let what = format!("{} is {ty}, which {} cannot hold", self.shown(), short_name(T::rust_type()));
            return Err(ValueError::malformed(what));
        }
        let decoded = match self.value {
            FieldValue::Null => T::from_null(),
            FieldValue::Binary(value) => T::from_binary(ty, value),
            FieldValue::Text(ref text) => T::from_text(ty, text.clone()),
        };
        decoded.map_err(|error| {
            let shown = self.shown();
            match error {
                ValueError::Null => ValueError::out_of_range(format!(
                    "{shown} is NULL, which {} cannot hold",
                    short_name(T::rust_type())
                )),
                ValueError::OutOfRange(what) => ValueError::out_of_range(format!("{shown}: {what}")),
                ValueError::Malformed(what) => ValueError::malformed(format!("{shown}: {what}")),
            }
        })
    }

    fn shown(&self) -> String {
        match self.name {
            "" => format!("its field {}", self.number),
            name => format!("its field {} {name:?}", self.number),
        }
    }
}

/// [`Decode::accepts`] of some type. For derived code.
pub type Accepts = fn(&Type, Format) -> bool;

/// Whether a composite type has fields of these names, all of which are accepted. For derived code. Records are taken as they come.
pub fn accepts_composite(ty: &Type, format: Format, fields: &[(&str, Accepts)]) -> bool {
    match ty.kind() {
        Kind::Composite(attributes) => fields.iter().all(|(name, accepts)| {
            match attributes.iter().find(|attribute| attribute.name() == *name) {
                Some(attribute) => accepts(attribute.ty().base(), format),
                None => {
                    // It may have come since the type was looked up.
                    ty.contradicted();
                    false
                }
            }
        }),
        _ => is_anonymous(ty, format),
    }
}

/// Whether it is a composite without names of its fields.
fn is_anonymous(ty: &Type, format: Format) -> bool {
    *ty == Type::RECORD || *ty.kind() == Kind::Unknown && format == Format::Text
}

/// The format in which these fields travel as a value of `ty`. For derived code.
pub fn composite_format(ty: &Type, fields: &[(&str, &dyn Encode)]) -> Format {
    let is_binary = |(attribute, (_, value)): (&Attribute, &(&str, &dyn Encode))| {
        value.format(attribute.ty().base()) == Format::Binary
    };
    match ty.kind() {
        Kind::Composite(attributes) if ty.binary_format() == Format::Binary => {
            match in_order(attributes, fields) {
                Some(fields) if !attributes.iter().zip(&fields).all(is_binary) => Format::Text,
                _ => Format::Binary,
            }
        }
        _ => ty.binary_format(),
    }
}

/// Fields in the order of those of the type; `None` where the one has fields that the other has not. Nameless ones stand as they are.
fn in_order<'v>(
    attributes: &[Attribute],
    fields: &[(&'v str, &'v dyn Encode)],
) -> Option<Vec<(&'v str, &'v dyn Encode)>> {
    if attributes.len() != fields.len() {
        return None;
    }
    let named = |(index, attribute): (usize, &Attribute)| {
        let by_name = fields.iter().find(|(name, _)| *name == attribute.name());
        by_name.or_else(|| fields.get(index).filter(|(name, _)| name.is_empty())).copied()
    };
    attributes.iter().enumerate().map(named).collect()
}

/// Writes these fields as a value of a composite type. For derived code.
///
/// # Errors
///
/// When the type has other fields, or a value does not fit its field.
pub fn encode_composite(
    ty: &Type,
    fields: &[(&str, &dyn Encode)],
    out: &mut BytesMut,
) -> Result<IsNull, EncodeError> {
    let Kind::Composite(attributes) = ty.kind() else { return Err(EncodeError::WrongType) };
    if composite_format(ty, fields) == Format::Text {
        return encode_as_text(&Fields(fields), ty, out);
    }
    let fields = in_order(attributes, fields).ok_or_else(|| other_fields(ty, attributes, fields))?;
    let count = i32::try_from(fields.len()).map_err(|_| EncodeError::WrongType)?;
    out.put_i32(count);
    for (attribute, (_, value)) in attributes.iter().zip(&fields) {
        out.put_u32(attribute.ty().oid().0);
        put_value(*value, attribute.ty().base(), out).map_err(|error| of_field(attribute, *value, error))?;
    }
    Ok(IsNull::No)
}

#[cold]
fn of_field(attribute: &Attribute, value: &dyn Encode, error: EncodeError) -> EncodeError {
    let (name, ty) = (attribute.name(), attribute.ty());
    match error {
        EncodeError::WrongType => EncodeError::out_of_range(format!(
            "its field {name:?} is {ty}, which {} cannot become",
            short_name(value.rust_type())
        )),
        EncodeError::OutOfRange(what) => EncodeError::out_of_range(format!("its field {name:?}: {what}")),
        too_long @ EncodeError::TooLong(_) => too_long,
    }
}

#[cold]
fn other_fields(ty: &Type, attributes: &[Attribute], fields: &[(&str, &dyn Encode)]) -> EncodeError {
    // They may have come or gone since the type was looked up.
    ty.contradicted();
    let names: Vec<_> = attributes.iter().map(|attribute| format!("{:?}", attribute.name())).collect();
    let known = names.join(", ");
    if fields.iter().all(|(name, _)| name.is_empty()) {
        let (known, given) = (attributes.len(), fields.len());
        return EncodeError::out_of_range(format!("{ty} has {known} fields, and this value has {given}"));
    }
    let missing =
        attributes.iter().find(|attribute| fields.iter().all(|(name, _)| *name != attribute.name()));
    EncodeError::out_of_range(match missing {
        Some(missing) if attributes.len() >= fields.len() => {
            format!("{ty} has a field {:?}, and this value has none", missing.name())
        }
        _ => format!("{ty} has the fields {known}, and this value has others"),
    })
}

/// Writes these fields as the text of a value of a composite type. For derived code.
///
/// # Errors
///
/// As [`encode_composite`].
pub fn encode_composite_text(
    ty: &Type,
    fields: &[(&str, &dyn Encode)],
    out: &mut String,
) -> Result<IsNull, EncodeError> {
    let attributes = match ty.kind() {
        Kind::Composite(attributes) => &**attributes,
        Kind::Unknown => &[],
        _ if *ty == Type::UNKNOWN => &[],
        _ => return Err(EncodeError::WrongType),
    };
    let fields = match attributes {
        [] => fields.to_vec(),
        _ => in_order(attributes, fields).ok_or_else(|| other_fields(ty, attributes, fields))?,
    };
    out.push('(');
    for (index, (_, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let mut text = String::new();
        let field = attributes.get(index).map_or(&Type::UNKNOWN, |attribute| attribute.ty().base());
        if value.encode_text(field, &mut text)? == IsNull::No {
            put_field(&text, out);
        }
    }
    out.push(')');
    Ok(IsNull::No)
}

/// Fields as one value.
struct Fields<'v>(&'v [(&'v str, &'v dyn Encode)]);

impl Encode for Fields<'_> {
    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        encode_composite(ty, self.0, out)
    }

    fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
        encode_composite_text(ty, self.0, out)
    }
}

macro_rules! tuples {
    ($($($name:ident $index:tt)+;)+) => {$(
        impl<'r, $($name: Decode<'r>),+> Decode<'r> for Composite<($($name,)+)> {
            fn accepts(ty: &Type, format: Format) -> bool {
                let accepts: [Accepts; [$($index),+].len()] = [$($name::accepts),+];
                match ty.kind() {
                    Kind::Composite(fields) => {
                        let fits = |(field, accepts): (&Attribute, &Accepts)| {
                            accepts(field.ty().base(), format)
                        };
                        fields.len() == accepts.len() && fields.iter().zip(&accepts).all(fits)
                    }
                    _ => is_anonymous(ty, format),
                }
            }

            fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
                let mut reader = CompositeReader::binary(ty, value)?;
                let tuple = ($(reader.decode::<$name>()?,)+);
                finish(&mut reader, [$($index),+].len()).map(|()| Self(tuple))
            }

            fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
                let mut reader = CompositeReader::text(ty, text)?;
                let tuple = ($(reader.decode::<$name>()?,)+);
                finish(&mut reader, [$($index),+].len()).map(|()| Self(tuple))
            }
        }

        impl<$($name: Encode),+> Encode for Composite<($($name,)+)> {
            fn format(&self, ty: &Type) -> Format {
                let fields: [(&str, &dyn Encode); [$($index),+].len()] = [$(("", &self.0.$index)),+];
                composite_format(ty, &fields)
            }

            fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
                let fields: [(&str, &dyn Encode); [$($index),+].len()] = [$(("", &self.0.$index)),+];
                encode_composite(ty, &fields, out)
            }

            fn encode_text(&self, ty: &Type, out: &mut String) -> Result<IsNull, EncodeError> {
                let fields: [(&str, &dyn Encode); [$($index),+].len()] = [$(("", &self.0.$index)),+];
                encode_composite_text(ty, &fields, out)
            }
        }
    )+};
}

/// Nothing is left behind the last field of a tuple.
fn finish(reader: &mut CompositeReader<'_, '_>, fields: usize) -> Result<(), ValueError> {
    match reader.left() {
        0 => reader.next().map(|_| ()),
        left => {
            let count = fields.saturating_add(left);
            Err(ValueError::out_of_range(format!("it has {count} fields, and {fields} were asked for")))
        }
    }
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
}
