//! The connection: what it is made of, and how its bytes move.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use cornac_proto::SqlState;
use cornac_proto::handshake::{CancelKey, Established};
use cornac_proto::message::{
    Backend, BackendTag, DataRow, ProtocolVersion, ServerMessage, TransactionStatus,
};
use cornac_proto::session::{CloseReason, Closed, Session};
use tokio::time::timeout;

use crate::cancel::{CancelState, CancelToken, Cancelling};
use crate::connect::Route;
use crate::core::effects;
use crate::core::statements::Statements;
use crate::deadline::{Deadline, Overdue};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::mailbox::{Mail, Mailboxes, NoticeHandler, Notification};
use crate::statement::StatementMode;
use crate::stream::Stream;
use crate::transaction::TransactionState;

/// How long the replies to an abandoned request may take to come before it is cancelled at the server, unless the connection is told otherwise. They
/// then have [`GRACE`](crate::deadline::GRACE) before the connection is given up.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the server's last words are waited for when nothing can be written to it any more.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection to a server, owned and exclusive.
///
/// Its verbs are those of [`Client`](crate::Client). They move their bytes in the caller's own task: nothing
/// happens on a connection while nobody awaits one of its futures, so that notices and notifications are seen
/// when the connection is next used.
///
/// # Cancel safety
///
/// Every future of a connection may be dropped at any moment. A request of which no byte was sent never runs.
/// One that was sent runs on at the server, unseen; its replies are read before the next use, which therefore
/// waits for it; after 5 seconds it cancels it at the server, and 5 seconds later gives the connection up. One that was written in part is completed if the
/// socket takes the rest at once; otherwise the connection is closed. The next answer is always the next request's own.
///
/// # Panics
///
/// None of its own. tokio panics when a connection is used outside of a runtime with I/O and time enabled.
#[derive(Debug)]
pub struct Connection {
    pub(crate) stream: Stream,
    pub(crate) session: Session,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) statements: Statements,
    cancel_key: Option<CancelKey>,
    version: ProtocolVersion,
    /// How the server was reached; `None` over a transport of the caller's.
    route: Option<Arc<Route>>,
    pub(crate) cancel_state: Arc<CancelState>,
    /// The connection's own request to cancel, which goes on while replies are awaited.
    cancelling: Option<Cancelling>,
    pub(crate) manners: Manners,
    /// What [`restore`](Self::restore) goes back to.
    pub(crate) kept: Manners,
    pub(crate) manners_changed: bool,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) transaction: TransactionState,
    /// Why nothing can be written any more, and how long what can still be read is waited for.
    write_failed: Option<(io::Error, Deadline)>,
}

/// How a connection behaves, as its owner has set it.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    statement_timeout: Option<Duration>,
    drain_timeout: Duration,
    /// How statements travel that do not say it themselves.
    pub(crate) mode: StatementMode,
    notice_handler: Option<NoticeHandler>,
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        established: Established,
        mailboxes: Mailboxes,
        mut statements: Statements,
    ) -> Self {
        let Established { session, cancel_key, version, .. } = established;
        for (name, value) in session.parameters().iter() {
            statements.handle_report(name.as_bytes(), value);
        }
        let manners = Manners {
            statement_timeout: None,
            drain_timeout: DRAIN_TIMEOUT,
            mode: statements.mode(),
            notice_handler: None,
        };
        Self {
            stream,
            session,
            mailboxes,
            statements,
            cancel_key,
            version,
            route: None,
            cancel_state: Arc::default(),
            cancelling: None,
            kept: manners.clone(),
            manners,
            manners_changed: false,
            deadline: None,
            transaction: TransactionState::default(),
            write_failed: None,
        }
    }

    pub(crate) fn set_route(&mut self, route: Route) {
        self.route = Some(Arc::new(route));
    }

    /// What cancels the connection's statements, from anywhere.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken::new(self.cancel_key.clone(), self.route.clone(), Arc::clone(&self.cancel_state))
    }

    /// How long each statement may take from now on, from its first byte to its last reply; `None`: as long as it takes.
    ///
    /// A statement that takes longer is cancelled at the server, and fails with [`ErrorKind::Timeout`](crate::ErrorKind::Timeout);
    /// the connection works on. If the server does not answer within 5 s after that, the connection is closed.
    pub fn set_statement_timeout(&mut self, timeout: Option<Duration>) {
        self.change_manners().statement_timeout = timeout;
    }

    fn change_manners(&mut self) -> &mut Manners {
        self.manners_changed = true;
        &mut self.manners
    }

    /// How long each statement may take that does not say it itself.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        self.manners.statement_timeout
    }

    /// How long the replies to an abandoned request may take to come before it is cancelled at the server; `None`: 5 s, as from the beginning.
    pub fn set_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.change_manners().drain_timeout = timeout.unwrap_or(DRAIN_TIMEOUT);
    }

    /// What is done with notices and warnings from now on, as soon as they are read, instead of keeping them for
    /// [`take_notices`](Self::take_notices); `None` keeps them. The handler runs in the task that uses the connection, and must not
    /// block.
    pub fn set_notice_handler(&mut self, handler: Option<NoticeHandler>) {
        self.change_manners().notice_handler = handler;
    }

    /// How statements travel from now on that do not say it themselves: as the configuration has it until then.
    pub fn set_statement_mode(&mut self, mode: StatementMode) {
        self.change_manners().mode = mode;
        self.statements.set_mode(mode);
    }

    /// A statement begins: its time runs, for as long as it says itself, or else as the connection says.
    pub(crate) fn start_deadline(&mut self, own: Option<Duration>) {
        self.deadline = own.or(self.manners.statement_timeout).map(Deadline::new);
    }

    /// What a server's refusal means: its own word, or that we had it cancelled because its time was over.
    pub(crate) fn refusal(&self, server: ServerMessage) -> Error {
        let passed = self.deadline.as_ref().and_then(Deadline::passed);
        match passed.filter(|_| server.code() == Some(SqlState::QUERY_CANCELED)) {
            Some(limit) => Error::new(ErrorKind::Timeout { limit, server }, Delivery::Answered),
            None => Error::server_refused(server),
        }
    }

    /// Whether what is sent and received is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.stream.is_tls()
    }

    /// Says goodbye (Terminate) and closes the socket, waiting at most 2 seconds for the server to take it.
    ///
    /// # Errors
    ///
    /// When the goodbye could not be delivered, or the connection was closed already. The socket is closed all the same.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed without waiting.
    pub async fn close(mut self) -> Result<()> {
        self.disconnect().await
    }

    /// As [`close`](Self::close), for a connection that others can still reach: every later use of it fails.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// As [`close`](Self::close).
    pub async fn disconnect(&mut self) -> Result<()> {
        if let Some(closed) = self.session.closed() {
            return Err(Error::already_closed(closed.clone()));
        }
        self.session.terminate();
        let goodbye = poll_fn(|cx| {
            ready!(self.poll_write(cx))?;
            self.stream.poll_shutdown(cx)
        });
        let said = timeout(CLOSE_TIMEOUT, goodbye).await;
        self.stream.close();
        said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Error::io)
    }

    /// What the last ReadyForQuery said: idle, in a transaction, or in a failed one.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.session.transaction_status()
    }

    /// A setting that the server reports, as of the last message read: `server_version`, `TimeZone`, `DateStyle`,
    /// `application_name`, `in_hot_standby`, ... `None` for one that it does not report.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.session.parameters().get(name)
    }

    /// All settings that the server reports.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.session.parameters().iter()
    }

    /// The process id of the backend, as `pg_backend_pid()` gives it; `None` from poolers that tell none.
    pub fn process_id(&self) -> Option<i32> {
        self.cancel_key.as_ref().map(CancelKey::process_id)
    }

    /// The protocol version that is spoken.
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.version
    }

    /// Whether the connection is closed, as far as it knows: every use fails from then on, and says why.
    pub fn is_closed(&self) -> bool {
        self.session.closed().is_some()
    }

    /// Whether another user could take the connection over as it is: open, nothing unanswered, no transaction, and no
    /// request to cancel on the way.
    pub fn is_idle(&self) -> bool {
        // A transaction that was leaked before its first statement would begin with the next one.
        self.session.is_idle() && self.cancel_state.is_quiet() && !self.transaction.is_pending()
    }

    /// The notices and warnings that have come since the last call, at most the newest 1,024.
    pub fn take_notices(&mut self) -> Mail<ServerMessage> {
        self.mailboxes.notices.take()
    }

    /// The notifications that have come since the last call, at most the newest 1,024.
    pub fn take_notifications(&mut self) -> Mail<Notification> {
        self.mailboxes.notifications.take()
    }

    /// Makes the connection ready for a new request: open, with the replies to abandoned ones out of the way, and with no request
    /// to cancel under way that could hit the new one.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.deadline = None;
        if self.is_settled() {
            return Ok(());
        }
        // Boxed, so that the futures of statements need no room for what happens seldom.
        Box::pin(self.settle_slowly()).await
    }

    /// Whether the connection is ready for a new request as it is.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.session.is_idle_or_in_transaction() && self.cancel_state.is_quiet()
    }

    async fn settle_slowly(&mut self) -> Result<()> {
        if let Some(closed) = self.session.closed() {
            return Err(Error::already_closed(closed.clone()));
        }
        self.deadline = Some(Deadline::new(self.manners.drain_timeout));
        let drained = self.drain().await;
        self.deadline = None;
        if self.transaction_status() != TransactionStatus::Idle {
            // What was given up had its BEGIN with it.
            self.pending_begin_has_run();
        }
        drained
    }

    async fn drain(&mut self) -> Result<()> {
        self.session.discard_replies();
        while !self.session.is_settled() {
            if self.session.is_postscript_next() {
                poll_fn(|cx| self.poll_postscript(cx)).await.map_err(Error::already_closed)?;
                continue;
            }
            if self.session.takes_copy_data() {
                self.refuse_copy_in()?;
            } else if self.session.has_open_segment() {
                self.end_leaked_segment().map_err(Error::command)?;
            }
            self.wait_for_message().await.map_err(Error::already_closed)?;
            if let Some(Backend::CommandComplete(complete)) =
                self.poll_message().map_err(Error::already_closed)?
            {
                let aftermath = effects::of_abandoned_command(complete.tag().as_bytes());
                self.apply(aftermath);
            }
        }
        let state = Arc::clone(&self.cancel_state);
        let mut over = pin!(state.wait_until_over());
        poll_fn(|cx| {
            self.poll_cancelling(cx);
            if over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.poll_deadline(cx).map(Err)
        })
        .await
        .map_err(Error::already_closed)?;
        if self.cancel_state.is_spoilt() {
            let reason =
                "a request to cancel was sent, and nobody saw its end: it could hit any statement".to_owned();
            return Err(Error::already_closed(self.give_up(CloseReason::Abandoned(reason))));
        }
        Ok(())
    }

    /// Refuses the data that a COPY FROM STDIN waits for. In an extended query a new Sync follows: the one that was
    /// written with the statement was swallowed by the COPY.
    pub(crate) fn refuse_copy_in(&mut self) -> Result<()> {
        let simple = self.session.is_simple_query();
        self.session.copy_fail("the client sends no data for this COPY").map_err(Error::command)?;
        if simple { Ok(()) } else { self.session.sync().map_err(Error::command) }
    }

    /// Waits until a message is at the front that the caller asked for, and says which. What the server says of its
    /// own accord is put aside.
    pub(crate) async fn wait_for_message(&mut self) -> Result<BackendTag, Closed> {
        poll_fn(|cx| self.poll_wait_for_message(cx)).await
    }

    /// As [`wait_for_message`](Self::wait_for_message).
    pub(crate) fn poll_wait_for_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<BackendTag, Closed>> {
        loop {
            match ready!(self.poll_wait(cx))? {
                BackendTag::NoticeResponse
                | BackendTag::NotificationResponse
                | BackendTag::ParameterStatus => {
                    self.put_aside()?;
                }
                tag => return Poll::Ready(Ok(tag)),
            }
        }
    }

    /// The message that [`wait_for_message`](Self::wait_for_message) saw. When it ends the session, the socket is closed.
    pub(crate) fn poll_message(&mut self) -> Result<Option<Backend<'_>>, Closed> {
        let Self { session, stream, cancel_state, statements, transaction, .. } = self;
        if matches!(session.peek_tag(), Ok(Some(BackendTag::ReadyForQuery))) {
            if let Some(Backend::ReadyForQuery(status)) =
                session.poll_message().inspect_err(|_| stream.close())?
            {
                if session.is_settled() {
                    cancel_state.set_idle();
                }
                if status == TransactionStatus::Idle {
                    statements.handle_idle();
                }
                return Ok(Some(Backend::ReadyForQuery(status)));
            }
        }
        let message = session.poll_message().inspect_err(|_| stream.close())?;
        if let Some(Backend::ErrorResponse(refusal)) = &message {
            transaction.handle_refusal(refusal);
        }
        Ok(message)
    }

    /// Takes the end of a statement, and the ReadyForQuery behind it, if they have come and are like most.
    #[inline]
    pub(crate) fn take_end(&mut self) -> Option<u64> {
        let affected = self.session.take_end(true)?;
        if self.session.is_settled() {
            self.cancel_state.set_idle();
        }
        Some(affected)
    }

    /// The row that [`wait_for_message`](Self::wait_for_message) saw. When it ends the session, the socket is closed.
    #[inline]
    pub(crate) fn poll_row(&mut self, columns: usize) -> Result<Option<DataRow<'_>>, Closed> {
        let Self { session, stream, .. } = self;
        session.poll_row(columns).inspect_err(|_| stream.close())
    }

    /// The data of a COPY that [`wait_for_message`](Self::wait_for_message) saw. When it ends the session, the socket is closed.
    pub(crate) fn poll_copy_data(&mut self) -> Result<Option<&[u8]>, Closed> {
        let Self { session, stream, .. } = self;
        session.poll_copy_data().inspect_err(|_| stream.close())
    }

    pub(crate) fn put_aside(&mut self) -> Result<(), Closed> {
        let Self { session, stream, mailboxes, manners, statements, .. } = self;
        match session.poll_message().inspect_err(|_| stream.close())? {
            Some(Backend::NoticeResponse(notice)) => {
                let notice = ServerMessage::from(notice);
                tracing::debug!(target: "cornac::notice", "{notice}");
                match &manners.notice_handler {
                    Some(handler) => handler.handle(&notice),
                    None => mailboxes.notices.put(notice),
                }
            }
            Some(Backend::NotificationResponse(notification)) => {
                mailboxes.notifications.put(notification.into());
            }
            Some(Backend::ParameterStatus(report)) => {
                statements.handle_report(report.name().as_bytes(), &report.value().to_lossy());
            }
            _ => {}
        }
        Ok(())
    }

    /// The tag of the next message, under the deadline of the statement.
    pub(crate) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<BackendTag, Closed>> {
        self.poll_cancelling(cx);
        match self.poll_peek(cx) {
            Poll::Ready(tag) => Poll::Ready(tag),
            Poll::Pending => self.poll_deadline(cx).map(Err),
        }
    }

    /// Ready when something has come, or the connection is lost: under the deadline of the statement.
    #[inline]
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.poll_cancelling(cx);
        match self.poll_exchange(cx) {
            Poll::Ready(received) => Poll::Ready(received),
            Poll::Pending if self.deadline.is_none() => Poll::Pending,
            Poll::Pending => self.poll_deadline(cx).map(Err),
        }
    }

    /// Ready when the deadline and the grace behind it have passed, with the connection closed.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            let Some(deadline) = &mut self.deadline else { return Poll::Pending };
            match ready!(deadline.poll(cx)) {
                Overdue::Cancel => {
                    if !self.session.is_settled() && self.cancelling.is_none() {
                        self.cancelling = Some(Cancelling::new(self.cancel_token()));
                    }
                    self.poll_cancelling(cx);
                }
                Overdue::GiveUp => {
                    let reason =
                        "the server did not answer in time, nor after a request to cancel".to_owned();
                    return Poll::Ready(self.give_up(CloseReason::Abandoned(reason)));
                }
            }
        }
    }

    #[inline]
    fn poll_cancelling(&mut self, cx: &mut Context<'_>) {
        if self.cancelling.is_some() {
            self.poll_request_to_cancel(cx);
        }
    }

    #[cold]
    fn poll_request_to_cancel(&mut self, cx: &mut Context<'_>) {
        let Some(cancelling) = &mut self.cancelling else { return };
        if let Poll::Ready(cancelled) = cancelling.poll(cx) {
            self.cancelling = None;
            if let Err(error) = cancelled {
                tracing::warn!(target: "cornac::connection", "a statement that took too long could not be cancelled: {error}");
            }
        }
    }

    pub(crate) fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<Result<BackendTag, Closed>> {
        loop {
            match self.session.peek_tag() {
                Ok(Some(tag)) if self.session.is_postscript_next() => {
                    self.take_postscript(tag)?;
                    continue;
                }
                Ok(Some(tag)) => return Poll::Ready(Ok(tag)),
                Ok(None) => {}
                Err(closed) => {
                    self.stream.close();
                    return Poll::Ready(Err(closed));
                }
            }
            if let Err(closed) = ready!(self.poll_exchange(cx)) {
                return Poll::Ready(Err(closed));
            }
        }
    }

    /// Writes what is unsent and reads what there is; ready when something was read. Both directions go on at once,
    /// so that two full socket buffers cannot wait for each other.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        // A server that closes says why first. So a failed write is not the end: what can still be read is read.
        if self.write_failed.is_none() {
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                self.write_failed = Some((error, Deadline::new(LAST_WORDS_TIMEOUT)));
            }
        }
        match self.stream.poll_read(cx, self.session.receive_room()) {
            Poll::Ready(Ok(count)) if count > 0 => {
                self.session.handle_received(count);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Err(self.handle_eof())),
            // Over TLS: the server closed without close_notify, as one that was killed does. The protocol's own
            // framing tells whether anything is missing.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Err(self.handle_eof()))
            }
            Poll::Ready(Err(error)) => {
                let failed = self.write_failed.take();
                Poll::Ready(Err(self.give_up_io(&failed.map_or(error, |(first, _)| first))))
            }
            Poll::Pending => {
                // What is in the socket may not have been noticed yet: the runtime looks only while we wait.
                let Some((_, patience)) = &mut self.write_failed else { return Poll::Pending };
                ready!(patience.poll(cx));
                self.write_failed
                    .take()
                    .map_or(Poll::Pending, |(error, _)| Poll::Ready(Err(self.give_up_io(&error))))
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.transaction.is_tracked() {
            self.write_postscript();
        }
        while self.session.has_unsent() {
            match ready!(self.stream.poll_write(cx, self.session.unsent()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.session.handle_sent(count),
            }
        }
        self.stream.poll_flush(cx)
    }

    /// Writes as much of what is unsent as the socket takes without waiting. The rest goes with the next use.
    pub(crate) fn write_at_once(&mut self, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            self.give_up_io(&error);
        }
    }

    /// Closes the socket, for `reason` unless there was one already.
    pub(crate) fn give_up(&mut self, reason: CloseReason) -> Closed {
        self.stream.close();
        self.session.abandon(reason)
    }

    fn handle_eof(&mut self) -> Closed {
        self.stream.close();
        self.session.handle_eof()
    }

    fn give_up_io(&mut self, error: &io::Error) -> Closed {
        let reason = format!("the connection to the server was lost: {error}");
        self.give_up(CloseReason::Abandoned(reason))
    }
}

impl Drop for Connection {
    /// Says goodbye if the socket takes it at once, so that the server does not log a lost connection.
    fn drop(&mut self) {
        if self.is_closed() || self.session.has_unsent() {
            return;
        }
        self.session.terminate();
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(Err(error)) = self.poll_write(&mut cx) {
            tracing::debug!(target: "cornac::connection", "the server did not take Terminate: {error}");
        }
    }
}
