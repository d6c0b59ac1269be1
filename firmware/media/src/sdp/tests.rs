use super::*;
use proptest::prelude::*;
use std::net::IpAddr;

fn local() -> LocalMedia {
    LocalMedia {
        rtp: "192.0.2.77:10000".parse().unwrap(),
        codecs: vec![CodecKind::Opus, CodecKind::G722, CodecKind::Pcmu, CodecKind::Pcma],
        opus: OpusParams::default(),
        ptime: 20,
        force_ptime: false,
        direction: Direction::SendRecv,
        telephone_event: true,
        telephone_event_8k_only: true,
        honor_their_order: true,
        session_id: 42,
        session_version: 7,
        allow_loopback: false,
    }
}

/// A description of theirs: an audio stream at 192.0.2.1:40000 with these formats, then these lines.
fn theirs(formats: &str, lines: &[&str]) -> Vec<u8> {
    let mut text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n".to_owned();
    text.push_str(&format!("m=audio 40000 RTP/AVP {formats}\r\n"));
    for line in lines {
        text.push_str(&format!("{line}\r\n"));
    }
    text.into_bytes()
}

fn answered(local: &LocalMedia, offer: &[u8]) -> (String, StreamConfig) {
    let (body, config) = answer(local, offer).unwrap();
    (String::from_utf8(body).unwrap(), config)
}

fn lines<'a>(body: &'a str, start: &str) -> Vec<&'a str> {
    body.lines().filter(|line| line.starts_with(start)).collect()
}

fn addr(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

mod corpus {
    use super::*;

    fn rows(directory: &str) -> Vec<(String, String, Vec<u8>)> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/");
        let index = std::fs::read_to_string(format!("{root}index.csv")).unwrap();
        index
            .lines()
            .filter(|line| line.starts_with(directory))
            .map(|line| {
                let mut fields = line.splitn(4, ',');
                let (file, _, verdict) = (fields.next().unwrap(), fields.next(), fields.next().unwrap());
                (file.to_owned(), verdict.to_owned(), std::fs::read(format!("{root}{file}")).unwrap())
            })
            .collect()
    }

    #[test]
    fn every_description_of_the_corpus_gets_its_verdict() {
        let rows = rows("sdp/");
        assert!(rows.len() >= 32);
        for (file, verdict, bytes) in rows {
            let result = answer(&local(), &bytes);
            let _ = accept(&local(), &bytes);
            match verdict.as_str() {
                "A" => assert!(result.is_ok(), "{file}: {result:?}"),
                // the only stream is refused; remote loopback is refused by default
                "A (488 if only stream)" | "policy" => assert_eq!(result.unwrap_err().status(), 488, "{file}"),
                "R 488" => assert_eq!(result.unwrap_err().status(), 488, "{file}"),
                "R" | "R 488/400 (no crash)" => assert!(result.is_err(), "{file}: {result:?}"),
                "no crash; A or R 488" => {
                    assert!(result.as_ref().map_or_else(SdpError::status, |_| 488) == 488, "{file}: {result:?}");
                }
                "A or R" => {}
                other => panic!("{file}: {other}"),
            }
        }
    }

    /// The large rows need more than "no crash": what can be used is still found.
    #[test]
    fn useful_streams_are_found_behind_useless_lines() {
        for (file, _, bytes) in rows("sdp/") {
            let name = file.trim_start_matches("sdp/");
            if ["a07", "r20", "r22", "r24", "r26", "r28", "r32", "r34", "r36", "r51", "r53"]
                .iter()
                .any(|row| name.starts_with(row))
            {
                let (_, config) = answered(&local(), &bytes);
                let right = if name.starts_with("r20") { CodecKind::Pcma } else { CodecKind::Pcmu };
                assert_eq!(config.codec, right, "{file}");
                assert_eq!(config.ptime, 20, "{file}");
                assert_eq!(config.remote_rtp, addr("192.0.2.1:40000"), "{file}");
            }
        }
    }

    /// The bodies inside the torture messages, whatever their type says: none harms, and the ordinary ones are answered.
    #[test]
    fn bodies_of_the_torture_messages_are_answered_or_refused() {
        let mut usable = Vec::new();
        for (file, _, bytes) in [rows("rfc4475/"), rows("rfc5118/")].concat() {
            let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let body = &bytes[at + 4..];
            let six = LocalMedia { rtp: "[2001:db8::77]:10000".parse().unwrap(), ..local() };
            for local in [local(), six] {
                let _ = accept(&local, body);
                if answer(&local, body).is_ok() {
                    usable.push(file.rsplit('/').next().unwrap().to_owned());
                }
            }
        }
        assert!(usable.iter().any(|name| name == "wsinv.dat"), "{usable:?}");
        assert!(usable.len() >= 20, "{usable:?}");
    }
}

mod offering {
    use super::*;

    /// Covers: axml.codec.01
    #[test]
    fn offer_lists_codecs_in_our_order_with_their_payload_types() {
        let body = String::from_utf8(offer(&local())).unwrap();
        assert!(body.starts_with("v=0\r\no=- 42 7 IN IP4 192.0.2.77\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\n"));
        assert_eq!(lines(&body, "m="), ["m=audio 10000 RTP/AVP 107 9 0 8 101"]);
        for line in [
            "a=rtpmap:107 opus/48000/2",
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-15",
            "a=ptime:20",
            "a=sendrecv",
        ] {
            assert!(body.lines().any(|known| known == line), "{line}");
        }
        let other = LocalMedia { codecs: vec![CodecKind::Pcma, CodecKind::Pcmu, CodecKind::Pcma], ..local() };
        assert_eq!(lines(&String::from_utf8(offer(&other)).unwrap(), "m="), ["m=audio 10000 RTP/AVP 8 0 101"]);
    }

    /// Covers: axml.dtmf.03
    #[test]
    fn one_telephone_event_per_clock_unless_only_8000_is_wanted() {
        let both = LocalMedia { telephone_event_8k_only: false, ..local() };
        assert_eq!(lines(&String::from_utf8(offer(&both)).unwrap(), "m="), ["m=audio 10000 RTP/AVP 107 9 0 8 101 102"]);
        let opus_only = LocalMedia { codecs: vec![CodecKind::Opus], ..both.clone() };
        assert_eq!(lines(&String::from_utf8(offer(&opus_only)).unwrap(), "m="), ["m=audio 10000 RTP/AVP 107 102"]);
        let opus_8k = LocalMedia { telephone_event_8k_only: true, ..opus_only };
        assert_eq!(lines(&String::from_utf8(offer(&opus_8k)).unwrap(), "m="), ["m=audio 10000 RTP/AVP 107 101"]);
        let none = LocalMedia { telephone_event: false, ..local() };
        assert!(!String::from_utf8(offer(&none)).unwrap().contains("telephone-event"));

        let theirs = theirs(
            "96 97 98",
            &["a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/8000", "a=rtpmap:98 telephone-event/48000"],
        );
        assert_eq!(answered(&both, &theirs).1.telephone_event, Some((98, 48000)));
        assert_eq!(answered(&both, &theirs).1.telephone_event_receive, [(97, 8000)]);
        assert_eq!(answered(&local(), &theirs).1.telephone_event, Some((97, 8000)));
        assert_eq!(answered(&local(), &theirs).1.telephone_event_receive, []);
    }

    /// Covers: axml.opus.02, axml.opus.04, axml.opus.05, axml.opus.06, axml.opus.07
    #[test]
    fn opus_settings_are_signalled() {
        let body = String::from_utf8(offer(&local())).unwrap();
        assert_eq!(
            lines(&body, "a=fmtp:107"),
            ["a=fmtp:107 maxplaybackrate=16000;maxaveragebitrate=24000;useinbandfec=1;usedtx=1"]
        );
        let plain = OpusParams {
            max_playback_rate: 48000,
            bitrate: None,
            fec: false,
            dtx: false,
            cbr: false,
            complexity: None,
            expected_loss: 0,
        };
        let body = String::from_utf8(offer(&LocalMedia { opus: plain.clone(), ..local() })).unwrap();
        assert!(lines(&body, "a=fmtp:107").is_empty());
        let body =
            String::from_utf8(offer(&LocalMedia { opus: OpusParams { cbr: true, ..plain }, ..local() })).unwrap();
        assert_eq!(lines(&body, "a=fmtp:107"), ["a=fmtp:107 cbr=1"]);
    }

    #[test]
    fn ipv6_addresses_are_written_and_read() {
        let six = LocalMedia { rtp: "[2001:db8::77]:10000".parse().unwrap(), ..local() };
        let body = offer(&six);
        assert!(String::from_utf8_lossy(&body).contains("c=IN IP6 2001:db8::77\r\n"));
        let other = LocalMedia { rtp: "[2001:db8::1]:20000".parse().unwrap(), ..local() };
        assert_eq!(answered(&other, &body).1.remote_rtp, addr("[2001:db8::77]:10000"));
        // an IPv4 phone cannot send there
        assert!(matches!(answer(&local(), &body), Err(SdpError::NotAcceptable(300, _))));
    }

    #[test]
    fn without_any_codec_the_stream_is_offered_as_refused() {
        let none = LocalMedia { codecs: Vec::new(), ..local() };
        let body = offer(&none);
        assert!(String::from_utf8_lossy(&body).contains("m=audio 0 RTP/AVP"));
        assert_eq!(answer(&local(), &body).unwrap_err().status(), 488);
    }
}

mod offering_again {
    use super::*;

    /// A video call that we answered with sound only is put on hold: its lines and numbers must stay.
    #[test]
    fn refused_streams_keep_their_places_and_payload_types_their_meaning() {
        let mut first =
            String::from_utf8(theirs("111 107 0", &["a=rtpmap:111 opus/48000/2", "a=rtpmap:107 telephone-event/8000"]))
                .unwrap();
        first = first.replace("m=audio", "m=video 5004 RTP/AVPF 31\r\nm=audio");
        let (ours, _) = answer(&local(), first.as_bytes()).unwrap();
        let hold = LocalMedia { direction: Direction::SendOnly, session_version: 8, ..local() };
        let again = reoffer(&hold, &ours);
        let text = String::from_utf8(again.clone()).unwrap();
        assert_eq!(lines(&text, "m="), ["m=video 0 RTP/AVPF 31", "m=audio 10000 RTP/AVP 111 9 0 8 107"]);
        assert!(text.contains("o=- 42 8 IN") && text.ends_with("a=sendonly\r\n"));
        let (theirs, there) =
            answer(&LocalMedia { rtp: "192.0.2.1:40000".parse().unwrap(), ..local() }, &again).unwrap();
        let here = accept(&hold, &theirs).unwrap();
        assert_eq!((here.codec, here.payload, here.direction), (CodecKind::Opus, 111, Direction::SendOnly));
        assert_eq!((there.telephone_event, there.direction), (Some((107, 8000)), Direction::RecvOnly));
        assert_eq!(here.telephone_event, there.telephone_event);
    }

    #[test]
    fn a_usual_number_that_means_something_else_is_avoided() {
        let first = theirs("0 107", &["a=rtpmap:0 PCMU/8000", "a=rtpmap:107 telephone-event/8000"]);
        let (ours, _) = answer(&local(), &first).unwrap();
        let text = String::from_utf8(reoffer(&local(), &ours)).unwrap();
        assert_eq!(lines(&text, "m="), ["m=audio 10000 RTP/AVP 96 9 0 8 107"]);
        assert!(text.contains("a=rtpmap:96 opus/48000/2"));
    }

    #[test]
    fn an_own_offer_is_repeated_as_it_was() {
        assert_eq!(reoffer(&local(), &offer(&local())), offer(&local()));
        assert_eq!(reoffer(&local(), b"nonsense"), offer(&local()));
    }
}

mod answering {
    use super::*;

    /// Covers: axml.codec.03
    #[test]
    fn their_order_or_ours_decides() {
        let offer = theirs("8 0 9", &[]);
        assert_eq!(answered(&local(), &offer).1.codec, CodecKind::Pcma);
        let ours = LocalMedia { honor_their_order: false, ..local() };
        assert_eq!(answered(&ours, &offer).1.codec, CodecKind::G722);
    }

    #[test]
    fn the_answer_names_one_codec_with_the_payload_type_of_the_offer() {
        let offer =
            theirs("111 8 120", &["a=rtpmap:111 OPUS/48000/2", "a=rtpmap:120 telephone-event/8000", "a=fmtp:120 0-16"]);
        let (body, config) = answered(&local(), &offer);
        assert_eq!(lines(&body, "m="), ["m=audio 10000 RTP/AVP 111 120"]);
        assert!(body.contains("a=rtpmap:111 opus/48000/2\r\n") && body.contains("a=fmtp:120 0-15\r\n"));
        assert_eq!((config.codec, config.payload), (CodecKind::Opus, 111));
        assert_eq!(config.receive, [(111, CodecKind::Opus)]);
        assert_eq!(config.telephone_event, Some((120, 8000)));
        assert_eq!(config.remote_rtp, addr("192.0.2.1:40000"));
        assert_eq!(config.remote_rtcp, addr("192.0.2.1:40001"));
    }

    #[test]
    fn static_payload_types_need_no_rtpmap_but_follow_one_that_is_there() {
        assert_eq!(answered(&local(), &theirs("9", &[])).1.codec, CodecKind::G722);
        let moved = theirs("0 96", &["a=rtpmap:0 X-OTHER/8000", "a=rtpmap:96 PCMU/8000/1"]);
        let (_, config) = answered(&local(), &moved);
        assert_eq!((config.codec, config.payload), (CodecKind::Pcmu, 96));
        assert_eq!(answered(&local(), &theirs("96", &["a=rtpmap:96 G722/16000"])).1.codec, CodecKind::G722);
        assert!(answer(&local(), &theirs("96", &["a=rtpmap:96 PCMU/16000"])).is_err());
        assert!(answer(&local(), &theirs("96", &[])).is_err());
    }

    #[test]
    fn other_streams_are_refused_in_their_place() {
        let mut offer = String::from_utf8(theirs("0", &["a=sendonly"])).unwrap();
        offer = offer.replace("m=audio", "m=video 5004 RTP/AVP 31 32\r\na=inactive\r\nm=audio");
        offer.push_str("m=audio 40010 RTP/AVP 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
        let (body, config) = answered(&local(), offer.as_bytes());
        assert_eq!(
            lines(&body, "m="),
            [
                "m=video 0 RTP/AVP 31",
                "m=audio 10000 RTP/AVP 0",
                "m=audio 0 RTP/AVP 0",
                "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
            ]
        );
        assert_eq!(config.direction, Direction::RecvOnly);
        assert_eq!(config.remote_rtp, addr("192.0.2.1:40000"));
    }

    #[test]
    fn a_plain_stream_is_found_behind_an_encrypted_one() {
        let mut offer = String::from_utf8(theirs("0", &[])).unwrap();
        offer = offer.replace("m=audio", "m=audio 40002 RTP/SAVP 0\r\nm=audio");
        assert_eq!(
            lines(&answered(&local(), offer.as_bytes()).0, "m="),
            ["m=audio 0 RTP/SAVP 0", "m=audio 10000 RTP/AVP 0"]
        );
    }

    #[test]
    fn encrypted_profiles_are_refused_and_feedback_is_taken() {
        for profile in ["RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "udp"] {
            let offer = String::from_utf8(theirs("0", &[])).unwrap().replace("RTP/AVP", profile);
            assert!(matches!(answer(&local(), offer.as_bytes()), Err(SdpError::NotAcceptable(302, _))), "{profile}");
        }
        let offer = String::from_utf8(theirs("0", &[])).unwrap().replace("RTP/AVP", "RTP/AVPF");
        assert_eq!(lines(&answered(&local(), offer.as_bytes()).0, "m="), ["m=audio 10000 RTP/AVPF 0"]);
    }

    #[test]
    fn no_common_codec_is_told_with_its_warning() {
        let error = answer(&local(), &theirs("18 3", &["a=rtpmap:18 G729/8000"])).unwrap_err();
        assert!(matches!(error, SdpError::NotAcceptable(305, _)) && error.status() == 488);
        let video = String::from_utf8(theirs("31", &[])).unwrap().replace("audio", "video");
        assert!(matches!(answer(&local(), video.as_bytes()), Err(SdpError::NotAcceptable(304, _))));
        assert!(matches!(answer(&local(), b"v=0\n"), Err(SdpError::NotAcceptable(304, _))));
        // the audio's reason, not the video's
        let both =
            String::from_utf8(theirs("18", &[])).unwrap().replace("m=audio", "m=video 5004 RTP/AVP 31\r\nm=audio");
        assert!(matches!(answer(&local(), both.as_bytes()), Err(SdpError::NotAcceptable(305, _))));
    }

    #[test]
    fn telephone_event_that_lacks_digits_is_not_used() {
        let map = "a=rtpmap:101 telephone-event/8000";
        for (list, taken) in [
            ("0-15", true),
            ("0-11", true),
            ("0-9,10,11,66", true),
            ("0-16", true),
            ("", true),
            ("16", false),
            ("0-9", false),
            ("x", false),
            ("0-4294967295", true),
        ] {
            let fmtp = format!("a=fmtp:101 {list}");
            let (_, config) = answered(&local(), &theirs("0 101", &[map, &fmtp]));
            assert_eq!(config.telephone_event.is_some(), taken, "{list}");
        }
        let off = LocalMedia { telephone_event: false, ..local() };
        assert_eq!(answered(&off, &theirs("0 101", &[map])).1.telephone_event, None);
    }

    #[test]
    fn rtcp_goes_where_the_peer_says() {
        let config = |line: &str| answered(&local(), &theirs("0", &[line])).1.remote_rtcp;
        assert_eq!(config("a=rtcp:53020"), addr("192.0.2.1:53020"));
        assert_eq!(config("a=rtcp:53020 IN IP4 192.0.2.9"), addr("192.0.2.9:53020"));
        assert_eq!(config("a=rtcp:53020 IN IP4 224.0.0.1"), addr("192.0.2.1:53020"));
        assert_eq!(config("a=rtcp:0"), addr("192.0.2.1:40001"));
        assert_eq!(config("a=rtcp:99999"), addr("192.0.2.1:40001"));
        let (body, _) = answered(&local(), &theirs("0", &["a=rtcp-mux"]));
        assert!(!body.contains("rtcp"));
        let last = String::from_utf8(theirs("0", &[])).unwrap().replace("40000", "65535");
        assert_eq!(answered(&local(), last.as_bytes()).1.remote_rtcp, None);
    }
}

mod addresses {
    use super::*;

    fn at(ip: &str) -> Vec<u8> {
        let family = if ip.contains(':') { "IP6" } else { "IP4" };
        String::from_utf8(theirs("0", &[]))
            .unwrap()
            .replace("c=IN IP4 192.0.2.1", &format!("c=IN {family} {ip}"))
            .into_bytes()
    }

    #[test]
    fn addresses_that_are_no_single_host_are_refused() {
        for (ip, code) in [
            ("224.2.1.1/127/3", 330),
            ("239.255.255.255", 330),
            ("255.255.255.255", 301),
            ("0.1.2.3", 301),
            ("240.0.0.1", 301),
            ("127.0.0.1", 399),
            ("127.9.9.9", 399),
            ("sip.example.com", 301),
            ("", 301),
        ] {
            let Err(SdpError::NotAcceptable(found, _)) = answer(&local(), &at(ip)) else { panic!("{ip}") };
            assert_eq!(found, code, "{ip}");
            assert!(accept(&local(), &at(ip)).is_err());
        }
        let six = LocalMedia { rtp: "[2001:db8::77]:10000".parse().unwrap(), ..local() };
        for ip in ["ff02::1", "::1", "::ffff:127.0.0.1", "fe80::1%eth0"] {
            assert_eq!(answer(&six, &at(ip)).unwrap_err().status(), 488, "{ip}");
        }
    }

    #[test]
    fn loopback_is_taken_where_it_is_allowed() {
        let near = LocalMedia { allow_loopback: true, rtp: "127.0.0.1:10000".parse().unwrap(), ..local() };
        assert_eq!(answered(&near, &at("127.0.0.1")).1.remote_rtp, addr("127.0.0.1:40000"));
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_it_stands_for() {
        assert_eq!(
            answered(&local(), &at("::ffff:192.0.2.1")).1.remote_rtp.unwrap().ip(),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn the_streams_own_address_counts_more_than_the_sessions() {
        let offer = theirs("0", &["c=IN IP4 198.51.100.3"]);
        assert_eq!(answered(&local(), &offer).1.remote_rtp, addr("198.51.100.3:40000"));
        let none = String::from_utf8(offer).unwrap().replace("c=IN IP4 192.0.2.1\r\n", "");
        assert_eq!(answered(&local(), none.as_bytes()).1.remote_rtp, addr("198.51.100.3:40000"));
        assert!(answer(&local(), none.replace("c=IN IP4 198.51.100.3\r\n", "").as_bytes()).is_err());
    }
}

mod holding {
    use super::*;

    /// Covers: feat.5
    #[test]
    fn each_direction_of_theirs_gives_ours() {
        for (line, direction, word) in [
            ("a=sendrecv", Direction::SendRecv, "a=sendrecv"),
            ("a=sendonly", Direction::RecvOnly, "a=recvonly"),
            ("a=recvonly", Direction::SendOnly, "a=sendonly"),
            ("a=inactive", Direction::Inactive, "a=inactive"),
            ("a=x", Direction::SendRecv, "a=sendrecv"),
        ] {
            let (body, config) = answered(&local(), &theirs("0", &[line]));
            assert_eq!(config.direction, direction);
            assert!(body.ends_with(&format!("{word}\r\n")), "{body}");
            assert_eq!(config.remote_rtp, addr("192.0.2.1:40000"));
        }
    }

    #[test]
    fn a_direction_of_the_session_counts_where_the_stream_has_none() {
        let offer = String::from_utf8(theirs("0", &[])).unwrap().replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
        assert_eq!(answered(&local(), offer.as_bytes()).1.direction, Direction::RecvOnly);
        let own = format!("{offer}a=sendrecv\r\n");
        assert_eq!(answered(&local(), own.as_bytes()).1.direction, Direction::SendRecv);
    }

    #[test]
    fn the_old_way_of_holding_stops_our_sound() {
        let offer = String::from_utf8(theirs("0", &[])).unwrap().replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0");
        let (body, config) = answered(&local(), offer.as_bytes());
        assert_eq!((config.remote_rtp, config.remote_rtcp), (None, None));
        assert_eq!(config.direction, Direction::RecvOnly);
        assert!(body.ends_with("a=recvonly\r\n"));
    }

    #[test]
    fn both_holding_means_nobody_sends() {
        let holding = LocalMedia { direction: Direction::SendOnly, ..local() };
        assert_eq!(answered(&holding, &theirs("0", &["a=sendonly"])).1.direction, Direction::Inactive);
        assert_eq!(answered(&holding, &theirs("0", &[])).1.direction, Direction::SendOnly);
        assert_eq!(accept(&holding, &theirs("0", &["a=recvonly"])).unwrap().direction, Direction::SendOnly);
        assert_eq!(accept(&holding, &theirs("0", &["a=inactive"])).unwrap().direction, Direction::Inactive);
    }
}

mod packet_time {
    use super::*;

    fn ptime(local: &LocalMedia, lines: &[&str]) -> u32 {
        answered(local, &theirs("0", lines)).1.ptime
    }

    /// Covers: axml.codec.05, axml.codec.07
    #[test]
    fn theirs_is_followed_unless_ours_is_forced() {
        let thirty = LocalMedia { ptime: 30, ..local() };
        assert_eq!(ptime(&thirty, &[]), 30);
        assert_eq!(ptime(&thirty, &["a=ptime:40"]), 40);
        let forced = LocalMedia { force_ptime: true, ..thirty };
        assert_eq!(ptime(&forced, &["a=ptime:40"]), 30);
        // what they cannot take is not sent, forced or not
        assert_eq!(ptime(&forced, &["a=maxptime:20"]), 20);
    }

    #[test]
    fn odd_values_end_within_the_codecs_steps() {
        for (line, expected) in [
            ("a=ptime:0", 20),
            ("a=ptime:-5", 20),
            ("a=ptime:25", 20),
            ("a=ptime:1000", 60),
            ("a=ptime:99999999999", 20),
            ("a=ptime:20.0", 20),
            ("a=ptime:3", 10),
            ("a=maxptime:1", 10),
        ] {
            assert_eq!(ptime(&local(), &[line]), expected, "{line}");
        }
        let opus = theirs("96", &["a=rtpmap:96 opus/48000/2", "a=ptime:30"]);
        assert_eq!(answered(&local(), &opus).1.ptime, 20);
    }
}

mod opus {
    use super::*;

    fn agreed(ours: OpusParams, fmtp: &str) -> OpusParams {
        let fmtp = format!("a=fmtp:96 {fmtp}");
        answered(&LocalMedia { opus: ours, ..local() }, &theirs("96", &["a=rtpmap:96 opus/48000/2", &fmtp])).1.opus
    }

    /// Covers: axml.opus.02, axml.opus.04, axml.opus.05, axml.opus.06, axml.opus.07
    #[test]
    fn the_encoder_does_what_both_sides_want() {
        let ours = OpusParams {
            max_playback_rate: 48000,
            bitrate: Some(64000),
            fec: true,
            dtx: true,
            cbr: false,
            complexity: Some(5),
            expected_loss: 9,
        };
        let plain = agreed(ours.clone(), "");
        assert_eq!(plain, OpusParams { fec: false, dtx: false, ..ours.clone() });
        let full = agreed(
            ours.clone(),
            "stereo=1; MaxPlaybackRate = 16000; maxaveragebitrate=24000;useinbandfec=1;usedtx=1;cbr=1;x",
        );
        assert_eq!(full, OpusParams { max_playback_rate: 16000, bitrate: Some(24000), cbr: true, ..ours.clone() });
        let off = OpusParams { fec: false, dtx: false, max_playback_rate: 8000, ..ours.clone() };
        assert_eq!(agreed(off.clone(), "useinbandfec=1;usedtx=1;maxplaybackrate=48000"), off);
        let senseless = agreed(
            ours.clone(),
            "maxplaybackrate=0;maxaveragebitrate=1;useinbandfec=2;cbr=-1;maxaveragebitrate=999999999999",
        );
        assert_eq!(senseless, plain);
    }
}

mod accepting {
    use super::*;

    #[test]
    fn we_send_with_their_numbers_and_receive_on_both() {
        let config =
            accept(&local(), &theirs("98 0 99", &["a=rtpmap:98 opus/48000/2", "a=rtpmap:99 telephone-event/8000"]))
                .unwrap();
        assert_eq!((config.payload, config.codec), (98, CodecKind::Opus));
        assert_eq!(config.receive, [(98, CodecKind::Opus), (0, CodecKind::Pcmu), (107, CodecKind::Opus)]);
        assert_eq!(config.telephone_event, Some((99, 8000)));
        assert_eq!(config.telephone_event_receive, [(101, 8000)]);
    }

    #[test]
    fn an_answer_without_rtpmap_means_our_own_numbers() {
        let config = accept(&local(), &theirs("107 101", &[])).unwrap();
        assert_eq!((config.payload, config.codec), (107, CodecKind::Opus));
        assert_eq!(config.telephone_event, Some((101, 8000)));
    }

    #[test]
    fn a_refused_or_foreign_answer_is_not_accepted() {
        let refused = String::from_utf8(theirs("0", &[])).unwrap().replace("40000", "0");
        assert_eq!(accept(&local(), refused.as_bytes()).unwrap_err().status(), 488);
        let unasked = LocalMedia { codecs: vec![CodecKind::Opus], ..local() };
        assert!(accept(&unasked, &theirs("0", &[])).is_err());
        assert!(accept(&local(), b"v=0\r\ns=-\r\n").is_err());
        assert!(
            accept(&local(), String::from_utf8(theirs("0", &[])).unwrap().replace("audio", "video").as_bytes())
                .is_err()
        );
    }
}

mod syntax {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let wrong = |text: &str| match answer(&local(), text.as_bytes()) {
            Err(SdpError::Malformed(line, what)) => (line, what),
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong("").0, 1);
        assert_eq!(wrong("v=1").0, 1);
        assert_eq!(wrong("v=0\r\ns=-\r\nnonsense\r\n").0, 3);
        assert_eq!(wrong("v=0\n\nm=audio 70000 RTP/AVP 0\n").0, 3);
        assert!(wrong(&"x".repeat(70_000)).1.contains("65536"));
        assert_eq!(wrong(&format!("v=0\n{}", "m=audio 1 RTP/AVP 0\n".repeat(33))).0, 34);
    }

    #[test]
    fn line_ends_blank_lines_trailing_zeros_and_foreign_text_are_tolerated() {
        let offer = String::from_utf8(theirs("0 8", &["a=ptime:40", "", "b=AS:64", "k=prompt"])).unwrap();
        let mut bare = offer.replace("\r\n", "\n").replace("s=-", "s=caf\u{e9}").into_bytes();
        bare.extend([0, 0]);
        let at = bare.windows(2).position(|pair| pair == [0xc3, 0xa9]).unwrap();
        bare[at] = 0xff;
        assert_eq!(answered(&local(), &bare), answered(&local(), offer.as_bytes()));
    }

    /// What we write is what the strict reader of another hand reads.
    #[test]
    fn our_descriptions_are_strictly_valid() {
        let offered = offer(&LocalMedia { telephone_event_8k_only: false, ..local() });
        let (answered, _) = answer(&local(), &offered).unwrap();
        for (body, formats) in [(offered, "107 9 0 8 101 102"), (answered, "107 101")] {
            let session = sdp_types::Session::parse(&body).unwrap();
            assert_eq!(session.medias.len(), 1);
            let media = &session.medias[0];
            assert_eq!(
                (media.media.as_str(), media.port, media.proto.as_str(), media.fmt.as_str()),
                ("audio", 10000, "RTP/AVP", formats)
            );
            assert_eq!(session.connection.unwrap().connection_address, "192.0.2.77");
        }
    }
}

fn subset() -> impl Strategy<Value = Vec<CodecKind>> {
    proptest::sample::subsequence(CodecKind::ALL.to_vec(), 1..=4).prop_shuffle()
}

fn any_local(port: u16) -> impl Strategy<Value = LocalMedia> {
    let directions = prop_oneof![
        Just(Direction::SendRecv),
        Just(Direction::SendOnly),
        Just(Direction::RecvOnly),
        Just(Direction::Inactive)
    ];
    (subset(), directions, any::<[bool; 6]>(), 1u32..80).prop_map(move |(codecs, direction, flags, ptime)| LocalMedia {
        rtp: SocketAddr::new("192.0.2.5".parse().unwrap(), port),
        codecs,
        direction,
        telephone_event: flags[0],
        telephone_event_8k_only: flags[1],
        honor_their_order: flags[2],
        opus: OpusParams { fec: flags[3], dtx: flags[4], cbr: flags[5], ..OpusParams::default() },
        ptime,
        ..local()
    })
}

proptest! {
    #[test]
    fn both_sides_agree_on_what_was_agreed(ours in any_local(10000), theirs in any_local(20000)) {
        let offered = offer(&ours);
        let common = ours.codecs.iter().any(|codec| theirs.codecs.contains(codec));
        let result = answer(&theirs, &offered);
        prop_assert_eq!(result.is_ok(), common);
        if let Ok((body, there)) = result {
            let here = accept(&ours, &body).unwrap();
            prop_assert_eq!(here.codec, there.codec);
            prop_assert_eq!(here.payload, there.payload);
            prop_assert_eq!(here.ptime, there.ptime);
            prop_assert_eq!(here.telephone_event, there.telephone_event);
            prop_assert_eq!(here.direction, there.direction.reversed());
            prop_assert_eq!(here.remote_rtp, Some(theirs.rtp));
            prop_assert_eq!(there.remote_rtp, Some(ours.rtp));
            prop_assert!(here.receive.contains(&(there.payload, there.codec)));
            prop_assert!(there.receive.contains(&(here.payload, here.codec)));
            prop_assert_eq!(here.opus.fec && here.codec == CodecKind::Opus, there.opus.fec && here.codec == CodecKind::Opus);
            if theirs.honor_their_order {
                prop_assert_eq!(Some(here.codec), ours.codecs.iter().copied().find(|codec| theirs.codecs.contains(codec)));
            } else {
                prop_assert_eq!(Some(here.codec), theirs.codecs.iter().copied().find(|codec| ours.codecs.contains(codec)));
            }
            let events = ours.telephone_event && theirs.telephone_event;
            prop_assert!(events || here.telephone_event.is_none());
        }
    }

    #[test]
    fn no_octets_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = answer(&local(), &bytes);
        let _ = accept(&local(), &bytes);
    }

    #[test]
    fn no_broken_description_harms(cuts in proptest::collection::vec((0usize..400, 0usize..40, "[0-9a-z=:/. \r\n-]{0,12}"), 1..6)) {
        let mut body = theirs("96 0 8 101", &["a=rtpmap:96 opus/48000/2", "a=fmtp:96 useinbandfec=1;maxplaybackrate=8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=rtcp:5 IN IP4 192.0.2.3", "a=ptime:20", "a=sendonly"]);
        for (at, length, text) in cuts {
            let at = at.min(body.len());
            let end = (at + length).min(body.len());
            body.splice(at..end, text.bytes());
        }
        if let Ok((answer, config)) = answer(&local(), &body) {
            prop_assert!(config.payload < 128 && (10..=60).contains(&config.ptime));
            prop_assert!(sdp_types::Session::parse(&answer).is_ok(), "{}", String::from_utf8_lossy(&answer));
        }
        let _ = accept(&local(), &body);
    }

    /// Whatever the strict reader takes, ours takes as well.
    #[test]
    fn what_a_strict_reader_reads_is_read(title in "[a-zA-Z ]{1,20}", port in 1u16.., extra in "[a-z]{1,9}:[a-z0-9 ]{0,20}") {
        let body = format!("v=0\r\no=x 1 2 IN IP4 192.0.2.1\r\ns={title}\r\ni=words\r\nc=IN IP4 192.0.2.1\r\nb=AS:64\r\nt=0 0\r\nr=7d 1h 0 25h\r\na={extra}\r\nm=audio {port} RTP/AVP 0\r\ni=more\r\na={extra}\r\n");
        prop_assume!(sdp_types::Session::parse(body.as_bytes()).is_ok());
        prop_assert!(answer(&local(), body.as_bytes()).is_ok());
    }
}
