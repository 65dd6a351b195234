//! What the server says to one statement.

use bytes::{BufMut, BytesMut};
use cornac_proto::message::{Backend, DataRow, ServerMessage};
use cornac_types::{Columns, RowRef, Type};

use crate::core::head::{Head, Step};
use crate::core::stale::{Stage, Stale, what_is_stale};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::prepared::{Description, Prepared, changed_columns, described_columns, parameter_types};
use crate::shape::Shape;
use crate::shared::SharedError;

/// Why the server gives no result.
pub(super) struct Refusal {
    pub(super) server: ServerMessage,
    /// What was remembered is no longer true, and nothing has run.
    pub(super) stale: Option<Stale>,
}

/// The replies to one entry, as far as they have come.
pub(super) enum Replies {
    Description(DescriptionReplies),
    Execution(ExecutionReplies),
}

/// To Parse, Describe, Sync.
pub(super) struct DescriptionReplies {
    pub(super) asked: Prepared,
    parameters: Box<[Type]>,
    columns: Columns,
    parsed: bool,
    refused: Option<Box<ServerMessage>>,
}

/// To Bind, Execute, Sync, with or without a Parse in front.
pub(super) struct ExecutionReplies {
    /// As it was sent, or as it was described on the way.
    pub(super) statement: Prepared,
    pub(super) parsed: bool,
    pub(super) redescribed: bool,
    head: Head,
    begun: bool,
    keeping: Keeping,
    /// Each row behind its length in 4 bytes.
    rows: BytesMut,
    row_count: u64,
    affected: u64,
    refused: Option<Box<Refusal>>,
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// They are counted.
    Nothing,
    /// They are kept, up to so many bytes.
    UpTo(usize),
    /// They were more than so many bytes.
    TooMany(usize),
}

impl DescriptionReplies {
    pub(super) fn new(asked: Prepared) -> Self {
        let (parameters, columns) = (Box::default(), Columns::default());
        Self { asked, parameters, columns, parsed: false, refused: None }
    }

    fn handle(&mut self, message: &Backend<'_>) {
        match *message {
            Backend::ParseComplete => self.parsed = true,
            Backend::ParameterDescription(description) => self.parameters = parameter_types(description),
            Backend::RowDescription(description) => {
                self.columns = described_columns(description, |ty, _| ty.binary_format());
            }
            Backend::ErrorResponse(error) => {
                self.asked.set_may_be_parsed(self.parsed);
                self.refused.get_or_insert_with(|| Box::new(error.into()));
            }
            _ => {}
        }
    }

    /// What the server said of the statement.
    pub(super) fn into_description(self) -> (Prepared, Result<Description, ServerMessage>) {
        let described = match self.refused {
            Some(server) => Err(*server),
            None => Ok(Description::new(self.parameters, self.columns)),
        };
        (self.asked, described)
    }
}

impl ExecutionReplies {
    pub(super) fn new(statement: Prepared, parse: bool, describe: bool, keeping: Keeping) -> Self {
        Self {
            statement,
            parsed: false,
            redescribed: false,
            head: Head::new(0, parse, describe),
            begun: false,
            keeping,
            rows: BytesMut::new(),
            row_count: 0,
            affected: 0,
            refused: None,
        }
    }

    fn handle(&mut self, message: &Backend<'_>) {
        if self.begun { self.handle_end(message) } else { self.handle_head(message) }
    }

    fn handle_head(&mut self, message: &Backend<'_>) {
        match self.head.handle(message) {
            Step::More | Step::Over => {}
            Step::Parsed => self.parsed = true,
            Step::Bound => self.begun = true,
            Step::Described(columns) => {
                self.begun = true;
                if let Some(columns) = changed_columns(self.statement.columns(), columns) {
                    let parameters = self.statement.parameter_types().into();
                    self.statement = self.statement.redescribed(Description::new(parameters, columns));
                    self.redescribed = true;
                }
            }
            Step::Refused(server) => {
                if matches!(self.head.stage(), Stage::Prelude | Stage::Parse) {
                    self.statement.set_may_be_parsed(false);
                }
                let stale = what_is_stale(&server, self.head.stage());
                self.refused.get_or_insert_with(|| Box::new(Refusal { server, stale }));
            }
        }
    }

    fn handle_end(&mut self, message: &Backend<'_>) {
        match *message {
            Backend::CommandComplete(complete) => self.affected = complete.rows().unwrap_or(0),
            Backend::ErrorResponse(error) => {
                self.refused.get_or_insert_with(|| Box::new(Refusal { server: error.into(), stale: None }));
            }
            _ => {}
        }
    }

    /// Keeps a row; `buffer` gives the memory for the first one.
    pub(super) fn handle_row(&mut self, row: DataRow<'_>, buffer: impl FnOnce() -> BytesMut) {
        self.row_count = self.row_count.saturating_add(1);
        let Keeping::UpTo(limit) = self.keeping else { return };
        let values = row.values_bytes();
        let needed = self.rows.len().saturating_add(4).saturating_add(values.len());
        let length = u32::try_from(values.len()).ok().filter(|_| needed <= limit);
        let Some(length) = length else {
            self.keeping = Keeping::TooMany(limit);
            self.rows = BytesMut::new();
            return;
        };
        if self.rows.capacity() == 0 {
            self.rows = buffer();
        }
        self.rows.put_u32(length);
        self.rows.put_slice(values);
    }

    /// Nobody waits for the rows any more.
    fn forget_rows(&mut self) {
        self.keeping = Keeping::Nothing;
        self.rows = BytesMut::new();
    }

    /// How far the server had come with the statement when it refused it.
    pub(super) fn stage(&self) -> Stage {
        self.head.stage()
    }

    /// Whether the rows come next, and then the end.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether nothing but a BindComplete comes in front of the rows.
    pub(super) fn is_at_bind(&self) -> bool {
        self.head.is_at_bind()
    }

    /// That BindComplete has come.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// The statement has ended well.
    pub(super) fn end(&mut self, affected: u64) {
        self.affected = affected;
    }

    pub(super) fn take_refusal(&mut self) -> Option<Refusal> {
        self.refused.take().map(|refused| *refused)
    }

    pub(super) fn rows_affected(&self) -> u64 {
        self.affected
    }

    /// Decodes all rows.
    pub(super) fn collect<S: Shape>(&self) -> Result<Vec<S::Item>> {
        self.check_kept()?;
        let columns = self.statement.columns();
        let plan = S::plan(columns)?;
        let mut decoded = Vec::with_capacity(usize::try_from(self.row_count).unwrap_or_default());
        for values in Walk(&self.rows) {
            decoded.push(S::read(RowRef::new(columns, values), &plan)?);
        }
        Ok(decoded)
    }

    /// Decodes the one row that there may be.
    pub(super) fn at_most_one<S: Shape>(&self) -> Result<Option<S::Item>> {
        let columns = self.statement.columns();
        let plan = S::plan(columns)?;
        if self.row_count > 1 {
            return Err(Error::new(ErrorKind::TooManyRows, Delivery::Answered));
        }
        self.check_kept()?;
        let row = Walk(&self.rows).next();
        row.map(|values| Ok(S::read(RowRef::new(columns, values), &plan)?)).transpose()
    }

    fn check_kept(&self) -> Result<()> {
        match self.keeping {
            Keeping::TooMany(limit) => {
                let error = ErrorKind::Shared(SharedError::ResultTooLarge { limit });
                Err(Error::new(error, Delivery::Answered))
            }
            Keeping::Nothing | Keeping::UpTo(_) => Ok(()),
        }
    }
}

impl Replies {
    /// How many columns a row must have now.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Description(_) => 0,
            Self::Execution(execution) => execution.statement.columns().len(),
        }
    }

    /// Takes the next reply, which is neither a row nor ReadyForQuery. The ledger has found it to be due.
    pub(super) fn handle(&mut self, message: &Backend<'_>) {
        match self {
            Self::Description(description) => description.handle(message),
            Self::Execution(execution) => execution.handle(message),
        }
    }

    /// Takes the next row, which fits [`columns`](Self::columns).
    pub(super) fn handle_row(&mut self, row: DataRow<'_>, buffer: impl FnOnce() -> BytesMut) {
        if let Self::Execution(execution) = self {
            execution.handle_row(row, buffer);
        }
    }

    /// The caller has gone.
    pub(super) fn forget_rows(&mut self) {
        if let Self::Execution(execution) = self {
            execution.forget_rows();
        }
    }

    /// It was not sent, and never will be.
    pub(super) fn set_unsent(&self) {
        match self {
            Self::Description(description) => description.asked.set_may_be_parsed(false),
            Self::Execution(execution) if execution.head.stage() == Stage::Parse => {
                execution.statement.set_may_be_parsed(false);
            }
            Self::Execution(_) => {}
        }
    }
}

/// Rows that are kept, one after the other.
struct Walk<'r>(&'r [u8]);

impl<'r> Iterator for Walk<'r> {
    type Item = &'r [u8];

    fn next(&mut self) -> Option<&'r [u8]> {
        let (length, behind) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (row, behind) = behind.split_at_checked(length)?;
        self.0 = behind;
        Some(row)
    }
}
