//! `#[derive(Encode)]` and `#[derive(Decode)]`.

use bytes::BytesMut;
use cornac_derive::{Decode, Encode};
use cornac_types::{
    Attribute, Decode as _, Definition, Encode as _, EncodeError, Format, IsNull, Kind, Oid, Type,
};

use crate::row::Received;

#[derive(Encode, Decode, Debug, PartialEq, Clone, Copy)]
#[cornac(crate = cornac_types, rename_all = "snake_case")]
enum Mood {
    Calm,
    InMust,
    #[cornac(rename = "hungry as ever")]
    Hungry,
}

#[test]
fn an_enum_is_its_labels() {
    for (mood, label) in [(Mood::Calm, "calm"), (Mood::InMust, "in_must"), (Mood::Hungry, "hungry as ever")] {
        let mut out = BytesMut::new();
        assert_eq!(mood.encode(&Type::TEXT, &mut out), Ok(IsNull::No));
        assert_eq!(out, label);
        assert_eq!(Mood::from_binary(&Type::TEXT, &out), Ok(mood));
        assert_eq!(Mood::from_text(&Type::TEXT, label.into()), Ok(mood));
        let mut text = String::new();
        mood.encode_text(&Type::UNKNOWN, &mut text).unwrap();
        assert_eq!((text.as_str(), mood.natural_type()), (label, Type::UNKNOWN), "the server knows the type");
    }
    let received = Received::new(&[("mood", Type::TEXT, &"angry")]);
    assert_eq!(
        received.read::<(Mood,)>().unwrap_err(),
        r#"column 1 "mood" (text) has a value that Mood cannot hold: "angry" is none of calm, in_must, hungry as ever"#
    );
    assert!(!Mood::accepts(&Type::INT4, Format::Binary));
}

#[derive(Encode, Decode, Debug, PartialEq, Clone, Copy)]
#[cornac(crate = cornac_types, integer)]
#[repr(u8)]
enum Level {
    Low = 1,
    Middle,
    High = 255,
}

#[derive(Encode, Decode, Debug, PartialEq, Clone, Copy)]
#[cornac(crate = cornac_types, integer)]
#[repr(i64)]
enum Far {
    Here,
    There = i64::MAX,
}

#[derive(Encode)]
#[cornac(crate = cornac_types, integer)]
enum Unrepresented {
    One,
}

#[test]
fn an_enum_of_integers_is_its_discriminants() {
    for level in [Level::Low, Level::Middle, Level::High] {
        for ty in [Type::INT2, Type::INT4, Type::INT8] {
            let mut out = BytesMut::new();
            level.encode(&ty, &mut out).unwrap();
            assert_eq!(Level::from_binary(&ty, &out), Ok(level), "{ty}");
        }
        let mut text = String::new();
        level.encode_text(&Type::INT2, &mut text).unwrap();
        assert_eq!(Level::from_text(&Type::INT2, text.into()), Ok(level));
    }
    assert_eq!(Level::Low.natural_type(), Type::INT2);
    let received = Received::new(&[("level", Type::INT4, &3)]);
    assert_eq!(
        received.read::<(Level,)>().unwrap_err(),
        r#"column 1 "level" (int4) has a value that Level cannot hold: no variant is 3"#
    );
    let mut out = BytesMut::new();
    Far::There.encode(&Type::INT8, &mut out).unwrap();
    assert_eq!(Far::from_binary(&Type::INT8, &out), Ok(Far::There));
    assert!(matches!(Far::There.encode(&Type::INT4, &mut out), Err(EncodeError::OutOfRange(_))));
    assert_eq!(Far::Here.natural_type(), Type::INT8);
    assert_eq!(Unrepresented::One.natural_type(), Type::INT8);
}

#[derive(Encode, Decode, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Id(i64);

#[derive(Encode, Decode, Debug, PartialEq)]
#[cornac(crate = cornac_types, transparent)]
struct Label<'r> {
    text: &'r str,
}

#[derive(Encode, Decode, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct Maybe<T>(Option<T>);

#[test]
fn a_newtype_is_what_it_holds() {
    let received =
        Received::new(&[("id", Type::INT4, &Id(7)), ("label", Type::TEXT, &Label { text: "tusk" })]);
    assert_eq!(received.read(), Ok((Id(7), Label { text: "tusk" })));
    assert_eq!(
        received.read::<(Id, Maybe<Id>)>().unwrap_err(),
        r#"column 2 "label" is text, which Maybe<Id> cannot hold"#
    );
    let received =
        Received::new(&[("id", Type::INT4, &Maybe(None::<Id>)), ("one", Type::INT4, &Maybe(Some(Id(1))))]);
    assert_eq!(received.read(), Ok((Maybe::<Id>(None), Maybe(Some(Id(1))))));
    assert_eq!(
        received.read::<(Id, Id)>().unwrap_err(),
        r#"column 1 "id" is NULL, which Id cannot hold; ask for Option<Id>"#
    );
    assert_eq!(Id(7).natural_type(), Type::INT8);
}

#[derive(Encode, Decode, Debug, PartialEq, Default)]
#[cornac(crate = cornac_types, rename_all = "camelCase")]
struct Elephant<'r, T> {
    name: &'r str,
    mood: Option<Mood>,
    #[cornac(rename = "tusks")]
    lengths: T,
    #[cornac(skip)]
    seen: bool,
    #[cornac(default)]
    ear_size: i64,
}

#[derive(Encode, Decode, Debug, PartialEq)]
#[cornac(crate = cornac_types)]
struct InOrder(String, Option<Vec<f64>>);

fn defined(oid: u32, name: &str, kind: Kind) -> Type {
    Type::new(Definition { oid: Oid(oid), schema: "zoo".into(), name: name.into(), kind, binary: true })
}

fn composite(fields: &[(&str, Type)]) -> Type {
    let fields = fields.iter().map(|(name, ty)| Attribute::new(*name, ty.clone())).collect();
    defined(16_500, "elephant", Kind::Composite(fields))
}

fn mood() -> Type {
    defined(16_400, "mood", Kind::Enum(["calm", "in_must", "hungry as ever"].map(Box::from).into()))
}

#[test]
fn a_composite_is_taken_field_by_field_wherever_they_stand() {
    let elephant = |ear_size| Elephant {
        name: "Hathi, \"the old\"",
        mood: Some(Mood::InMust),
        lengths: vec![1.5, 2.0],
        seen: false,
        ear_size,
    };
    let fields =
        [("tusks", Type::FLOAT8_ARRAY), ("earSize", Type::INT2), ("name", Type::TEXT), ("mood", mood())];
    let ty = composite(&fields);
    let mut out = BytesMut::new();
    assert_eq!(elephant(7).format(&ty), Format::Binary);
    assert_eq!(elephant(7).encode(&ty, &mut out), Ok(IsNull::No));
    assert!(Elephant::<Vec<f64>>::accepts(&ty, Format::Binary));
    assert_eq!(Elephant::from_binary(&ty, &out), Ok(elephant(7)));
    let mut text = String::new();
    Elephant { name: "Hathi", ..elephant(7) }.encode_text(&ty, &mut text).unwrap();
    assert_eq!(text, "(\"{1.5e0,2e0}\",7,Hathi,in_must)");
    let read = Elephant::<Vec<f64>>::from_text(&ty, text.as_str().into());
    assert_eq!(read, Ok(Elephant { name: "Hathi", ..elephant(7) }));

    let smaller = composite(&[fields[3].clone(), fields[0].clone(), fields[2].clone()]);
    assert!(Elephant::<Vec<f64>>::accepts(&smaller, Format::Binary), "a field with a default may be missing");
    let mut out = BytesMut::new();
    assert!(elephant(7).encode(&smaller, &mut out).is_err(), "what is written goes somewhere");
    let values: [(&str, &dyn cornac_types::Encode); 3] =
        [("mood", &None::<Mood>), ("tusks", &vec![0.5]), ("name", &"Kala")];
    let mut out = BytesMut::new();
    cornac_types::encode_composite(&smaller, &values, &mut out).unwrap();
    let kala = Elephant { name: "Kala", lengths: vec![0.5], ..Elephant::default() };
    assert_eq!(Elephant::from_binary(&smaller, &out), Ok(kala));
}

#[test]
fn a_composite_with_other_fields_is_refused_before_the_first_value() {
    let with = |ear_size| {
        composite(&[
            ("tusks", Type::FLOAT8_ARRAY),
            ("earSize", ear_size),
            ("name", Type::TEXT),
            ("mood", mood()),
        ])
    };
    assert!(Elephant::<Vec<f64>>::accepts(&with(Type::INT8), Format::Binary));
    assert!(
        !Elephant::<Vec<f64>>::accepts(&with(Type::FLOAT8), Format::Binary),
        "a default is for what is missing"
    );
    assert!(!Elephant::<Vec<i32>>::accepts(&with(Type::INT8), Format::Binary));
    assert!(!Elephant::<Vec<f64>>::accepts(&composite(&[("name", Type::TEXT)]), Format::Binary));
    assert!(!Elephant::<Vec<f64>>::accepts(&Type::INT4, Format::Binary));
}

#[test]
fn a_tuple_struct_is_a_composite_in_order() {
    let ty = composite(&[("whatever", Type::TEXT), ("else", Type::FLOAT8_ARRAY)]);
    let value = InOrder("Hathi".to_owned(), None);
    assert!(InOrder::accepts(&ty, Format::Binary) && InOrder::accepts(&Type::RECORD, Format::Binary));
    let mut out = BytesMut::new();
    value.encode(&ty, &mut out).unwrap();
    assert_eq!(InOrder::from_binary(&ty, &out), Ok(value));
    let mut text = String::new();
    InOrder("a,b".to_owned(), Some(vec![0.5])).encode_text(&ty, &mut text).unwrap();
    assert_eq!(InOrder::from_text(&ty, text.into()), Ok(InOrder("a,b".to_owned(), Some(vec![0.5]))));
    assert!(!InOrder::accepts(&composite(&[("one", Type::TEXT)]), Format::Binary));
}
