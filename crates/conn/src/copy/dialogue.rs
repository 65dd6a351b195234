//! What every COPY is made of: its requests, the server's answers, and an end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use cornac_proto::Violation;
use cornac_proto::message::{Backend, BackendTag, FormatCode, RawParameters, Target};
use cornac_proto::session::{Checkpoint, CloseReason, Closed, CommandError, Progress};
use cornac_types::{Columns, Format};
use tokio::task::yield_now;

use super::error::CopyError;
use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::flight::Flight;
use crate::prepared::{Description, described_columns};

/// A COPY from its first request to ReadyForQuery.
///
/// The requests go out in one flight: if the columns are to be known, Parse and Describe of a SELECT that names them, then Parse, Bind
/// and Execute of the COPY, then Flush. The Sync is held back until it is known what the statement is. So all of it is one implicit
/// transaction, in which the lock that the SELECT took keeps the columns as they were described; and a Sync never stands where a COPY FROM
/// STDIN would swallow it.
///
/// Dropped before its end, a COPY FROM STDIN is failed: what was not sent of its data is taken back, CopyFail and Sync are written if the socket takes
/// them at once, and else the socket is closed.
#[derive(Debug)]
pub(super) struct Dialogue<'c> {
    flight: Flight<'c>,
    statement: Box<str>,
    columns: Columns,
    stage: Stage,
    refused: Option<Error>,
    rows: u64,
    /// Everything was sent, and nobody has looked since whether the server says anything.
    must_look: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No Sync was written: nothing of this can be committed.
    Open,
    /// Behind this checkpoint stands what ends it well: CopyDone, if data was taken, and Sync.
    Ending(Checkpoint),
    /// A Sync was written behind an error, or behind what makes it one.
    Failed,
    /// ReadyForQuery has come, or the connection is lost.
    Over,
}

/// What happened next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The server takes data.
    CopyIn(Shape),
    /// The server sends data.
    CopyOut(Shape),
    /// Data stands at the front, to be taken.
    Data,
    /// The server has sent all its data.
    DataEnd,
    /// The statement has run.
    Complete,
    /// ReadyForQuery.
    Over,
}

/// What data the server sends or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether it is binary.
    pub(super) binary: bool,
    /// How many columns it has.
    pub(super) columns: usize,
}

/// Which way the data is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

const DROPPED: &str = "the client gave the COPY up";
const NOT_COPY_IN: &str = "this takes a COPY ... FROM STDIN, and the statement is none; it was ended without data, and rolled back unless a transaction is open";
const NOT_COPY_OUT: &str = "this takes a COPY ... TO STDOUT, and the statement is none; it was ended without data, and rolled back unless a transaction is open";

impl<'c> Dialogue<'c> {
    /// Writes the requests and waits until the data begins.
    pub(super) async fn begin(
        connection: &'c mut Connection,
        direction: Direction,
        described: Option<&str>,
        statement: &str,
    ) -> Result<(Self, Shape)> {
        connection.settle().await?;
        connection.start_deadline(None);
        connection.run_pending_begin().await?;
        let mut flight = Flight::new(connection);
        write_requests(&mut flight, described, statement)
            .map_err(|error| Error::command(error).with_statement(statement))?;
        let (columns, stage) = (Columns::default(), Stage::Open);
        let mut dialogue = Self {
            flight,
            statement: statement.into(),
            columns,
            stage,
            refused: None,
            rows: 0,
            must_look: false,
        };
        match (poll_fn(|cx| dialogue.poll_event(cx)).await?, direction) {
            (Event::CopyIn(shape), Direction::In) => Ok((dialogue, shape)),
            (Event::CopyOut(shape), Direction::Out) => {
                dialogue.sync()?;
                Ok((dialogue, shape))
            }
            (_, Direction::In) => Err(dialogue.misuse(NOT_COPY_IN).await),
            (_, Direction::Out) => Err(dialogue.misuse(NOT_COPY_OUT).await),
        }
    }

    /// The columns that were described, all in binary.
    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// How many rows the command tag says.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether data can still go in.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// The error for what is asked of a COPY that is over.
    pub(super) fn over(&self) -> Error {
        Error::usage("the COPY is over", Delivery::NotSent).with_statement(&self.statement)
    }

    /// Appends data; see [`Session::extend_copy_data`](cornac_proto::session::Session::extend_copy_data).
    #[inline]
    pub(super) fn append<E: From<CommandError>>(
        &mut self,
        write: impl FnOnce(&mut bytes::BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        self.flight.session.extend_copy_data(super::CHUNK, write)
    }

    /// The next thing that happens.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event>> {
        loop {
            if self.is_over() {
                return Poll::Ready(Ok(Event::Over));
            }
            let tag = ready!(self.flight.poll_wait(cx)).map_err(|closed| self.lost(closed))?;
            if let Some(event) = self.handle_message(tag)? {
                return Poll::Ready(Ok(event));
            }
        }
    }

    /// Whether more data can be appended before any is sent.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.is_open() && self.flight.session.unsent().len() < super::CHUNK
    }

    /// Ready when there is room for more data: true when what there was had to be sent for that.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        if !self.must_look {
            if self.has_room() {
                return Poll::Ready(Ok(false));
            }
            ready!(self.poll_flush(cx))?;
            // A socket that takes everything at once never has the runtime look at it, so that an error would go unnoticed.
            self.must_look = true;
            if pin!(yield_now()).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        if let Poll::Ready(error) = self.poll_refusal(cx) {
            return Poll::Ready(Err(error));
        }
        if !self.has_room() {
            return Poll::Pending;
        }
        self.must_look = false;
        Poll::Ready(Ok(true))
    }

    /// Ready when everything was sent; an error that comes meanwhile ends the COPY at once.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Poll::Ready(error) = self.poll_refusal(cx) {
            return Poll::Ready(Err(error));
        }
        if !self.is_open() || self.flight.session.has_unsent() || self.flight.stream.has_unflushed() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what there is, and looks whether the server has refused the COPY: pending as long as it has not.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        while self.is_open() {
            let waited = ready!(self.flight.poll_wait(cx)).map_err(|closed| self.lost(closed));
            if let Err(error) = waited.and_then(|tag| self.handle_message(tag)) {
                return Poll::Ready(error);
            }
        }
        match ready!(self.poll_end(cx)) {
            Err(error) => Poll::Ready(error),
            Ok(()) => Poll::Ready(self.over()),
        }
    }

    /// As [`poll_flush`](Self::poll_flush), while the source of the data is waited for: ready only with what ends the COPY. A server that waits
    /// for data heeds no request to cancel: once its time is over, the COPY is failed from here.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Poll::Ready(error) = self.poll_refusal(cx) {
            return Poll::Ready(error);
        }
        let overdue = self.flight.deadline.as_ref().and_then(Deadline::passed).is_some();
        if overdue && self.is_open() {
            return match self.end_open("it took longer than the client allows") {
                Ok(()) => self.poll_refusal(cx),
                Err(error) => Poll::Ready(error),
            };
        }
        Poll::Pending
    }

    /// Ends the COPY well: writes CopyDone and Sync, and waits for the server to agree. Gives the number of rows.
    pub(super) async fn finish(&mut self) -> Result<u64> {
        if self.is_over() {
            return Err(self.over());
        }
        if self.is_open() {
            let checkpoint = self.flight.session.checkpoint();
            self.flight.session.copy_done().map_err(Error::command)?;
            self.stage = Stage::Ending(checkpoint);
            self.flight.session.sync().map_err(Error::command)?;
        }
        poll_fn(|cx| self.poll_end(cx)).await?;
        Ok(self.rows)
    }

    /// Ready when the server has answered everything.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            match ready!(self.poll_event(cx))? {
                Event::Over => return Poll::Ready(Ok(())),
                Event::Data => {
                    self.take_data()?;
                }
                _ => {}
            }
        }
    }

    /// The data that [`Event::Data`] announced.
    pub(super) fn take_data(&mut self) -> Result<&[u8]> {
        let Self { flight, statement, stage, .. } = self;
        let progress = flight.progress();
        match flight.poll_copy_data() {
            Ok(data) => Ok(data.unwrap_or_default()),
            Err(closed) => {
                *stage = Stage::Over;
                Err(Error::lost(closed, progress).with_statement(statement))
            }
        }
    }

    /// Fails the COPY because of `error`, which is given back when the server has agreed, unless the connection is lost meanwhile.
    pub(super) async fn fail(&mut self, reason: &str, error: Error) -> Error {
        if self.is_open() {
            if let Err(closed) = self.end_open(reason) {
                return closed;
            }
        }
        match poll_fn(|cx| self.poll_end(cx)).await {
            Err(lost) if lost.is_closed() => lost,
            _ => error.with_statement(&self.statement),
        }
    }

    /// As [`fail`](Self::fail), for what the caller gave.
    pub(super) async fn fail_with(&mut self, reason: &str, error: CopyError) -> Error {
        self.fail(reason, Error::new(ErrorKind::Copy(error), Delivery::Answered)).await
    }

    /// The data is not what it should be: nothing on this connection can be trusted any more.
    pub(super) fn violated(&mut self, violation: Violation) -> Error {
        let closed = self.flight.give_up(CloseReason::Violation(violation));
        self.lost(closed)
    }

    async fn misuse(&mut self, what: &'static str) -> Error {
        self.fail("the client has no data for this statement", Error::usage(what, Delivery::Answered)).await
    }

    fn end_open(&mut self, reason: &str) -> Result<()> {
        self.stage = Stage::Failed;
        self.flight.end_open_segment(reason).map_err(Error::command)
    }

    fn sync(&mut self) -> Result<()> {
        self.stage = Stage::Ending(self.flight.session.checkpoint());
        self.flight.session.sync().map_err(Error::command)
    }

    fn handle_message(&mut self, tag: BackendTag) -> Result<Option<Event>> {
        match tag {
            BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus => {
                self.flight.put_aside().map_err(|closed| self.lost(closed))?;
                return Ok(None);
            }
            BackendTag::CopyData => return Ok(Some(Event::Data)),
            _ => {}
        }
        let mut refused = None;
        let event = match self.flight.poll_message() {
            Err(closed) => return Err(self.lost(closed)),
            Ok(Some(Backend::RowDescription(description))) => {
                let columns = described_columns(description, |_, _| Format::Binary);
                let description = Description::new([].into(), columns);
                self.columns = self.flight.statements.resolve_sent(description).columns;
                None
            }
            Ok(Some(Backend::CopyInResponse(response))) => {
                let binary = response.format() == FormatCode::Binary;
                Some(Event::CopyIn(Shape { binary, columns: response.columns_len() }))
            }
            Ok(Some(Backend::CopyOutResponse(response))) => {
                let binary = response.format() == FormatCode::Binary;
                Some(Event::CopyOut(Shape { binary, columns: response.columns_len() }))
            }
            Ok(Some(Backend::CopyDone)) => Some(Event::DataEnd),
            Ok(Some(Backend::EmptyQueryResponse)) => Some(Event::Complete),
            Ok(Some(Backend::CommandComplete(complete))) => {
                self.rows = complete.rows().unwrap_or(0);
                Some(Event::Complete)
            }
            Ok(Some(Backend::ErrorResponse(error))) => {
                refused = Some(error.into());
                None
            }
            Ok(Some(Backend::ReadyForQuery(_))) => {
                self.stage = Stage::Over;
                return self.refused.take().map_or(Ok(Some(Event::Over)), Err);
            }
            Ok(_) => None,
        };
        if let Some(server) = refused {
            let error = self.flight.refusal(server).with_statement(&self.statement);
            self.refused.get_or_insert(error);
            if self.is_open() {
                self.end_open(DROPPED)?;
            }
        }
        Ok(event)
    }

    /// The connection is lost. As long as no Sync was written, and nothing that would end the COPY well, it has had no effect.
    fn lost(&mut self, closed: Closed) -> Error {
        let progress = match self.stage {
            Stage::Open | Stage::Over => Progress::Unsent,
            Stage::Ending(checkpoint) => self.flight.session.progress(checkpoint),
            Stage::Failed => self.flight.progress(),
        };
        self.stage = Stage::Over;
        Error::lost(closed, progress).with_statement(&self.statement)
    }
}

impl Drop for Dialogue<'_> {
    fn drop(&mut self) {
        // What was not sent at all is taken back as a whole by the flight.
        if self.flight.progress() == Progress::Unsent {
            return;
        }
        let is_open = match self.stage {
            Stage::Open => true,
            Stage::Ending(checkpoint) => self.flight.session.take_back(checkpoint) == Progress::Unsent,
            Stage::Failed | Stage::Over => false,
        };
        if is_open {
            // It fails only on a connection that is closed. The flight sees to it that what was written here is sent at once.
            let _ = self.flight.end_open_segment(DROPPED);
        }
    }
}

fn write_requests(
    flight: &mut Flight<'_>,
    described: Option<&str>,
    statement: &str,
) -> Result<(), CommandError> {
    let session = &mut flight.session;
    if let Some(described) = described {
        session.parse("", described, &[])?;
        session.describe(Target::Statement(""))?;
    }
    session.parse("", statement, &[])?;
    session.bind("", "", &RawParameters::default(), &[])?;
    session.execute("", 0)?;
    // A COPY and an error are sent at once; the end of a statement that is no COPY is not.
    session.flush()
}
