//! LISTEN and NOTIFY.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cornac_proto::message::BackendTag;
use cornac_types::quote_identifier;
use futures_core::Stream;

use crate::connection::Connection;
use crate::error::{Delivery, Error, Result};
use crate::mailbox::Notification;

/// The notifications of a connection, as a stream that ends only with an error.
///
/// Made by [`Connection::notifications`].
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct Notifications<'c> {
    connection: &'c mut Connection,
    failed: bool,
}

impl Connection {
    /// Listens to a channel: `LISTEN` with the name quoted, so that it may be any name.
    ///
    /// # Errors
    ///
    /// The server's; a name with a NUL is [`ErrorKind::Usage`](crate::ErrorKind::Usage). Names are cut at 63 bytes by the server.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn listen(&mut self, channel: &str) -> Result<()> {
        self.channel_command("LISTEN", channel).await
    }

    /// Stops listening to a channel.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn unlisten(&mut self, channel: &str) -> Result<()> {
        self.channel_command("UNLISTEN", channel).await
    }

    async fn channel_command(&mut self, command: &str, channel: &str) -> Result<()> {
        let usage = || Error::usage("the name of a channel cannot contain a NUL", Delivery::NotSent);
        let channel = quote_identifier(channel).ok_or_else(usage)?;
        self.simple_query(&format!("{command} {channel}")).await.map(|_| ())
    }

    /// The next notification: one that came with earlier replies, or else the next one that the server sends.
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost; the notifications that were sent meanwhile are lost with it.
    ///
    /// # Cancel safety
    ///
    /// No notification is lost when the future is dropped.
    pub async fn next_notification(&mut self) -> Result<Notification> {
        self.settle().await?;
        poll_fn(|cx| self.poll_notification(cx)).await
    }

    /// The notifications as a stream, for as long as the connection is lent to it.
    ///
    /// # Errors
    ///
    /// When the connection is closed, or lost while the replies to abandoned requests are read.
    ///
    /// # Cancel safety
    ///
    /// As said at [`Connection`].
    pub async fn notifications(&mut self) -> Result<Notifications<'_>> {
        self.settle().await?;
        Ok(Notifications { connection: self, failed: false })
    }

    /// Reads what the server says of its own accord while nothing is asked: notices go to the handler or are kept, settings are
    /// recorded, notifications are kept. Ready only when the connection is lost, so that an owner who keeps one idle can notice; or at
    /// once, when replies to an abandoned request are still to come.
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if !self.session.is_settled() {
            let what =
                "the replies to an abandoned request are still to come; use the connection, or close it";
            return Poll::Ready(Error::usage(what, Delivery::NotSent));
        }
        loop {
            if let Err(error) = ready!(self.poll_aside(cx)) {
                return Poll::Ready(error);
            }
        }
    }

    fn poll_notification(&mut self, cx: &mut Context<'_>) -> Poll<Result<Notification>> {
        loop {
            if let Some(notification) = self.mailboxes.notifications.take_first() {
                return Poll::Ready(Ok(notification));
            }
            ready!(self.poll_aside(cx))?;
        }
    }

    /// Puts the next message aside. Nothing was asked, so that anything else than an aside ends the session.
    fn poll_aside(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let tag = ready!(self.poll_peek(cx)).map_err(Error::already_closed)?;
        match tag {
            BackendTag::NoticeResponse | BackendTag::NotificationResponse | BackendTag::ParameterStatus => {
                self.put_aside().map_err(Error::already_closed)?;
            }
            _ => {
                self.poll_message().map_err(Error::already_closed)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Notifications<'_> {
    /// The next notification.
    ///
    /// # Errors
    ///
    /// The connection's, when it is lost.
    ///
    /// # Cancel safety
    ///
    /// No notification is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Notification> {
        poll_fn(|cx| self.connection.poll_notification(cx)).await
    }
}

impl Stream for Notifications<'_> {
    type Item = Result<Notification>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { connection, failed } = self.get_mut();
        if *failed {
            return Poll::Ready(None);
        }
        let next = ready!(connection.poll_notification(cx));
        *failed = next.is_err();
        Poll::Ready(Some(next))
    }
}
