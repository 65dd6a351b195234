//! Whether a server is of the kind that `target_session_attrs` asks for.

use super::error::ConnectFailure;
use crate::config::TargetSessionAttrs;
use crate::connection::Connection;

/// What a server is, as far as this goes.
struct Kind {
    in_recovery: bool,
    read_only: bool,
}

/// Checks a server that has let us in. Since PostgreSQL 14 it has reported all that is needed; older ones are asked.
///
/// See [target_session_attrs](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TARGET-SESSION-ATTRS).
pub(super) async fn check(
    connection: &mut Connection,
    wanted: TargetSessionAttrs,
) -> Result<(), ConnectFailure> {
    if wanted == TargetSessionAttrs::Any {
        return Ok(());
    }
    let Kind { in_recovery, read_only } = kind(connection).await?;
    let what = match wanted {
        TargetSessionAttrs::ReadWrite if read_only => "the session is read-only",
        TargetSessionAttrs::ReadOnly if !read_only => "the session is not read-only",
        TargetSessionAttrs::Primary if in_recovery => "the server is in hot standby mode",
        TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby if !in_recovery => {
            "the server is not in hot standby mode"
        }
        _ => return Ok(()),
    };
    Err(ConnectFailure::SessionAttributes { what, wanted: wanted.name() })
}

async fn kind(connection: &mut Connection) -> Result<Kind, ConnectFailure> {
    if let Some(kind) = reported(connection) {
        return Ok(kind);
    }
    let asked = ask(connection, "SELECT pg_catalog.pg_is_in_recovery()").await;
    let read_only = ask(connection, "SHOW transaction_read_only").await;
    match (asked, read_only) {
        (Ok(in_recovery), Ok(read_only)) => Ok(Kind { in_recovery, read_only }),
        (Err(error), _) | (_, Err(error)) => Err(ConnectFailure::SessionQuery(Box::new(error))),
    }
}

/// What the server reported when it let us in. Not part of the async function: a future that lends its connection out across an await
/// could not be spawned.
fn reported(connection: &Connection) -> Option<Kind> {
    let is_on = |name| connection.parameter(name).map(|value| value == "on");
    let (in_recovery, default_read_only) =
        (is_on("in_hot_standby")?, is_on("default_transaction_read_only")?);
    Some(Kind { in_recovery, read_only: in_recovery || default_read_only })
}

/// The answer to a question of one truth value, which servers write as `t` or `on`.
async fn ask(connection: &mut Connection, question: &str) -> crate::Result<bool> {
    let results = connection.simple_query(question).await?;
    let row = results.first().and_then(|result| result.rows.first());
    let answer = row.map(|row| row.get::<String>(0)).transpose()?;
    Ok(answer.is_some_and(|answer| answer == "t" || answer == "on"))
}
