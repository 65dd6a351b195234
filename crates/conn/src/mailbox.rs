//! What a server says of its own accord, kept until somebody asks for it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use cornac_proto::message::{NotificationResponse, ServerMessage};

/// Messages kept of each kind; the oldest give way to newer ones, and are counted.
const KEPT: usize = 1024;

/// Bytes kept of each kind, beside the newest message, which is kept however long it is.
const KEPT_BYTES: usize = 4 << 20;

/// A notification that another session sent with NOTIFY, on a channel to which this one listens.
///
/// See [NOTIFY](https://www.postgresql.org/docs/current/sql-notify.html).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The channel.
    pub channel: String,
    /// What the sender added; empty if nothing.
    pub payload: String,
    /// The process id of the backend that sent it.
    pub process_id: i32,
}

impl From<NotificationResponse<'_>> for Notification {
    fn from(message: NotificationResponse<'_>) -> Self {
        Self {
            channel: message.channel().to_lossy().into_owned(),
            payload: message.payload().to_lossy().into_owned(),
            process_id: message.process_id(),
        }
    }
}

/// What is done with a notice or warning as soon as it is read.
#[derive(Clone)]
pub struct NoticeHandler(Arc<dyn Fn(&ServerMessage) + Send + Sync>);

impl NoticeHandler {
    /// Calls `handler` for each notice, in the task that uses the connection. It must not block.
    pub fn new(handler: impl Fn(&ServerMessage) + Send + Sync + 'static) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn handle(&self, notice: &ServerMessage) {
        (self.0)(notice);
    }
}

impl fmt::Debug for NoticeHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoticeHandler")
    }
}

/// Messages in the order in which they came, at most 1,024 of them, and those before the last one at most 4 MiB long in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail<T> {
    /// What came and was kept.
    pub messages: Vec<T>,
    /// How many older ones gave way because nobody took them.
    pub lost: u64,
}

/// How much memory a message takes, as far as its sender decides that.
pub(crate) trait Letter {
    fn len_bytes(&self) -> usize;
}

impl Letter for ServerMessage {
    fn len_bytes(&self) -> usize {
        self.fields().map(|(_, value)| value.len()).sum()
    }
}

impl Letter for Notification {
    fn len_bytes(&self) -> usize {
        self.channel.len() + self.payload.len()
    }
}

#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    messages: VecDeque<T>,
    /// The length of `messages` in all.
    bytes: usize,
    lost: u64,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { messages: VecDeque::new(), bytes: 0, lost: 0 }
    }
}

impl<T: Letter> Mailbox<T> {
    pub(crate) fn put(&mut self, message: T) {
        while self.messages.len() >= KEPT || self.bytes > KEPT_BYTES {
            self.take_first();
            self.lost = self.lost.saturating_add(1);
        }
        self.bytes += message.len_bytes();
        self.messages.push_back(message);
    }

    /// The oldest message.
    pub(crate) fn take_first(&mut self) -> Option<T> {
        let first = self.messages.pop_front()?;
        self.bytes -= first.len_bytes();
        Some(first)
    }

    pub(crate) fn take(&mut self) -> Mail<T> {
        self.bytes = 0;
        Mail { messages: std::mem::take(&mut self.messages).into(), lost: std::mem::take(&mut self.lost) }
    }
}

/// Notices and notifications of one connection.
#[derive(Debug, Default)]
pub(crate) struct Mailboxes {
    pub(crate) notices: Mailbox<ServerMessage>,
    pub(crate) notifications: Mailbox<Notification>,
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Letter for usize {
        fn len_bytes(&self) -> usize {
            *self
        }
    }

    #[test]
    fn the_oldest_gives_way_and_is_counted() {
        let mut mailbox = Mailbox::default();
        for number in 0..KEPT + 3 {
            mailbox.put(number);
        }
        let mail = mailbox.take();
        assert_eq!((mail.messages.len(), mail.messages.first(), mail.lost), (KEPT, Some(&3), 3));
        assert_eq!(mailbox.take(), Mail { messages: vec![], lost: 0 });
    }

    #[test]
    fn long_messages_give_way_earlier_but_for_the_newest() {
        let mut mailbox = Mailbox::default();
        for len in [7, KEPT_BYTES, 1, 2, 3 * KEPT_BYTES] {
            mailbox.put(len);
        }
        assert_eq!(mailbox.take_first(), Some(1));
        assert_eq!(mailbox.take(), Mail { messages: vec![2, 3 * KEPT_BYTES], lost: 2 });
    }
}
