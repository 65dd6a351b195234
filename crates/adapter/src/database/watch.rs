//! What the outside sees of a statement: a span, and a line in the log if it was slow.

use std::time::Duration;

use cornac_conn::{Delivery, Error, ErrorKind, Host, Result, SqlState, StatementRef};
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing::{Span, field};

use super::Database;
use crate::meter::Timer;

/// Looks at one statement of a [`Database`].
pub(super) struct Watch<'d> {
    /// Disabled unless somebody wants to see it.
    pub(super) span: Span,
    began: Option<Instant>,
    timer: Timer<'d>,
}

impl Database {
    /// Begins to look at a statement. The span has the fields of OpenTelemetry's conventions for databases; parameters' values are never among them.
    #[inline]
    pub(super) fn watch(&self, statement: &StatementRef<'_>) -> Watch<'_> {
        let began = self.inner.settings.slow_statement.map(|_| Instant::now());
        let timer = self.meter().operation(|| operation(statement.sql()));
        Watch { span: self.span(statement), began, timer }
    }

    /// Counts and times an operation that is not one statement.
    pub(super) async fn measured<T>(
        &self,
        operation: &str,
        run: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let timer = self.meter().operation(|| operation);
        let outcome = run.await;
        timer.ended(outcome.as_ref().map(drop).map_err(Some));
        outcome
    }

    #[inline]
    fn span(&self, statement: &StatementRef<'_>) -> Span {
        // The macro looks at the same, but where anything has switched the feature "log" of tracing on, it makes all fields all the same, for log records of spans.
        if LevelFilter::current() < LevelFilter::DEBUG { Span::none() } else { self.watched_span(statement) }
    }

    fn watched_span(&self, statement: &StatementRef<'_>) -> Span {
        let host = || self.config().hosts().first();
        tracing::debug_span!(
            target: "cornac::statement",
            "statement",
            otel.kind = "client",
            otel.name = operation(statement.sql()),
            db.system.name = "postgresql",
            db.namespace = self.config().dbname_ref(),
            db.operation.name = operation(statement.sql()),
            db.query.text = statement.sql(),
            server.address = host().and_then(|host| host.host.as_ref()).map(address).unwrap_or_default(),
            server.port = host().map(|host| host.port),
            db.response.status_code = field::Empty,
            error.r#type = field::Empty,
        )
    }

    /// What the statement came to.
    #[inline]
    pub(super) fn watched<T>(
        &self,
        watch: Watch<'_>,
        statement: &StatementRef<'_>,
        outcome: Result<T>,
    ) -> Result<T> {
        if let Err(error) = &outcome {
            record(&watch.span, error);
        }
        if let (Some(began), Some(limit)) = (watch.began, self.inner.settings.slow_statement) {
            let took = began.elapsed();
            if took >= limit {
                warn_of_slow(statement.sql(), took, outcome.is_ok());
            }
        }
        watch.timer.ended(outcome.as_ref().map(drop).map_err(Some));
        outcome
    }
}

#[cold]
fn record(span: &Span, error: &Error) {
    if let Some(state) = error.sql_state() {
        span.record("db.response.status_code", state.as_str());
    }
    let state = error.sql_state();
    span.record("error.type", state.as_ref().map_or_else(|| error_kind(error), SqlState::as_str));
}

/// What kind of error it is that has no SQLSTATE.
pub(crate) fn error_kind(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Timeout { .. } => "timeout",
        ErrorKind::Checkout(_) => "checkout",
        _ if error.delivery() == Delivery::Unknown => "outcome unknown",
        _ => "client",
    }
}

#[cold]
fn warn_of_slow(sql: &str, took: Duration, succeeded: bool) {
    let how = if succeeded { "took" } else { "failed after" };
    tracing::warn!(target: "cornac::slow", "a statement {how} {took:?}: {sql}");
}

/// The first word of a statement, which is what it does in nearly all cases.
fn operation(sql: &str) -> &str {
    let sql = sql.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '(');
    let end = sql.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(sql.len());
    sql.get(..end).unwrap_or_default()
}

fn address(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(directory) => directory.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::operation;

    #[test]
    fn the_first_word_is_the_operation() {
        let cases = [
            ("SELECT 1", "SELECT"),
            ("  (select 1)", "select"),
            ("WITH x AS", "WITH"),
            ("", ""),
            ("-- a", ""),
        ];
        for (sql, word) in cases {
            assert_eq!(operation(sql), word, "{sql}");
        }
    }
}
