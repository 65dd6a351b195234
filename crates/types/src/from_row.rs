//! Reading a whole row.

use std::borrow::Cow;

use crate::decode::check_column;
use crate::{
    Columns, Decode, DecodeError, Format, PlanError, PlanProblem, RowPlan, RowRef, Type, ValueError,
};

/// A Rust type that rows can become: a tuple, or a struct with `#[derive(FromRow)]`.
///
/// A tuple takes the columns in their order, and must have as many fields as the result has columns. A struct takes them by
/// name, and skips those that it has no field for.
///
/// ```
/// use cornac_types::{Column, Columns, Format, FromRow, RowRef, Type};
///
/// let columns: Columns = [Column::new("id", Type::INT4, Format::Binary)].into_iter().collect();
/// let row = RowRef::new(&columns, b"\0\0\0\x04\0\0\0\x07");
/// let plan = <(i32,)>::plan(&columns)?;
/// assert_eq!(<(i32,)>::from_row(row, &plan)?, (7,));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "rows cannot become `{Self}`",
    label = "this type does not implement `FromRow`",
    note = "derive `FromRow`; a row of one column becomes a tuple of one, `(T,)`, and a single value is asked for with `fetch_value`"
)]
pub trait FromRow<'r>: Sized {
    /// Settles, once for a result, which column becomes which field, and whether the types fit.
    ///
    /// # Errors
    ///
    /// What does not fit.
    fn plan(columns: &Columns) -> Result<RowPlan, PlanError>;

    /// Reads a row along the plan that was made for its result.
    ///
    /// # Errors
    ///
    /// When a value does not fit its field.
    fn from_row(row: RowRef<'r>, plan: &RowPlan) -> Result<Self, DecodeError>;
}

/// `None` where all of the columns that `T` takes are NULL, as those of a row that an outer join did not find are.
///
/// That they are missing is an error, as it is for `T` alone. A `T` that takes no columns at all is always there.
impl<'r, T: FromRow<'r>> FromRow<'r> for Option<T> {
    fn plan(columns: &Columns) -> Result<RowPlan, PlanError> {
        T::plan(columns)
    }

    fn from_row(row: RowRef<'r>, plan: &RowPlan) -> Result<Self, DecodeError> {
        let mut walk = row.walk();
        let mut nulls = false;
        for index in 0..row.columns().len() {
            if !plan.takes(index) {
                walk.skip()?;
                continue;
            }
            let Nothing(is_null) = walk.decode()?;
            if !is_null {
                return T::from_row(row, plan).map(Some);
            }
            nulls = true;
        }
        if nulls { Ok(None) } else { T::from_row(row, plan).map(Some) }
    }
}

/// Whether a value is NULL.
struct Nothing(bool);

impl<'r> Decode<'r> for Nothing {
    fn accepts(_ty: &Type, _format: Format) -> bool {
        true
    }

    fn from_binary(_ty: &Type, _value: &'r [u8]) -> Result<Self, ValueError> {
        Ok(Self(false))
    }

    fn from_text(_ty: &Type, _text: Cow<'r, str>) -> Result<Self, ValueError> {
        Ok(Self(false))
    }

    fn from_null() -> Result<Self, ValueError> {
        Ok(Self(true))
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<'r, $($name: Decode<'r>),+> FromRow<'r> for ($($name,)+) {
            fn plan(columns: &Columns) -> Result<RowPlan, PlanError> {
                let mut remaining = columns.iter().enumerate();
                let fields = [$(stringify!($name)),+].len();
                if columns.len() != fields {
                    return Err(PlanError::new(PlanProblem::Count { columns: columns.len(), fields }));
                }
                $(
                    if let Some((index, column)) = remaining.next() {
                        check_column::<$name>(index, column)?;
                    }
                )+
                Ok(RowPlan::in_order())
            }

            #[inline]
            fn from_row(row: RowRef<'r>, _plan: &RowPlan) -> Result<Self, DecodeError> {
                let mut walk = row.walk();
                Ok(($(walk.decode::<$name>()?,)+))
            }
        }
    )+};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
    A B C D E F G H I J K L M;
    A B C D E F G H I J K L M N;
    A B C D E F G H I J K L M N O;
    A B C D E F G H I J K L M N O P;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;
    use expect_test::{Expect, expect};

    fn columns() -> Columns {
        [("id", Type::INT4), ("name", Type::TEXT)]
            .into_iter()
            .map(|(name, ty)| Column::new(name, ty, Format::Binary))
            .collect()
    }

    fn check<T: for<'r> FromRow<'r> + std::fmt::Debug>(values: &[u8], expected: &Expect) {
        let columns = columns();
        let shown = match T::plan(&columns) {
            Err(error) => error.to_string(),
            Ok(plan) => match T::from_row(RowRef::new(&columns, values), &plan) {
                Err(error) => error.to_string(),
                Ok(row) => format!("{row:?}"),
            },
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn what_does_not_fit_names_column_and_types() {
        let row = b"\0\0\0\x04\0\0\0\x07\0\0\0\x04tusk";
        check::<(i64, String)>(row, &expect![[r#"(7, "tusk")"#]]);
        check::<(i32,)>(row, &expect!["the result has 2 columns, and 1 were asked for"]);
        check::<(String, String)>(row, &expect![[r#"column 1 "id" is int4, which String cannot hold"#]]);
        check::<(i32, Option<i64>)>(
            row,
            &expect![[r#"column 2 "name" is text, which Option<i64> cannot hold"#]],
        );
        check::<(i32, String)>(
            b"\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff",
            &expect![[r#"column 2 "name" is NULL, which String cannot hold; ask for Option<String>"#]],
        );
        check::<(i32, Option<String>)>(b"\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff", &expect!["(7, None)"]);
        check::<(i32, String)>(
            b"\0\0\0\x03\0\0\x07\xff\xff\xff\xff",
            &expect![[r#"column 1 "id" (int4) could not be read as i32: it has 3 bytes"#]],
        );
        check::<(i32, String)>(
            b"\0\0\0\x04\0\0\0\x07\0\0\0\x09tusk",
            &expect![[
                r#"column 2 "name" (text) could not be read as String: its length contradicts the bytes that are there"#
            ]],
        );
    }
}
