//! One statement, many sets of parameters, all or nothing.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use cornac_proto::message::{Backend, BackendTag, ServerMessage};
use cornac_proto::session::{CloseReason, Closed, Progress};
use cornac_types::Params;
use futures_core::Stream;

use super::{AHEAD, COPY_MISPLACED};
use crate::connection::Connection;
use crate::core::head::BEGIN_REPLIES;
use crate::core::keyword::is_copy;
use crate::core::stale::{Stage, what_is_stale};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::execution::{BindError, Bound};
use crate::flight::Flight;
use crate::given::check_none_inside;
use crate::prepared::Prepared;
use crate::statement::IntoStatement;

/// A statement that runs once for each set of parameters that is sent, all under one Sync: either every one of them has its effect,
/// or none has.
///
/// Made by [`Client::batch`](crate::Client::batch); [`execute_many`](crate::Client::execute_many) is the shorter way. Sets go out while the replies to
/// earlier ones come in, so that neither side waits for the other, and nothing is kept of those that were sent. Rows that the
/// statement returns are thrown away.
///
/// Outside of a transaction the batch is one of its own; inside of one, a batch that fails leaves it failed.
///
/// # Cancel safety
///
/// Dropped before [`finish`](Self::finish) has completed, the batch is rolled back, or, if its end was on the way, complete: never
/// half. What was not sent of it is taken back; if the rest cannot be written at once, the connection is closed.
#[derive(Debug)]
#[must_use = "a batch that is not finished is rolled back"]
pub struct Batch<'c> {
    flight: Flight<'c>,
    statement: Prepared,
    /// The unnamed statement is parsed once, in front of the first Bind.
    parse: bool,
    /// Replies still to come to what travels in front.
    prelude: u8,
    /// Sets that were written, and those that the server has answered.
    written: u64,
    answered: u64,
    affected: u64,
    stage: Stage,
    /// What ended the batch early.
    refused: Option<Error>,
    over: bool,
}

impl Connection {
    /// See [`batch`](crate::Client::batch).
    pub(crate) async fn begin_batch(&mut self, sql: impl IntoStatement) -> Result<Batch<'_>> {
        check_none_inside(&sql)?;
        let statement = sql.statement();
        if is_copy(statement.sql()) {
            return Err(Error::usage(COPY_MISPLACED, Delivery::NotSent).with_statement(statement.sql()));
        }
        let prepared = self.ready_statement(&statement).await?;
        let parse = prepared.is_unnamed();
        let mut flight = Flight::new(self);
        flight.close_retired_statements()?;
        let prelude = if flight.has_pending_begin() { BEGIN_REPLIES } else { 0 };
        if prelude > 0 {
            flight.write_pending_begin()?;
        }
        let mut batch = Batch {
            flight,
            statement: prepared,
            parse,
            prelude,
            written: 0,
            answered: 0,
            affected: 0,
            stage: Stage::Bind,
            refused: None,
            over: false,
        };
        batch.parse_unnamed()?;
        Ok(batch)
    }
}

impl Batch<'_> {
    /// Sends one set of parameters, waiting only when the socket takes no more.
    ///
    /// # Errors
    ///
    /// A set that does not fit is an error that names its number and the parameter, before it is sent; an error of the server for an
    /// earlier set comes as soon as it has arrived. Either ends the batch, of which nothing stays.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the set has been taken, and goes out with the next ones.
    pub async fn send<P: Params>(&mut self, params: P) -> Result<()> {
        self.check_open().await?;
        let written = self.write(&params);
        drop(params);
        if let Err(error) = written {
            return Err(self.fail(error).await);
        }
        if self.flight.session.unsent().len() < AHEAD { Ok(()) } else { self.flush().await }
    }

    /// Sends many sets.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// When dropped, some of them have been sent, and the others never are.
    pub async fn send_all<I>(&mut self, sets: I) -> Result<()>
    where
        I: IntoIterator,
        I::Item: Params,
    {
        for params in sets {
            self.send(params).await?;
        }
        Ok(())
    }

    /// Sends the sets of a stream as they come. While it has none, the replies of the server are read.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); an error of the stream is [`ErrorKind::Source`], and ends the batch.
    ///
    /// # Cancel safety
    ///
    /// As [`send_all`](Self::send_all).
    pub async fn send_stream<S, P, E>(&mut self, sets: S) -> Result<()>
    where
        S: Stream<Item = Result<P, E>>,
        P: Params,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut sets = pin!(sets);
        loop {
            let next = poll_fn(|cx| {
                if let Poll::Ready(failed) = self.poll_replies(cx) {
                    return Poll::Ready(Err(failed));
                }
                sets.as_mut().poll_next(cx).map(Ok)
            });
            match next.await {
                Ok(Some(Ok(params))) => self.send(params).await?,
                Ok(Some(Err(error))) => {
                    let error = Error::new(ErrorKind::Source(error.into()), Delivery::Answered);
                    return Err(self.fail(error).await);
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.fail(error).await),
            }
        }
    }

    /// Ends the batch: how many rows its statements affected together.
    ///
    /// # Errors
    ///
    /// The server's for a set, or for all of them when they are committed; the connection's. When it is lost on the way, nobody knows
    /// whether the batch was committed: [`Error::outcome_unknown`]. A batch that was ended by an error before is
    /// [`ErrorKind::Usage`].
    ///
    /// # Cancel safety
    ///
    /// As said at [`Batch`].
    pub async fn finish(mut self) -> Result<u64> {
        if self.over {
            // Rows that were counted before it failed are no longer there.
            return Err(self.ended());
        }
        if self.refused.is_none() {
            self.flight.session.sync().map_err(Error::command)?;
        }
        poll_fn(|cx| self.poll_end(cx)).await?;
        Ok(self.affected)
    }

    fn parse_unnamed(&mut self) -> Result<()> {
        if self.parse {
            let types: Vec<u32> = self.statement.parameter_types().iter().map(|ty| ty.oid().0).collect();
            self.flight.session.parse("", self.statement.sql(), &types).map_err(Error::command)?;
        }
        Ok(())
    }

    async fn check_open(&mut self) -> Result<()> {
        if let Some(error) = self.refused.take() {
            return Err(self.fail(error).await);
        }
        if self.over { Err(self.ended()) } else { Ok(()) }
    }

    fn ended(&self) -> Error {
        Error::usage("the batch has ended", Delivery::NotSent).with_statement(self.statement.sql())
    }

    fn write<P: Params>(&mut self, params: &P) -> Result<()> {
        self.written += 1;
        let Self { flight, statement, written, .. } = self;
        let description = statement.description();
        let bound = Bound::new(params, &description.parameters);
        let run = flight.session.run(statement.head(), &bound, &description.result_formats, false);
        run.map_err(|error| BindError::into_error(error).with_parameter_set(*written))
    }

    /// Waits until the socket has taken half of what was written ahead; what the server says meanwhile is read.
    async fn flush(&mut self) -> Result<()> {
        let flushed = poll_fn(|cx| match self.poll_replies(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending if self.flight.session.unsent().len() > AHEAD / 2 => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        });
        match flushed.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.fail(error).await),
        }
    }

    /// Writes and reads; ready only with what ends the batch early.
    fn poll_replies(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            if let Some(error) = self.refused.take() {
                return Poll::Ready(error);
            }
            match ready!(self.flight.poll_wait_for_message(cx)) {
                Ok(tag) => {
                    if let Err(error) = self.handle_message(tag) {
                        return Poll::Ready(error);
                    }
                }
                Err(closed) => {
                    self.over = true;
                    return Poll::Ready(self.lost(closed));
                }
            }
        }
    }

    /// Ready when the server has answered everything.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !self.over {
            match ready!(self.flight.poll_wait_for_message(cx)) {
                Ok(tag) => self.handle_message(tag)?,
                Err(closed) => {
                    self.over = true;
                    return Poll::Ready(Err(self.lost(closed)));
                }
            }
        }
        Poll::Ready(self.refused.take().map_or(Ok(()), Err))
    }

    /// Ends the batch without effect because of `error`, which is given back when the server has agreed.
    async fn fail(&mut self, error: Error) -> Error {
        let error = error.with_statement(self.statement.sql());
        if self.flight.session.is_settled() {
            // Nothing of it was written.
            self.over = true;
        }
        if self.over {
            return error;
        }
        if self.flight.session.has_open_segment() {
            self.flight.end_batch();
        }
        match poll_fn(|cx| self.poll_end(cx)).await {
            Err(lost) if lost.is_closed() => lost,
            _ => error,
        }
    }

    fn handle_message(&mut self, tag: BackendTag) -> Result<()> {
        let progress = self.flight.progress();
        let Self { flight, statement, prelude, answered, affected, stage, refused, over, parse, .. } = self;
        let lost = |closed| Error::lost(closed, progress).with_statement(statement.sql());
        if tag == BackendTag::BindComplete && *prelude == 0 {
            *stage = Stage::Execute;
        }
        let server = match flight.poll_message().map_err(lost)? {
            Some(Backend::ErrorResponse(error)) => ServerMessage::from(error),
            Some(Backend::ReadyForQuery(_)) => {
                *over = true;
                return Ok(());
            }
            Some(Backend::CopyInResponse(_) | Backend::CopyOutResponse(_)) => {
                let closed = flight.give_up(CloseReason::Abandoned(COPY_BEGUN.to_owned()));
                *over = true;
                return Err(Error::lost(closed, Progress::Unsent).with_statement(statement.sql()));
            }
            Some(Backend::CloseComplete) | None => return Ok(()),
            Some(_) if *prelude > 0 => {
                *prelude -= 1;
                if *prelude == 0 {
                    flight.pending_begin_has_run();
                }
                return Ok(());
            }
            Some(Backend::CommandComplete(complete)) => {
                *affected = affected.saturating_add(complete.rows().unwrap_or(0));
                *answered += 1;
                *stage = Stage::Bind;
                return Ok(());
            }
            Some(Backend::EmptyQueryResponse) => {
                *answered += 1;
                *stage = Stage::Bind;
                return Ok(());
            }
            Some(_) => return Ok(()),
        };
        if !*parse {
            if let Some(stale) = what_is_stale(&server, *stage) {
                flight.statements.forget(statement, stale);
            }
        }
        let error = flight.refusal(server).with_statement(statement.sql()).with_parameter_set(*answered + 1);
        refused.get_or_insert(error);
        if flight.session.has_open_segment() {
            flight.session.sync().map_err(Error::command)?;
        }
        Ok(())
    }

    /// The connection is lost. Without a Sync on its way, the batch has had no effect.
    fn lost(&self, closed: Closed) -> Error {
        let progress =
            if self.flight.session.has_open_segment() { Progress::Unsent } else { self.flight.progress() };
        Error::lost(closed, progress).with_statement(self.statement.sql())
    }
}

const COPY_BEGUN: &str = "the server began a COPY in the middle of a batch";
