//! One session after the handshake.

mod answer;
mod copy;
mod ledger;
mod parameters;
mod postscript;
mod queue;
mod run;
mod segment;

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use crate::buffer::{ReceiveBuffer, SendBuffer};
use crate::cursor::{self, Cursor};
use crate::error::{Awaited, EncodeError, Violation};
use crate::frame::{Frame, Limits, Phase};
use crate::message::{
    self, Backend, BackendTag, BindParameters, DataRow, FormatCode, ServerMessage, Target, TransactionStatus,
};

use ledger::{Ledger, LedgerMark, Output, Owed, is_asynchronous};
pub use parameters::Parameters;
pub use queue::{ExecutionQueue, UnnamedParse};
pub use segment::Segment;

/// One session after the handshake: what was asked, and what the server therefore still owes.
///
/// The owner moves bytes; this type decides. Its methods come in four kinds:
///
/// - commands ([`query`](Self::query), [`bind`](Self::bind), [`sync`](Self::sync), ...): write a request into the
///   send buffer *and* enter the replies it will cause into the ledger, in one step that cannot be interrupted.
///   A command that fails has done neither;
/// - [`receive_room`](Self::receive_room), [`handle_received`](Self::handle_received), [`handle_bytes`](Self::handle_bytes), [`handle_sent`](Self::handle_sent),
///   [`handle_eof`](Self::handle_eof): what happened on the socket;
/// - [`poll_message`](Self::poll_message): the next message, once the ledger has found it to be due;
/// - getters ([`unsent`](Self::unsent), [`transaction_status`](Self::transaction_status),
///   [`is_idle`](Self::is_idle), ...), which change nothing.
///
/// A reply that nothing asked for, or that contradicts its layout, closes the session: from then on every
/// command and every poll gives the same [`Closed`].
#[must_use = "a session that is dropped has not said Terminate"]
pub struct Session {
    send: SendBuffer,
    receive: ReceiveBuffer,
    ledger: Ledger,
    status: TransactionStatus,
    parameters: Parameters,
    limits: Limits,
    closed: Option<Closed>,
    /// Where in the stream of bytes the last CopyDone or CopyFail begins.
    copy_in_end: u64,
    /// The rows and COPY data that answer requests before this are thrown away.
    unwanted: LedgerMark,
    /// The CopyData message that can still grow.
    copy_data: copy::LastCopyData,
    /// Where in the stream of bytes the last postscript begins.
    postscript: u64,
}

/// Why a session takes no more requests. Cheap to clone: every later error carries it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Closed(Arc<CloseReason>);

impl Closed {
    /// What ended the session.
    pub fn reason(&self) -> &CloseReason {
        &self.0
    }
}

impl From<CloseReason> for Closed {
    fn from(reason: CloseReason) -> Self {
        Self(Arc::new(reason))
    }
}

/// What ended a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The server said why before it closed.
    #[error("{0}")]
    Fatal(ServerMessage),
    /// The server broke the protocol.
    #[error("{0}")]
    Violation(Violation),
    /// The server closed the connection without a word.
    #[error("the server closed the connection unexpectedly{}", reading(*.0))]
    Eof(Option<BackendTag>),
    /// [`Session::terminate`] was called.
    #[error("the connection was closed by its owner")]
    Terminated,
    /// The owner gave the connection up: its socket failed, or a request was abandoned half-written.
    #[error("{0}")]
    Abandoned(String),
}

fn reading(partial: Option<BackendTag>) -> String {
    partial.map(|tag| format!(" in the middle of {tag}")).unwrap_or_default()
}

/// Why a command was not taken. Nothing of it was written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The request does not fit into a message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The session is over.
    #[error("the connection is closed: {0}")]
    Closed(#[from] Closed),
    /// `CopyData`, `CopyDone` or `CopyFail` while the server takes no COPY data: it never asked, or its error has come.
    #[error("the server does not take COPY data now")]
    NotCopyIn,
    /// Another request while the server takes COPY data: it would end the session. End the COPY first.
    #[error("the server takes COPY data now, and nothing else before CopyDone or CopyFail")]
    CopyIn,
}

/// Where a session's requests stood at a moment, to take back what came behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    position: u64,
    ledger: LedgerMark,
}

/// How far the requests behind a [`Checkpoint`] have got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No byte of them was sent, or there are none.
    Unsent,
    /// Some bytes were sent, so the others must follow, or the socket is lost.
    PartlySent,
    /// All was sent.
    Sent,
}

impl Session {
    /// A session as a server leaves it behind its first ReadyForQuery.
    pub(crate) fn new(
        receive: ReceiveBuffer,
        parameters: Parameters,
        status: TransactionStatus,
        limits: Limits,
    ) -> Self {
        Self {
            send: SendBuffer::default(),
            receive,
            ledger: Ledger::default(),
            status,
            parameters,
            limits,
            closed: None,
            copy_in_end: 0,
            unwanted: LedgerMark::default(),
            copy_data: copy::LastCopyData::default(),
            postscript: 0,
        }
    }

    // Commands.

    /// Query: one string of any number of statements, without parameters, with results in text.
    ///
    /// # Errors
    ///
    /// As every command: [`CommandError`], and nothing was written.
    pub fn query(&mut self, sql: &str) -> Result<(), CommandError> {
        self.request(Owed::Query(Output::Awaited), |out| message::query(out, sql))
    }

    /// Parse: prepares `sql` as `statement` (empty: the unnamed one). A type of 0 is left to the server.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn parse(&mut self, statement: &str, sql: &str, parameter_types: &[u32]) -> Result<(), CommandError> {
        self.request(Owed::Parse, |out| message::parse(out, statement, sql, parameter_types))
    }

    /// Bind: makes `portal` out of `statement` and its parameters.
    ///
    /// # Errors
    ///
    /// As every command, and those of encoding a parameter.
    pub fn bind<P: BindParameters>(
        &mut self,
        portal: &str,
        statement: &str,
        parameters: &P,
        result_formats: &[FormatCode],
    ) -> Result<(), P::Error>
    where
        P::Error: From<CommandError>,
    {
        self.request(Owed::Bind, |out| message::bind(out, portal, statement, parameters, result_formats))
    }

    /// Describe: asks for the parameters and columns of a statement, or the columns of a portal.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn describe(&mut self, target: Target<'_>) -> Result<(), CommandError> {
        let parameters = matches!(target, Target::Statement(_));
        self.request(Owed::Describe { parameters }, |out| message::describe(out, target))
    }

    /// Execute: runs `portal` for at most `max_rows` rows; 0 means all.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn execute(&mut self, portal: &str, max_rows: u32) -> Result<(), CommandError> {
        self.request(Owed::Execute(Output::Awaited), |out| message::execute(out, portal, max_rows))
    }

    /// Close: forgets a statement or a portal; one that does not exist is no error.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn close(&mut self, target: Target<'_>) -> Result<(), CommandError> {
        self.request(Owed::Close, |out| message::close(out, target))
    }

    /// Sync: ends a segment of extended-query requests, and with it an implicit transaction.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn sync(&mut self) -> Result<(), CommandError> {
        self.request(Owed::Sync { ends_skipping: false }, |out| {
            message::sync(out);
            Ok::<_, EncodeError>(())
        })
    }

    /// Flush: the server sends what it has; it owes nothing for it.
    ///
    /// # Errors
    ///
    /// [`CommandError::Closed`].
    pub fn flush(&mut self) -> Result<(), CommandError> {
        self.check_open()?;
        message::flush(self.send.tail());
        Ok(())
    }

    /// FunctionCall: the deprecated way to call a function by its OID.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn function_call<P: BindParameters>(
        &mut self,
        function: u32,
        arguments: &P,
        result_format: FormatCode,
    ) -> Result<(), P::Error>
    where
        P::Error: From<CommandError>,
    {
        self.request(Owed::FunctionCall { answered: false }, |out| {
            message::function_call(out, function, arguments, result_format)
        })
    }

    /// CopyData, while [`takes_copy_data`](Self::takes_copy_data).
    ///
    /// # Errors
    ///
    /// As every command, and [`CommandError::NotCopyIn`].
    pub fn copy_data(&mut self, data: &[u8]) -> Result<(), CommandError> {
        self.check_copy_in()?;
        Ok(message::copy_data(self.send.tail(), data)?)
    }

    /// CopyDone: all data was written. In an extended query a Sync must follow.
    ///
    /// # Errors
    ///
    /// As [`copy_data`](Self::copy_data).
    pub fn copy_done(&mut self) -> Result<(), CommandError> {
        self.check_copy_in()?;
        let position = self.send.position_written();
        message::copy_done(self.send.tail());
        self.end_copy_in(position);
        Ok(())
    }

    /// CopyFail: the server shall fail the COPY, with `reason` in its error. In an extended query a Sync must follow.
    ///
    /// # Errors
    ///
    /// As [`copy_data`](Self::copy_data).
    pub fn copy_fail(&mut self, reason: &str) -> Result<(), CommandError> {
        self.check_copy_in()?;
        let position = self.send.position_written();
        message::copy_fail(self.send.tail(), reason)?;
        self.end_copy_in(position);
        Ok(())
    }

    /// Terminate: says goodbye. The session is over, but for what is still [`unsent`](Self::unsent).
    pub fn terminate(&mut self) {
        if self.closed.is_none() {
            message::terminate(self.send.tail());
            self.closed = Some(CloseReason::Terminated.into());
        }
    }

    /// Gives the session up for a reason of the owner's, unless it is over already; the first reason stays.
    pub fn abandon(&mut self, reason: CloseReason) -> Closed {
        close(&mut self.closed, reason)
    }

    /// Where the requests stand, to [`take_back`](Self::take_back) later ones.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { position: self.send.position_written(), ledger: self.ledger.mark() }
    }

    /// Takes the requests behind `checkpoint` out of the send buffer and the ledger, if no byte of them was sent.
    /// They will never run. Otherwise nothing changes; the answer says how far they have got.
    pub fn take_back(&mut self, checkpoint: Checkpoint) -> Progress {
        let progress = self.progress(checkpoint);
        if progress == Progress::Unsent {
            self.send.truncate(checkpoint.position);
            self.ledger.truncate(checkpoint.ledger);
            self.unwanted = self.unwanted.min(checkpoint.ledger);
            self.copy_data.forget_behind(checkpoint.position);
            if self.copy_in_end >= checkpoint.position {
                self.copy_in_end = 0;
                self.ledger.resume_copy_in();
            }
        }
        progress
    }

    /// Nobody wants the rows and the COPY data that answer what was asked so far: they are thrown away as they come, without being
    /// given out, and without memory for more of a message than its end. All other replies are given out as ever.
    pub fn discard_replies(&mut self) {
        self.unwanted = self.ledger.mark();
    }

    // What happened on the socket.

    /// Room to read into, of sensible size; [`handle_received`](Self::handle_received) says how much of it was filled.
    #[inline]
    pub fn receive_room(&mut self) -> &mut [u8] {
        self.receive.room()
    }

    /// The first `count` bytes of [`receive_room`](Self::receive_room) were filled.
    #[inline]
    pub fn handle_received(&mut self, count: usize) {
        self.receive.handle_received(count);
    }

    /// Takes bytes that came, however they were split.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.receive.append(bytes);
    }

    /// `count` bytes of [`unsent`](Self::unsent) were sent.
    pub fn handle_sent(&mut self, count: usize) {
        self.send.handle_sent(count);
    }

    /// The server closed its side. Messages that have come as a whole are still to be polled first.
    pub fn handle_eof(&mut self) -> Closed {
        let reason = match self.receive.last_words() {
            Some(fatal) => CloseReason::Fatal(fatal),
            None => CloseReason::Eof(self.receive.partial()),
        };
        close(&mut self.closed, reason)
    }

    // Polls.

    /// Which message [`poll_message`](Self::poll_message) would give, so that a loop can read until it gives one.
    ///
    /// # Errors
    ///
    /// [`Closed`], as `poll_message`.
    pub fn peek_tag(&mut self) -> Result<Option<BackendTag>, Closed> {
        self.discard()?;
        self.receive
            .peek_tag(&self.limits, Phase::Authenticated)
            .map_err(|violation| close(&mut self.closed, CloseReason::Violation(violation)))
    }

    /// Takes the row at the front, which [`row`](Self::row) then gives, if one has come that [`poll_row`](Self::poll_row) would give: a quick
    /// look, which finds nothing else out.
    #[inline]
    pub fn advance_row(&mut self, columns: usize) -> bool {
        let Self { receive, ledger, limits, closed, unwanted, .. } = self;
        if closed.is_some() || ledger.is_before(*unwanted) {
            return false;
        }
        let Some(output) = ledger.output_of_rows() else { return false };
        if !receive.advance_row(limits, columns) {
            return false;
        }
        *output = Output::Rows;
        true
    }

    /// The row that [`advance_row`](Self::advance_row) has taken, until something is received.
    #[inline]
    pub fn row(&self) -> DataRow<'_> {
        self.receive.row()
    }

    /// The next message, or `None` when more bytes are needed.
    ///
    /// The ledger has found it to be due, and it has had its effect: the transaction status and the reported
    /// parameters are those behind it. Notices, notifications and parameter reports come between any two others.
    ///
    /// # Errors
    ///
    /// [`Closed`] when the session is over: the server said so (a FATAL error is given only here), or what
    /// came breaks the protocol.
    pub fn poll_message(&mut self) -> Result<Option<Backend<'_>>, Closed> {
        match self.peek_tag()? {
            None => return Ok(None),
            Some(BackendTag::ReadyForQuery) => return self.poll_ready().map(Some),
            Some(_) => {}
        }
        let Self { receive, ledger, parameters, limits, closed, .. } = self;
        let message = match receive.take_frame(limits, Phase::Authenticated) {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => Backend::decode(frame).map_err(Violation::from),
            Err(violation) => Err(violation),
        };
        let accepted = message.and_then(|message| accept(message, ledger, parameters));
        match accepted {
            Ok(Accepted::Message(message)) => Ok(Some(message)),
            Ok(Accepted::Fatal(server)) => Err(close(closed, CloseReason::Fatal(server))),
            Err(violation) => Err(close(closed, CloseReason::Violation(violation))),
        }
    }

    /// The ReadyForQuery at the front. When nothing else is owed, buffers that have grown give their memory back.
    fn poll_ready(&mut self) -> Result<Backend<'static>, Closed> {
        let Self { send, receive, ledger, status, limits, closed, .. } = self;
        let came = BackendTag::ReadyForQuery;
        let taken = receive.take_frame(limits, Phase::Authenticated).and_then(|frame| {
            let body = frame.map(|frame| frame.body).unwrap_or_default();
            let new = cursor::all(came.name(), body, TransactionStatus::decode)?;
            let settled = ledger.settle(&Backend::ReadyForQuery(new));
            settled.map_err(|awaited| Violation::Unexpected { came, awaited })?;
            Ok(new)
        });
        let new = taken.map_err(|violation| close(closed, CloseReason::Violation(violation)))?;
        *status = new;
        if ledger.is_empty() {
            send.give_back();
            receive.give_back();
        }
        Ok(Backend::ReadyForQuery(new))
    }

    /// The row at the front, when [`peek_tag`](Self::peek_tag) says that a DataRow stands there and its description has
    /// `columns` columns. Every length in it has been checked.
    ///
    /// # Errors
    ///
    /// As [`poll_message`](Self::poll_message), and for a row that contradicts its description or its own lengths.
    #[inline]
    pub fn poll_row(&mut self, columns: usize) -> Result<Option<DataRow<'_>>, Closed> {
        self.discard()?;
        let Self { receive, ledger, limits, closed, .. } = self;
        let row = match receive.take_frame(limits, Phase::Authenticated) {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => accept_row(frame, columns, ledger),
            Err(violation) => Err(violation),
        };
        row.map(Some).map_err(|violation| close(closed, CloseReason::Violation(violation)))
    }

    // Getters.

    /// Bytes that must go out, all of them and in order.
    pub fn unsent(&self) -> &[u8] {
        self.send.unsent()
    }

    /// Whether there is anything in [`unsent`](Self::unsent).
    pub fn has_unsent(&self) -> bool {
        !self.send.is_empty()
    }

    /// How far the requests behind `checkpoint` have got. A [`postscript`](Self::postscript) behind all of them is none of them.
    pub fn progress(&self, checkpoint: Checkpoint) -> Progress {
        let sent = self.send.position_sent();
        if sent <= checkpoint.position {
            Progress::Unsent
        } else if self.send.is_empty() || self.ledger.ends_with_postscript() && sent >= self.postscript {
            Progress::Sent
        } else {
            Progress::PartlySent
        }
    }

    /// What the last ReadyForQuery said.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.status
    }

    /// Whether every request is fully answered. Only then may others follow that stand on their own.
    pub fn is_settled(&self) -> bool {
        self.ledger.is_empty()
    }

    /// Whether the session can be handed to a stranger: open, settled, nothing unsent, and the last ReadyForQuery
    /// said that no transaction is open.
    pub fn is_idle(&self) -> bool {
        self.closed.is_none()
            && self.is_settled()
            && !self.has_unsent()
            && self.status == TransactionStatus::Idle
    }

    /// Whether a request can follow now: open, settled, nothing unsent.
    pub fn is_idle_or_in_transaction(&self) -> bool {
        self.closed.is_none() && self.is_settled() && !self.has_unsent()
    }

    /// Requests that are not fully answered.
    pub fn requests_unanswered(&self) -> usize {
        self.ledger.len()
    }

    /// Whether the server takes [`copy_data`](Self::copy_data) now.
    pub fn takes_copy_data(&self) -> bool {
        self.ledger.is_copy_in()
    }

    /// Whether what is answered now is a simple query, which brings its own ReadyForQuery.
    pub fn is_simple_query(&self) -> bool {
        self.ledger.is_simple_query()
    }

    /// What the server reported of its settings.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Why the session is over, if it is.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    // Private.

    /// Throws away what stands at the front and nobody wants. The ledger takes it at its header.
    ///
    /// # Errors
    ///
    /// [`Closed`], also when the session was over before.
    #[inline]
    fn discard(&mut self) -> Result<(), Closed> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        if self.ledger.is_before(self.unwanted) { self.discard_unwanted() } else { Ok(()) }
    }

    #[cold]
    fn discard_unwanted(&mut self) -> Result<(), Closed> {
        let Self { receive, ledger, limits, closed, unwanted, .. } = self;
        while ledger.is_before(*unwanted) && !ledger.is_postscript() {
            let settled = match receive.discard(limits, Phase::Authenticated) {
                Ok(None) => return Ok(()),
                Ok(Some(BackendTag::DataRow)) => settle(&Backend::DataRow(DataRow::default()), ledger),
                Ok(Some(_)) => settle(&Backend::CopyData(&[]), ledger),
                Err(violation) => Err(violation),
            };
            settled.map_err(|violation| close(closed, CloseReason::Violation(violation)))?;
        }
        Ok(())
    }

    fn request<E, F>(
        &mut self,
        owed: Owed,
        write: impl FnOnce(&mut BytesMut) -> Result<(), F>,
    ) -> Result<(), E>
    where
        E: From<CommandError> + From<F>,
    {
        self.check_takes_requests()?;
        write(self.send.tail())?;
        self.ledger.push(owed);
        Ok(())
    }

    fn end_copy_in(&mut self, position: u64) {
        self.copy_in_end = position;
        self.ledger.end_copy_in();
    }

    fn check_open(&self) -> Result<(), CommandError> {
        match &self.closed {
            Some(closed) => Err(closed.clone().into()),
            None => Ok(()),
        }
    }

    fn check_copy_in(&self) -> Result<(), CommandError> {
        self.check_open()?;
        if self.takes_copy_data() { Ok(()) } else { Err(CommandError::NotCopyIn) }
    }
}

impl fmt::Debug for Session {
    /// Shows where the session stands, never what is in its buffers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("transaction_status", &self.status)
            .field("requests_unanswered", &self.ledger.len())
            .field("unsent_bytes", &self.send.unsent().len())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

enum Accepted<'a> {
    Message(Backend<'a>),
    /// A FATAL or PANIC error: the last thing that the server says, whatever it owes.
    Fatal(ServerMessage),
}

fn accept<'a>(
    message: Backend<'a>,
    ledger: &mut Ledger,
    parameters: &mut Parameters,
) -> Result<Accepted<'a>, Violation> {
    match &message {
        Backend::ParameterStatus(report) => parameters.record(*report)?,
        Backend::ErrorResponse(error) if error.severity().ends_session() => {
            return Ok(Accepted::Fatal((*error).into()));
        }
        _ if is_asynchronous(message.tag()) => {}
        _ => settle(&message, ledger)?,
    }
    Ok(Accepted::Message(message))
}

fn settle(message: &Backend<'_>, ledger: &mut Ledger) -> Result<(), Violation> {
    let came = message.tag();
    ledger.settle(message).map_err(|awaited| Violation::Unexpected { came, awaited })
}

#[inline]
fn accept_row<'a>(frame: Frame<'a>, columns: usize, ledger: &mut Ledger) -> Result<DataRow<'a>, Violation> {
    let Frame { tag: came, body } = frame;
    if came != BackendTag::DataRow {
        let awaited = Awaited { replies: "DataRow", requests: ledger.len() };
        return Err(Violation::Unexpected { came, awaited });
    }
    ledger.settle_row().map_err(|awaited| Violation::Unexpected { came, awaited })?;
    let row = DataRow::decode(&mut Cursor::new(body))?;
    if usize::from(row.len()) != columns {
        return Err(Violation::ColumnCount { came: row.len(), described: columns });
    }
    row.check()?;
    Ok(row)
}

fn close(closed: &mut Option<Closed>, reason: CloseReason) -> Closed {
    closed.get_or_insert_with(|| reason.into()).clone()
}
