//! What does not fit, with both types and the place named.

use std::borrow::Cow;
use std::fmt;

use crate::Type;

/// Why a value cannot become what it was asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// NULL, and the Rust type has no room for it.
    Null,
    /// The bytes are not what a value of this type looks like.
    Malformed(Cow<'static, str>),
    /// A value that the Rust type cannot hold.
    OutOfRange(Cow<'static, str>),
}

impl ValueError {
    /// The bytes are not what a value of this type looks like.
    #[cold]
    pub fn malformed(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(what.into())
    }

    /// A value that the Rust type cannot hold.
    #[cold]
    pub fn out_of_range(what: impl Into<Cow<'static, str>>) -> Self {
        Self::OutOfRange(what.into())
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Malformed(what) | Self::OutOfRange(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ValueError {}

/// A value of a row that does not fit its Rust type: which column, which types, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<DecodeFailure>);

#[derive(Clone, PartialEq, Eq)]
struct DecodeFailure {
    /// Counted from 0.
    index: usize,
    column: Option<Box<str>>,
    ty: Option<Type>,
    rust_type: &'static str,
    error: ValueError,
}

impl DecodeError {
    #[cold]
    pub(crate) fn new(
        index: usize,
        column: Option<&crate::Column>,
        rust_type: &'static str,
        error: ValueError,
    ) -> Self {
        let name = column.map(|column| column.name().into());
        let ty = column.map(|column| column.ty().clone());
        Self(Box::new(DecodeFailure { index, column: name, ty, rust_type, error }))
    }

    /// The column's index, counted from 0.
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// The column's name; `None` when the row has no such column.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }

    /// What is wrong with the value.
    pub fn value_error(&self) -> &ValueError {
        &self.0.error
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DecodeFailure { index, column, ty, rust_type, error } = &*self.0;
        write!(f, "column {}", index.saturating_add(1))?;
        if let Some(column) = column {
            write!(f, " {column:?}")?;
        }
        let rust_type = short_name(rust_type);
        match (error, ty) {
            (ValueError::Null, _) => {
                write!(f, " is NULL, which {rust_type} cannot hold; ask for Option<{rust_type}>")
            }
            (ValueError::Malformed(what), Some(ty)) => {
                write!(f, " ({ty}) could not be read as {rust_type}: {what}")
            }
            (ValueError::OutOfRange(what), Some(ty)) => {
                write!(f, " ({ty}) has a value that {rust_type} cannot hold: {what}")
            }
            (error, None) => write!(f, ": {error}"),
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodeError({self})")
    }
}

impl std::error::Error for DecodeError {}

/// A result whose columns do not fit what was asked for, known before its first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError(Box<PlanProblem>);

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanProblem {
    /// The Rust type cannot hold the column's type.
    Type {
        /// The column's index, counted from 0.
        index: usize,
        /// Its name.
        column: Box<str>,
        /// Its type.
        ty: Type,
        /// The Rust type.
        rust_type: &'static str,
    },
    /// The tuple has another number of fields than the result has columns.
    Count {
        /// Columns of the result.
        columns: usize,
        /// Fields of the tuple.
        fields: usize,
    },
    /// No column has the field's name.
    Missing {
        /// The field.
        field: &'static str,
        /// The columns that there are.
        columns: Box<str>,
    },
    /// Two columns have the field's name.
    Doubled {
        /// The field.
        field: &'static str,
    },
}

impl PlanError {
    #[cold]
    pub(crate) fn new(problem: PlanProblem) -> Self {
        Self(Box::new(problem))
    }

    /// What does not fit.
    pub fn problem(&self) -> &PlanProblem {
        &self.0
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem() {
            PlanProblem::Type { index, column, ty, rust_type } => {
                let (number, rust_type) = (index.saturating_add(1), short_name(rust_type));
                write!(f, "column {number} {column:?} is {ty}, which {rust_type} cannot hold")
            }
            PlanProblem::Count { columns: 0, fields } => {
                write!(f, "the statement returns no columns, and {fields} were asked for")
            }
            PlanProblem::Count { columns, fields } => {
                write!(f, "the result has {columns} columns, and {fields} were asked for")
            }
            PlanProblem::Missing { field, columns } => {
                write!(f, "the result has no column {field:?}; it has {columns}")
            }
            PlanProblem::Doubled { field } => {
                write!(f, "the result has two columns {field:?}; rename one with AS")
            }
        }
    }
}

impl std::error::Error for PlanError {}

/// Why a value cannot be written as a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Values of the Rust type cannot become values of the parameter's type.
    WrongType,
    /// This value cannot, others could.
    OutOfRange(Cow<'static, str>),
    /// The value, or it with those before it, is longer than PostgreSQL takes, whatever its type.
    TooLong(Cow<'static, str>),
}

impl EncodeError {
    /// This value cannot become one of the parameter's type.
    #[cold]
    pub fn out_of_range(what: impl Into<Cow<'static, str>>) -> Self {
        Self::OutOfRange(what.into())
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType => f.write_str("the types do not fit"),
            Self::OutOfRange(what) | Self::TooLong(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EncodeError {}

/// A parameter that does not fit its statement. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParamError {
    /// The statement takes another number of parameters.
    Count {
        /// What the statement takes.
        taken: usize,
        /// What was given.
        given: usize,
    },
    /// One parameter does not fit.
    Value {
        /// Its number: 1 for `$1`.
        number: usize,
        /// The type that the statement takes there.
        ty: Type,
        /// The Rust type that was given.
        rust_type: &'static str,
        /// Why it does not fit.
        error: EncodeError,
    },
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { taken, given } => {
                write!(f, "the statement takes {taken} parameters, and {given} were given")
            }
            Self::Value { number, ty, rust_type, error: EncodeError::WrongType } => {
                write!(f, "parameter ${number} is {ty}, which {} cannot become", short_name(rust_type))
            }
            Self::Value {
                number,
                ty,
                rust_type,
                error: EncodeError::OutOfRange(what) | EncodeError::TooLong(what),
            } => {
                write!(
                    f,
                    "parameter ${number} is {ty}, which this {} cannot become: {what}",
                    short_name(rust_type)
                )
            }
        }
    }
}

impl std::error::Error for ParamError {}

impl ParamError {
    /// Whether the parameters are too long, which no other types of the statement's would change.
    pub fn is_too_long(&self) -> bool {
        matches!(self, Self::Value { error: EncodeError::TooLong(_), .. })
    }
}

/// A record that cannot be written for a COPY: which row, which column, and why. The COPY was failed, and nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    row: u64,
    column: Option<Box<str>>,
    error: ParamError,
}

impl RecordError {
    /// The record number `row`, counted from 1, does not fit `columns` because of `error`.
    #[cold]
    pub fn new(row: u64, columns: &crate::Columns, error: ParamError) -> Self {
        let column = match &error {
            ParamError::Count { .. } => None,
            ParamError::Value { number, .. } => number.checked_sub(1).and_then(|index| columns.get(index)),
        };
        Self { row, column: column.map(|column| column.name().into()), error }
    }

    /// The record's number, counted from 1.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// The name of the column whose value does not fit; `None` when the record has another number of values than there are columns.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// What does not fit, with the columns counted as parameters.
    pub fn param_error(&self) -> &ParamError {
        &self.error
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, column, error } = self;
        match error {
            ParamError::Count { taken, given } => {
                write!(f, "row {row} has {given} values, and there are {taken} columns")
            }
            ParamError::Value { number, ty, rust_type, error } => {
                write!(f, "row {row}, column {number}")?;
                if let Some(column) = column {
                    write!(f, " {column:?}")?;
                }
                let rust_type = short_name(rust_type);
                match error {
                    EncodeError::WrongType => write!(f, " is {ty}, which {rust_type} cannot become"),
                    EncodeError::OutOfRange(what) | EncodeError::TooLong(what) => {
                        write!(f, " is {ty}, which this {rust_type} cannot become: {what}")
                    }
                }
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// A Rust type's name without the modules that it stands in: `Option<String>`.
pub(crate) fn short_name(full: &str) -> String {
    let mut short = String::new();
    let mut segment = String::new();
    for character in full.chars() {
        match character {
            ':' => segment.clear(),
            _ if character.is_alphanumeric() || character == '_' => segment.push(character),
            _ => {
                short.push_str(&std::mem::take(&mut segment));
                short.push(character);
            }
        }
    }
    short + &segment
}

#[cfg(test)]
mod tests {
    use super::short_name;

    #[test]
    fn a_name_loses_its_modules() {
        assert_eq!(short_name("core::option::Option<alloc::string::String>"), "Option<String>");
        assert_eq!(short_name("(i32, &[u8])"), "(i32, &[u8])");
    }
}
