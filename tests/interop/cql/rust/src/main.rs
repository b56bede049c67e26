// SPDX-License-Identifier: MIT
// The crate scylla: interop HOST:PORT. Prints TAP.
use futures::TryStreamExt;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::Batch;
use scylla::statement::unprepared::Statement;
use std::error::Error;
use std::fmt::Debug;

type Done = Result<(), Box<dyn Error>>;

struct Tap {
    count: usize,
    failed: usize,
}

impl Tap {
    fn ok(&mut self, good: bool, name: &str, detail: impl Debug) {
        self.count += 1;
        if good {
            println!("ok {} - {}", self.count, name);
        } else {
            self.failed += 1;
            println!("not ok {} - {}\n#   {:?}", self.count, name, detail);
        }
    }
    fn equal<T: PartialEq + Debug>(&mut self, got: T, want: T, name: &str) {
        let good = got == want;
        self.ok(good, name, (got, want));
    }
}

async fn values(tap: &mut Tap, session: &Session) -> Done {
    session.query_unpaged("CREATE TABLE v (k uuid PRIMARY KEY, a int, b bigint, c text, d double, e list<int>, f boolean)", ()).await?;
    let id = uuid::Uuid::new_v4();
    let insert = session.prepare("INSERT INTO v (k, a, b, c, d, e, f) VALUES (?, ?, ?, ?, ?, ?, ?)").await?;
    session.execute_unpaged(&insert, (id, 1, 1i64 << 60, "x", 1.5, vec![1, 2], true)).await?;
    let select = session.prepare("SELECT a, b, c, d, e, f FROM v WHERE k = ?").await?;
    let row = session.execute_unpaged(&select, (id,)).await?.into_rows_result()?.first_row::<(i32, i64, String, f64, Vec<i32>, bool)>()?;
    tap.equal(row, (1, 1i64 << 60, "x".to_string(), 1.5, vec![1, 2], true), "values of six types");
    Ok(())
}

async fn paging(tap: &mut Tap, session: &Session) -> Done {
    session.query_unpaged("CREATE TABLE p (k int, c int, PRIMARY KEY (k, c))", ()).await?;
    let insert = session.prepare("INSERT INTO p (k, c) VALUES (?, ?)").await?;
    futures::future::try_join_all((0..500).map(|i| session.execute_unpaged(&insert, (i % 3, i)))).await?;
    let mut statement = Statement::new("SELECT c FROM p");
    statement.set_page_size(37);
    let mut got: Vec<i32> = session.query_iter(statement, ()).await?.rows_stream::<(i32,)>()?.map_ok(|row| row.0).try_collect().await?;
    got.sort();
    tap.equal(got, (0..500).collect::<Vec<i32>>(), "pages: each row once");
    Ok(())
}

async fn batches(tap: &mut Tap, session: &Session) -> Done {
    session.query_unpaged("CREATE TABLE b (k int PRIMARY KEY, v int)", ()).await?;
    let mut batch = Batch::default();
    for k in 0..10 {
        batch.append_statement(format!("INSERT INTO b (k, v) VALUES ({k}, {})", k * 10).as_str());
    }
    session.batch(&batch, vec![(); 10]).await?;
    let count = session.query_unpaged("SELECT count(*) FROM b", ()).await?.into_rows_result()?.first_row::<(i64,)>()?;
    tap.equal(count, (10,), "a batch");
    let row = session.query_unpaged("INSERT INTO b (k, v) VALUES (1, 99) IF NOT EXISTS", ()).await?.into_rows_result()?
        .first_row::<(bool, Option<i32>, Option<i32>)>()?;
    tap.equal(row, (false, Some(1), Some(10)), "IF NOT EXISTS tells what is there");
    let refused = session.query_unpaged("SELECT * FROM nothing", ()).await;
    tap.ok(refused.is_err(), "a missing table is refused", "it was not");
    Ok(())
}

#[tokio::main]
async fn main() -> Done {
    let at = std::env::args().nth(1).expect("HOST:PORT");
    let keyspace = format!("rs_{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let session = SessionBuilder::new().known_node(at).build().await?;
    session.query_unpaged(format!("CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"), ()).await?;
    session.use_keyspace(&keyspace, false).await?;
    let mut tap = Tap { count: 0, failed: 0 };
    tap.ok(true, "connects and makes a keyspace", "");
    for (name, result) in [("values", values(&mut tap, &session).await), ("paging", paging(&mut tap, &session).await), ("batches", batches(&mut tap, &session).await)] {
        if let Err(error) = result {
            tap.ok(false, &format!("{name} runs to its end"), error.to_string());
        }
    }
    session.query_unpaged(format!("DROP KEYSPACE {keyspace}"), ()).await?;
    println!("1..{}", tap.count);
    std::process::exit(if tap.failed > 0 { 1 } else { 0 });
}
