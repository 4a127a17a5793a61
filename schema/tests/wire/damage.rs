//! Bytes that were cut or changed, and bytes that never were a message, are errors or something sound, never a panic.

use std::sync::Arc;

use nyala_schema::command::{Command, Entry};
use nyala_schema::wire;
use proptest::prelude::*;

use crate::client;
use crate::commands;
use crate::draw::Draw;
use crate::round_trip::managed_scan;
use crate::{queries, tables};

/// Reads the bytes as everything that there is, and looks at what comes out.
fn read_as_everything(bytes: &[u8]) {
    let _ = wire::decode_entry(bytes).map(|entry| format!("{entry:?}"));
    let _ = wire::decode_table(bytes).map(|table| format!("{table:?}"));
    let _ = wire::decode_files(bytes).map(|files| format!("{files:?}"));
    let _ = wire::decode_versions(bytes).map(|versions| format!("{versions:?}"));
    let _ = wire::decode_functions(bytes).map(|functions| format!("{functions:?}"));
    let _ = wire::decode_operator(bytes).map(|operator| format!("{operator:?}"));
    let _ = wire::decode_module(bytes).map(|module| format!("{module:?}"));
    let _ = wire::decode_retired(bytes).map(|retired| format!("{retired:?}"));
    let _ = wire::decode_client_request(bytes).map(|request| format!("{request:?}"));
    let _ = wire::decode_client_response(bytes).map(|response| format!("{response:?}"));
    let _ = wire::decode_fragment(bytes).map(|fragment| format!("{fragment:?}"));
    let _ = wire::decode_query_message(bytes).map(|message| format!("{message:?}"));
    let _ = wire::decode_query_answer(bytes).map(|answer| format!("{answer:?}"));
    let _ = wire::decode_admission(bytes).map(|message| format!("{message:?}"));
    let _ = wire::decode_admission_answer(bytes).map(|answer| format!("{answer:?}"));
}

fn messages(draw: &mut Draw) -> Vec<Vec<u8>> {
    let entry = Entry { at_ms: 1, command: commands::command(draw, 2) };
    let change = Entry { at_ms: 1, command: Command::ChangeTable(commands::change(draw)) };
    let file = Arc::new(tables::file(draw));
    let queries =
        queries::messages(draw).into_iter().map(|m| wire::encode_query_message(&m).unwrap().to_vec());
    let answers = queries::answers(draw).into_iter().map(|a| wire::encode_query_answer(&a).unwrap().to_vec());
    let mut messages = vec![
        wire::encode_entry(&entry).unwrap(),
        wire::encode_entry(&change).unwrap(),
        wire::encode_table(&commands::definition(draw)).unwrap(),
        wire::encode_files(&[file]).unwrap(),
        wire::encode_versions(&tables::versions(draw)).unwrap(),
        wire::encode_fragment(&managed_scan(draw)).unwrap(),
        wire::encode_client_request(&client::request(draw)),
        wire::encode_client_response(&client::response(draw)),
    ];
    messages.extend(queries);
    messages.extend(answers);
    messages
}

proptest! {
    #[test]
    fn flipped_bits(seed: u64) {
        let mut draw = Draw::new(seed);
        for mut message in messages(&mut draw) {
            for _ in 0..8 {
                let at = draw.below(message.len());
                message[at] ^= 1 << draw.below(8);
                read_as_everything(&message);
            }
        }
    }

    #[test]
    fn cut_messages(seed: u64) {
        let mut draw = Draw::new(seed);
        for message in messages(&mut draw) {
            let end = draw.below(message.len());
            read_as_everything(&message[..end]);
        }
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        read_as_everything(&bytes);
    }
}

/// Four words that say that they are 268 million files of no bytes each.
#[test]
fn a_list_of_nothing_is_refused() {
    const SEGMENT_WORDS: u64 = 3;
    const ONE_POINTER: u64 = 1 << 48;
    const LIST_OF_STRUCTS: u64 = 7 << 32 | 1;
    const ITEMS: u64 = 1 << 28;
    let words = [SEGMENT_WORDS << 32, ONE_POINTER, LIST_OF_STRUCTS, ITEMS << 2];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert!(wire::decode_files(&bytes).is_err());
    // It is the number that is refused, not the form.
    let bytes: Vec<u8> =
        [words[0], words[1], words[2], 3 << 2].iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(wire::decode_files(&bytes).unwrap().len(), 3);
}
