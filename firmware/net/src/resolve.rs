//! DNS for RFC 3263: NAPTR, SRV and addresses by the system's resolver configuration and hosts file.

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use offhook_sip::{Answer, Naptr, Query, Srv};
use std::net::IpAddr;

/// The resolver; clones share one cache.
#[derive(Clone)]
pub struct Resolver {
    /// `None` when the system has no usable configuration: names are then looked up in the hosts file only.
    inner: Option<TokioResolver>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("configured", &self.inner.is_some()).finish()
    }
}

impl Resolver {
    /// Reads `/etc/resolv.conf`. Needs a tokio runtime.
    pub fn from_system() -> Self {
        let inner = TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
        Self { inner: inner.inspect_err(|error| tracing::warn!("no DNS: {error}")).ok() }
    }

    /// Asks one question. Never fails: see [`Answer::Nothing`] and [`Answer::Failed`].
    pub async fn ask(&self, query: &Query) -> Answer {
        if let Query::Addresses(name) = query
            && let Some(address) = literal_or_localhost(name)
        {
            return Answer::Addresses(address);
        }
        let Some(resolver) = &self.inner else { return Answer::Failed };
        match query {
            Query::Addresses(name) => match resolver.lookup_ip(absolute(name)).await {
                Ok(found) => some_or_nothing(found.iter().collect(), Answer::Addresses),
                Err(error) => failure(&error),
            },
            Query::Srv(name) => match resolver.lookup(absolute(name), RecordType::SRV).await {
                Ok(found) => {
                    let records = found.answers().iter().filter_map(|record| match &record.data {
                        RData::SRV(srv) => Some(Srv {
                            priority: srv.priority,
                            weight: srv.weight,
                            port: srv.port,
                            target: relative(&srv.target.to_utf8()),
                        }),
                        _ => None,
                    });
                    some_or_nothing(records.collect(), Answer::Srv)
                }
                Err(error) => failure(&error),
            },
            Query::Naptr(name) => match resolver.lookup(absolute(name), RecordType::NAPTR).await {
                Ok(found) => {
                    let records = found.answers().iter().filter_map(|record| match &record.data {
                        RData::NAPTR(naptr) => Some(Naptr {
                            order: naptr.order,
                            preference: naptr.preference,
                            service: String::from_utf8_lossy(&naptr.services).into_owned(),
                            replacement: relative(&naptr.replacement.to_utf8()),
                        }),
                        _ => None,
                    });
                    some_or_nothing(records.collect(), Answer::Naptr)
                }
                Err(error) => failure(&error),
            },
        }
    }
}

fn literal_or_localhost(name: &str) -> Option<Vec<IpAddr>> {
    if let Ok(address) = name.trim_matches(['[', ']']).parse() {
        return Some(vec![address]);
    }
    // RFC 6761 section 6.3: never asked of a server.
    let bare = name.trim_end_matches('.').to_ascii_lowercase();
    (bare == "localhost" || bare.ends_with(".localhost"))
        .then(|| vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()])
}

/// A name with dots is complete: the search list of the system must not send it elsewhere.
fn absolute(name: &str) -> String {
    if name.contains('.') && !name.ends_with('.') { format!("{name}.") } else { name.to_owned() }
}

fn relative(name: &str) -> String {
    name.trim_end_matches('.').to_owned()
}

fn some_or_nothing<T>(records: Vec<T>, answer: impl FnOnce(Vec<T>) -> Answer) -> Answer {
    if records.is_empty() { Answer::Nothing } else { answer(records) }
}

fn failure(error: &hickory_resolver::net::NetError) -> Answer {
    if error.is_no_records_found() || error.is_nx_domain() { Answer::Nothing } else { Answer::Failed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_localhost_need_no_server() {
        assert_eq!(literal_or_localhost("[::1]"), Some(vec!["::1".parse().unwrap()]));
        assert_eq!(literal_or_localhost("192.0.2.1"), Some(vec!["192.0.2.1".parse().unwrap()]));
        assert_eq!(literal_or_localhost("pbx.localhost").unwrap().len(), 2);
        assert_eq!(literal_or_localhost("pbx.example"), None);
    }

    #[test]
    fn complete_names_do_not_meet_the_search_list() {
        assert_eq!(absolute("_sip._udp.example.org"), "_sip._udp.example.org.");
        assert_eq!(absolute("pbx"), "pbx");
    }
}
