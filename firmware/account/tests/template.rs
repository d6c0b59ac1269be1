//! Placeholders in URLs: what they stand for, how they are encoded, and where a password may go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{
    Document,
    template::{Device, UnknownPlaceholder, expand_url, keeps_secrets, without_secrets},
};

fn device() -> Device {
    Device { mac: "0a1b2c3d4e5f".into(), model: "rpi4 handset".into(), serial: "S/1".into(), version: "0.1.0".into() }
}

fn account() -> Document {
    let text = "<account><username>jö&amp;e</username><password>p w/#</password><host>pbx.example.net:5070</host>\
                <apiUser>ann</apiUser><apiPass>t0p</apiPass><empty/></account>";
    Document::parse(text.as_bytes()).unwrap().0
}

fn expand(template: &str) -> Result<String, UnknownPlaceholder> {
    expand_url(template, &device(), Some(&account()), false)
}

/// Covers: feat.90
#[test]
fn device_and_account_are_filled_in_and_encoded() {
    assert_eq!(
        expand("https://h/{mac}/{model}/{serial}?v={version}&u=%account[username]%&x=%username%").unwrap(),
        "https://h/0a1b2c3d4e5f/rpi4%20handset/S%2F1?v=0.1.0&u=j%C3%B6%26e&x=j%C3%B6%26e"
    );
    assert_eq!(
        expand("https://h/?a=%account[apiUser]%&t=%account[transport]%&e=%account[empty]%").unwrap(),
        "https://h/?a=ann&t=udp&e="
    );
    assert_eq!(expand("http://%account[host]%/p").unwrap(), "http://pbx.example.net:5070/p");
}

/// Covers: axml.cred.04, axml.cred.05
#[test]
fn the_portal_login_is_there_for_urls() {
    let text = "<account><username>u</username><password>p</password><host>h</host>\
                <cloud_username>ann@company.org</cloud_username><cloud_password>s2</cloud_password></account>";
    let account = Document::parse(text.as_bytes()).unwrap().0;
    let url = expand_url("https://h/?u=%account[cloud_username]%&p=%cloud_password%", &device(), Some(&account), false);
    assert_eq!(url.unwrap(), "https://h/?u=ann%40company.org&p=s2");
}

#[test]
fn escapes_and_lonely_signs_stay_themselves() {
    for url in ["https://h/%41%c3%a9?x=%20%2F%20", "https://h/100%", "https://h/{}/{a b}/%%", "https://h/%zz"] {
        assert_eq!(expand(url).unwrap(), url);
    }
}

#[test]
fn an_unknown_placeholder_is_named_with_its_place() {
    assert_eq!(expand("https://h/{imei}"), Err(UnknownPlaceholder { name: "{imei}".into(), at: 10 }));
    assert_eq!(expand("https://h/?n=%targetNumber%").unwrap_err().name, "%targetNumber%");
    assert_eq!(expand("https://h/?n=%account[nobody]%").unwrap_err().name, "%account[nobody]%");
    assert_eq!(expand_url("https://h/%username%", &device(), None, false).unwrap_err().name, "%username%");
}

#[test]
fn a_password_goes_only_where_it_is_safe() {
    let secret = "?p=%account[password]%&q=%password%&r=%account[apiPass]%";
    let told = "?p=p%20w%2F%23&q=p%20w%2F%23&r=t0p";
    for safe in [
        "https://h/",
        "HTTPS://h/",
        "http://127.0.0.1:8080/",
        "http://localhost/",
        "http://[::1]:80/",
        "http://127.8.9.1/",
    ] {
        assert_eq!(expand(&format!("{safe}{secret}")).unwrap(), format!("{safe}{told}"));
    }
    for open in [
        "http://pbx/",
        "http://127.0.0.1@evil/",
        "http://localhost.evil/",
        "http://evil/?127.0.0.1/",
        "http://10.0.0.1/",
        "http://u:p@evil:80/",
        "ftp://127.0.0.1/",
        "http://evil#@127.0.0.1/",
        "http://evil\\@127.0.0.1/",
    ] {
        let url = expand(&format!("{open}{secret}")).unwrap();
        assert!(url.ends_with("?p=***&q=***&r=***"), "{url}");
        let forced = expand_url(&format!("{open}{secret}"), &device(), Some(&account()), true).unwrap();
        assert!(forced.ends_with(told), "{forced}");
    }
}

#[test]
fn urls_in_logs_have_no_secrets() {
    assert_eq!(without_secrets("https://u:p@h:8443/a/b?t=abc&x#f"), "https://h:8443/a/b?t=***&***");
    assert_eq!(
        without_secrets("http://h/provision/4f6c2b9d1e8a7053c1d2/0a1b2c3d4e5f.xml"),
        "http://h/provision/***/0a1b2c3d4e5f.xml"
    );
    assert_eq!(without_secrets("nonsense"), "nonsense");
    assert!(!keeps_secrets("http://h/") && keeps_secrets("https://h/"));
}
