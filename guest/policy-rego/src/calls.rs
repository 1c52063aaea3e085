//! The syntax tree of a module, read once when it is loaded: which rules it has, and whether there is a function for every call.
//!
//! The engine looks a function up when it calls it. A policy that needs what a policy cannot have (the network, a clock, chance) would
//! load, and fail at the first decision that comes that far; here it is refused, with the place.

use std::collections::BTreeSet;

use policy_parts::Part;
use regorus::unstable::{BUILTINS, Expr, Literal, Module, Query, Rule, RuleHead, Span};

/// What reaches outside in other engines, and why it is not here.
const OUTSIDE: [(&str, &str); 8] = [
    ("http.", "a policy has no network"),
    ("net.lookup", "a policy has no network"),
    ("time.", "a policy has no clock"),
    ("rand.", "a policy has no randomness"),
    ("uuid.", "a policy has no randomness"),
    ("opa.runtime", "a policy has no environment to show"),
    ("io.jwt", "a policy has no keys and no clock"),
    ("crypto.", "this engine has no cryptography"),
];

/// The names of a module's rules that are no functions, with dots: `allow`, `narrowing.grant`.
pub(crate) fn rules(module: &Module) -> BTreeSet<String> {
    let names = module.policy.iter().filter_map(|rule| match rule.as_ref() {
        Rule::Default { refr, .. } => path(refr),
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } => path(refr),
            RuleHead::Func { .. } => None,
        },
    });
    names.collect()
}

/// A function is there for every call.
pub(crate) fn check(part: &Part<'_>, module: &Module) -> Result<(), String> {
    let functions = module.policy.iter().filter_map(|rule| match rule.as_ref() {
        Rule::Default { refr, args, .. } if !args.is_empty() => path(refr),
        Rule::Spec {
            head: RuleHead::Func { refr, .. },
            ..
        } => path(refr),
        _ => None,
    });
    let mut reader = Reader {
        part,
        functions: functions.collect(),
    };
    for rule in &module.policy {
        reader.rule(rule)?;
    }
    Ok(())
}

/// `a.b.c` of a reference made of names only.
pub(crate) fn path(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        Expr::RefDot { refr, field, .. } => Some(format!("{}.{}", path(refr)?, field.0.text())),
        Expr::RefBrack { refr, index, .. } => match index.as_ref() {
            Expr::String { value, .. } => {
                Some(format!("{}.{}", path(refr)?, value.as_string().ok()?))
            }
            // The variable part of a rule's head.
            _ => path(refr),
        },
        _ => None,
    }
}

/// The first name of a reference.
fn begin(expr: &Expr) -> &Span {
    match expr {
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => begin(refr),
        _ => expr.span(),
    }
}

struct Reader<'a> {
    part: &'a Part<'a>,
    functions: BTreeSet<String>,
}

impl Reader<'_> {
    fn call(&self, function: &Expr) -> Result<(), String> {
        let name = path(function).unwrap_or_else(|| function.span().text().to_owned());
        let own = name.strip_prefix("data.lockgate.").unwrap_or(&name);
        if self.functions.contains(own) || name == "print" || BUILTINS.contains_key(&*name) {
            return Ok(());
        }
        let why = OUTSIDE
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))
            .map_or("there is no such function", |(_, why)| why);
        let span = begin(function);
        let position = self.part.at(span.line as usize, span.col as usize);
        Err(format!("{position}: {name} cannot be called: {why}"))
    }

    fn rule(&mut self, rule: &Rule) -> Result<(), String> {
        match rule {
            Rule::Default { args, value, .. } => {
                self.all(args.iter().map(AsRef::as_ref))?;
                self.expr(value)
            }
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        self.expr(refr)?;
                        self.all(assign.iter().map(|assign| assign.value.as_ref()))?;
                    }
                    RuleHead::Set { refr, key, .. } => {
                        self.expr(refr)?;
                        self.all(key.iter().map(AsRef::as_ref))?;
                    }
                    RuleHead::Func { args, assign, .. } => {
                        self.all(args.iter().map(AsRef::as_ref))?;
                        self.all(assign.iter().map(|assign| assign.value.as_ref()))?;
                    }
                }
                for body in bodies {
                    self.all(body.assign.iter().map(|assign| assign.value.as_ref()))?;
                    self.query(&body.query)?;
                }
                Ok(())
            }
        }
    }

    fn query(&mut self, query: &Query) -> Result<(), String> {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn {
                    key,
                    value,
                    collection,
                    ..
                } => {
                    self.all(key.iter().map(AsRef::as_ref))?;
                    self.expr(value)?;
                    self.expr(collection)?;
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr)?,
                Literal::Every { domain, query, .. } => {
                    self.expr(domain)?;
                    self.query(query)?;
                }
            }
            // What is replaced may be a function that is not there; what replaces it may be a function's name.
            self.all(statement.with_mods.iter().map(|with| with.r#as.as_ref()))?;
        }
        Ok(())
    }

    fn all<'e>(&mut self, exprs: impl Iterator<Item = &'e Expr>) -> Result<(), String> {
        for expr in exprs {
            self.expr(expr)?;
        }
        Ok(())
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), String> {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::Var { .. } => Ok(()),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                self.all(items.iter().map(AsRef::as_ref))
            }
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.expr(key)?;
                    self.expr(value)?;
                }
                Ok(())
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term)?;
                self.query(query)
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.expr(key)?;
                self.expr(value)?;
                self.query(query)
            }
            Expr::Call { fcn, params, .. } => {
                self.call(fcn)?;
                self.all(params.iter().map(AsRef::as_ref))
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::RefDot { refr, .. } => self.expr(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.expr(refr)?;
                self.expr(index)
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs)?;
                self.expr(rhs)
            }
            Expr::Membership {
                key,
                value,
                collection,
                ..
            } => {
                self.all(key.iter().map(AsRef::as_ref))?;
                self.expr(value)?;
                self.expr(collection)
            }
        }
    }
}
