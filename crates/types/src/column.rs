//! What a result consists of.

use std::sync::Arc;

use crate::{Format, Kind, Type};

/// One column of a result: its name, its type, and the format in which its values come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: Box<str>,
    ty: Type,
    format: Format,
}

impl Column {
    /// A column. Its type is the one under all domains, as servers describe it.
    pub fn new(name: impl Into<Box<str>>, ty: Type, format: Format) -> Self {
        let ty = match ty.kind() {
            Kind::Domain(base) => base.base().clone(),
            _ => ty,
        };
        Self { name: name.into(), ty, format }
    }

    /// Its name, as the statement has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its type. A domain's is the type that it is made of.
    #[inline]
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// The format in which its values come.
    #[inline]
    pub fn format(&self) -> Format {
        self.format
    }
}

/// The columns of a result. Cheap to clone: all rows share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Arc<[Column]>);

impl Columns {
    /// The columns in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Column> {
        self.0.iter()
    }

    /// The columns in their order.
    pub fn as_slice(&self) -> &[Column] {
        &self.0
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, as of a statement that returns no rows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The column at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&Column> {
        self.0.get(index)
    }

    /// The index of the first column of this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.iter().position(|column| column.name() == name)
    }
}

impl Default for Columns {
    /// No columns.
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl FromIterator<Column> for Columns {
    fn from_iter<I: IntoIterator<Item = Column>>(columns: I) -> Self {
        Self(columns.into_iter().collect())
    }
}

impl<'c> IntoIterator for &'c Columns {
    type Item = &'c Column;
    type IntoIter = std::slice::Iter<'c, Column>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
