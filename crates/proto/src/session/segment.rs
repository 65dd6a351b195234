//! The requests of one statement, encoded before their turn.

use std::fmt;

use bytes::BytesMut;

use super::ledger::Owed;
use super::{CommandError, Output, Session};
use crate::error::EncodeError;
use crate::message::{self, BindHead, BindParameters, FormatCode, Target};

/// The requests of one statement up to and including its Sync, encoded where the statement is made, and moved into a [`Session`] as a
/// whole when their turn comes: until then nothing of them can reach the server.
#[derive(Default)]
pub struct Segment {
    bytes: BytesMut,
    /// Close messages in front.
    closes: u32,
    shape: Shape,
}

/// What stands behind the Close messages.
#[derive(Clone, Copy, Debug, Default)]
enum Shape {
    #[default]
    Nothing,
    /// Parse, Describe of the statement, Sync.
    Description,
    /// Parse if there is one, Bind, Describe of the portal if its columns are asked for, Execute, Sync.
    Execution { parse: bool, describe: bool },
}

impl Segment {
    /// An empty one that writes into `buffer`, whose contents are dropped.
    pub fn in_buffer(mut buffer: BytesMut) -> Self {
        buffer.clear();
        Self { bytes: buffer, closes: 0, shape: Shape::Nothing }
    }

    /// The buffer, to be used for something else; nothing can be requested any more.
    pub fn into_buffer(mut self) -> BytesMut {
        self.bytes.clear();
        self.bytes
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Close, in front of what follows.
    ///
    /// # Errors
    ///
    /// Those of encoding; nothing was added then.
    pub fn close(&mut self, target: Target<'_>) -> Result<(), CommandError> {
        message::close(&mut self.bytes, target)?;
        self.closes = self.closes.saturating_add(1);
        Ok(())
    }

    /// Parse, Describe of the statement, and Sync. A type of 0 is left to the server.
    ///
    /// # Errors
    ///
    /// Those of encoding; nothing was added then.
    pub fn describe(
        &mut self,
        statement: &str,
        sql: &str,
        parameter_types: &[u32],
    ) -> Result<(), CommandError> {
        self.write(Shape::Description, |out| {
            message::parse(out, statement, sql, parameter_types)?;
            message::describe(out, Target::Statement(statement))?;
            message::sync(out);
            Ok::<_, EncodeError>(())
        })?;
        Ok(())
    }

    /// Bind, Execute without a limit, and Sync; behind a Parse if there is SQL with the types of its parameters, and with a Describe of
    /// the portal behind the Bind if `describe`.
    ///
    /// # Errors
    ///
    /// Those of encoding; nothing was added then.
    pub fn execute<P: BindParameters>(
        &mut self,
        parse: Option<(&str, &[u32])>,
        statement: &BindHead,
        parameters: &P,
        result_formats: &[FormatCode],
        describe: bool,
    ) -> Result<(), P::Error> {
        let shape = Shape::Execution { parse: parse.is_some(), describe };
        self.write(shape, |out| {
            if parse.is_none() && !describe {
                return message::run(out, statement, parameters, result_formats, true);
            }
            let statement = statement.statement();
            if let Some((sql, parameter_types)) = parse {
                message::parse(out, statement, sql, parameter_types)?;
            }
            message::bind(out, "", statement, parameters, result_formats)?;
            if describe {
                message::describe(out, Target::Portal(""))?;
            }
            message::execute(out, "", 0)?;
            message::sync(out);
            Ok(())
        })
    }

    fn write<E>(
        &mut self,
        shape: Shape,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        match written {
            Ok(()) => self.shape = shape,
            Err(_) => self.bytes.truncate(start),
        }
        written
    }
}

impl fmt::Debug for Segment {
    /// Shows what it consists of, never the values in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("len", &self.bytes.len())
            .field("closes", &self.closes)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Requests what `segment` consists of. The segment is as it was, so that it can be requested again when it was taken back.
    ///
    /// # Errors
    ///
    /// As every command.
    pub fn request_segment(&mut self, segment: &Segment) -> Result<(), CommandError> {
        self.check_open()?;
        if self.takes_copy_data() {
            return Err(CommandError::CopyIn);
        }
        self.send.tail().extend_from_slice(&segment.bytes);
        for _ in 0..segment.closes {
            self.ledger.push(Owed::Close);
        }
        match segment.shape {
            Shape::Nothing => return Ok(()),
            Shape::Description => {
                self.ledger.push(Owed::Parse);
                self.ledger.push(Owed::Describe { parameters: true });
            }
            Shape::Execution { parse, describe } => {
                if !parse && !describe {
                    self.ledger.push_run(true);
                    return Ok(());
                }
                if parse {
                    self.ledger.push(Owed::Parse);
                }
                self.ledger.push(Owed::Bind);
                if describe {
                    self.ledger.push(Owed::Describe { parameters: false });
                }
                self.ledger.push(Owed::Execute(Output::Awaited));
            }
        }
        self.ledger.push(Owed::Sync { ends_skipping: false });
        Ok(())
    }
}
