//! Any bytes as an uploaded module: a function that answers or a typed error, in bounded time and memory, and the next
//! query works.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use nyala_node::{Answer, Config, Engine, ErrorCode, Result, Session};

/// What every module begins with. Half of the inputs get it, so that the fuzzer need not find it.
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";

/// What the bytes are declared to be: they may happen to have the exports of one of these.
const DECLARATIONS: [&str; 4] = [
    "CREATE OR REPLACE FUNCTION f (x BIGINT) RETURNS BIGINT",
    "CREATE OR REPLACE FUNCTION f (x TEXT) RETURNS TEXT",
    "CREATE OR REPLACE AGGREGATE FUNCTION f (x BIGINT) RETURNS BIGINT",
    "CREATE OR REPLACE TABLE FUNCTION f (x BIGINT) RETURNS TABLE (y BIGINT)",
];

const CALLS: [&str; 4] = [
    "SELECT f(v) FROM generate_series(1, 3) AS g(v)",
    "SELECT f(CAST(v AS TEXT)) FROM generate_series(1, 3) AS g(v)",
    "SELECT f(v) FROM generate_series(1, 3) AS g(v)",
    "SELECT r.y FROM generate_series(1, 3) AS g(v), f(v) AS r LIMIT 1000",
];

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| Engine::open(Config::default()).expect("opens"));

fn run(session: &mut Session, sql: &str) -> Result<usize> {
    let mut count = 0;
    if let Answer::Rows(mut rows) = session.execute(sql)? {
        while let Some(batch) = rows.next_batch()? {
            count += batch.num_rows();
        }
    }
    Ok(count)
}

fn typed<T>(outcome: Result<T>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => {
            assert_ne!(error.code(), ErrorCode::Internal, "{error:?}");
            false
        }
    }
}

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (with_preamble, bytes) = input;
    let path = std::env::temp_dir().join(format!("nyala-fuzz-{}.wasm", std::process::id()));
    let module = if with_preamble { [PREAMBLE, &bytes].concat() } else { bytes };
    std::fs::write(&path, module).expect("the file can be written");
    let mut session = ENGINE.session();
    for (declaration, call) in DECLARATIONS.into_iter().zip(CALLS) {
        let create = format!(
            "{declaration} LANGUAGE wasm WITH (time_per_batch = '50ms', memory = '8MB') AS '{}'",
            path.display()
        );
        if typed(run(&mut session, &create)) {
            typed(run(&mut session, call));
            typed(run(&mut session, "ALTER FUNCTION f RESUME"));
        }
        typed(run(&mut session, "DROP FUNCTION IF EXISTS f"));
    }
    typed(run(&mut session, &format!("CREATE OR REPLACE MODULE m FROM '{}'", path.display())));
    typed(run(&mut session, "DROP MODULE IF EXISTS m"));
    let rows =
        run(&mut session, "SELECT v FROM generate_series(1, 3) AS g(v)").expect("the next query works");
    assert_eq!(rows, 3);
});
