//! Placeholders in URLs: what they stand for, how they are encoded, and where a password may go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{
    Document,
    template::{Device, UnknownPlaceholder, Values, expand_text, expand_url, keeps_secrets, without_secrets},
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
    expand_url(template, Values::new(&device(), Some(&account())), false)
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
    let url = expand_url(
        "https://h/?u=%account[cloud_username]%&p=%cloud_password%",
        Values::new(&device(), Some(&account)),
        false,
    );
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
    assert_eq!(expand_url("https://h/%username%", Values::new(&device(), None), false).unwrap_err().name, "%username%");
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
        let forced = expand_url(&format!("{open}{secret}"), Values::new(&device(), Some(&account())), true).unwrap();
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

/// Covers: axml.root.06
#[test]
fn a_nonce_and_a_hash_over_it_prove_a_password_that_is_not_sent() {
    let (device, account) = (device(), account());
    let values = Values::new(&device, Some(&account)).with_nonce(0x1f);
    let expand = |template: &str| expand_url(template, values, false);
    // of "abc", FIPS 180-4
    assert_eq!(expand("https://h/%sha1(abc)%").unwrap(), "https://h/a9993e364706816aba3e25717850c26c9cd0d89d");
    // of "jö&ep w/#000000000000001f": values stand in it as they are
    assert_eq!(
        expand("https://h/?n=%nonce%&h=%sha1(%username%%account[password]%%nonce%)%").unwrap(),
        "https://h/?n=000000000000001f&h=fb53f578419b04297619f34e3fc4921cfd67888d"
    );
    assert_eq!(
        expand("http://h/?n=%nonce%&h=%sha1(%password%%nonce%)%").unwrap(),
        "http://h/?n=000000000000001f&h=***"
    );
    // of the 40 digits for "abc", in a text of its own
    assert_eq!(
        expand("https://h/%sha1(%sha1(abc)%)%)%").unwrap(),
        "https://h/9ef2bdeea2b1bae79b9ddb930427d0b2c880bdac)%"
    );
    let within = UnknownPlaceholder { name: "%account[nobody]%".into(), at: 10 };
    assert_eq!(expand("https://h/%sha1(a%account[nobody]%)%"), Err(within.clone()));
    assert_eq!(expand("http://h/a%sha1(a%account[nobody]%)%"), Err(within), "whatever is secret in it");
    for itself in ["https://h/%sha1(abc", "https://h/%sha1(abc)", "https://h/sha1(abc)%"] {
        assert_eq!(expand(itself).unwrap(), itself);
    }
    let deep = "%sha1(".repeat(5000) + &")%".repeat(5000);
    assert!(expand(&format!("https://h/{deep}")).is_ok(), "and no stack is the worse for it");
    assert_eq!(expand_url("https://h/%nonce%", Values::new(&device, None), false).unwrap_err().name, "%nonce%");
}

#[test]
fn a_header_may_have_a_hash_of_what_is_no_secret() {
    let text = expand_text("%sha1(abc)% %sha1(%username%)% %sha1(%password%)% %nonce%", &account());
    assert_eq!(
        text,
        "a9993e364706816aba3e25717850c26c9cd0d89d c442039475aa3fe798a7693dda20df9693f93473 %sha1(%password%)% %nonce%"
    );
}
