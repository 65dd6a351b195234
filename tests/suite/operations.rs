//! Everything that a connection does, dropped at every byte.

use cornac::copy::{CopyOptions, CopySource};
use cornac::{Client, Statement, StatementMode};
use cornac_conn::{SslMode, pipeline};

use crate::dropped::Effect::{All, AllOrNone, Each, Nothing};
use crate::dropped::{
    INSERT, INSERT_AND_COUNT, INSERT_ONE, Items, Operation, drop_each_everywhere, some_points,
};

fn numbered(id: i64, rows: i32) -> impl Iterator<Item = (i64, i32)> + Unpin + Send {
    (0..rows).map(move |n| (id, n))
}

const VERBS: &[Operation] = &[
    Operation {
        name: "execute",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.execute(INSERT_ONE, (id,)).await?, 1);
                Ok(())
            })
        },
    },
    Operation {
        name: "rows",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let mut rows = c.rows(INSERT_AND_COUNT, (id,)).await?;
                for n in 0..3 {
                    assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id + n);
                }
                assert!(rows.next().await?.is_none());
                Ok(())
            })
        },
    },
    Operation {
        name: "rows that are left",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let mut rows = c.rows(INSERT_AND_COUNT, (id,)).await?;
                assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id);
                Ok(())
            })
        },
    },
    Operation {
        name: "fetch_one",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.fetch_one::<(i64,), _>(INSERT_ONE, (id,)).await?, (id,));
                Ok(())
            })
        },
    },
    Operation {
        name: "fetch_optional",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.fetch_optional::<(i64,), _>(INSERT_ONE, (id,)).await?, Some((id,)));
                Ok(())
            })
        },
    },
    Operation {
        name: "fetch_all",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let rows: Vec<(i64,)> = c.fetch_all(INSERT_AND_COUNT, (id,)).await?;
                assert_eq!(rows, [(id,), (id + 1,), (id + 2,)]);
                Ok(())
            })
        },
    },
    Operation {
        name: "fetch_value",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.fetch_value::<i64, _>(INSERT_ONE, (id,)).await?, id);
                Ok(())
            })
        },
    },
    Operation {
        name: "fetch_values",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.fetch_values::<i64, _>(INSERT_AND_COUNT, (id,)).await?, [id, id + 1, id + 2]);
                Ok(())
            })
        },
    },
    Operation {
        name: "stream_query",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let mut rows = c.stream_query::<(i64,), _>(INSERT_AND_COUNT, (id,)).await?;
                for n in 0..3 {
                    assert_eq!(rows.next().await?, Some((id + n,)));
                }
                assert_eq!(rows.next().await?, None);
                Ok(())
            })
        },
    },
    Operation {
        name: "stream_query with a fetch size",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let portions = Statement::new(INSERT_AND_COUNT).fetch_size(2);
                let mut rows = c.stream_query::<(i64,), _>(&portions, (id,)).await?;
                for n in 0..3 {
                    assert_eq!(rows.next().await?, Some((id + n,)));
                }
                assert_eq!(rows.next().await?, None);
                Ok(())
            })
        },
    },
    Operation {
        name: "mode unnamed",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let unnamed = Statement::new(INSERT_ONE).mode(StatementMode::Unnamed);
                assert_eq!(c.fetch_value::<i64, _>(&unnamed, (id,)).await?, id);
                Ok(())
            })
        },
    },
    Operation {
        name: "mode simple",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let simple = Statement::new(INSERT_ONE).mode(StatementMode::Simple);
                assert_eq!(c.fetch_value::<i64, _>(&simple, (id,)).await?, id);
                Ok(())
            })
        },
    },
    Operation {
        name: "prepare and execute",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                // A text of its own each time, so that it is always parsed.
                let insert = c.prepare(&*format!("{INSERT_ONE} -- {id}")).await?;
                assert_eq!(c.execute(&insert, (id,)).await?, 1);
                Ok(())
            })
        },
    },
    Operation {
        name: "simple_query",
        effect: All(2),
        run: |c, id| {
            Box::pin(async move {
                let insert = |n| format!("INSERT INTO ledger VALUES ({id}, {n})");
                let results = c.simple_query(&format!("{}; {}; SELECT {id}", insert(0), insert(1))).await?;
                assert_eq!(results.len(), 3);
                assert_eq!(results[2].rows[0].get::<&str>(0)?, id.to_string());
                Ok(())
            })
        },
    },
    Operation {
        name: "listen, next_notification, unlisten",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                c.listen("news").await?;
                let sql = "INSERT INTO ledger SELECT $1 FROM pg_notify('news', $1::int8::text)";
                let notify = Statement::new(sql).mode(StatementMode::Unnamed);
                assert_eq!(c.execute(&notify, (id,)).await?, 1);
                // Those of attempts that were dropped may come first.
                while c.next_notification().await?.payload != id.to_string() {}
                c.unlisten("news").await
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_01_every_verb_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), VERBS).await;
}

const PIPELINES: &[Operation] = &[
    Operation {
        name: "run_pipeline",
        effect: Each(3),
        run: |c, id| {
            Box::pin(async move {
                let (one, two, three) = c
                    .run_pipeline((
                        pipeline::fetch_value::<i64, _, _>(INSERT_ONE, (id,)),
                        pipeline::execute(INSERT, (id, 1)),
                        pipeline::execute(INSERT, (id, 2)),
                    ))
                    .await?;
                assert_eq!((one.ok()?, two.ok()?, three.ok()?), (Some(id), Some(1), Some(1)));
                Ok(())
            })
        },
    },
    Operation {
        name: "pipeline",
        effect: Each(4),
        run: |c, id| {
            Box::pin(async move {
                let mut pipeline = c.pipeline();
                for (id, n) in numbered(id, 4) {
                    pipeline.push(INSERT, (id, n));
                }
                pipeline.push("SELECT generate_series($1::int8, $1 + 1)", (id,)).push("SELECT 1 / 0", ());
                let mut results = pipeline.run().await?;
                for _ in 0..4 {
                    assert_eq!(results.execute().await?.ok()?, Some(1));
                }
                assert_eq!(results.fetch_values::<i64>().await?.ok()?, Some(vec![id, id + 1]));
                results.fetch_value::<i32>().await?.ok().unwrap_err();
                results.finish().await
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_02_pipelines_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), PIPELINES).await;
}

const TRANSACTIONS: &[Operation] = &[
    Operation {
        name: "transaction",
        effect: All(2),
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                transaction.execute(INSERT, (id, 0)).await?;
                transaction.execute(INSERT, (id, 1)).await?;
                transaction.commit().await
            })
        },
    },
    Operation {
        name: "transaction that is rolled back",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                transaction.execute(INSERT, (id, 0)).await?;
                transaction.rollback().await
            })
        },
    },
    Operation {
        name: "transaction that is left",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                transaction.execute(INSERT, (id, 0)).await?;
                Ok(())
            })
        },
    },
    Operation {
        name: "savepoints",
        effect: All(2),
        run: |c, id| {
            Box::pin(async move {
                let mut transaction = c.begin().await?;
                transaction.execute(INSERT, (id, 0)).await?;
                transaction.connection().simple_query("SAVEPOINT point").await?;
                transaction.execute(INSERT, (id, 1)).await?;
                transaction.connection().simple_query("ROLLBACK TO point").await?;
                transaction.execute(INSERT, (id, 1)).await?;
                transaction.connection().simple_query("RELEASE point").await?;
                transaction.commit().await
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_02_transactions_and_savepoints_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), TRANSACTIONS).await;
}

/// The statement that enters three rows and gives them back.
fn inserting(id: i64) -> String {
    format!("INSERT INTO ledger SELECT {id}, n FROM generate_series(0, 2) n RETURNING id, n")
}

fn lines(id: i64) -> String {
    format!("{id}\t0\n{id}\t1\n{id}\t2\n")
}

const COPIES: &[Operation] = &[
    Operation {
        name: "copy_in, send",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let mut copy = c.copy_in("ledger", &["id", "n"], &CopyOptions::text()).await?;
                copy.send(format!("{id}\t0\n")).await?;
                copy.flush().await?;
                copy.send(format!("{id}\t1\n{id}\t2\n")).await?;
                assert_eq!(copy.finish().await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_in_raw, send_stream",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let mut copy = c.copy_in_raw("COPY ledger FROM STDIN").await?;
                copy.send_stream(Items(numbered(id, 3).map(|(id, n)| format!("{id}\t{n}\n")))).await?;
                assert_eq!(copy.finish().await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_from",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let lines = lines(id);
                let copied = c.copy_from("ledger", &[], &CopyOptions::text(), lines.as_bytes()).await?;
                assert_eq!(copied, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_in that is failed",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                let mut copy = c.copy_in("ledger", &[], &CopyOptions::text()).await?;
                copy.send(lines(id)).await?;
                copy.fail("thought better of it").await
            })
        },
    },
    Operation {
        name: "copy_records, send, send_all",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let mut copy = c.copy_records("ledger", &["id", "n"]).await?;
                copy.send((id, 0)).await?;
                copy.flush().await?;
                copy.send_all([(id, 1), (id, 2)]).await?;
                assert_eq!(copy.finish().await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_records_to_table",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.copy_records_to_table("ledger", &["id", "n"], numbered(id, 3)).await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_stream_to_table",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                assert_eq!(c.copy_stream_to_table("ledger", &["id", "n"], Items(numbered(id, 3))).await?, 3);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_records that is failed",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                let mut copy = c.copy_records("ledger", &["id", "n"]).await?;
                copy.send_all(numbered(id, 3)).await?;
                copy.fail("thought better of it").await
            })
        },
    },
    Operation {
        name: "copy_out, next, next_bytes",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let sql = inserting(id);
                let mut copy = c.copy_out(CopySource::query(&sql), &CopyOptions::text()).await?;
                assert_eq!(copy.next().await?, Some(format!("{id}\t0\n").as_bytes()));
                assert_eq!(copy.next_bytes().await?.expect("a line"), format!("{id}\t1\n"));
                assert_eq!(copy.next().await?, Some(format!("{id}\t2\n").as_bytes()));
                assert_eq!(copy.next().await?, None);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_out_raw, write_to",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let mut written = Vec::new();
                let copy = c.copy_out_raw(&format!("COPY ({}) TO STDOUT", inserting(id))).await?;
                assert_eq!(copy.write_to(&mut written).await?, 3);
                assert_eq!(written, lines(id).as_bytes());
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_to",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let (sql, mut written) = (inserting(id), Vec::new());
                c.copy_to(CopySource::query(&sql), &CopyOptions::text(), &mut written).await?;
                assert_eq!(written, lines(id).as_bytes());
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_rows, next, next_row",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let sql = inserting(id);
                let mut rows = c.copy_rows::<(i64, i32)>(CopySource::query(&sql)).await?;
                assert_eq!(rows.next().await?, Some((id, 0)));
                assert_eq!(rows.next_row().await?.expect("a row").get::<i32>(1)?, 1);
                assert_eq!(rows.next().await?, Some((id, 2)));
                assert_eq!(rows.next().await?, None);
                Ok(())
            })
        },
    },
    Operation {
        name: "copy_out that is left",
        effect: AllOrNone(3),
        run: |c, id| {
            Box::pin(async move {
                let sql = inserting(id);
                let mut rows = c.copy_rows::<(i64, i32)>(CopySource::query(&sql)).await?;
                assert_eq!(rows.next().await?, Some((id, 0)));
                Ok(())
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_02_every_copy_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), COPIES).await;
}
