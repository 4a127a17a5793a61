//! Managed tables in the catalog: what commands do to them, what is kept of it, and what becomes of it when files are
//! damaged.

mod commit;
mod damage;
mod draw;
mod history;
mod parts;
mod random;
mod tables;
