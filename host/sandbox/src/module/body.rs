//! What the bodies of a module's functions do, as far as planning a call needs it.

use nyala_schema::Result;
use wasmparser::{ConstExpr, ElementItems, FunctionBody, Operator, Parser, Payload};

use super::not_valid;

/// What a function does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    pub size_bytes: u32,
    pub has_loop: bool,
    /// It copies, fills or grows a memory or table, which takes as long as an operand says.
    pub has_bulk: bool,
    pub calls_indirectly: bool,
    /// The functions that it calls by number, imports first; each once, ascending.
    pub calls: Vec<u32>,
}

impl Body {
    /// Whether its own size bounds the time that it takes.
    pub fn is_bounded(&self) -> bool {
        !self.has_loop && !self.has_bulk && !self.calls_indirectly && self.calls.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Bodies {
    pub bodies: Vec<Body>,
    pub referenced: Vec<u32>,
}

/// Reads the code of a valid module.
pub(super) fn read(bytes: &[u8]) -> Result<Bodies> {
    let mut bodies = Bodies::default();
    for payload in Parser::new(0).parse_all(bytes) {
        payload.and_then(|payload| bodies.payload(payload)).map_err(|error| not_valid(&error))?;
    }
    bodies.referenced.sort_unstable();
    bodies.referenced.dedup();
    Ok(bodies)
}

impl Bodies {
    fn payload(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::CodeSectionEntry(body) => self.body(&body),
            Payload::ElementSection(reader) => {
                for element in reader {
                    match element?.items {
                        ElementItems::Functions(functions) => {
                            for function in functions {
                                self.referenced.push(function?);
                            }
                        }
                        ElementItems::Expressions(_, expressions) => {
                            for expression in expressions {
                                self.constant(&expression?)?;
                            }
                        }
                    }
                }
                Ok(())
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    self.constant(&global?.init_expr)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn constant(&mut self, expression: &ConstExpr<'_>) -> wasmparser::Result<()> {
        for operator in expression.get_operators_reader() {
            if let Operator::RefFunc { function_index } = operator? {
                self.referenced.push(function_index);
            }
        }
        Ok(())
    }

    fn body(&mut self, code: &FunctionBody<'_>) -> wasmparser::Result<()> {
        let mut body = Body { size_bytes: code.range().len() as u32, ..Body::default() };
        for operator in code.get_operators_reader()? {
            let operator = operator?;
            match operator {
                Operator::Loop { .. } => body.has_loop = true,
                Operator::Call { function_index } => body.calls.push(function_index),
                Operator::CallIndirect { .. } => body.calls_indirectly = true,
                Operator::RefFunc { function_index } => self.referenced.push(function_index),
                _ => body.has_bulk |= takes_long(&operator),
            }
        }
        body.calls.sort_unstable();
        body.calls.dedup();
        self.bodies.push(body);
        Ok(())
    }
}

/// Instructions whose time grows with an operand.
fn takes_long(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::MemoryGrow { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryInit { .. }
            | Operator::TableGrow { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableInit { .. }
    )
}
