use super::*;
use proptest::prelude::*;

fn corpus(directory: &str) -> Vec<(String, String, Vec<u8>)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/");
    let index = std::fs::read_to_string(format!("{root}index.csv")).unwrap();
    index
        .lines()
        .filter(|line| line.starts_with(directory))
        .map(|line| {
            let mut fields = line.split(',');
            let (file, _, verdict) = (fields.next().unwrap(), fields.next(), fields.next().unwrap());
            (file.to_owned(), verdict.to_owned(), std::fs::read(format!("{root}{file}")).unwrap())
        })
        .collect()
}

#[test]
fn every_rtcp_of_the_corpus_gets_its_verdict() {
    let rows = corpus("rtcp/");
    assert!(rows.len() >= 11);
    for (file, verdict, bytes) in rows {
        let parsed = Compound::parse(&bytes);
        match verdict.as_str() {
            "A" => assert!(parsed.unwrap().packets().count() > 0, "{file}"),
            "R" => assert!(parsed.is_err(), "{file}"),
            other => panic!("{file}: {other}"),
        }
    }
}

#[test]
fn a_sender_report_with_description_is_read() {
    let (_, _, bytes) = corpus("rtcp/a01_sr_sdes").remove(0);
    let packets: Vec<_> = Compound::parse(&bytes).unwrap().packets().collect();
    assert_eq!(packets.len(), 2);
    let Packet::SenderReport { ssrc: 0x1122_3344, sender, blocks } = packets[0] else { panic!() };
    assert_eq!(sender, Sender { ntp: 0xe000_0000 << 32, rtp: 160, packets: 1, octets: 160 });
    assert_eq!(blocks.iter().count(), 0);
    assert_eq!(packets[1].cname(0x1122_3344), Some(&b"user"[..]));
    assert_eq!(packets[1].cname(1), None);
    assert_eq!(packets[0].cname(0x1122_3344), None);
}

#[test]
fn a_goodbye_tells_who_and_why() {
    let (_, _, bytes) = corpus("rtcp/a03").remove(0);
    let bye = Compound::parse(&bytes).unwrap().packets().nth(1).unwrap();
    assert!(bye.leaves(0x1122_3344));
    assert!(!bye.leaves(0x1122_3345));
    assert!(matches!(bye, Packet::Bye { reason: b"bye", .. }));
}

fn report() -> Report {
    Report {
        ssrc: 7,
        fraction_lost: 25,
        lost: -3,
        highest_sequence: 0x1_ffff,
        jitter: 99,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 65536,
    }
}

#[test]
fn what_is_written_is_read_back() {
    let sender = Sender { ntp: 0x0123_4567_89ab_cdef, rtp: 4_000_000_000, packets: 17, octets: 2720 };
    let mut buffer = [0; LONGEST];
    let length = write(&mut buffer, 0xdead_beef, Some(&sender), &[report()], "me@example.com", true).unwrap();
    let packets: Vec<_> = Compound::parse(&buffer[..length]).unwrap().packets().collect();
    let [Packet::SenderReport { ssrc: 0xdead_beef, sender: back, blocks }, names, bye] = packets[..] else { panic!() };
    assert_eq!(back, sender);
    assert_eq!(blocks.iter().collect::<Vec<_>>(), [report()]);
    assert_eq!(blocks.about(7), Some(report()));
    assert_eq!(blocks.about(8), None);
    assert_eq!(names.cname(0xdead_beef), Some(&b"me@example.com"[..]));
    assert!(bye.leaves(0xdead_beef));

    let length = write(&mut buffer, 1, None, &[], "", false).unwrap();
    let packets: Vec<_> = Compound::parse(&buffer[..length]).unwrap().packets().collect();
    assert!(matches!(packets[0], Packet::ReceiverReport { ssrc: 1, .. }));
    assert_eq!(packets[1].cname(1), Some(&b""[..]));
    assert_eq!(packets.len(), 2);
}

#[test]
fn names_of_every_length_end_on_a_word_and_long_ones_are_cut() {
    let mut buffer = [0; LONGEST];
    for size in 0..300 {
        let name = "n".repeat(size);
        let length = write(&mut buffer, 5, None, &[], &name, true).unwrap();
        assert_eq!(length % 4, 0);
        let description = Compound::parse(&buffer[..length]).unwrap().packets().nth(1).unwrap();
        assert_eq!(description.cname(5).unwrap().len(), size.min(255));
    }
    let length = write(&mut buffer, 5, None, &[], &"é".repeat(200), false).unwrap();
    let description = Compound::parse(&buffer[..length]).unwrap().packets().nth(1).unwrap();
    assert_eq!(description.cname(5).unwrap().len(), 254);
}

#[test]
fn the_largest_compound_fits_and_a_short_buffer_gets_none() {
    let sender = Sender { ntp: 0, rtp: 0, packets: 0, octets: 0 };
    let mut buffer = [0; LONGEST];
    let length = write(&mut buffer, 1, Some(&sender), &[report(); 40], &"x".repeat(300), true).unwrap();
    let first = Compound::parse(&buffer[..length]).unwrap().packets().next().unwrap();
    assert!(matches!(first, Packet::SenderReport { blocks, .. } if blocks.iter().count() == 31));
    for size in 0..length {
        assert_eq!(write(&mut buffer[..size], 1, Some(&sender), &[report(); 40], &"x".repeat(300), true), None);
    }
}

#[test]
fn padding_is_allowed_on_the_last_packet_only() {
    let plain = [0x80, 201, 0, 1, 0, 0, 0, 1];
    let padded = [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    assert!(Compound::parse(&[&plain[..], &padded].concat()).is_ok());
    assert_eq!(Compound::parse(&[&padded[..], &plain].concat()).unwrap_err(), RtcpError::Padding);
    let too_much = [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 12];
    assert!(Compound::parse(&too_much).is_err());
    let none = [0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0];
    assert_eq!(Compound::parse(&none).unwrap_err(), RtcpError::Padding);
}

#[test]
fn unknown_types_are_skipped_and_rtp_is_not_rtcp() {
    let feedback = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    assert!(matches!(Compound::parse(&feedback).unwrap().packets().next(), Some(Packet::Other(206))));
    let rtp = [0x80, 0, 0, 1, 0, 0, 0, 1];
    assert_eq!(Compound::parse(&rtp).unwrap_err(), RtcpError::Type);
    assert_eq!(Compound::parse(&[]).unwrap_err(), RtcpError::Short);
}

/// RFC 3550 appendix A.3.
#[test]
fn lost_packets_are_counted_over_the_wrap_of_the_sequence() {
    let mut reception = Reception::default();
    assert_eq!(reception.report(1, Duration::ZERO).fraction_lost, 0);
    let mut sequence = 65_500u16;
    for n in 0..100u32 {
        // every fourth is lost
        if n % 4 != 3 {
            reception.packet(sequence, n * 160, n * 160);
        }
        sequence = sequence.wrapping_add(1);
    }
    assert_eq!(reception.expected(), 99);
    assert_eq!(reception.lost(), 24);
    let report = reception.report(1, Duration::ZERO);
    assert_eq!(report.highest_sequence, 0x1_0000 + 62);
    assert_eq!(report.lost, 24);
    assert_eq!(report.fraction_lost, (24 * 256 / 99) as u8);
    // nothing new: nothing lost since
    assert_eq!(reception.report(1, Duration::ZERO).fraction_lost, 0);
    // duplicates make the count negative at worst
    for _ in 0..50 {
        reception.packet(62, 99 * 160, 99 * 160);
    }
    assert_eq!(reception.report(1, Duration::ZERO).lost, -26);
}

/// RFC 3550 appendix A.8: packets that come early and late in turn have a jitter that settles at the change.
#[test]
fn jitter_settles_at_the_spread_of_the_arrivals() {
    let mut reception = Reception::default();
    for n in 0..1000u32 {
        reception.packet(n as u16, n * 160, 5000 + n * 160 + if n % 2 == 0 { 80 } else { 0 });
    }
    assert!((76..=80).contains(&reception.jitter()), "{}", reception.jitter());
    let mut steady = Reception::default();
    for n in 0..1000u32 {
        steady.packet(n as u16, n.wrapping_mul(160), n.wrapping_mul(160).wrapping_add(77));
    }
    assert_eq!(steady.jitter(), 0);
    // a jump of the timestamp, as at a new talkspurt of a broken peer, must not overflow
    for n in 0..100u32 {
        steady.packet(n as u16, n.wrapping_mul(0x7fff_ffff), 0);
    }
    assert!(steady.jitter() > 0);
}

/// Two ends, two clocks that have nothing to do with each other, 40 ms there and 60 ms back.
#[test]
fn the_round_trip_comes_back_through_the_peers_report() {
    let ours = Duration::from_millis(12_345);
    let sender = Sender { ntp: ntp(ours), rtp: 0, packets: 0, octets: 0 };
    let theirs = Duration::from_millis(999_999);
    let mut reception = Reception::default();
    reception.packet(1, 0, 0);
    reception.sender_report(&sender, theirs);
    let report = reception.report(1, theirs + Duration::from_millis(1500));
    let measured = round_trip(ours + Duration::from_millis(40 + 1500 + 60), &report).unwrap();
    assert!((measured.as_secs_f64() - 0.1).abs() < 0.0001, "{measured:?}");
    // a peer that pretends to have waited longer than it could
    assert_eq!(round_trip(ours + Duration::from_millis(1000), &report), None);
    assert_eq!(round_trip(ours + Duration::from_secs(100), &report), None);
    assert_eq!(round_trip(ours, &Report { last_sr: 0, ..report }), None);
}

#[test]
fn ntp_time_has_seconds_above_and_a_fraction_below() {
    assert_eq!(ntp(Duration::from_millis(1500)), 1 << 32 | 1 << 31);
    assert_eq!(ntp(Duration::ZERO), 0);
}

#[test]
fn reports_are_five_seconds_apart_give_or_take_half() {
    assert_eq!(interval(false, 0), Duration::from_millis(2500));
    assert_eq!(interval(false, u32::MAX), Duration::from_millis(7500));
    assert_eq!(interval(true, 0), Duration::from_millis(1250));
    let middle = interval(false, u32::MAX / 2).as_millis();
    assert!((4999..=5000).contains(&middle));
}

proptest! {
    #[test]
    fn no_octets_harm_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 198u8..210, count in 0u8..32) {
        let mut bytes = bytes;
        let words = (bytes.len() / 4).saturating_sub(1) as u8;
        if let [first, second, third, fourth, ..] = &mut bytes[..] {
            (*first, *second, *third, *fourth) = (0x80 | count, kind, 0, words);
        }
        bytes.truncate(bytes.len() / 4 * 4);
        if let Ok(compound) = Compound::parse(&bytes) {
            for packet in compound.packets() {
                if let Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } = packet {
                    prop_assert_eq!(blocks.iter().count(), usize::from(count));
                }
                let _ = (packet.cname(0), packet.leaves(0));
            }
        }
    }

    #[test]
    fn no_arrivals_harm_the_counters(packets in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<u32>()), 0..200)) {
        let mut reception = Reception::default();
        for (sequence, timestamp, arrival) in packets {
            reception.packet(sequence, timestamp, arrival);
            let _ = reception.report(1, Duration::from_secs(1));
        }
    }
}
