//! Transports over loopback: calls, streams, who is taken and who is not, and what hostile peers can do.

mod calls;
mod hello;
mod hostile;
mod sessions;
mod streams;
mod support;
