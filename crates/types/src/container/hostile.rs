//! Containers whose bytes lie: an error, and no more memory than they have bytes.

use crate::{Array, Composite, Decode, Multirange, Range, Type, Value, ValueError};

/// A value that announces what it has not.
fn words(words: &[i64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()[4..].to_vec()).collect()
}

/// Reads it in every way that there is.
fn read(ty: &Type, bytes: &[u8]) -> Vec<ValueError> {
    let mut errors = Vec::new();
    let mut note = |error: Option<ValueError>| errors.extend(error);
    note(Value::from_binary(ty, bytes).err());
    note(Vec::<i32>::from_binary(ty, bytes).err());
    note(Vec::<Option<i64>>::from_binary(ty, bytes).err());
    note(Array::<i32>::from_binary(ty, bytes).err());
    note(<[i32; 2]>::from_binary(ty, bytes).err());
    note(Range::<i32>::from_binary(ty, bytes).err());
    note(Multirange::<i32>::from_binary(ty, bytes).err());
    note(Composite::<(i32, Option<i32>)>::from_binary(ty, bytes).err());
    errors
}

#[test]
fn what_is_announced_and_not_there_is_an_error_in_every_way() {
    let max = i64::from(i32::MAX);
    let array = Type::INT4_ARRAY;
    for (ty, bytes) in [
        (&array, words(&[])),
        (&array, words(&[max, 0, 23])),
        (&array, words(&[-1, 0, 23])),
        (&array, words(&[7, 0, 23, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 7])),
        (&array, words(&[1, 0, 23, max, 1])),
        (&array, words(&[1, 0, 23, -1, 1])),
        (&array, words(&[2, 0, 23, 0x1_0000, 1, 0x1_0000, 1])),
        (&array, words(&[6, 0, 23, max, 1, max, 1, max, 1, max, 1, max, 1, max, 1])),
        (&array, words(&[1, 0, 23, 1, 1, max, 7])),
        (&array, words(&[1, 0, 23, 1, 1, -2, 7])),
        (&array, words(&[1, 0, 23, 1, 1, 4])),
        (&array, words(&[1, 0, 23, 1, 1, 4, 7, 7])),
        (&array, words(&[1, 0, 20, 1, 1, 4, 7])),
        (&Type::INT4RANGE, vec![]),
        (&Type::INT4RANGE, vec![0x40]),
        (&Type::INT4RANGE, vec![2]),
        (&Type::INT4RANGE, [&[2][..], &words(&[-1, -1])].concat()),
        (&Type::INT4RANGE, [&[2][..], &words(&[4, 1, 4, 2, 0])].concat()),
        (&Type::INT4RANGE, [&[2][..], &words(&[max, 1, 4, 2])].concat()),
        (&Type::INT4MULTIRANGE, words(&[])),
        (&Type::INT4MULTIRANGE, words(&[max])),
        (&Type::INT4MULTIRANGE, words(&[-1, 0, 0])),
        (&Type::INT4MULTIRANGE, words(&[1, -1])),
        (&Type::INT4MULTIRANGE, words(&[0, 0])),
        (&Type::RECORD, words(&[])),
        (&Type::RECORD, words(&[max, 23, 4, 7])),
        (&Type::RECORD, words(&[-1])),
        (&Type::RECORD, words(&[1, 23, max, 7])),
        (&Type::RECORD, words(&[1, 23, 4, 7, 0])),
    ] {
        assert_eq!(read(ty, &bytes).len(), 8, "{ty} {bytes:?}");
    }
}

#[test]
fn every_beginning_of_a_value_is_an_error() {
    let whole = [
        (Type::INT4_ARRAY, words(&[2, 1, 23, 2, 1, 1, 1, 4, 7, -1])),
        (Type::INT4RANGE, [&[2][..], &words(&[4, 1, 4, 2])].concat()),
        (Type::INT4MULTIRANGE, [&words(&[1, 17])[..], &[2], &words(&[4, 1, 4, 2])].concat()),
        (Type::RECORD, words(&[2, 23, 4, 7, 23, -1])),
        (Type::RECORD_ARRAY, words(&[1, 0, 2249, 1, 1, 4, 0])),
    ];
    for (ty, bytes) in whole {
        Value::from_binary(&ty, &bytes).unwrap();
        for end in 0..bytes.len() {
            Value::from_binary(&ty, &bytes[..end]).unwrap_err();
        }
    }
}

#[test]
fn records_in_records_without_end_are_an_error_and_not_the_end_of_the_stack() {
    let mut nested = Vec::new();
    let depth = 10_000_i64;
    for level in 0..depth {
        nested.extend(words(&[1, 2249, (depth - level - 1) * 12 + 4]));
    }
    nested.extend(words(&[0]));
    let error = Value::from_binary(&Type::RECORD, &nested).unwrap_err();
    assert_eq!(error.to_string(), "values stand in one another more than 64 deep");
}
