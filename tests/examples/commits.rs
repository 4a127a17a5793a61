//! How many single rows are inserted in a second by sessions at the same time, each a commit of its own that is on disk.
//!
//! usage: commits [WRITERS [SECONDS [DATA_FOLDER]]]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nyala_node::{Answer, Config, Engine, Session, default_options};

fn run(session: &mut Session, sql: &str) -> Result<()> {
    match session.execute(sql).map_err(|error| anyhow!("{error:?}"))? {
        Answer::Done(_) => Ok(()),
        Answer::Rows(mut rows) => {
            while rows.next_batch().map_err(|error| anyhow!("{error:?}"))?.is_some() {}
            Ok(())
        }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let writers: usize = arguments.next().map_or(Ok(32), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let temporary = tempfile::tempdir()?;
    let data = arguments.next().map_or_else(|| temporary.path().join("data"), Into::into);
    let engine = Engine::open(Config { data: Some(data), options: default_options(), ..Config::default() })
        .map_err(|error| anyhow!("{error:?}"))?;
    run(
        &mut engine.session(),
        "CREATE TABLE t (writer BIGINT, n BIGINT, text VARCHAR, price DECIMAL(10, 2))",
    )?;
    let (commits, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..writers)
            .map(|writer| {
                let (engine, commits, ended) = (&engine, &commits, &ended);
                scope.spawn(move || -> Result<()> {
                    let mut session = engine.session();
                    let mut n = 0;
                    while !ended.load(Ordering::Relaxed) {
                        run(
                            &mut session,
                            &format!("INSERT INTO t VALUES ({writer}, {n}, 'row {n}', {n}.5)"),
                        )?;
                        commits.fetch_add(1, Ordering::Relaxed);
                        n += 1;
                    }
                    Ok(())
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(seconds));
        ended.store(true, Ordering::Relaxed);
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a writer panicked"))?)
    })?;
    let (commits, elapsed) = (commits.into_inner(), started.elapsed().as_secs_f64());
    println!(
        "{writers} writers, {commits} commits in {elapsed:.1} s: {:.0} commits/s",
        commits as f64 / elapsed
    );
    let started = Instant::now();
    run(&mut engine.session(), "SELECT count(*), max(n) FROM t")?;
    println!("a scan of the table: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
