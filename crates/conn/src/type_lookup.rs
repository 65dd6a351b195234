//! Asking the server what types are: once for each that no connection to the database has met, all that a statement needs in one query.

use std::sync::LazyLock;
use std::time::Duration;

use cornac_proto::message::{Backend, BackendTag, ServerMessage, TransactionStatus};
use cornac_types::{Column, Columns, Format, FromRow, Oid, RowRef, Type};

use crate::client::Client;
use crate::connection::Connection;
use crate::core::qualified::qualified;
use crate::core::registry::Described;
use crate::core::statements::{Key, SearchPath};
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::execution::{BindError, Bound};
use crate::flight::Flight;
use crate::prepared::{Description, Prepared};
use crate::statement::Statement;

/// How long the server may take to say what types are, where the statement that needs them has no limit of its own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The types in `$1`, and all that they are made of. `to_jsonb` reads a column that PostgreSQL has since version 14.
static SQL: LazyLock<String> = LazyLock::new(|| {
    qualified(
        "\
WITH RECURSIVE multirange(oid, range) AS (
  SELECT (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid, r.rngtypid FROM pg_catalog.pg_range r
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
       n.nspname::text,
       t.typname::text,
       CASE WHEN e.oid IS NULL THEN t.typtype::text ELSE 'a' END,
       t.typsend <> 0::oid AND t.typreceive <> 0::oid,
       CASE WHEN t.typbasetype <> 0::oid THEN t.typbasetype ELSE COALESCE(e.oid, r.rngsubtype, m.range, 0::oid) END,
       CASE WHEN t.typtype = 'e' THEN ARRAY(SELECT l.enumlabel::text FROM pg_catalog.pg_enum l
                                            WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
            WHEN t.typtype = 'c' THEN ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                                            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
            ELSE '{}' END,
       CASE WHEN t.typtype = 'c' THEN ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a
                                            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
            ELSE '{}' END
FROM needed
JOIN pg_catalog.pg_type t ON t.oid = needed.oid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
LEFT JOIN multirange m ON m.oid = t.oid",
    )
});

/// What a row of the answer holds.
pub(crate) type Answer = (Oid, String, String, String, bool, Oid, Vec<String>, Vec<Oid>);

/// The types of its columns.
const ANSWER: [Type; 8] =
    [Type::OID, Type::TEXT, Type::TEXT, Type::TEXT, Type::BOOL, Type::OID, Type::TEXT_ARRAY, Type::OID_ARRAY];

/// The query's description, which need not be asked for.
pub(crate) fn statement() -> Prepared {
    let columns: Columns = ANSWER.into_iter().map(|ty| Column::new("", ty, Format::Binary)).collect();
    let key = Key { sql: &SQL, declared: &[], path: &SearchPath::default() };
    Prepared::new(None, key.known(Description::new([Type::OID_ARRAY].into(), columns)))
}

/// What the answer says of one type.
pub(crate) fn described(answer: Answer) -> Described {
    let (oid, schema, name, sort, binary, part, names, types) = answer;
    Described { oid, schema, name, sort, binary, part, names, types }
}

impl Connection {
    /// The types of these OIDs, in their order, as they are defined now: the server is asked for all of those that are not built in, in one
    /// round trip. One that it does not have is known by its OID alone.
    ///
    /// ```no_run
    /// use cornac_conn::{Client, Connection};
    /// use cornac_types::Oid;
    ///
    /// # async fn example(connection: &mut Connection) -> cornac_conn::Result<()> {
    /// let oid: Oid = connection.fetch_value("SELECT 'mood'::regtype::oid", ()).await?;
    /// for mood in &connection.types(&[oid]).await? {
    ///     println!("{mood}: {:?}", mood.labels());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As every verb of [`Client`].
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn types(&mut self, oids: &[Oid]) -> Result<Vec<Type>> {
        let mut unknown: Vec<Oid> =
            oids.iter().copied().filter(|oid| !Type::from_oid(*oid).is_built_in()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let mut learnt = Vec::new();
        if !unknown.is_empty() {
            let epoch = self.statements.epoch();
            let asked = Statement::typed(SQL.as_str(), &[Type::OID_ARRAY], &ANSWER).not_cached();
            let answers: Vec<Answer> = self.fetch_all(asked, (unknown,)).await?;
            let described: Vec<_> = answers.into_iter().map(described).collect();
            learnt = self.statements.put_types(&described, epoch);
        }
        let find = |oid: &Oid| learnt.iter().find(|ty| ty.oid() == *oid).cloned();
        Ok(oids.iter().map(|oid| find(oid).unwrap_or_else(|| Type::from_oid(*oid))).collect())
    }

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
            Ok(described) => {
                self.statements.put_types(&described, epoch);
            }
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
