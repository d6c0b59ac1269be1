//! From nodes to settings: one test per chapter of the reference, the defaults, and what the reference leaves open.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{
    Document, Settings,
    document::{Finding, FindingKind},
    settings::*,
};
use std::time::Duration;

fn document(nodes: &str) -> Document {
    let text = format!(
        "<account><title>T</title><username>1001</username><password>s3cret-PW</password>\
         <host>pbx.example.net</host>{nodes}</account>"
    );
    Document::parse(text.as_bytes()).unwrap_or_else(|rejection| panic!("{rejection}: {text}")).0
}

fn read(nodes: &str) -> (Settings, Vec<Finding>) {
    Settings::of(&document(nodes))
}

fn settings(nodes: &str) -> Settings {
    read(nodes).0
}

fn kinds(findings: &[Finding], node: &str) -> Vec<FindingKind> {
    findings.iter().filter(|f| f.node == node).map(|f| f.kind).collect()
}

#[test]
fn an_account_with_the_least_has_every_default() {
    let (least, findings) = read("");
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(least.auth_username, "1001");
    assert_eq!(least.transport, Transport::Udp);
    assert_eq!((least.expires, least.subscription_expires), (600, 300));
    assert_eq!(least.codec_order, [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma]);
    assert_eq!((least.ptime, least.force_ptime), (20, false));
    assert!(least.honor_their_codec_list && least.call_waiting && least.send_audio_back);
    assert!(least.only_known_sources && least.dtmf_only_8k && !least.dtmf_all && !least.dtmf_8k_units);
    assert_eq!(least.dtmf_order, [DtmfMethod::Rfc2833, DtmfMethod::Info, DtmfMethod::Audio]);
    assert_eq!((least.contact_ip, least.listening_port), (ContactIp::Internal, ListeningPort::Stable));
    assert_eq!(least.rtp_ports, (10_000, 65_535));
    assert_eq!(least.incoming, IncomingMode::Auto);
    assert_eq!(
        least.remote_contact,
        [IdentitySource::Pai, IdentitySource::From, IdentitySource::Rpid, IdentitySource::Ppi]
    );
    for absent in [&least.proxy, &least.voicemail_number, &least.forced_contact, &least.forwarding, &least.ext_prov_url]
    {
        assert_eq!(*absent, None);
    }
    assert_eq!((least.keep_alive, least.auto_answer, least.ext_prov_interval), (None, None, None));
    assert!(least.outbound_proxy.is_none() && least.blf.is_empty() && least.headers.is_empty());
}

#[test]
fn reading_nothing_at_all_still_gives_settings() {
    let (empty, findings) = Settings::of(&Document::default());
    assert_eq!((empty.username.as_str(), empty.expires), ("", 600));
    assert_eq!(kinds(&findings, "username"), [FindingKind::BadValue]);
    assert_eq!(kinds(&findings, "host"), [FindingKind::BadValue]);
}

/// Covers: axml.cred.02, axml.cred.03, axml.cred.08
#[test]
fn credentials_are_taken_as_they_are_and_the_digest_user_can_differ() {
    let given = settings("<authUsername>auth</authUsername>");
    assert_eq!((given.username.as_str(), given.auth_username.as_str()), ("1001", "auth"));
    assert_eq!(given.password.reveal(), "s3cret-PW");
    assert!(!format!("{given:?}").contains("s3cret"));
}

#[test]
fn blanks_of_a_password_count_unless_the_document_is_pretty_printed() {
    let password = |text: &str| {
        let text = format!("<account><username>u</username><host>h</host><password>{text}</password></account>");
        Settings::of(&Document::parse(text.as_bytes()).unwrap().0).0.password.reveal().to_owned()
    };
    assert_eq!(password(" a b "), " a b ");
    assert_eq!(password("\n    a b\n  "), "a b");
    assert_eq!(password(""), "");
}

/// Covers: axml.cred.01
#[test]
fn an_empty_title_is_made_up_and_told() {
    let title = |nodes: &str| {
        let text = format!("<account><username>u</username><host>h:5070</host><password>p</password>{nodes}</account>");
        let (document, findings) = Document::parse(text.as_bytes()).unwrap();
        assert_eq!(kinds(&findings, "title"), [FindingKind::Repaired]);
        Settings::of(&document).0.title
    };
    assert_eq!(title("<title></title><userDisplayName>Ann</userDisplayName>"), "Ann");
    assert_eq!(title(""), "u@h:5070");
}

/// Covers: axml.cred.10
#[test]
fn transports_are_read_and_those_to_come_are_told() {
    for (text, transport) in [("udp", Transport::Udp), ("tcp", Transport::Tcp)] {
        let (given, findings) = read(&format!("<transport>{text}</transport>"));
        assert_eq!(given.transport, transport);
        assert!(findings.is_empty(), "{findings:?}");
    }
    for (text, transport) in [
        ("tls", Transport::Tls),
        ("tls+sip:", Transport::TlsSip),
        ("tls+sip", Transport::TlsSip),
        ("wss", Transport::Wss),
    ] {
        let (given, findings) = read(&format!("<transport>{text}</transport>"));
        assert_eq!(given.transport, transport);
        assert!(kinds(&findings, "transport").contains(&FindingKind::NotYet), "{text}");
    }
}

/// Covers: axml.cred.11
#[test]
fn a_caller_id_that_is_no_user_part_is_kept_for_escaping() {
    assert_eq!(settings("<userCallerId>John Doe</userCallerId>").caller_id.as_deref(), Some("John Doe"));
    assert_eq!(settings("<userCallerId/>").caller_id, None);
    let broken = settings("<userCallerId>John&#13;&#10;Via: x</userCallerId>").caller_id.unwrap();
    assert!(!broken.chars().any(char::is_control), "{broken:?}");
}

/// Covers: axml.cred.12, axml.cred.13
#[test]
fn registration_and_subscription_times_are_at_least_thirty_seconds() {
    let given = settings("<expires>30</expires><subscriptionExpires>4294967295</subscriptionExpires>");
    assert_eq!((given.expires, given.subscription_expires), (30, u32::MAX));
    let (refused, findings) = read("<expires>29</expires><subscriptionExpires>1e9</subscriptionExpires>");
    assert_eq!((refused.expires, refused.subscription_expires), (600, 300));
    assert_eq!(findings.len(), 2);
}

/// Covers: axml.sipis.04
#[test]
fn only_known_sources_may_send_unless_the_account_says_otherwise() {
    assert!(!settings("<udpFromUnknownAddresses>1</udpFromUnknownAddresses>").only_known_sources);
    assert!(settings("<udpFromUnknownAddresses>0</udpFromUnknownAddresses>").only_known_sources);
}

/// Covers: axml.proxy.01, axml.proxy.02, axml.proxy.03, axml.proxy.04
#[test]
fn the_outbound_proxy_needs_its_switch_and_keeps_tls() {
    let host = "<outboundProxy_host>edge.example.net:5080</outboundProxy_host>";
    let on = "<outboundProxy_enabled>1</outboundProxy_enabled>";
    assert_eq!(settings("<proxy>192.0.2.7</proxy>").proxy.as_deref(), Some("192.0.2.7"));
    assert_eq!(settings(host).outbound_proxy, None);
    assert_eq!(settings(&format!("{host}<outboundProxy_enabled/>")).outbound_proxy, None);
    let proxy = |nodes: &str| settings(&format!("{host}{on}{nodes}")).outbound_proxy.unwrap();
    assert_eq!(proxy(""), ("edge.example.net:5080".into(), Transport::Udp));
    assert_eq!(proxy("<outboundProxy_transport>tcp</outboundProxy_transport>").1, Transport::Tcp);
    assert_eq!(proxy("<transport>tls</transport>").1, Transport::Tls);
    assert_eq!(
        proxy("<transport>tls</transport><outboundProxy_transport>udp</outboundProxy_transport>").1,
        Transport::Udp
    );
    let (none, findings) = read(on);
    assert_eq!(none.outbound_proxy, None);
    assert_eq!(kinds(&findings, "outboundProxy_enabled"), [FindingKind::BadValue]);
}

/// Covers: axml.voicemail.01, axml.voicemail.02
#[test]
fn voicemail_has_a_number_and_a_subscription() {
    let given = settings("<voiceMailNumber>*69</voiceMailNumber><subscribeForVoicemail>1</subscribeForVoicemail>");
    assert_eq!(given.voicemail_number.as_deref(), Some("*69"));
    assert!(given.subscribe_for_voicemail);
}

/// Covers: axml.codec.01, axml.codec.03, axml.codec.05, axml.codec.07
#[test]
fn codecs_keep_their_order_and_those_to_come_are_skipped_with_a_note() {
    let (given, findings) = read(
        "<codecOrder>18,8,103,102,3,0</codecOrder><honorTheirCodecListWiFi>0</honorTheirCodecListWiFi>\
         <ptime>40</ptime><forcePtime>1</forcePtime>",
    );
    assert_eq!(given.codec_order, [Codec::Pcma, Codec::Opus, Codec::Pcmu]);
    assert_eq!(kinds(&findings, "codecOrder"), [FindingKind::NotYet]);
    assert_eq!((given.honor_their_codec_list, given.ptime, given.force_ptime), (false, 40, true));
    let (none, findings) = read("<codecOrder>18</codecOrder>");
    assert_eq!(none.codec_order.len(), 4);
    assert_eq!(kinds(&findings, "codecOrder"), [FindingKind::NotYet, FindingKind::BadValue]);
    for bad in ["0", "7", "25", "61", "100000"] {
        assert_eq!(settings(&format!("<ptime>{bad}</ptime>")).ptime, 20, "{bad}");
    }
}

/// Covers: axml.opus.01
#[test]
fn the_opus_class_beats_the_single_keys() {
    let class = |class: &str| settings(&format!("<opusOptions.class>{class}</opusOptions.class>")).opus;
    assert_eq!((class("nb").bandwidth, class("nb").bitrate), (8000, Some(15_500)));
    assert_eq!((class("wb").bandwidth, class("wb").bitrate), (16_000, Some(24_000)));
    assert_eq!((class("fb").bandwidth, class("fb").bitrate), (48_000, Some(64_000)));
    let (given, findings) = read("<opusOptions.fec>0</opusOptions.fec>");
    assert_eq!(given.opus, class("wb"));
    assert!(given.opus.fec && given.opus.dtx && given.opus.vbr && given.opus.expected_packet_loss == 5);
    assert_eq!(kinds(&findings, "opusOptions.fec"), [FindingKind::BadValue]);
    assert_eq!(settings("<opusOptions.class>ultra</opusOptions.class>").opus, class("wb"));
}

/// Covers: axml.opus.02, axml.opus.03, axml.opus.04, axml.opus.05, axml.opus.06, axml.opus.07, axml.opus.08
#[test]
fn single_opus_keys_count_when_the_class_is_empty() {
    let empty = "<opusOptions.class></opusOptions.class>";
    let defaults = settings(empty).opus;
    assert_eq!(
        defaults,
        OpusOptions {
            bandwidth: 16_000,
            complexity: None,
            bitrate: None,
            fec: false,
            dtx: false,
            vbr: true,
            expected_packet_loss: 0
        }
    );
    let all = settings(&format!(
        "{empty}<opusOptions.bandwidth>fb</opusOptions.bandwidth><opusOptions.complexity>5</opusOptions.complexity>\
         <opusOptions.bitrate>300000</opusOptions.bitrate><opusOptions.fec>1</opusOptions.fec>\
         <opusOptions.dtx>1</opusOptions.dtx><opusOptions.vbr>0</opusOptions.vbr>\
         <opusOptions.expectedPacketLoss>12</opusOptions.expectedPacketLoss>"
    ));
    assert_eq!(
        all.opus,
        OpusOptions {
            bandwidth: 48_000,
            complexity: Some(5),
            bitrate: Some(300_000),
            fec: true,
            dtx: true,
            vbr: false,
            expected_packet_loss: 12
        }
    );
    let bitrate =
        |text: &str| settings(&format!("{empty}<opusOptions.bitrate>{text}</opusOptions.bitrate>")).opus.bitrate;
    assert_eq!(
        (bitrate("-1000"), bitrate("-1"), bitrate("5999"), bitrate("6000")),
        (None, Some(510_000), None, Some(6000))
    );
    assert_eq!(settings(&format!("{empty}<opusOptions.bandwidth>swb</opusOptions.bandwidth>")).opus.bandwidth, 16_000);
}

#[test]
fn nested_opus_options_mean_the_same() {
    let nested = settings("<opusOptions><class/><bandwidth>nb</bandwidth><fec>1</fec></opusOptions>").opus;
    assert_eq!((nested.bandwidth, nested.fec, nested.dtx), (8000, true, false));
}

/// Covers: axml.dtmf.01, axml.dtmf.02, axml.dtmf.03, axml.dtmf.04
#[test]
fn dtmf_methods_are_those_listed_in_their_order() {
    let (given, findings) = read(
        "<dtmfOrder>info, rfc2833</dtmfOrder><dtmfAll>1</dtmfAll>\
         <rfc2833NegotiateOnly8kHzClockRate>0</rfc2833NegotiateOnly8kHzClockRate>\
         <rfc2833EnforceDurationIn8KHzTimestampUnits>1</rfc2833EnforceDurationIn8KHzTimestampUnits>",
    );
    assert_eq!(given.dtmf_order, [DtmfMethod::Info, DtmfMethod::Rfc2833]);
    assert!(given.dtmf_all && !given.dtmf_only_8k && given.dtmf_8k_units);
    assert!(findings.is_empty());
}

/// Covers: axml.nat.08, axml.nat.09, axml.nat.10
#[test]
fn a_static_contact_needs_an_address() {
    let (given, _) = read("<contactIP>static</contactIP><forcedContact>[2001:db8::7]:7777</forcedContact>");
    assert_eq!((given.contact_ip, given.forced_contact.as_deref()), (ContactIp::Static, Some("[2001:db8::7]:7777")));
    let (none, findings) = read("<contactIP>static</contactIP>");
    assert_eq!(none.contact_ip, ContactIp::Internal);
    assert_eq!(kinds(&findings, "contactIP"), [FindingKind::BadValue]);
    assert_eq!(settings("<contactIP>external</contactIP>").contact_ip, ContactIp::External);
    assert!(!settings("<sendAudioBack>0</sendAudioBack>").send_audio_back);
}

/// Covers: axml.nat.11, axml.nat.12
#[test]
fn keep_alives_have_a_period_of_five_seconds_or_more() {
    assert_eq!(settings("<keepAlive>1</keepAlive>").keep_alive, Some(Duration::from_secs(30)));
    let period =
        |text: &str| settings(&format!("<keepAlive>1</keepAlive><keepAlivePeriod>{text}</keepAlivePeriod>")).keep_alive;
    assert_eq!(period("5"), Some(Duration::from_secs(5)));
    assert_eq!(period("4"), Some(Duration::from_secs(30)));
    assert_eq!(settings("<keepAlivePeriod>60</keepAlivePeriod>").keep_alive, None);
}

/// Covers: axml.nat.13, axml.nat.14
#[test]
fn an_rtp_range_has_room_for_four_ports_or_is_the_default() {
    let range = |start: u32, end: u32| {
        read(&format!("<rtpPortRangeStart>{start}</rtpPortRangeStart><rtpPortRangeEnd>{end}</rtpPortRangeEnd>"))
    };
    assert_eq!(range(20_000, 20_003).0.rtp_ports, (20_000, 20_003));
    for (start, end) in [(20_000, 20_002), (20_000, 20_000), (20_000, 10_000), (0, 70_000)] {
        let (given, findings) = range(start, end);
        assert_eq!(given.rtp_ports, (10_000, 65_535));
        assert!(!kinds(&findings, "rtpPortRangeStart").is_empty() && !kinds(&findings, "rtpPortRangeEnd").is_empty());
    }
}

/// Covers: axml.nat.15
#[test]
fn the_listening_port_is_empty_zero_or_unprivileged() {
    let port = |text: &str| settings(&format!("<listeningPort>{text}</listeningPort>")).listening_port;
    assert_eq!(port(""), ListeningPort::Stable);
    assert_eq!(port("0"), ListeningPort::Random);
    assert_eq!(port("5060"), ListeningPort::Fixed(5060));
    assert_eq!(
        (port("1024"), port("65536"), port("-5060")),
        (ListeningPort::Stable, ListeningPort::Stable, ListeningPort::Stable)
    );
}

/// Covers: axml.root.06
#[test]
fn header_values_take_account_placeholders_but_no_password() {
    let given = settings(
        "<apiUser>ann</apiUser><headers><header method=\"invite\" name=\"X-User\" value=\"%account[apiUser]%@%account[host]%\"/>\
         <header method=\"*\" name=\"X-Leak\" value=\"%account[password]%\"/>\
         <header method=\"IN VITE\" name=\"X-Odd\" value=\"1\"/></headers>",
    );
    assert_eq!(
        given.headers[0],
        CustomHeader { method: "INVITE".into(), name: "X-User".into(), value: "ann@pbx.example.net".into() }
    );
    assert_eq!(given.headers[1].value, "%account[password]%");
    assert_eq!(given.headers.len(), 2);
}

/// Covers: feat.72
#[test]
fn headers_of_the_stack_are_refused_in_every_spelling() {
    for name in ["via", "VIA", "v", "Contact", "m", "content-LENGTH", "Authorization", "Route", "CSeq"] {
        assert!(is_owned_header(name), "{name}");
    }
    assert!(!is_owned_header("X-Via") && !is_owned_header("Alert-Info"));
}

/// Covers: axml.inc.02, axml.inc.06
#[test]
fn words_older_than_icm_are_read_as_it() {
    let mode = |nodes: &str| settings(nodes).incoming;
    assert_eq!(mode("<incomingDisabled>1</incomingDisabled>"), IncomingMode::Off);
    assert_eq!(mode("<icm_auto>0</icm_auto><pushMethod>tunnel</pushMethod>"), IncomingMode::Push);
    assert_eq!(mode("<bgrEnabled>1</bgrEnabled>"), IncomingMode::KeepAwake);
    assert_eq!(mode("<icm>off</icm>"), IncomingMode::Off);
    assert_eq!(mode("<incomingDisabled>1</incomingDisabled><icm>keepAwake</icm>"), IncomingMode::KeepAwake);
    let (_, findings) = read("<incomingDisabled>1</incomingDisabled>");
    assert_eq!(kinds(&findings, "incomingDisabled"), [FindingKind::Repaired]);
}

/// Covers: axml.inc.08
#[test]
fn caller_identity_is_looked_for_in_the_given_order() {
    let given = settings("<remoteContact>from,pai</remoteContact>");
    assert_eq!(given.remote_contact, [IdentitySource::From, IdentitySource::Pai]);
}

/// Covers: axml.prov.01, axml.prov.02
#[test]
fn external_provisioning_has_a_url_and_an_interval() {
    let given = settings(
        "<extProvUrl>https://my.server.com/p?u=%account[username]%</extProvUrl><extProvInterval>3600</extProvInterval>",
    );
    assert_eq!(given.ext_prov_url.as_deref(), Some("https://my.server.com/p?u=%account[username]%"));
    assert_eq!(given.ext_prov_interval, Some(Duration::from_secs(3600)));
    assert_eq!(settings("<extProvInterval>0</extProvInterval>").ext_prov_interval, None);
    let (none, findings) = read("<extProvUrl>ftp://x/?p=geheim</extProvUrl>");
    assert_eq!(none.ext_prov_url, None);
    assert!(!format!("{findings:?}").contains("geheim"));
}

/// Covers: axml.fwd.01, axml.fwd.02
#[test]
fn forwarding_needs_a_number() {
    let on = "<forwardingEnabled>1</forwardingEnabled>";
    assert_eq!(settings(&format!("{on}<forwardingNumber>500</forwardingNumber>")).forwarding.as_deref(), Some("500"));
    assert_eq!(settings("<forwardingNumber>500</forwardingNumber>").forwarding, None);
    let (none, findings) = read(on);
    assert_eq!(none.forwarding, None);
    assert_eq!(kinds(&findings, "forwardingEnabled"), [FindingKind::BadValue]);
}

/// Covers: axml.cw.01
#[test]
fn call_waiting_is_on_unless_switched_off() {
    assert!(!settings("<callWaiting>0</callWaiting>").call_waiting);
    assert!(settings("<callWaiting>no</callWaiting>").call_waiting);
}

/// Covers: axml.tones.06, axml.tones.07, axml.tones.08, axml.tones.09, axml.tones.10
#[test]
fn tones_are_the_samples_of_the_reference_until_given() {
    let tones =
        settings("<busyTone>periodic(sine(375ms,2500,400Hz,450Hz),silence(375ms))</busyTone><dialTone>buzz</dialTone>")
            .tones;
    assert_eq!(tones.busy, "periodic(sine(375ms,2500,400Hz,450Hz),silence(375ms))");
    assert_eq!(tones.trying, "periodic(sine(50ms,500,440Hz),silence(40ms))");
    assert_eq!(tones.ringing, "periodic(sine(2000ms,2500,440Hz),silence(4000ms))");
    assert!(tones.end_call.ends_with("silence(700000ms))"));
    assert_eq!(tones.call_waiting, "periodic(silence(1000ms),sine(300ms,7500,440Hz),silence(9000ms))");
    assert_eq!(tones.dial, settings("").tones.dial);
}

/// Covers: axml.aa.01, axml.aa.02, axml.aa.03
#[test]
fn auto_answer_has_a_switch_a_delay_and_a_header() {
    let on = "<appInitiatedAutoAnswerEnabled>1</appInitiatedAutoAnswerEnabled>";
    assert_eq!(settings(on).auto_answer, Some(Duration::ZERO));
    let later = settings(&format!("{on}<autoAnswerTimeoutInSeconds>5</autoAnswerTimeoutInSeconds>"));
    assert_eq!(later.auto_answer, Some(Duration::from_secs(5)));
    assert_eq!(settings("<autoAnswerTimeoutInSeconds>5</autoAnswerTimeoutInSeconds>").auto_answer, None);
    assert!(settings("<sipInitiatedAutoAnswerEnabled>1</sipInitiatedAutoAnswerEnabled>").sip_auto_answer);
}

/// Covers: axml.blf.01, axml.blf.02
#[test]
fn lamp_keys_keep_their_order_labels_and_numbers() {
    let (given, findings) = read(
        "<blf><uri>1001</uri><uri label=\"Bob\" key=\"3\"> sip:102@pbx </uri><uri/><uri>a b;c</uri><uri>1001</uri>\
         <uri key=\"0\">103</uri><other/></blf>",
    );
    let plain = |uri: &str| BlfEntry { uri: uri.into(), label: None, key: None };
    assert_eq!(
        given.blf,
        [plain("1001"), BlfEntry { uri: "sip:102@pbx".into(), label: Some("Bob".into()), key: Some(3) }, plain("103")]
    );
    assert_eq!(kinds(&findings, "blf/uri").len(), 4);
    assert_eq!(kinds(&findings, "blf/other"), [FindingKind::Unknown]);
}

#[test]
fn five_hundred_lamp_keys_are_read() {
    let uris: String = (0..500).map(|i| format!("<uri>{}</uri>", 1000 + i)).collect();
    assert_eq!(settings(&format!("<blf>{uris}</blf>")).blf.len(), 500);
}

#[test]
fn merge_attributes_that_nobody_understands_are_told() {
    let (_, findings) = read("<expires priority=\"high\">60</expires><ptime operation=\"merge\">20</ptime>");
    assert_eq!(kinds(&findings, "expires"), [FindingKind::BadValue]);
    assert_eq!(kinds(&findings, "ptime"), [FindingKind::BadValue]);
}
