//! The results of a pipeline, one after the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use cornac_proto::message::{Backend, BackendTag, DataRow, ServerMessage};
use cornac_proto::session::{CloseReason, Closed, ExecutionQueue, Progress};
use cornac_types::{Decode, FromRow, RowRef};

use super::queue::Entry;
use super::{AHEAD, Outcome};
use crate::connection::Connection;
use crate::core::effects;
use crate::core::head::BEGIN_REPLIES;
use crate::core::stale::{Stage, what_is_stale};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::execution::NO_RESULT;
use crate::flight::Flight;
use crate::prepared::Prepared;
use crate::shape::{self, First, Shape, Whole};

/// The results of a [`Pipeline`](crate::Pipeline) that runs, in the order of its statements.
///
/// Each is read by the verb that suits it; what goes out still goes out meanwhile. An error of a statement is its
/// [`Outcome::Failed`]; the verbs themselves fail when the connection is lost, or when no statement is left.
///
/// In an atomic pipeline, what is done stays done only if [`finish`](Self::finish) succeeds.
///
/// # Cancel safety
///
/// A verb that is dropped leaves its statement to the next verb, without the rows that it had read. When the results themselves are
/// dropped, what was not sent never runs, and what was sent is read before the connection's next use; an atomic pipeline is rolled back,
/// unless its end was on the way.
#[derive(Debug)]
#[must_use = "results that are not read are thrown away, and those of an atomic pipeline may be rolled back"]
pub struct PipelineResults<'c> {
    flight: Flight<'c>,
    segment: Segment,
    /// Those whose results have not been read. The last `unwritten` of them have not been requested.
    entries: VecDeque<Entry>,
    unwritten: usize,
    queue: ExecutionQueue,
    /// Replies still to come to what travels in front.
    prelude: u8,
    stage: Stage,
    affected: u64,
    refused: Option<Error>,
}

/// Where the Syncs stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    /// Behind each statement.
    Each,
    /// Behind all of them, and not written yet.
    Open,
    /// Behind all of them, and written.
    Synced,
    /// Behind the statement that failed, and written: nothing stays, and nothing more runs.
    Failed,
    /// ReadyForQuery has come behind all of them.
    Over,
}

/// How the next statement begins.
enum Begun {
    Running(Prepared),
    Failed(Error),
    NotRun,
}

impl<'c> PipelineResults<'c> {
    pub(super) fn begin(
        connection: &'c mut Connection,
        atomic: bool,
        entries: VecDeque<Entry>,
        queue: ExecutionQueue,
    ) -> Result<Self> {
        let unwritten = entries.len();
        let mut flight = Flight::new(connection);
        flight.close_retired_statements()?;
        let prelude = if flight.has_pending_begin() && unwritten > 0 { BEGIN_REPLIES } else { 0 };
        if prelude > 0 {
            flight.write_pending_begin()?;
        }
        let stage = Stage::Bind;
        let segment = match (atomic, unwritten) {
            (false, _) => Segment::Each,
            (true, 0) => Segment::Over,
            (true, _) => Segment::Open,
        };
        Ok(Self { flight, segment, entries, unwritten, queue, prelude, stage, affected: 0, refused: None })
    }

    /// How many statements' results have not been read.
    pub fn remaining(&self) -> usize {
        self.entries.len()
    }

    /// How many rows the next statement affects; its rows are thrown away.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or no statement is left: as all verbs here.
    ///
    /// # Cancel safety
    ///
    /// As said at [`PipelineResults`]; so too below.
    pub async fn execute(&mut self) -> Result<Outcome<u64>> {
        if let Some(affected) = self.take_answer(|_, _, affected| affected) {
            return Ok(Outcome::Done(affected));
        }
        if let Err(outcome) = self.start().await? {
            return Ok(outcome.of());
        }
        while self.next_row().await? {}
        Ok(self.end(self.affected))
    }

    /// All rows of the next statement.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn fetch_all<T: for<'r> FromRow<'r>>(&mut self) -> Result<Outcome<Vec<T>>> {
        self.collect::<Whole<T>>().await
    }

    /// The first column of all rows of the next statement.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn fetch_values<T: for<'r> Decode<'r>>(&mut self) -> Result<Outcome<Vec<T>>> {
        self.collect::<First<T>>().await
    }

    /// The one row that the next statement must give: none is [`ErrorKind::NoRows`], a second one [`ErrorKind::TooManyRows`].
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn fetch_one<T: for<'r> FromRow<'r>>(&mut self) -> Result<Outcome<T>> {
        Ok(required(self.at_most_one::<Whole<T>>().await?))
    }

    /// The row of the next statement, if it gives one. A second one is [`ErrorKind::TooManyRows`].
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn fetch_optional<T: for<'r> FromRow<'r>>(&mut self) -> Result<Outcome<Option<T>>> {
        self.at_most_one::<Whole<T>>().await
    }

    /// The first column of the one row that the next statement must give.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn fetch_value<T: for<'r> Decode<'r>>(&mut self) -> Result<Outcome<T>> {
        Ok(required(self.at_most_one::<First<T>>().await?))
    }

    /// Reads what is left and throws it away. An atomic pipeline is committed behind it.
    ///
    /// # Errors
    ///
    /// When the connection is lost; in an atomic pipeline also the first error of a statement, or that of the commit. Nothing of it
    /// stays then.
    pub async fn finish(mut self) -> Result<()> {
        let mut first = None;
        while self.remaining() > 0 {
            if let Outcome::Failed(error) = self.execute().await? {
                first = first.or(Some(error));
            }
        }
        while !matches!(self.segment, Segment::Each | Segment::Over) {
            poll_fn(|cx| self.poll_handle(cx)).await?;
        }
        let failed = first.filter(|_| self.is_atomic()).or(self.refused.take());
        failed.map_or(Ok(()), Err)
    }

    async fn collect<S: Shape>(&mut self) -> Result<Outcome<Vec<S::Item>>> {
        let statement = match self.start().await? {
            Ok(statement) => statement,
            Err(outcome) => return Ok(outcome.of()),
        };
        let plan = match S::plan(statement.columns()) {
            Ok(plan) => plan,
            Err(error) => return self.misread(&statement, error.into()).await,
        };
        let mut decoded = Vec::new();
        while self.next_row().await? {
            match S::read(self.row(&statement), &plan) {
                Ok(row) => decoded.push(row),
                Err(error) => return self.misread(&statement, error.into()).await,
            }
        }
        Ok(self.end(decoded))
    }

    async fn at_most_one<S: Shape>(&mut self) -> Result<Outcome<Option<S::Item>>> {
        if let Some(answer) = self.take_answer(|statement, row, _| {
            shape::at_most_one::<S>(statement.columns(), row)
                .map_err(|error| error.with_statement(statement.sql()))
        }) {
            return Ok(answer.map_or_else(Outcome::Failed, Outcome::Done));
        }
        // Boxed, so that the futures of statements need no room for what few of them do.
        Box::pin(self.at_most_one_slowly::<S>()).await
    }

    async fn at_most_one_slowly<S: Shape>(&mut self) -> Result<Outcome<Option<S::Item>>> {
        let statement = match self.start().await? {
            Ok(statement) => statement,
            Err(outcome) => return Ok(outcome.of()),
        };
        let plan = match S::plan(statement.columns()) {
            Ok(plan) => plan,
            Err(error) => return self.misread(&statement, error.into()).await,
        };
        let mut found = None;
        while self.next_row().await? {
            if found.is_some() {
                let error = Error::new(ErrorKind::TooManyRows, Delivery::Answered);
                return self.misread(&statement, error).await;
            }
            match S::read(self.row(&statement), &plan) {
                Ok(row) => found = Some(row),
                Err(error) => return self.misread(&statement, error.into()).await,
            }
        }
        Ok(self.end(found))
    }

    /// The result cannot be read as it was asked for; it is read to its end, whose error comes first.
    async fn misread<T>(&mut self, statement: &Prepared, error: Error) -> Result<Outcome<T>> {
        while self.next_row().await? {}
        Ok(match self.end(()) {
            Outcome::Done(()) => Outcome::Failed(error.with_statement(statement.sql())),
            Outcome::Failed(error) => Outcome::Failed(error),
            Outcome::NotRun => Outcome::NotRun,
        })
    }

    /// Reads up to the front of the next statement's result.
    async fn start(&mut self) -> Result<Result<Prepared, Unstarted>> {
        match poll_fn(|cx| self.poll_start(cx)).await? {
            Begun::Running(statement) => Ok(Ok(statement)),
            Begun::Failed(error) => Ok(Err(Unstarted(Some(error)))),
            Begun::NotRun => Ok(Err(Unstarted(None))),
        }
    }

    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun>> {
        loop {
            match self.entries.front() {
                None => return Poll::Ready(Err(Error::usage(NONE_LEFT, Delivery::NotSent))),
                Some(Entry::Invalid(_)) => {
                    // It was never requested; whatever is requested stands behind it.
                    self.unwritten = self.unwritten.min(self.entries.len() - 1);
                    if let Some(Entry::Invalid(error)) = self.entries.pop_front() {
                        return Poll::Ready(Ok(Begun::Failed(error)));
                    }
                }
                Some(Entry::Ready(_)) if matches!(self.segment, Segment::Failed | Segment::Over) => {
                    let error = self.pop_failed();
                    return Poll::Ready(Ok(error.map_or(Begun::NotRun, Begun::Failed)));
                }
                Some(Entry::Ready(prepared)) => match self.stage {
                    Stage::Bind if self.prelude == 0 && self.flight.session.take_bind_complete() => {
                        self.stage = Stage::Execute;
                        self.affected = 0;
                    }
                    Stage::Execute => return Poll::Ready(Ok(Begun::Running(prepared.clone()))),
                    _ => ready!(self.poll_handle(cx))?,
                },
            }
        }
    }

    /// Takes the whole answer to the next statement, if it has come and is one like most.
    #[inline]
    fn take_answer<R>(&mut self, read: impl FnOnce(&Prepared, Option<DataRow<'_>>, u64) -> R) -> Option<R> {
        let Self { flight, entries, segment, stage, prelude, refused, .. } = self;
        let synced = match segment {
            Segment::Each => true,
            Segment::Open | Segment::Synced => false,
            Segment::Failed | Segment::Over => return None,
        };
        if *stage != Stage::Bind || *prelude > 0 || refused.is_some() {
            return None;
        }
        let Some(Entry::Ready(statement)) = entries.front() else { return None };
        if !statement.is_plain() {
            return None;
        }
        let width = statement.columns().len();
        let answer =
            flight.session.take_answer(width, synced, |row, affected| read(statement, row, affected))?;
        if flight.session.is_settled() {
            flight.cancel_state.set_idle();
        }
        entries.pop_front();
        Some(answer)
    }

    /// Takes the next row; false when the statement has ended instead.
    async fn next_row(&mut self) -> Result<bool> {
        if self.advance() {
            return Ok(true);
        }
        poll_fn(|cx| {
            loop {
                if self.stage != Stage::Execute || self.has_ended() {
                    return Poll::Ready(Ok(false));
                }
                if ready!(self.poll_tag(cx))? != BackendTag::DataRow {
                    self.handle_message()?;
                } else if self.advance() {
                    return Poll::Ready(Ok(true));
                } else {
                    return Poll::Ready(Err(self.refuse_row()));
                }
            }
        })
        .await
    }

    fn columns(&self) -> usize {
        match self.entries.front() {
            Some(Entry::Ready(statement)) => statement.columns().len(),
            _ => 0,
        }
    }

    #[inline]
    fn advance(&mut self) -> bool {
        let columns = self.columns();
        self.stage == Stage::Execute && self.flight.session.advance_row(columns)
    }

    fn row<'r>(&'r self, statement: &'r Prepared) -> RowRef<'r> {
        RowRef::new(statement.columns(), self.flight.session.row().values_bytes())
    }

    /// Says why the row at the front could not be taken: it contradicts itself, or its description.
    #[cold]
    fn refuse_row(&mut self) -> Error {
        let columns = self.columns();
        match self.flight.poll_row(columns) {
            Ok(_) => Error::usage(NO_RESULT, Delivery::Answered),
            Err(closed) => self.lost(closed),
        }
    }

    /// Whether the end of the statement has come already, and is one like most.
    #[inline]
    fn has_ended(&mut self) -> bool {
        if !matches!(self.entries.front(), Some(Entry::Ready(statement)) if statement.is_plain()) {
            return false;
        }
        if self.stage != Stage::Execute || self.refused.is_some() {
            return false;
        }
        let ended = match self.segment {
            Segment::Each => self.flight.take_end(),
            _ => self.flight.session.take_end(false),
        };
        let Some(affected) = ended else { return false };
        self.affected = affected;
        self.entries.pop_front();
        self.stage = Stage::Bind;
        true
    }

    /// The end of the statement at the front, which has run or failed.
    fn end<T>(&mut self, result: T) -> Outcome<T> {
        match self.refused.take() {
            Some(error) => {
                if self.is_atomic() {
                    self.entries.pop_front();
                }
                Outcome::Failed(error)
            }
            None => Outcome::Done(result),
        }
    }

    fn pop_failed(&mut self) -> Option<Error> {
        self.entries.pop_front();
        self.refused.take()
    }

    fn poll_handle(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_tag(cx))?;
        Poll::Ready(self.handle_message())
    }

    /// The tag of the next message, while requests go out.
    fn poll_tag(&mut self, cx: &mut Context<'_>) -> Poll<Result<BackendTag>> {
        loop {
            self.feed()?;
            match self.flight.poll_wait_for_message(cx) {
                Poll::Ready(Ok(tag)) => return Poll::Ready(Ok(tag)),
                Poll::Ready(Err(closed)) => return Poll::Ready(Err(self.lost(closed))),
                // The socket has taken what went ahead. Without a Sync behind it, the server may keep its answers to itself until it has
                // many: more has to go out before they are waited for.
                Poll::Pending if self.segment == Segment::Open && self.has_room_ahead() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn has_room_ahead(&self) -> bool {
        self.flight.session.unsent().len() <= AHEAD / 2
    }

    /// Requests what comes next, as far ahead as is sensible.
    fn feed(&mut self) -> Result<()> {
        match self.segment {
            Segment::Each if self.unwritten > 0 => {}
            Segment::Open => {}
            Segment::Each | Segment::Synced | Segment::Failed | Segment::Over => return Ok(()),
        }
        if !self.has_room_ahead() {
            return Ok(());
        }
        let session = &mut self.flight.session;
        let mut ahead = session.unsent().len();
        while self.unwritten > 0 && ahead < AHEAD {
            let place = self.entries.len() - self.unwritten;
            if let Some(Entry::Ready(_)) = self.entries.get(place) {
                session.execute_queued(&mut self.queue).map_err(Error::command)?;
                ahead = session.unsent().len();
            }
            self.unwritten -= 1;
        }
        if self.unwritten == 0 && self.segment == Segment::Open {
            session.sync().map_err(Error::command)?;
            self.segment = Segment::Synced;
        }
        Ok(())
    }

    fn handle_message(&mut self) -> Result<()> {
        let progress = self.progress();
        let Self { flight, prelude, stage, affected, entries, segment, .. } = self;
        match flight.poll_message().map_err(|closed| Error::lost(closed, progress))? {
            Some(Backend::ErrorResponse(error)) => {
                let server = ServerMessage::from(error);
                return self.handle_refusal(server);
            }
            Some(Backend::CloseComplete) | None => {}
            Some(Backend::ReadyForQuery(_)) => {
                if *segment == Segment::Each {
                    entries.pop_front();
                    *stage = Stage::Bind;
                } else {
                    *segment = Segment::Over;
                }
            }
            Some(_) if *prelude > 0 => {
                *prelude -= 1;
                if *prelude == 0 {
                    flight.pending_begin_has_run();
                }
            }
            Some(Backend::BindComplete) => {
                *stage = Stage::Execute;
                *affected = 0;
            }
            Some(Backend::CommandComplete(complete)) => {
                *affected = complete.rows().unwrap_or(0);
                if let Some(Entry::Ready(statement)) = entries.front() {
                    let aftermath = effects::of_command(complete.tag().as_bytes(), statement.sql());
                    flight.apply(aftermath);
                }
                self.complete();
            }
            Some(Backend::EmptyQueryResponse) => self.complete(),
            Some(Backend::CopyInResponse(_) | Backend::CopyOutResponse(_)) => {
                // Nobody can tell any more which reply is whose: a COPY swallows the requests behind it.
                let closed = self.flight.give_up(CloseReason::Abandoned(COPY_MISPLACED.to_owned()));
                return Err(self.lost(closed));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// A statement has run. On its own, it is over only with its ReadyForQuery.
    fn complete(&mut self) {
        if self.is_atomic() {
            self.entries.pop_front();
            self.stage = Stage::Bind;
        }
    }

    fn is_atomic(&self) -> bool {
        self.segment != Segment::Each
    }

    fn handle_refusal(&mut self, server: ServerMessage) -> Result<()> {
        let stage = self.stage;
        let error = match self.entries.front() {
            Some(Entry::Ready(statement)) => {
                if let Some(stale) = what_is_stale(&server, stage) {
                    self.flight.statements.forget(statement, stale);
                }
                self.flight.refusal(server).with_statement(statement.sql())
            }
            _ => self.flight.refusal(server),
        };
        self.refused.get_or_insert(error);
        self.prelude = 0;
        if self.is_atomic() {
            self.stage = Stage::Bind;
            if self.segment == Segment::Open {
                self.flight.session.sync().map_err(Error::command)?;
            }
            self.segment = Segment::Failed;
        } else {
            // What the verb waits for is the end of the statement, which is its ReadyForQuery.
            self.stage = Stage::Execute;
        }
        Ok(())
    }

    /// How far the requests have got, as far as anything of them can stay.
    fn progress(&self) -> Progress {
        let uncommitted = matches!(self.segment, Segment::Open | Segment::Failed);
        if uncommitted { Progress::Unsent } else { self.flight.progress() }
    }

    fn lost(&mut self, closed: Closed) -> Error {
        let error = Error::lost(closed, self.progress());
        match self.entries.front() {
            Some(Entry::Ready(statement)) => error.with_statement(statement.sql()),
            _ => error,
        }
    }
}

/// A statement that gave no result: its error, or `None` when it was not run.
struct Unstarted(Option<Error>);

impl Unstarted {
    fn of<T>(self) -> Outcome<T> {
        self.0.map_or(Outcome::NotRun, Outcome::Failed)
    }
}

fn required<T>(found: Outcome<Option<T>>) -> Outcome<T> {
    match found {
        Outcome::Done(Some(found)) => Outcome::Done(found),
        Outcome::Done(None) => Outcome::Failed(Error::new(ErrorKind::NoRows, Delivery::Answered)),
        Outcome::Failed(error) => Outcome::Failed(error),
        Outcome::NotRun => Outcome::NotRun,
    }
}

const NONE_LEFT: &str = "the results of all statements of the pipeline have been read";
const COPY_MISPLACED: &str = "the server began a COPY in the middle of a pipeline";
