//! Dialogs: RFC 3261 section 12. Tags, sequence numbers, route set and remote target, and the requests
//! inside. What a dialog is used for (session, subscription) is known one level up.

use crate::message::CSeq;
use crate::{Headers, Method, NameAddr, Request, Response, Uri};

/// Longest route set that is kept; a message with more is not believed.
const MAX_ROUTES: usize = 32;

#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    /// our address with our tag
    pub(crate) local: NameAddr,
    /// the peer's address with its tag
    pub(crate) remote: NameAddr,
    pub(crate) local_seq: u32,
    pub(crate) remote_seq: Option<u32>,
    /// where requests go at last: the Contact of the peer
    pub(crate) target: Uri,
    /// in the order of Route
    pub(crate) routes: Vec<NameAddr>,
}

/// What a CSeq of the peer means (section 12.2.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    InOrder,
    /// lower than one seen before: 500
    TooLow,
}

impl Dialog {
    /// We sent the request, this response makes the dialog (section 12.1.2). `None`: no tag or nothing to reach.
    pub(crate) fn of_client(request: &Request, response: &Response) -> Option<Self> {
        let remote = response.headers.to()?;
        remote.tag()?;
        let mut routes = response.headers.record_route();
        routes.reverse();
        routes.truncate(MAX_ROUTES);
        let target = response.headers.contacts().into_iter().next().map_or_else(|| request.uri.clone(), |c| c.uri);
        Some(Self {
            call_id: request.headers.call_id()?.to_owned(),
            local: request.headers.from()?,
            remote,
            local_seq: request.headers.cseq()?.number,
            remote_seq: None,
            target,
            routes,
        })
    }

    /// We answer the request with `tag` (section 12.1.1).
    pub(crate) fn of_server(request: &Request, tag: &str) -> Option<Self> {
        let mut local = request.headers.to()?;
        local.set_tag(tag);
        let remote = request.headers.from()?;
        let mut routes = request.headers.record_route();
        routes.truncate(MAX_ROUTES);
        let contact = request.headers.contacts().into_iter().next();
        Some(Self {
            call_id: request.headers.call_id()?.to_owned(),
            local,
            target: contact.map_or_else(|| remote.uri.clone(), |c| c.uri),
            remote,
            local_seq: 0,
            remote_seq: request.headers.cseq().map(|c| c.number),
            routes,
        })
    }

    pub(crate) fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    pub(crate) fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// The next request (section 12.2.1.1) with Max-Forwards; no Via and no Contact yet.
    pub(crate) fn request(&mut self, method: Method) -> Request {
        self.local_seq = self.local_seq.wrapping_add(1) & 0x7fff_ffff;
        self.request_numbered(method, self.local_seq)
    }

    /// As `request` but with this number: the ACK of a 2xx has that of its INVITE (section 13.2.2.4).
    pub(crate) fn request_numbered(&self, method: Method, number: u32) -> Request {
        let strict = self.routes.first().is_some_and(|r| !r.uri.as_sip().is_some_and(|u| u.has_param("lr")));
        let mut routes: Vec<String> = self.routes.iter().map(|r| format!("<{}>", r.uri)).collect();
        let uri = match self.routes.first() {
            Some(first) if strict => {
                routes.remove(0);
                routes.push(format!("<{}>", self.target));
                first.uri.clone()
            }
            _ => self.target.clone(),
        };
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        for route in routes {
            headers.push("Route", route);
        }
        headers.push("Max-Forwards", "70");
        headers.push("From", self.local.to_string());
        headers.push("To", self.remote.to_string());
        headers.push("Call-ID", self.call_id.as_str());
        headers.push("CSeq", CSeq { number, method }.to_string());
        request
    }

    /// Notes the number of a request of the peer.
    pub(crate) fn receive(&mut self, headers: &Headers) -> Order {
        let Some(cseq) = headers.cseq() else { return Order::TooLow };
        match self.remote_seq {
            Some(seen) if cseq.number < seen => Order::TooLow,
            _ => {
                self.remote_seq = Some(cseq.number);
                Order::InOrder
            }
        }
    }

    /// Target refresh by a re-INVITE, UPDATE, SUBSCRIBE, NOTIFY or the 2xx of one (section 12.2).
    pub(crate) fn refresh(&mut self, headers: &Headers) {
        if let Some(contact) = headers.contacts().into_iter().next() {
            self.target = contact.uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(record_route: &str) -> Request {
        let text = format!(
            "INVITE sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@a.example>;tag=a\r\nTo: <sip:bob@b.example>\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n\
             {record_route}Contact: <sip:alice@192.0.2.1:5070>\r\nContent-Length: 0\r\n\r\n"
        );
        match crate::Message::parse(text.as_bytes()) {
            Ok(crate::Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    // RFC 3261 section 12.2.1.1

    #[test]
    fn loose_routes_keep_the_target_as_request_uri() {
        let invite = request("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\n");
        let mut dialog = Dialog::of_server(&invite, "b").unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:alice@192.0.2.1:5070");
        assert_eq!(bye.headers.list("Route"), ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
        assert_eq!(bye.headers.to().unwrap().tag(), Some("a"));
        assert_eq!(bye.headers.from().unwrap().tag(), Some("b"));
    }

    #[test]
    fn strict_route_becomes_request_uri_and_target_goes_last() {
        let invite = request("Record-Route: <sip:p2.example>, <sip:p1.example;lr>\r\n");
        let bye = Dialog::of_server(&invite, "b").unwrap().request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:p2.example");
        assert_eq!(bye.headers.list("Route"), ["<sip:p1.example;lr>", "<sip:alice@192.0.2.1:5070>"]);
    }

    #[test]
    fn client_reverses_record_route() {
        let invite = request("");
        let mut ok = Response::to(&invite, 200, Some("b"));
        ok.headers.push("Record-Route", "<sip:p1.example;lr>, <sip:p2.example;lr>");
        ok.headers.push("Contact", "<sip:bob@192.0.2.4:5080>");
        let dialog = Dialog::of_client(&invite, &ok).unwrap();
        assert_eq!(dialog.routes[0].uri.to_string(), "sip:p2.example;lr");
        assert_eq!(dialog.target.to_string(), "sip:bob@192.0.2.4:5080");
        assert_eq!(dialog.local_seq, 7);
    }

    #[test]
    fn lower_number_of_the_peer_is_noticed() {
        let invite = request("");
        let mut dialog = Dialog::of_server(&invite, "b").unwrap();
        let mut headers = Headers::new();
        headers.push("CSeq", "6 BYE");
        assert_eq!(dialog.receive(&headers), Order::TooLow);
        headers.set("CSeq", "9 BYE");
        assert_eq!(dialog.receive(&headers), Order::InOrder);
    }
}
