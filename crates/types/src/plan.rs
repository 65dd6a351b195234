//! What is settled once for a whole result.

use crate::decode::refusal;
use crate::{Column, Columns, Decode, Format, PlanError, PlanProblem, Type};

/// How the columns of a result become the fields of a Rust type: made once, when the description has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlan {
    /// For each column the field that takes it; `None` when columns and fields stand in the same order.
    slots: Option<Box<[usize]>>,
}

/// One field of a struct that rows become.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    rust_type: fn() -> &'static str,
    accepts: fn(&Type, Format) -> bool,
}

impl Field {
    /// A field of this name and type.
    pub const fn new<'r, T: Decode<'r>>(name: &'static str) -> Self {
        Self { name, rust_type: std::any::type_name::<T>, accepts: T::accepts }
    }
}

impl RowPlan {
    /// The slot of a column that no field takes.
    pub const SKIPPED: usize = usize::MAX;

    /// Columns and fields stand in the same order.
    #[inline]
    pub const fn in_order() -> Self {
        Self { slots: None }
    }

    /// Finds the column for each field by name. Columns that no field takes are skipped.
    ///
    /// # Errors
    ///
    /// When a field has no column, or two, or one whose type does not fit.
    pub fn by_name(columns: &Columns, fields: &[Field]) -> Result<Self, PlanError> {
        if Self::stand_in_order(columns, fields) {
            return Ok(Self::in_order());
        }
        let mut slots = vec![Self::SKIPPED; columns.len()];
        for (slot, field) in fields.iter().enumerate() {
            let mut matching = columns.iter().enumerate().filter(|(_, column)| column.name() == field.name);
            let Some((index, column)) = matching.next() else { return Err(missing(field, columns)) };
            if matching.next().is_some() {
                return Err(PlanError::new(PlanProblem::Doubled { field: field.name }));
            }
            if !(field.accepts)(column.ty(), column.format()) {
                return Err(refusal(index, column, (field.rust_type)()));
            }
            if let Some(place) = slots.get_mut(index) {
                if *place != Self::SKIPPED {
                    return Err(PlanError::new(PlanProblem::Doubled { field: field.name }));
                }
                *place = slot;
            }
        }
        let in_order = slots.iter().copied().eq(0..fields.len());
        Ok(Self { slots: (!in_order).then(|| slots.into()) })
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
        self.slots.as_deref()
    }
}

#[cold]
fn missing(field: &Field, columns: &Columns) -> PlanError {
    let names: Vec<_> = columns.iter().map(|column| format!("{:?}", column.name())).collect();
    let columns = if names.is_empty() { "none".into() } else { names.join(", ").into() };
    PlanError::new(PlanProblem::Missing { field: field.name, columns })
}
