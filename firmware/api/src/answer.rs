//! Answers (`ctl.api.proto.05`, `.06`). To a line: `OK: NAME succeed`, `ERROR: NAME failed: reason`, or the plain value.
//! To an encapsulated request: one line with the request's arguments and `APIRESULT`; a reason stands before it as
//! `APIERROR`, so that the result is still the last thing in the line.

use crate::function::{Kind, Returns};
use crate::parameter;
use crate::request::{Form, Request, Unreadable};

/// What a function gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    True,
    Number(i64),
    Text(String),
}

pub(crate) fn success(request: &Request, value: &Value) -> String {
    let name = request.function.name;
    match (request.form, value) {
        (Form::Line, Value::True) => format!("OK: {name} succeed\r\n"),
        (Form::Line, Value::Number(number)) => format!("{number}\r\n"),
        (Form::Line, Value::Text(text)) => format!("{text}\r\n"),
        (Form::Block, value) => {
            let result = match value {
                Value::True => "true".to_owned(),
                Value::Number(number) => number.to_string(),
                Value::Text(text) => one_line(text),
            };
            format!("{} APIRESULT:{result}\r\n", repeated(request))
        }
    }
}

pub(crate) fn failure(request: &Request, reason: &str) -> String {
    let name = request.function.name;
    let reason = one_line(reason);
    match (request.form, request.function.returns) {
        (Form::Line, _) => format!("ERROR: {name} failed: {reason}\r\n"),
        (Form::Block, Returns::Bool) => format!("{} APIERROR:{reason} APIRESULT:false\r\n", repeated(request)),
        (Form::Block, _) => format!("{} APIERROR:{reason} APIRESULT:ERROR: {reason}\r\n", repeated(request)),
    }
}

pub(crate) fn unreadable(wrong: &Unreadable) -> String {
    let Unreadable { form, name, reason } = wrong;
    match form {
        Form::Line => format!("ERROR: {name} failed: {reason}\r\n"),
        Form::Block => format!("APIREQUEST: {name} APIERROR:{reason} APIRESULT:false\r\n"),
    }
}

/// `APIREQUEST: API_Call RPARAM1:-1 RPARAM2:123456`, secrets hidden.
fn repeated(request: &Request) -> String {
    let mut text = format!("APIREQUEST: {}", request.function.name);
    let given = request.arguments.0.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for (index, parameter) in request.function.parameters.iter().take(given).enumerate() {
        let value = request.arguments.text(index);
        let shown = match parameter.kind {
            Kind::Secret if value.is_empty() => String::new(),
            Kind::Secret => HIDDEN.into(),
            // API_SetParameter: the name is the argument before.
            Kind::Settings if index > 0 => match parameter::is_secret(request.arguments.text(index - 1)) {
                true => HIDDEN.into(),
                false => one_line(value),
            },
            Kind::Settings => {
                parameter::split(value).into_iter().map(hidden_setting).collect::<Vec<_>>().join(" CRLF ")
            }
            _ => one_line(value),
        };
        text.push_str(&format!(" RPARAM{}:{shown}", index + 1));
    }
    text
}

const HIDDEN: &str = "***";

fn hidden_setting(setting: &str) -> String {
    match parameter::pair(setting) {
        Some((name, _)) if parameter::is_secret(name) => format!("{}={HIDDEN}", one_line(name)),
        Some(_) => one_line(setting),
        // No name, so nobody knows what it is.
        None => HIDDEN.into(),
    }
}

/// Line ends as the word CRLF, other control characters gone.
fn one_line(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| line.chars().filter(|c| !c.is_control()).collect()).collect();
    lines.join(" CRLF ")
}
