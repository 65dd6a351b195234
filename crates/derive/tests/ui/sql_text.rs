//! Texts that `sql!` refuses, whatever the types of what they capture are.

macro_rules! sql {
    ($($sql:tt)*) => {
        cornac_derive::sql!(cornac_types; $($sql)*)
    };
}

fn main() {
    let (id, name, table) = (7, "tusk", "item");

    // What a format string has, and SQL has not.
    sql!("SELECT {}", id);
    sql!("SELECT {}");
    sql!("SELECT {0}", id = id);
    sql!("SELECT {name:?}");
    sql!("SELECT {name:>10}");
    sql!("SELECT {order.id}");

    // Values that nothing asks for.
    sql!("SELECT {id}", id = id, nam = name);
    sql!("SELECT {id}", id = id, id = 8);
    sql!("SELECT 1", table = table);

    // Braces that do not match.
    sql!("SELECT {id");
    sql!("SELECT id}");
    sql!("SELECT {id {name}");

    // Placeholders of two kinds.
    sql!("SELECT $1, {id}");
    sql!("SELECT $1");

    // Where nothing can be captured.
    sql!("SELECT * FROM item WHERE name LIKE '%{name}%'");
    sql!("SELECT * FROM \"{table}\"");
    sql!("SELECT $body$ {name} $body$");
    sql!("SELECT 1 -- {id}");
    sql!("SELECT /* {id} */ 1");

    // What is not closed would take in what follows.
    sql!("SELECT 'tusk");
    sql!("SELECT 1 /* tusk");
    sql!(r"SELECT 'tusk\', {id}");

    // A capture is a word.
    sql!("SELECT * FROM item_{id}");
    sql!("SELECT {id}0");
    sql!("SELECT {id}{name}");
    sql!("SELECT U&{table}");

    // Only what stands in the program is SQL.
    sql!(table);
    sql!(concat!("SELECT ", "1"));
    sql!(format!("SELECT {id}"));
    sql!();
    sql!("SELECT {id}" id);
    sql!("SELECT {type}");
    sql!("SELECT '\0'");
}
