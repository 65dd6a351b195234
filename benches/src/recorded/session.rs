//! One client of the recorded server.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use cornac_proto::message::{
    Backend, Frontend, FrontendFraming, TransactionStatus, frontend_frame, startup_frame,
};

use super::answers::{Answer, Answers, command_complete, message};

/// How much is read at once.
const READ_LEN: usize = 256 << 10;

/// The longest message that a client may send.
const MESSAGE_LEN_MAX: usize = 64 << 20;

/// The code of a StartupMessage begins with its major version; those of other requests do not.
const MAJOR_VERSION: u8 = 3;

/// What the writing thread is told to write.
enum Reply {
    Bytes(Vec<u8>),
    /// The front of rows that are there already.
    Rows(Arc<[u8]>, usize),
}

/// Reads requests here, and writes answers in another thread: a client may send all that it has before it reads anything.
pub(super) fn serve(socket: &UnixStream, answers: &Answers, pause: Duration) -> Result<()> {
    let (replies, to_write) = channel();
    let writing_end = socket.try_clone()?;
    let writer = thread::spawn(move || write(writing_end, &to_write, pause));
    let mut session = Session {
        answers,
        statements: HashMap::new(),
        portals: HashMap::new(),
        out: Vec::new(),
        replies,
        copying: None,
    };
    let read = session.read(socket);
    drop(session);
    let written = writer.join().ok().context("the writing thread panicked")?;
    read.and(written)
}

fn write(mut socket: UnixStream, replies: &Receiver<Reply>, pause: Duration) -> Result<()> {
    let mut kept = None;
    while let Some(reply) = kept.take().or_else(|| replies.recv().ok()) {
        match reply {
            Reply::Rows(rows, len) => socket.write_all(&rows[..len])?,
            Reply::Bytes(mut bytes) => {
                while let Ok(more) = replies.try_recv() {
                    match more {
                        Reply::Bytes(more) if bytes.len() < READ_LEN => bytes.extend(more),
                        more => {
                            kept = Some(more);
                            break;
                        }
                    }
                }
                if !pause.is_zero() {
                    thread::sleep(pause);
                }
                socket.write_all(&bytes)?;
            }
        }
    }
    Ok(())
}

struct Session<'a> {
    answers: &'a Answers,
    statements: HashMap<Vec<u8>, Answer<'a>>,
    portals: HashMap<Vec<u8>, Answer<'a>>,
    /// What is answered at the next Sync.
    out: Vec<u8>,
    replies: Sender<Reply>,
    copying: Option<CopyIn>,
}

/// COPY data under way.
struct CopyIn {
    /// Whether it was begun by a Query, so that its end is the end of the request.
    simple: bool,
    rows: CopiedRows,
}

impl<'a> Session<'a> {
    fn read(&mut self, mut socket: &UnixStream) -> Result<()> {
        let mut buffer = vec![0; READ_LEN];
        let (mut begin, mut end) = (0, 0);
        let mut greeted = false;
        loop {
            let unread = &buffer[begin..end];
            let framing = if greeted {
                frontend_frame(unread, MESSAGE_LEN_MAX)?
            } else {
                startup_frame(unread, MESSAGE_LEN_MAX)?
            };
            match framing {
                FrontendFraming::Complete { tag, body, len } => {
                    if greeted {
                        if !self.handle(Frontend::decode(tag, body)?)? {
                            return Ok(());
                        }
                    } else {
                        greeted = self.greet(body)?;
                    }
                    begin += len;
                }
                FrontendFraming::Incomplete => {
                    buffer.copy_within(begin..end, 0);
                    (begin, end) = (0, end - begin);
                    if end == buffer.len() {
                        buffer.resize(2 * end, 0);
                    }
                    match socket.read(&mut buffer[end..])? {
                        0 => return Ok(()),
                        count => end += count,
                    }
                }
            }
        }
    }

    /// Refuses encryption, and greets a client that says which version it speaks.
    fn greet(&self, body: &[u8]) -> Result<bool> {
        let greeted = body.get(1) == Some(&MAJOR_VERSION);
        let answer = if greeted { self.answers.greeting.clone() } else { b"N".to_vec() };
        self.reply(Reply::Bytes(answer))?;
        Ok(greeted)
    }

    /// Answers a message; false when it was the last one.
    fn handle(&mut self, request: Frontend<'_>) -> Result<bool> {
        let nothing = self.answers.find("");
        match request {
            Frontend::CopyData(data) => {
                if let Some(copy) = &mut self.copying {
                    copy.rows.handle(data);
                }
            }
            Frontend::CopyDone | Frontend::CopyFail(_) => {
                if let Some(copy) = self.copying.take() {
                    self.out.extend(command_complete("COPY", copy.rows.count)?);
                    if copy.simple {
                        self.ready()?;
                    }
                }
            }
            // A server does not hear these while data is copied.
            Frontend::Flush | Frontend::Sync if self.copying.is_some() => {}
            Frontend::Flush => self.send()?,
            Frontend::Sync => self.ready()?,
            Frontend::Terminate => return Ok(false),
            Frontend::Parse { statement, query, .. } => {
                self.statements.insert(statement.as_bytes().to_vec(), self.answers.find(&query.to_lossy()));
                self.put(&Backend::ParseComplete)?;
            }
            Frontend::Bind { portal, statement, .. } => {
                let answer = *self.statements.get(statement.as_bytes()).unwrap_or(&nothing);
                match self.portals.get_mut(portal.as_bytes()) {
                    Some(place) => *place = answer,
                    None => drop(self.portals.insert(portal.as_bytes().to_vec(), answer)),
                }
                self.put(&Backend::BindComplete)?;
            }
            Frontend::DescribeStatement(name) => {
                let answer = self.statements.get(name.as_bytes()).unwrap_or(&nothing);
                self.out.extend(&answer.recording.parameters);
                self.out.extend(&answer.recording.columns);
            }
            Frontend::DescribePortal(name) => {
                let answer = self.portals.get(name.as_bytes()).unwrap_or(&nothing);
                self.out.extend(&answer.recording.portal_columns);
            }
            Frontend::Execute { portal, .. } => {
                let answer = *self.portals.get(portal.as_bytes()).unwrap_or(&nothing);
                self.execute(answer, false)?;
            }
            Frontend::CloseStatement(_) | Frontend::ClosePortal(_) => self.put(&Backend::CloseComplete)?,
            Frontend::Query(sql) => {
                let answer = self.answers.find(&sql.to_lossy());
                self.execute(answer, true)?;
                if self.copying.is_none() {
                    self.ready()?;
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn execute(&mut self, answer: Answer<'a>, simple: bool) -> Result<()> {
        let Answer { recording, rows } = answer;
        self.out.extend(&recording.begin);
        if recording.takes_copy_data {
            self.copying = Some(CopyIn { simple, rows: CopiedRows::default() });
            return self.send();
        }
        if recording.command == "COPY" {
            let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
            self.put(&Backend::CopyData(header))?;
        }
        let block = recording.ends.len().max(1);
        if rows > 1 {
            self.send()?;
            for _ in 0..rows / block {
                self.reply(Reply::Rows(Arc::clone(&recording.block), recording.block.len()))?;
            }
            if let Some(last) = (rows % block).checked_sub(1) {
                self.reply(Reply::Rows(Arc::clone(&recording.block), recording.ends[last]))?;
            }
        } else if rows == 1 {
            self.out.extend(&recording.block[..recording.ends[0]]);
        }
        self.out.extend(&recording.end);
        self.out.extend(command_complete(recording.command, rows)?);
        Ok(())
    }

    fn ready(&mut self) -> Result<()> {
        self.put(&Backend::ReadyForQuery(TransactionStatus::Idle))?;
        self.send()
    }

    fn put(&mut self, backend: &Backend<'_>) -> Result<()> {
        self.out.extend(message(backend)?);
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let out = std::mem::take(&mut self.out);
        self.reply(Reply::Bytes(out))
    }

    fn reply(&self, reply: Reply) -> Result<()> {
        self.replies.send(reply).ok().context("the writing thread has ended")
    }
}

/// Counts the rows of binary COPY data, however it was cut.
#[derive(Default)]
struct CopiedRows {
    count: usize,
    /// What has come of a piece whose end has not.
    kept: Vec<u8>,
    /// Fields that are due in the current row.
    fields: u16,
    begun: bool,
}

impl CopiedRows {
    fn handle(&mut self, data: &[u8]) {
        let mut kept = std::mem::take(&mut self.kept);
        let mut rest = if kept.is_empty() {
            data
        } else {
            kept.extend(data);
            &kept[..]
        };
        while let Some(behind) = self.piece(rest) {
            rest = behind;
        }
        self.kept = rest.to_vec();
    }

    /// Takes the header, a count of fields, or a field off the front; `None` when it is not all there.
    fn piece<'d>(&mut self, data: &'d [u8]) -> Option<&'d [u8]> {
        if !self.begun {
            let behind = data.get(19..)?;
            self.begun = true;
            return Some(behind);
        }
        if self.fields == 0 {
            let (fields, behind) = data.split_first_chunk::<2>()?;
            // -1 is the trailer.
            if let Ok(fields) = u16::try_from(i16::from_be_bytes(*fields)) {
                self.fields = fields;
                self.count += 1;
            }
            return Some(behind);
        }
        let (len, behind) = data.split_first_chunk::<4>()?;
        let behind = behind.get(usize::try_from(i32::from_be_bytes(*len)).unwrap_or(0)..)?;
        self.fields -= 1;
        Some(behind)
    }
}
