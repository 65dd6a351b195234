//! Transactions inside of transactions, and rows with a connection of their own, dropped at every byte.

use cornac::{Client, IntoStatement, OwnedRows, Statement};
use cornac_conn::SslMode;

use crate::dropped::Effect::{All, Nothing};
use crate::dropped::{INSERT, INSERT_AND_COUNT, Operation, drop_each_everywhere, some_points};

const NESTED: &[Operation] = &[
    Operation {
        name: "nested begin, commit",
        effect: All(2),
        run: |c, id| {
            Box::pin(async move {
                let mut outer = c.begin().await?;
                outer.execute(INSERT, (id, 0)).await?;
                let mut inner = outer.begin().await?;
                inner.execute(INSERT, (id, 1)).await?;
                inner.commit().await?;
                outer.commit().await
            })
        },
    },
    Operation {
        name: "nested rollback",
        effect: All(2),
        run: |c, id| {
            Box::pin(async move {
                let mut outer = c.begin().await?;
                outer.execute(INSERT, (id, 0)).await?;
                let mut inner = outer.begin().await?;
                inner.execute(INSERT, (id, 1)).await?;
                inner.rollback().await?;
                outer.execute(INSERT, (id, 1)).await?;
                outer.commit().await
            })
        },
    },
    Operation {
        name: "nested, left",
        effect: All(2),
        run: |c, id| {
            Box::pin(async move {
                let mut outer = c.begin().await?;
                let mut inner = outer.begin().await?;
                inner.execute(INSERT, (id, 1)).await?;
                drop(inner);
                outer.execute(INSERT, (id, 0)).await?;
                let mut inner = outer.begin().await?;
                inner.execute("SELECT 1 / 0", ()).await.unwrap_err();
                drop(inner);
                outer.execute(INSERT, (id, 1)).await?;
                outer.commit().await
            })
        },
    },
    Operation {
        name: "nested twice, all rolled back",
        effect: Nothing,
        run: |c, id| {
            Box::pin(async move {
                let mut outer = c.begin().await?;
                outer.execute(INSERT, (id, 0)).await?;
                let mut middle = outer.begin().await?;
                middle.execute(INSERT, (id, 1)).await?;
                let mut inner = middle.begin().await?;
                inner.execute(INSERT, (id, 2)).await?;
                inner.commit().await?;
                middle.commit().await?;
                outer.rollback().await
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_02_nested_transactions_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), NESTED).await;
}

const OWNED: &[Operation] = &[
    Operation {
        name: "OwnedRows",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let statement = Statement::new(INSERT_AND_COUNT);
                let mut rows = OwnedRows::begin(c, statement.statement(), (id,)).await?;
                for n in 0..3 {
                    assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id + n);
                }
                assert!(rows.next().await?.is_none());
                Ok(())
            })
        },
    },
    Operation {
        name: "OwnedRows that are left",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let statement = Statement::new(INSERT_AND_COUNT);
                let mut rows = OwnedRows::begin(c, statement.statement(), (id,)).await?;
                assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id);
                Ok(())
            })
        },
    },
    Operation {
        name: "OwnedRows with a fetch size",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let statement = Statement::new(INSERT_AND_COUNT).fetch_size(1);
                let mut rows = OwnedRows::begin(c, statement.statement(), (id,)).await?;
                for n in 0..3 {
                    assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id + n);
                }
                assert!(rows.next().await?.is_none());
                Ok(())
            })
        },
    },
    Operation {
        name: "OwnedRows that are entered one by one as they are fetched",
        effect: All(3),
        run: |c, id| {
            Box::pin(async move {
                let statement =
                    Statement::new("SELECT enter($1, n) FROM generate_series(0, 2) n").fetch_size(1);
                let mut rows = OwnedRows::begin(c, statement.statement(), (id,)).await?;
                for _ in 0..3 {
                    assert_eq!(rows.next().await?.expect("a row").get::<i64>(0)?, id);
                }
                assert!(rows.next().await?.is_none());
                Ok(())
            })
        },
    },
    Operation {
        name: "OwnedRowStream",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let statement = Statement::new(INSERT_AND_COUNT);
                let rows = OwnedRows::begin(c, statement.statement(), (id,)).await?;
                let mut rows = rows.into_stream::<(i64,)>().await?;
                for n in 0..3 {
                    assert_eq!(rows.next().await?, Some((id + n,)));
                }
                assert_eq!(rows.next().await?, None);
                Ok(())
            })
        },
    },
    Operation {
        name: "OwnedRowStream whose columns do not fit",
        effect: All(1),
        run: |c, id| {
            Box::pin(async move {
                let statement = Statement::new(INSERT_AND_COUNT);
                let rows = OwnedRows::begin(c, statement.statement(), (id,)).await?;
                let wrong = rows.into_stream::<(String, String)>().await.unwrap_err();
                assert!(!wrong.is_closed(), "{wrong}");
                Ok(())
            })
        },
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drop_02_rows_with_a_connection_of_their_own_can_be_dropped_at_every_byte() {
    drop_each_everywhere(SslMode::Disable, some_points(), OWNED).await;
}
