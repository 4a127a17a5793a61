//! The sandbox from outside: modules written in WAT, called as operators call them.

mod artefacts;
mod fixture;
mod hostile;
mod kinds;
mod limits;
mod marshalling;
mod uploads;
