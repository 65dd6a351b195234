//! The data of a COPY FROM STDIN, as rows that are encoded in place.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use cornac_proto::session::CommandError;
use cornac_proto::{put_copy_header, put_copy_trailer};
use cornac_types::{Column, Columns, EncodeError, Format, ParamError, Params, RecordError, Type};
use futures_core::Stream;

use super::dialogue::Dialogue;
use super::error::CopyError;
use super::progress::{CopyProgress, Watcher};
use crate::error::{Error, ErrorKind, Result};

/// A COPY FROM STDIN that takes records: tuples, or anything else that could be the parameters of a statement.
///
/// Made by [`Client::copy_records`](crate::Client::copy_records). Each record is encoded in the binary format, straight into the connection's
/// send buffer; one that does not fit its columns fails the COPY, and is named by its number and column.
///
/// Nothing is in the table before [`finish`](Self::finish) has returned. Dropped before, the COPY is failed, as a [`CopyIn`](super::CopyIn) is.
#[derive(Debug)]
#[must_use = "a COPY that is dropped is failed; call finish"]
pub struct CopyRecords<'c> {
    dialogue: Dialogue<'c>,
    columns: Columns,
    types: Box<[Type]>,
    /// How many columns there are, as each tuple says.
    count: u16,
    /// Records that were taken.
    rows: u64,
    /// Bytes that they have become.
    bytes: u64,
    watcher: Watcher,
}

/// How many bytes of records are written in one step, where there are so many records.
const AT_ONCE: usize = 8 << 10;

/// Why a record was not written.
enum Refused {
    Command(CommandError),
    Param(ParamError),
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl<'c> CopyRecords<'c> {
    pub(super) async fn begin(mut dialogue: Dialogue<'c>, copied: usize) -> Result<Self> {
        let columns = dialogue.columns().clone();
        let refused = "the client cannot encode the columns";
        if let Some(column) = columns.iter().find(|column| column.ty().binary_format() == Format::Text) {
            let error = CopyError::NoBinaryForm { column: column.name().into(), ty: column.ty().clone() };
            return Err(dialogue.fail_with(refused, error).await);
        }
        let count = match u16::try_from(columns.len()) {
            Ok(count) if columns.len() == copied => count,
            _ => {
                let error = CopyError::Columns { copied, described: columns.len() };
                return Err(dialogue.fail_with(refused, error).await);
            }
        };
        let types = columns.iter().map(Column::ty).cloned().collect();
        let mut records =
            Self { dialogue, columns, types, count, rows: 0, bytes: 0, watcher: Watcher::default() };
        records.append(put_copy_header).map_err(Error::command)?;
        Ok(records)
    }

    /// Has `callback` called with how far the COPY has come, each time that some 64 KiB were sent, and at the end.
    pub fn on_progress(mut self, callback: impl FnMut(CopyProgress) + Send + 'static) -> Self {
        self.watcher = Watcher::new(callback);
        self
    }

    /// The columns that each record has to have values for.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Takes a record.
    ///
    /// # Errors
    ///
    /// [`CopyError::Record`] when it does not fit. The server's, as soon as it refuses anything that was sent before. The COPY is over then, nothing
    /// of it was kept, and the connection is ready. The connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has not taken its record.
    pub async fn send<R: Params>(&mut self, record: R) -> Result<()> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.write(&record).await
    }

    /// Takes all records of an iterator.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// When dropped, some records were taken, and nobody knows how many: the COPY should be failed.
    pub async fn send_all<I>(&mut self, records: I) -> Result<()>
    where
        I: IntoIterator,
        I::Item: Params,
    {
        let mut records = records.into_iter();
        while let Some(first) = records.next() {
            if !self.dialogue.has_room() {
                poll_fn(|cx| self.poll_room(cx)).await?;
            }
            let written = self.encode(&first, || records.next());
            if let Err(refused) = written {
                return Err(self.fail_record(refused).await);
            }
        }
        Ok(())
    }

    /// Takes all records of a stream. While it is waited for, the connection is watched: an error of the server's ends the COPY at once.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). When the stream fails, the COPY is failed, and the error is [`CopyError::Source`].
    ///
    /// # Cancel safety
    ///
    /// As [`send_all`](Self::send_all).
    pub async fn send_stream<S, R, E>(&mut self, records: S) -> Result<()>
    where
        S: Stream<Item = Result<R, E>>,
        R: Params,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let mut records = std::pin::pin!(records);
        loop {
            let next = poll_fn(|cx| {
                if let Poll::Ready(next) = records.as_mut().poll_next(cx) {
                    return Poll::Ready(Ok(next));
                }
                self.dialogue.poll_idle(cx).map(Err)
            });
            match next.await? {
                None => return Ok(()),
                Some(Ok(record)) => self.send(record).await?,
                Some(Err(error)) => {
                    let error = CopyError::Source(error.into());
                    return Err(self.dialogue.fail_with("the source of the data failed", error).await);
                }
            }
        }
    }

    /// Sends what has been taken so far.
    ///
    /// # Errors
    ///
    /// The server's, as soon as it refuses anything that was sent.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.dialogue.poll_flush(cx)).await
    }

    /// Ends the COPY well, and waits until its rows are in the table (or in the transaction that is open). Says how many there are.
    ///
    /// # Errors
    ///
    /// As [`CopyIn::finish`](super::CopyIn::finish).
    ///
    /// # Cancel safety
    ///
    /// As [`CopyIn::finish`](super::CopyIn::finish).
    pub async fn finish(mut self) -> Result<u64> {
        if self.dialogue.is_open() {
            self.append(put_copy_trailer).map_err(Error::command)?;
        }
        let rows = self.dialogue.finish().await?;
        self.watcher.report(Some(rows), self.bytes);
        Ok(rows)
    }

    /// Fails the COPY: nothing of it is kept. The server's log shows `reason`.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the COPY is failed all the same.
    pub async fn fail(mut self, reason: &str) -> Result<()> {
        let reason = reason.replace('\0', " ");
        let over = self.dialogue.over();
        let error = self.dialogue.fail(&reason, over).await;
        if error.is_closed() { Err(error) } else { Ok(()) }
    }

    async fn write<R: Params>(&mut self, record: &R) -> Result<()> {
        match self.encode(record, || None) {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.fail_record(refused).await),
        }
    }

    /// Appends the tuples of `first` and of those that come after it, until there are [`AT_ONCE`] bytes: a count, and each value behind its
    /// length.
    #[inline]
    fn encode<R: Params>(&mut self, first: &R, mut next: impl FnMut() -> Option<R>) -> Result<(), Refused> {
        let Self { dialogue, types, count, bytes, rows, .. } = self;
        dialogue.append(|out| {
            let before = out.len();
            encode_record(first, types, *count, out)?;
            *rows = rows.saturating_add(1);
            while out.len().saturating_sub(before) < AT_ONCE {
                let Some(record) = next() else { break };
                encode_record(&record, types, *count, out)?;
                *rows = rows.saturating_add(1);
            }
            *bytes = bytes.saturating_add(len_u64(out.len().saturating_sub(before)));
            Ok(())
        })
    }

    #[cold]
    async fn fail_record(&mut self, refused: Refused) -> Error {
        let row = self.rows.saturating_add(1);
        let error = match refused {
            Refused::Command(error) => ErrorKind::Command(error),
            Refused::Param(error) => {
                ErrorKind::Copy(CopyError::Record(RecordError::new(row, &self.columns, error)))
            }
        };
        let error = Error::new(error, crate::Delivery::Answered);
        self.dialogue.fail(&format!("row {row} could not be encoded by the client"), error).await
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if ready!(self.dialogue.poll_room(cx))? {
            self.watcher.report(Some(self.rows), self.bytes);
        }
        Poll::Ready(Ok(()))
    }

    fn append(&mut self, write: impl FnOnce(&mut BytesMut)) -> Result<(), CommandError> {
        let bytes = &mut self.bytes;
        self.dialogue.append(|out| {
            let before = out.len();
            write(out);
            *bytes = bytes.saturating_add(len_u64(out.len().saturating_sub(before)));
            Ok(())
        })
    }
}

#[inline]
fn encode_record<R: Params>(
    record: &R,
    types: &[Type],
    count: u16,
    out: &mut BytesMut,
) -> Result<(), Refused> {
    out.put_u16(count);
    if !record.all_binary(types) {
        return Err(Refused::Param(first_text(record, types)));
    }
    record.encode(types, out).map_err(Refused::Param)
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The error for the first value that would be written as text.
#[cold]
fn first_text<R: Params>(record: &R, types: &[Type]) -> ParamError {
    if record.count() != types.len() {
        return ParamError::Count { taken: types.len(), given: record.count() };
    }
    let mut formats = Vec::new();
    record.formats(types, &mut |format| formats.push(format));
    let index = formats.iter().position(|format| *format == Format::Text).unwrap_or(0);
    let ty = types.get(index).cloned().unwrap_or(Type::UNKNOWN);
    let what = "it would be written as text, and records are copied in binary";
    let error = EncodeError::out_of_range(what);
    ParamError::Value { number: index.saturating_add(1), ty, rust_type: "value", error }
}
