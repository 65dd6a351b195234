//! `#[derive(FromRow)]`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use cornac_derive::FromRow;
use cornac_types::{FromRow as _, Type};

use crate::row::Received;

#[derive(FromRow, Debug, PartialEq, Clone, Copy)]
#[cornac(crate = cornac_types)]
struct Item<'r> {
    #[cornac(rename = "label")]
    name: &'r str,
    id: i64,
    r#type: Option<i16>,
}

const ITEM: Item<'_> = Item { name: "tusk", id: 7, r#type: None };

#[test]
fn fields_find_their_columns_wherever_they_stand() {
    let in_order = Received::new(&[
        ("label", Type::TEXT, &"tusk"),
        ("id", Type::INT4, &7),
        ("type", Type::INT2, &None::<i16>),
    ]);
    assert_eq!(in_order.read(), Ok(ITEM));
    assert_eq!(Item::plan(&in_order.columns).unwrap().slots(), None, "one pass, and no look at names");
    let among_others = Received::new(&[
        ("type", Type::INT2, &None::<i16>),
        ("price", Type::INT4, &1),
        ("id", Type::INT8, &7_i64),
        ("label", Type::TEXT, &"tusk"),
        ("stock", Type::INT4, &None::<i32>),
    ]);
    assert_eq!(among_others.read(), Ok(ITEM));
}

#[test]
fn a_missing_a_doubled_and_an_unfit_column_are_named() {
    let read = |columns: &[_]| Received::new(columns).read::<Item<'_>>().map(|_| ()).unwrap_err();
    assert_eq!(
        read(&[("id", Type::INT4, &7), ("name", Type::TEXT, &"tusk")]),
        r#"the result has no column "label"; it has "id", "name""#
    );
    assert_eq!(
        read(&[
            ("id", Type::INT4, &7),
            ("id", Type::INT4, &7),
            ("label", Type::TEXT, &""),
            ("type", Type::INT2, &7)
        ]),
        r#"the result has two columns "id"; rename one with AS"#
    );
    assert_eq!(
        read(&[("id", Type::TEXT, &"7"), ("label", Type::TEXT, &""), ("type", Type::INT2, &7)]),
        r#"column 1 "id" is text, which i64 cannot hold"#
    );
    assert_eq!(
        read(&[("type", Type::INT2, &7), ("id", Type::INT4, &None::<i32>), ("label", Type::TEXT, &"")]),
        r#"column 2 "id" is NULL, which i64 cannot hold; ask for Option<i64>"#
    );
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types, rename_all = "camelCase")]
struct Renamed {
    unit_price: i32,
    #[cornac(rename = "kept_AS_it_is")]
    in_stock: i32,
}

#[test]
fn rename_all_changes_the_names_that_rename_leaves() {
    let received = Received::new(&[("kept_AS_it_is", Type::INT4, &1), ("unitPrice", Type::INT4, &2)]);
    assert_eq!(received.read(), Ok(Renamed { unit_price: 2, in_stock: 1 }));
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Defaults {
    id: i32,
    #[cornac(default)]
    note: Option<String>,
    #[cornac(default = 40 + 2)]
    answer: i32,
    #[cornac(skip)]
    cached: Vec<std::time::Instant>,
    #[cornac(skip, default = "local")]
    origin: &'static str,
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types, default)]
struct WholeDefault {
    id: i32,
    level: i32,
}

impl Default for WholeDefault {
    fn default() -> Self {
        Self { id: -1, level: 9 }
    }
}

#[test]
fn a_missing_column_becomes_the_default_and_null_does_not() {
    let defaults = |note: Option<&str>, answer| Defaults {
        id: 1,
        note: note.map(str::to_owned),
        answer,
        cached: Vec::new(),
        origin: "local",
    };
    assert_eq!(Received::new(&[("id", Type::INT4, &1)]).read(), Ok(defaults(None, 42)));
    let all =
        Received::new(&[("id", Type::INT4, &1), ("note", Type::TEXT, &"a"), ("answer", Type::INT4, &3)]);
    assert_eq!(Defaults::plan(&all.columns).unwrap().slots(), None);
    assert_eq!(all.read(), Ok(defaults(Some("a"), 3)));
    let null = Received::new(&[("answer", Type::INT4, &None::<i32>), ("id", Type::INT4, &1)]);
    assert_eq!(
        null.read::<Defaults>().unwrap_err(),
        r#"column 1 "answer" is NULL, which i32 cannot hold; ask for Option<i32>"#
    );
    let unfit = Received::new(&[("answer", Type::TEXT, &""), ("id", Type::INT4, &1)]);
    assert_eq!(unfit.read::<Defaults>().unwrap_err(), r#"column 1 "answer" is text, which i32 cannot hold"#);

    assert_eq!(Received::new(&[("id", Type::INT4, &1)]).read(), Ok(WholeDefault { id: 1, level: 9 }));
    assert_eq!(Received::new(&[]).read(), Ok(WholeDefault { id: -1, level: 9 }));
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Owner {
    owner_id: i32,
    email: Option<String>,
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Sale<'r> {
    #[cornac(flatten)]
    item: Item<'r>,
    amount: i32,
    #[cornac(flatten)]
    buyer: Option<Owner>,
}

#[test]
fn flattened_structs_take_their_columns_from_the_same_row() {
    let sale = |owner: Option<i32>, email: Option<&'static str>| {
        let columns: [(&str, Type, &dyn cornac_types::Encode); 6] = [
            ("email", Type::TEXT, &email),
            ("label", Type::TEXT, &"tusk"),
            ("amount", Type::INT4, &3),
            ("owner_id", Type::INT4, &owner),
            ("id", Type::INT4, &7),
            ("type", Type::INT2, &None::<i16>),
        ];
        Received::new(&columns)
    };
    let found = sale(Some(1), None);
    let buyer = Some(Owner { owner_id: 1, email: None });
    assert_eq!(found.read(), Ok(Sale { item: ITEM, amount: 3, buyer }));
    let none = sale(None, None);
    assert_eq!(none.read(), Ok(Sale { item: ITEM, amount: 3, buyer: None }), "an outer join found nothing");
    let half = sale(None, Some("a@b"));
    assert_eq!(
        half.read::<Sale<'_>>().unwrap_err(),
        r#"column 4 "owner_id" is NULL, which i32 cannot hold; ask for Option<i32>"#
    );
    let missing = Received::new(&[
        ("label", Type::TEXT, &""),
        ("id", Type::INT4, &7),
        ("type", Type::INT2, &7),
        ("amount", Type::INT4, &7),
    ]);
    assert!(missing.read::<Sale<'_>>().unwrap_err().starts_with("the result has no column \"owner_id\""));
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Nested {
    #[cornac(flatten)]
    all: Option<Deeper>,
    #[cornac(flatten)]
    one: Option<(i32,)>,
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Deeper {
    #[cornac(flatten)]
    owner: Owner,
    #[cornac(default)]
    level: Option<i32>,
}

#[test]
fn options_look_into_what_is_flattened_inside_of_them() {
    #[derive(FromRow, Debug, PartialEq)]
    #[cornac(crate = cornac_types)]
    struct Outer {
        #[cornac(flatten)]
        deeper: Option<Deeper>,
    }
    let received =
        Received::new(&[("owner_id", Type::INT4, &None::<i32>), ("email", Type::TEXT, &None::<String>)]);
    assert_eq!(received.read(), Ok(Outer { deeper: None }));
    let received = Received::new(&[("owner_id", Type::INT4, &1), ("email", Type::TEXT, &None::<String>)]);
    let owner = Owner { owner_id: 1, email: None };
    assert_eq!(received.read(), Ok(Outer { deeper: Some(Deeper { owner, level: None }) }));
    assert_eq!(
        received.read::<Nested>().unwrap_err(),
        "the result has 2 columns, and 1 were asked for",
        "a tuple takes whole rows, wherever it stands"
    );
}

#[derive(Debug, PartialEq)]
struct Positive(i32);

#[derive(Debug, PartialEq)]
struct NotPositive(i32);

impl fmt::Display for NotPositive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not positive", self.0)
    }
}

impl TryFrom<i32> for Positive {
    type Error = NotPositive;

    fn try_from(value: i32) -> Result<Self, NotPositive> {
        if value > 0 { Ok(Self(value)) } else { Err(NotPositive(value)) }
    }
}

#[derive(Debug, PartialEq)]
struct Shouted(String);

impl From<Option<&str>> for Shouted {
    fn from(value: Option<&str>) -> Self {
        Self(value.unwrap_or("nothing").to_uppercase())
    }
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Converted<'r> {
    #[cornac(try_from = "i32", default = Positive(1))]
    price: Positive,
    #[cornac(try_from = "Option<&'r str>")]
    label: Shouted,
    raw: &'r str,
}

#[test]
fn try_from_converts_and_its_refusal_names_the_column() {
    let label = Shouted("NOTHING".to_owned());
    let received = Received::new(&[
        ("raw", Type::TEXT, &"r"),
        ("label", Type::TEXT, &None::<&str>),
        ("price", Type::INT4, &5),
    ]);
    assert_eq!(received.read(), Ok(Converted { price: Positive(5), label, raw: "r" }));
    let received = Received::new(&[("raw", Type::TEXT, &"r"), ("label", Type::TEXT, &"tusk")]);
    let label = Shouted("TUSK".to_owned());
    assert_eq!(received.read(), Ok(Converted { price: Positive(1), label, raw: "r" }));
    let received = Received::new(&[
        ("price", Type::INT2, &-5),
        ("label", Type::TEXT, &"tusk"),
        ("raw", Type::TEXT, &"r"),
    ]);
    assert_eq!(
        received.read::<Converted<'_>>().unwrap_err(),
        r#"column 1 "price" (int2) has a value that Positive cannot hold: -5 is not positive"#
    );
    let received = Received::new(&[
        ("price", Type::TEXT, &"5"),
        ("label", Type::TEXT, &"tusk"),
        ("raw", Type::TEXT, &"r"),
    ]);
    assert_eq!(
        received.read::<Converted<'_>>().unwrap_err(),
        r#"column 1 "price" is text, which Positive cannot hold"#
    );
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Generic<T, const N: usize>
where
    T: fmt::Debug,
{
    value: T,
    #[cornac(skip)]
    marker: PhantomData<[(); N]>,
}

#[derive(FromRow, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Pair<'r, T>(T, #[cornac(skip)] u128, #[cornac(try_from = "&'r str")] Cow<'r, str>);

#[test]
fn generics_and_tuples_are_structs_too() {
    let received = Received::new(&[("value", Type::INT4, &7)]);
    assert_eq!(received.read(), Ok(Generic::<i64, 3> { value: 7, marker: PhantomData }));
    let received = Received::new(&[("whatever", Type::INT4, &7), ("whatever", Type::TEXT, &"tusk")]);
    assert_eq!(received.read(), Ok(Pair(7, 0, "tusk".into())));
    let received = Received::new(&[("only", Type::INT4, &7)]);
    assert_eq!(
        received.read::<Pair<'_, i32>>().unwrap_err(),
        "the result has 1 columns, and 2 were asked for"
    );
}

#[test]
fn a_plan_that_was_made_for_another_type_is_an_error() {
    #[derive(FromRow, Debug)]
    #[cornac(crate = cornac_types)]
    struct Id {
        #[expect(dead_code, reason = "it is never made")]
        id: i32,
    }

    let received = Received::new(&[("other", Type::INT4, &7), ("id", Type::INT4, &7)]);
    let plan = Id::plan(&received.columns).unwrap();
    let error = Sale::from_row(received.row(), &plan).unwrap_err();
    assert!(error.to_string().ends_with("the plan was made for another type"), "{error}");
}
