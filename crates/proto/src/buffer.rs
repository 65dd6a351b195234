//! The two buffers of a connection: bytes to be sent and bytes that came.

use bytes::BytesMut;

use crate::error::Violation;
use crate::frame::{Frame, Framing, HEADER_LEN, Limits, Phase, frame};
use crate::message::{Backend, BackendTag, DataRow, ServerMessage};

/// What a buffer keeps of its memory when it has run empty, in bytes. A value larger than that gives the
/// rest back, so that one large row does not weigh on a pooled connection for ever.
const KEPT: usize = 16 << 10;

/// As [`KEPT`], for bytes to be sent while a pipeline or a COPY goes on.
const KEPT_BUSY: usize = 256 << 10;

/// Bytes that are read from a socket at a time: at first, and when reads find all their room filled. Answers to most statements are
/// short, and each connection of a pool has a buffer.
const READ_MIN: usize = 2 << 10;
const READ_MAX: usize = 64 << 10;

/// What is kept of a message that is thrown away, in bytes: its newest, among which a dying server's last words stand.
const LAST_WORDS: usize = 8 << 10;

/// Bytes to be sent, with the position of each in the whole stream.
#[derive(Debug, Default)]
pub(crate) struct SendBuffer {
    bytes: BytesMut,
    /// How many of `bytes` have been sent.
    sent: usize,
    /// The position in the stream of the first of `bytes`.
    base: u64,
}

impl SendBuffer {
    /// Where requests are appended.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sent >= self.bytes.len()
    }

    pub(crate) fn handle_sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.base = self.position_sent();
            self.sent = 0;
            if self.bytes.capacity() > KEPT_BUSY {
                self.bytes = BytesMut::new();
            } else {
                self.bytes.clear();
            }
        }
    }

    /// The session is idle: what a long request needed is given back.
    pub(crate) fn give_back(&mut self) {
        if self.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = BytesMut::new();
        }
    }

    /// How far the stream has been written into this buffer.
    pub(crate) fn position_written(&self) -> u64 {
        self.base.saturating_add(len_u64(self.bytes.len()))
    }

    /// How far the stream has been sent.
    pub(crate) fn position_sent(&self) -> u64 {
        self.base.saturating_add(len_u64(self.sent))
    }

    /// Takes out everything behind `position`, which must not have been sent.
    pub(crate) fn truncate(&mut self, position: u64) {
        let kept = position.saturating_sub(self.base);
        self.bytes.truncate(usize::try_from(kept).unwrap_or(usize::MAX).max(self.sent));
        // Everything in front of what was taken out may be sent already.
        self.handle_sent(0);
    }
}

fn len_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Bytes that came, of which whole messages are taken off the front.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    /// What came, and behind `filled` room for more. All of it has been written to once, so that a socket can be given the room without any
    /// of it being cleared before each read.
    bytes: Vec<u8>,
    /// How many of `bytes` belong to messages that were handed out.
    taken: usize,
    /// How many of `bytes` have come.
    filled: usize,
    /// How many bytes the message at the front has in all, as far as its header says.
    awaited: usize,
    /// The message at the front, once its header was read and all of it is there: a header is read once.
    front: Option<Front>,
    /// How many bytes to read at a time: more, when one read has filled all the room that there was.
    read: usize,
    /// The message at the front, when it is thrown away as it comes.
    discarded: Option<Discarded>,
    row: TakenRow,
}

/// Where the values of a row stand.
#[derive(Clone, Copy, Debug, Default)]
struct TakenRow {
    start: usize,
    len: usize,
    columns: u16,
}

/// A message that nobody wants, and whose end has not come.
#[derive(Clone, Copy, Debug)]
struct Discarded {
    tag: BackendTag,
    /// Bytes of it that have not been thrown away: those that are to come, and the newest of those that came.
    left: usize,
}

#[derive(Clone, Copy, Debug)]
struct Front {
    tag: BackendTag,
    body_len: usize,
}

impl ReceiveBuffer {
    /// Room for the next read, of which [`handle_received`](Self::handle_received) says how much was filled. It grows with what has really
    /// come, never with what a header announces.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.row = TakenRow::default();
        if self.taken == self.filled && self.filled < self.bytes.len() && self.bytes.len() == self.read {
            (self.taken, self.filled) = (0, 0);
        } else {
            self.make_room();
        }
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    #[inline(never)]
    fn make_room(&mut self) {
        if self.filled == self.bytes.len() && self.filled > 0 {
            self.read = self.read.saturating_mul(2);
        }
        self.read = self.read.clamp(READ_MIN, READ_MAX);
        let have = self.untaken().len();
        if have == 0 {
            (self.taken, self.filled) = (0, 0);
            if self.bytes.len() > KEPT.max(self.read) {
                self.bytes = Vec::new();
            }
        }
        let missing = self.awaited.saturating_sub(have);
        self.reserve(missing.min(have));
    }

    /// Makes room for `missing` bytes, and for half of a read, unless there is some for that: that much does without moving anything.
    fn reserve(&mut self, missing: usize) {
        if self.has_room() {
            return;
        }
        if self.taken > 0 {
            self.bytes.copy_within(self.taken..self.filled, 0);
            self.filled = self.filled.saturating_sub(self.taken);
            self.taken = 0;
        }
        if self.bytes.is_empty() {
            self.bytes = vec![0; missing.max(self.read)];
        } else if !self.has_room() {
            // A message that is not whole is doubled, or completed: so a long one is not moved again and again, and takes no more memory than it
            // has bytes. And no less than a read, so that memory which the next result needs too is not given back in between.
            let len = self.filled.saturating_add(missing.max(self.read / 2)).max(self.read);
            self.bytes.reserve_exact(len.saturating_sub(self.bytes.len()));
            self.bytes.resize(len, 0);
        }
    }

    fn has_room(&self) -> bool {
        self.bytes.len().saturating_sub(self.filled) >= self.read / 2
    }

    /// `count` bytes of the room were filled.
    #[inline]
    pub(crate) fn handle_received(&mut self, count: usize) {
        self.filled = self.filled.saturating_add(count).min(self.bytes.len());
    }

    /// Takes bytes from elsewhere, behind those that came.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            self.handle_received(now.len());
            bytes = later;
        }
    }

    /// The session is idle: what a large result needed is given back.
    pub(crate) fn give_back(&mut self) {
        // The next answer may be as long as this one; as much as is kept is read at once.
        self.read = self.read.min(KEPT);
        self.release();
    }

    /// Gives memory back that what has come does not need.
    fn release(&mut self) {
        if self.bytes.len() > KEPT && self.untaken().len() <= KEPT {
            self.bytes = self.untaken().to_vec();
            (self.taken, self.filled) = (0, self.bytes.len());
        }
    }

    /// Which message has come in part, if any has.
    pub(crate) fn partial(&self) -> Option<BackendTag> {
        if let Some(discarded) = self.discarded {
            return Some(discarded.tag);
        }
        self.untaken().first().and_then(|&byte| BackendTag::from_byte(byte))
    }

    /// A FATAL error that stands at the very end of a message that was cut off: a server that dies while it
    /// writes can still say why, and that is worth more than "closed in the middle of DataRow".
    pub(crate) fn last_words(&self) -> Option<ServerMessage> {
        let untaken = self.untaken();
        memchr::memchr_iter(BackendTag::ErrorResponse.byte(), untaken).find_map(|start| {
            let candidate = untaken.get(start..)?;
            let Ok(Framing::Complete(frame)) = frame(candidate, &Limits::default(), Phase::Authenticated)
            else {
                return None;
            };
            // Behind its last words a server says nothing: an error inside of a value is no such thing.
            let is_last = candidate.len() == HEADER_LEN.saturating_add(frame.body.len());
            let Ok(Backend::ErrorResponse(error)) = Backend::decode(frame) else { return None };
            (is_last && error.severity().ends_session()).then(|| error.into())
        })
    }

    pub(crate) fn untaken(&self) -> &[u8] {
        self.bytes.get(self.taken..self.filled).unwrap_or_default()
    }

    /// Begins to throw away the message at the front if it is one of rows or COPY data, and gives its tag, once. Its header is
    /// enough: the rest goes as it comes, so that a message which nobody wants needs no memory, however long it is.
    pub(crate) fn discard(&mut self, limits: &Limits, phase: Phase) -> Result<Option<BackendTag>, Violation> {
        if !self.discard_rest() {
            return Ok(None);
        }
        let (tag, left) = match frame(self.untaken(), limits, phase)? {
            Framing::Complete(frame) => (frame.tag, HEADER_LEN.saturating_add(frame.body.len())),
            Framing::Incomplete { len, tag: Some(tag) } if self.untaken().len() >= HEADER_LEN => (tag, len),
            Framing::Incomplete { .. } => return Ok(None),
        };
        if !matches!(tag, BackendTag::DataRow | BackendTag::CopyData) {
            return Ok(None);
        }
        self.front = None;
        self.discarded = Some(Discarded { tag, left });
        self.discard_rest();
        Ok(Some(tag))
    }

    /// Throws away what has come of a message that nobody wants. False while its end has not come.
    fn discard_rest(&mut self) -> bool {
        let Some(discarded) = &mut self.discarded else { return true };
        let have = self.filled.saturating_sub(self.taken);
        if have >= discarded.left {
            self.taken = self.taken.saturating_add(discarded.left);
            self.discarded = None;
            return true;
        }
        let gone = have.saturating_sub(LAST_WORDS);
        self.taken = self.taken.saturating_add(gone);
        discarded.left = discarded.left.saturating_sub(gone);
        self.awaited = 0;
        self.release();
        false
    }

    /// What stands at the front, unless that is thrown away.
    #[inline]
    pub(crate) fn front_bytes(&self) -> Option<&[u8]> {
        if self.discarded.is_some() { None } else { self.bytes.get(self.taken..self.filled) }
    }

    /// Whether a message of these bytes stands at the front.
    #[inline]
    pub(crate) fn starts_with(&self, message: &[u8]) -> bool {
        self.front_bytes().is_some_and(|bytes| bytes.starts_with(message))
    }

    /// Takes messages of `len` bytes in all off the front, which stand there as a whole.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) {
        self.front = None;
        self.taken = self.taken.saturating_add(len);
    }

    /// Takes the DataRow at the front, which [`row`](Self::row) then gives, if it is there as a whole, has `columns` values, and does not
    /// contradict itself. Whatever else stands there is left as it is.
    #[inline]
    pub(crate) fn advance_row(&mut self, limits: &Limits, columns: usize) -> bool {
        const ROW: u8 = BackendTag::DataRow.byte();
        const LEN: usize = HEADER_LEN + 2;
        let Some(bytes) = self.front_bytes() else { return false };
        let Some((&[ROW, a, b, c, d, high, low], rest)) = bytes.split_first_chunk::<LEN>() else {
            return false;
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        let came = u16::from_be_bytes([high, low]);
        let (Some(len), true) = (length.checked_sub(6), length <= limits.long) else { return false };
        let values = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let Some(values) = values.filter(|_| usize::from(came) == columns) else { return false };
        if !DataRow::new(came, values).is_consistent() {
            return false;
        }
        let row = TakenRow { start: self.taken.saturating_add(LEN), len: values.len(), columns: came };
        self.take(LEN.saturating_add(row.len));
        self.row = row;
        true
    }

    /// The row that [`advance_row`](Self::advance_row) has taken last, until more is received.
    #[inline]
    pub(crate) fn row(&self) -> DataRow<'_> {
        let TakenRow { start, len, columns } = self.row;
        match self.bytes.get(start..).and_then(|bytes| bytes.get(..len)) {
            Some(values) => DataRow::new(columns, values),
            None => DataRow::default(),
        }
    }

    /// Which message stands at the front, if it is there as a whole.
    #[inline]
    pub(crate) fn peek_tag(
        &mut self,
        limits: &Limits,
        phase: Phase,
    ) -> Result<Option<BackendTag>, Violation> {
        if let Some(front) = self.front {
            return Ok(Some(front.tag));
        }
        if self.discarded.is_some() && !self.discard_rest() {
            return Ok(None);
        }
        match frame(self.untaken(), limits, phase)? {
            Framing::Complete(Frame { tag, body }) => {
                self.front = Some(Front { tag, body_len: body.len() });
                Ok(Some(tag))
            }
            Framing::Incomplete { len, .. } => {
                self.awaited = len;
                Ok(None)
            }
        }
    }

    /// Takes the message at the front, if it is there as a whole.
    #[inline]
    pub(crate) fn take_frame(
        &mut self,
        limits: &Limits,
        phase: Phase,
    ) -> Result<Option<Frame<'_>>, Violation> {
        self.peek_tag(limits, phase)?;
        let Self { bytes, taken, front, .. } = self;
        let Some(Front { tag, body_len }) = front.take() else { return Ok(None) };
        let start = taken.saturating_add(HEADER_LEN);
        *taken = start.saturating_add(body_len);
        Ok(bytes.get(start..*taken).map(|body| Frame { tag, body }))
    }

    /// Bytes of memory that are held.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_can_be_taken_out() {
        let mut buffer = SendBuffer::default();
        buffer.tail().extend_from_slice(b"first");
        let mark = buffer.position_written();
        buffer.tail().extend_from_slice(b"second");
        buffer.handle_sent(3);
        buffer.truncate(mark);
        assert_eq!(buffer.unsent(), b"st");
        buffer.handle_sent(2);
        assert!(buffer.is_empty());
        assert_eq!((buffer.position_sent(), buffer.position_written()), (5, 5));
    }

    #[test]
    fn a_header_reserves_no_memory_for_what_it_announces() {
        let mut buffer = ReceiveBuffer::default();
        buffer.append(b"D\x3f\xff\xff\xff");
        let whole = buffer.peek_tag(&Limits::default(), Phase::Authenticated);
        assert_eq!(whole, Ok(None));
        buffer.room();
        assert!(buffer.capacity() < 64 << 10, "{}", buffer.capacity());
    }

    #[test]
    fn short_answers_need_a_small_buffer_and_long_ones_a_larger_one_the_next_time_too() {
        let mut buffer = ReceiveBuffer::default();
        buffer.append(b"Z\0\0\0\x05I");
        buffer.take(6);
        buffer.give_back();
        buffer.room();
        assert_eq!(buffer.capacity(), READ_MIN);
        // Reads that fill all their room, until there is room for more than is left.
        while buffer.read < READ_MAX {
            let len = buffer.room().len();
            buffer.handle_received(len);
        }
        buffer.take(buffer.untaken().len());
        buffer.give_back();
        buffer.room();
        assert_eq!(buffer.capacity(), KEPT);
    }

    #[test]
    fn a_large_message_is_given_back_when_it_was_read() {
        let mut buffer = ReceiveBuffer::default();
        let body = vec![b'x'; 1 << 20];
        buffer.append(b"d\0\x10\0\x04");
        buffer.append(&body);
        let frame = buffer.take_frame(&Limits::default(), Phase::Authenticated).unwrap().unwrap();
        assert_eq!(frame.body.len(), body.len());
        buffer.room();
        assert!(buffer.capacity() <= READ_MAX, "{}", buffer.capacity());
        buffer.give_back();
        assert!(buffer.capacity() <= KEPT, "{}", buffer.capacity());
    }

    /// Lets `body` come a read at a time, in a message that is thrown away; gives the most memory that was held.
    fn discard_as_it_comes(buffer: &mut ReceiveBuffer, body: &[u8]) -> usize {
        let mut most = 0;
        for piece in body.chunks(READ_MIN) {
            buffer.append(piece);
            most = most.max(buffer.capacity());
            let begun = buffer.discard(&Limits::default(), Phase::Authenticated);
            assert_eq!(begun, Ok(None));
        }
        most
    }

    #[test]
    fn a_message_that_nobody_wants_is_not_kept() {
        let limits = Limits::default();
        let mut buffer = ReceiveBuffer::default();
        // Half of it has come before it is known that nobody wants it.
        let half = vec![b'x'; 1 << 20];
        buffer.append(b"d\0\x20\0\x04");
        buffer.append(&half);
        assert_eq!(buffer.discard(&limits, Phase::Authenticated), Ok(Some(BackendTag::CopyData)));
        assert!(buffer.capacity() <= KEPT, "{}", buffer.capacity());
        assert_eq!(buffer.partial(), Some(BackendTag::CopyData));
        let most = discard_as_it_comes(&mut buffer, &half[..half.len() - 1]);
        assert!(most <= KEPT.max(2 * READ_MAX), "{most}");
        buffer.append(b"xc\0\0\0\x04");
        assert_eq!(buffer.peek_tag(&limits, Phase::Authenticated), Ok(Some(BackendTag::CopyDone)));
        // What does not carry data is never thrown away.
        assert_eq!(buffer.discard(&limits, Phase::Authenticated), Ok(None));
        assert_eq!(buffer.untaken(), b"c\0\0\0\x04");
    }

    #[test]
    fn the_last_words_in_a_message_that_nobody_wants_are_heard() {
        let mut buffer = ReceiveBuffer::default();
        buffer.append(b"d\0\x20\0\x04");
        assert!(buffer.discard(&Limits::default(), Phase::Authenticated).is_ok());
        discard_as_it_comes(&mut buffer, &vec![b'x'; 1 << 20]);
        discard_as_it_comes(&mut buffer, b"E\0\0\0\x17SFATAL\0C57P01\0Mso\0\0");
        let said = buffer.last_words().map(|fatal| fatal.to_string());
        assert_eq!(said.as_deref(), Some("FATAL: so (SQLSTATE 57P01)"));
    }

    #[test]
    fn memory_is_given_back_around_what_has_come() {
        let mut buffer = ReceiveBuffer::default();
        buffer.append(b"d\0\x10\0\x04");
        buffer.append(&vec![b'x'; 1 << 20]);
        buffer.append(b"c\0\0\0\x04");
        buffer.release();
        assert!(buffer.capacity() > 1 << 20, "what has come is kept");
        assert!(matches!(buffer.take_frame(&Limits::default(), Phase::Authenticated), Ok(Some(_))));
        buffer.release();
        assert!(buffer.capacity() <= KEPT, "{}", buffer.capacity());
        assert_eq!(buffer.untaken(), b"c\0\0\0\x04");
    }
}
