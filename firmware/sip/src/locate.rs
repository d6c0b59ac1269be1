//! Where a next hop is: RFC 3263 for clients. Addresses and ports are taken as they are; a name without
//! port is looked up as SRV, then as A/AAAA.
//!
//! The transport is that of the URI or of the identity, so NAPTR, which would choose one, is not asked.
//! Answers are kept for [`KEEP`]; an address that failed goes to the end of its list for that time.

use crate::chance::Chance;
use crate::message::Host;
use crate::{Answer, Query, ResolveId, Srv, Transport};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long an answer is used again.
const KEEP: Duration = Duration::from_secs(30);
/// Names remembered at most.
const MAX_PLACES: usize = 256;
/// Servers and addresses tried at most for one name.
const MAX_TARGETS: usize = 16;

/// A next hop before it is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) transport: Transport,
}

impl Place {
    pub(crate) fn new(host: &Host, port: Option<u16>, transport: Transport) -> Self {
        let host = match host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        };
        Self { host, port, transport }
    }
}

pub(crate) fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
        Transport::Wss => 443,
    }
}

#[derive(Debug)]
enum Search {
    /// Waiting for SRV.
    Servers,
    /// Waiting for the addresses of each server: name, port, addresses.
    Addresses(Vec<(String, u16, Option<Vec<IpAddr>>)>),
    Known {
        until: Instant,
        targets: Vec<SocketAddr>,
    },
}

#[derive(Debug)]
struct Location {
    search: Search,
    /// client transactions that wait
    waiting: Vec<u64>,
}

#[derive(Debug)]
pub(crate) enum Located {
    Targets(Vec<SocketAddr>),
    /// Ask these; the client waits.
    Waiting(Vec<(ResolveId, Query)>),
}

/// What an answer leads to.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) ask: Vec<(ResolveId, Query)>,
    /// The place is known (no address: nothing was found), and who waited for it.
    pub(crate) done: Option<(Place, Vec<SocketAddr>, Vec<u64>)>,
}

#[derive(Debug, Default)]
pub(crate) struct Locations {
    places: HashMap<Place, Location>,
    questions: HashMap<ResolveId, (Place, usize)>,
    next_question: u64,
}

impl Locations {
    pub(crate) fn locate(&mut self, now: Instant, place: &Place, client: u64) -> Located {
        if let Ok(ip) = place.host.parse::<IpAddr>() {
            let port = place.port.unwrap_or_else(|| default_port(place.transport));
            return Located::Targets(vec![SocketAddr::new(ip, port)]);
        }
        match self.places.get_mut(place) {
            Some(Location { search: Search::Known { until, targets }, .. }) if *until > now => {
                return Located::Targets(targets.clone());
            }
            Some(Location { search: Search::Servers | Search::Addresses(_), waiting }) => {
                waiting.push(client);
                return Located::Waiting(Vec::new());
            }
            _ => {}
        }
        if self.places.len() >= MAX_PLACES {
            self.places.retain(|_, l| matches!(&l.search, Search::Known { until, .. } if *until > now));
            if self.places.len() >= MAX_PLACES {
                return Located::Targets(Vec::new());
            }
        }
        let (search, query) = match place.port {
            Some(port) => {
                (Search::Addresses(vec![(place.host.clone(), port, None)]), Query::Addresses(place.host.clone()))
            }
            None => (Search::Servers, Query::Srv(service_name(place))),
        };
        self.places.insert(place.clone(), Location { search, waiting: vec![client] });
        let question = self.question(place, 0);
        Located::Waiting(vec![(question, query)])
    }

    pub(crate) fn answered(&mut self, now: Instant, id: ResolveId, answer: Answer, chance: &mut Chance) -> Progress {
        let mut progress = Progress::default();
        let Some((place, index)) = self.questions.remove(&id) else { return progress };
        let Some(location) = self.places.get_mut(&place) else { return progress };
        match &mut location.search {
            Search::Servers => {
                let servers = match answer {
                    Answer::Srv(records) => order(records, chance),
                    _ => Vec::new(),
                };
                let mut servers: Vec<(String, u16, Option<Vec<IpAddr>>)> = servers
                    .into_iter()
                    .filter(|s| !s.target.trim_end_matches('.').is_empty())
                    .map(|s| (s.target.trim_end_matches('.').to_owned(), s.port, None))
                    .collect();
                servers.truncate(MAX_TARGETS);
                if servers.is_empty() {
                    servers.push((place.host.clone(), default_port(place.transport), None));
                }
                let names: Vec<String> = servers.iter().map(|s| s.0.clone()).collect();
                location.search = Search::Addresses(servers);
                for (index, name) in names.into_iter().enumerate() {
                    let question = self.question(&place, index);
                    progress.ask.push((question, Query::Addresses(name)));
                }
            }
            Search::Addresses(servers) => {
                if let Some(server) = servers.get_mut(index) {
                    server.2 = Some(match answer {
                        Answer::Addresses(addresses) => addresses,
                        _ => Vec::new(),
                    });
                }
                if servers.iter().all(|s| s.2.is_some()) {
                    let mut targets = Vec::new();
                    for (_, port, addresses) in servers.iter() {
                        for ip in addresses.iter().flatten() {
                            let target = SocketAddr::new(*ip, *port);
                            if !targets.contains(&target) && targets.len() < MAX_TARGETS {
                                targets.push(target);
                            }
                        }
                    }
                    let waiting = std::mem::take(&mut location.waiting);
                    if targets.is_empty() {
                        self.places.remove(&place);
                    } else {
                        location.search = Search::Known { until: now + KEEP, targets: targets.clone() };
                    }
                    progress.done = Some((place, targets, waiting));
                }
            }
            Search::Known { .. } => {}
        }
        progress
    }

    /// `target` did not answer: others first, as long as this answer is kept (RFC 3263 section 4.3).
    pub(crate) fn failed(&mut self, place: &Place, target: SocketAddr) {
        if let Some(Location { search: Search::Known { targets, .. }, .. }) = self.places.get_mut(place)
            && let Some(at) = targets.iter().position(|t| *t == target)
        {
            let target = targets.remove(at);
            targets.push(target);
        }
    }

    fn question(&mut self, place: &Place, index: usize) -> ResolveId {
        self.next_question += 1;
        let id = ResolveId(self.next_question);
        self.questions.insert(id, (place.clone(), index));
        id
    }
}

fn service_name(place: &Place) -> String {
    let service = match place.transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Wss => "_sips._ws",
    };
    format!("{service}.{}", place.host)
}

/// By priority, and within one by chance in proportion to the weight (RFC 2782).
fn order(mut records: Vec<Srv>, chance: &mut Chance) -> Vec<Srv> {
    records.sort_by_key(|r| (r.priority, r.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|r| r.priority) {
        let group = records.iter().take_while(|r| r.priority == priority).count();
        let total: u64 = records.iter().take(group).map(|r| u64::from(r.weight)).sum();
        let mut pick = chance.below(total + 1);
        let mut chosen = 0;
        for (at, record) in records.iter().take(group).enumerate() {
            chosen = at;
            let weight = u64::from(record.weight);
            if pick <= weight {
                break;
            }
            pick -= weight;
        }
        ordered.push(records.remove(chosen));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5070, target: target.into() }
    }
    fn place(host: &str, port: Option<u16>) -> Place {
        Place { host: host.into(), port, transport: Transport::Udp }
    }

    // RFC 3263 section 4.2

    #[test]
    fn address_is_not_looked_up() {
        let mut locations = Locations::default();
        let located = locations.locate(Instant::now(), &place("192.0.2.1", None), 1);
        assert!(matches!(located, Located::Targets(t) if t == ["192.0.2.1:5060".parse().unwrap()]));
    }

    #[test]
    fn name_with_port_asks_for_addresses_only() {
        let mut locations = Locations::default();
        let Located::Waiting(asked) = locations.locate(Instant::now(), &place("pbx.example", Some(5090)), 1) else {
            panic!()
        };
        assert_eq!(asked[0].1, Query::Addresses("pbx.example".into()));
    }

    #[test]
    fn name_without_port_asks_srv_and_falls_back_to_addresses() {
        let (mut locations, mut chance, now) = (Locations::default(), Chance::new(1), Instant::now());
        let Located::Waiting(asked) = locations.locate(now, &place("pbx.example", None), 1) else { panic!() };
        assert_eq!(asked[0].1, Query::Srv("_sip._udp.pbx.example".into()));
        let progress = locations.answered(now, asked[0].0, Answer::Nothing, &mut chance);
        assert_eq!(progress.ask[0].1, Query::Addresses("pbx.example".into()));
        let answer = Answer::Addresses(vec!["192.0.2.7".parse().unwrap()]);
        let (_, targets, waiting) = locations.answered(now, progress.ask[0].0, answer, &mut chance).done.unwrap();
        assert_eq!(targets, ["192.0.2.7:5060".parse().unwrap()]);
        assert_eq!(waiting, [1]);
    }

    #[test]
    fn lower_priority_number_comes_first_and_failed_target_last() {
        let (mut locations, mut chance, now) = (Locations::default(), Chance::new(1), Instant::now());
        let wanted = place("pbx.example", None);
        let Located::Waiting(asked) = locations.locate(now, &wanted, 1) else { panic!() };
        let records = Answer::Srv(vec![srv(20, 0, "b.example."), srv(10, 0, "a.example")]);
        let progress = locations.answered(now, asked[0].0, records, &mut chance);
        assert_eq!(progress.ask.len(), 2);
        let mut done = None;
        for (id, query) in progress.ask {
            let ip = if query == Query::Addresses("a.example".into()) { "192.0.2.1" } else { "192.0.2.2" };
            done = locations.answered(now, id, Answer::Addresses(vec![ip.parse().unwrap()]), &mut chance).done;
        }
        let (_, targets, _) = done.unwrap();
        assert_eq!(targets, ["192.0.2.1:5070".parse().unwrap(), "192.0.2.2:5070".parse().unwrap()]);
        locations.failed(&wanted, targets[0]);
        assert!(matches!(locations.locate(now, &wanted, 2), Located::Targets(t) if t[0] == targets[1]));
    }

    #[test]
    fn weights_share_the_load() {
        let mut chance = Chance::new(3);
        let first = (0..1000)
            .filter(|_| order(vec![srv(1, 90, "heavy"), srv(1, 10, "light")], &mut chance)[0].target == "heavy")
            .count();
        assert!((820..970).contains(&first), "{first}");
    }
}
