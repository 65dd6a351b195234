//! From an open socket to a session: TLS if it is wanted, then the handshake.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};

use bytes::BytesMut;
use cornac_proto::auth::scram::{ClientNonce, Derivation};
use cornac_proto::handshake::{
    ChannelBindingMode, Established, Handshake, HandshakeError, Step, TlsAnswer, TlsRequest,
};

use super::error::ConnectFailure;
use super::gssapi;
use super::gssapi_service::Service;
use crate::config::{Config, HostSpec, SslMode, SslNegotiation};
use crate::credentials::Challenge;
use crate::mailbox::Mailboxes;
use crate::stream::{Socket, Stream};
use crate::tls::{TlsClient, TlsError, TlsFailure};

/// Iterations of PBKDF2 between two looks at whether anybody still waits for the result: about a millisecond.
const DERIVATION_SLICE: u32 = 2048;

/// A channel to a server that has not been told anything yet.
pub(crate) struct Channel {
    pub(crate) stream: Stream,
    /// What SCRAM can bind itself to.
    pub(crate) channel_binding: Option<Vec<u8>>,
}

/// How TLS is asked for.
#[derive(Clone, Debug)]
pub(crate) struct TlsRoute {
    pub(crate) client: Arc<TlsClient>,
    /// The name that the certificate must be for.
    pub(crate) host: Option<String>,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) mode: SslMode,
}

impl TlsRoute {
    /// Encrypts the channel; leaves it plain where the server speaks no TLS and sslmode=prefer.
    pub(crate) async fn encrypt(
        &self,
        mut socket: Socket,
        stage: &mut &'static str,
    ) -> Result<Channel, ConnectFailure> {
        let direct = self.negotiation == SslNegotiation::Direct;
        if !direct {
            *stage = "before it answered SSLRequest";
            match ask_for_tls(&mut socket).await? {
                TlsAnswer::Accepted => {}
                TlsAnswer::Refused if self.mode == SslMode::Prefer => return Ok(Channel::plain(socket)),
                TlsAnswer::Refused => return Err(TlsError::Refused { sslmode: self.mode.name() }.into()),
            }
        }
        *stage = "during the TLS handshake";
        match self.client.handshake(socket, self.host.as_deref(), direct).await {
            Ok(encrypted) => Ok(Channel {
                stream: Stream::tls(encrypted.stream),
                channel_binding: encrypted.channel_binding,
            }),
            Err(TlsFailure::Tls(error)) => Err(error.into()),
            Err(TlsFailure::Io(error)) => Err(ConnectFailure::Broken { error, stage }),
        }
    }
}

impl Channel {
    pub(crate) fn plain(socket: Socket) -> Self {
        Self { stream: Stream::plain(socket), channel_binding: None }
    }
}

/// Sends SSLRequest and reads its answer, with all that came with it.
async fn ask_for_tls(socket: &mut Socket) -> Result<TlsAnswer, ConnectFailure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let request = TlsRequest::new();
    let stage = "before it answered SSLRequest";
    let broken = |error| ConnectFailure::Broken { error, stage };
    socket.write_all(request.bytes()).await.map_err(broken)?;
    socket.flush().await.map_err(broken)?;
    let mut came = BytesMut::with_capacity(64);
    socket.read_buf(&mut came).await.map_err(broken)?;
    Ok(request.answer(&came)?)
}

/// Drives the handshake: moves its bytes, derives its key.
pub(crate) async fn authenticate(
    channel: Channel,
    config: &Config,
    spec: &HostSpec,
    over_unix: bool,
    stage: &mut &'static str,
) -> Result<(Stream, Established, Mailboxes), ConnectFailure> {
    let Channel { mut stream, channel_binding } = channel;
    *stage = "while its password was fetched";
    let password = config.password_for(spec).await.map_err(ConnectFailure::Credential)?;
    let mut handshake_config = config.handshake_config();
    handshake_config.password.clone_from(&password);
    handshake_config.policy.cleartext |= over_unix || stream.is_tls();
    let binds_in_vain = stream.is_tls()
        && channel_binding.is_none()
        && handshake_config.policy.channel_binding == ChannelBindingMode::Prefer;
    handshake_config.policy.tls_server_end_point = channel_binding;
    handshake_config.policy.has_gssapi = gssapi::IS_BUILT_IN;
    let mut handshake = Handshake::new(handshake_config, fresh_nonce()?)?;
    let mut mailboxes = Mailboxes::default();
    let mut challenge = None;
    let mut kerberos: Option<gssapi::Exchange> = None;
    loop {
        let step = handshake.poll_step()?;
        *stage = handshake.stage();
        match step {
            Step::Read => exchange(&mut stream, &mut handshake).await?,
            Step::Derive(mut derivation) => {
                if binds_in_vain {
                    tracing::warn!(
                        target: "cornac::tls",
                        "the server's certificate has no channel binding defined, so SCRAM goes without"
                    );
                }
                challenge = password.as_ref().map(|password| Challenge::new(password, &derivation));
                match challenge.as_ref().and_then(|challenge| config.key_memory().get(challenge)) {
                    Some(remembered) => derivation.use_keys(remembered),
                    None => *derivation = derive(*derivation).await?,
                }
                handshake.handle_derivation(*derivation)?;
            }
            Step::FetchToken => {
                let Some(provider) = config.oauth_token_provider() else {
                    return Err(HandshakeError::TokenMissing.into());
                };
                let token = provider.fetch(spec).await.map_err(ConnectFailure::Credential)?;
                handshake.handle_token(&token)?;
            }
            Step::AskGssapi(from_server) => {
                let exchange = match &mut kerberos {
                    Some(exchange) => exchange,
                    None => kerberos.insert(gssapi::Exchange::with(Service::at(spec, config)?)),
                };
                let outcome = exchange.step(from_server).await?;
                handshake.handle_gss_token(&outcome.token, outcome.is_established)?;
            }
            Step::Notice(notice) => mailboxes.notices.put(notice),
            Step::Ready(mut established) => {
                if let (Some(challenge), Some(keys)) = (challenge, established.scram_keys.take()) {
                    config.key_memory().put(challenge, keys);
                }
                return Ok((stream, *established, mailboxes));
            }
            // Whoever polls hands back first what it was asked for, so that nothing else can come here.
            other => {
                let what = format!("the handshake asks for {other:?}");
                return Err(ConnectFailure::Io(io::Error::other(what)));
            }
        }
    }
}

fn fresh_nonce() -> Result<ClientNonce, ConnectFailure> {
    let mut random = [0; 18];
    getrandom::fill(&mut random).map_err(ConnectFailure::Randomness)?;
    Ok(ClientNonce::from_random(&random))
}

/// Sends what is unsent, then reads something.
async fn exchange(stream: &mut Stream, handshake: &mut Handshake) -> Result<(), ConnectFailure> {
    let read = poll_fn(|cx| {
        while !handshake.unsent().is_empty() {
            match ready!(stream.poll_write(cx, handshake.unsent()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => handshake.handle_sent(count),
            }
        }
        ready!(stream.poll_flush(cx))?;
        let read = stream.poll_read(cx, handshake.receive_room());
        read.map_ok(|count| {
            handshake.handle_received(count);
            count
        })
    });
    match read.await {
        Ok(count) if count > 0 => Ok(()),
        Ok(_) => Err(handshake.handle_eof().into()),
        // Over TLS: the server closed without saying so.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(handshake.handle_eof().into()),
        Err(error) => Err(match TlsError::from_io(error) {
            Ok(error) => error.into(),
            Err(error) => ConnectFailure::Broken { error, stage: handshake.stage() },
        }),
    }
}

/// Runs PBKDF2 away from the reactor, in slices, until it is done or nobody waits for it any more.
async fn derive(mut derivation: Derivation) -> Result<Derivation, ConnectFailure> {
    let awaited = Awaited(Arc::new(AtomicBool::new(true)));
    let still_awaited = Arc::clone(&awaited.0);
    let derived = tokio::task::spawn_blocking(move || {
        // Relaxed: the flag guards nothing but time.
        while still_awaited.load(Ordering::Relaxed) && !derivation.step(DERIVATION_SLICE) {}
        derivation
    });
    derived.await.map_err(|error| ConnectFailure::Io(io::Error::other(error)))
}

/// Tells a thread that the future which waits for its result has been dropped.
struct Awaited(Arc<AtomicBool>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
