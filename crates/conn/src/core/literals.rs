//! A statement of mode simple: its SQL, with its parameters as literals in the places of `$1`, `$2`, ...

use std::ops::Range;

use cornac_types::{Encode, EncodeError, IsNull, ParamError, Params, Type, quote_identifier, quote_literal};

use super::lexer::{Placeholders, placeholders};

/// SQL that has no placeholders any more.
#[derive(Debug)]
pub(crate) struct Composed {
    sql: String,
    /// Where literals stand, and which placeholders they replace, in characters.
    replaced: Vec<(Range<usize>, Range<usize>)>,
}

/// Why a statement cannot go out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ComposeError {
    Parameter(ParamError),
    Usage(&'static str),
}

const SEVERAL: &str =
    "in mode simple one statement is sent at a time, and this text has several; simple_query takes them";
const HIDDEN: &str =
    "parameters of this Rust type show no values, so that they cannot become part of the SQL in mode simple";

impl Composed {
    /// Writes each parameter where it belongs: quoted, cast to its type and in parentheses, so that neither what stands in front of it
    /// nor what is in it can make it anything but one value.
    ///
    /// The type is the one in `declared`, or else the value's natural one, or none, as for a constant in quotes.
    pub(crate) fn new<P: Params>(
        sql: &str,
        declared: &[Type],
        params: &P,
        conforming: bool,
    ) -> Result<Self, ComposeError> {
        let Placeholders { places, several } = placeholders(sql, conforming);
        if several {
            return Err(ComposeError::Usage(SEVERAL));
        }
        let highest = places.iter().map(|(number, _)| *number).max().unwrap_or(0);
        let (taken, given) = (highest.max(declared.len()), params.count());
        if taken != given {
            return Err(ComposeError::Parameter(ParamError::Count { taken, given }));
        }
        let literals = literals(declared, params)?;
        if literals.len() != given {
            return Err(ComposeError::Usage(HIDDEN));
        }
        Ok(Self::join(sql, &places, &literals))
    }

    /// The SQL.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// Where in the caller's text the character of this number (from 1) stands; a literal stands where its placeholder does.
    pub(crate) fn original_position(&self, position: usize) -> usize {
        let mut original = position;
        for (literal, placeholder) in &self.replaced {
            if literal.end < position {
                let behind = position.saturating_sub(literal.end);
                original = placeholder.end.saturating_add(behind);
            } else if literal.start < position {
                return placeholder.start.saturating_add(1);
            }
        }
        original
    }

    fn join(sql: &str, places: &[(usize, Range<usize>)], literals: &[String]) -> Self {
        let mut composed = Self { sql: String::with_capacity(sql.len()), replaced: Vec::new() };
        let (mut copied, mut copied_chars, mut chars) = (0, 0, 0_usize);
        for (number, place) in places {
            let between = sql.get(copied..place.start).unwrap_or_default();
            let literal =
                number.checked_sub(1).and_then(|index| literals.get(index)).map_or("", String::as_str);
            let between_chars = between.chars().count();
            let (start, original) =
                (chars.saturating_add(between_chars), between_chars.saturating_add(copied_chars));
            chars = start.saturating_add(literal.chars().count());
            copied_chars = original.saturating_add(place.len());
            composed.sql.push_str(between);
            composed.sql.push_str(literal);
            composed.replaced.push((start..chars, original..copied_chars));
            copied = place.end;
        }
        composed.sql.push_str(sql.get(copied..).unwrap_or_default());
        composed
    }
}

fn literals<P: Params>(declared: &[Type], params: &P) -> Result<Vec<String>, ComposeError> {
    let mut literals = Vec::with_capacity(params.count());
    let mut refused = None;
    params.for_each(&mut |value| {
        let declared = declared.get(literals.len()).filter(|ty| ty.oid().0 != 0);
        let ty = declared.cloned().unwrap_or_else(|| value.natural_type());
        match literal(value, &ty) {
            Ok(literal) => literals.push(literal),
            Err(error) => {
                let number = literals.len().saturating_add(1);
                let rust_type = value.rust_type();
                refused.get_or_insert(ParamError::Value { number, ty, rust_type, error });
                literals.push(String::new());
            }
        }
    });
    match refused {
        Some(error) => Err(ComposeError::Parameter(error)),
        None => Ok(literals),
    }
}

fn literal(value: &dyn Encode, ty: &Type) -> Result<String, EncodeError> {
    let mut text = String::new();
    let constant = match value.encode_text(ty, &mut text)? {
        IsNull::Yes => "NULL".to_owned(),
        IsNull::No => quote_literal(&text).ok_or_else(|| {
            EncodeError::out_of_range("its text has a NUL, which no text of PostgreSQL's has")
        })?,
    };
    // Without a name, nothing is known of the type but its number, which no cast takes.
    let name = ty.name().filter(|_| *ty != Type::UNKNOWN).and_then(quote_identifier);
    let schema = ty.schema().and_then(quote_schema);
    Ok(match (schema, name) {
        (Some(schema), Some(name)) => format!("({constant}::{schema}.{name})"),
        _ => format!("({constant})"),
    })
}

/// The schema of the built-in types is known to need no quotes.
fn quote_schema(schema: &str) -> Option<String> {
    if schema == "pg_catalog" { Some(schema.to_owned()) } else { quote_identifier(schema) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose<P: Params>(sql: &str, declared: &[Type], params: P) -> Result<String, ComposeError> {
        Composed::new(sql, declared, &params, true).map(|composed| composed.sql)
    }

    #[test]
    fn each_value_is_quoted_cast_and_in_parentheses() {
        let composed = compose("SELECT -$1, $2, '$1', $2", &[], (-1, "it's \\ $1"));
        let expected = r#"SELECT -('-1'::pg_catalog."int4"), (E'it''s \\ $1'), '$1', (E'it''s \\ $1')"#;
        assert_eq!(composed.as_deref(), Ok(expected));
        let composed =
            compose("SELECT $1, $2", &[Type::CHAR, Type::INT2_ARRAY], (65_i8, vec![Some(1_i64), None]));
        let expected = r#"SELECT ('A'::pg_catalog."char"), ('{1,NULL}'::pg_catalog."_int2")"#;
        assert_eq!(composed.as_deref(), Ok(expected));
        let composed = compose("SELECT $1, $2", &[Type::INT8], (None::<i64>, None::<i64>));
        assert_eq!(composed.as_deref(), Ok(r#"SELECT (NULL::pg_catalog."int8"), (NULL)"#));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let count = |taken, given| Err(ComposeError::Parameter(ParamError::Count { taken, given }));
        assert_eq!(compose("SELECT $2", &[], (1,)), count(2, 1));
        assert_eq!(compose("SELECT '$1'", &[], (1,)), count(0, 1));
        assert_eq!(compose("SELECT 1", &[Type::INT4], ()), count(1, 0));
        assert_eq!(compose("SELECT 1; DROP TABLE t", &[], ()), Err(ComposeError::Usage(SEVERAL)));
        let Err(ComposeError::Parameter(error)) = compose("SELECT $1, $2", &[], ("a", "b\0")) else {
            panic!("no text has a NUL")
        };
        let expected = "parameter $2 is unknown, which this str cannot become: \
                        PostgreSQL's text has no NUL, and there is one at byte 1";
        assert_eq!(error.to_string(), expected);
        let Err(ComposeError::Parameter(error)) = compose("SELECT $1", &[Type::INT2], (70_000,)) else {
            panic!("it is too large")
        };
        assert_eq!(
            error.to_string(),
            "parameter $1 is int2, which this i32 cannot become: 70000 is out of its range"
        );
    }

    #[test]
    fn a_position_is_told_in_the_callers_text() {
        let sql = "SELECT é, $1, $2 FROM x";
        let composed = Composed::new(sql, &[], &("a long one", 7), true).unwrap();
        let position = |of: &str, text: &str| text.split_once(of).unwrap().0.chars().count() + 1;
        for part in ["SELECT", "é", ", $1", "FROM", "x"] {
            let there = part.replace("$1", "('a");
            assert_eq!(
                composed.original_position(position(&there, composed.sql())),
                position(part, sql),
                "{part}"
            );
        }
        let inside = position("long", composed.sql());
        assert_eq!(composed.original_position(inside), position("$1", sql));
        let inside = position("'7'", composed.sql());
        assert_eq!(composed.original_position(inside), position("$2", sql));
    }
}
