//! What must not be seen, in everything that could show it.

use cornac_conn::{
    Config, Connection, CredentialProvider, Host, ProtocolVersion, ScramKeys, Secret, SslMode, SslOptions,
    Surroundings,
};
use cornac_proto::auth::ChannelBinding;
use cornac_proto::auth::scram::{ClientFirst, ClientNonce, ScramCredentials, ScramLimits};
use cornac_proto::handshake::{CancelKey, Handshake, HandshakeConfig};
use cornac_tests::{Cluster, ClusterOptions, PASSWORD, SUPERUSER, deadline};

const SECRET: &str = "tusk!ivory";

fn shows_nothing(what: &str, shown: &str) {
    let bytes = format!("{:?}", SECRET.as_bytes());
    let inside = bytes.trim_matches(['[', ']']);
    assert!(!shown.contains(SECRET) && !shown.contains(inside), "{what}: {shown}");
}

#[test]
fn entry_21_debug_shows_no_secret() {
    let secret = Secret::new(SECRET);
    shows_nothing("Secret", &format!("{secret:?} {secret:#?}"));
    let keys = ScramKeys::new([b'!'; 32], [b'?'; 32]);
    assert_eq!(format!("{keys:?}"), "ScramKeys(***)");
    let mut ssl = SslOptions::default();
    ssl.password = Some(secret.clone());
    shows_nothing("SslOptions", &format!("{ssl:#?}"));
    let every = format!(
        "user=me password='{SECRET}' sslpassword='{SECRET}' oauth_client_secret='{SECRET}' sslmode=require"
    );
    let config = Config::parse_in(&every, &Surroundings::none()).unwrap();
    let provider = CredentialProvider::new(|_| async { Ok(SECRET) });
    let config =
        config.password_from(provider.clone()).oauth_token_from(provider.clone()).scram_keys(keys.clone());
    shows_nothing("Config", &format!("{config:?} {config:#?} {:?}", config.oauth_client()));
    shows_nothing("CredentialProvider", &format!("{provider:?}"));
    let mut handshake = HandshakeConfig::new("me");
    handshake.password = Some(secret.clone());
    handshake.scram_keys = Some(keys.clone());
    let nonce = ClientNonce::from_printable("nonce").unwrap();
    shows_nothing("HandshakeConfig", &format!("{handshake:#?}"));
    shows_nothing("Handshake", &format!("{:#?}", Handshake::new(handshake, nonce.clone()).unwrap()));
    let key = CancelKey::new(7, SECRET.as_bytes());
    shows_nothing("CancelKey", &format!("{key:?}"));
    shows_nothing("ScramCredentials", &format!("{:?}", ScramCredentials::Password(secret.clone())));
    let first = ClientFirst::new("", secret, nonce, ChannelBinding::Unsupported, ScramLimits::default());
    shows_nothing("ClientFirst", &format!("{first:?}"));
    let (next, _) = first.into_parts();
    shows_nothing("AwaitServerFirst", &format!("{next:?}"));
    let derivation = next.handle(b"r=nonceMORE,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").unwrap();
    shows_nothing("Derivation", &format!("{derivation:?}"));
    shows_nothing("AwaitServerFinal", &format!("{:?}", derivation.finish().0));
}

#[tokio::test]
async fn entry_21_connections_and_errors_show_no_secret() {
    deadline(Box::pin(async {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        for config in [
            cluster.config(SUPERUSER).protocol_versions(ProtocolVersion::V3_0, ProtocolVersion::V3_2),
            cluster.config("clear"),
            cluster.config("clear").allow_cleartext_password(true),
            cluster.config("md5user"),
            cluster.config("none"),
            cluster.config(SUPERUSER).ssl_mode(SslMode::Require),
            cluster.config(SUPERUSER).port(1),
            Config::new(Host::Tcp("no-such-host.invalid".to_owned()), "me").password(PASSWORD),
        ] {
            let shown = match Connection::connect(&config).await {
                Ok(connection) => format!("{connection:#?} {:?}", connection.cancel_token()),
                Err(error) => format!("{error} {error:#} {error:?} {:?}", std::error::Error::source(&error)),
            };
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
    }))
    .await;
}
