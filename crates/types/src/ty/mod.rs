//! PostgreSQL's types.

mod epochs;
mod kind;
mod table;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use crate::{Format, Oid};

pub use epochs::Epochs;
pub use kind::{Attribute, Kind};

/// A type of PostgreSQL's: one that is built in, one that a server has defined, or one of which only the OID is known.
///
/// The constants have the names of `pg_type`, arrays with `_ARRAY` behind those of their elements. Two types are equal when
/// their OIDs are.
///
/// ```
/// use cornac_types::{Definition, Format, Kind, Oid, Type};
///
/// let labels = ["sad", "happy"].map(Box::from).into();
/// let mood = Type::new(Definition {
///     oid: Oid(16_400),
///     schema: "public".into(),
///     name: "mood".into(),
///     kind: Kind::Enum(labels),
///     binary: true,
/// });
/// assert_eq!(mood.to_string(), "mood");
/// assert_eq!(mood.labels().len(), 2);
/// assert_eq!(mood.binary_format(), Format::Binary);
/// ```
#[derive(Clone)]
pub struct Type(Repr);

#[derive(Clone)]
enum Repr {
    BuiltIn(&'static Entry),
    Learnt(Arc<Learnt>),
    Unknown(Oid),
}

/// A row of the table of built-in types.
struct Entry {
    oid: u32,
    name: &'static str,
    kind: Kind,
    /// Whether it, and what it is made of, has a binary form.
    binary: bool,
}

/// What a server says of a type that is not built in.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its OID.
    pub oid: Oid,
    /// The schema that it stands in.
    pub schema: Box<str>,
    /// Its name in `pg_type`.
    pub name: Box<str>,
    /// What sort of type it is, and what it is made of.
    pub kind: Kind,
    /// Whether it has send and receive functions of its own.
    pub binary: bool,
}

/// Types of extensions whose binary form is known here.
const EXTENSION_TYPES: [&str; 9] =
    ["citext", "cube", "halfvec", "hstore", "lquery", "ltree", "ltxtquery", "sparsevec", "vector"];

/// A definition, and what follows from it and from those of its parts: worked out once, since a type may be made of another many times
/// over.
struct Learnt {
    definition: Definition,
    has_unknown: bool,
    fingerprint: u64,
    /// When it was learnt.
    epoch: Option<(Epochs, u64)>,
}

impl Deref for Learnt {
    type Target = Definition;

    fn deref(&self) -> &Definition {
        &self.definition
    }
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

    /// A type as a server has defined it.
    pub fn new(definition: Definition) -> Self {
        Self::learnt(definition, None)
    }

    /// A type as a server has defined it, in an epoch that ends when a value contradicts the definition.
    #[doc(hidden)]
    pub fn learnt_in(epochs: &Epochs, epoch: u64, definition: Definition) -> Self {
        Self::learnt(definition, Some((epochs.clone(), epoch)))
    }

    fn learnt(mut definition: Definition, epoch: Option<(Epochs, u64)>) -> Self {
        let Definition { oid, name, kind, .. } = &definition;
        let mut hasher = DefaultHasher::new();
        (oid, name).hash(&mut hasher);
        kind.hash_definition(&mut hasher);
        let fingerprint = hasher.finish();
        let has_unknown = kind.parts().any(Self::has_unknown);
        // A type of an extension's that nobody here can read comes as text, which everybody can.
        definition.binary &= match definition.kind {
            Kind::Base => EXTENSION_TYPES.contains(&&*definition.name),
            _ => definition.kind.is_binary(),
        };
        Self(Repr::Learnt(Arc::new(Learnt { definition, has_unknown, fingerprint, epoch })))
    }

    /// Its OID.
    #[inline]
    pub fn oid(&self) -> Oid {
        match &self.0 {
            Repr::BuiltIn(entry) => Oid(entry.oid),
            Repr::Learnt(definition) => definition.oid,
            Repr::Unknown(oid) => *oid,
        }
    }

    /// Its name in `pg_type`; `None` when only the OID is known.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Repr::BuiltIn(entry) => Some(entry.name),
            Repr::Learnt(definition) => Some(&definition.name),
            Repr::Unknown(_) => None,
        }
    }

    /// The schema that it stands in; `None` when only the OID is known.
    pub fn schema(&self) -> Option<&str> {
        match &self.0 {
            Repr::BuiltIn(_) => Some("pg_catalog"),
            Repr::Learnt(definition) => Some(&definition.schema),
            Repr::Unknown(_) => None,
        }
    }

    /// What sort of type it is.
    #[inline]
    pub fn kind(&self) -> &Kind {
        static UNKNOWN: Kind = Kind::Unknown;
        match &self.0 {
            Repr::BuiltIn(entry) => &entry.kind,
            Repr::Learnt(definition) => &definition.kind,
            Repr::Unknown(_) => &UNKNOWN,
        }
    }

    /// The type of an array's elements; `None` for what is no array.
    #[inline]
    pub fn element(&self) -> Option<&Self> {
        match self.kind() {
            Kind::Array(element) => Some(element),
            _ => None,
        }
    }

    /// The type of a range's bounds, also where there are many ranges; `None` for what is none.
    pub fn subtype(&self) -> Option<&Self> {
        match self.kind() {
            Kind::Range(subtype) => Some(subtype),
            Kind::Multirange(range) => range.subtype(),
            _ => None,
        }
    }

    /// The type under all domains: itself for what is no domain.
    #[inline]
    pub fn base(&self) -> &Self {
        match &self.0 {
            Repr::Learnt(definition) => match &definition.kind {
                Kind::Domain(base) => base.base(),
                _ => self,
            },
            _ => self,
        }
    }

    /// The labels of an enum, in their order; none for what is no enum.
    pub fn labels(&self) -> &[Box<str>] {
        match self.kind() {
            Kind::Enum(labels) => labels,
            _ => &[],
        }
    }

    /// The fields of a composite type, in their order; none for what is no such type.
    pub fn fields(&self) -> &[Attribute] {
        match self.kind() {
            Kind::Composite(fields) => fields,
            _ => &[],
        }
    }

    /// The type of arrays of it; `None` where there is none among the built-in types.
    pub fn array(&self) -> Option<Self> {
        // Vectors (int2vector, oidvector) have elements too, and are no arrays of them.
        let is_it = |entry: &&&'static Entry| {
            let of_it = matches!(&entry.kind, Kind::Array(element) if element == self);
            of_it && entry.name.starts_with('_')
        };
        table::ENTRIES.iter().find(is_it).map(|entry| Self(Repr::BuiltIn(entry)))
    }

    /// The type of ranges of it; `None` where there is none among the built-in types.
    pub fn range(&self) -> Option<Self> {
        Self::find(|kind| matches!(kind, Kind::Range(subtype) if subtype == self))
    }

    /// The type of multiranges of this range; `None` where there is none among the built-in types.
    pub fn multirange(&self) -> Option<Self> {
        Self::find(|kind| matches!(kind, Kind::Multirange(range) if range == self))
    }

    fn find(is_it: impl Fn(&Kind) -> bool) -> Option<Self> {
        let found = table::ENTRIES.iter().find(|entry| is_it(&entry.kind));
        found.map(|entry| Self(Repr::BuiltIn(entry)))
    }

    /// The format in which its values travel: binary, but for types that have no binary form, or are made of one that has none, and
    /// for those of which nothing is known.
    #[inline]
    pub fn binary_format(&self) -> Format {
        let binary = match &self.0 {
            Repr::BuiltIn(entry) => entry.binary,
            Repr::Learnt(definition) => definition.binary,
            Repr::Unknown(_) => false,
        };
        if binary { Format::Binary } else { Format::Text }
    }

    /// Whether its binary form is its text.
    pub(crate) fn is_text(&self) -> bool {
        let ty = self.base();
        if let Repr::Learnt(definition) = &ty.0 {
            return match definition.kind {
                Kind::Enum(_) => true,
                Kind::Base => &*definition.name == "citext",
                _ => false,
            };
        }
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
        .contains(ty)
    }

    /// Whether `other` is not only the same type, but also defined in the same way: a type can change, and keeps its OID.
    #[doc(hidden)]
    pub fn is_defined_as(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Learnt(one), Repr::Learnt(other)) => {
                one.oid == other.oid && one.fingerprint == other.fingerprint
            }
            (Repr::BuiltIn(_), Repr::BuiltIn(_)) | (Repr::Unknown(_), Repr::Unknown(_)) => self == other,
            _ => false,
        }
    }

    /// Whether nothing is known of it, or of a type that it is made of, but the OID.
    #[doc(hidden)]
    pub fn has_unknown(&self) -> bool {
        match &self.0 {
            Repr::BuiltIn(_) => false,
            Repr::Learnt(definition) => definition.has_unknown,
            Repr::Unknown(_) => true,
        }
    }

    /// A number for the definition: another where that is another, of the type or of what it is made of.
    fn fingerprint(&self) -> u64 {
        match &self.0 {
            Repr::Learnt(definition) => definition.fingerprint,
            Repr::BuiltIn(_) | Repr::Unknown(_) => u64::from(self.oid().0),
        }
    }

    /// A value is not what the definition says, or a Rust type wants another one: the type may have been altered since it was learnt.
    #[doc(hidden)]
    pub fn contradicted(&self) {
        if let Repr::Learnt(learnt) = &self.0 {
            if let Some((epochs, epoch)) = &learnt.epoch {
                epochs.end(*epoch);
            }
        }
    }

    /// Whether it means the same to every server.
    #[doc(hidden)]
    pub fn is_built_in(&self) -> bool {
        matches!(self.0, Repr::BuiltIn(_))
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        self.oid() == other.oid()
    }
}

impl Eq for Type {}

impl Hash for Type {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.oid().hash(state);
    }
}

impl fmt::Display for Type {
    /// Its name, arrays as `int4[]`; the OID where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), self.name()) {
            // A vector has elements too, and a name of its own.
            (Kind::Array(element), Some(name)) if name.starts_with('_') => write!(f, "{element}[]"),
            (_, Some(name)) => f.write_str(name),
            (_, None) => write!(f, "type with OID {}", self.oid()),
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
            let part = ty.kind().parts().next().map_or(0, |part| part.oid().0);
            assert_eq!(part.to_string(), fields[3]);
            if let Some(element) = ty.element().filter(|_| fields[1].starts_with('_')) {
                assert_eq!(element.array().as_ref(), Some(&ty), "of {element}");
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

    fn defined(oid: u32, name: &str, kind: Kind) -> Type {
        Type::new(Definition {
            oid: Oid(oid),
            schema: "public".into(),
            name: name.into(),
            kind,
            binary: true,
        })
    }

    #[test]
    fn what_is_made_of_a_type_without_a_binary_form_has_none() {
        let field = |name: &str, ty| Attribute::new(name, ty);
        let fine = defined(1, "fine", Kind::Composite([field("a", Type::INT4)].into()));
        let domain = defined(2, "acl", Kind::Domain(Type::ACLITEM));
        let pair = [field("a", fine.clone()), field("b", domain.clone())];
        let text = defined(3, "pair", Kind::Composite(pair.into()));
        let array = defined(4, "_pair", Kind::Array(text.clone()));
        assert_eq!(fine.binary_format(), Format::Binary);
        for ty in [&domain, &text, &array] {
            assert_eq!(ty.binary_format(), Format::Text, "{ty}");
        }
        assert_eq!(array.to_string(), "pair[]");
        assert_eq!(domain.base(), &Type::ACLITEM);
        assert!(!array.has_unknown());
        assert!(defined(5, "_x", Kind::Array(Type::from_oid(Oid(70_000)))).has_unknown());
    }

    #[test]
    fn a_type_that_was_altered_is_the_same_and_not_as_it_was() {
        let labels = |labels: &[&str]| Kind::Enum(labels.iter().copied().map(Box::from).collect());
        let before = defined(1, "mood", labels(&["sad"]));
        let after = defined(1, "mood", labels(&["sad", "happy"]));
        let (of_before, of_after) = (
            defined(2, "_mood", Kind::Array(before.clone())),
            defined(2, "_mood", Kind::Array(after.clone())),
        );
        assert_eq!(before, after);
        assert!(!before.is_defined_as(&after));
        assert!(before.is_defined_as(&defined(1, "mood", labels(&["sad"]))));
        assert!(!of_before.is_defined_as(&of_after));
        assert!(!before.is_defined_as(&Type::from_oid(Oid(1))));
    }

    #[test]
    fn an_epoch_ends_once_however_often_it_is_contradicted() {
        let epochs = Epochs::default();
        let definition = Definition {
            oid: Oid(1),
            schema: "public".into(),
            name: "pair".into(),
            kind: Kind::Composite([].into()),
            binary: true,
        };
        let ty = Type::learnt_in(&epochs, epochs.now(), definition);
        ty.contradicted();
        ty.contradicted();
        Type::INT4.contradicted();
        assert_eq!(epochs.now(), 1);
    }

    #[test]
    fn the_parts_of_built_in_types_are_known() {
        assert_eq!(Type::INT4RANGE.subtype(), Some(&Type::INT4));
        assert_eq!(Type::TSTZMULTIRANGE.subtype(), Some(&Type::TIMESTAMPTZ));
        assert_eq!(*Type::DATEMULTIRANGE.kind(), Kind::Multirange(Type::DATERANGE));
        assert_eq!(Type::INT2VECTOR.element(), Some(&Type::INT2));
        assert_eq!(Type::INT2VECTOR.to_string(), "int2vector");
        assert_eq!(Type::TEXT.subtype(), None);
        assert_eq!(Type::GTSVECTOR_ARRAY.binary_format(), Format::Text);
    }
}
