//! What the server owes: one entry for each request, matched only against the front.

use std::collections::VecDeque;

use crate::error::Awaited;
use crate::message::{Backend, BackendTag};

/// What one request still has to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// ParseComplete.
    Parse,
    /// BindComplete.
    Bind,
    /// CloseComplete.
    Close,
    /// RowDescription or NoData, behind ParameterDescription if `parameters`.
    Describe { parameters: bool },
    /// What the portal gives out, and its end.
    Execute(Output),
    /// Any number of results, then ReadyForQuery.
    Query(Output),
    /// As `Query`: one that nobody asked but the driver, behind the requests of a caller who does not wait for its answer.
    Postscript(Output),
    /// FunctionCallResponse unless it was `answered`, then ReadyForQuery.
    FunctionCall { answered: bool },
    /// ReadyForQuery. `ends_skipping` when the server ignores everything in front of this Sync.
    Sync { ends_skipping: bool },
    /// Nothing any more: a request that the server is known to ignore.
    Nothing,
}

/// How far a statement has given out its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Nothing of any result has come.
    Awaited,
    /// The same, and a CopyFail was written behind the request: should it be a COPY FROM STDIN, it has ended already.
    AwaitedFailed,
    /// A simple query has given out a whole result, and perhaps goes on with another.
    Ended,
    /// Rows come.
    Rows,
    /// The server takes CopyData.
    CopyIn,
    /// We have said CopyDone or CopyFail.
    CopyInEnded,
    /// The server sends CopyData.
    CopyOut,
    /// The server has said CopyDone.
    CopyOutEnded,
    /// A statement of a simple query failed, and nothing else of it runs.
    Failed,
}

/// Where the ledger stood at a moment, to return to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LedgerMark {
    /// Entries ever made.
    entries: u64,
    open: bool,
}

/// The requests that were written and not fully answered, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: VecDeque<Owed>,
    /// Entries ever removed from the front.
    settled: u64,
    /// A request failed, and no Sync stands behind it yet: the server ignores all until there is one.
    skipping: bool,
    /// Requests of the extended protocol were written, and no Sync behind them that the server would see: what they did is neither
    /// committed nor rolled back.
    open: bool,
}

/// Capacity, in entries, that an empty ledger may keep.
const KEPT: usize = 1024;

impl Ledger {
    /// Enters what a request that is being written will be answered with.
    pub(crate) fn push(&mut self, owed: Owed) {
        self.open = match owed {
            Owed::Sync { .. } => false,
            Owed::Query(_) | Owed::Postscript(_) | Owed::FunctionCall { .. } => self.skipping,
            _ => true,
        };
        let owed = match owed {
            Owed::Sync { .. } => Owed::Sync { ends_skipping: std::mem::take(&mut self.skipping) },
            _ if self.skipping => Owed::Nothing,
            owed => owed,
        };
        self.entries.push_back(owed);
        self.drop_settled();
    }

    /// As [`push`](Self::push) for Bind and Execute, and Sync if `sync`.
    #[inline]
    pub(crate) fn push_run(&mut self, sync: bool) {
        let run = [Owed::Bind, Owed::Execute(Output::Awaited), Owed::Sync { ends_skipping: false }];
        let run = if sync { run.as_slice() } else { run.split_last().map_or(&[][..], |(_, run)| run) };
        if self.skipping {
            for owed in run {
                self.push(*owed);
            }
        } else {
            self.entries.extend(run);
            self.open = !sync;
        }
    }

    /// Whether the oldest requests are Bind and Execute of a statement of which nothing has come, and a Sync behind them if `sync`.
    #[inline]
    pub(crate) fn is_run_next(&self, sync: bool) -> bool {
        let mut entries = self.entries.iter();
        matches!((entries.next(), entries.next()), (Some(Owed::Bind), Some(Owed::Execute(Output::Awaited))))
            && (!sync || matches!(entries.next(), Some(Owed::Sync { ends_skipping: false })))
    }

    /// The requests that [`is_run_next`](Self::is_run_next) has seen are fully answered.
    #[inline]
    pub(crate) fn settle_run(&mut self, sync: bool) {
        self.pop();
        self.settle_front(sync);
    }

    /// How far the oldest request has given out its result, when it may give a row.
    #[inline]
    pub(crate) fn output_of_rows(&mut self) -> Option<&mut Output> {
        match self.entries.front_mut() {
            Some(
                Owed::Execute(output @ (Output::Awaited | Output::AwaitedFailed | Output::Rows))
                | Owed::Query(output @ Output::Rows),
            ) => Some(output),
            _ => None,
        }
    }

    /// The oldest request that is not fully answered.
    #[inline]
    pub(crate) fn front(&self) -> Option<Owed> {
        self.entries.front().copied()
    }

    /// Whether a Sync stands behind the oldest request.
    #[inline]
    pub(crate) fn is_sync_next(&self) -> bool {
        matches!(self.entries.get(1), Some(Owed::Sync { .. }))
    }

    /// The oldest request is fully answered, and the Sync behind it if `sync`.
    #[inline]
    pub(crate) fn settle_front(&mut self, sync: bool) {
        self.pop();
        if sync {
            self.pop();
        }
        if let Some(Owed::Nothing) | None = self.entries.front() {
            self.drop_settled();
        }
    }

    pub(crate) fn mark(&self) -> LedgerMark {
        let entries = self.settled.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX));
        LedgerMark { entries, open: self.open }
    }

    /// Whether a request that was entered before `mark` is not fully answered.
    #[inline]
    pub(crate) fn is_before(&self, mark: LedgerMark) -> bool {
        self.settled < mark.entries
    }

    /// Takes out what was entered behind `mark`: requests of which no byte was sent.
    pub(crate) fn truncate(&mut self, mark: LedgerMark) {
        let kept = usize::try_from(mark.entries.saturating_sub(self.settled)).unwrap_or(usize::MAX);
        if self.entries.len() <= kept {
            return;
        }
        // With the Sync goes what it would have ended.
        let unskipped =
            self.entries.iter().skip(kept).any(|o| matches!(o, Owed::Sync { ends_skipping: true }));
        self.skipping |= unskipped;
        self.entries.truncate(kept);
        // A Sync in front of the mark may have been swallowed by a COPY since.
        let swallowed =
            matches!(self.entries.front(), Some(Owed::Execute(Output::CopyIn | Output::CopyInEnded)));
        self.open = mark.open || self.skipping || swallowed;
    }

    /// Whether the server owes nothing, and is not waiting for a Sync.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.open
    }

    /// Matches a DataRow against the front: what [`settle`](Self::settle) does for it, where it matters how fast.
    ///
    /// # Errors
    ///
    /// What was awaited instead.
    #[inline]
    pub(crate) fn settle_row(&mut self) -> Result<(), Awaited> {
        match self.output_of_rows() {
            Some(output) => {
                *output = Output::Rows;
                Ok(())
            }
            None => Err(self.awaited()),
        }
    }

    /// Whether requests of the extended protocol were written without a Sync behind them.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the server ignores everything up to the next Sync, which was not written yet.
    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Requests that are not fully answered.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the server takes CopyData now.
    pub(crate) fn is_copy_in(&self) -> bool {
        matches!(self.entries.front(), Some(Owed::Execute(Output::CopyIn) | Owed::Query(Output::CopyIn)))
    }

    /// Whether the oldest unanswered request is a simple query.
    pub(crate) fn is_simple_query(&self) -> bool {
        matches!(self.entries.front(), Some(Owed::Query(_)))
    }

    /// Whether the oldest unanswered request is one of the driver's own.
    #[inline]
    pub(crate) fn is_postscript(&self) -> bool {
        matches!(self.entries.front(), Some(Owed::Postscript(_)))
    }

    /// Whether the newest request is one of the driver's own.
    pub(crate) fn ends_with_postscript(&self) -> bool {
        matches!(self.entries.back(), Some(Owed::Postscript(_)))
    }

    /// We have said CopyDone or CopyFail.
    pub(crate) fn end_copy_in(&mut self) {
        if let Some(Owed::Execute(output @ Output::CopyIn) | Owed::Query(output @ Output::CopyIn)) =
            self.entries.front_mut()
        {
            *output = Output::CopyInEnded;
        }
    }

    /// A CopyFail is written behind a request that has not been answered, and may turn out to be a COPY FROM STDIN. False when the
    /// newest request is no such thing.
    pub(crate) fn fail_awaited_copy_in(&mut self) -> bool {
        match self.entries.back_mut() {
            Some(Owed::Execute(output @ Output::Awaited)) => {
                *output = Output::AwaitedFailed;
                true
            }
            _ => false,
        }
    }

    /// The CopyDone or CopyFail was taken back before it was sent.
    pub(crate) fn resume_copy_in(&mut self) {
        if let Some(Owed::Execute(output @ Output::AwaitedFailed)) = self.entries.back_mut() {
            *output = Output::Awaited;
        }
        if let Some(Owed::Execute(output @ Output::CopyInEnded) | Owed::Query(output @ Output::CopyInEnded)) =
            self.entries.front_mut()
        {
            *output = Output::CopyIn;
        }
    }

    /// Matches a reply against the front.
    ///
    /// # Errors
    ///
    /// What was awaited instead.
    pub(crate) fn settle(&mut self, message: &Backend<'_>) -> Result<(), Awaited> {
        let awaited = self.awaited();
        let Some(front) = self.entries.front_mut() else {
            return Err(awaited);
        };
        if let Backend::ErrorResponse(_) = message {
            return self.settle_error().then_some(()).ok_or(awaited);
        }
        match step(*front, message) {
            Step::Done => {
                self.pop();
                self.drop_settled();
            }
            Step::Stay(next) => {
                *front = next;
                if matches!(next, Owed::Execute(Output::CopyIn) | Owed::Query(Output::CopyIn)) {
                    self.forget_swallowed_syncs();
                }
            }
            Step::Unexpected => return Err(awaited),
        }
        Ok(())
    }

    /// The replies that would be right now, in words.
    pub(crate) fn awaited(&self) -> Awaited {
        let replies = match self.entries.front() {
            None => "nothing",
            Some(owed) => awaited(*owed),
        };
        Awaited { replies, requests: self.entries.len() }
    }

    /// An ErrorResponse: a simple query ends with it, anything else makes the server skip to the next Sync.
    fn settle_error(&mut self) -> bool {
        match self.entries.front_mut() {
            None => return false,
            Some(Owed::Query(output) | Owed::Postscript(output)) => *output = Output::Failed,
            Some(Owed::FunctionCall { answered }) => *answered = true,
            // What a Sync commits can still fail; ReadyForQuery follows all the same.
            Some(Owed::Sync { .. }) => {}
            Some(_) => self.skip_to_sync(),
        }
        true
    }

    fn skip_to_sync(&mut self) {
        loop {
            match self.entries.front_mut() {
                Some(Owed::Sync { ends_skipping }) => {
                    *ends_skipping = true;
                    return;
                }
                Some(_) => self.pop(),
                None => {
                    self.skipping = true;
                    self.open = true;
                    return;
                }
            }
        }
    }

    /// A server in copy-in mode ignores Sync: those already written are never answered.
    fn forget_swallowed_syncs(&mut self) {
        let is_extended = matches!(self.entries.front(), Some(Owed::Execute(_)));
        for behind in self.entries.iter_mut().skip(1) {
            match behind {
                Owed::Sync { .. } => *behind = Owed::Nothing,
                Owed::Nothing => {}
                _ => return,
            }
        }
        self.open = is_extended;
    }

    #[inline]
    fn pop(&mut self) {
        if self.entries.pop_front().is_some() {
            self.settled = self.settled.saturating_add(1);
        }
    }

    fn drop_settled(&mut self) {
        while let Some(Owed::Nothing) = self.entries.front() {
            self.pop();
        }
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = VecDeque::new();
        }
    }
}

enum Step {
    /// The request is fully answered.
    Done,
    /// It is answered as far as this.
    Stay(Owed),
    /// This is no reply to it.
    Unexpected,
}

/// What `message` means when `owed` is due.
fn step(owed: Owed, message: &Backend<'_>) -> Step {
    match (owed, message) {
        (Owed::Bind, Backend::BindComplete)
        | (Owed::Parse, Backend::ParseComplete)
        | (Owed::Close, Backend::CloseComplete)
        | (Owed::Describe { parameters: false }, Backend::RowDescription(_) | Backend::NoData)
        | (Owed::Sync { .. }, Backend::ReadyForQuery(_))
        | (Owed::FunctionCall { answered: true }, Backend::ReadyForQuery(_)) => Step::Done,
        (Owed::Describe { parameters: true }, Backend::ParameterDescription(_)) => {
            Step::Stay(Owed::Describe { parameters: false })
        }
        (Owed::FunctionCall { answered: false }, Backend::FunctionCallResponse(_)) => {
            Step::Stay(Owed::FunctionCall { answered: true })
        }
        (Owed::Execute(output), message) => execute_step(output, message),
        (Owed::Query(output), message) => query_step(output, message),
        (Owed::Postscript(output), message) => match query_step(output, message) {
            // It asks for no COPY, and nobody would send or take the data.
            Step::Stay(Owed::Query(Output::CopyIn | Output::CopyOut)) => Step::Unexpected,
            Step::Stay(Owed::Query(output)) => Step::Stay(Owed::Postscript(output)),
            step => step,
        },
        _ => Step::Unexpected,
    }
}

fn execute_step(output: Output, message: &Backend<'_>) -> Step {
    let output = match (output, message) {
        (Output::AwaitedFailed, Backend::CopyInResponse(_)) => {
            return Step::Stay(Owed::Execute(Output::CopyInEnded));
        }
        (Output::AwaitedFailed, _) => Output::Awaited,
        _ => output,
    };
    match (output, message) {
        (Output::Awaited | Output::Rows, Backend::DataRow(_)) => Step::Stay(Owed::Execute(Output::Rows)),
        (Output::Awaited, Backend::EmptyQueryResponse)
        | (Output::Awaited | Output::Rows, Backend::CommandComplete(_) | Backend::PortalSuspended)
        | (Output::CopyInEnded | Output::CopyOutEnded, Backend::CommandComplete(_)) => Step::Done,
        (output, message) => match copy_step(output, message) {
            Some(output) => Step::Stay(Owed::Execute(output)),
            None => Step::Unexpected,
        },
    }
}

fn query_step(output: Output, message: &Backend<'_>) -> Step {
    let output = match (output, message) {
        (Output::Ended | Output::Failed, Backend::ReadyForQuery(_)) => return Step::Done,
        (Output::Awaited | Output::Ended, Backend::RowDescription(_))
        | (Output::Rows, Backend::DataRow(_)) => Output::Rows,
        (Output::Awaited | Output::Ended, Backend::EmptyQueryResponse | Backend::CommandComplete(_))
        | (Output::Rows | Output::CopyInEnded | Output::CopyOutEnded, Backend::CommandComplete(_)) => {
            Output::Ended
        }
        (output, message) => match copy_step(output, message) {
            Some(output) => output,
            None => return Step::Unexpected,
        },
    };
    Step::Stay(Owed::Query(output))
}

fn copy_step(output: Output, message: &Backend<'_>) -> Option<Output> {
    match (output, message) {
        (Output::Awaited | Output::Ended, Backend::CopyInResponse(_)) => Some(Output::CopyIn),
        (Output::Awaited | Output::Ended, Backend::CopyOutResponse(_))
        | (Output::CopyOut, Backend::CopyData(_)) => Some(Output::CopyOut),
        (Output::CopyOut, Backend::CopyDone) => Some(Output::CopyOutEnded),
        _ => None,
    }
}

fn awaited(owed: Owed) -> &'static str {
    match owed {
        Owed::Parse => "ParseComplete",
        Owed::Bind => "BindComplete",
        Owed::Close => "CloseComplete",
        Owed::Describe { parameters: true } => "ParameterDescription",
        Owed::Describe { parameters: false } => "RowDescription or NoData",
        Owed::FunctionCall { answered: false } => "FunctionCallResponse",
        Owed::Sync { .. } | Owed::FunctionCall { answered: true } | Owed::Query(Output::Failed) => {
            "ReadyForQuery"
        }
        Owed::Execute(Output::Awaited | Output::AwaitedFailed) => "the first row or the end of a statement",
        Owed::Query(Output::Awaited | Output::AwaitedFailed) => "the first result of a simple query",
        Owed::Query(Output::Ended) => "another result of a simple query or ReadyForQuery",
        Owed::Execute(Output::Rows) | Owed::Query(Output::Rows) => "DataRow or CommandComplete",
        Owed::Execute(Output::CopyIn) | Owed::Query(Output::CopyIn) => {
            "nothing but an error (COPY FROM STDIN)"
        }
        Owed::Execute(Output::CopyOut) | Owed::Query(Output::CopyOut) => "CopyData or CopyDone",
        Owed::Execute(Output::CopyInEnded | Output::CopyOutEnded | Output::Failed | Output::Ended)
        | Owed::Query(Output::CopyInEnded | Output::CopyOutEnded) => "CommandComplete",
        Owed::Postscript(_) => "the answer to what the driver has asked itself",
        Owed::Nothing => "nothing",
    }
}

/// Whether a server may send this at any moment, whatever was asked.
pub(crate) fn is_asynchronous(tag: BackendTag) -> bool {
    matches!(tag, BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor;
    use crate::message::{CommandComplete, CopyResponse, TransactionStatus};

    const READY: Backend<'static> = Backend::ReadyForQuery(TransactionStatus::Idle);
    const SYNC: Owed = Owed::Sync { ends_skipping: false };

    #[test]
    fn requests_without_a_sync_leave_the_ledger_open() {
        let mut ledger = Ledger::default();
        assert!(ledger.is_empty() && !ledger.is_open());
        ledger.push(Owed::Execute(Output::Awaited));
        ledger.settle(&Backend::CommandComplete(CommandComplete::new("COPY 1"))).unwrap();
        assert!(ledger.is_open() && !ledger.is_empty(), "what it did is not committed");
        let mark = ledger.mark();
        ledger.push(SYNC);
        assert!(!ledger.is_open());
        ledger.truncate(mark);
        assert!(ledger.is_open(), "the Sync was taken back");
        ledger.push(SYNC);
        ledger.settle(&READY).unwrap();
        assert!(ledger.is_empty());
        ledger.push(Owed::Query(Output::Awaited));
        assert!(!ledger.is_open(), "a simple query ends what it begins");
    }

    #[test]
    fn a_copy_that_swallows_its_sync_leaves_the_ledger_open() {
        let response = cursor::all("CopyInResponse", &[0, 0, 0], CopyResponse::decode).unwrap();
        let copy_in = Backend::CopyInResponse(response);
        let mut ledger = Ledger::default();
        ledger.push(Owed::Execute(Output::Awaited));
        ledger.push(SYNC);
        ledger.settle(&copy_in).unwrap();
        assert!(ledger.is_open() && ledger.is_copy_in());
        // One that was failed before it was answered swallows nothing: its Sync stands behind the CopyFail.
        let mut ledger = Ledger::default();
        ledger.push(Owed::Execute(Output::Awaited));
        assert!(ledger.fail_awaited_copy_in());
        ledger.push(SYNC);
        ledger.settle(&copy_in).unwrap();
        assert!(!ledger.is_open() && !ledger.is_copy_in());
        assert!(!ledger.fail_awaited_copy_in(), "a Sync is no COPY");
    }
}
