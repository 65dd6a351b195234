//! tsquery.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::put_lexeme;
use crate::value::cursor::Cursor;
use crate::value::scalar::{Scalar, scalar};
use crate::value::scan::Scan;
use crate::value::text::put_cstr;
use crate::{EncodeError, Format, Type, ValueError};

/// What is searched for: words, and what joins them.
///
/// It is kept as it travels, as a list without nesting, so that one that is nested deeply needs no deep stack.
///
/// ```
/// use cornac_types::TsQuery;
///
/// let query: TsQuery = "'fat' & !( 'rat' | 'cat':*A )".parse().unwrap();
/// assert_eq!(query.items().len(), 6);
/// assert_eq!(query.to_string(), "'fat' & !( 'rat' | 'cat':*A )");
/// ```
///
/// See [Text Search Types](https://www.postgresql.org/docs/current/datatype-textsearch.html#DATATYPE-TSQUERY).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TsQuery(Vec<TsQueryItem>);

/// A word of a query, or an operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TsQueryItem {
    /// A word.
    Lexeme {
        /// The word.
        word: String,
        /// The weights that it may have: bit 3 for A, 2 for B, 1 for C, 0 for D; 0 for any.
        weights: u8,
        /// Whether it is the beginning of a word.
        is_prefix: bool,
    },
    /// An operator. Its right operand follows, then its left one; `NOT` has one alone.
    Operator(TsOperator),
}

/// What joins words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TsOperator {
    /// The operand must not be there.
    Not,
    /// Both must be there.
    And,
    /// One must be there.
    Or,
    /// The right one must stand so many places behind the left one.
    Phrase(u16),
}

impl TsOperator {
    /// Operators of a higher one bind more tightly.
    fn priority(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Phrase(_) => 3,
            Self::Not => 4,
        }
    }
}

impl TsQuery {
    /// A query out of its items, each operator in front of its right operand, and that in front of the left one; `None` if operands are
    /// missing or left over. Without items, it is the empty query.
    pub fn new(items: Vec<TsQueryItem>) -> Option<Self> {
        let mut missing = usize::from(!items.is_empty());
        for item in &items {
            missing = missing.checked_sub(1)?;
            missing += match item {
                TsQueryItem::Lexeme { .. } => 0,
                TsQueryItem::Operator(TsOperator::Not) => 1,
                TsQueryItem::Operator(_) => 2,
            };
        }
        (missing == 0).then_some(Self(items))
    }

    /// Words and operators, each operator in front of its right operand, and that in front of the left one.
    pub fn items(&self) -> &[TsQueryItem] {
        &self.0
    }

    /// For each item the index behind the operand that begins with it.
    fn ends(&self) -> Vec<usize> {
        let mut ends = vec![0; self.0.len()];
        let mut starts: Vec<usize> = Vec::new();
        for (index, item) in self.0.iter().enumerate().rev() {
            let operands = match item {
                TsQueryItem::Lexeme { .. } => 0,
                TsQueryItem::Operator(TsOperator::Not) => 1,
                TsQueryItem::Operator(_) => 2,
            };
            let mut end = index + 1;
            for _ in 0..operands {
                end = starts.pop().and_then(|start| ends.get(start).copied()).unwrap_or(end);
            }
            if let Some(place) = ends.get_mut(index) {
                *place = end;
            }
            starts.push(index);
        }
        ends
    }
}

/// What is still to be shown.
enum Pending {
    /// The operand at an index, under an operator of a priority; and whether it stands to the right of a phrase.
    Operand(usize, u8, bool),
    Operator(TsOperator),
    Closing,
}

impl fmt::Display for TsQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = self.ends();
        let mut pending = Vec::new();
        if !self.0.is_empty() {
            pending.push(Pending::Operand(0, 0, false));
        }
        while let Some(next) = pending.pop() {
            let (index, outer, is_right_of_phrase) = match next {
                Pending::Operand(index, outer, is_right_of_phrase) => (index, outer, is_right_of_phrase),
                Pending::Closing => {
                    f.write_str(" )")?;
                    continue;
                }
                Pending::Operator(operator) => {
                    match operator {
                        TsOperator::Not => f.write_str("!"),
                        TsOperator::And => f.write_str(" & "),
                        TsOperator::Or => f.write_str(" | "),
                        TsOperator::Phrase(1) => f.write_str(" <-> "),
                        TsOperator::Phrase(distance) => write!(f, " <{distance}> "),
                    }?;
                    continue;
                }
            };
            match self.0.get(index) {
                Some(TsQueryItem::Lexeme { word, weights, is_prefix }) => {
                    put_word(f, word, *weights, *is_prefix)?;
                }
                Some(TsQueryItem::Operator(operator)) => {
                    let (operator, priority, right) = (*operator, operator.priority(), index + 1);
                    let is_phrase = matches!(operator, TsOperator::Phrase(_));
                    if priority < outer || (is_phrase && is_right_of_phrase) {
                        f.write_str("( ")?;
                        pending.push(Pending::Closing);
                    }
                    // In reverse, since the last is taken first.
                    pending.push(Pending::Operand(right, priority, is_phrase));
                    pending.push(Pending::Operator(operator));
                    if operator != TsOperator::Not {
                        let left = ends.get(right).copied().unwrap_or(right);
                        pending.push(Pending::Operand(left, priority, false));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn put_word(f: &mut fmt::Formatter<'_>, word: &str, weights: u8, is_prefix: bool) -> fmt::Result {
    put_lexeme(f, word)?;
    if weights != 0 || is_prefix {
        f.write_str(if is_prefix { ":*" } else { ":" })?;
    }
    for (bit, letter) in [(8, "A"), (4, "B"), (2, "C"), (1, "D")] {
        if weights & bit != 0 {
            f.write_str(letter)?;
        }
    }
    Ok(())
}

const LEXEME: u8 = 1;
const OPERATOR: u8 = 2;

impl Scalar for TsQuery {
    const TEXT: &'static str = "a tsquery";

    fn is(ty: &Type) -> bool {
        *ty == Type::TSQUERY
    }

    fn natural() -> Type {
        Type::TSQUERY
    }

    fn take(bytes: &mut Cursor<'_>) -> Result<Self, ValueError> {
        let count = bytes.take_count(2)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(take_item(bytes)?);
        }
        Self::new(items).ok_or_else(|| ValueError::malformed("its operators and operands do not match"))
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let too_many = |_| EncodeError::out_of_range("it has too many items");
        out.put_i32(i32::try_from(self.0.len()).map_err(too_many)?);
        for item in &self.0 {
            match item {
                TsQueryItem::Lexeme { word, weights, is_prefix } => {
                    out.put_slice(&[LEXEME, *weights, u8::from(*is_prefix)]);
                    put_cstr(word, out)?;
                }
                TsQueryItem::Operator(operator) => match operator {
                    TsOperator::Not => out.put_slice(&[OPERATOR, 1]),
                    TsOperator::And => out.put_slice(&[OPERATOR, 2]),
                    TsOperator::Or => out.put_slice(&[OPERATOR, 3]),
                    TsOperator::Phrase(distance) => {
                        out.put_slice(&[OPERATOR, 4]);
                        out.put_u16(*distance);
                    }
                },
            }
        }
        Ok(())
    }

    /// The servers' functions send the empty query in binary, and refuse to read it again. As text it goes both ways.
    fn sent_as(&self, ty: &Type) -> Format {
        if self.0.is_empty() { Format::Text } else { ty.binary_format() }
    }

    fn parse(text: &str) -> Option<Self> {
        parse(text)
    }
}

fn take_item(bytes: &mut Cursor<'_>) -> Result<TsQueryItem, ValueError> {
    Ok(match bytes.take_u8()? {
        LEXEME => {
            let [weights, prefix] = bytes.take()?;
            if weights > 15 || prefix > 1 {
                return Err(ValueError::malformed("a word has weights that there are not"));
            }
            TsQueryItem::Lexeme { word: bytes.take_cstr()?.to_owned(), weights, is_prefix: prefix == 1 }
        }
        OPERATOR => TsQueryItem::Operator(match bytes.take_u8()? {
            1 => TsOperator::Not,
            2 => TsOperator::And,
            3 => TsOperator::Or,
            4 => TsOperator::Phrase(bytes.take_u16()?),
            other => return Err(ValueError::malformed(format!("operator {other} is not known"))),
        }),
        other => return Err(ValueError::malformed(format!("{other} is neither word nor operator"))),
    })
}

scalar!(TsQuery);

/// Brings operators behind their operands by their priorities, and reverses that.
fn parse(text: &str) -> Option<TsQuery> {
    let mut scan = Scan::new(text);
    let mut items = Vec::new();
    // `None` is an opening parenthesis.
    let mut operators: Vec<Option<TsOperator>> = Vec::new();
    let mut operand_is_due = true;
    while scan.end().is_none() {
        if scan.eat(" ").is_some() {
            continue;
        }
        if operand_is_due {
            if scan.eat("(").is_some() {
                operators.push(None);
            } else if scan.eat("!").is_some() {
                operators.push(Some(TsOperator::Not));
            } else {
                items.push(scan_word(&mut scan)?);
                operand_is_due = false;
            }
        } else if scan.eat(")").is_some() {
            while let Some(operator) = operators.pop()? {
                items.push(TsQueryItem::Operator(operator));
            }
        } else {
            let operator = scan_operator(&mut scan)?;
            while let Some(Some(before)) = operators.last().copied() {
                if before.priority() < operator.priority() {
                    break;
                }
                operators.pop();
                items.push(TsQueryItem::Operator(before));
            }
            operators.push(Some(operator));
            operand_is_due = true;
        }
    }
    while let Some(operator) = operators.pop() {
        items.push(TsQueryItem::Operator(operator?));
    }
    items.reverse();
    TsQuery::new(items)
}

fn scan_word(scan: &mut Scan<'_>) -> Option<TsQueryItem> {
    let word = scan.quoted('\'', true)?;
    let (mut weights, mut is_prefix) = (0, false);
    if scan.eat(":").is_some() {
        for letter in scan.until(&[' ', ')']).bytes() {
            match letter {
                b'*' => is_prefix = true,
                b'A' => weights |= 8,
                b'B' => weights |= 4,
                b'C' => weights |= 2,
                b'D' => weights |= 1,
                _ => return None,
            }
        }
    }
    Some(TsQueryItem::Lexeme { word, weights, is_prefix })
}

fn scan_operator(scan: &mut Scan<'_>) -> Option<TsOperator> {
    if scan.eat("&").is_some() {
        return Some(TsOperator::And);
    }
    if scan.eat("|").is_some() {
        return Some(TsOperator::Or);
    }
    scan.eat("<")?;
    let distance = match scan.until(&['>']) {
        "-" => 1,
        digits => digits.parse().ok()?,
    };
    scan.eat(">").map(|()| TsOperator::Phrase(distance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decode;

    fn check(text: &str) {
        let query: TsQuery = text.parse().unwrap();
        assert_eq!(query.to_string(), text);
        let mut out = BytesMut::new();
        query.put(&mut out).unwrap();
        assert_eq!(TsQuery::from_binary(&Type::TSQUERY, &out), Ok(query));
        for end in 0..out.len() {
            assert!(TsQuery::from_binary(&Type::TSQUERY, &out[..end]).is_err(), "{text}, {end}");
        }
    }

    #[test]
    fn operators_keep_their_operands() {
        for text in [
            "",
            "'a'",
            "!'a'",
            "!!'a'",
            "!( 'a' & 'b' )",
            "'a' & 'b' | 'c' & !'d'",
            "( 'a' | 'b' ) & ( 'c' | 'd' )",
            "'a' <-> 'b' <2> 'c'",
            "'a' <-> ( 'b' <-> 'c' )",
            "'a' <0> 'b'",
            "'a':*AB & 'b':D",
            r"'it''s' & 'x\\y'",
        ] {
            check(text);
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for text in [
            "a",
            "'a' 'b'",
            "'a' &",
            "& 'a'",
            "( 'a'",
            "'a' )",
            "'a' <x> 'b'",
            "'a' <-> <-> 'b'",
            "'a':Z",
            "!",
            "()",
        ] {
            assert!(text.parse::<TsQuery>().is_err(), "{text}");
        }
        for bytes in [
            &[0, 0, 0, 1, 2, 2][..],
            &[0, 0, 0, 1, 3, 0],
            &[0, 0, 0, 1, 1, 16, 0, b'a', 0],
            &[0, 0, 0, 2, 1, 0, 0, b'a', 0, 1, 0, 0, b'b', 0],
            &[0x7f, 0xff, 0xff, 0xff, 1, 0],
        ] {
            assert!(TsQuery::from_binary(&Type::TSQUERY, bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = 200_000;
        let text = format!("{}'a'", "!".repeat(deep));
        check_depth(&text, deep + 1);
        let text = format!("{}'a'{}", "'b' <-> ( ".repeat(deep), " )".repeat(deep));
        check_depth(&text, 2 * deep + 1);
    }

    fn check_depth(text: &str, items: usize) {
        let query: TsQuery = text.parse().unwrap();
        assert_eq!(query.items().len(), items);
        assert!(query.to_string().len() >= items);
    }
}
