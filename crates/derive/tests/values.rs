//! `#[derive(Encode)]` and `#[derive(Decode)]`.

use bytes::BytesMut;
use cornac_derive::{Decode, Encode};
use cornac_types::{Decode as _, Encode as _, EncodeError, Format, IsNull, Type};

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
