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
}

/// Whether the failure is about what we remembered, and came before anything of the statement ran. Then, and only then, it may be
/// sent again.
///
/// A function that the statement calls can raise any of these errors too, after any side effect; so an error counts only while
/// ParseComplete or BindComplete is awaited, and only from where the server itself raises it.
pub(crate) fn what_is_stale(error: &ServerMessage, stage: Stage) -> Option<Stale> {
    if error.context().is_some() {
        return None;
    }
    let code = error.code()?;
    match stage {
        // A pooler that keeps track of statements says so without naming a routine.
        Stage::Bind if code == SqlState::INVALID_SQL_STATEMENT_NAME => {
            matches!(error.routine(), None | Some("FetchPreparedStatement")).then_some(Stale::Name)
        }
        Stage::Bind => {
            let raised = code == SqlState::FEATURE_NOT_SUPPORTED;
            (raised && error.routine() == Some("RevalidateCachedQuery")).then_some(Stale::Description)
        }
        // Types that have gone, or with which the statement cannot be read any more: class 42.
        Stage::Parse => code.as_str().starts_with("42").then_some(Stale::Description),
        Stage::Prelude | Stage::Execute => None,
    }
}
