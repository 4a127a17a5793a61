//! Any bytes as a Parquet file: its rows or a typed error, in bounded memory.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nyala_node::{Answer, Config, Engine, ErrorCode};

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("nyala-fuzz-{}.parquet", std::process::id()));
    std::fs::write(&path, bytes).expect("the file can be written");
    let engine = Engine::open(Config::default()).expect("opens");
    let sql = format!("SELECT * FROM '{}'", path.display());
    let outcome = engine.session().execute(&sql).and_then(|answer| {
        if let Answer::Rows(mut rows) = answer {
            while rows.next_batch()?.is_some() {}
        }
        Ok(())
    });
    if let Err(error) = outcome {
        assert_ne!(error.code(), ErrorCode::Internal, "{error:?}");
    }
});
