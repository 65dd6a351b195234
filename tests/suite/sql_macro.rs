//! `sql!` wherever a statement goes.

use std::pin::pin;
use std::time::Duration;

use cornac::shared::SharedConnection;
use cornac::types::Value;
use cornac::{
    Client, Connection, Database, Delivery, Encode, Error, ErrorKind, Identifier, Sql, SqlState, Statement,
    StatementMode, sql,
};
use cornac_conn::{Outcome, pipeline};
use cornac_tests::{TestDatabase, connect_watched, deadline, shared, still_usable};

const MODES: [StatementMode; 3] = [StatementMode::Named, StatementMode::Unnamed, StatementMode::Simple];

/// A connection to a database of its own, with a table `item` of four rows.
async fn with_items() -> (TestDatabase, Connection) {
    let database = shared().database().await;
    let mut c = database.connect().await;
    let sql = "CREATE TABLE item (id int4, name text, price int8);
               INSERT INTO item VALUES (1, 'tusk', 10), (2, 'ivory', 20), (3, 'horn', 30), (4, 'bone', 40)";
    c.simple_query(sql).await.unwrap();
    (database, c)
}

/// Every verb of a client finds the row of `ivory` with a statement that has its parameters inside.
async fn every_verb_takes_it(client: &mut impl Client) {
    let (name, limit) = ("ivory", 25);
    let find = || sql!("SELECT id, price FROM item WHERE name = {name} AND price < {limit}");
    let row = (2, 20_i64);
    assert_eq!(client.fetch_one::<(i32, i64), _>(find(), ()).await.unwrap(), row);
    assert_eq!(client.fetch_optional::<(i32, i64), _>(find(), ()).await.unwrap(), Some(row));
    assert_eq!(client.fetch_all::<(i32, i64), _>(find(), ()).await.unwrap(), [row]);
    assert_eq!(client.fetch_value::<i32, _>(find(), ()).await.unwrap(), 2);
    assert_eq!(client.fetch_values::<i32, _>(&find(), ()).await.unwrap(), [2]);
    let mut rows = client.rows(find(), ()).await.unwrap();
    let id: i32 = rows.next().await.unwrap().unwrap().get(0).unwrap();
    assert_eq!((id, rows.next().await.unwrap().is_none()), (2, true));
    drop(rows);
    let stream = client.stream_query::<(i32, i64), _>(find(), ()).await.unwrap();
    assert_eq!(collected(stream).await, [row]);
    let changed =
        client.execute(sql!("UPDATE item SET price = price + {limit} WHERE name = {name}"), ()).await;
    assert_eq!(changed.unwrap(), 1);
    let none = client.fetch_one::<(i32, i64), _>(find(), ()).await.unwrap_err();
    assert!(matches!(none.kind(), ErrorKind::NoRows));
    assert_eq!(none.statement(), Some("SELECT id, price FROM item WHERE name = $1 AND price < $2"));
    client.execute(sql!("UPDATE item SET price = price - {limit} WHERE name = {name}"), ()).await.unwrap();
}

async fn collected<T>(stream: impl futures_core::Stream<Item = cornac::Result<T>>) -> Vec<T> {
    let mut stream = pin!(stream);
    let mut items = Vec::new();
    while let Some(item) = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        items.push(item.unwrap());
    }
    items
}

#[tokio::test]
async fn every_verb_takes_it_on_a_connection_and_in_a_transaction() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        for mode in MODES {
            c.set_statement_mode(mode);
            every_verb_takes_it(&mut c).await;
            let mut transaction = c.begin().await.unwrap();
            every_verb_takes_it(&mut transaction).await;
            transaction.rollback().await.unwrap();
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_verb_takes_it_on_a_database_and_on_a_shared_connection() {
    deadline(async {
        let (database, mut c) = with_items().await;
        let (name, limit) = (String::from("ivory"), 25);
        let find = sql!("SELECT id, price FROM item WHERE name = {name} AND price < {limit}");
        let raise = sql!("UPDATE item SET price = price + {limit} WHERE name = {name}");
        let (row, prices) = ((2, 20_i64), "SELECT price FROM item ORDER BY id");

        let db = Database::connect_with(database.config()).await.unwrap();
        assert_eq!(db.fetch_one::<(i32, i64), _>(&find, ()).await.unwrap(), row);
        assert_eq!(db.fetch_optional::<(i32, i64), _>(&find, ()).await.unwrap(), Some(row));
        assert_eq!(db.fetch_all::<(i32, i64), _>(&find, ()).await.unwrap(), [row]);
        assert_eq!(db.fetch_value::<i32, _>(&find, ()).await.unwrap(), 2);
        assert_eq!(db.fetch_values::<i32, _>(&find, ()).await.unwrap(), [2]);
        assert_eq!(db.execute(&raise, ()).await.unwrap(), 1);
        assert_eq!(db.fetch_values::<i64, _>(prices, ()).await.unwrap(), [10, 45, 30, 40]);
        db.close().await.unwrap();

        let lower = sql!("UPDATE item SET price = price - {limit} WHERE name = {name}");
        let shared = SharedConnection::connect(database.config()).await.unwrap();
        assert_eq!(shared.execute(&lower, ()).await.unwrap(), 1);
        assert_eq!(shared.fetch_one::<(i32, i64), _>(&find, ()).await.unwrap(), row);
        assert_eq!(shared.fetch_optional::<(i32, i64), _>(&find, ()).await.unwrap(), Some(row));
        assert_eq!(shared.fetch_all::<(i32, i64), _>(&find, ()).await.unwrap(), [row]);
        assert_eq!(shared.fetch_value::<i32, _>(&find, ()).await.unwrap(), 2);
        assert_eq!(shared.fetch_values::<i32, _>(&find, ()).await.unwrap(), [2]);
        let twice = shared.execute(&find, (1,)).await.unwrap_err();
        assert!(matches!(twice.kind(), ErrorKind::Usage(_)), "{twice}");
        shared.close().await.unwrap();
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn it_may_be_made_where_it_is_used_and_sent_to_another_thread() {
    deadline(async {
        let (database, mut c) = with_items().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        let task = tokio::spawn({
            let db = db.clone();
            async move {
                let names = vec![String::from("tusk"), String::from("bone")];
                let mut statement = sql!("SELECT id FROM item WHERE name = ANY({names})");
                statement.push(sql!("AND price > {least} ORDER BY id", least = 5 + 5));
                db.fetch_values::<i32, _>(statement, ()).await
            }
        });
        assert_eq!(task.await.unwrap().unwrap(), [4]);
        let name: String = db
            .fetch_value(sql!("SELECT name FROM item WHERE name = {name}", name = "TUSK".to_lowercase()), ())
            .await
            .unwrap();
        assert_eq!(name, "tusk");
        still_usable(&mut c).await;
    })
    .await;
}

/// What somebody looks for.
#[derive(Default)]
struct Filter {
    ids: Option<Vec<i32>>,
    name: Option<String>,
    price_below: Option<i64>,
    descending: bool,
}

fn search(filter: &Filter) -> Sql<'_> {
    let Filter { ids, name, price_below, descending } = filter;
    let mut conditions = Vec::new();
    if let Some(ids) = ids {
        conditions.push(sql!("id = ANY({ids})"));
    }
    if let Some(name) = name {
        conditions.push(sql!("(name = {name} OR name = upper({name}))"));
    }
    if let Some(limit) = price_below {
        conditions.push(sql!("price < {limit}"));
    }
    let mut statement = sql!("SELECT name FROM item");
    if !conditions.is_empty() {
        statement.push(sql!("WHERE")).push(Sql::join(conditions, sql!(" AND ")));
    }
    let order = if *descending { sql!("DESC") } else { sql!("ASC") };
    statement.push(sql!("ORDER BY id {order}"));
    statement
}

#[tokio::test]
async fn a_search_is_put_together_of_what_is_asked_for() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        for mode in MODES {
            c.set_statement_mode(mode);
            for (filter, text, expected) in [
                (Filter::default(), "SELECT name FROM item ORDER BY id ASC", &["tusk", "ivory", "horn", "bone"][..]),
                (
                    Filter { price_below: Some(30), descending: true, ..Filter::default() },
                    "SELECT name FROM item WHERE price < $1 ORDER BY id DESC",
                    &["ivory", "tusk"],
                ),
                (
                    Filter { ids: Some(vec![4, 3, 1]), price_below: Some(40), ..Filter::default() },
                    "SELECT name FROM item WHERE id = ANY($1) AND price < $2 ORDER BY id ASC",
                    &["tusk", "horn"],
                ),
                (
                    Filter { ids: Some(vec![1, 2]), name: Some("tusk".to_owned()), price_below: Some(40), descending: true },
                    "SELECT name FROM item WHERE id = ANY($1) AND (name = $2 OR name = upper($2)) AND price < $3 ORDER BY id DESC",
                    &["tusk"],
                ),
                // A list without elements is a list.
                (
                    Filter { ids: Some(vec![]), ..Filter::default() },
                    "SELECT name FROM item WHERE id = ANY($1) ORDER BY id ASC",
                    &[],
                ),
            ] {
                let statement = search(&filter);
                assert_eq!(statement.text(), text);
                let names: Vec<String> = c.fetch_values(statement, ()).await.unwrap();
                assert_eq!(names, expected, "{text} in {mode:?}");
            }
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn parts_are_nested_with_their_parameters_in_order() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        let (table, column) = (Identifier::new("item").unwrap(), Identifier::new("price").unwrap());
        let (low, high, name) = (15, 35, "horn");
        let between = sql!("{column} > {low} AND {column} < {high}");
        let inner = sql!("SELECT id FROM {table} WHERE {between}");
        // A part that stands in two places has its parameters once.
        let statement = sql!(
            "SELECT {name}, id FROM ({inner}) AS i WHERE id IN ({inner}) AND {low}::int4 < {high}::int4 ORDER BY id"
        );
        let between = r#""price" > $2 AND "price" < $3"#;
        let inner = format!(r#"SELECT id FROM "item" WHERE {between}"#);
        let expected =
            format!("SELECT $1, id FROM ({inner}) AS i WHERE id IN ({inner}) AND $4::int4 < $5::int4 ORDER BY id");
        assert_eq!(statement.text(), expected);
        for mode in MODES {
            c.set_statement_mode(mode);
            let rows: Vec<(String, i32)> = c.fetch_all(&statement, ()).await.unwrap();
            assert_eq!(rows, [("horn".to_owned(), 2), ("horn".to_owned(), 3)], "{mode:?}");
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn any_number_of_parameters_keeps_its_order() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        for count in [1, 3, 4, 5, 9, 10, 11, 99, 100, 1000] {
            let numbers: Vec<i32> = (0..count).collect();
            let parts = numbers.iter().map(|number| sql!("{number}::int4"));
            let list = Sql::join(parts, sql!(", "));
            let back: Vec<i32> = c.fetch_value(sql!("SELECT ARRAY[{list}]"), ()).await.unwrap();
            assert_eq!(back, numbers);
            let mut pushed = sql!("SELECT ARRAY[");
            for (index, number) in numbers.iter().enumerate() {
                if index > 0 {
                    pushed.push(sql!(","));
                }
                pushed.push(sql!("{number}::int4"));
            }
            pushed.push(sql!("]"));
            assert_eq!(c.fetch_value::<Vec<i32>, _>(pushed, ()).await.unwrap(), numbers);
        }
        let too_many = Sql::join((0..65_536).map(|number| sql!("{number}")), sql!(","));
        let refused = c.execute(sql!("SELECT {too_many}"), ()).await.unwrap_err();
        assert_eq!(refused.delivery(), Delivery::NotSent);
        assert!(matches!(refused.kind(), ErrorKind::Command(_)), "{refused}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn values_of_every_way_of_being_captured_arrive() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        let (int2, int4, int8, float4, float8, bool, oid) = (-2_i16, -4, -8_i64, 0.5_f32, 0.25, true, 26_u32);
        let (text, string, bytes) = ("text", String::from("string"), &b"\0\xff"[..]);
        let (slice, texts) = (&[1_i64, 2][..], ["a", "b"]);
        let (some, none) = (Some("some"), None::<i32>);
        let (object, mut changed): (&(dyn Encode + Sync), _) = (&7_i64, 5);
        let lent = &mut changed;
        for mode in MODES {
            c.set_statement_mode(mode);
            let numbers: (i16, i32, i64, f32, f64, bool, u32, i64, i32) = c
                .fetch_one(
                    sql!(
                        "SELECT {int2}::int2, {int4}::int4, {int8}::int8, {float4}::float4, {float8}::float8, {bool}::bool, {oid}::oid, {object}::int8, {lent}::int4"
                    ),
                    (),
                )
                .await
                .unwrap();
            assert_eq!(numbers, (-2, -4, -8, 0.5, 0.25, true, 26, 7, 5), "{mode:?}");
            let back: (String, String, Vec<u8>) =
                c.fetch_one(sql!("SELECT {text}::text, {string}::text, {bytes}::bytea"), ()).await.unwrap();
            let list: Vec<String> = c.fetch_value(sql!("SELECT {texts}::text[]"), ()).await.unwrap();
            assert_eq!(back, ("text".to_owned(), "string".to_owned(), bytes.to_owned()), "{mode:?}");
            assert_eq!(list, texts, "{mode:?}");
            let others: (Vec<i64>, Option<String>, Option<i32>) =
                c.fetch_one(sql!("SELECT {slice}::int8[], {some}::text, {none}::int4"), ()).await.unwrap();
            assert_eq!(others, (slice.to_owned(), Some("some".to_owned()), None), "{mode:?}");
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn one_shape_is_one_prepared_statement_however_it_is_written() {
    deadline(async {
        let (database, mut observer) = with_items().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        let read = "SELECT name FROM item WHERE id = $1";
        let _: String = c.fetch_value(read, (1,)).await.unwrap();
        flights.take();
        for id in 1..=4 {
            let _: String = c.fetch_value(sql!("SELECT name FROM item WHERE id = {id}"), ()).await.unwrap();
            let condition = sql!("id = {id}");
            let _: String = c.fetch_value(sql!("SELECT name FROM item WHERE {condition}"), ()).await.unwrap();
            let mut pushed = sql!("SELECT name FROM item");
            pushed.push(sql!("WHERE id = {id}"));
            let _: String = c.fetch_value(pushed, ()).await.unwrap();
        }
        assert_eq!(flights.take(), ["BES"; 12], "it is parsed already");
        let parsed: i64 = c
            .fetch_value(
                "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT name%'",
                (),
            )
            .await
            .unwrap();
        assert_eq!(parsed, 1);
        still_usable(&mut c).await;
        still_usable(&mut observer).await;
    })
    .await;
}

fn is_misplaced(error: &Error) {
    assert!(matches!(error.kind(), ErrorKind::Usage(what) if what.contains("parameters inside")), "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(error.statement(), Some("SELECT id FROM item WHERE id = $1"));
}

#[tokio::test]
async fn parameters_in_two_places_are_refused_before_anything_is_sent() {
    deadline(async {
        let (database, mut observer) = with_items().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        let id = 1;
        let find = sql!("SELECT id FROM item WHERE id = {id}");
        is_misplaced(&c.execute(&find, (1,)).await.unwrap_err());
        is_misplaced(&c.rows(&find, (1,)).await.map(drop).unwrap_err());
        is_misplaced(&c.fetch_one::<(i32,), _>(&find, (1,)).await.unwrap_err());
        is_misplaced(&c.fetch_optional::<(i32,), _>(&find, (1,)).await.unwrap_err());
        is_misplaced(&c.fetch_all::<(i32,), _>(&find, (1,)).await.unwrap_err());
        is_misplaced(&c.fetch_value::<i32, _>(&find, (1,)).await.unwrap_err());
        is_misplaced(&c.fetch_values::<i32, _>(&find, &[1]).await.unwrap_err());
        is_misplaced(&c.stream_query::<(i32,), _>(&find, (1,)).await.map(drop).unwrap_err());
        is_misplaced(&c.execute(Statement::new(find.clone()), (1,)).await.unwrap_err());
        // Where many sets of parameters belong to one statement, its own would never be used.
        is_misplaced(&c.execute_many(&find, [(1,), (2,)]).await.unwrap_err());
        is_misplaced(&c.batch(&find).await.map(drop).unwrap_err());
        is_misplaced(&c.prepare(&find).await.map(drop).unwrap_err());
        assert!(flights.take().is_empty());
        // An empty slice is no parameters, and a statement without parameters takes those beside it, of which it has no use.
        let none: &[&(dyn Encode + Sync)] = &[];
        assert_eq!(c.fetch_value::<i32, _>(&find, none).await.unwrap(), 1);
        let unused = c.execute(sql!("SELECT 1"), (1,)).await.unwrap_err();
        assert_eq!(unused.to_string(), "the statement takes 0 parameters, and 1 were given");
        still_usable(&mut c).await;
        still_usable(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn a_pipeline_keeps_what_was_captured_until_it_is_sent() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        let names = [String::from("tusk"), String::from("bone")];
        // The first time, the server has to be asked about the statement; then it is known.
        for round in ["cold", "warm"] {
            let id = 3;
            let mut pipeline = c.pipeline();
            for name in &names {
                pipeline.push_sql(sql!("SELECT id FROM item WHERE name = {name}"));
            }
            pipeline.push(sql!("SELECT id FROM item WHERE id = {id}"), ());
            pipeline.push_sql(Statement::new(sql!("SELECT id FROM item WHERE id = {id}")));
            pipeline.push_sql("SELECT 7");
            assert_eq!(pipeline.len(), 5);
            let mut results = pipeline.run().await.unwrap();
            for expected in [1, 4] {
                let id = results.fetch_value::<i32>().await.unwrap().done().unwrap();
                assert_eq!(id, expected, "{round}");
            }
            let misplaced = results.fetch_value::<i32>().await.unwrap();
            is_misplaced(misplaced.error().unwrap());
            assert_eq!(results.fetch_value::<i32>().await.unwrap().done().unwrap(), 3, "{round}");
            assert_eq!(results.fetch_value::<i32>().await.unwrap().done().unwrap(), 7, "{round}");
            results.finish().await.unwrap();

            let (mut low, high) = (15, 35);
            let (found, raised, twice) = c
                .run_pipeline((
                    pipeline::fetch_values::<i32, _, _>(
                        sql!("SELECT id FROM item WHERE price > {low} AND price < {high}"),
                        (),
                    ),
                    pipeline::execute(sql!("UPDATE item SET price = price WHERE price > {low}"), ()),
                    pipeline::execute(sql!("SELECT id FROM item WHERE id = {low}"), (1,)),
                ))
                .await
                .unwrap();
            assert_eq!(found.done().unwrap(), [2, 3], "{round}");
            assert!(matches!(raised, Outcome::Done(3)), "{round}: {raised:?}");
            is_misplaced(twice.error().unwrap());
            low += 10;
            let (raised, left) = c
                .run_atomically((
                    pipeline::execute(sql!("UPDATE item SET price = price WHERE price > {low}"), ()),
                    pipeline::fetch_value::<i64, _, _>(
                        sql!("SELECT count(*) FROM item WHERE price > {high}"),
                        (),
                    ),
                ))
                .await
                .unwrap();
            assert_eq!((raised, left), (2, 1), "{round}");
            still_usable(&mut c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn options_ride_on_a_statement_that_is_made_of_it() {
    deadline(async {
        let (database, mut observer) = with_items().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        let (seconds, limit) = (60.0, 35);
        let slow = Statement::new(sql!("SELECT pg_sleep({seconds})")).timeout(Duration::from_millis(50));
        let late = observer.execute(slow, ()).await.unwrap_err();
        assert!(matches!(late.kind(), ErrorKind::Timeout { .. }), "{late}");
        let find = || Statement::new(sql!("SELECT id FROM item WHERE price < {limit} ORDER BY id"));
        for (statement, expected) in [
            (find().mode(StatementMode::Simple), &["Q"][..]),
            (find().mode(StatementMode::Unnamed), &["PDS", "PBDES"]),
            (find().fetch_size(2), &["PBDEH", "EH", "S"]),
            (find().not_cached(), &["PBDES"]),
        ] {
            flights.take();
            let ids: Vec<i32> = c.fetch_values(&statement, ()).await.unwrap();
            assert_eq!(ids, [1, 2, 3], "{statement:?}");
            assert_eq!(flights.take(), expected, "{statement:?}");
        }
        still_usable(&mut c).await;
        still_usable(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_told_by_number_and_type_and_never_by_value() {
    deadline(async {
        let (_database, mut c) = with_items().await;
        let (id, name) = (i64::MAX, "a secret");
        let find = sql!("SELECT * FROM item WHERE name = {name} AND id = {id}");
        let refused = c.execute(&find, ()).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "parameter $2 is int4, which this i64 cannot become: 9223372036854775807 is out of its range"
        );
        let wrong = c.execute(sql!("SELECT {name}::text, nonsense"), ()).await.unwrap_err();
        assert_eq!(wrong.sql_state(), Some(SqlState::UNDEFINED_COLUMN));
        for shown in [
            format!("{find:?}"),
            format!("{wrong:#}"),
            format!("{wrong:?}"),
            format!("{:?}", Statement::new(find)),
        ] {
            assert!(!shown.contains("secret"), "{shown}");
        }
        let value = Value::Null;
        assert_eq!(c.fetch_value::<Option<i32>, _>(sql!("SELECT {value}::int4"), ()).await.unwrap(), None);
        still_usable(&mut c).await;
    })
    .await;
}
