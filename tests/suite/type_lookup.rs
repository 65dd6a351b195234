//! Types that a server defines: looked up once, shared, and looked up anew when they have changed.

use cornac::shared::SharedConnection;
use cornac::types::{Composite, Kind, Oid, Type};
use cornac::{Client, Connection, Statement, StatementMode};
use cornac_tests::{Flights, Server, TestDatabase, connect_watched, deadline, newest, shared, still_usable};

const SETUP: &str = "\
CREATE SCHEMA shop;
CREATE TYPE mood AS ENUM ('sad', 'happy', 'it''s \"fine\"');
CREATE DOMAIN shop.email AS text CHECK (VALUE LIKE '%@%');
CREATE DOMAIN shop.work_email AS shop.email;
CREATE TYPE shop.person AS (name text, mail shop.work_email, moods mood[]);
CREATE TYPE moodrange AS RANGE (subtype = mood);
CREATE TABLE t (id int4, gone int4, person shop.person, stay moodrange, rights aclitem);
ALTER TABLE t DROP COLUMN gone";

/// A connection with the types above, that nobody has looked up yet, on each kind of server.
async fn on_each_server(story: impl AsyncFn(&TestDatabase, Connection, Flights)) {
    for server in [shared(), newest() as &'static Server] {
        let database = server.database().await;
        let (mut c, flights) = connect_watched(database.config()).await.unwrap();
        c.simple_query(SETUP).await.unwrap();
        flights.take();
        deadline(story(&database, c, flights)).await;
    }
}

/// A connection that shares no catalogue with those of the database's own configuration: another process, as it were.
async fn stranger(database: &TestDatabase) -> Connection {
    let apart = database.config().clone().options("-c application_name=stranger");
    Connection::connect(&apart).await.unwrap()
}

/// The type of the first column.
async fn type_of(c: &mut Connection, sql: &str) -> Type {
    c.prepare(sql).await.unwrap().columns().get(0).unwrap().ty().clone()
}

#[tokio::test]
async fn types_that_nobody_knows_cost_one_round_trip_once() {
    on_each_server(async |database, mut c, flights| {
        let sql = "SELECT $1::mood, ARRAY[$1::mood]";
        let row: (String, Vec<String>) = c.fetch_one(sql, ("sad",)).await.unwrap();
        assert_eq!(row, ("sad".to_owned(), vec!["sad".to_owned()]));
        assert_eq!(flights.take(), ["PDS", "PBES", "BES"], "both types in one query");
        let _: (String, Vec<String>) = c.fetch_one(sql, ("happy",)).await.unwrap();
        assert_eq!(flights.take(), ["BES"]);
        let _: String = c.fetch_value("SELECT 'sad'::mood", ()).await.unwrap();
        assert_eq!(flights.take(), ["PDS", "BES"], "another statement with a type that is known");

        let (mut other, others) = connect_watched(database.config()).await.unwrap();
        let _: (String, Vec<String>) = other.fetch_one(sql, ("sad",)).await.unwrap();
        assert_eq!(others.take(), ["PBDES"]);
        let _: String = other.fetch_value("SELECT 'happy'::mood", ()).await.unwrap();
        assert_eq!(others.take(), ["PDS", "BES"]);
        other.set_statement_mode(StatementMode::Unnamed);
        let new = "SELECT NULL::moodrange::text, NULL::moodrange";
        let _: (Option<String>, Option<String>) = other.fetch_one(new, ()).await.unwrap_or_default();
        assert_eq!(others.take(), ["PDS", "PBES", "PBDES"]);
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn a_type_is_known_down_to_what_it_is_made_of() {
    on_each_server(async |_, mut c, flights| {
        let row = type_of(&mut c, "SELECT ARRAY(SELECT t FROM t)").await;
        assert_eq!(flights.take(), ["PDS", "PBES"]);
        let row = row.element().unwrap();
        assert_eq!((row.schema(), row.name()), (Some("public"), Some("t")));
        let fields: Vec<_> =
            row.fields().iter().map(|field| (field.name(), field.ty().to_string())).collect();
        let expected = [("id", "int4"), ("person", "person"), ("stay", "moodrange"), ("rights", "aclitem")];
        assert_eq!(fields, expected.map(|(name, ty)| (name, ty.to_owned())));
        let (person, stay) = (row.fields()[1].ty(), row.fields()[2].ty());
        let mail = person.fields()[1].ty();
        assert_eq!(mail.name(), Some("work_email"));
        assert!(matches!(mail.kind(), Kind::Domain(email) if email.schema() == Some("shop")));
        assert_eq!(mail.base(), &Type::TEXT);
        let mood = person.fields()[2].ty().element().unwrap();
        assert_eq!(
            mood.labels().iter().map(|label| &**label).collect::<Vec<_>>(),
            ["sad", "happy", "it's \"fine\""]
        );
        assert_eq!(stay.subtype(), Some(mood));
        assert_eq!(format!("{:?} {:?}", person.binary_format(), row.binary_format()), "Binary Text");
        let (of_table, multirange) = (type_of(&mut c, "SELECT t FROM t").await, "SELECT moodmultirange()");
        assert_eq!(&of_table, row);
        assert_eq!(type_of(&mut c, multirange).await.subtype(), Some(mood));
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_looked_up_in_a_transaction_with_changes_stays_there() {
    on_each_server(async |database, mut c, flights| {
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("CREATE TYPE fleeting AS ENUM ('here')", ()).await.unwrap();
        transaction.execute("ALTER TYPE shop.person ADD ATTRIBUTE age int4", ()).await.unwrap();
        let altered = type_of(transaction.connection(), "SELECT NULL::shop.person").await;
        assert_eq!(altered.fields().len(), 4);
        let here: String = transaction.fetch_value("SELECT 'here'::fleeting", ()).await.unwrap();
        assert_eq!(here, "here");
        let mut other = database.connect().await;
        assert_eq!(type_of(&mut other, "SELECT NULL::shop.person").await.fields().len(), 3);
        transaction.rollback().await.unwrap();
        assert_eq!(type_of(&mut c, "SELECT NULL::shop.person").await.fields().len(), 3);

        // A failed transaction answers nothing, and is asked nothing.
        let mut transaction = c.begin().await.unwrap();
        transaction.execute("SELECT 1/0", ()).await.unwrap_err();
        flights.take();
        let refused = transaction.fetch_value::<String, _>("SELECT 'sad'::mood", ()).await.unwrap_err();
        assert_eq!(refused.sql_state().unwrap().as_str(), "25P02");
        assert_eq!(flights.take(), ["PDS"]);
        transaction.rollback().await.unwrap();
        assert_eq!(c.fetch_value::<String, _>("SELECT 'sad'::mood", ()).await.unwrap(), "sad");
        still_usable(&mut c).await;
        still_usable(&mut other).await;
    })
    .await;
}

#[tokio::test]
async fn own_changes_are_seen_by_all_connections_of_the_process() {
    on_each_server(async |database, mut c, _| {
        let mut other = database.connect().await;
        let sql = "SELECT NULL::shop.person, NULL::mood";
        for c in [&mut c, &mut other] {
            c.execute(sql, ()).await.unwrap();
            assert_eq!(type_of(c, sql).await.fields().len(), 3);
        }
        c.execute("ALTER TYPE shop.person ADD ATTRIBUTE age int4", ()).await.unwrap();
        c.execute("ALTER TYPE mood ADD VALUE 'calm'", ()).await.unwrap();
        for c in [&mut c, &mut other] {
            assert_eq!(type_of(c, sql).await.fields().len(), 4);
            let mood = c.prepare(sql).await.unwrap().columns().get(1).unwrap().ty().clone();
            assert_eq!(mood.labels().len(), 4);
            still_usable(c).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_type_that_is_dropped_and_made_anew_is_looked_up_again() {
    on_each_server(async |database, mut c, _| {
        let mut stranger = stranger(database).await;
        let sql = "SELECT $1::mood, $1::mood::text";
        for mode in [StatementMode::Named, StatementMode::Unnamed] {
            c.set_statement_mode(mode);
            let row: (String, String) = c.fetch_one(sql, ("sad",)).await.unwrap();
            assert_eq!(row, ("sad".to_owned(), "sad".to_owned()));
            let again = "DROP TYPE mood CASCADE; CREATE TYPE mood AS ENUM ('happy', 'sad')";
            stranger.simple_query(again).await.unwrap();
            let row: (String, String) = c.fetch_one(sql, ("happy",)).await.unwrap();
            assert_eq!(row, ("happy".to_owned(), "happy".to_owned()));
            let fresh: u32 = stranger.fetch_value("SELECT 'mood'::regtype::oid", ()).await.unwrap();
            assert_eq!(type_of(&mut c, sql).await.oid(), Oid(fresh));
        }
        still_usable(&mut c).await;
        still_usable(&mut stranger).await;
    })
    .await;
}

#[tokio::test]
async fn a_composite_that_a_stranger_alters_is_never_read_wrongly_and_soon_right() {
    on_each_server(async |database, mut c, _| {
        type Three = Composite<(String, Option<String>, Option<Vec<String>>)>;
        type Four = Composite<(String, Option<String>, Option<Vec<String>>, Option<i32>)>;
        let mut stranger = stranger(database).await;
        let (read, write) = ("SELECT ROW('a', NULL, NULL)::shop.person", "SELECT ($1::shop.person)::text");
        let three = || Composite(("a".to_owned(), None::<String>, None::<Vec<String>>));
        let four = || Composite(("a".to_owned(), None::<String>, None::<Vec<String>>, Some(7)));
        let value: Three = c.fetch_value(read, ()).await.unwrap();
        assert_eq!(value, three());
        assert_eq!(c.fetch_value::<String, _>(write, (three(),)).await.unwrap(), "(a,,)");
        stranger.execute("ALTER TYPE shop.person ADD ATTRIBUTE age int4", ()).await.unwrap();
        // The server tells that what was sent is no such value any more, and then it is known that four are asked for.
        let refused = c.fetch_value::<String, _>(write, (three(),)).await.unwrap_err();
        let expected = "which this Composite<(String, Option<String>, Option<Vec<String>>)> cannot become: person has 4 fields, and this value has 3";
        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!(c.fetch_value::<String, _>(write, (four(),)).await.unwrap(), "(a,,,7)");
        stranger.execute("ALTER TYPE shop.person DROP ATTRIBUTE age", ()).await.unwrap();
        // Here it is known before anything is sent that the value does not fit what was remembered.
        assert_eq!(c.fetch_value::<String, _>(write, (three(),)).await.unwrap(), "(a,,)");
        let value: Three = c.fetch_value(read, ()).await.unwrap();
        assert_eq!(value, three());
        stranger.execute("ALTER TYPE shop.person ADD ATTRIBUTE age int4", ()).await.unwrap();
        let read = "SELECT ARRAY[NULL::shop.person, ROW('a', NULL, NULL, 7)::shop.person]";
        let values: Vec<Option<Four>> = c.fetch_value(read, ()).await.unwrap_or_default();
        let again: Vec<Option<Four>> = c.fetch_value(read, ()).await.unwrap();
        assert_eq!(again, [None, Some(four())], "at the second time at the latest, {values:?}");
        still_usable(&mut c).await;
        still_usable(&mut stranger).await;
    })
    .await;
}

#[tokio::test]
async fn a_type_that_no_catalogue_has_travels_as_text() {
    on_each_server(async |_, mut c, flights| {
        let nowhere = [Type::from_oid(Oid(4_000_000_000))];
        let unused = Statement::new("SELECT 7").parameter_types(&nowhere);
        let prepared = c.prepare(&unused).await.unwrap();
        assert_eq!(flights.take(), ["PDS", "PBES"], "asked for in vain");
        assert_eq!(prepared.parameter_types()[0].kind(), &Kind::Unknown);
        c.prepare(&unused).await.unwrap();
        assert!(flights.take().is_empty(), "and once");
        let typed = Statement::typed("SELECT 7", &[], &nowhere);
        assert_eq!(c.fetch_value::<i32, _>(&typed, ()).await.unwrap(), 7);
        let gone = c.execute(&unused, (None::<i32>,)).await.unwrap_err();
        assert_eq!(gone.sql_state().unwrap().as_str(), "XX000", "{gone}");
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn pipelines_and_shared_connections_look_types_up_too() {
    on_each_server(async |database, mut c, flights| {
        let mut pipeline = c.pipeline();
        pipeline.push("SELECT 'sad'::mood", ()).push("SELECT NULL::shop.person IS NULL", ());
        let mut results = pipeline.run().await.unwrap();
        let sad = results.fetch_value::<String>().await.unwrap();
        assert_eq!(sad.done(), Some("sad".to_owned()));
        results.finish().await.unwrap();
        assert_eq!(flights.take()[..2], ["PDSPDS", "PBES"]);
        c.execute("DROP TYPE moodrange CASCADE", ()).await.unwrap();

        let shared = SharedConnection::connect(database.config()).await.unwrap();
        for _ in 0..2 {
            let moods: (String, Vec<String>) =
                shared.fetch_one("SELECT $1::mood, ARRAY[$1::mood]", ("sad",)).await.unwrap();
            assert_eq!(moods, ("sad".to_owned(), vec!["sad".to_owned()]));
        }
        still_usable(&mut c).await;
    })
    .await;
}

#[tokio::test]
async fn types_are_told_by_their_oids_in_the_order_in_which_they_were_asked_for() {
    on_each_server(async |database, mut c, flights| {
        assert_eq!(
            c.types(&[Type::INT4.oid(), Type::TEXT_ARRAY.oid()]).await.unwrap(),
            [Type::INT4, Type::TEXT_ARRAY]
        );
        assert_eq!(c.types(&[]).await.unwrap(), []);
        assert!(flights.take().is_empty(), "what is built in is known");
        let sql = "SELECT 'mood'::regtype::oid, 'mood[]'::regtype::oid, 'shop.work_email'::regtype::oid";
        let (mood, moods, email): (Oid, Oid, Oid) = c.fetch_one(sql, ()).await.unwrap();
        let mut stranger = stranger(database).await;
        for labels in [3, 4] {
            flights.take();
            let nowhere = Oid(4_000_000_000);
            let types = c.types(&[moods, Type::INT4.oid(), nowhere, email, mood, moods]).await.unwrap();
            assert_eq!(flights.take(), ["PBDES"]);
            let shown: Vec<_> = types.iter().map(Type::to_string).collect();
            assert_eq!(shown, ["mood[]", "int4", "type with OID 4000000000", "work_email", "mood", "mood[]"]);
            assert_eq!(types[3].base(), &Type::TEXT);
            assert_eq!(
                (types[4].labels().len(), types[0].element().unwrap().labels().len()),
                (labels, labels)
            );
            // Somebody else changes it: it is asked for anew.
            stranger.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'so so'", ()).await.unwrap();
        }
        still_usable(&mut c).await;
        still_usable(&mut stranger).await;
    })
    .await;
}
