use std::cell::RefCell;

use rust_decimal::Decimal;
use zen_expression::expression::{Standard, Unary};
use zen_expression::functions::{FunctionKind, InternalFunction};
use zen_expression::intellisense::diagnostic::{Diagnostic, DiagnosticSource, Severity};
use zen_expression::intellisense::{AstMetadata, ExpressionAnalysis, IntelliSense};
use zen_expression::lexer::{ArithmeticOperator, ComparisonOperator, LogicalOperator, Operator};
use zen_expression::parser::Node;
use zen_expression::variable::VariableType;
use zen_expression::{Expression, Isolate};

use crate::name::{Kind, Names};
use crate::sheet::exact;

/// A formula ready to run; what is only a number or a name needs no engine.
#[derive(Debug, Clone)]
pub(crate) enum Formula {
    Number(Decimal),
    Name(usize),
    Engine(Expression<Standard>),
}

/// Something wrong in a formula: a code and a sentence. A formula that fails without any reads
/// what a broken step would have given.
pub(crate) type Fault = (&'static str, String);

/// Reads formulas: checks what they name, what they compute with and what comes out.
///
/// The language is a part of the engine's: no clock, no chance, no floats, nothing that can be
/// null. So a formula gives the same on any machine on any day.
pub(crate) struct Formulas {
    pub(crate) sense: IntelliSense,
    isolate: Isolate,
}

impl Formulas {
    pub(crate) fn new() -> Formulas {
        Formulas {
            sense: IntelliSense::new().with_strict(true),
            isolate: Isolate::new(),
        }
    }

    /// Reads a formula whose result is of a kind, [`Kind::Number`] or [`Kind::Flag`].
    pub(crate) fn read(
        &mut self,
        source: &str,
        result: &Kind,
        names: &mut Names,
    ) -> Result<Formula, Vec<Fault>> {
        if let (Kind::Number, Some(number)) = (result, exact(source)) {
            return Ok(Formula::Number(number));
        }
        let types = names.types(None);
        let analysis = self.sense.analyze(source, &types);
        let used = self.check(source, false, names, &analysis)?;
        let expected = match result {
            Kind::Flag => matches!(analysis.return_type, VariableType::Bool),
            _ => matches!(analysis.return_type, VariableType::Number),
        };
        if !expected {
            let expected = if *result == Kind::Flag {
                "true or false"
            } else {
                "a number"
            };
            let sentence = format!("the result of the formula is not {expected}");
            return Err(vec![("type_mismatch", sentence)]);
        }
        if let Some(slot) = names.slot(source.trim()) {
            names.read(slot, false);
            return Ok(Formula::Name(slot));
        }
        let compiled = self.isolate.compile_standard(source);
        let compiled = compiled.map_err(|it| vec![("formula_invalid", it.to_string())])?;
        for slot in used {
            names.read(slot, true);
        }
        Ok(Formula::Engine(compiled))
    }

    /// Reads the test of a cell against `$`, a value of the kind.
    pub(crate) fn read_unary(
        &mut self,
        source: &str,
        subject: &Kind,
        names: &Names,
    ) -> Result<(Expression<Unary>, Vec<usize>), Vec<Fault>> {
        let types = names.types(Some(subject));
        let analysis = self.sense.analyze_unary(source, &types);
        let used = self.check(source, true, names, &analysis)?;
        let compiled = self.isolate.compile_unary(source);
        let compiled = compiled.map_err(|it| vec![("formula_invalid", it.to_string())])?;
        Ok((compiled, used))
    }

    /// The slots a formula reads, where nothing is wrong with it.
    fn check(
        &mut self,
        source: &str,
        unary: bool,
        names: &Names,
        analysis: &ExpressionAnalysis,
    ) -> Result<Vec<usize>, Vec<Fault>> {
        let broken = |it: &&Diagnostic| it.source != DiagnosticSource::TypeCheck;
        let mut faults: Vec<Fault> = analysis
            .diagnostics
            .iter()
            .filter(broken)
            .map(|it| ("formula_invalid", spanned(&it.message, it.span)))
            .collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let inspection = RefCell::new(Inspection {
            names,
            unary,
            used: Vec::new(),
            faults: Vec::new(),
            spoilt: false,
        });
        let inspected = self.sense.with_ast(source, unary, |node, metadata| {
            node.walk(|it| inspection.borrow_mut().visit(it, metadata));
        });
        if inspected.is_none() {
            return Err(vec![(
                "formula_invalid",
                "the formula cannot be read".to_owned(),
            )]);
        }
        let inspection = inspection.into_inner();
        if inspection.spoilt {
            return Err(Vec::new());
        }
        faults.extend(inspection.faults);
        // An unknown name has no type, so complaints about types would only repeat it.
        if faults.is_empty() {
            let wrong = |it: &&Diagnostic| it.severity != Severity::Hint;
            faults.extend(analysis.diagnostics.iter().filter(wrong).map(|it| {
                let code = match it.code {
                    Some("type.invalid-enum-member") => "code_unknown",
                    _ => "type_mismatch",
                };
                (code, spanned(&it.message, it.span))
            }));
        }
        if faults.is_empty() {
            Ok(inspection.used)
        } else {
            Err(causes(faults))
        }
    }
}

/// Of what is wrong with the shape, the outermost alone: the rest follows from it.
fn causes(faults: Vec<Fault>) -> Vec<Fault> {
    let mut causes: Vec<Fault> = Vec::new();
    for (code, sentence) in faults {
        let one = ["not_allowed", "type_mismatch"].contains(&code);
        if !(one && causes.iter().any(|it| it.0 == code)) {
            causes.push((code, sentence));
        }
    }
    causes
}

struct Inspection<'n> {
    names: &'n Names,
    unary: bool,
    used: Vec<usize>,
    faults: Vec<Fault>,
    /// Whether it reads what a broken step would have given.
    spoilt: bool,
}

impl Inspection<'_> {
    fn fault(&mut self, code: &'static str, node: &Node<'_>, spans: &AstMetadata, text: &str) {
        let span = spans
            .get(&std::ptr::from_ref(node).addr())
            .map_or((0, 0), |it| it.span);
        self.faults.push((code, spanned(text, span)));
    }

    fn visit(&mut self, node: &Node<'_>, spans: &AstMetadata) {
        match node {
            Node::Identifier("$") if self.unary => {}
            Node::Identifier(name) => match self.names.slot(name) {
                Some(slot) => self.used.push(slot),
                None if self.names.is_spoilt(name) => self.spoilt = true,
                None => self.fault(
                    "name_unknown",
                    node,
                    spans,
                    &format!("{name} is no fact, parameter or earlier value"),
                ),
            },
            Node::Binary {
                left,
                operator,
                right,
            } => self.operation(node, left, *operator, right, spans),
            Node::FunctionCall { kind, .. } if self.allows(kind) => {}
            Node::Number(_)
            | Node::Bool(_)
            | Node::String(_)
            | Node::Array(_)
            | Node::Parenthesized(_)
            | Node::Interval { .. }
            | Node::Conditional { .. }
            | Node::Unary { .. } => {}
            _ => {
                let text = "formulas have operators, conditions, and the functions min, max, sum, \
                            abs, floor, ceil, trunc, round, len and contains; nothing else";
                self.fault("not_allowed", node, spans, text);
            }
        }
    }

    fn allows(&self, kind: &FunctionKind) -> bool {
        use InternalFunction as F;
        match kind {
            FunctionKind::Internal(F::Bool) => self.unary,
            FunctionKind::Internal(function) => matches!(
                function,
                F::Min
                    | F::Max
                    | F::Sum
                    | F::Abs
                    | F::Floor
                    | F::Ceil
                    | F::Trunc
                    | F::Round
                    | F::Len
                    | F::Contains
            ),
            _ => false,
        }
    }

    fn operation(
        &mut self,
        node: &Node<'_>,
        left: &Node<'_>,
        operator: Operator,
        right: &Node<'_>,
        spans: &AstMetadata,
    ) {
        match operator {
            Operator::Arithmetic(ArithmeticOperator::Divide | ArithmeticOperator::Modulus) if !matches!(right, Node::Number(it) if !it.is_zero()) =>
            {
                let text = "a division is by a number other than 0, written as such";
                self.fault("division_by_non_literal", node, spans, text);
            }
            Operator::Comparison(ComparisonOperator::In | ComparisonOperator::NotIn) => {
                self.membership(left, right, spans);
            }
            // The engine computes some powers with floats; nothing here can be null.
            Operator::Arithmetic(ArithmeticOperator::Power)
            | Operator::Logical(LogicalOperator::NullishCoalescing) => {
                self.fault("not_allowed", node, spans, "formulas have no ^ and no ??");
            }
            _ => {}
        }
    }

    /// The engine checks a code it compares with, but not those in a list.
    fn membership(&mut self, left: &Node<'_>, right: &Node<'_>, spans: &AstMetadata) {
        let (Node::Identifier(name), Node::Array(list)) = (left, right) else {
            return;
        };
        let Some(Kind::Code(codes)) = self.names.slot(name).map(|it| &self.names.get(it).kind)
        else {
            return;
        };
        for item in list.iter().filter(|_| !codes.is_empty()) {
            if let Node::String(code) = item
                && !codes.iter().any(|it| &**it == *code)
            {
                let text = format!("{code} is none of the codes of {name}");
                self.fault("code_unknown", item, spans, &text);
            }
        }
    }
}

fn spanned(message: &str, (from, to): (u32, u32)) -> String {
    format!(
        "{} (characters {from} to {to})",
        message.replace('\n', "; ")
    )
}
