//! Admission as messages.

use bytes::Bytes;

use super::generated::query_capnp as wire;
use super::query::{checked, error, put_error, put_query, query};
use super::{count, read, to_bytes};
use crate::deploy::{AdmissionAnswer, AdmissionAsk, AdmissionMessage};
use crate::error::Result;

/// # Errors
/// `TooComplex` for a message that is too long.
pub fn encode_admission(value: &AdmissionMessage) -> Result<Bytes> {
    let mut message = capnp::message::Builder::new_default();
    let builder: wire::admission_message::Builder<'_> = message.init_root();
    match value {
        AdmissionMessage::Ask(ask) => put_ask(ask, builder.init_ask()),
        AdmissionMessage::Renew { running } => {
            let mut list = builder.init_renew(count(running.len()));
            for (index, ask) in running.iter().enumerate() {
                put_ask(ask, list.reborrow().get(count(index)));
            }
        }
        AdmissionMessage::Release { query } => put_query(*query, builder.init_release()),
    }
    checked(to_bytes(&message))
}

/// # Errors
/// `Connection` when the bytes are no message of a version that we know.
pub fn decode_admission(bytes: &[u8]) -> Result<AdmissionMessage> {
    use wire::admission_message::Which;
    read(bytes, |message| {
        let reader: wire::admission_message::Reader<'_> = message.get_root()?;
        Ok(match reader.which()? {
            Which::Ask(one) => AdmissionMessage::Ask(ask(one?)?),
            Which::Renew(running) => {
                AdmissionMessage::Renew { running: running?.iter().map(ask).collect::<Result<_>>()? }
            }
            Which::Release(id) => AdmissionMessage::Release { query: query(id?) },
        })
    })
}

/// # Errors
/// `TooComplex` for an answer that is too long.
pub fn encode_admission_answer(value: &AdmissionAnswer) -> Result<Bytes> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: wire::admission_answer::Builder<'_> = message.init_root();
    match value {
        AdmissionAnswer::Done => builder.set_done(()),
        AdmissionAnswer::Admitted => builder.set_admitted(()),
        AdmissionAnswer::Queued => builder.set_queued(()),
        AdmissionAnswer::Refused(reason) => put_error(reason, builder.init_refused()),
        AdmissionAnswer::NotController => builder.set_not_controller(()),
    }
    checked(to_bytes(&message))
}

/// # Errors
/// `Connection` when the bytes are no answer of a version that we know.
pub fn decode_admission_answer(bytes: &[u8]) -> Result<AdmissionAnswer> {
    use wire::admission_answer::Which;
    read(bytes, |message| {
        let reader: wire::admission_answer::Reader<'_> = message.get_root()?;
        Ok(match reader.which()? {
            Which::Done(()) => AdmissionAnswer::Done,
            Which::Admitted(()) => AdmissionAnswer::Admitted,
            Which::Queued(()) => AdmissionAnswer::Queued,
            Which::Refused(reason) => AdmissionAnswer::Refused(error(reason?)?),
            Which::NotController(()) => AdmissionAnswer::NotController,
        })
    })
}

fn put_ask(value: &AdmissionAsk, mut builder: wire::admission_ask::Builder<'_>) {
    put_query(value.query, builder.reborrow().init_query());
    builder.set_pool(&value.pool);
    builder.set_user(&value.user);
    builder.set_memory_bytes(value.memory_bytes);
    builder.set_waited_ms(value.waited_ms);
}

fn ask(reader: wire::admission_ask::Reader<'_>) -> Result<AdmissionAsk> {
    Ok(AdmissionAsk {
        query: query(reader.get_query()?),
        pool: reader.get_pool()?.to_string()?,
        user: reader.get_user()?.to_string()?,
        memory_bytes: reader.get_memory_bytes(),
        waited_ms: reader.get_waited_ms(),
    })
}
