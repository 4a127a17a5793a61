//! Compiled code that is kept, and code that several threads run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use nyala_pipeline::guest::ScalarGuest;
use nyala_sandbox::{KernelArtefacts, Kernels, RowFunction};

use crate::modules::function;
use crate::subject::kernels;

const SQUARE: &str = r#"(module (func (export "square") (param i64) (result i64)
    (i64.mul (local.get 0) (local.get 0))))"#;

#[derive(Default)]
struct Shelf {
    code: Mutex<HashMap<[u8; 32], Vec<u8>>>,
    found: AtomicUsize,
}

impl KernelArtefacts for Shelf {
    fn get(&self, key: [u8; 32]) -> Option<Vec<u8>> {
        let code = self.code.lock().unwrap().get(&key).cloned();
        self.found.fetch_add(usize::from(code.is_some()), Ordering::Relaxed);
        code
    }

    fn put(&self, key: [u8; 32], code: &[u8]) {
        self.code.lock().unwrap().insert(key, code.to_vec());
    }
}

fn square(kernels: &Arc<Kernels>) -> RowFunction {
    let square = function(SQUARE, "square", &[DataType::Int64], DataType::Int64);
    RowFunction::new(kernels, Arc::new(square)).unwrap()
}

#[test]
fn kept_code_is_used_again() {
    let shelf = Arc::new(Shelf::default());
    let column: ArrayRef = Arc::new(Int64Array::from(vec![3, -4]));
    for restarts in 0..2 {
        let kernels = Kernels::new(kernels().1.clone(), Some(shelf.clone())).unwrap();
        let squares = square(&kernels).call(std::slice::from_ref(&column), 2).unwrap();
        assert_eq!(squares.as_primitive::<Int64Type>().values(), &[9, 16]);
        assert_eq!(shelf.found.load(Ordering::Relaxed), restarts);
    }
    // What is no code is compiled anew.
    shelf.code.lock().unwrap().values_mut().for_each(|code| code.truncate(100));
    let kernels = Kernels::new(kernels().1.clone(), Some(shelf)).unwrap();
    assert_eq!(square(&kernels).call(&[column], 2).unwrap().as_primitive::<Int64Type>().values(), &[9, 16]);
}

#[test]
fn threads_share_a_function() {
    let square = square(&kernels().0);
    std::thread::scope(|scope| {
        for thread in 0..4i64 {
            let square = &square;
            scope.spawn(move || {
                for round in 0..200 {
                    let value = thread * 1000 + round;
                    let column: ArrayRef = Arc::new(Int64Array::from(vec![value; 17]));
                    let squares = square.call(&[column], 17).unwrap();
                    assert!(squares.as_primitive::<Int64Type>().values().iter().all(|v| *v == value * value));
                }
            });
        }
    });
}
