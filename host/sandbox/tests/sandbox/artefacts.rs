//! Compiled code on disk: used by the next process, never when it is not what it should be.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::DataType;
use nyala_pipeline::Guests;
use nyala_sandbox::SandboxConfig;

use crate::fixture::{Fixture, identity};

#[test]
fn compiled_code_outlives_the_process_and_damage_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let is_cached = || {
        let config = SandboxConfig {
            artefacts: Some(folder.path().to_owned()),
            instances_max: 4,
            ..Default::default()
        };
        let fixture = Fixture::with(config);
        let function = fixture.function(&identity(), &[DataType::Int64], DataType::Int64);
        let report = fixture.sandbox.check(&function).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let returned = fixture
            .sandbox
            .scalar(&Arc::new(function))
            .unwrap()
            .call(std::slice::from_ref(&column), 2)
            .unwrap();
        assert_eq!(&returned, &column);
        report.artefact_cached
    };
    assert!(!is_cached());
    assert!(is_cached());
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    let damaged: [&dyn Fn(&mut Vec<u8>); 5] = [
        &|bytes| *bytes.last_mut().unwrap() ^= 1,
        &|bytes| bytes.truncate(bytes.len() / 2),
        &|bytes| bytes.clear(),
        // Of another build.
        &|bytes| bytes[20] ^= 1,
        // Of another module.
        &|bytes| bytes[50] ^= 1,
    ];
    for (index, damage) in damaged.into_iter().enumerate() {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        assert!(!is_cached(), "damage {index}");
        assert_eq!(std::fs::read(&file).unwrap().len(), whole.len(), "it is written anew");
        assert!(is_cached());
    }
}
