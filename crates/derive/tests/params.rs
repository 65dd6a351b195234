//! `#[derive(Params)]`.

use bytes::BytesMut;
use cornac_derive::Params;
use cornac_types::{Format, Params as _, Record, Type};

#[derive(Params)]
#[cornac(crate = cornac_types, rename_all = "kebab-case")]
struct Item<'a, T> {
    catalogue_number: i64,
    #[cornac(skip)]
    _loaded: bool,
    #[cornac(rename = "label")]
    name: &'a str,
    extra: Option<T>,
}

#[derive(Params)]
#[cornac(crate = cornac_types)]
struct Pair(i32, #[cornac(skip)] (), String);

const TYPES: [Type; 3] = [Type::INT4, Type::TEXT, Type::INT2];

fn item(catalogue_number: i64) -> Item<'static, i16> {
    Item { catalogue_number, _loaded: true, name: "tusk", extra: None }
}

#[test]
fn a_struct_is_written_as_a_tuple_of_its_fields() {
    let written = |params: &dyn Fn(&mut BytesMut)| {
        let mut out = BytesMut::new();
        params(&mut out);
        out
    };
    let of_struct = written(&|out| item(7).encode(&TYPES, out).unwrap());
    let of_tuple = written(&|out| (7_i64, "tusk", None::<i16>).encode(&TYPES, out).unwrap());
    assert_eq!(of_struct, of_tuple);
    assert_eq!(item(7).count(), 3);
    let mut shown = 0;
    item(7).for_each(&mut |_| shown += 1);
    assert_eq!(shown, 3);
    let pair = written(&|out| Pair(7, (), "tusk".to_owned()).encode(&TYPES[..2], out).unwrap());
    assert_eq!(pair, written(&|out| (7, "tusk").encode(&TYPES[..2], out).unwrap()));
}

#[test]
fn the_columns_are_those_of_the_fields() {
    assert_eq!(<Item<'_, i16> as Record>::COLUMNS, ["catalogue-number", "label", "extra"]);
}

#[test]
fn formats_are_one_if_all_are_binary_and_else_one_for_each() {
    let formats = |types: &[Type]| {
        let mut formats = Vec::new();
        item(7).formats(types, &mut |format| formats.push(format));
        assert_eq!(item(7).all_binary(types), formats == [Format::Binary]);
        formats
    };
    assert_eq!(formats(&TYPES), [Format::Binary]);
    assert_eq!(
        formats(&[Type::INT4, Type::DATE, Type::INT2]),
        [Format::Binary, Format::Text, Format::Binary],
        "text is what the server reads a date out of"
    );
}

#[test]
fn what_does_not_fit_is_named_by_its_number() {
    let mut out = BytesMut::new();
    let error = item(i64::MAX).encode(&TYPES, &mut out).unwrap_err();
    assert!(error.to_string().starts_with("parameter $1 is int4, which this i64 cannot become"), "{error}");
    let error = item(7).encode(&TYPES[..2], &mut out).unwrap_err();
    assert_eq!(error.to_string(), "the statement takes 2 parameters, and 3 were given");
}
