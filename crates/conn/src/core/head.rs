//! The replies in front of a statement's result: to what travels ahead of it, to its Parse, its Bind and its Describe.

use cornac_proto::message::{Backend, RowDescription, ServerMessage};

use super::stale::Stage;

/// Replies to a BEGIN that travels in front of a statement: ParseComplete, BindComplete, CommandComplete.
pub(crate) const BEGIN_REPLIES: u8 = 3;

/// Where the replies in front of a result stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Replies still to come to what travels in front of the statement.
    prelude: u8,
    stage: Stage,
    describe: bool,
}

/// What a reply means.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// More replies come in front of the result.
    More,
    /// The statement is parsed under its name.
    Parsed,
    /// The result comes next; its columns are those that are known.
    Bound,
    /// The result comes next, with these columns; `None`: it has none.
    Described(Option<RowDescription<'a>>),
    /// The server refuses. ReadyForQuery comes next.
    Refused(ServerMessage),
    /// ReadyForQuery, behind a refusal.
    Over,
}

impl Head {
    /// `prelude` replies come first, those to a Parse if there is one, to the Bind, and to a Describe if there is one.
    pub(crate) fn new(prelude: u8, parse: bool, describe: bool) -> Self {
        let stage = if parse { Stage::Parse } else { Stage::Bind };
        Self { prelude, stage, describe }
    }

    /// How far the server has come.
    pub(crate) fn stage(self) -> Stage {
        if self.prelude > 0 { Stage::Prelude } else { self.stage }
    }

    /// Whether BindComplete is all that stands in front of the result.
    #[inline]
    pub(crate) fn is_at_bind(self) -> bool {
        self.prelude == 0 && self.stage == Stage::Bind && !self.describe
    }

    /// Takes the next reply. The ledger has found it to be due.
    pub(crate) fn handle<'a>(&mut self, message: &Backend<'a>) -> Step<'a> {
        match *message {
            // To the Close of a statement that nobody holds any more.
            Backend::CloseComplete => Step::More,
            Backend::ErrorResponse(error) => Step::Refused(error.into()),
            Backend::ReadyForQuery(_) => Step::Over,
            _ if self.prelude > 0 => {
                self.prelude -= 1;
                Step::More
            }
            Backend::ParseComplete => {
                self.stage = Stage::Bind;
                Step::Parsed
            }
            Backend::BindComplete => {
                self.stage = Stage::Execute;
                if self.describe { Step::More } else { Step::Bound }
            }
            Backend::RowDescription(description) => Step::Described(Some(description)),
            Backend::NoData => Step::Described(None),
            _ => Step::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replies_to_what_travels_ahead_are_passed_over() {
        let mut head = Head::new(BEGIN_REPLIES, true, true);
        let begin = cornac_proto::message::CommandComplete::new("BEGIN");
        for message in [
            Backend::CloseComplete,
            Backend::ParseComplete,
            Backend::BindComplete,
            Backend::CommandComplete(begin),
        ] {
            assert_eq!(head.stage(), Stage::Prelude);
            assert!(matches!(head.handle(&message), Step::More));
        }
        assert_eq!(head.stage(), Stage::Parse);
        assert!(matches!(head.handle(&Backend::ParseComplete), Step::Parsed));
        assert_eq!(head.stage(), Stage::Bind);
        assert!(matches!(head.handle(&Backend::BindComplete), Step::More));
        assert!(matches!(head.handle(&Backend::NoData), Step::Described(None)));
    }
}
