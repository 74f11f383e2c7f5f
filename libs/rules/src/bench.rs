use std::collections::BTreeSet;
use std::sync::Arc;

use rust_decimal::Decimal;
use zen_expression::Scope;
use zen_expression::compiler::Opcode;
use zen_expression::variable::Variable;
use zen_expression::vm::{VM, VMError};
use zen_types::symbol::Symbol;

/// Where a worker decides: the engine and its names, used again for each decision.
///
/// It holds nothing from one decision to the next. Each thread has its own.
#[derive(Debug)]
pub struct Bench {
    vm: VM,
    scope: Scope,
    runs: u64,
}

/// A value on its way through the steps.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Datum<'a> {
    Number(Decimal),
    Flag(bool),
    Code(&'a str),
    /// `None` where nothing is known, as no codes.
    Codes(Option<&'a BTreeSet<Arc<str>>>),
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new()
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench {
            vm: VM::new(),
            scope: Scope::new(Variable::empty_object()),
            runs: 0,
        }
    }

    /// How often the engine ran, since the bench is there.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    pub(crate) fn clear(&mut self) {
        self.scope.clear_locals();
        if let Variable::Object(names) = self.scope.base() {
            names.borrow_mut().clear();
        }
    }

    pub(crate) fn bind(&mut self, name: &str, datum: Datum<'_>) {
        if let Variable::Object(names) = self.scope.base() {
            names
                .borrow_mut()
                .insert(Symbol::from(name), datum.variable());
        }
    }

    /// What a cell is held against.
    pub(crate) fn bind_subject(&mut self, datum: Datum<'_>) {
        self.scope
            .set_local(Variable::dollar_key(), datum.variable());
    }

    pub(crate) fn run(&mut self, code: &[Opcode]) -> Result<Variable, VMError> {
        self.runs += 1;
        self.vm.run(code, &self.scope)
    }
}

impl Datum<'_> {
    fn variable(self) -> Variable {
        match self {
            Datum::Number(number) => Variable::Number(number),
            Datum::Flag(flag) => Variable::Bool(flag),
            Datum::Code(code) => Variable::String(Symbol::from(code)),
            Datum::Codes(codes) => {
                let codes = codes.into_iter().flatten();
                let strings = codes.map(|it| Variable::String(Symbol::from(&**it)));
                Variable::from_array(strings.collect())
            }
        }
    }
}
