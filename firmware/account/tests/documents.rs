//! Whole documents: every node of the table, the reference's own samples, and what is found in the wild.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{
    Document, Rejection, Settings,
    document::{Finding, FindingKind, Node},
    report,
    schema::{self, Effect, Kind},
};

const LEAST: &str =
    "<title>T</title><username>1001</username><password>s3cret-PW</password><host>pbx.example.net</host>";

fn parse(nodes: &str) -> Result<(Document, Vec<Finding>), Rejection> {
    Document::parse(format!("<account>{LEAST}{nodes}</account>").as_bytes())
}

fn good(nodes: &str) -> (Document, Vec<Finding>) {
    parse(nodes).unwrap_or_else(|rejection| panic!("{rejection}: {nodes}"))
}

fn refused(text: &str) -> Rejection {
    Document::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("accepted: {text}"))
}

/// A usable value that is not the default where the row allows one.
fn sample(row: &schema::Row) -> String {
    match row.kind {
        Kind::Text if row.node.to_ascii_lowercase().ends_with("customheaders") => "X-Name: some text".into(),
        Kind::Text => "some text".into(),
        Kind::Secret => "geheim".into(),
        Kind::Bool => if row.default == "1" { "0" } else { "1" }.into(),
        Kind::Integer { max, .. } => max.to_string(),
        Kind::Choice(choices) => choices.iter().rev().find(|c| !c.is_empty()).unwrap().to_string(),
        Kind::List(items) => items.last().unwrap().to_string(),
        Kind::HostPort => "other.example.net:5070".into(),
        Kind::Url => "https://example.net/x?u=%account[username]%".into(),
        Kind::DialString => "*97".into(),
        Kind::Tone => "silence(100)".into(),
        Kind::Container => String::new(),
    }
}

/// Rows that can stand as a node of their own below the account.
fn nodes() -> impl Iterator<Item = &'static schema::Row> {
    let own = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    schema::rows().iter().filter(move |row| own(row.node) && !["account", "accounts"].contains(&row.node))
}

/// Covers: axml.root.01, axml.cred.06, axml.sipis.01, axml.sipis.02, axml.sipis.03, axml.voicemail.03, axml.video.01,
/// axml.video.02, axml.video.03, axml.video.04, axml.video.05, axml.video.06, axml.video.07, axml.video.08,
/// axml.video.09, axml.video.10, axml.video.11, axml.video.12, axml.video.13, axml.video.14, axml.video.15,
/// axml.inc.01, axml.inc.03, axml.inc.04, axml.push.01, axml.push.02, axml.push.03, axml.push.04, axml.push.05,
/// axml.desk.01, axml.desk.02, axml.conf.01
///
/// Accepts: axml.cred.14, axml.nat.01, axml.nat.02, axml.nat.03, axml.nat.04, axml.nat.05, axml.nat.06, axml.nat.07,
/// axml.sec.01, axml.sec.02, axml.sec.03, axml.sec.04, axml.sec.05, axml.sec.06
#[test]
fn every_node_is_kept_given_back_and_reported_by_name() {
    let mut text = String::from("<account>");
    let mut count = 0;
    for row in nodes() {
        text.push_str(&format!("<{0} note=\"&quot;1&quot;\">{1}</{0}>", row.node, sample(row)));
        count += 1;
    }
    text.push_str("</account>");
    let text = text.replace("<username note=\"&quot;1&quot;\">some text<", "<username note=\"&quot;1&quot;\">1001<");
    assert!(count > 150, "{count}");
    let (document, findings) = Document::parse(text.as_bytes()).unwrap();
    for row in nodes() {
        let node = document.node(row.node).unwrap();
        assert_eq!(node.attribute("note"), Some("\"1\""), "{}", row.node);
        let told = |kind| findings.iter().any(|f| f.node == row.node && f.kind == kind);
        match row.effect {
            Effect::Acts => {}
            Effect::NotYet => assert!(told(FindingKind::NotYet), "{}", row.node),
            Effect::NotApplicable => assert!(told(FindingKind::NotApplicable), "{}", row.node),
        }
        let bad = findings.iter().find(|f| f.node == row.node && f.kind == FindingKind::BadValue);
        let single_opus_key = row.node.starts_with("opusOptions") && !row.node.ends_with(".class");
        let expected_bad = single_opus_key
            || ["codecOrder", "codecOrder3G", "rtpPortRangeStart", "rtpPortRangeEnd"].contains(&row.node)
            || ["extProvPins", "trustedAuthorities", "clientCertificate", "clientKey"].contains(&row.node);
        assert!(bad.is_none() || expected_bad, "{bad:?}");
    }
    let (again, _) = Document::parse(document.to_xml().as_bytes()).unwrap();
    assert!(document.nodes.iter().zip(&again.nodes).all(|(a, b)| a.same(b)));
    assert_eq!(document.nodes.len(), again.nodes.len());

    let told = report(&document, &findings);
    for row in nodes() {
        assert!(told.contains(row.node), "{}", row.node);
    }
    for secret in ["geheim", "s3cret"] {
        assert!(!told.contains(secret) && !format!("{document:?} {findings:?}").contains(secret));
    }
    assert!(!document.without_secrets().to_xml().contains("geheim"));
}

#[test]
fn every_node_with_a_type_refuses_nonsense_and_says_its_name() {
    for row in nodes().filter(|row| !["username", "host", "password"].contains(&row.node)) {
        let nonsense = match row.kind {
            Kind::Text | Kind::Secret | Kind::Container => continue,
            _ => "<<no thing>>",
        };
        let text = format!("<{0}>{1}</{0}>", row.node, nonsense.replace('<', "&lt;"));
        let (document, findings) = good(&text);
        let told = findings.iter().any(|f| f.node == row.node && f.kind == FindingKind::BadValue && f.line == 1);
        assert!(told, "{}: {findings:?}", row.node);
        let (plain, _) = Settings::of(&good("").0);
        assert_eq!(Settings::of(&document).0, plain, "{}", row.node);
    }
}

/// Covers: axml.root.07
#[test]
fn unknown_nodes_are_kept_whole_and_named_once() {
    let (document, findings) = good(
        "<apiUser>ann</apiUser><future a=\"1\" b=\"&lt;\"><x>1<y/></x><x>2</x></future><CALLWAITING>0</CALLWAITING>",
    );
    let unknown: Vec<&Finding> = findings.iter().filter(|f| f.kind == FindingKind::Unknown).collect();
    assert_eq!(unknown.len(), 3);
    assert!(unknown[2].message.contains("callWaiting"));
    assert_eq!(document.value("apiUser"), Some("ann"));
    let future = document.node("future").unwrap();
    assert_eq!((future.children.len(), future.attribute("b")), (2, Some("<")));
    let again = Document::parse(document.to_xml().as_bytes()).unwrap().0;
    assert!(again.node("future").unwrap().same(future));
}

#[test]
fn the_first_of_two_equal_nodes_counts() {
    let (document, findings) = good("<expires>60</expires><expires>90</expires>");
    assert_eq!(document.value("expires"), Some("60"));
    let duplicate = findings.iter().find(|f| f.kind == FindingKind::Duplicate).unwrap();
    assert_eq!((duplicate.node.as_str(), duplicate.message.contains("line 1")), ("expires", true));
}

#[test]
fn a_bare_ampersand_is_repaired_and_told() {
    let (document, findings) = good("<extProvUrl>https://h/p?a=1&b=2;c&d=%account[username]%</extProvUrl>");
    assert_eq!(document.value("extProvUrl"), Some("https://h/p?a=1&b=2;c&d=%account[username]%"));
    let repaired = findings.iter().find(|f| f.kind == FindingKind::Repaired).unwrap();
    assert_eq!(repaired.node, "extProvUrl");
    assert!(repaired.column > 100);
    let (document, findings) = good("<blf><uri label=\"R&D\">1</uri></blf>");
    assert_eq!(document.node("blf").unwrap().children[0].attribute("label"), Some("R&D"));
    assert!(findings.iter().any(|f| f.kind == FindingKind::Repaired && f.node == "uri"));
    assert!(document.to_xml().contains("R&amp;D"));
    // An entity that somebody would have to define is something else.
    assert!(parse("<userDisplayName>&copy;</userDisplayName>").is_err());
}

#[test]
fn samples_of_the_reference_that_are_well_formed_are_accepted() {
    for text in [
        "<blf><uri>1001</uri><uri>1002</uri><uri>5000</uri></blf>",
        "<headers><header method=\"INVITE\" name=\"X-CustomHeader\" value=\"value\"/><header method=\"*\" name=\"X-OtherHeader\" value=\"12345\"/></headers>",
        "<doNotDisturb gmtOffsetInMinutes=\"60\"><dndEntry><from>08:00</from><to>10:00</to><weekdays>31</weekdays><contacts><contactInfo name=\"+1 (222) 333-4455\" phone=\"+12223334455\" identifier=\"\" source=\"\"/></contacts></dndEntry></doNotDisturb>",
        "<rewriting><rule><conditions><condition type=\"doesntStartWith\" param=\"+\"/><condition type=\"longerThan\" param=\"8\"/></conditions><actions><action type=\"prepend\" param=\"+420\"/></actions></rule></rewriting>",
        "<transport>tls+sip:</transport><cth_dialString>+1555123456,%targetNumber%</cth_dialString>",
        "<extProvUrl>https://my.server.com/prov.php?u=%account[username]%&p=%account[password]%</extProvUrl>",
        "<cardDavPrincipalUrl>somecarddavurl.com</cardDavPrincipalUrl><proxy>proxy.example.com:5061</proxy>",
        "<natTraversal>stun</natTraversal><iceDefaultCandidateOrder>relay,srflx,host</iceDefaultCandidateOrder>",
    ] {
        let (document, findings) = good(text);
        assert!(!findings.iter().any(|f| f.kind == FindingKind::BadValue), "{text}: {findings:?}");
        let again = Document::parse(document.to_xml().as_bytes()).unwrap().0;
        assert!(document.nodes.iter().zip(&again.nodes).all(|(a, b)| a.same(b)), "{text}");
    }
    let whole = "<account>\n<username>xxx</username>\n<password>secret</password>\n<host>1.2.3.4</host>\n<codecOrder>9,0,8,102,3</codecOrder>\n<codecOrder3G>102,3,9,0,8</codecOrder3G>\n</account>";
    assert!(Document::parse(whole.as_bytes()).is_ok());
}

#[test]
fn the_unclosed_port_sample_is_refused_with_its_place() {
    let rejection =
        parse("\n<rtpPortRangeStart>10000<rtpPortRangeStart>\n<rtpPortRangeEnd>65530<rtpPortRangeEnd>\n").unwrap_err();
    assert_eq!(rejection.line, 4);
    assert!(rejection.reason.contains("rtpPortRangeEnd"), "{rejection}");
}

#[test]
fn a_server_that_says_no_is_quoted() {
    for (text, said) in [
        ("<response><error>1</error><message>Account locked</message></response>", "Account locked"),
        ("<error><message>Wrong code</message></error>", "Wrong code"),
        ("<message>Come back later</message>", "Come back later"),
        ("<response><error>17</error></response>", "17"),
    ] {
        assert!(refused(text).reason.contains(said), "{text}");
    }
    assert!(refused("<html><body>login</body></html>").reason.contains("web page"));
}

#[test]
fn what_is_no_single_account_is_refused() {
    for text in [
        "",
        "   \n",
        "hello",
        "<account/>",
        "<account><username>u</username><host>h</host></account>",
        "<account><username>a b</username><host>h</host><password>p</password></account>",
        "<account><username>u</username><host>h</host><password>p&#10;q</password></account>",
        "<account><username><b>u</b></username><host>h</host><password>p</password></account>",
        "<accounts/>",
        "<account><username>u</username></account><!-- --><x/>",
        "x<account/>",
        "<account><!-- open</account>",
        "<account><![CDATA[ open</account>",
        "<account a=1/>",
        "<account a=\"<\"/>",
        "<account><1/></account>",
        "<?xml version=\"1.0\" encoding=\"EBCDIC\"?><account/>",
    ] {
        assert!(!refused(text).reason.is_empty());
    }
}

fn numbered(username: &str, attributes: &str) -> String {
    format!("<account{attributes}><username>{username}</username><password>p</password><host>pbx</host></account>")
}

#[test]
fn who_asks_for_one_account_gets_the_first_of_several_and_a_note() {
    let text = format!("<accounts>{}\n{}</accounts>", numbered("1001", ""), numbered("1002", ""));
    let (document, findings) = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(document.value("username"), Some("1001"));
    let note = findings.iter().find(|f| f.kind == FindingKind::NotYet).unwrap();
    assert_eq!((note.node.as_str(), note.line), ("account", 2));
}

/// Covers: axml.root.02
#[test]
fn every_account_of_a_document_is_read_with_its_own_findings() {
    let text = format!(
        "<accounts>{}\n<account id=\" b \"><username>1002</username><password>p</password><host>h</host>\n\
         <expires>never</expires><title>a & b</title></account>\n{}\n{}</accounts>",
        numbered("1001", ""),
        numbered("1001", ""),
        numbered("1003", ""),
    );
    let accounts = Document::parse_all(text.as_bytes()).unwrap();
    let names: Vec<_> = accounts.iter().map(|account| account.document.value("username").unwrap()).collect();
    assert_eq!(names, ["1001", "1002", "1003"]);
    assert_eq!((accounts[1].id.as_deref(), accounts[1].line), (Some("b"), 2));
    // a title is made up for them, which is a finding without a place
    let kinds = |at: usize| {
        let placed = accounts[at].findings.iter().filter(|f| f.line > 0);
        placed.map(|f| (f.line, f.kind)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(0), [(4, FindingKind::Duplicate)]);
    assert_eq!(kinds(1), [(3, FindingKind::BadValue), (3, FindingKind::Repaired)]);
    assert_eq!(kinds(2), []);
    assert_eq!(Document::parse_all(numbered("7", "").as_bytes()).unwrap().len(), 1);
}

/// Covers: axml.root.02
#[test]
fn one_account_that_is_unusable_refuses_them_all_at_its_place() {
    let text = format!("<accounts>{}\n<account><username>x</username></account></accounts>", numbered("1", ""));
    let rejection = Document::parse_all(text.as_bytes()).unwrap_err();
    assert_eq!((rejection.line, rejection.reason.as_str()), (2, "<host> is missing"));
    let many: String = (0..65).map(|n| numbered(&n.to_string(), "")).collect();
    let rejection = Document::parse_all(format!("<accounts>{many}</accounts>").as_bytes()).unwrap_err();
    assert!(rejection.reason.contains("more than 64"), "{rejection}");
}

#[test]
fn values_for_any_account_need_no_credentials() {
    let (document, findings) =
        Document::parse_values(b"<account>\n<expires>x</expires><ptime>30</ptime></account>").unwrap();
    assert_eq!(document.value("ptime"), Some("30"));
    assert_eq!(findings.iter().map(|f| (f.line, f.node.as_str())).collect::<Vec<_>>(), [(2, "expires")]);
    assert!(Document::parse_values(b"<accounts/>").is_err());
}

#[test]
fn limits_are_named_when_they_are_passed() {
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    assert!(parse(&deep).unwrap_err().reason.contains("limit of 32"));
    assert!(parse(&"<a/>".repeat(20_000)).unwrap_err().reason.contains("limit of 10000"));
    let attributes: String = (0..100).map(|i| format!(" a{i}=\"\"")).collect();
    assert!(parse(&format!("<x{attributes}/>")).unwrap_err().reason.contains("limit of 32"));
    assert!(parse(&format!("<title2>{}</title2>", "x".repeat(65_537))).unwrap_err().reason.contains("limit of 65536"));
    assert!(parse(&format!("<x a=\"{}\"/>", "x".repeat(65_537))).unwrap_err().reason.contains("limit of 65536"));
}

#[test]
fn utf16_in_both_orders_is_read_and_half_a_unit_refused() {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?><account>{LEAST}</account>");
    for (mark, bytes) in [
        ([0xfe, 0xff], text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>()),
        ([0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ] {
        let whole: Vec<u8> = mark.into_iter().chain(bytes).collect();
        assert_eq!(Document::parse(&whole).unwrap().0.value("username"), Some("1001"));
        assert!(Document::parse(&whole[..whole.len() - 1]).is_err());
    }
}

#[test]
fn a_blank_line_before_the_declaration_is_forgiven() {
    let text = format!("\n<?xml version=\"1.0\"?><account>{LEAST}</account>");
    let (_, findings) = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(findings.iter().filter(|f| f.kind == FindingKind::Repaired).count(), 1);
    assert!(Document::parse(format!("<account>{LEAST}<?xml version=\"1.0\"?></account>").as_bytes()).is_err());
}

#[test]
fn values_set_by_hand_are_written_and_read_again() {
    let (mut document, _) = good("<expires>60</expires>");
    document.set("expires", "90");
    document.set("userDisplayName", "A & B <\"x\">\r\n");
    document.set("no name", "x");
    let again = Document::parse(document.to_xml().as_bytes()).unwrap().0;
    assert_eq!(again.value("expires"), Some("90"));
    assert_eq!(again.node("userDisplayName").unwrap().text, "A & B <\"x\">\r\n");
    assert_eq!(again.nodes.len(), document.nodes.len());
}

#[test]
fn positions_count_characters_from_one() {
    let text = format!("<account>\n{LEAST}\n  <é/><expires>x</expires></account>");
    let (document, findings) = Document::parse(text.as_bytes()).unwrap();
    let node: &Node = document.node("expires").unwrap();
    assert_eq!((node.line, node.column), (3, 7));
    assert!(findings.iter().any(|f| f.node == "expires" && (f.line, f.column) == (3, 7)));
}
