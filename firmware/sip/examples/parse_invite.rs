//! Time to read an INVITE of 800 octets with all its typed headers, in microseconds per message:
//! `cargo run --release -p offhook-sip --example parse_invite`. The best of several rounds counts,
//! because everything that disturbs makes it slower.

#![allow(clippy::disallowed_methods)] // it measures real time

use offhook_sip::Message;
use std::hint::black_box;
use std::time::Instant;

const INVITE: &str = "INVITE sip:102@pbx.office.example:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK776asdhds;rport\r\n\
Via: SIP/2.0/TCP [2001:db8::9:1]:5060;branch=z9hG4bKjhja8781hj;received=192.0.2.4\r\n\
Max-Forwards: 69\r\n\
Record-Route: <sip:192.0.2.4;lr;transport=tcp>\r\n\
Route: <sip:pbx.office.example;lr>\r\n\
From: \"Reception Desk\" <sip:101@office.example>;tag=1928301774\r\n\
To: <sip:102@office.example>\r\n\
Call-ID: a84b4c76e66710b0d5@192.0.2.10\r\n\
CSeq: 314159 INVITE\r\n\
Contact: <sip:101@192.0.2.10:5060;transport=udp>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"\r\n\
Expires: 120\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 150\r\n\
\r\n\
v=0\r\n\
o=- 2890844526 2890844526 IN IP4 192.0.2.10\r\n\
s=-\r\n\
c=IN IP4 192.0.2.10\r\n\
t=0 0\r\n\
m=audio 49170 RTP/AVP 9 8 0 101\r\n\
a=rtpmap:101 telephone-event/8000\r\n";

const ROUNDS: u32 = 20;
const MESSAGES: u32 = 5_000;

/// Everything that a stack asks of an INVITE; the number of things found.
fn read_all(octets: &[u8]) -> usize {
    let Ok(Message::Request(invite)) = Message::parse(octets) else { return 0 };
    let headers = &invite.headers;
    let lists = headers.vias().len() + headers.contacts().len() + headers.route().len() + headers.record_route().len();
    let singles = [
        headers.from().is_some_and(|from| from.tag().is_some()),
        headers.to().is_some(),
        headers.cseq().is_some(),
        headers.call_id().is_some(),
        headers.expires().is_some(),
        headers.content_type().is_some(),
        invite.body().is_some(),
    ];
    lists + singles.into_iter().filter(|found| *found).count()
}

fn main() {
    let octets = INVITE.as_bytes();
    let found = read_all(octets);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..MESSAGES {
            black_box(read_all(black_box(octets)));
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES));
    }
    eprintln!("{} octets, {found} values, {:.0} ns per message", octets.len(), best * 1000.0);
    println!("parse_invite_us {best:.3}");
}
