//! What the recorded server answers, made once.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use bytes::BytesMut;
use cornac_proto::message::server::{self, CopyDirection};
use cornac_proto::message::{
    Authentication, Backend, BackendKeyData, CommandComplete, FormatCode, ParameterStatus, TransactionStatus,
};

use crate::cost::{COLUMNS, VALUE_BYTES};
use crate::work::{
    COPY_IN, COPY_OUT, DISTINCT, DISTINCT_END, INSERT, MEASUREMENTS, POINT_SELECT, long_value, measurement,
    sample, wide_row,
};

/// How many different rows are repeated in a long result.
const BLOCK_ROWS: i32 = 1024;

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const FLOAT8: u32 = 701;
const TIMESTAMPTZ: u32 = 1184;

/// The answers as bytes.
#[derive(Debug)]
pub struct Answers {
    /// What follows a StartupMessage.
    pub(super) greeting: Vec<u8>,
    point_select: Recording,
    distinct: Recording,
    measurements: Recording,
    copy_in: Recording,
    copy_out: Recording,
    sample: Recording,
    insert: Recording,
    /// Wide rows and long values, by the statements that ask for them.
    grown: HashMap<String, Recording>,
    /// For everything else.
    nothing: Recording,
}

/// The answers to one statement.
#[derive(Debug)]
pub(super) struct Recording {
    /// ParameterDescription.
    pub(super) parameters: Vec<u8>,
    /// RowDescription or NoData of the statement.
    pub(super) columns: Vec<u8>,
    /// RowDescription or NoData of a portal, whose rows come in binary: clients ask for nothing else.
    pub(super) portal_columns: Vec<u8>,
    /// What comes in front of the rows of an Execute.
    pub(super) begin: Vec<u8>,
    /// The rows that are repeated, and where each of them ends.
    pub(super) block: Arc<[u8]>,
    pub(super) ends: Vec<usize>,
    /// What comes behind them, in front of a command tag.
    pub(super) end: Vec<u8>,
    /// The command tag's first word.
    pub(super) command: &'static str,
    /// Whether CopyData of the client's comes in between.
    pub(super) takes_copy_data: bool,
}

/// A statement that a client has made: which answers, and how many rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) recording: &'a Recording,
    pub(super) rows: usize,
}

impl Answers {
    /// Makes all answers.
    ///
    /// # Errors
    ///
    /// Never: they fit into messages.
    pub fn record() -> Result<Self> {
        let copy_begin =
            |direction| bytes(|out| server::copy_response(out, direction, FormatCode::Binary, 3));
        let copy_out = Recording {
            begin: copy_begin(CopyDirection::Out)?,
            end: [copy_data(&(-1_i16).to_be_bytes())?, message(&Backend::CopyDone)?].concat(),
            ..Recording::rows("COPY", &[], &[], &copied_rows()?)?
        };
        Ok(Self {
            greeting: greeting()?,
            point_select: Recording::rows(
                "SELECT",
                &[INT4],
                &[("id", INT4), ("name", TEXT), ("at", TIMESTAMPTZ)],
                &[point_row(None)?],
            )?,
            distinct: Recording::rows(
                "SELECT",
                &[INT4],
                &[("id", INT4), ("name", TEXT), ("at", TIMESTAMPTZ), ("int4", INT4)],
                &[point_row(Some(7))?],
            )?,
            measurements: Recording::rows("SELECT", &[], &MEASUREMENT_COLUMNS, &measurement_rows()?)?,
            copy_in: Recording {
                begin: copy_begin(CopyDirection::In)?,
                takes_copy_data: true,
                ..Recording::rows("COPY", &[], &[], &[])?
            },
            copy_out,
            sample: Recording::rows("SELECT", &[], &[("id", INT4), ("label", TEXT), ("value", FLOAT8)], &[])?,
            insert: Recording::rows("INSERT 0", &[INT4, TEXT, FLOAT8], &[], &[])?,
            grown: grown()?,
            nothing: Recording::rows("SET", &[], &[], &[])?,
        })
    }

    /// What is answered to a statement of this text.
    pub(super) fn find(&self, sql: &str) -> Answer<'_> {
        let one = |recording, rows| Answer { recording, rows };
        match sql {
            POINT_SELECT => one(&self.point_select, 1),
            INSERT => one(&self.insert, 0),
            COPY_IN => one(&self.copy_in, 0),
            COPY_OUT => one(&self.copy_out, 1_000_000),
            // What a client makes that builds the statement itself, and asks for the columns first.
            _ if sql.starts_with("COPY \"sample\"") => one(&self.copy_in, 0),
            _ if sql.ends_with("FROM \"sample\"") => one(&self.sample, 0),
            _ if sql.starts_with(DISTINCT) && sql.ends_with(DISTINCT_END) => one(&self.distinct, 1),
            _ => match sql.strip_prefix(MEASUREMENTS).and_then(|limit| limit.parse().ok()) {
                Some(limit) => one(&self.measurements, limit),
                None => self.grown.get(sql).map_or(one(&self.nothing, 0), |grown| one(grown, 1)),
            },
        }
    }
}

const MEASUREMENT_COLUMNS: [(&str, u32); 6] =
    [("id", INT4), ("total", INT8), ("ratio", FLOAT8), ("label", TEXT), ("at", TIMESTAMPTZ), ("even", BOOL)];

impl Recording {
    fn rows(
        command: &'static str,
        parameters: &[u32],
        columns: &[(&str, u32)],
        rows: &[Vec<u8>],
    ) -> Result<Self> {
        let described = |format| {
            let columns: Vec<_> = columns.iter().map(|&(name, oid)| (name, oid, format)).collect();
            match columns.as_slice() {
                [] => message(&Backend::NoData),
                columns => bytes(|out| server::row_description(out, columns)),
            }
        };
        let ends = rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        });
        Ok(Self {
            parameters: bytes(|out| server::parameter_description(out, parameters))?,
            columns: described(FormatCode::Text)?,
            portal_columns: described(FormatCode::Binary)?,
            begin: Vec::new(),
            ends: ends.collect(),
            block: rows.concat().into(),
            end: Vec::new(),
            command,
            takes_copy_data: false,
        })
    }
}

fn grown() -> Result<HashMap<String, Recording>> {
    let mut grown = HashMap::new();
    for columns in COLUMNS {
        let described = vec![("number", INT4); columns];
        let number = 7_i32.to_be_bytes();
        let row = bytes(|out| server::data_row(out, &vec![Some(&number[..]); columns]))?;
        grown.insert(wide_row(columns), Recording::rows("SELECT", &[], &described, &[row])?);
    }
    for len in VALUE_BYTES {
        let row = bytes(|out| server::data_row(out, &[Some(&vec![b'x'; len][..])]))?;
        grown.insert(long_value(len), Recording::rows("SELECT", &[], &[("value", TEXT)], &[row])?);
    }
    Ok(grown)
}

fn greeting() -> Result<Vec<u8>> {
    let mut greeting = message(&Backend::Authentication(Authentication::Ok))?;
    let settings = [
        ("server_version", "18.4"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("in_hot_standby", "off"),
        ("default_transaction_read_only", "off"),
        ("search_path", "\"$user\", public"),
    ];
    for (name, value) in settings {
        greeting.extend(message(&Backend::ParameterStatus(ParameterStatus::new(name, value)))?);
    }
    greeting.extend(message(&Backend::BackendKeyData(BackendKeyData::new(7, b"key!")))?);
    greeting.extend(message(&Backend::ReadyForQuery(TransactionStatus::Idle))?);
    Ok(greeting)
}

fn point_row(number: Option<i32>) -> Result<Vec<u8>> {
    let row = measurement(7);
    let (id, at) = (row.id.to_be_bytes(), row.at.postgres_micros().to_be_bytes());
    let number = number.map(i32::to_be_bytes);
    let mut values = vec![Some(&id[..]), Some(b"tusk of ivory, item 7"), Some(&at)];
    values.extend(number.as_ref().map(|number| Some(&number[..])));
    bytes(|out| server::data_row(out, &values))
}

fn measurement_rows() -> Result<Vec<Vec<u8>>> {
    let row = |number| {
        let row = measurement(number);
        let values: [&[u8]; 6] = [
            &row.id.to_be_bytes(),
            &row.total.to_be_bytes(),
            &row.ratio.to_be_bytes(),
            row.label.as_bytes(),
            &row.at.postgres_micros().to_be_bytes(),
            &[u8::from(row.even)],
        ];
        bytes(|out| server::data_row(out, &values.map(Some)))
    };
    (1..=BLOCK_ROWS).map(row).collect()
}

/// The rows of a COPY OUT; the header travels with the first of them, as servers have it, so every block of rows begins without.
fn copied_rows() -> Result<Vec<Vec<u8>>> {
    let row = |number| {
        let (id, label, value) = sample(number);
        let mut row = 3_i16.to_be_bytes().to_vec();
        for field in [&id.to_be_bytes()[..], label.as_bytes(), &value.to_be_bytes()] {
            row.extend(u32::try_from(field.len())?.to_be_bytes());
            row.extend(field);
        }
        copy_data(&row)
    };
    (1..=BLOCK_ROWS).map(row).collect()
}

fn copy_data(data: &[u8]) -> Result<Vec<u8>> {
    message(&Backend::CopyData(data))
}

pub(super) fn message(message: &Backend<'_>) -> Result<Vec<u8>> {
    bytes(|out| message.encode(out))
}

pub(super) fn command_complete(command: &str, rows: usize) -> Result<Vec<u8>> {
    let tag = if command == "SET" { command.to_owned() } else { format!("{command} {rows}") };
    message(&Backend::CommandComplete(CommandComplete::new(tag.as_str())))
}

fn bytes<E: Into<anyhow::Error>>(write: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<Vec<u8>> {
    let mut out = BytesMut::new();
    write(&mut out).map_err(Into::into)?;
    Ok(out.to_vec())
}
