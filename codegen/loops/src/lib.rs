//! Cuts a program into loops for a compiler and parts for the interpreter, and runs them over batches.
