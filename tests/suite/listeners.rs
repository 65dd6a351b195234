//! Notifications that survive the connection over which they come.

use std::time::Duration;

use cornac::{Database, ErrorKind, ListenEvent, Listener};
use cornac_tests::memory::Memory;
use cornac_tests::{
    Cluster, ClusterOptions, Direction, Proxy, SUPERUSER, StopMode, deadline, deadline_of, shared,
};

async fn heard(listener: &mut Listener) -> (String, String) {
    match listener.next().await.unwrap() {
        ListenEvent::Notification(notification) => (notification.channel, notification.payload),
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn channels_of_any_name_are_listened_to_and_left() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        let mut listener = db.listen(&["plain", "Größe in \"cm\"; DROP TABLE t"]).await.unwrap();
        let notify = "SELECT pg_notify($1, $2)";
        db.execute(notify, ("plain", "one")).await.unwrap();
        db.execute(notify, ("nobody", "two")).await.unwrap();
        db.execute(notify, ("Größe in \"cm\"; DROP TABLE t", "three")).await.unwrap();
        assert_eq!(heard(&mut listener).await, ("plain".to_owned(), "one".to_owned()));
        assert_eq!(heard(&mut listener).await.1, "three");
        listener.listen("more").await.unwrap();
        listener.unlisten("plain").await.unwrap();
        assert_eq!(listener.channels().len(), 2);
        db.execute(notify, ("plain", "four")).await.unwrap();
        db.execute(notify, ("more", "five")).await.unwrap();
        assert_eq!(heard(&mut listener).await.1, "five");
        let nul = db.listen(&["a\0b"]).await.unwrap_err();
        assert!(matches!(nul.kind(), ErrorKind::Usage(_)), "{nul}");
        // The pool has nothing to do with it.
        let channels: i64 = db.fetch_value("SELECT count(*) FROM pg_listening_channels()", ()).await.unwrap();
        assert_eq!(channels, 0);
    })
    .await;
}

#[tokio::test]
async fn ha_04_a_listener_whose_connection_is_killed_comes_back_and_says_so() {
    deadline(async {
        let mut server = Cluster::start(&ClusterOptions::default()).unwrap();
        let db = Database::connect_with(&server.config(SUPERUSER)).await.unwrap();
        let mut listener = db.listen(&["a", "b"]).await.unwrap();
        for round in 0..3 {
            let pid = listener.process_id().unwrap();
            db.execute("SELECT pg_notify('a', 'before')", ()).await.unwrap();
            assert_eq!(heard(&mut listener).await.1, "before");
            db.execute("SELECT pg_terminate_backend($1, 10000)", (pid,)).await.unwrap();
            // Nobody hears this one.
            db.execute("SELECT pg_notify('a', 'missed')", ()).await.unwrap();
            let event = listener.next().await.unwrap();
            assert!(
                matches!(&event, ListenEvent::Interrupted(error) if error.is_closed()),
                "{round}: {event:?}"
            );
            db.execute("SELECT pg_notify('b', 'after')", ()).await.unwrap();
            assert_eq!(heard(&mut listener).await, ("b".to_owned(), "after".to_owned()));
        }
        // A server that goes away for a while.
        server.stop(StopMode::Kill).unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(300), listener.next()).await;
        assert!(waiting.is_err(), "it keeps trying: {waiting:?}");
        server.restart().unwrap();
        let event = listener.next().await.unwrap();
        assert!(matches!(event, ListenEvent::Interrupted(_)), "{event:?}");
        while db.execute("SELECT pg_notify('a', 'again')", ()).await.is_err() {}
        assert_eq!(heard(&mut listener).await.1, "again");
    })
    .await;
}

#[tokio::test]
async fn ha_05_a_hundred_thousand_notifications_wait_for_a_reader_that_sleeps() {
    deadline(async {
        let database = shared().database().await;
        let db = Database::connect_with(database.config()).await.unwrap();
        let mut listener = db.listen(&["flood"]).await.unwrap();
        let before = Memory::of_process().unwrap();
        let sql = "SELECT count(pg_notify('flood', n || repeat('x', 100))) FROM generate_series(1, 100000) n";
        let notified: i64 = db.fetch_value(sql, ()).await.unwrap();
        assert_eq!(notified, 100_000);
        // It was asleep until now. All come, in their order.
        for number in 1..=100_000 {
            let (_, payload) = heard(&mut listener).await;
            assert_eq!(payload.trim_end_matches('x').parse(), Ok(number));
        }
        let grown = Memory::of_process().unwrap().peak.saturating_sub(before.peak);
        println!("100000 notifications of 12 MB in all: {grown} bytes more at the peak");
        assert!(grown < 16 << 20, "{grown}");
    })
    .await;
}

#[tokio::test]
async fn ha_04_a_silent_network_is_noticed_by_a_listener_that_hears_nothing() {
    // Of a clock that runs ahead.
    deadline_of(1_000, async {
        let database = shared().database().await;
        let config = database.config();
        let proxy = Proxy::start(config.hosts()[0].port, vec![]).await.unwrap();
        let db = Database::connect_with(&config.clone().port(proxy.port())).await.unwrap();
        let mut listener = db.listen(&["a"]).await.unwrap();
        // While the network works, a silence is looked into, and is nothing to speak of.
        let answered = u64::try_from(proxy.recording().to_client.len()).unwrap();
        let a_minute_later = async {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(61)).await;
            tokio::time::resume();
            proxy.wait_until(Direction::ToClient, answered + 1).await;
        };
        tokio::select! {
            biased;
            heard = listener.next() => panic!("{heard:?}"),
            () = a_minute_later => {}
        }
        assert!(listener.process_id().is_some());
        proxy.silence();
        // The clock runs ahead whenever nobody has anything to do.
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let quiet = tokio::time::timeout(Duration::from_secs(200), listener.next()).await;
        tokio::time::resume();
        println!("the listener has noticed, {:?} after it began", began.elapsed());
        assert!(quiet.is_err(), "there is nobody to connect to: {quiet:?}");
        assert_eq!(listener.process_id(), None, "it has given the old connection up");
    })
    .await;
}
