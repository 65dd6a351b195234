//! What to do about an error, where we know more of its cause than the server says.

use cornac_proto::SqlState;
use cornac_proto::message::ServerMessage;

use crate::statement_name::PREFIX;

const STATEMENT_LOST: &str = "the server process behind the connection is not the one that parsed this statement, or it was told to forget \
     it: behind a pooler in transaction mode set statement_mode to Unnamed";

/// What to do, in one sentence; `None` where the server's word is all there is.
pub(crate) fn advice_for(server: &ServerMessage) -> Option<&'static str> {
    let code = server.code()?;
    let about_names = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(&code);
    (about_names && server.message().contains(PREFIX)).then_some(STATEMENT_LOST)
}
