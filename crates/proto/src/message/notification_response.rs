//! NotificationResponse: somebody said NOTIFY.

use crate::cursor::Cursor;
use crate::error::Malformed;

use super::WireStr;

/// NotificationResponse: a notification on a channel to which the session listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationResponse<'a> {
    process_id: i32,
    channel: WireStr<'a>,
    payload: WireStr<'a>,
}

impl<'a> NotificationResponse<'a> {
    /// A notification.
    pub fn new(process_id: i32, channel: impl Into<WireStr<'a>>, payload: impl Into<WireStr<'a>>) -> Self {
        Self { process_id, channel: channel.into(), payload: payload.into() }
    }

    /// The process id of the backend that sent it.
    pub fn process_id(&self) -> i32 {
        self.process_id
    }

    /// The channel.
    pub fn channel(&self) -> WireStr<'a> {
        self.channel
    }

    /// What the sender added; empty if nothing.
    pub fn payload(&self) -> WireStr<'a> {
        self.payload
    }

    pub(crate) fn decode(body: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let process_id = body.take_i32("process id")?;
        let channel = WireStr::new(body.take_cstr("channel")?);
        let payload = WireStr::new(body.take_cstr("payload")?);
        Ok(Self { process_id, channel, payload })
    }
}
