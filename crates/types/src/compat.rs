//! Types that implement the traits of rust-postgres.

use std::borrow::Cow;
use std::cell::RefCell;
use std::error::Error;

use bytes::BytesMut;
use postgres_types::{self as foreign, FromSql, ToSql};

use crate::{Decode, Encode, EncodeError, Format, IsNull, Kind, Type, ValueError};

/// A value of a type that implements `postgres_types`' [`ToSql`] or [`FromSql`], as parameter or column.
///
/// Crates that were written for rust-postgres work with it as they are, also in what they make of bytes that no server would send. Text cannot be read or written, so that columns of the simple query
/// protocol, and parameters of statements in mode simple, are errors, but for types whose binary form is their text.
///
/// ```
/// use bytes::BytesMut;
/// use cornac_types::{Compat, Decode, Encode, IsNull, Type};
///
/// /// A type of somebody else's.
/// #[derive(Debug, PartialEq)]
/// struct Celsius(f64);
///
/// impl postgres_types::ToSql for Celsius {
///     fn to_sql(
///         &self,
///         ty: &postgres_types::Type,
///         out: &mut BytesMut,
///     ) -> Result<postgres_types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
///         self.0.to_sql(ty, out)
///     }
///
///     postgres_types::accepts!(FLOAT8);
///     postgres_types::to_sql_checked!();
/// }
///
/// impl<'a> postgres_types::FromSql<'a> for Celsius {
///     fn from_sql(ty: &postgres_types::Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
///         f64::from_sql(ty, raw).map(Self)
///     }
///
///     postgres_types::accepts!(FLOAT8);
/// }
///
/// let mut out = BytesMut::new();
/// assert_eq!(Compat(Celsius(36.6)).encode(&Type::FLOAT8, &mut out)?, IsNull::No);
/// assert_eq!(Compat::from_binary(&Type::FLOAT8, &out)?, Compat(Celsius(36.6)));
/// assert!(Compat(Celsius(36.6)).encode(&Type::INT4, &mut out).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compat<T>(pub T);

impl<T: ToSql> Encode for Compat<T> {
    fn format(&self, ty: &Type) -> Format {
        with_foreign(ty, |ty| match self.0.encode_format(ty) {
            foreign::Format::Text => Format::Text,
            foreign::Format::Binary => Format::Binary,
        })
    }

    fn encode(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, EncodeError> {
        with_foreign(ty, |ty| {
            if !T::accepts(ty) {
                return Err(EncodeError::WrongType);
            }
            match self.0.to_sql(ty, out) {
                Ok(foreign::IsNull::Yes) => Ok(IsNull::Yes),
                Ok(foreign::IsNull::No) => Ok(IsNull::No),
                Err(error) => Err(EncodeError::out_of_range(error.to_string())),
            }
        })
    }
}

impl<'r, T: FromSql<'r>> Decode<'r> for Compat<T> {
    fn accepts(ty: &Type, format: Format) -> bool {
        (format == Format::Binary || ty.is_text()) && with_foreign(ty, T::accepts)
    }

    fn from_binary(ty: &Type, value: &'r [u8]) -> Result<Self, ValueError> {
        with_foreign(ty, |ty| T::from_sql(ty, value)).map(Self).map_err(unreadable)
    }

    fn from_text(ty: &Type, text: Cow<'r, str>) -> Result<Self, ValueError> {
        match text {
            Cow::Borrowed(text) => Self::from_binary(ty, text.as_bytes()),
            Cow::Owned(_) => Err(ValueError::malformed("it had escapes, so it cannot be lent")),
        }
    }

    /// Whatever makes something of NULL does so for any type.
    fn from_null() -> Result<Self, ValueError> {
        T::from_sql_null(&foreign::Type::UNKNOWN).map(Self).map_err(|_| ValueError::Null)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
#[cold]
fn unreadable(error: Box<dyn Error + Sync + Send>) -> ValueError {
    ValueError::malformed(error.to_string())
}

/// How many types that are not built in are kept in their foreign form.
const KEPT_MAX: usize = 16;

thread_local! {
    /// To make the foreign form of a type that is not built in takes memory for all of its parts: it is kept, the newest last.
    static KEPT: RefCell<Vec<(Type, foreign::Type)>> = const { RefCell::new(Vec::new()) };
}

/// Lends the foreign form of a type.
fn with_foreign<R>(ty: &Type, act: impl FnOnce(&foreign::Type) -> R) -> R {
    if let Some(built_in) = foreign::Type::from_oid(ty.oid().0) {
        return act(&built_in);
    }
    // Nothing is borrowed while `act` runs: it may come back here.
    let kept = KEPT.with_borrow(|kept| {
        let is_it = |(known, _): &&(Type, foreign::Type)| known.is_defined_as(ty);
        kept.iter().find(is_it).map(|(_, foreign)| foreign.clone())
    });
    let made = kept.unwrap_or_else(|| {
        let made = foreign_type(ty);
        KEPT.with_borrow_mut(|kept| {
            if kept.len() == KEPT_MAX {
                kept.remove(0);
            }
            kept.push((ty.clone(), made.clone()));
        });
        made
    });
    act(&made)
}

fn foreign_type(ty: &Type) -> foreign::Type {
    if let Some(built_in) = foreign::Type::from_oid(ty.oid().0) {
        return built_in;
    }
    let kind = match ty.kind() {
        Kind::Enum(labels) => foreign::Kind::Enum(labels.iter().map(|label| label.as_ref().into()).collect()),
        Kind::Domain(base) => foreign::Kind::Domain(foreign_type(base)),
        Kind::Composite(fields) => foreign::Kind::Composite(
            fields
                .iter()
                .map(|field| foreign::Field::new(field.name().into(), foreign_type(field.ty())))
                .collect(),
        ),
        Kind::Array(element) => foreign::Kind::Array(foreign_type(element)),
        Kind::Range(subtype) => foreign::Kind::Range(foreign_type(subtype)),
        // There it is the type of the ranges' bounds.
        Kind::Multirange(range) => foreign::Kind::Multirange(foreign_type(range.subtype().unwrap_or(range))),
        Kind::Pseudo => foreign::Kind::Pseudo,
        Kind::Base | Kind::Unknown => foreign::Kind::Simple,
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    foreign::Type::new(text(ty.name()), ty.oid().0, kind, text(ty.schema()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attribute, Definition, Oid};

    fn learnt(oid: u32, name: &str, kind: Kind) -> Type {
        Type::new(Definition { oid: Oid(oid), schema: "shop".into(), name: name.into(), kind, binary: true })
    }

    #[test]
    fn a_type_keeps_all_that_makes_it_what_it_is() {
        let mood = learnt(16_400, "mood", Kind::Enum(["calm", "must"].map(Box::from).into()));
        let fields = [Attribute::new("moods", learnt(16_401, "_mood", Kind::Array(mood.clone())))];
        let item = learnt(16_402, "item", Kind::Composite(fields.into()));
        let foreign = foreign_type(&item);
        assert_eq!((foreign.name(), foreign.schema(), foreign.oid()), ("item", "shop", 16_402));
        let foreign::Kind::Composite(fields) = foreign.kind() else { panic!("{:?}", foreign.kind()) };
        let foreign::Kind::Array(element) = fields[0].type_().kind() else { panic!("{fields:?}") };
        assert_eq!(*element.kind(), foreign::Kind::Enum(vec!["calm".to_owned(), "must".to_owned()]));
        let spans = learnt(16_403, "spans", Kind::Multirange(Type::INT4RANGE));
        assert_eq!(*foreign_type(&spans).kind(), foreign::Kind::Multirange(foreign::Type::INT4));
    }

    #[test]
    fn every_built_in_type_is_the_same_there_if_it_is_known() {
        let mut known = 0;
        for line in include_str!("../pg_type.tsv").lines().filter(|line| !line.starts_with('#')) {
            let ty = Type::from_oid(Oid(line.split('\t').next().unwrap().parse().unwrap()));
            let Some(built_in) = foreign::Type::from_oid(ty.oid().0) else { continue };
            assert_eq!(Some(built_in.name()), ty.name());
            known += 1;
        }
        assert!(known > 150, "{known}");
    }

    #[test]
    fn what_is_kept_is_bounded_and_follows_a_type_that_changes() {
        for number in 0..40 {
            let ty = learnt(16_400, "mood", Kind::Enum([format!("label {number}").into()].into()));
            let expected = foreign::Kind::Enum(vec![format!("label {number}")]);
            assert!(with_foreign(&ty, |foreign| *foreign.kind() == expected));
            assert!(with_foreign(&ty, |foreign| *foreign.kind() == expected));
        }
        assert_eq!(KEPT.with_borrow(Vec::len), KEPT_MAX);
    }

    #[derive(Debug)]
    struct Refused;

    impl ToSql for Refused {
        fn to_sql(
            &self,
            _: &foreign::Type,
            _: &mut BytesMut,
        ) -> Result<foreign::IsNull, Box<dyn Error + Sync + Send>> {
            Err("it is too large".into())
        }

        foreign::accepts!(INT4);
        foreign::to_sql_checked!();
    }

    #[test]
    fn a_refusal_there_is_an_error_here() {
        let mut out = BytesMut::new();
        assert_eq!(
            Compat(Refused).encode(&Type::INT4, &mut out),
            Err(EncodeError::out_of_range("it is too large"))
        );
        assert_eq!(Compat(Refused).encode(&Type::INT8, &mut out), Err(EncodeError::WrongType));
    }

    #[test]
    fn null_is_for_those_that_take_it() {
        assert_eq!(Compat::<Option<i32>>::from_null(), Ok(Compat(None)));
        assert_eq!(Compat::<i32>::from_null(), Err(ValueError::Null));
        assert_eq!(Option::<Compat<i32>>::from_null(), Ok(None));
        assert!(Compat::<i32>::from_binary(&Type::INT4, &[0]).is_err());
        assert!(!Compat::<i32>::accepts(&Type::INT4, Format::Text));
        assert!(Compat::<&str>::accepts(&Type::TEXT, Format::Text));
    }
}
