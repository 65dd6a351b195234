//! PostgreSQL's types.

mod table;

use std::fmt;

use crate::{Format, Oid};

/// A type of PostgreSQL's: one that is built in, or one of which only the OID is known.
///
/// The constants have the names of `pg_type`, arrays with `_ARRAY` behind those of their elements. Two types are equal when
/// their OIDs are.
#[derive(Clone)]
pub struct Type(Repr);

#[derive(Clone)]
enum Repr {
    BuiltIn(&'static Entry),
    Unknown(Oid),
}

/// A row of the table of built-in types.
struct Entry {
    oid: u32,
    name: &'static str,
    kind: EntryKind,
    /// Whether it has send and receive functions of its own.
    binary: bool,
}

#[derive(Clone, Copy)]
enum EntryKind {
    Base,
    Array(&'static Entry),
    Pseudo,
    Range,
    Multirange,
}

/// What sort of type it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A type that stands on its own.
    Base,
    /// An array of this element type, with any number of dimensions.
    Array(Type),
    /// A type that no column can have.
    Pseudo,
    /// A range.
    Range,
    /// A list of ranges.
    Multirange,
    /// Nothing is known of it but its OID.
    Unknown,
}

impl Type {
    /// The type of this OID. One that is not built in is known by its OID alone, and its values travel as text.
    pub fn from_oid(oid: Oid) -> Self {
        let found = table::ENTRIES.binary_search_by_key(&oid.0, |entry| entry.oid).ok();
        match found.and_then(|index| table::ENTRIES.get(index)) {
            Some(entry) => Self(Repr::BuiltIn(entry)),
            None => Self(Repr::Unknown(oid)),
        }
    }

    /// Its OID.
    pub fn oid(&self) -> Oid {
        match self.0 {
            Repr::BuiltIn(entry) => Oid(entry.oid),
            Repr::Unknown(oid) => oid,
        }
    }

    /// Its name in `pg_type`; `None` when only the OID is known.
    pub fn name(&self) -> Option<&str> {
        match self.0 {
            Repr::BuiltIn(entry) => Some(entry.name),
            Repr::Unknown(_) => None,
        }
    }

    /// What sort of type it is.
    pub fn kind(&self) -> Kind {
        match self.0 {
            Repr::BuiltIn(entry) => match entry.kind {
                EntryKind::Base => Kind::Base,
                EntryKind::Array(element) => Kind::Array(Self(Repr::BuiltIn(element))),
                EntryKind::Pseudo => Kind::Pseudo,
                EntryKind::Range => Kind::Range,
                EntryKind::Multirange => Kind::Multirange,
            },
            Repr::Unknown(_) => Kind::Unknown,
        }
    }

    /// The type of an array's elements; `None` for what is no array.
    pub fn element(&self) -> Option<Self> {
        match self.kind() {
            Kind::Array(element) => Some(element),
            _ => None,
        }
    }

    /// The type of arrays of it; `None` where there is none among the built-in types.
    pub fn array(&self) -> Option<Self> {
        // Vectors (int2vector, oidvector) have elements too, and are no arrays of them.
        let is_it = |entry: &&&'static Entry| {
            let of_it = matches!(entry.kind, EntryKind::Array(element) if element.oid == self.oid().0);
            of_it && entry.name.starts_with('_')
        };
        table::ENTRIES.iter().find(is_it).map(|entry| Self(Repr::BuiltIn(entry)))
    }

    /// The format in which its values travel: binary, but for types that have no binary form, and those of which nothing is
    /// known. The elements of an array decide for the array.
    pub fn binary_format(&self) -> Format {
        let binary = match self.0 {
            Repr::BuiltIn(Entry { kind: EntryKind::Array(element), .. }) => element.binary,
            Repr::BuiltIn(entry) => entry.binary,
            Repr::Unknown(_) => false,
        };
        if binary { Format::Binary } else { Format::Text }
    }

    /// Whether its binary form is its text.
    pub(crate) fn is_text(&self) -> bool {
        [
            Self::TEXT,
            Self::VARCHAR,
            Self::BPCHAR,
            Self::NAME,
            Self::UNKNOWN,
            Self::CSTRING,
            Self::JSON,
            Self::XML,
            Self::REFCURSOR,
        ]
        .contains(self)
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        self.oid() == other.oid()
    }
}

impl Eq for Type {}

impl std::hash::Hash for Type {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.oid().hash(state);
    }
}

impl fmt::Display for Type {
    /// Its name, arrays as `int4[]`; the OID where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::BuiltIn(Entry { kind: EntryKind::Array(element), .. }) => write!(f, "{}[]", element.name),
            Repr::BuiltIn(entry) => f.write_str(entry.name),
            Repr::Unknown(oid) => write!(f, "type with OID {oid}"),
        }
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Type({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_table_is_found_by_its_oid() {
        let table = include_str!("../../pg_type.tsv");
        let mut seen = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<_> = line.split('\t').collect();
            let ty = Type::from_oid(Oid(fields[0].parse().unwrap()));
            assert_eq!(ty.name(), Some(fields[1]));
            let element = ty.element().map_or(0, |element| element.oid().0);
            assert_eq!(element.to_string(), fields[3]);
            if let Some(element) = ty.element().filter(|_| fields[1].starts_with('_')) {
                assert_eq!(element.array(), Some(ty), "of {element}");
            }
            seen += 1;
        }
        assert!(seen > 180, "{seen}");
    }

    #[test]
    fn types_without_a_binary_form_travel_as_text() {
        assert_eq!(Type::ACLITEM.binary_format(), Format::Text);
        assert_eq!(Type::ACLITEM_ARRAY.binary_format(), Format::Text);
        assert_eq!(Type::INT4_ARRAY.binary_format(), Format::Binary);
        assert_eq!(Type::from_oid(Oid(16_400)).binary_format(), Format::Text);
        assert_eq!(Type::from_oid(Oid(16_400)).to_string(), "type with OID 16400");
        assert_eq!(Type::INT4_ARRAY.to_string(), "int4[]");
    }
}
