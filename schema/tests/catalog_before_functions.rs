//! Catalogs that were written before there were functions.

use nyala_schema::wire;

#[test]
fn a_snapshot_of_two_fields_still_loads() {
    // One segment of three words: the root with one word of data and one pointer; version 7; no tables.
    let words: [u64; 4] = [3 << 32, 1 << 48 | 1 << 32, 7, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let content = wire::decode_snapshot(&bytes).unwrap();
    assert_eq!(content.version, 7);
    assert!(content.tables.is_empty() && content.functions.is_empty());
    assert!(content.operators.is_empty() && content.modules.is_empty());
}
