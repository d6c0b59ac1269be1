//! What web services answer. The exact documents are described nowhere, so the forms that are known are all taken:
//! `<response>` with `<error>`, `<message>` and the value asked for (`<balanceString>`, `<dialString>`), the same as a
//! JSON object, with or without a `response` around it, and plain text where one value is all there is to say. An
//! `<error>` that is neither empty nor 0 is a refusal. A web page is no answer, whatever its status: captive portals and
//! log-in pages say 200.

use super::DialString;
use crate::document;
use crate::fetch::{FetchError, FetchResponse};

/// Longest answer [octets]; reading stops there.
pub const MAX_ANSWER: usize = 65_536;
/// Longest text for the screen [characters].
const LONGEST: usize = 120;
/// Longest balance [characters].
const LONGEST_BALANCE: usize = 40;

/// The service did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing came back: try later.
    Unreachable(FetchError),
    /// A status that is no success, with what the server said about it.
    Status(u16, Option<String>),
    /// The service answered that it will not: its code, and its words.
    Refused(String, Option<String>),
    /// A web page: a login, a portal, the wrong URL.
    Page,
    /// The answer holds no usable value: what is wrong, and what was expected.
    Unusable(String),
}

/// What a web callback was answered: the service calls; with its words, if it has any.
///
/// # Errors
/// It does not, or nobody can tell.
pub fn callback(result: Result<&FetchResponse, &FetchError>) -> Result<Option<String>, Failure> {
    let response = success(result)?;
    match Answer::read(response)? {
        Answer::Fields(fields) => fields.accepted("<response><error>0</error></response>"),
        Answer::Text(text) if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error")) => {
            Err(Failure::Refused(String::new(), shown(text.get(5..).unwrap_or_default().trim_start_matches(':'))))
        }
        Answer::Text(text) => Ok(shown(&text)),
    }
}

/// What to dial, of a call-through service.
///
/// # Errors
/// The service will not say, or what it says cannot be dialled.
pub fn dial_string(result: Result<&FetchResponse, &FetchError>) -> Result<DialString, Failure> {
    let response = success(result)?;
    let text = match Answer::read(response)? {
        Answer::Fields(fields) => {
            fields.accepted("a dialString")?;
            fields.value("dialString").ok_or_else(|| Failure::Unusable("no <dialString> in the answer".into()))?
        }
        Answer::Text(text) => text,
    };
    DialString::parse(&text).map_err(Failure::Unusable)
}

/// The balance as the service words it.
///
/// # Errors
/// The service will not say, or there is none in the answer.
pub fn balance(result: Result<&FetchResponse, &FetchError>) -> Result<String, Failure> {
    let response = success(result)?;
    let Answer::Fields(fields) = Answer::read(response)? else {
        let expected = "text, not <response><error>0</error><balanceString>...</balanceString></response>";
        return Err(Failure::Unusable(expected.into()));
    };
    fields.accepted("a balanceString")?;
    let balance = fields.value("balanceString").and_then(|text| one_line(&text, LONGEST_BALANCE));
    balance.ok_or_else(|| Failure::Unusable("no <balanceString> in the answer".into()))
}

/// Whether a service of which no value is asked (an action) took the request.
///
/// # Errors
/// It did not.
pub fn taken(result: Result<&FetchResponse, &FetchError>) -> Result<(), Failure> {
    success(result).map(|_| ())
}

fn success<'r>(result: Result<&'r FetchResponse, &FetchError>) -> Result<&'r FetchResponse, Failure> {
    match result {
        Err(error) => Err(Failure::Unreachable(error.clone())),
        Ok(response) if (200..300).contains(&response.status) => Ok(response),
        Ok(response) => {
            let said = Answer::read(response).ok().and_then(|answer| match answer {
                Answer::Fields(fields) => fields.words(),
                Answer::Text(_) => None,
            });
            Err(Failure::Status(response.status, said))
        }
    }
}

enum Answer {
    Fields(Fields),
    /// One value, perhaps empty.
    Text(String),
}

/// Names as the service wrote them, with their texts; of equal names the first counts.
#[derive(Default)]
struct Fields {
    list: Vec<(String, String)>,
    /// The whole answer is called an error.
    is_error: bool,
}

impl Answer {
    fn read(response: &FetchResponse) -> Result<Self, Failure> {
        let body = response.body.get(..response.body.len().min(MAX_ANSWER)).unwrap_or_default();
        if body.len() < response.body.len() {
            return Err(Failure::Unusable(format!("the answer is longer than {MAX_ANSWER} octets")));
        }
        let kind = response.header("Content-Type").unwrap_or_default().to_ascii_lowercase();
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        let start = text.get(..text.len().min(14)).unwrap_or(text).to_ascii_lowercase();
        if kind.starts_with("text/html") && !start.starts_with("<response") && !start.starts_with("<?xml")
            || start.starts_with("<!doctype html")
            || start.starts_with("<html")
        {
            // many a script forgets its Content-Type, and text/html is what is sent then
            let plain = !text.contains('<');
            return if plain { Ok(Self::Text(text.to_owned())) } else { Err(Failure::Page) };
        }
        if text.starts_with('<') {
            return Fields::of_xml(body).map(Self::Fields);
        }
        if text.starts_with('{') || text.starts_with('[') {
            return Fields::of_json(text).map(Self::Fields);
        }
        if kind.contains("xml") || kind.contains("json") {
            return Err(Failure::Unusable("the answer is neither XML nor JSON, though it is called so".into()));
        }
        Ok(Self::Text(text.to_owned()))
    }
}

impl Fields {
    fn of_xml(body: &[u8]) -> Result<Self, Failure> {
        let root = document::read_root(body)
            .map_err(|rejection| Failure::Unusable(format!("the answer is not well-formed: {rejection}")))?;
        if root.name.eq_ignore_ascii_case("html") {
            return Err(Failure::Page);
        }
        let mut fields = Self { list: Vec::new(), is_error: root.name.eq_ignore_ascii_case("error") };
        if root.children.is_empty() {
            fields.list.push((root.name, root.text));
            return Ok(fields);
        }
        for child in root.children {
            // <error><message>no</message></error>
            for inner in child.children {
                fields.list.push((inner.name, inner.text));
                fields.is_error |= child.name.eq_ignore_ascii_case("error");
            }
            fields.list.push((child.name, child.text));
        }
        Ok(fields)
    }

    fn of_json(text: &str) -> Result<Self, Failure> {
        use serde_json::Value;
        let wrong = |what: &str| Failure::Unusable(format!("the answer is not usable JSON: {what}"));
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        let object = match value {
            Value::Object(mut outer) => match outer.remove("response") {
                Some(Value::Object(inner)) => inner,
                Some(_) => return Err(wrong("response is no object")),
                None => outer,
            },
            _ => return Err(wrong("an object is expected")),
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            Value::Null | Value::Bool(false) => String::new(),
            Value::Array(_) | Value::Object(_) => "?".to_owned(),
            other => other.to_string(),
        };
        Ok(Self { list: object.into_iter().map(|(name, value)| (name, text(value))).collect(), is_error: false })
    }

    fn value(&self, name: &str) -> Option<String> {
        let found = self.list.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, text)| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn words(&self) -> Option<String> {
        let message = ["message", "reason", "description"].iter().find_map(|name| self.value(name));
        let code = || self.value("error").filter(|text| !text.chars().all(|c| c.is_ascii_digit()));
        message.or_else(code).and_then(|text| shown(&text))
    }

    /// `<error>` says whether it was done; an answer that has nothing known in it says nothing.
    fn accepted(&self, expected: &str) -> Result<Option<String>, Failure> {
        let known = |name: &str| {
            ["error", "message", "dialString", "balanceString", "response"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        let code = self.value("error").unwrap_or_default();
        let number = code.parse::<i64>();
        if self.is_error || !(code.is_empty() || number == Ok(0)) {
            return Err(Failure::Refused(one_line(&code, 20).unwrap_or_default(), self.words()));
        }
        if !self.list.iter().any(|(name, _)| known(name)) {
            return Err(Failure::Unusable(format!("the answer says nothing known; {expected} is expected")));
        }
        Ok(self.words())
    }
}

fn shown(text: &str) -> Option<String> {
    one_line(text, LONGEST)
}

/// For people: no control characters, nothing that turns the direction of writing, one line, so long at most.
fn one_line(text: &str, longest: usize) -> Option<String> {
    let unfit =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let flat: String = text.chars().filter(|c| !unfit(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(longest).collect();
    (!line.is_empty()).then_some(line)
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(FetchError::TooLarge) => write!(f, "the answer is longer than {MAX_ANSWER} octets"),
            Self::Unreachable(error) => write!(f, "{error}"),
            Self::Status(401 | 407, _) => f.write_str("the service refuses the password (401)"),
            Self::Status(status, None) => write!(f, "the service answers {status}"),
            Self::Status(status, Some(words)) => write!(f, "{words} ({status})"),
            Self::Refused(_, Some(words)) => f.write_str(words),
            Self::Refused(code, None) if code.is_empty() => f.write_str("the service refuses"),
            Self::Refused(code, None) => write!(f, "the service refuses (error {code})"),
            Self::Page => f.write_str("a web page came in place of an answer: a login, or the wrong URL"),
            Self::Unusable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}
