//! The way of a statement that is parsed on its connection and travels alone, as most do.
//!
//! What is not like most is left to the general way (`execution.rs`), with what was sent and what has come as they are.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use cornac_proto::message::DataRow;
use cornac_types::Params;

use crate::connection::Connection;
use crate::error::Result;
use crate::execution::{Bound, Rows, Sent};
use crate::flight::Flight;
use crate::prepared::Prepared;
use crate::shape::{self, Shape};
use crate::statement::{StatementMode, StatementRef};

impl Connection {
    /// Runs a statement, and makes something of the one row that there may be.
    pub(crate) async fn fetch_at_most_one<S: Shape, P: Params>(
        &mut self,
        statement: StatementRef<'_>,
        params: P,
    ) -> Result<Option<S::Item>> {
        let mut sent = None;
        if let Some((mut flight, prepared)) = self.send_quickly(&statement, &params) {
            let read = |row: Option<DataRow<'_>>, _| shape::at_most_one::<S>(prepared.columns(), row);
            let width = prepared.columns().len();
            if let Some(answer) = poll_fn(|cx| flight.poll_answer(width, read, cx)).await {
                return answer.map_err(|error| error.with_statement(statement.sql()));
            }
            let manifest = flight.release();
            sent = Some(Sent { manifest, statement: prepared });
        }
        // Boxed, so that the futures of statements need no room for what few of them do.
        Box::pin(async { Rows::begin_with(self, statement, params, sent).await?.at_most_one::<S>().await })
            .await
    }

    /// Runs a statement, and says how many rows it affected or returned.
    pub(crate) async fn execute_to_end<P: Params>(
        &mut self,
        statement: StatementRef<'_>,
        params: P,
    ) -> Result<u64> {
        let mut sent = None;
        if let Some((mut flight, prepared)) = self.send_quickly(&statement, &params) {
            let width = prepared.columns().len();
            let answer = poll_fn(|cx| flight.poll_answer(width, |_, affected| affected, cx)).await;
            if let Some(affected) = answer {
                return Ok(affected);
            }
            let manifest = flight.release();
            sent = Some(Sent { manifest, statement: prepared });
        }
        Box::pin(async { Rows::begin_with(self, statement, params, sent).await?.finish().await }).await
    }

    /// Writes a statement that needs nothing but Bind, Execute and Sync, on a connection that is ready for it. `None`: it needs more, or
    /// cannot be written, and nothing was.
    #[inline]
    pub(crate) fn send_quickly<P: Params>(
        &mut self,
        statement: &StatementRef<'_>,
        params: &P,
    ) -> Option<(Flight<'_>, Prepared)> {
        let is_plain = statement.fetch_size() == 0
            && self.is_settled()
            && !self.transaction.is_pending()
            && !self.statements.names().has_retired()
            && self.statements.mode_of(statement) == StatementMode::Named;
        if !is_plain {
            return None;
        }
        let prepared = self.statements.find_parsed(statement).filter(Prepared::is_plain)?;
        self.start_deadline(statement.timeout());
        let mut flight = Flight::new(self);
        let description = prepared.description();
        let bound = Bound::new(params, &description.parameters);
        flight.session.run(prepared.head(), &bound, &description.result_formats, true).ok()?;
        Some((flight, prepared))
    }
}

impl Flight<'_> {
    /// Waits for the whole answer to a statement that was [sent quickly](Connection::send_quickly); `None` when what has come is not like
    /// most answers, or the connection is lost.
    #[inline]
    fn poll_answer<R>(
        &mut self,
        columns: usize,
        read: impl Fn(Option<DataRow<'_>>, u64) -> R,
        cx: &mut Context<'_>,
    ) -> Poll<Option<R>> {
        loop {
            if self.session.has_received() {
                let answer = self.session.take_answer(columns, true, &read);
                if answer.is_some() {
                    self.cancel_state.set_idle();
                }
                return Poll::Ready(answer);
            }
            if ready!(self.poll_receive(cx)).is_err() {
                return Poll::Ready(None);
            }
        }
    }

    /// Waits for the BindComplete of a statement that was [sent quickly](Connection::send_quickly), and takes it: true when it stands in
    /// front of all that has come.
    pub(crate) fn poll_bound(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if self.session.has_received() {
                return Poll::Ready(self.session.take_bind_complete());
            }
            if ready!(self.poll_receive(cx)).is_err() {
                return Poll::Ready(false);
            }
        }
    }
}
