//! Requests that are written ahead of their turn.

use bytes::{Buf, BufMut, BytesMut};

use super::ledger::Owed;
use super::{CommandError, Session};
use crate::message::{self, BindHead, BindParameters, FormatCode};

/// Executions of statements, each encoded as a whole and not yet requested: a pipeline is collected here, and moves into a [`Session`]
/// as fast as the socket takes it.
#[derive(Debug, Default)]
pub struct ExecutionQueue {
    /// For each: its length in 4 bytes, what it consists of in one, and its messages.
    bytes: BytesMut,
}

/// Bytes in front of the messages of an execution.
const HEAD_LEN: usize = 5;

/// What an execution consists of, beside Bind and Execute.
const PARSE: u8 = 1;
const SYNC: u8 = 2;

/// A Parse that goes in front of a Bind: always, since the unnamed statement may be another by then.
#[derive(Clone, Copy, Debug)]
pub struct UnnamedParse<'s> {
    /// The statement's text.
    pub sql: &'s str,
    /// The OIDs of its parameters' types.
    pub parameter_types: &'s [u32],
}

impl ExecutionQueue {
    /// Adds Bind and Execute of a statement, behind a Parse if there is one, with a Sync at the end if `sync`.
    ///
    /// # Errors
    ///
    /// Those of encoding the requests; nothing was added then.
    pub fn push<P: BindParameters>(
        &mut self,
        parse: Option<UnnamedParse<'_>>,
        statement: &BindHead,
        parameters: &P,
        result_formats: &[FormatCode],
        sync: bool,
    ) -> Result<(), P::Error> {
        let out = &mut self.bytes;
        let start = out.len();
        let written = write(out, parse, statement, parameters, result_formats, sync);
        if written.is_err() {
            out.truncate(start);
            return written;
        }
        let len = out.len().saturating_sub(start).saturating_sub(HEAD_LEN);
        // What was written by messages, none of which is longer than a GiB, and few.
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(start..).and_then(|head| head.first_chunk_mut::<4>()) {
            *place = len.to_be_bytes();
        }
        Ok(())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

fn write<P: BindParameters>(
    out: &mut BytesMut,
    parse: Option<UnnamedParse<'_>>,
    statement: &BindHead,
    parameters: &P,
    result_formats: &[FormatCode],
    sync: bool,
) -> Result<(), P::Error> {
    out.put_u32(0);
    out.put_u8(if parse.is_some() { PARSE } else { 0 } | if sync { SYNC } else { 0 });
    if let Some(UnnamedParse { sql, parameter_types }) = parse {
        message::parse(out, "", sql, parameter_types)?;
    }
    message::run(out, statement, parameters, result_formats, sync)
}

impl Session {
    /// Requests the execution at the front of `queue`, if there is one.
    ///
    /// # Errors
    ///
    /// As every command; the queue is then as it was.
    pub fn execute_queued(&mut self, queue: &mut ExecutionQueue) -> Result<(), CommandError> {
        let Some((&[a, b, c, d, what], rest)) = queue.bytes.split_first_chunk::<HEAD_LEN>() else {
            return Ok(());
        };
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let Some(messages) = rest.get(..len) else { return Ok(()) };
        self.check_takes_requests()?;
        self.send.tail().extend_from_slice(messages);
        if what & PARSE != 0 {
            self.ledger.push(Owed::Parse);
        }
        self.ledger.push_run(what & SYNC != 0);
        queue.bytes.advance(HEAD_LEN.saturating_add(len));
        Ok(())
    }
}
