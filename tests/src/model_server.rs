//! A server without sockets, tables or threads: it keeps PostgreSQL's rules of who may say what, and decides the rest as it is told.

use bytes::{Buf, BytesMut};
use cornac_proto::EncodeError;
use cornac_proto::message::server::{self, CopyDirection};
use cornac_proto::message::{
    Backend, CommandComplete, FieldCode, FormatCode, Frontend, FrontendFraming, FunctionCallResponse,
    NotificationResponse, ParameterStatus, TransactionStatus, frontend_frame,
};

/// Decisions, one byte each; 0 when they have run out.
#[derive(Clone, Debug)]
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    /// The next decision.
    pub fn byte(&mut self) -> u8 {
        self.0.split_first().map_or(0, |(first, rest)| {
            self.0 = rest;
            *first
        })
    }

    /// The next decision, below `bound`.
    pub fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    /// At most `count` raw bytes.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Whether there are none left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A simple query that is answered without a COPY.
pub const QUESTION: &str = "SELECT 2";

/// A backend behind its first ReadyForQuery.
#[derive(Debug)]
pub struct ModelServer {
    received: BytesMut,
    sent: BytesMut,
    mode: Mode,
    status: TransactionStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Requests are served.
    Serving,
    /// An extended request failed: everything up to the next Sync is ignored.
    Skipping,
    /// The data of a COPY FROM STDIN is taken.
    CopyIn(Protocol),
    /// The connection is closed.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Simple,
    Extended,
}

/// The longest message that is taken from a client.
const MESSAGE_LEN_MAX: usize = 1 << 20;

impl Default for ModelServer {
    fn default() -> Self {
        Self {
            received: BytesMut::new(),
            sent: BytesMut::new(),
            mode: Mode::Serving,
            status: TransactionStatus::Idle,
        }
    }
}

impl ModelServer {
    /// Takes bytes of the client, and answers every request that is complete.
    ///
    /// # Panics
    ///
    /// When the client sends what is no message.
    pub fn receive(&mut self, bytes: &[u8], choices: &mut Choices<'_>) {
        self.received.extend_from_slice(bytes);
        loop {
            let received = std::mem::take(&mut self.received);
            let framing = frontend_frame(&received, MESSAGE_LEN_MAX).expect("the client sends messages");
            let FrontendFraming::Complete { tag, body, len } = framing else {
                self.received = received;
                return;
            };
            let message = Frontend::decode(tag, body).expect("the client's messages are well-formed");
            self.serve(&message, choices).expect("the model's messages fit");
            self.received = received;
            self.received.advance(len);
        }
    }

    /// What the client has not been given yet.
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// Takes as many bytes as there are, `count` at most.
    pub fn take_sent(&mut self, count: usize) -> BytesMut {
        self.sent.split_to(count.min(self.sent.len()))
    }

    fn serve(&mut self, message: &Frontend<'_>, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        if self.mode == Mode::Gone {
            return Ok(());
        }
        self.say_aside(choices)?;
        match (self.mode, message) {
            (_, Frontend::Terminate) => {
                self.mode = Mode::Gone;
                Ok(())
            }
            (Mode::CopyIn(protocol), message) => self.take_copy(protocol, message, choices),
            (_, Frontend::Sync) => self.end_segment(choices),
            // Data may be left over from a COPY that failed.
            (Mode::Skipping, _)
            | (_, Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) | Frontend::Flush) => {
                Ok(())
            }
            (Mode::Serving, Frontend::Query(sql)) => {
                if sql.as_bytes().is_empty() {
                    Backend::EmptyQueryResponse.encode(&mut self.sent)?;
                    return self.ready(choices);
                }
                self.run_simple(sql.as_bytes() == QUESTION.as_bytes(), choices)
            }
            (Mode::Serving, Frontend::FunctionCall { .. }) => {
                if choices.below(4) == 0 {
                    self.error("ERROR")?;
                } else {
                    let answer = FunctionCallResponse::new(Some(b"value"));
                    Backend::FunctionCallResponse(answer).encode(&mut self.sent)?;
                }
                self.ready(choices)
            }
            (_, Frontend::Password(_)) => self.fatal(),
            (_, _) if choices.below(8) == 0 => self.fail_segment(),
            (_, message) => self.answer(message, choices),
        }
    }

    /// A request of the extended protocol that succeeds.
    fn answer(&mut self, message: &Frontend<'_>, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        match message {
            Frontend::Parse { .. } => Backend::ParseComplete.encode(&mut self.sent),
            Frontend::Bind { .. } => Backend::BindComplete.encode(&mut self.sent),
            Frontend::CloseStatement(_) | Frontend::ClosePortal(_) => {
                Backend::CloseComplete.encode(&mut self.sent)
            }
            Frontend::DescribeStatement(_) => {
                server::parameter_description(&mut self.sent, &[23])?;
                self.describe_rows(choices)
            }
            Frontend::DescribePortal(_) => self.describe_rows(choices),
            Frontend::Execute { max_rows, .. } => self.run_extended(*max_rows, choices),
            _ => Ok(()),
        }
    }

    fn describe_rows(&mut self, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        if choices.below(2) == 0 {
            return Backend::NoData.encode(&mut self.sent);
        }
        server::row_description(&mut self.sent, &[("a", 23, FormatCode::Binary)])
    }

    fn run_extended(&mut self, max_rows: i32, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        match choices.below(6) {
            0 => Backend::EmptyQueryResponse.encode(&mut self.sent),
            1 => self.begin_copy_in(Protocol::Extended),
            2 => {
                if !self.copy_out(choices)? {
                    return self.fail_segment();
                }
                self.complete("COPY 2")
            }
            3 => {
                self.rows(choices)?;
                self.fail_segment()
            }
            _ => {
                self.rows(choices)?;
                if max_rows > 0 && choices.below(2) == 0 {
                    return Backend::PortalSuspended.encode(&mut self.sent);
                }
                self.complete("SELECT 2")
            }
        }
    }

    /// The statements of a simple query, up to a COPY FROM STDIN, an error or the end. A question has no COPY in it.
    fn run_simple(&mut self, is_question: bool, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        loop {
            let choice = match choices.below(8) {
                1 | 2 if is_question => 4,
                choice => choice,
            };
            match choice {
                1 => return self.begin_copy_in(Protocol::Simple),
                2 => {
                    if !self.copy_out(choices)? {
                        self.error("ERROR")?;
                        return self.ready(choices);
                    }
                    self.complete("COPY 2")?;
                }
                3 => {
                    server::row_description(&mut self.sent, &[("a", 23, FormatCode::Text)])?;
                    self.rows(choices)?;
                    self.error("ERROR")?;
                    return self.ready(choices);
                }
                4 => {
                    server::row_description(&mut self.sent, &[("a", 23, FormatCode::Text)])?;
                    self.rows(choices)?;
                    self.complete("SELECT 2")?;
                }
                5 => self.complete("BEGIN")?,
                6 => {
                    self.error("ERROR")?;
                    return self.ready(choices);
                }
                _ => {
                    self.complete("SET")?;
                    return self.ready(choices);
                }
            }
        }
    }

    fn begin_copy_in(&mut self, protocol: Protocol) -> Result<(), EncodeError> {
        self.mode = Mode::CopyIn(protocol);
        server::copy_response(&mut self.sent, CopyDirection::In, FormatCode::Text, 2)
    }

    fn take_copy(
        &mut self,
        protocol: Protocol,
        message: &Frontend<'_>,
        choices: &mut Choices<'_>,
    ) -> Result<(), EncodeError> {
        let failed = match message {
            // A row is wrong.
            Frontend::CopyData(_) if choices.below(4) == 0 => true,
            // A Sync or Flush is ignored here, since it was written before the client knew of the COPY.
            Frontend::CopyData(_) | Frontend::Sync | Frontend::Flush => return Ok(()),
            Frontend::CopyDone => choices.below(4) == 0,
            Frontend::CopyFail(_) => true,
            _ => return self.fatal(),
        };
        self.mode = Mode::Serving;
        match (protocol, failed) {
            (Protocol::Extended, true) => self.fail_segment(),
            (Protocol::Extended, false) => self.complete("COPY 2"),
            (Protocol::Simple, true) => {
                self.error("ERROR")?;
                self.ready(choices)
            }
            (Protocol::Simple, false) => {
                self.complete("COPY 2")?;
                self.run_simple(false, choices)
            }
        }
    }

    /// Whether the COPY came to its end.
    fn copy_out(&mut self, choices: &mut Choices<'_>) -> Result<bool, EncodeError> {
        server::copy_response(&mut self.sent, CopyDirection::Out, FormatCode::Text, 2)?;
        for _ in 0..choices.below(3) {
            Backend::CopyData(b"1\ttusk\n").encode(&mut self.sent)?;
            self.say_aside(choices)?;
        }
        if choices.below(4) == 0 {
            return Ok(false);
        }
        Backend::CopyDone.encode(&mut self.sent)?;
        Ok(true)
    }

    fn rows(&mut self, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        for _ in 0..choices.below(4) {
            server::data_row(&mut self.sent, &[Some(b"\0\0\0\x07")])?;
            self.say_aside(choices)?;
        }
        Ok(())
    }

    fn complete(&mut self, tag: &str) -> Result<(), EncodeError> {
        Backend::CommandComplete(CommandComplete::new(tag)).encode(&mut self.sent)
    }

    fn fail_segment(&mut self) -> Result<(), EncodeError> {
        self.mode = Mode::Skipping;
        self.error("ERROR")
    }

    fn end_segment(&mut self, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        // A constraint that was deferred to the commit.
        if self.mode == Mode::Serving && choices.below(8) == 1 {
            self.error("ERROR")?;
        }
        self.mode = Mode::Serving;
        self.ready(choices)
    }

    fn ready(&mut self, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        self.status = match choices.below(4) {
            1 => TransactionStatus::InTransaction,
            2 => TransactionStatus::Failed,
            _ => TransactionStatus::Idle,
        };
        Backend::ReadyForQuery(self.status).encode(&mut self.sent)
    }

    /// What the last ReadyForQuery said.
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    fn error(&mut self, severity: &str) -> Result<(), EncodeError> {
        let fields = [
            (FieldCode::SEVERITY, severity),
            (FieldCode::SEVERITY_NONLOCALIZED, severity),
            (FieldCode::CODE, "22012"),
            (FieldCode::MESSAGE, "division by zero"),
        ];
        server::error_response(&mut self.sent, &fields)
    }

    fn fatal(&mut self) -> Result<(), EncodeError> {
        self.mode = Mode::Gone;
        self.error("FATAL")
    }

    /// What a server may say at any moment.
    fn say_aside(&mut self, choices: &mut Choices<'_>) -> Result<(), EncodeError> {
        match choices.below(16) {
            1 => server::notice_response(&mut self.sent, &[(FieldCode::MESSAGE, "by the way")]),
            2 => Backend::ParameterStatus(ParameterStatus::new("TimeZone", "UTC")).encode(&mut self.sent),
            3 => Backend::NotificationResponse(NotificationResponse::new(7, "herd", "moves"))
                .encode(&mut self.sent),
            _ => Ok(()),
        }
    }
}
