//! Transports over loopback: calls, streams, who is taken and who is not, and what hostile peers can do.

mod calls;
mod exchange;
mod hello;
mod hostile;
mod sessions;
mod streams;
mod support;
