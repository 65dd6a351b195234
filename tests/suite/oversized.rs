//! Requests that would not fit their length fields: refused before a byte is sent.

use bytes::BytesMut;
use cornac::types::{self, Encode, Format, IsNull, ParamError, Params, Type};
use cornac_conn::{Client, Connection, Delivery, Error, ErrorKind, Result};
use cornac_proto::EncodeError;
use cornac_proto::message::{FrontendFraming, frontend_frame};
use cornac_proto::session::{CloseReason, CommandError};
use cornac_tests::{Cluster, ClusterOptions, Proxy, SUPERUSER, deadline, still_usable};

/// A connection through a proxy, so that what was sent is known.
struct Watched {
    _cluster: Cluster,
    proxy: Proxy,
    connection: Connection,
}

impl Watched {
    async fn new() -> Self {
        let cluster = Cluster::start(&ClusterOptions::default()).unwrap();
        let proxy = Proxy::start(cluster.port(), vec![]).await.unwrap();
        let config = cluster.config(SUPERUSER).port(proxy.port());
        let mut connection = Connection::connect(&config).await.unwrap();
        still_usable(&mut connection).await;
        Self { _cluster: cluster, proxy, connection }
    }

    /// `ask` is refused without a byte being sent, and the connection works on.
    async fn refuses(&mut self, what: &str, ask: impl AsyncFn(&mut Connection) -> Result<()>) -> Error {
        let before = self.proxy.recording().to_server.len();
        let error = ask(&mut self.connection).await.unwrap_err();
        assert_eq!((error.delivery(), error.is_closed()), (Delivery::NotSent, false), "{what}: {error}");
        // What the connection sends next is behind anything that was sent of what was refused.
        let sent = self.sent_by_next_use(before).await;
        let usual = self.sent_by_next_use(self.proxy.recording().to_server.len()).await;
        assert_eq!(sent, usual, "{what}: something was sent");
        println!("{what}: {error}");
        error
    }

    /// The tags of the messages that were sent since `before`, when the connection has been used once more. A Close is passed over: it
    /// may be about a name that was given to what was refused.
    async fn sent_by_next_use(&mut self, before: usize) -> String {
        still_usable(&mut self.connection).await;
        let recording = self.proxy.recording().to_server;
        let (mut tags, mut rest) = (String::new(), &recording[before..]);
        while let FrontendFraming::Complete { tag, len, .. } = frontend_frame(rest, 1 << 20).unwrap() {
            tags.extend(Some(char::from(tag)).filter(|tag| *tag != 'C'));
            rest = &rest[len..];
        }
        tags
    }
}

/// What a Bind, Parse or Query was refused for.
fn encode_error(error: &Error) -> &EncodeError {
    let ErrorKind::Command(CommandError::Encode(error)) = error.kind() else { panic!("{error}") };
    error
}

/// The number of the parameter that was refused.
fn refused_parameter(error: &Error) -> usize {
    let ErrorKind::Parameter(ParamError::Value { number, .. }) = error.kind() else { panic!("{error}") };
    *number
}

/// A value that writes as many bytes as it says, which takes memory, unlike a slice of zeros that nobody has touched.
struct Zeros(usize);

impl Encode for Zeros {
    fn encode(&self, _ty: &Type, out: &mut BytesMut) -> Result<IsNull, types::EncodeError> {
        out.resize(out.len() + self.0, 0);
        Ok(IsNull::No)
    }
}

#[tokio::test]
async fn input_04_a_parameter_that_is_too_long_is_refused() {
    deadline(async {
        let mut watched = Watched::new().await;
        // Memory that is zero and was never touched: it would take some if it were copied.
        let long = vec![0_u8; 1 << 31];
        let statement = watched.connection.prepare("SELECT $1::int4, octet_length($2::bytea)").await.unwrap();
        let error = watched.refuses("a bytea of 2^31 bytes", async |connection| {
            connection.execute(&statement, (1, &long[..])).await.map(drop)
        });
        assert_eq!(refused_parameter(&error.await), 2);
        let error = watched.refuses("a bytea of 1 GiB", async |connection| {
            connection.execute(&statement, (1, &long[..1 << 30])).await.map(drop)
        });
        assert_eq!(refused_parameter(&error.await), 2);
        let text = String::from_utf8(long).unwrap();
        let statement = watched.connection.prepare("SELECT $1::text").await.unwrap();
        let error = watched.refuses("a text of 2^31 bytes", async |connection| {
            connection.execute(&statement, (&*text,)).await.map(drop)
        });
        assert_eq!(refused_parameter(&error.await), 1);
    })
    .await;
}

#[tokio::test]
async fn input_04_a_parameter_that_writes_too_much_is_refused() {
    deadline(async {
        let mut watched = Watched::new().await;
        let statement = watched.connection.prepare("SELECT $1::bytea").await.unwrap();
        let before = cornac_tests::memory::Memory::of_process().unwrap().resident;
        let error = watched.refuses("an Encode that writes 2^30 bytes", async |connection| {
            connection.execute(&statement, (Zeros(1 << 30),)).await.map(drop)
        });
        assert_eq!(refused_parameter(&error.await), 1);
        let kept = cornac_tests::memory::Memory::of_process().unwrap().resident.saturating_sub(before);
        assert!(kept < 256 << 20, "what was written before it was refused is given back, not {kept} bytes");
    })
    .await;
}

#[tokio::test]
async fn input_04_parameters_that_are_too_long_together_are_refused() {
    deadline(async {
        let mut watched = Watched::new().await;
        let sql = "SELECT octet_length($1::bytea) + octet_length($2::bytea) + octet_length($3::bytea)";
        let statement = watched.connection.prepare(sql).await.unwrap();
        let part = vec![0_u8; 350 << 20];
        let error = watched.refuses("three of 350 MiB in a slice", async |connection| {
            connection.execute(&statement, [&part[..], &part[..], &part[..]]).await.map(drop)
        });
        assert_eq!(refused_parameter(&error.await), 3);
        let error = watched.refuses("three of 350 MiB in a tuple", async |connection| {
            connection.execute(&statement, (&part[..], &part[..], &part[..])).await.map(drop)
        });
        assert_eq!(refused_parameter(&error.await), 3);
        let statement = watched.connection.prepare("SELECT cardinality($1::bytea[])").await.unwrap();
        // An array is one parameter: it is refused at the element at which it is too long.
        let error = watched.refuses("an array of four of 350 MiB", async |connection| {
            let parts: [Vec<u8>; 4] = std::array::from_fn(|_| vec![0_u8; 350 << 20]);
            connection.execute(&statement, (&parts[..],)).await.map(drop)
        });
        let error = error.await;
        assert_eq!(refused_parameter(&error), 1);
        let at_the_third = (3 * part.len()) / 10_000_000;
        assert!(
            error.to_string().contains(&format!("it is {at_the_third}")),
            "the fourth was not written: {error}"
        );
    })
    .await;
}

/// Text of 2^32 bytes. Nothing of it takes memory, for nothing of it is written.
fn very_long() -> String {
    String::from_utf8(vec![0; 1 << 32]).unwrap()
}

#[tokio::test]
async fn input_04_a_statement_that_is_too_long_is_refused() {
    deadline(async {
        let mut watched = Watched::new().await;
        let sql = very_long();
        let errors = [
            watched.refuses("execute", async |connection| connection.execute(&sql, ()).await.map(drop)).await,
            watched
                .refuses("a pipeline", async |connection| {
                    let mut pipeline = connection.atomic_pipeline();
                    pipeline.push(&sql, ());
                    pipeline.run().await.map(drop)
                })
                .await,
            watched.refuses("prepare", async |connection| connection.prepare(&sql).await.map(drop)).await,
            watched
                .refuses("simple_query", async |connection| connection.simple_query(&sql).await.map(drop))
                .await,
        ];
        for error in errors {
            let EncodeError::TooLong { bytes, .. } = encode_error(&error) else { panic!("{error}") };
            assert_eq!(*bytes, 1 << 32);
        }
    })
    .await;
}

/// That many NULLs.
struct Nulls(usize);

impl Params for Nulls {
    fn count(&self) -> usize {
        self.0
    }

    fn formats(&self, _: &[Type], _: &mut dyn FnMut(Format)) {}

    fn encode(&self, _: &[Type], out: &mut BytesMut) -> Result<(), ParamError> {
        (0..self.0).for_each(|_| out.extend_from_slice(&[0xff; 4]));
        Ok(())
    }
}

#[tokio::test]
async fn input_04_more_parameters_than_a_message_can_count_are_refused() {
    deadline(async {
        let mut watched = Watched::new().await;
        let placeholders = |count: usize| {
            let list: Vec<String> = (1..=count).map(|number| format!("${number}::int4")).collect();
            format!("SELECT cardinality(ARRAY[{}])", list.join(", "))
        };
        let (fits, too_many) = (placeholders(65_535), placeholders(65_536));
        let all: i32 = watched.connection.fetch_value(&fits, vec![7; 65_535].as_slice()).await.unwrap();
        assert_eq!(all, 65_535);
        for count in [65_536, 1 << 20] {
            let error = watched.refuses("too many parameters", async |connection| {
                connection.execute(&too_many, Nulls(count)).await.map(drop)
            });
            let error = error.await;
            let EncodeError::TooMany { count: counted, limit, .. } = encode_error(&error) else {
                panic!("{error}")
            };
            assert_eq!((*counted, *limit), (count, 65_535));
        }
        let error = watched.refuses("too many parameters in a pipeline", async |connection| {
            let mut pipeline = connection.atomic_pipeline();
            pipeline.push(&too_many, Nulls(65_536));
            pipeline.run().await.map(drop)
        });
        assert!(matches!(encode_error(&error.await), EncodeError::TooMany { count: 65_536, .. }));
        // Where no parameters are given with it, the server is asked, whose own count of them wraps around: what it says then contradicts
        // itself, and ends the connection.
        let error = watched.connection.prepare(&too_many).await.unwrap_err();
        let ErrorKind::Closed(closed) = error.kind() else { panic!("{error}") };
        assert!(matches!(closed.reason(), CloseReason::Violation(_)), "{closed}");
    })
    .await;
}
