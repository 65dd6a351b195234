//! The example `service`, used as its callers would use it, over HTTP, with a server that comes and goes.

use std::process::Stdio;
use std::time::{Duration, Instant};

use cornac::{Client as _, Connection};
use cornac_tests::{Cluster, ClusterOptions, SUPERUSER, StopMode, deadline, still_usable};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// The example, and a client of it.
struct Service {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    root: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// What it is that went wrong, which says nothing of how the shop works inside.
    fn error(&self) -> String {
        let text = self.json()["error"].as_str().unwrap().to_owned();
        for inside in
            ["cornac", "SELECT", "INSERT", "UPDATE", "constraint", "column", "127.0.0.1", "postgres"]
        {
            assert!(!self.body.contains(inside), "{}", self.body);
        }
        text
    }
}

impl Service {
    async fn start(server: &Cluster) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example_service"));
        command.arg(server.url("postgres")).arg("127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = said.next_line().await.unwrap().expect("it says where it listens");
        let root = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { child, said, root, client }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await.unwrap()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, hyper_util::client::legacy::Error> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.root));
        let request = request.header("content-type", "application/json");
        let body = Full::from(body.map_or(String::new(), |body| body.to_string()));
        let response = self.client.request(request.body(body).unwrap()).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Ok(Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() })
    }

    /// Asks until this is the answer's status.
    async fn until(&self, path: &str, status: StatusCode) -> Answer {
        loop {
            let answer = self.get(path).await;
            if answer.status == status {
                return answer;
            }
        }
    }

    /// Adds an item, and gives its number.
    async fn add(&self, name: &str, price: i64, stock: i32) -> i64 {
        let item = json!({ "name": name, "price": price, "stock": stock });
        let added = self.post("/items", item).await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
        added.json()["id"].as_i64().unwrap()
    }

    fn terminate(&self) {
        let id = i32::try_from(self.child.id().expect("it runs")).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    }

    /// Waits for the end of a service that was told to stop: it says what it does, and succeeds.
    async fn ended(mut self) {
        let mut lines = Vec::new();
        while let Some(line) = self.said.next_line().await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["stopping", "closed"]);
        assert!(self.child.wait().await.unwrap().success());
    }
}

async fn server() -> (Cluster, Connection) {
    let server = Cluster::start(&ClusterOptions::default()).unwrap();
    let connection = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
    (server, connection)
}

/// Nothing is left in the database, and no session.
async fn nothing_is_left(observer: &mut Connection) {
    let tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'cornac%'";
    assert_eq!(observer.fetch_value::<i64, _>(tables, ()).await.unwrap(), 0);
    let sessions = "SELECT count(*) FROM pg_stat_activity
                    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    // A backend takes a moment to end, once its client has said goodbye.
    while observer.fetch_value::<i64, _>(sessions, ()).await.unwrap() > 0 {}
    still_usable(observer).await;
}

#[tokio::test]
async fn the_shop_sells_what_it_has_and_says_why_it_does_not() {
    deadline(async {
        let (server, mut observer) = server().await;
        let shop = Service::start(&server).await;
        let tusk = shop.add("tusk", 1250, 3).await;
        let howdah = shop.add("howdah", 99_000, 1).await;
        let item = json!({ "id": tusk, "name": "tusk", "price": 1250, "stock": 3 });
        let read = shop.get(&format!("/items/{tusk}")).await;
        assert_eq!((read.status, read.json()), (StatusCode::OK, item));
        // Whatever a value is, it is a value.
        let name = "'); DROP TABLE cornac_item; --";
        let strange = shop.add(name, 1, 1).await;
        assert_eq!(shop.get(&format!("/items/{strange}")).await.json()["name"], name);

        let listed = async |query: &str| {
            let answer = shop.get(&format!("/items{query}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            let items = answer.json();
            items.as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(listed("").await, [tusk, howdah, strange]);
        assert_eq!(listed("?price_max=1250").await, [tusk, strange]);
        assert_eq!(listed("?price_max=1250&name=tu").await, [tusk]);
        assert_eq!(listed("?name=%27%20OR%201=1").await, Vec::<i64>::new());

        let refused = shop.post("/items", json!({ "name": "tusk", "price": 1, "stock": 1 })).await;
        let told = (refused.status, refused.error());
        assert_eq!(told, (StatusCode::CONFLICT, "there is one of that name already".to_owned()));
        let refused = shop.post("/items", json!({ "name": "goad", "price": -1, "stock": 1 })).await;
        let told = (refused.status, refused.error());
        assert_eq!(told, (StatusCode::UNPROCESSABLE_ENTITY, "a value is out of range".to_owned()));
        let missing = shop.get("/items/4711").await;
        let told = (missing.status, missing.error());
        assert_eq!(told, (StatusCode::NOT_FOUND, "there is no such item".to_owned()));
        // What the shop has not thought of (a text that PostgreSQL does not take) is told without the details.
        let odd = shop.get("/items?name=a%00b").await;
        let told = (odd.status, odd.error());
        assert_eq!(told, (StatusCode::INTERNAL_SERVER_ERROR, "that did not work".to_owned()));

        let line = |item: i64, count: i32| json!({ "item": item, "count": count });
        let order = |lines: &[Value]| json!({ "items": lines });
        let placed = shop.post("/orders", order(&[line(tusk, 1), line(howdah, 1)])).await;
        assert_eq!((placed.status, placed.json()), (StatusCode::CREATED, json!([1, 2])));
        let refused = shop.post("/orders", order(&[line(tusk, 1), line(howdah, 1)])).await;
        let told = (refused.status, refused.error());
        assert_eq!(told, (StatusCode::CONFLICT, format!("of item {howdah} only 0 are left")));
        let refused = shop.post("/orders", order(&[line(tusk, 1), line(4711, 1)])).await;
        assert_eq!((refused.status, &*refused.error()), (StatusCode::NOT_FOUND, "there is no such item"));
        // The first lines of both were taken back.
        assert_eq!(shop.get(&format!("/items/{tusk}")).await.json()["stock"], 2);
        let orders = "SELECT count(*) FROM cornac_order";
        assert_eq!(observer.fetch_value::<i64, _>(orders, ()).await.unwrap(), 2);

        shop.terminate();
        shop.ended().await;
        nothing_is_left(&mut observer).await;
    })
    .await;
}

#[tokio::test]
async fn the_shop_says_so_while_its_server_is_gone_and_goes_on_by_itself() {
    deadline(async {
        let (mut server, mut observer) = server().await;
        let shop = Service::start(&server).await;
        let tusk = shop.add("tusk", 1250, 3).await;
        let path = format!("/items/{tusk}");
        let ready = shop.get("/health/ready").await;
        assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::OK, &json!(true)), "{}", ready.body);
        assert_eq!(ready.json()["server"].as_str().unwrap().split(' ').next(), Some(server.version()));

        // Adding this one takes long, and meanwhile the server stops.
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
            CREATE TRIGGER slow BEFORE INSERT ON cornac_item FOR EACH ROW WHEN (NEW.name = 'goad') EXECUTE FUNCTION slow()";
        observer.simple_query(slow).await.unwrap();
        let goad = json!({ "name": "goad", "price": 1, "stock": 1 });
        let (lost, ()) = tokio::join!(shop.post("/items", goad), async {
            let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            while observer.fetch_value::<i64, _>(asleep, ()).await.unwrap() == 0 {}
            server.stop(StopMode::Fast).unwrap();
        });
        assert_eq!(lost.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(lost.error(), "it is not known whether it was done: look before you try again");
        let began = Instant::now();
        let down = shop.get(&path).await;
        let told = (down.status, down.error());
        assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, "try again a little later".to_owned()));
        assert_eq!(down.headers["retry-after"], "1");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let sold = shop.post("/orders", json!({ "items": [{ "item": tusk, "count": 1 }] })).await;
        assert_eq!(sold.status, StatusCode::SERVICE_UNAVAILABLE, "{}", sold.body);
        let ready = shop.get("/health/ready").await;
        let not_ready = (StatusCode::SERVICE_UNAVAILABLE, json!({ "ready": false }));
        assert_eq!((ready.status, ready.json()), not_ready);
        // It is not the process that is ill.
        assert_eq!(shop.get("/health/live").await.status, StatusCode::OK);
        let numbers = shop.get("/metrics").await;
        let of_pool = format!(r#"{{db_client_connection_pool_name="127.0.0.1:{}/postgres"}}"#, server.port());
        assert!(value(&numbers.body, &format!("cornac_connection_open_failures_total{of_pool}")) > 0);
        assert!(value(&numbers.body, &format!("db_client_connection_timeouts_total{of_pool}")) >= 2);

        server.restart().unwrap();
        shop.until("/health/ready", StatusCode::OK).await;
        let read = shop.until(&path, StatusCode::OK).await;
        assert_eq!(read.json()["stock"], 3, "the order was refused, and not placed later");
        shop.terminate();
        shop.ended().await;
        let mut observer = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        nothing_is_left(&mut observer).await;
    })
    .await;
}

/// The value of one line in the text format of Prometheus. All that is looked at here are whole numbers.
fn value(numbers: &str, series: &str) -> u64 {
    let mut lines = numbers.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = lines.next().unwrap_or_else(|| panic!("no {series} in\n{numbers}"));
    assert_eq!(lines.next(), None, "{series} is there twice");
    value.parse().unwrap()
}

#[tokio::test]
async fn the_metrics_count_what_was_done() {
    deadline(async {
        let (server, mut observer) = server().await;
        let shop = Service::start(&server).await;
        let tusk = shop.add("tusk", 1250, 3).await;
        for _ in 0..5 {
            shop.get(&format!("/items/{tusk}")).await;
        }
        shop.get("/items").await;
        shop.get("/items/4711").await;
        for _ in 0..2 {
            shop.post("/items", json!({ "name": "tusk", "price": 1, "stock": 1 })).await;
        }
        for _ in 0..4 {
            shop.post("/orders", json!({ "items": [{ "item": tusk, "count": 1 }] })).await;
        }
        shop.get("/health/ready").await;
        let numbers = shop.get("/metrics").await;
        assert_eq!(numbers.status, StatusCode::OK);
        let text = &numbers.body;
        let database = r#"db_system_name="postgresql",db_namespace="postgres""#;
        let durations =
            |name: &str, labels: &str| value(text, &format!(r"{name}_seconds_count{{{database},{labels}}}"));
        let operation = "db_client_operation_duration";
        assert_eq!(durations(operation, r#"db_operation_name="SELECT""#), 6);
        assert_eq!(durations(operation, r#"db_operation_name="SELECT",error_type="client""#), 1);
        assert_eq!(durations(operation, r#"db_operation_name="INSERT""#), 1);
        assert_eq!(durations(operation, r#"db_operation_name="INSERT",error_type="23""#), 2);
        let code = r#"db_operation_name="INSERT",error_type="23",db_response_status_code="23505""#;
        assert_eq!(value(text, &format!("cornac_operation_failures_total{{{database},{code}}}")), 2);
        assert_eq!(durations("cornac_transaction_duration", r#"outcome="committed""#), 3);
        assert_eq!(durations("cornac_transaction_duration", r#"outcome="failed""#), 1);
        // As a histogram, with the bounds that cornac proposes.
        let bucket =
            format!(r#"{operation}_seconds_bucket{{{database},db_operation_name="SELECT",le="10"}}"#);
        assert_eq!(value(text, &bucket), 6);

        let pool = format!(r#"db_client_connection_pool_name="127.0.0.1:{}/postgres""#, server.port());
        let of_pool = |name: &str, labels: &str| value(text, &format!("{name}{{{pool}{labels}}}"));
        assert_eq!(of_pool("db_client_connection_max", ""), 10);
        assert_eq!(of_pool("db_client_connection_count", r#",db_client_connection_state="used""#), 0);
        assert!(of_pool("db_client_connection_count", r#",db_client_connection_state="idle""#) >= 1);
        assert_eq!(of_pool("db_client_connection_pending_requests", ""), 0);
        let opened = of_pool("cornac_connection_opened_total", "");
        assert_eq!(of_pool("db_client_connection_create_time_seconds_count", ""), opened);
        // One for each operation and transaction, one for the tables, one for the look at its health.
        assert_eq!(of_pool("db_client_connection_wait_time_seconds_count", ""), 16);
        assert_eq!(of_pool("db_client_connection_use_time_seconds_count", ""), 16);
        assert!(!text.contains("cornac_item"), "no text of a statement is in them");
        shop.terminate();
        shop.ended().await;
        nothing_is_left(&mut observer).await;
    })
    .await;
}

/// Waits until so many sessions wait for a lock.
async fn until_blocked(observer: &mut Connection, sessions: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while observer.fetch_value::<i64, _>(waiting, ()).await.unwrap() < sessions {}
}

#[tokio::test]
async fn a_full_pool_is_told_and_a_stop_waits_for_the_requests_that_run() {
    deadline(async {
        let (server, mut observer) = server().await;
        let shop = Service::start(&server).await;
        let tusk = shop.add("tusk", 1250, 100).await;
        let mut holder = Connection::connect(&server.config(SUPERUSER)).await.unwrap();
        let mut holding = holder.begin().await.unwrap();
        holding.execute("UPDATE cornac_item SET price = price + 1 WHERE id = $1", (tusk,)).await.unwrap();

        let orders = (0..10).map(|_| {
            let (client, root) = (shop.client.clone(), shop.root.clone());
            let body = json!({ "items": [{ "item": tusk, "count": 1 }] }).to_string();
            let request = Request::post(format!("{root}/orders")).header("content-type", "application/json");
            let request = request.body(Full::from(body)).unwrap();
            tokio::spawn(async move { client.request(request).await.map(|response| response.status()) })
        });
        let orders: Vec<_> = orders.collect();
        until_blocked(&mut observer, 10).await;

        let refused = shop.get("/items").await;
        let told = (refused.status, refused.error());
        assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, "try again a little later".to_owned()));
        // Others would be as full.
        let ready = shop.get("/health/ready").await;
        assert_eq!((ready.status, &ready.json()["ready"]), (StatusCode::OK, &json!(true)));
        let pool = format!(r#"db_client_connection_pool_name="127.0.0.1:{}/postgres""#, server.port());
        let used = format!(r#"db_client_connection_count{{{pool},db_client_connection_state="used"}}"#);
        assert_eq!(value(&shop.get("/metrics").await.body, &used), 10);

        shop.terminate();
        // Nobody new is let in, while those who are in wait for their answers.
        while shop.send(Method::GET, "/health/live", None).await.is_ok() {}
        assert!(orders.iter().all(|order| !order.is_finished()));
        holding.commit().await.unwrap();
        for order in orders {
            assert_eq!(order.await.unwrap().unwrap(), StatusCode::CREATED);
        }
        shop.ended().await;
        holder.close().await.unwrap();
        nothing_is_left(&mut observer).await;
    })
    .await;
}
