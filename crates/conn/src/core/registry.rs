//! The types that a server defines, as the connections to one database have looked them up.

use std::collections::HashMap;

use cornac_types::{Attribute, Definition, Epochs, Kind, Oid, Type};

/// Types kept of one database. Beyond that, all are forgotten and learnt again as they are met.
const TYPES: usize = 16_384;

/// How deep types stand in one another at most. PostgreSQL itself lets none contain itself.
const DEPTH: usize = 64;

/// Types by their OIDs, as they are in one epoch.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    types: HashMap<Oid, Type>,
    epoch: u64,
}

/// A row of the catalogues about one type.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) oid: Oid,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_type.typtype`, with `a` for an array.
    pub(crate) sort: String,
    /// Whether it has send and receive functions.
    pub(crate) binary: bool,
    /// Of an array its element, of a domain its base type, of a range its subtype, of a multirange its range.
    pub(crate) part: Oid,
    /// The labels of an enum, or the names of a composite type's fields.
    pub(crate) names: Vec<String>,
    /// The types of the fields.
    pub(crate) types: Vec<Oid>,
}

impl Registry {
    /// It is this epoch: what was learnt in another is forgotten.
    pub(crate) fn begin(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.types.clear();
            self.epoch = epoch;
        }
    }

    /// The type, if it is known.
    pub(crate) fn get(&self, oid: Oid) -> Option<&Type> {
        self.types.get(&oid)
    }

    /// The type, if it was learnt in this epoch.
    pub(crate) fn get_in(&self, oid: Oid, epoch: u64) -> Option<&Type> {
        self.types.get(&oid).filter(|_| self.epoch == epoch)
    }

    /// Takes types in that were learnt in this epoch.
    pub(crate) fn insert(&mut self, types: &[Type], epoch: u64) {
        if self.epoch != epoch {
            return;
        }
        if self.types.len().saturating_add(types.len()) > TYPES {
            self.types.clear();
        }
        self.types.extend(types.iter().take(TYPES).map(|ty| (ty.oid(), ty.clone())));
    }
}

/// Makes types of what the catalogues say of them and of the types that they are made of.
pub(crate) fn assemble(described: &[Described], epochs: &Epochs, epoch: u64) -> Vec<Type> {
    let by_oid = described.iter().map(|described| (described.oid, described)).collect();
    let mut assembly = Assembly { by_oid, made: HashMap::new(), epochs, epoch };
    described.iter().map(|described| assembly.make(described.oid, 0)).filter(|ty| !ty.is_built_in()).collect()
}

struct Assembly<'d> {
    by_oid: HashMap<Oid, &'d Described>,
    made: HashMap<Oid, Type>,
    epochs: &'d Epochs,
    epoch: u64,
}

impl Assembly<'_> {
    /// The type of this OID, known by that alone where the catalogues did not speak of it.
    fn make(&mut self, oid: Oid, depth: usize) -> Type {
        let ty = Type::from_oid(oid);
        if !ty.has_unknown() {
            return ty;
        }
        if let Some(made) = self.made.get(&oid) {
            return made.clone();
        }
        let Some(&described) = self.by_oid.get(&oid).filter(|_| depth < DEPTH) else { return ty };
        // What is met again inside of itself stays unknown.
        self.made.insert(oid, ty);
        let kind = self.kind(described, depth.saturating_add(1));
        let (schema, name) = (described.schema.as_str().into(), described.name.as_str().into());
        let definition = Definition { oid, schema, name, kind, binary: described.binary };
        let made = Type::learnt_in(self.epochs, self.epoch, definition);
        self.made.insert(oid, made.clone());
        made
    }

    fn kind(&mut self, described: &Described, depth: usize) -> Kind {
        let names = || described.names.iter().map(|name| Box::from(name.as_str()));
        match described.sort.as_str() {
            "a" => Kind::Array(self.make(described.part, depth)),
            "d" => Kind::Domain(self.make(described.part, depth)),
            "r" => Kind::Range(self.make(described.part, depth)),
            "m" => Kind::Multirange(self.make(described.part, depth)),
            "e" => Kind::Enum(names().collect()),
            "c" => {
                let fields = names().zip(&described.types);
                Kind::Composite(
                    fields.map(|(name, &oid)| Attribute::new(name, self.make(oid, depth))).collect(),
                )
            }
            "p" => Kind::Pseudo,
            _ => Kind::Base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(oid: u32, name: &str, sort: &str, part: u32) -> Described {
        Described {
            oid: Oid(oid),
            schema: "public".to_owned(),
            name: name.to_owned(),
            sort: sort.to_owned(),
            binary: true,
            part: Oid(part),
            names: Vec::new(),
            types: Vec::new(),
        }
    }

    #[test]
    fn types_are_made_of_one_another_in_whatever_order_they_come() {
        let mut pair = described(20_001, "pair", "c", 0);
        pair.names = vec!["a".to_owned(), "b".to_owned()];
        pair.types = vec![Oid(23), Oid(20_002)];
        let rows = [described(20_000, "_pair", "a", 20_001), pair, described(20_002, "email", "d", 25)];
        let types = assemble(&rows, &Epochs::default(), 0);
        let element = types[0].element().unwrap();
        assert_eq!(element.fields()[1].ty().base(), &Type::TEXT);
        assert!(types.iter().all(|ty| !ty.has_unknown()));
        assert_eq!(types.len(), 3);
    }

    #[test]
    fn a_server_that_says_that_a_type_contains_itself_ends_nothing_but_that() {
        let mut node = described(20_001, "node", "c", 0);
        node.names = vec!["next".to_owned()];
        node.types = vec![Oid(20_001)];
        let ring = [described(20_002, "_ring", "a", 20_003), described(20_003, "x", "d", 20_002)];
        let rows: Vec<_> = ring.into_iter().chain([node]).collect();
        let types = assemble(&rows, &Epochs::default(), 0);
        assert_eq!(types.len(), 3);
        assert!(types.iter().all(Type::has_unknown));
        assert_eq!(
            assemble(&[described(23, "int4", "b", 0)], &Epochs::default(), 0),
            [],
            "what is built in is not learnt"
        );
    }
}
