//! Any text as a statement: an answer or a typed error, never a panic, never our own mistake.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nyala_node::{Answer, Config, Engine, ErrorCode};

/// Text that runs long is found by other means: the fuzzer looks for crashes.
const BATCHES_MAX: usize = 4;

fuzz_target!(|text: &str| {
    let lower = text.to_lowercase();
    if lower.contains("copy") || lower.contains("series") || lower.contains("range") {
        return;
    }
    let engine = Engine::open(Config { check_wire: true, ..Config::default() }).expect("opens");
    let outcome = engine.session().execute(text).and_then(|answer| {
        if let Answer::Rows(mut rows) = answer {
            for _ in 0..BATCHES_MAX {
                if rows.next_batch()?.is_none() {
                    break;
                }
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        assert_ne!(error.code(), ErrorCode::Internal, "{error:?}");
    }
});
