//! What a statement borrows has to live as long as it does.

use cornac_types::Sql;

macro_rules! sql {
    ($($sql:tt)*) => {
        cornac_derive::sql!(cornac_types; $($sql)*)
    };
}

fn of_a_local() -> Sql<'static> {
    let name = String::from("tusk");
    sql!("SELECT {name}")
}

fn main() {
    let mut statement = sql!("SELECT 1");
    {
        let name = String::from("tusk");
        statement.push(sql!("WHERE name = {name}"));
    }
    let kept = sql!("SELECT {name}", name = String::from("tusk"));
    println!("{}{}", statement.text(), kept.text());
}
