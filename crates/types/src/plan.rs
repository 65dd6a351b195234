//! What is settled once for a whole result.

use crate::decode::refusal;
use crate::{Column, Columns, Decode, Format, PlanError, PlanProblem, Type};

/// How the columns of a result become the fields of a Rust type: made once, when the description has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlan(
    /// `None` when columns and fields stand in the same order.
    Option<Box<Mapped>>,
);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapped {
    /// For each column the field that takes it.
    slots: Box<[usize]>,
    /// The plans of the fields that are rows themselves, in the order of the fields.
    parts: Box<[RowPlan]>,
}

/// One field of a struct that rows become.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    rust_type: fn() -> &'static str,
    accepts: fn(&Type, Format) -> bool,
    optional: bool,
}

impl Field {
    /// A field of this name and type.
    pub const fn new<'r, T: Decode<'r>>(name: &'static str) -> Self {
        Self { name, rust_type: T::rust_type, accepts: T::accepts, optional: false }
    }

    /// A field that need not have a column.
    pub const fn optional<'r, T: Decode<'r>>(name: &'static str) -> Self {
        Self { optional: true, ..Self::new::<T>(name) }
    }
}

/// What makes the plan of a field that is a row itself: its [`FromRow::plan`](crate::FromRow::plan).
pub type PlanPart = fn(&Columns) -> Result<RowPlan, PlanError>;

impl RowPlan {
    /// The slot of a column that no field takes.
    pub const SKIPPED: usize = usize::MAX;

    /// Columns and fields stand in the same order.
    #[inline]
    pub const fn in_order() -> Self {
        Self(None)
    }

    /// Gives each field the column at its place.
    ///
    /// # Errors
    ///
    /// When there are more or fewer columns than fields, or the type of one does not fit.
    pub fn by_position(columns: &Columns, fields: &[Field]) -> Result<Self, PlanError> {
        if columns.len() != fields.len() {
            let (columns, fields) = (columns.len(), fields.len());
            return Err(PlanError::new(PlanProblem::Count { columns, fields }));
        }
        for (index, (column, field)) in columns.iter().zip(fields).enumerate() {
            field.check(index, column)?;
        }
        Ok(Self::in_order())
    }

    /// Finds the column for each field by name. Columns that no field takes are skipped.
    ///
    /// # Errors
    ///
    /// When a field has no column and is not optional, or has two, or one whose type does not fit.
    pub fn by_name(columns: &Columns, fields: &[Field]) -> Result<Self, PlanError> {
        if Self::stand_in_order(columns, fields) {
            return Ok(Self::in_order());
        }
        let slots = slots(columns, fields)?;
        let in_order = slots.iter().copied().eq(0..fields.len());
        Ok(Self((!in_order).then(|| Box::new(Mapped { slots, parts: Box::default() }))))
    }

    /// As [`by_name`](Self::by_name), for a struct with fields that are rows themselves: each of them makes its own plan of the same
    /// columns. A column may serve several of them.
    ///
    /// # Errors
    ///
    /// As [`by_name`](Self::by_name), and those of `parts`.
    pub fn with_parts(columns: &Columns, fields: &[Field], parts: &[PlanPart]) -> Result<Self, PlanError> {
        let slots = slots(columns, fields)?;
        let parts = parts.iter().map(|part| part(columns)).collect::<Result<_, _>>()?;
        Ok(Self(Some(Box::new(Mapped { slots, parts }))))
    }

    /// Whether each column is the field at its place: what most plans come to, without anything being made.
    fn stand_in_order(columns: &Columns, fields: &[Field]) -> bool {
        let fits = |(field, column): (&Field, &Column)| {
            field.name == column.name() && (field.accepts)(column.ty(), column.format())
        };
        let names_differ = || {
            let mut seen = fields.iter();
            std::iter::from_fn(move || seen.next().map(|field| (field.name, seen.as_slice())))
                .all(|(name, behind)| behind.iter().all(|other| other.name != name))
        };
        columns.len() == fields.len() && fields.iter().zip(columns).all(fits) && names_differ()
    }

    /// For each column the field that takes it, or [`SKIPPED`](Self::SKIPPED); `None` when they stand in the same order.
    #[inline]
    pub fn slots(&self) -> Option<&[usize]> {
        self.0.as_deref().map(|mapped| &*mapped.slots)
    }

    /// The plan of the field that is number `index`, counted from 0, of those that are rows themselves.
    pub fn part(&self, index: usize) -> Option<&Self> {
        self.0.as_deref()?.parts.get(index)
    }

    /// Whether the column at `index` is taken by any field.
    pub(crate) fn takes(&self, index: usize) -> bool {
        let Some(mapped) = self.0.as_deref() else { return true };
        mapped.slots.get(index).is_some_and(|&slot| slot != Self::SKIPPED)
            || mapped.parts.iter().any(|part| part.takes(index))
    }
}

impl Field {
    fn check(&self, index: usize, column: &Column) -> Result<(), PlanError> {
        if (self.accepts)(column.ty(), column.format()) {
            Ok(())
        } else {
            Err(refusal(index, column, (self.rust_type)()))
        }
    }
}

/// For each column the field that takes it.
fn slots(columns: &Columns, fields: &[Field]) -> Result<Box<[usize]>, PlanError> {
    let mut slots = vec![RowPlan::SKIPPED; columns.len()];
    for (slot, field) in fields.iter().enumerate() {
        let mut matching = columns.iter().enumerate().filter(|(_, column)| column.name() == field.name);
        let Some((index, column)) = matching.next() else {
            if field.optional {
                continue;
            }
            return Err(missing(field, columns));
        };
        if matching.next().is_some() {
            return Err(PlanError::new(PlanProblem::Doubled { field: field.name }));
        }
        field.check(index, column)?;
        if let Some(place) = slots.get_mut(index) {
            if *place != RowPlan::SKIPPED {
                return Err(PlanError::new(PlanProblem::Doubled { field: field.name }));
            }
            *place = slot;
        }
    }
    Ok(slots.into())
}

#[cold]
fn missing(field: &Field, columns: &Columns) -> PlanError {
    let names: Vec<_> = columns.iter().map(|column| format!("{:?}", column.name())).collect();
    let columns = if names.is_empty() { "none".into() } else { names.join(", ").into() };
    PlanError::new(PlanProblem::Missing { field: field.name, columns })
}
