//! Web services, dial actions and quick dials as they stand in an account. A service that cannot work is not set up, and
//! the finding says why; a dial action or quick dial that cannot be understood is left out.

use super::{BalanceCheck, CallThrough, Callback, Programmed, QuickDial, Service, Services};
use crate::document::{Finding, FindingKind, Node};
use crate::schema;
use crate::settings::{is_token, one_line};
use crate::template::{self, asks_for_secret, never_known};
use crate::{Document, Secret, rules};
use std::collections::BTreeSet;
use std::time::Duration;

/// More dial actions or quick dials than a phone can offer are left out, with a finding.
const MOST: usize = 100;
/// Custom headers of one service.
const MOST_HEADERS: usize = 20;

/// A node that does not act as written: its name, how bad it is, and what to do.
type Remark = (&'static str, FindingKind, String);

/// The nodes of one service. An empty name: there is no such node.
struct Nodes {
    name: &'static str,
    parameters: &'static [&'static str],
    url: &'static str,
    method: &'static str,
    content_type: &'static str,
    body: &'static str,
    headers: &'static str,
    username: &'static str,
    password: &'static str,
}

const CALLBACK: Nodes = Nodes {
    name: "web callback",
    parameters: &["targetNumber"],
    url: "wcb_url",
    method: "wcb_method",
    content_type: "wcb_contentType",
    body: "wcb_postData",
    headers: "wcb_customHeaders",
    username: "wcb_authUsername",
    password: "wcb_authPassword",
};

const CALL_THROUGH: Nodes = Nodes {
    name: "call-through",
    parameters: &["targetNumber"],
    url: "cth_ws_url",
    method: "cth_ws_method",
    content_type: "cth_ws_contentType",
    body: "cth_ws_postData",
    headers: "cth_ws_customHeaders",
    username: "cth_ws_authUsername",
    password: "cth_ws_authPassword",
};

const BALANCE: Nodes = Nodes {
    name: "balance",
    parameters: &[],
    url: "genericBalanceCheckUrl",
    method: "genericBalanceCheckMethod",
    content_type: "genericBalanceCheckContentType",
    body: "genericBalanceCheckPostData",
    headers: "genericBalanceCheckCustomHeaders",
    username: "genericBalanceCheckAuthUsername",
    password: "genericBalanceCheckAuthPassword",
};

/// What a call-through without a web service dials.
const DIAL_STRING: &str = "cth_dialString";

const ACTION: Nodes = Nodes::of_url("action", &["uri", "targetNumber"], "customActionUrl");
const VPN_STARTUP: Nodes = Nodes::of_url("VPN startup", &[], "vpnStartupUrl");

impl Nodes {
    /// Of a service that is nothing but its URL.
    const fn of_url(name: &'static str, parameters: &'static [&'static str], url: &'static str) -> Self {
        Self { name, parameters, url, method: "", content_type: "", body: "", headers: "", username: "", password: "" }
    }
}

/// What may stand between percent signs in this node; `None` where nothing of a web service is filled in.
pub(crate) fn placeholders(node: &str) -> Option<Vec<String>> {
    let of = match node {
        "" => None,
        DIAL_STRING => Some(&CALL_THROUGH),
        node => [&CALLBACK, &CALL_THROUGH, &BALANCE, &ACTION, &VPN_STARTUP]
            .into_iter()
            .find(|nodes| [nodes.url, nodes.body, nodes.headers, nodes.username].contains(&node)),
    }?;
    let mut known: Vec<String> = of.parameters.iter().map(|name| format!("%{name}%")).collect();
    known.extend(["%username%", "%account[<node>]%", "%nonce%", "%sha1(<text>)%"].map(str::to_owned));
    Some(known)
}

/// `text` answers a node's usable value, empty if there is none. Remarks on single nodes come back; those on parts of
/// `dialActions` and `quickDial` go to `findings` with their places.
pub(crate) fn read(
    text: impl Fn(&str) -> String,
    document: &Document,
    findings: &mut Vec<Finding>,
) -> (Services, Vec<Remark>) {
    let mut reader = Reader { text: &text, remarks: Vec::new() };
    let flag = |node: &str| text(node) == "1";
    let seconds = |node: &str| text(node).parse().map(Duration::from_secs).unwrap_or_default();
    let callback_number = text("callbackNumber");
    let callback = match flag("wcb_enabled") {
        true => reader.needed(&CALLBACK, "wcb_enabled", "there is no web callback"),
        false => None,
    };
    let call_through = if flag("cth_enabled") { reader.call_through() } else { None };
    let interval = seconds("balanceCheckIntervalInSeconds");
    let services = Services {
        callback: callback.map(|service| Callback { service, auto_answer: flag("wcb_autoAnswer") }),
        callback_number,
        call_through,
        balance: reader.service(&BALANCE).map(|service| BalanceCheck {
            service,
            interval: (!interval.is_zero()).then_some(interval),
            delay: seconds("balanceCheckDelayInSeconds"),
        }),
        vpn_startup: reader.service(&VPN_STARTUP),
        custom_action: reader.service(&ACTION),
        dial_actions: dial_actions(document, findings),
        quick_dials: quick_dials(document, findings),
    };
    (services, reader.remarks)
}

struct Reader<'a> {
    text: &'a dyn Fn(&str) -> String,
    remarks: Vec<Remark>,
}

impl Reader<'_> {
    fn of(&self, node: &str) -> String {
        if node.is_empty() { String::new() } else { (self.text)(node) }
    }

    fn needed(&mut self, nodes: &Nodes, switch: &'static str, without: &str) -> Option<Service> {
        let service = self.service(nodes);
        if service.is_none() {
            let message = format!("{} is missing or not usable: {without}", nodes.url);
            self.remarks.push((switch, FindingKind::BadValue, message));
        }
        service
    }

    fn call_through(&mut self) -> Option<CallThrough> {
        if self.of("cth_ws_enabled") == "1" {
            return self.needed(&CALL_THROUGH, "cth_ws_enabled", "there is no call-through").map(CallThrough::Asked);
        }
        let template = self.of(DIAL_STRING);
        // C-19: 0 is what other clients write when they mean nothing
        if template.is_empty() || template == "0" {
            let message = "cth_dialString is missing and cth_ws_enabled is 0: there is no call-through";
            self.remarks.push(("cth_enabled", FindingKind::BadValue, message.into()));
            return None;
        }
        if let Some(unknown) = never_known(&template, CALL_THROUGH.parameters) {
            let message = format!("{unknown} stands for nothing: there is no call-through");
            self.remarks.push((DIAL_STRING, FindingKind::BadValue, message));
            return None;
        }
        if !template.contains("%targetNumber%") {
            let message = "without %targetNumber% it calls the same number whatever is dialled";
            self.remarks.push((DIAL_STRING, FindingKind::Repaired, message.into()));
        }
        Some(CallThrough::Fixed(template))
    }

    fn service(&mut self, nodes: &Nodes) -> Option<Service> {
        let url = self.of(nodes.url);
        if url.is_empty() {
            return None;
        }
        let body = self.of(nodes.body);
        let method = self.method(nodes, !body.is_empty());
        let headers = self.headers(nodes);
        let username = self.of(nodes.username);
        let templates = [(nodes.url, &url), (nodes.body, &body), (nodes.username, &username)];
        for (node, template) in templates {
            if let Some(unknown) = never_known(template, nodes.parameters) {
                let message = format!("{unknown} stands for nothing: the {} cannot be asked", nodes.name);
                self.remarks.push((node, FindingKind::BadValue, message));
                return None;
            }
        }
        let secret = [&url, &body].into_iter().chain(headers.iter().map(|(_, value)| value));
        if secret.into_iter().any(|template| asks_for_secret(template)) && !template::keeps_secrets(&url) {
            let message = "passwords go out as *** over plain http: use https";
            self.remarks.push((nodes.url, FindingKind::Repaired, message.into()));
        }
        let content_type = match one_line(&self.of(nodes.content_type)) {
            given if given.is_empty() || !given.contains('/') => "application/x-www-form-urlencoded".to_owned(),
            given => given,
        };
        let timeout = self.of("webServiceTimeoutInSeconds").parse().map_or(crate::fetch::TIMEOUT, Duration::from_secs);
        Some(Service {
            name: nodes.name,
            url,
            method,
            content_type,
            body,
            headers,
            username,
            password: Secret::new(self.of(nodes.password)),
            timeout,
        })
    }

    fn method(&mut self, nodes: &Nodes, has_body: bool) -> &'static str {
        let usual = if has_body { "POST" } else { "GET" };
        let given = self.of(nodes.method);
        if given.is_empty() {
            return usual;
        }
        match ["GET", "POST", "PUT", "HEAD", "DELETE"].into_iter().find(|method| *method == given) {
            Some(method @ ("GET" | "HEAD")) => {
                if has_body {
                    let message = format!("{method} takes no body: {} is not sent", nodes.body);
                    self.remarks.push((nodes.method, FindingKind::Repaired, message));
                }
                method
            }
            Some(method) => method,
            None => usual,
        }
    }

    /// One a line; a line break may also be written as `\n`.
    fn headers(&mut self, nodes: &Nodes) -> Vec<(String, String)> {
        let text = self.of(nodes.headers).replace("\\n", "\n");
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let (name, value) = (name.trim(), one_line(value));
            let owned = [
                "host",
                "content-length",
                "transfer-encoding",
                "connection",
                "accept-encoding",
                "upgrade",
                "te",
                "trailer",
            ];
            let why = if !is_token(name) || value.is_empty() {
                Some("is not of the form Name: value".to_owned())
            } else if owned.contains(&name.to_ascii_lowercase().as_str()) {
                Some("is written by the phone itself".to_owned())
            } else if headers.len() >= MOST_HEADERS {
                Some(format!("is one more than {MOST_HEADERS}"))
            } else {
                never_known(&value, nodes.parameters).map(|unknown| format!("has {unknown}, which stands for nothing"))
            };
            match why {
                // a value may be a secret, so only its name is told
                Some(why) => {
                    let shown = schema::shown(&name.chars().take(40).collect::<String>());
                    self.remarks.push((nodes.headers, FindingKind::BadValue, format!("{shown} {why}: left out")));
                }
                None => headers.push((name.to_owned(), value)),
            }
        }
        headers
    }
}

/// `axml.ref.01`: `<dialActions><dialAction id="" title=""><rule>...</rule></dialAction></dialActions>`, the rules with or
/// without `<rewriting>` around them.
fn dial_actions(document: &Document, findings: &mut Vec<Finding>) -> Vec<Programmed> {
    let mut actions: Vec<Programmed> = Vec::new();
    let Some(list) = document.node("dialActions") else { return actions };
    for node in children(list, "dialActions", "dialAction", findings) {
        let id = one_line(node.attribute("id").unwrap_or_default());
        let taken = rules::DialAction::from_word(&id).is_some();
        if id.is_empty() || taken || actions.iter().any(|known| known.id == id) {
            let why = if id.is_empty() { "it needs an id" } else { "its id is the name of another action" };
            findings.push(find(node, "dialActions/dialAction", FindingKind::BadValue, format!("{why}: left out")));
            continue;
        }
        let title = node.attribute("title").or(node.attribute("name")).map(one_line);
        let title = title.filter(|title| !title.is_empty()).unwrap_or_else(|| id.clone());
        let rules = rules::read_rules(document, "dialActions", node, findings);
        actions.push(Programmed { id, title, rules });
    }
    actions
}

/// `axml.ref.02`: `<quickDial><item id="" key=""><displayName/><uri/></item></quickDial>`.
fn quick_dials(document: &Document, findings: &mut Vec<Finding>) -> Vec<QuickDial> {
    let Some(list) = document.node("quickDial") else { return Vec::new() };
    let row = schema::row("callbackNumber");
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for node in children(list, "quickDial", "item", findings) {
        if node.attribute("action").is_some_and(|action| action.trim() == "remove") {
            continue;
        }
        let mut wrong = |kind, message: String| findings.push(find(node, "quickDial/item", kind, message));
        let text = |name: &str| {
            let child = node.children.iter().find(|child| child.name == name).map(|child| child.text.as_str());
            one_line(child.or(node.attribute(name)).unwrap_or_default())
        };
        let uri = text("uri");
        // the same that a lamp key takes: a number, an extension or an address
        let uri = match row.map(|row| schema::read(row, &uri)) {
            Some(Ok(usable)) if !usable.value.is_empty() => usable.value,
            _ => {
                let message = format!("uri must be a {}: left out", schema::Kind::DialString.expected());
                wrong(FindingKind::BadValue, message);
                continue;
            }
        };
        let given = one_line(node.attribute("id").unwrap_or_default());
        let id = if given.is_empty() { uri.clone() } else { given };
        if !seen.insert(id.clone()) {
            wrong(FindingKind::Duplicate, "an id that was there before: left out".into());
            continue;
        }
        if !text("portraitUrl").is_empty() {
            wrong(FindingKind::NotApplicable, "portraitUrl: the phone shows no pictures".into());
        }
        let key = node.attribute("key").map(str::trim).filter(|key| !key.is_empty());
        let number = key.and_then(|key| key.parse::<u8>().ok()).filter(|key| *key > 0);
        if key.is_some() && number.is_none() {
            wrong(FindingKind::BadValue, "key must be 1 to 255: a free key is taken".into());
        }
        let name = Some(text("displayName")).filter(|name| !name.is_empty()).unwrap_or_else(|| uri.clone());
        items.push(QuickDial { id, name, uri, key: number });
    }
    items
}

fn children<'n>(list: &'n Node, path: &str, wanted: &str, findings: &mut Vec<Finding>) -> Vec<&'n Node> {
    if !list.text.trim().is_empty() {
        let message = format!("text outside of <{wanted}> has no effect");
        findings.push(find(list, path, FindingKind::BadValue, message));
    }
    let mut kept = Vec::new();
    for child in &list.children {
        let path = format!("{path}/{}", child.name);
        if child.name != wanted {
            findings.push(find(child, &path, FindingKind::Unknown, "not known, kept"));
        } else if kept.len() < MOST {
            kept.push(child);
        } else {
            let message = format!("more than {MOST}: this one and what follows is not used");
            findings.push(find(child, &path, FindingKind::BadValue, message));
            break;
        }
    }
    kept
}

fn find(node: &Node, path: &str, kind: FindingKind, message: impl Into<String>) -> Finding {
    Finding { line: node.line, column: node.column, node: path.to_owned(), kind, message: message.into() }
}
