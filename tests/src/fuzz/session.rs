//! Arbitrary requests of a client, interleaved with what a server sends: one that keeps the rules, or arbitrary bytes.

use bytes::BytesMut;
use cornac_proto::auth::scram::ClientNonce;
use cornac_proto::handshake::{Handshake, HandshakeConfig, Step};
use cornac_proto::message::{Backend, BackendTag, FormatCode, RawParameters, Target, TransactionStatus};
use cornac_proto::session::{Checkpoint, CloseReason, CommandError, Progress, Session};

use crate::model_server::{Choices, ModelServer, QUESTION};

/// Each byte is a step: a request, a move of bytes in either direction, a look at a message, a request taken back, replies that are
/// not wanted any more.
///
/// As long as the server keeps the rules, the session finds nothing wrong, and ends up with every request answered. Whatever the server
/// does, a session that is closed stays closed for the same reason.
///
/// # Panics
///
/// When one of this does not hold.
pub fn session(data: &[u8]) {
    let mut player = Player::new();
    let mut choices = Choices(data);
    while !choices.is_empty() {
        player.step(&mut choices);
        player.check();
    }
    player.settle();
}

struct Player {
    session: Session,
    server: ModelServer,
    /// Whether the server has kept the rules so far.
    honest: bool,
    checkpoint: Option<Checkpoint>,
    closed: Option<String>,
}

impl Player {
    fn new() -> Self {
        let nonce = ClientNonce::from_printable("cornac").expect("a nonce");
        let mut handshake = Handshake::new(HandshakeConfig::new("app"), nonce).expect("a startup packet");
        handshake.handle_sent(handshake.unsent().len());
        handshake.handle_bytes(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        let Ok(Step::Ready(established)) = handshake.poll_step() else { panic!("not ready") };
        Self {
            session: established.session,
            server: ModelServer::default(),
            honest: true,
            checkpoint: None,
            closed: None,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(22) {
            0 => {
                let is_empty = choices.below(4) == 0;
                if choices.below(4) == 0 {
                    self.request(|session| session.postscript(if is_empty { "" } else { QUESTION }));
                } else {
                    self.request(|session| session.query(if is_empty { "" } else { "SELECT 1" }));
                }
            }
            1 => self.request(|session| session.parse("s", "SELECT $1", &[23])),
            2 => {
                let values = [Some(&b"\0\0\0\x07"[..]), None];
                let parameters = RawParameters { formats: &[FormatCode::Binary], values: &values };
                self.request(|session| session.bind("", "s", &parameters, &[FormatCode::Binary]));
            }
            3 => self.request(|session| session.describe(Target::Statement("s"))),
            4 => self.request(|session| session.describe(Target::Portal(""))),
            5 => {
                let max_rows = u32::from(choices.below(2));
                self.request(|session| session.execute("", max_rows));
            }
            6 => self.request(|session| session.close(Target::Statement("s"))),
            7 => self.request(Session::sync),
            8 => self.request(Session::flush),
            9 => {
                let arguments = RawParameters { formats: &[], values: &[] };
                self.request(|session| session.function_call(1299, &arguments, FormatCode::Binary));
            }
            10 => self.request(|session| session.copy_data(b"1\ttusk\n")),
            11 => self.request(Session::copy_done),
            12 => self.request(|session| session.copy_fail("enough")),
            13 => self.checkpoint = Some(self.session.checkpoint()),
            14 => self.take_back(),
            15 => {
                let count = usize::from(choices.byte());
                self.send(count, choices);
            }
            16 => self.send(usize::MAX, choices),
            17 => {
                let count = usize::from(choices.byte());
                self.deliver(count);
            }
            18 => self.deliver(usize::MAX),
            19 => self.poll(),
            20 => {
                let count = usize::from(choices.byte());
                let bytes = choices.take(count);
                if !bytes.is_empty() {
                    self.honest = false;
                    self.session.handle_bytes(bytes);
                }
            }
            _ => match choices.below(16) {
                0 => self.session.terminate(),
                1 => {
                    self.honest = false;
                    self.session.handle_eof();
                }
                2 => self.session.discard_replies(),
                _ => while self.poll_one() {},
            },
        }
    }

    /// Makes a request; one that is refused has written nothing and is owed nothing.
    fn request(&mut self, command: impl FnOnce(&mut Session) -> Result<(), CommandError>) {
        let before = (self.session.unsent().len(), self.session.requests_unanswered());
        let was_closed = self.session.closed().is_some();
        match command(&mut self.session) {
            Ok(()) => {
                assert!(!was_closed, "a closed session takes nothing");
                assert!(self.session.unsent().len() > before.0, "a request is bytes");
            }
            Err(CommandError::Closed(_)) => assert!(was_closed),
            Err(CommandError::NotCopyIn) => assert!(!self.session.takes_copy_data()),
            Err(CommandError::CopyIn) => assert!(self.session.takes_copy_data()),
            Err(error) => panic!("nothing here is too long: {error}"),
        }
        if was_closed {
            assert_eq!(before, (self.session.unsent().len(), self.session.requests_unanswered()));
        }
    }

    fn take_back(&mut self) {
        let Some(checkpoint) = self.checkpoint.take() else { return };
        let unsent = self.session.unsent().len();
        match self.session.take_back(checkpoint) {
            Progress::Unsent => assert!(self.session.unsent().len() <= unsent),
            Progress::PartlySent => assert!(unsent > 0 && self.session.unsent().len() == unsent),
            // Nothing, or a question of the driver's behind them.
            Progress::Sent => assert_eq!(self.session.unsent().len(), unsent),
        }
    }

    fn send(&mut self, count: usize, choices: &mut Choices<'_>) {
        let unsent = self.session.unsent();
        let sent = BytesMut::from(&unsent[..count.min(unsent.len())]);
        self.session.handle_sent(sent.len());
        self.server.receive(&sent, choices);
    }

    fn deliver(&mut self, count: usize) {
        let bytes = self.server.take_sent(count);
        self.session.handle_bytes(&bytes);
    }

    fn poll(&mut self) {
        self.poll_one();
    }

    /// Whether there was a message.
    fn poll_one(&mut self) -> bool {
        let Ok(peeked) = self.session.peek_tag() else { return false };
        // Rows of the driver's own question are nobody's rows.
        let polled = if peeked == Some(BackendTag::DataRow) && !self.session.is_postscript_next() {
            self.session.poll_row(1).map(|row| row.map(Backend::DataRow))
        } else {
            self.session.poll_message()
        };
        match polled {
            Ok(message) => {
                let tag = message.map(|message| message.tag());
                assert_eq!(tag, peeked, "what was seen comes");
                tag.is_some()
            }
            Err(closed) => {
                assert!(peeked.is_some(), "only a message closes a session: {closed}");
                false
            }
        }
    }

    fn check(&mut self) {
        let closed = self.session.closed().map(ToString::to_string);
        if self.closed.is_some() {
            assert_eq!(closed, self.closed, "a session that is closed stays closed, for the same reason");
        }
        self.closed = closed;
        assert!(!self.session.is_idle() || self.session.is_settled() && self.closed.is_none());
        if self.session.is_idle() {
            assert_eq!(self.session.transaction_status(), TransactionStatus::Idle);
        }
        if let (true, Some(closed)) = (self.honest, self.session.closed()) {
            let expected = matches!(closed.reason(), CloseReason::Fatal(_) | CloseReason::Terminated);
            assert!(expected, "the server has kept the rules, and yet: {closed}");
        }
    }

    /// Brings everything to its end: what is owed comes, and no more than that.
    fn settle(&mut self) {
        let mut no_choices = Choices(&[]);
        for _ in 0..4 {
            self.send(usize::MAX, &mut no_choices);
            self.deliver(usize::MAX);
            while self.poll_one() {}
            self.check();
            if self.session.closed().is_some() {
                return;
            }
            if !self.honest {
                continue;
            }
            if self.session.takes_copy_data() {
                self.request(|session| session.copy_fail("the end"));
            }
            // Behind an error, or a COPY that swallowed the last Sync, the server waits for another one.
            if !self.session.is_settled() && !self.session.has_unsent() {
                self.request(Session::sync);
            }
        }
        if self.honest {
            assert!(self.session.is_settled() && !self.session.has_unsent(), "{:?}", self.session);
            assert_eq!(self.session.transaction_status(), self.server.status());
            assert!(self.server.sent().is_empty() && self.session.peek_tag().is_ok_and(|tag| tag.is_none()));
        }
    }
}
