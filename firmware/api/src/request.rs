//! What a request says: which function, and its arguments in the order of the table (`ctl.api.proto.02`, `.04`).
//!
//! Names are read without regard to case, blanks and underscores, with or without `API`. In a line the last text takes
//! the rest, commas included. In the encapsulated form arguments come by name or by place.

use crate::function::{self, Function, Kind};

/// What the client used, and so what it is answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Line,
    Block,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) form: Form,
    pub(crate) function: &'static Function,
    pub(crate) arguments: Arguments,
}

/// As given, in the order of the function's parameters; `None`: left out.
#[derive(Clone, Default)]
pub(crate) struct Arguments(pub(crate) Vec<Option<String>>);

// A password may be among them.
impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} arguments", self.0.len())
    }
}

/// Why a frame is no request, in words for the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) form: Form,
    /// The function as the client called it, fit to be printed.
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// A name without what clients write differently: case, blanks, underscores, and the `API` in front.
pub(crate) fn key(name: &str) -> String {
    let key = plain_key(name);
    match key.strip_prefix("api") {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => key,
    }
}

/// The same for names of parameters, which have no `API` in front.
pub(crate) fn plain_key(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
}

/// One line; two requests when the first of them lacked its line end, as the manual's own sample does (`API Start`).
pub(crate) fn read_line(line: &str) -> Vec<Result<Request, Unreadable>> {
    let (name, rest) = split_name(line);
    if let Some(function) = function::find(name) {
        return vec![Ok(Request { form: Form::Line, function, arguments: from_line(function, rest) })];
    }
    // `API StartAPI_SetParameters,...`
    for (at, _) in name.to_ascii_lowercase().match_indices("api").filter(|(at, _)| *at > 0) {
        let (first, second) = (name.get(..at), line.get(at..));
        if let (Some(Some(function)), Some(second)) = (first.map(function::find), second) {
            let arguments = from_line(function, None);
            let mut all = vec![Ok(Request { form: Form::Line, function, arguments })];
            all.extend(read_line(second));
            return all;
        }
    }
    vec![Err(unknown(Form::Line, name))]
}

pub(crate) fn read_block(block: &str) -> Result<Request, Unreadable> {
    let lines = block_lines(block);
    let Some((first, rest)) = lines.split_first() else {
        return Err(Unreadable { form: Form::Block, name: String::new(), reason: "an empty request".into() });
    };
    let first = match first.split_once('=') {
        Some((label, name)) if label.trim().eq_ignore_ascii_case("function") => name.trim(),
        _ => first,
    };
    let (name, line_arguments) = split_name(first);
    let Some(function) = function::find(name) else {
        return Err(unknown(Form::Block, name));
    };
    let arguments = match line_arguments {
        Some(arguments) if rest.is_empty() => from_line(function, Some(arguments)),
        _ => from_block(function, rest),
    };
    Ok(Request { form: Form::Block, function, arguments })
}

impl Arguments {
    pub(crate) fn text(&self, index: usize) -> &str {
        self.0.get(index).and_then(|value| value.as_deref()).unwrap_or_default()
    }

    /// The whole number, or `missing` if there is none.
    pub(crate) fn number(&self, index: usize, missing: i64) -> Result<i64, String> {
        match self.text(index) {
            "" => Ok(missing),
            text => text.parse().map_err(|_| format!("{} is no number", shown(text))),
        }
    }

    pub(crate) fn flag(&self, index: usize, missing: bool) -> Result<bool, String> {
        match self.text(index) {
            "" => Ok(missing),
            text => read_flag(text).ok_or_else(|| format!("true or false expected, not {}", shown(text))),
        }
    }
}

/// `reload` is the manual's word for taking a call back from hold.
pub(crate) fn read_flag(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()));
    if is(&["true", "1", "yes", "on"]) {
        return Some(true);
    }
    is(&["false", "0", "no", "off", "reload"]).then_some(false)
}

/// A piece of what the client sent, fit for a line of an answer: short, without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn unknown(form: Form, name: &str) -> Unreadable {
    // A line such as `password=...` is what comes of real line ends inside API_SetParameters: it is not repeated.
    if let Some((parameter, _)) = name.split_once('=') {
        return Unreadable {
            form,
            name: shown(parameter.trim()),
            reason: "this is no function; settings are separated by the word CRLF in one line".into(),
        };
    }
    let reason = match crate::suggestion::nearest(name, function::names()) {
        Some(known) => format!("unknown function, did you mean {known}?"),
        None => "unknown function".into(),
    };
    Unreadable { form, name: shown(name.trim()), reason }
}

fn split_name(line: &str) -> (&str, Option<&str>) {
    match line.split_once(',') {
        Some((name, rest)) => (name.trim(), Some(rest)),
        None => (line.trim(), None),
    }
}

fn from_line(function: &Function, rest: Option<&str>) -> Arguments {
    let Some(rest) = rest else { return Arguments::default() };
    let count = function.parameters.len();
    let takes_rest =
        function.parameters.last().is_some_and(|last| matches!(last.kind, Kind::Text | Kind::Secret | Kind::Settings));
    let parts: Vec<&str> = match takes_rest {
        true => rest.splitn(count, ',').collect(),
        false => rest.split(',').take(count).collect(),
    };
    let values = function.parameters.iter().zip(parts).map(|(parameter, part)| Some(clean(parameter.kind, part)));
    Arguments(values.collect())
}

fn from_block(function: &Function, lines: &[&str]) -> Arguments {
    let mut values: Vec<Option<String>> = vec![None; function.parameters.len()];
    for line in lines {
        let named = line.split_once('=').and_then(|(name, value)| {
            let name = plain_key(name);
            let index = function.parameters.iter().position(|parameter| plain_key(parameter.name) == name)?;
            Some((index, value))
        });
        let (index, value) = match named {
            Some(named) => named,
            None => (values.iter().position(Option::is_none).unwrap_or(values.len()), *line),
        };
        let Some(parameter) = function.parameters.get(index.min(values.len().saturating_sub(1))) else { continue };
        let value = clean(parameter.kind, value);
        match values.get_mut(index) {
            Some(slot) => *slot = Some(value),
            // More lines than parameters: the last text has several.
            None => {
                if let (Kind::Text | Kind::Secret | Kind::Settings, Some(Some(last))) =
                    (parameter.kind, values.last_mut())
                {
                    last.push('\n');
                    last.push_str(&value);
                }
            }
        }
    }
    Arguments(values)
}

/// Blanks around a value go; quotes too, as the manual's samples write empty and spaced texts in them. A secret keeps
/// its quotes unless there is nothing in them.
fn clean(kind: Kind, value: &str) -> String {
    let value = value.trim();
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (kind, inner) {
        (Kind::Secret | Kind::Settings, Some("")) => String::new(),
        (Kind::Secret | Kind::Settings, _) | (_, None) => value.to_owned(),
        (_, Some(inner)) => inner.to_owned(),
    }
}

/// The texts between `BOFLINE` and `EOFLINE`; an end that is missing is where the next begins.
fn block_lines(block: &str) -> Vec<&str> {
    const BEGIN: &str = "BOFLINE";
    const END: &str = "EOFLINE";
    // ASCII case mapping keeps every byte's place.
    let upper = block.to_ascii_uppercase();
    let mut lines = Vec::new();
    let mut at = match upper.find(BEGIN) {
        Some(at) => at + BEGIN.len(),
        None => return [block.trim()].into_iter().filter(|line| !line.is_empty()).collect(),
    };
    loop {
        let rest = upper.get(at..).unwrap_or_default();
        let next = rest.find(BEGIN);
        let end = rest.find(END).into_iter().chain(next).min().unwrap_or(rest.len());
        lines.push(block.get(at..at + end).unwrap_or_default().trim());
        match next {
            Some(next) => at += next + BEGIN.len(),
            None => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Request {
        read_line(line).pop().unwrap().unwrap()
    }

    fn values(request: &Request) -> Vec<&str> {
        (0..request.arguments.0.len()).map(|index| request.arguments.text(index)).collect()
    }

    /// Covers: ctl.api.proto.02
    #[test]
    fn names_are_found_however_they_are_written() {
        for name in ["API_Call", "API Call", "api call", "API_ Call", " apicall ", "Call", "API__CALL"] {
            assert_eq!(one(&format!("{name},-1,123")).function.name, "API_Call", "{name}");
        }
        assert_eq!(one("API_ CallEx,-1,123,0").function.name, "API_CallEx");
    }

    /// Covers: ctl.api.proto.02
    #[test]
    fn the_last_text_takes_the_rest_and_blanks_around_go() {
        assert_eq!(values(&one("API_Call, -1 , 12,34 ,5 ")), ["-1", "12,34 ,5"]);
        assert_eq!(values(&one("API_Hold,1,true,left,over")), ["1", "true"]);
        assert_eq!(values(&one("API_Dtmf,-2,\" 12 345 #\"")), ["-2", " 12 345 #"]);
        assert_eq!(values(&one("API_SetCredentials,\"\",new,\"\"")), ["", "new", ""]);
        assert!(one("API_Hangup").arguments.0.is_empty());
    }

    /// Covers: ctl.api.proto.02
    #[test]
    fn a_request_without_its_line_end_is_told_from_the_next() {
        let all = read_line("API StartAPI_Call,-1,api");
        let names: Vec<&str> = all.iter().map(|request| request.as_ref().unwrap().function.name).collect();
        assert_eq!(names, ["API_Start", "API_Call"]);
        assert_eq!(values(all[1].as_ref().unwrap()), ["-1", "api"]);
    }

    /// Covers: ctl.api.proto.04
    #[test]
    fn a_block_takes_arguments_by_name_and_by_place() {
        let named = "BOFLINE function=API Call EOFLINE BOFLINE line=-1 EOFLINE BOFLINE peer=123456 EOFLINE";
        let placed = "BOFLINE API Call EOFLINE BOFLINE -1 EOFLINE BOFLINE 123456 EOFLINE";
        let tight = "BOFLINEfunction=API_CallEOFLINEBOFLINEpeer=123456EOFLINEBOFLINE-1EOFLINE";
        for block in [named, placed, tight] {
            let request = read_block(block).unwrap();
            assert_eq!(request.function.name, "API_Call");
            assert_eq!(values(&request), ["-1", "123456"], "{block}");
        }
        assert_eq!(values(&read_block("API_Call,-1,1=2").unwrap()), ["-1", "1=2"]);
        assert_eq!(read_block("BOFLINE EOFLINE").unwrap_err().reason, "unknown function");
        assert_eq!(read_block("").unwrap_err().reason, "an empty request");
    }

    #[test]
    fn several_lines_of_a_block_are_several_lines_of_the_last_text() {
        let block = "BOFLINE API_SetParameters EOFLINE BOFLINE username=a EOFLINE BOFLINE loglevel=5\r\nplc=1 EOFLINE";
        assert_eq!(values(&read_block(block).unwrap()), ["username=a\nloglevel=5\r\nplc=1"]);
    }

    #[test]
    fn what_is_unknown_is_named_with_a_suggestion_and_without_secrets() {
        let wrong = read_line("API_Hagnup").pop().unwrap().unwrap_err();
        assert_eq!(wrong.reason, "unknown function, did you mean API_Hangup?");
        let wrong = read_line("password=geheim").pop().unwrap().unwrap_err();
        assert!(!format!("{wrong:?}").contains("geheim"));
    }
}
