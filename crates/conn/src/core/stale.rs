//! Which failures mean that what was remembered of a statement is no longer true.

use cornac_proto::SqlState;
use cornac_proto::message::ServerMessage;

/// How far the server had come with a statement when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Something in front of it failed: the BEGIN that travelled with it. The statement was not looked at.
    Prelude,
    /// ParseComplete was awaited.
    Parse,
    /// BindComplete was awaited.
    Bind,
    /// The statement ran.
    Execute,
}

/// What was remembered, and is no longer true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// The server does not have the statement under that name. What is known of it may still be true.
    Name,
    /// The types of its parameters, or the columns of its result, are not what they were.
    Description,
    /// The server could not read a parameter: perhaps only because it is of another type by now.
    Parameters,
    /// A type is gone, or no longer made of what it was.
    Types,
}

/// Whether the failure is about what we remembered, and came before anything of the statement ran. Then, and only then, it may be
/// sent again.
///
/// A function that the statement calls can raise any of these errors too, after any side effect; so an error counts only while
/// ParseComplete or BindComplete is awaited, and only from where the server itself raises it.
pub(crate) fn what_is_stale(error: &ServerMessage, stage: Stage) -> Option<Stale> {
    let code = error.code()?;
    if let Some(context) = error.context() {
        // A record or an array says which types it is made of, and the server compares.
        let stale = if code == SqlState::DATATYPE_MISMATCH { Stale::Types } else { Stale::Parameters };
        return (stage == Stage::Bind && is_of_parameter(context)).then_some(stale);
    }
    if matches!(stage, Stage::Parse | Stage::Bind) && is_of_type(error, code) {
        return Some(Stale::Types);
    }
    match stage {
        // A pooler that keeps track of statements says so without naming a routine.
        Stage::Bind if code == SqlState::INVALID_SQL_STATEMENT_NAME => {
            matches!(error.routine(), None | Some("FetchPreparedStatement")).then_some(Stale::Name)
        }
        // Another number of columns than formats were chosen for is found when all else of the Bind is done.
        Stage::Bind => {
            let raised = match error.routine() {
                Some("RevalidateCachedQuery") => code == SqlState::FEATURE_NOT_SUPPORTED,
                Some("PortalSetResultFormat") => code == SqlState::PROTOCOL_VIOLATION,
                // The statement was read anew, and does not go with its parameters' types any more. Who reads it points into it.
                _ => code.as_str().starts_with("42") && error.position().is_some(),
            };
            raised.then_some(Stale::Description)
        }
        // Types that have gone, or with which the statement cannot be read any more: class 42.
        Stage::Parse => code.as_str().starts_with("42").then_some(Stale::Description),
        Stage::Prelude | Stage::Execute => None,
    }
}

/// Whether an error says that there is no type of some OID. Such messages are not translated.
fn is_of_type(error: &ServerMessage, code: SqlState) -> bool {
    let message = error.message();
    code == SqlState::INTERNAL_ERROR && message.starts_with("cache lookup failed for type ")
        || code == SqlState::UNDEFINED_OBJECT && error.routine() == Some("lookup_type_cache")
}

/// Whether an error was raised while a parameter was read, and by nothing that this called: `unnamed portal parameter $1 = '...'`, in
/// any language, on a line of its own.
fn is_of_parameter(context: &str) -> bool {
    let Some((_, number)) = context.split_once(" $") else { return false };
    let behind = number.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let is_numbered = behind.len() < number.len();
    is_numbered && (behind.is_empty() || behind.starts_with(" = ")) && !context.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reading_of_a_parameter_itself_counts() {
        for context in ["unnamed portal parameter $1", "unbenanntes Portal, Parameter $12 = '...'"] {
            assert!(is_of_parameter(context), "{context}");
        }
        for context in [
            "PL/pgSQL function checked(integer) line 3 at RAISE",
            "PL/pgSQL function checked(integer) line 3 at RAISE\nunnamed portal parameter $1",
            "SQL function \"f\" during startup",
            "PL/pgSQL function $1() line 1 at RAISE",
            "costs $",
            "",
        ] {
            assert!(!is_of_parameter(context), "{context}");
        }
    }
}
