//! Accounts as one Account XML without secrets, to be looked at, compared, or used as a template for another phone.
//!
//! A secret is left out, not masked: a document with `***` for a password would be accepted somewhere. What was left
//! out stands in a comment, so that whoever uses the document knows what to put in. Placeholders (`%account[password]%`)
//! are no secrets and stay.

use crate::document::{Document, Node};
use crate::schema::{self, Kind};
use crate::xml;
use std::collections::BTreeSet;

/// `<account>`, or `<accounts>` if there are several. Nodes keep their order and their `priority`, `source` and
/// `operation`.
pub fn export<'d>(accounts: impl IntoIterator<Item = &'d Document>) -> String {
    let written: Vec<String> = accounts.into_iter().map(account).collect();
    join(written.iter().map(String::as_str))
}

/// One document of several [`account`]s.
pub fn join<'a>(accounts: impl IntoIterator<Item = &'a str>) -> String {
    let written: Vec<&str> = accounts.into_iter().collect();
    let body = match written.as_slice() {
        [only] => (*only).to_owned(),
        several => format!("<accounts>\n{}</accounts>\n", several.concat()),
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}")
}

/// One `<account>`; a comment in it says where secrets were left out.
pub fn account(document: &Document) -> String {
    let mut left_out = BTreeSet::new();
    let mut body = String::new();
    for node in &document.nodes {
        if let Some(node) = without(node, &node.name, &mut left_out) {
            xml::write_node(&mut body, &node, 1);
        }
    }
    let comment = match left_out.is_empty() {
        true => String::new(),
        // A name cannot have two hyphens in a comment (XML 1.0 section 2.5).
        false => format!(
            "  <!-- Secrets are left out of: {}. -->\n",
            left_out.into_iter().collect::<Vec<_>>().join(", ").replace("--", "- -")
        ),
    };
    format!("<account>\n{comment}{body}</account>\n")
}

/// The node without its secrets, or nothing if it is one.
fn without(node: &Node, path: &str, left_out: &mut BTreeSet<String>) -> Option<Node> {
    if schema::is_secret(&node.name) {
        // An empty one says something: the server asks for none.
        let empty = node.text.trim().is_empty() && node.children.is_empty();
        if !empty {
            left_out.insert(path.to_owned());
            return None;
        }
    }
    let mut copy = node.clone();
    copy.attributes.retain(|(name, value)| {
        let secret = schema::is_secret(name) && !value.is_empty();
        if secret {
            left_out.insert(format!("{path}@{name}"));
        }
        !secret
    });
    copy.children =
        node.children.iter().filter_map(|child| without(child, &format!("{path}/{}", child.name), left_out)).collect();
    let lower = node.name.to_ascii_lowercase();
    let url = schema::row(&node.name).is_some_and(|row| row.kind == Kind::Url) || node.text.contains("://");
    let bare = if lower.ends_with("customheaders") {
        headers(&node.text)
    } else if lower.ends_with("postdata") {
        parameters(&node.text)
    } else if url {
        url_without(&node.text)
    } else {
        node.text.clone()
    };
    if bare != node.text {
        left_out.insert(path.to_owned());
        copy.text = bare;
    }
    // A header that carries credentials by its name.
    let names_secret = |name: &str| name.eq_ignore_ascii_case("authorization") || schema::is_secret(name);
    if node.attribute("name").is_some_and(names_secret)
        && copy.attributes.iter().any(|(name, value)| name == "value" && !is_placeholder(value))
    {
        left_out.insert(path.to_owned());
        return None;
    }
    Some(copy)
}

/// Without the user part's password, and without the values of parameters that are named like secrets.
fn url_without(url: &str) -> String {
    let (before, query) = match url.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (url, None),
    };
    let mut out = match before.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let authority = match authority.rsplit_once('@') {
                Some((user, host)) => match user.split_once(':') {
                    Some((user, password)) if !is_placeholder(password) => format!("{user}@{host}"),
                    _ => authority.to_owned(),
                },
                None => authority.to_owned(),
            };
            format!("{scheme}://{authority}{path}")
        }
        None => before.to_owned(),
    };
    if let Some(query) = query {
        out.push('?');
        out.push_str(&parameters(query));
    }
    out
}

/// `a=1&token=2` without the 2.
fn parameters(text: &str) -> String {
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if sounds_secret(name) && !is_placeholder(value) => format!("{name}="),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

/// Header lines without those that carry credentials.
fn headers(text: &str) -> String {
    let keeps = |line: &&str| match line.split_once(':') {
        Some((name, value)) => !sounds_secret(name.trim()) || is_placeholder(value.trim()),
        None => true,
    };
    text.split('\n').filter(keeps).collect::<Vec<_>>().join("\n")
}

/// Names of parameters and headers are shorter than those of nodes.
fn sounds_secret(name: &str) -> bool {
    let short = ["authorization", "cookie", "p", "pw", "key", "code", "auth", "x-api-key", "sig", "signature"];
    short.iter().any(|word| word.eq_ignore_ascii_case(name)) || schema::is_secret(name)
}

fn is_placeholder(value: &str) -> bool {
    value.is_empty() || (value.starts_with('%') && value.ends_with('%') && value.len() > 2) || value == "***"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(nodes: &str) -> Document {
        let text = format!("<account><username>u</username><host>h</host><password>geheim</password>{nodes}</account>");
        Document::parse(text.as_bytes()).unwrap().0
    }

    #[test]
    fn no_secret_is_exported_and_everything_else_is() {
        let document = document(
            "<extProvUrl priority=\"50\">https://ann:geheim@h/p?u=%account[username]%&amp;p=%account[password]%&amp;token=geheim&amp;b=1</extProvUrl>\
             <cardDavPassword>geheim</cardDavPassword><wcb_postData>user=u&amp;key=geheim</wcb_postData>\
             <wcb_customHeaders>X-Name: u\nAuthorization: Basic geheim</wcb_customHeaders>\
             <headers><header name=\"X-Auth-Token\" value=\"geheim\"/><header name=\"X-Room\" value=\"12\"/></headers>\
             <apiPass>geheim</apiPass><ownKeys><secret>geheim</secret><label>L</label></ownKeys>\
             <other token=\"geheim\">text</other><portal>http://u:geheim@h/</portal><STUNPassword/>",
        );
        let text = export([&document]);
        assert!(!text.contains("geheim"), "{text}");
        for kept in [
            "<extProvUrl priority=\"50\">https://ann@h/p?u=%account[username]%&amp;p=%account[password]%&amp;token=&amp;b=1</extProvUrl>",
            "<wcb_postData>user=u&amp;key=</wcb_postData>",
            "<wcb_customHeaders>X-Name: u</wcb_customHeaders>",
            "<header name=\"X-Room\" value=\"12\"/>",
            "<label>L</label>",
            "<other>text</other>",
            "<STUNPassword/>",
            "Secrets are left out of: apiPass, cardDavPassword, extProvUrl, headers/header, other@token, ownKeys/secret, \
             password, portal, wcb_customHeaders, wcb_postData. -->",
        ] {
            assert!(text.contains(kept), "{kept} is not in {text}");
        }
    }

    #[test]
    fn with_its_secrets_put_back_the_export_is_the_same_account() {
        let account =
            document("<expires>120</expires><blf><uri label=\"&lt;B&gt;\">102</uri></blf><future><x>1</x></future>");
        let text = export([&account]);
        // Without its password nobody takes it for an account.
        assert!(Document::parse(text.as_bytes()).unwrap_err().reason.contains("password"));
        let whole = text.replace("</account>", "<password>geheim</password></account>");
        let again = Document::parse(whole.as_bytes()).unwrap().0;
        assert_eq!(crate::Settings::of(&again).0, crate::Settings::of(&account).0);
        let several = export([&account, &account]);
        assert_eq!(several.matches("<account>").count(), 2);
        assert!(several.contains("<accounts>") && !several.contains("geheim"));
    }
}
