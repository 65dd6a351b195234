//! What types are made of.

use std::hash::{Hash, Hasher};

use crate::{Format, Type};

/// What sort of type it is, and of which other types it is made.
///
/// See [`pg_type.typtype`](https://www.postgresql.org/docs/current/catalog-pg-type.html).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A type that stands on its own. Those of extensions are known by their names.
    Base,
    /// A type that no column can have.
    Pseudo,
    /// One of these labels.
    Enum(Box<[Box<str>]>),
    /// This type, with constraints.
    Domain(Type),
    /// A row of these fields.
    Composite(Box<[Attribute]>),
    /// An array of this element type, with any number of dimensions.
    Array(Type),
    /// A range with bounds of this type.
    Range(Type),
    /// A list of ranges of this type.
    Multirange(Type),
    /// Nothing is known of it but its OID.
    Unknown,
}

/// A field of a composite type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    name: Box<str>,
    ty: Type,
}

impl Attribute {
    /// A field of this name and type.
    pub fn new(name: impl Into<Box<str>>, ty: Type) -> Self {
        Self { name: name.into(), ty }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type, which can be a domain.
    pub fn ty(&self) -> &Type {
        &self.ty
    }
}

impl Kind {
    /// The types that it is made of.
    pub fn parts(&self) -> impl Iterator<Item = &Type> {
        let (part, fields) = match self {
            Self::Domain(part) | Self::Array(part) | Self::Range(part) | Self::Multirange(part) => {
                (Some(part), &[][..])
            }
            Self::Composite(fields) => (None, &**fields),
            Self::Base | Self::Pseudo | Self::Enum(_) | Self::Unknown => (None, &[][..]),
        };
        part.into_iter().chain(fields.iter().map(Attribute::ty))
    }

    /// Whether all that it is made of has a binary form.
    pub(super) fn is_binary(&self) -> bool {
        self.parts().all(|part| part.binary_format() == Format::Binary)
    }

    /// Takes in all that makes it what it is, down to its parts.
    pub(super) fn hash_definition(&self, state: &mut impl Hasher) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Enum(labels) => labels.hash(state),
            Self::Composite(fields) => fields.iter().for_each(|field| field.name.hash(state)),
            _ => {}
        }
        self.parts().for_each(|part| (part, part.fingerprint()).hash(state));
    }
}
