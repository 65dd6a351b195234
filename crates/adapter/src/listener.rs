//! Notifications, over a connection that is replaced when it is lost.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use cornac_conn::{Config, Connection, Delivery, Error, Notification, Result};
use cornac_types::quote_identifier;
use futures_core::Stream;
use tokio::time::timeout;

use crate::database::Database;
use crate::retry::{RetryPolicy, Tries};

/// After how long a silence it is made sure that the connection still works.
const CHECK_AFTER: Duration = Duration::from_secs(60);

/// How long the answer to that may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// What a [`Listener`] hears.
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenEvent {
    /// Somebody has notified.
    Notification(Notification),
    /// The connection was lost, for this reason, and there is a new one, which listens to the same channels. Notifications that were sent in between are lost: whoever keeps something in step
    /// with the database looks at all of it again now.
    Interrupted(Error),
}

/// Listens to channels of a database (`LISTEN`), over a connection of its own. When that is lost, it makes another one, for as long as it takes, and says so.
///
/// Made by [`Database::listen`].
///
/// ```no_run
/// # use cornac::{Database, ListenEvent};
/// # async fn example(db: Database) -> cornac::Result<()> {
/// let mut listener = db.listen(&["orders"]).await?;
/// loop {
///     match listener.next().await? {
///         ListenEvent::Notification(notification) => println!("order {}", notification.payload),
///         ListenEvent::Interrupted(reason) => println!("orders may have been missed: {reason}"),
///         _ => {}
///     }
/// }
/// # }
/// ```
///
/// Nothing is read while nobody waits for [`next`](Self::next), and nothing is lost by that: what is not read waits in the sockets' buffers, and then in the server's own queue, of whose size
/// [`pg_notification_queue_usage`](https://www.postgresql.org/docs/current/functions-info.html) tells. A listener takes constant memory, whatever comes.
///
/// See [LISTEN](https://www.postgresql.org/docs/current/sql-listen.html).
pub struct Listener {
    config: Config,
    channels: Vec<String>,
    connection: Option<Connection>,
    /// Why there is no connection.
    lost: Option<Error>,
    tries: Tries,
}

impl Database {
    /// Listens to channels, over a connection that is not of the pool.
    ///
    /// ```no_run
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// let mut listener = db.listen(&["orders", "prices"]).await?;
    /// assert_eq!(listener.channels(), ["orders", "prices"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection can be made, and [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a name that no channel can have.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the socket is closed.
    pub async fn listen<C: AsRef<str>>(&self, channels: &[C]) -> Result<Listener> {
        let config = self.config().clone();
        let channels: Vec<_> = channels.iter().map(|channel| channel.as_ref().to_owned()).collect();
        let connection = connect(&config, &channels).await?;
        Ok(Listener { config, channels, connection: Some(connection), lost: None, tries: patience() })
    }
}

impl Listener {
    /// The next thing to hear.
    ///
    /// ```no_run
    /// # use {cornac::{ListenEvent, Listener}, std::collections::HashMap};
    /// # async fn example(mut listener: Listener, mut prices: HashMap<String, f64>) -> cornac::Result<()> {
    /// // A cache: who changes the price of an item notifies with its name.
    /// loop {
    ///     match listener.next().await? {
    ///         ListenEvent::Notification(changed) => drop(prices.remove(&changed.payload)),
    ///         _ => prices.clear(), // Some may have been missed.
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the connection is lost, and no new one can be made for a reason that will not go away by itself, such as a wrong password. The next call tries again.
    ///
    /// # Cancel safety
    ///
    /// No notification is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<ListenEvent> {
        loop {
            match &mut self.connection {
                None => {
                    self.reconnect().await?;
                    if let Some(reason) = self.lost.take() {
                        return Ok(ListenEvent::Interrupted(reason));
                    }
                }
                Some(connection) => match hear(connection).await {
                    Ok(Some(notification)) => return Ok(ListenEvent::Notification(notification)),
                    Ok(None) => {}
                    Err(error) => self.lose(error),
                },
            }
        }
    }

    /// Listens to one more channel.
    ///
    /// ```no_run
    /// # async fn example(mut listener: cornac::Listener, tenant: i64) -> cornac::Result<()> {
    /// // A tenant has logged in.
    /// listener.listen(&format!("tenant_{tenant}")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a name that no channel can have. A connection that is lost is none: [`next`](Self::next) tells of it, and the new one listens to the channel.
    ///
    /// # Cancel safety
    ///
    /// When dropped, it may listen to the channel or not.
    pub async fn listen(&mut self, channel: &str) -> Result<()> {
        if self.channels.iter().any(|known| known == channel) {
            return Ok(());
        }
        if let Some(connection) = &mut self.connection {
            match connection.listen(channel).await {
                Err(error) if error.is_closed() => self.lose(error),
                listening => listening?,
            }
        }
        self.channels.push(channel.to_owned());
        Ok(())
    }

    /// Stops listening to a channel.
    ///
    /// ```no_run
    /// # async fn example(mut listener: cornac::Listener, tenant: i64) -> cornac::Result<()> {
    /// // The last session of a tenant is over.
    /// listener.unlisten(&format!("tenant_{tenant}")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    ///
    /// # Cancel safety
    ///
    /// When dropped, it may still listen to the channel.
    pub async fn unlisten(&mut self, channel: &str) -> Result<()> {
        self.channels.retain(|known| known != channel);
        if let Some(connection) = &mut self.connection {
            match connection.unlisten(channel).await {
                Err(error) if error.is_closed() => self.lose(error),
                listening => listening?,
            }
        }
        Ok(())
    }

    /// The channels that it listens to.
    ///
    /// ```no_run
    /// # async fn example(mut listener: cornac::Listener) -> cornac::Result<()> {
    /// // All but the one that it is there for.
    /// for channel in listener.channels().to_vec() {
    ///     if channel != "orders" {
    ///         listener.unlisten(&channel).await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn channels(&self) -> &[String] {
        &self.channels
    }

    /// The process id of its backend, by which a notification of its own can be told; `None` while there is no connection.
    ///
    /// ```
    /// # use cornac::{Listener, Notification};
    /// fn is_own(listener: &Listener, heard: &Notification) -> bool {
    ///     listener.process_id() == Some(heard.process_id)
    /// }
    /// ```
    pub fn process_id(&self) -> Option<i32> {
        self.connection.as_ref().and_then(Connection::process_id)
    }

    /// What it hears, as a stream that does not end by itself.
    ///
    /// ```no_run
    /// # use {futures_core::Stream, std::{future::poll_fn, pin::pin}};
    /// # async fn example(db: cornac::Database) -> cornac::Result<()> {
    /// // For whatever takes streams; `next()` of a stream's extensions does what `poll_fn` does here.
    /// let mut events = pin!(db.listen(&["orders"]).await?.into_stream());
    /// while let Some(event) = poll_fn(|cx| events.as_mut().poll_next(cx)).await {
    ///     println!("{:?}", event?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_stream(self) -> ListenerStream {
        ListenerStream { next: Box::pin(next_of(self)) }
    }

    fn lose(&mut self, error: Error) {
        tracing::warn!(target: "cornac::listener", "notifications are interrupted: {error}");
        self.connection = None;
        self.lost = Some(error);
        self.tries = patience();
    }

    async fn reconnect(&mut self) -> Result<()> {
        loop {
            match connect(&self.config, &self.channels).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(error) if error.is_transient() && self.tries.wait().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// How often it is tried to connect again: without end, every 5 s at the latest.
fn patience() -> Tries {
    let ever = Duration::from_secs(u64::from(u32::MAX));
    RetryPolicy::new(u32::MAX)
        .base(Duration::from_millis(100))
        .cap(Duration::from_secs(5))
        .budget(ever)
        .start()
}

async fn connect(config: &Config, channels: &[String]) -> Result<Connection> {
    let usage = || Error::usage("the name of a channel cannot contain a NUL", Delivery::NotSent);
    let quoted = |channel: &String| quote_identifier(channel).ok_or_else(usage);
    let names = channels.iter().map(quoted).collect::<Result<Vec<_>>>()?;
    let listen: Vec<_> = names.iter().map(|name| format!("LISTEN {name}")).collect();
    let mut connection = Connection::connect(config).await?;
    connection.simple_query(&listen.join("; ")).await?;
    Ok(connection)
}

/// The next notification; `None` after a silence in which the connection has proven to work.
async fn hear(connection: &mut Connection) -> Result<Option<Notification>> {
    if let Ok(heard) = timeout(CHECK_AFTER, connection.next_notification()).await {
        return heard.map(Some);
    }
    // Its own limit closes the connection, with the reason.
    connection.set_statement_timeout(Some(CHECK_TIMEOUT));
    connection.ping().await.map(|()| None)
}

async fn next_of(mut listener: Listener) -> (Listener, Result<ListenEvent>) {
    let event = listener.next().await;
    (listener, event)
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, lost, .. } = self;
        f.debug_struct("Listener").field("channels", channels).field("lost", lost).finish_non_exhaustive()
    }
}

/// What a listener hears, as a stream. Made by [`Listener::into_stream`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct ListenerStream {
    next: Pin<Box<dyn Future<Output = (Listener, Result<ListenEvent>)> + Send>>,
}

impl Stream for ListenerStream {
    type Item = Result<ListenEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (listener, event) = ready!(self.next.as_mut().poll(cx));
        self.next = Box::pin(next_of(listener));
        Poll::Ready(Some(event))
    }
}

impl fmt::Debug for ListenerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerStream").finish_non_exhaustive()
    }
}
