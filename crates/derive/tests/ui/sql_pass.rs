//! What `sql!` may stand beside, and how long what it captures has to live.
#![deny(warnings, clippy::all, clippy::pedantic)]
#![allow(dead_code)]

use std::sync::Arc;

use cornac_types::{Encode, Identifier, QualifiedName, Sql, Timestamptz};

macro_rules! sql {
    ($($sql:tt)*) => {
        cornac_derive::sql!(cornac_types; $($sql)*)
    };
}

struct Option;
struct Some;
struct None;
struct Capture;
struct Peel;

/// References are taken as they are, so that the statement outlives the variables that hold them.
fn of_references<'a>(limit: &'a i64, name: &'a str, ids: &'a [i64], bytes: &'a [u8]) -> Sql<'a> {
    sql!("price < {limit} AND name = {name} AND id = ANY({ids}) AND picture = {bytes}")
}

/// Small values are copied.
fn of_small_values(id: i64, price: f64, ready: bool) -> Sql<'static> {
    let narrow = 7_i16;
    sql!("id = {id} AND price = {price} AND ready = {ready} AND narrow = {narrow}")
}

/// Names and parts are copied.
fn of_parts(limit: i32) -> Sql<'static> {
    let column = Identifier::new("price").unwrap();
    let table = QualifiedName::in_schema("shop", "item").unwrap();
    let condition = sql!("{column} < {limit}");
    sql!("SELECT * FROM {table} WHERE {condition}")
}

fn of_any<T: Encode + Sync>(value: &T) -> Sql<'_> {
    sql!("SELECT {value}")
}

fn in_a_loop(filters: &[(Identifier, String)]) -> Sql<'_> {
    let mut statement = sql!("SELECT * FROM item WHERE true");
    for (column, value) in filters {
        statement.push(sql!("AND {column} = {value}"));
    }
    statement
}

fn sent(statement: Sql<'_>) -> impl Send + Sync {
    drop(statement);
    Arc::new(of_small_values(1, 2.0, true))
}

macro_rules! find {
    ($column:ident) => {
        sql!("SELECT * FROM item WHERE id = {id}", id = $column)
    };
}

struct Item {
    id: i64,
    name: String,
    kind: std::option::Option<&'static str>,
}

impl Item {
    fn update(&self) -> Sql<'_> {
        let Self { id, name, kind } = self;
        sql!("UPDATE item SET name = {name}, kind = {kind} WHERE id = {id}")
    }
}

fn main() {
    let id = 7;
    let name = String::from("tusk");
    let kind = std::option::Option::Some("bird");
    let collected: &(dyn Encode + Sync) = &id;
    let mut changed = 5;
    let lent = &mut changed;
    let at = Timestamptz::INFINITY;
    let array = [1_i64, 2];
    let statement = sql!(
        r#"SELECT {id}, {name}, {kind}, {collected}, {lent}, {at}, {array}, {type}, {made}, '{"a": {}}', {{}}"#,
        type = "bird",
        made = id + 1,
    );
    assert_eq!(statement.text(), r#"SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, '{"a": {}}', {}"#);
    assert_eq!(find!(id).text(), "SELECT * FROM item WHERE id = $1");
    // A value that is made here lives as long as the statement around.
    assert_eq!(sql!("SELECT {made}", made = name.clone()).text(), "SELECT $1");
    let item = Item { id: 7, name: name.clone(), kind };
    assert_eq!(item.update().text(), "UPDATE item SET name = $1, kind = $2 WHERE id = $3");
    assert_eq!(of_parts(7).text(), r#"SELECT * FROM "shop"."item" WHERE "price" < $1"#);
    let limit = 9;
    let _ = (of_references(&limit, "tusk", &[1], b"x"), of_any(&limit), in_a_loop(&[]), sent(sql!("SELECT 1")));
}
