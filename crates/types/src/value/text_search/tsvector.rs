//! tsvector.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::put_lexeme;
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::value::text::put_cstr;
use crate::{EncodeError, Type, ValueError};

/// A document made ready to be searched: its lexemes, in the server's order, and where each of them stands.
///
/// ```
/// use cornac_types::{TsVector, TsWeight};
///
/// let document: TsVector = "'cat':3A 'fat':2,4".parse().unwrap();
/// assert_eq!(document.0[0].word, "cat");
/// assert_eq!(document.0[0].positions[0].weight(), TsWeight::A);
/// assert_eq!(document.to_string(), "'cat':3A 'fat':2,4");
/// ```
///
/// See [Text Search Types](https://www.postgresql.org/docs/current/datatype-textsearch.html).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TsVector(pub Vec<Lexeme>);

/// A word of a document, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lexeme {
    /// The word.
    pub word: String,
    /// Its places, in ascending order; none if they are not known.
    pub positions: Vec<LexemePosition>,
}

/// A place in a document, with the weight of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LexemePosition(u16);

/// How much a place counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TsWeight {
    /// The least, which is not shown.
    #[default]
    D,
    /// More than D.
    C,
    /// More than C.
    B,
    /// The most.
    A,
}

/// The last place that is told apart.
const POSITION_MAX: u16 = 16_383;

impl LexemePosition {
    /// The place number `position`, counted from 1; `None` if that is 0 or more than 16,383.
    pub fn new(position: u16, weight: TsWeight) -> Option<Self> {
        let weight = match weight {
            TsWeight::D => 0,
            TsWeight::C => 1,
            TsWeight::B => 2,
            TsWeight::A => 3,
        };
        (1..=POSITION_MAX).contains(&position).then_some(Self(position | (weight << 14)))
    }

    /// The number of the place, counted from 1.
    pub const fn position(self) -> u16 {
        self.0 & POSITION_MAX
    }

    /// Its weight.
    pub const fn weight(self) -> TsWeight {
        match self.0 >> 14 {
            0 => TsWeight::D,
            1 => TsWeight::C,
            2 => TsWeight::B,
            _ => TsWeight::A,
        }
    }
}

impl fmt::Display for TsVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, lexeme) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " " })?;
            put_lexeme(f, &lexeme.word)?;
            for (index, position) in lexeme.positions.iter().enumerate() {
                let before = if index == 0 { ":" } else { "," };
                let weight = match position.weight() {
                    TsWeight::A => "A",
                    TsWeight::B => "B",
                    TsWeight::C => "C",
                    TsWeight::D => "",
                };
                write!(f, "{before}{}{weight}", position.position())?;
            }
        }
        Ok(())
    }
}

/// The least that a lexeme takes: an empty word, and the number of its places.
const LEXEME_LEN_MIN: usize = 3;

impl Scalar for TsVector {
    const TEXT: &'static str = "a tsvector";

    fn is(ty: &Type) -> bool {
        *ty == Type::TSVECTOR
    }

    fn natural() -> Type {
        Type::TSVECTOR
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let count = bytes.take_count(LEXEME_LEN_MIN)?;
        let mut lexemes = Vec::new();
        for _ in 0..count {
            let word = bytes.take_cstr()?.to_owned();
            let places = usize::from(bytes.take_u16()?);
            let mut positions = Vec::with_capacity(places.min(bytes.len() / 2));
            for _ in 0..places {
                positions.push(LexemePosition(bytes.take_u16()?));
            }
            lexemes.push(Lexeme { word, positions });
        }
        Ok(Self(lexemes))
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let too_many = |count: usize| EncodeError::out_of_range(format!("{count} are too many"));
        out.put_i32(i32::try_from(self.0.len()).map_err(|_| too_many(self.0.len()))?);
        for Lexeme { word, positions } in &self.0 {
            put_cstr(word, out)?;
            out.put_u16(u16::try_from(positions.len()).map_err(|_| too_many(positions.len()))?);
            for position in positions {
                out.put_u16(position.0);
            }
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut scan = Scan::new(text);
        let mut lexemes = Vec::new();
        while scan.end().is_none() {
            if !lexemes.is_empty() {
                scan.eat(" ")?;
            }
            let word = scan.quoted('\'', true)?;
            let mut positions = Vec::new();
            if scan.eat(":").is_some() {
                positions = scan.until(&[' ']).split(',').map(parse_position).collect::<Option<_>>()?;
            }
            lexemes.push(Lexeme { word, positions });
        }
        Some(Self(lexemes))
    }
}

fn parse_position(text: &str) -> Option<LexemePosition> {
    let digits = text.trim_end_matches(['A', 'B', 'C']);
    let weight = match text.strip_prefix(digits)? {
        "" => TsWeight::D,
        "C" => TsWeight::C,
        "B" => TsWeight::B,
        "A" => TsWeight::A,
        _ => return None,
    };
    LexemePosition::new(digits.parse().ok()?, weight)
}

scalar!(TsVector);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decode, Encode};

    #[test]
    fn quotes_and_weights_are_kept() {
        for text in ["", "'a'", r"'a b':1 'it''s':2A,3B,4C,16383 'x\\y'", "''''"] {
            let document: TsVector = text.parse().unwrap();
            assert_eq!(document.to_string(), text);
            let mut out = BytesMut::new();
            document.encode(&Type::TSVECTOR, &mut out).unwrap();
            assert_eq!(TsVector::from_binary(&Type::TSVECTOR, &out), Ok(document));
            for end in 0..out.len() {
                assert!(TsVector::from_binary(&Type::TSVECTOR, &out[..end]).is_err(), "{end}");
            }
        }
        for text in ["a", "'a", "'a':", "'a':0", "'a':1AB", "'a':16384", "'a':1,", "'a'  'b'"] {
            assert!(text.parse::<TsVector>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_word_with_a_nul_cannot_be_sent() {
        let document = TsVector(vec![Lexeme { word: "a\0b".to_owned(), positions: Vec::new() }]);
        assert!(document.encode(&Type::TSVECTOR, &mut BytesMut::new()).is_err());
    }
}
