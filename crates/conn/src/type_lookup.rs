//! Asking the server what types are: once for each that no connection to the database has met, all that a statement needs in one query.

use std::time::Duration;

use cornac_proto::message::{Backend, BackendTag, ServerMessage, TransactionStatus};
use cornac_types::{Column, Columns, Format, FromRow, Oid, RowRef, Type};

use crate::connection::Connection;
use crate::core::registry::Described;
use crate::core::statements::{Key, SearchPath};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::execution::{BindError, Bound};
use crate::flight::Flight;
use crate::prepared::{Description, Prepared};

/// How long the server may take to say what types are, where the statement that needs them has no limit of its own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The types in `$1`, and all that they are made of. `to_jsonb` reads a column that PostgreSQL has since version 14.
const SQL: &str = "\
WITH RECURSIVE multirange(oid, range) AS (
  SELECT (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid, r.rngtypid FROM pg_catalog.pg_range r
), needed(oid) AS (
  SELECT pg_catalog.unnest($1)
  UNION
  SELECT part.oid FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid CROSS JOIN LATERAL (
    SELECT t.typelem
    UNION ALL SELECT t.typbasetype
    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
    UNION ALL SELECT m.range FROM multirange m WHERE m.oid = t.oid
    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a
      WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
  ) part(oid)
)
SELECT t.oid,
       n.nspname::pg_catalog.text,
       t.typname::pg_catalog.text,
       CASE WHEN e.oid IS NULL THEN t.typtype::pg_catalog.text ELSE 'a' END,
       t.typsend <> 0 AND t.typreceive <> 0,
       COALESCE(NULLIF(t.typbasetype, 0), e.oid, r.rngsubtype, m.range, 0),
       CASE t.typtype
         WHEN 'e' THEN ARRAY(SELECT l.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum l
                             WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
         WHEN 'c' THEN ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
         ELSE '{}'
       END,
       CASE t.typtype
         WHEN 'c' THEN ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
         ELSE '{}'
       END
FROM needed
JOIN pg_catalog.pg_type t ON t.oid = needed.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
LEFT JOIN multirange m ON m.oid = t.oid";

/// What a row of the answer holds.
pub(crate) type Answer = (Oid, String, String, String, bool, Oid, Vec<String>, Vec<Oid>);

/// The query's description, which need not be asked for.
pub(crate) fn statement() -> Prepared {
    let types = [
        Type::OID,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::BOOL,
        Type::OID,
        Type::TEXT_ARRAY,
        Type::OID_ARRAY,
    ];
    let columns: Columns = types.into_iter().map(|ty| Column::new("", ty, Format::Binary)).collect();
    let key = Key { sql: SQL, declared: &[], path: &SearchPath::default() };
    Prepared::new(None, key.known(Description::new([Type::OID_ARRAY].into(), columns)))
}

/// What the answer says of one type.
pub(crate) fn described(answer: Answer) -> Described {
    let (oid, schema, name, sort, binary, part, names, types) = answer;
    Described { oid, schema, name, sort, binary, part, names, types }
}

impl Connection {
    /// Looks up the types that descriptions speak of and nobody knows. The connection is settled, and nothing is in flight.
    ///
    /// Where the server refuses to say, outside of a transaction, they stay unknown, and their values travel as text.
    pub(crate) async fn complete_types(&mut self, descriptions: &mut [&mut Description]) -> Result<()> {
        let unknown = self.statements.resolve(descriptions);
        if unknown.is_empty() {
            return Ok(());
        }
        let epoch = self.statements.epoch();
        // Boxed, so that the futures of statements need no room for what few of them do.
        match Box::pin(self.look_up_types(&unknown)).await? {
            Ok(described) => self.statements.put_types(&described, epoch),
            Err(server) if self.transaction_status() != TransactionStatus::Idle => {
                return Err(self.refusal(server));
            }
            Err(_) => {}
        }
        self.statements.resolve_at(descriptions, epoch);
        Ok(())
    }

    async fn look_up_types(&mut self, oids: &[Oid]) -> Result<Result<Vec<Described>, ServerMessage>> {
        let has_deadline = self.deadline.is_some();
        self.deadline.get_or_insert_with(|| Deadline::new(TIMEOUT));
        let mut flight = Flight::new(self);
        let asked = statement();
        flight.write_look_up(&asked, oids)?;
        let answer = flight.read_look_up(&asked).await;
        drop(flight);
        if !has_deadline {
            self.deadline = None;
        }
        answer
    }
}

impl Flight<'_> {
    fn write_look_up(&mut self, asked: &Prepared, oids: &[Oid]) -> Result<()> {
        let Description { parameters, result_formats, .. } = &**asked.description();
        let params = (oids,);
        let bound = Bound::new(&params, parameters);
        let session = &mut self.session;
        session.parse("", asked.sql(), &[Type::OID_ARRAY.oid().0]).map_err(Error::command)?;
        session.bind("", "", &bound, result_formats).map_err(BindError::into_error)?;
        session.execute("", 0).and_then(|()| session.sync()).map_err(Error::command)
    }

    async fn read_look_up(&mut self, asked: &Prepared) -> Result<Result<Vec<Described>, ServerMessage>> {
        let columns = asked.columns();
        let plan = Answer::plan(columns)?;
        let mut answer = Vec::new();
        let mut refused = None;
        loop {
            let tag = self.wait_for_message().await;
            let progress = self.progress();
            let lost = |closed| Error::lost(closed, progress);
            match tag.map_err(lost)? {
                BackendTag::DataRow => {
                    if let Some(row) = self.poll_row(columns.len()).map_err(lost)? {
                        let row = RowRef::new(columns, row.values_bytes());
                        answer.push(described(Answer::from_row(row, &plan)?));
                    }
                }
                _ => match self.poll_message().map_err(lost)? {
                    Some(Backend::ErrorResponse(error)) => {
                        refused = refused.or_else(|| Some(ServerMessage::from(error)));
                    }
                    Some(Backend::ReadyForQuery(_)) => return Ok(refused.map_or(Ok(answer), Err)),
                    _ => {}
                },
            }
        }
    }
}
