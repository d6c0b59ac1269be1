//! TLS for the web: what the phone believes (the system's authorities and those it was given), pinned keys, and its own
//! certificate for servers that ask. rustls does the work; the chain, the name and the dates are always checked.

use offhook_account::fetch::{FetchError, Identity, Trust};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::sync::Arc;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// A client that believes the system's authorities and `trust`. `identity`: it may show the phone's certificate.
///
/// # Errors
/// A certificate or key of `trust` is not readable, or there is nobody to believe.
pub fn client(trust: &Trust, identity: bool) -> Result<ClientConfig, FetchError> {
    let wrong = |what: &str, why: &dyn std::fmt::Display| FetchError::Tls(format!("{what}: {why}"));
    let mut roots = RootCertStore::empty();
    for authority in certificates(&trust.authorities, "provisioned authorities")? {
        roots.add(authority).map_err(|error| wrong("a provisioned authority", &error))?;
    }
    // Each one that is not readable is one that is not believed.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(FetchError::Tls("no authority to believe: install ca-certificates, or provision one".into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| wrong("authorities", &error))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("TLS", &error))?
        // It is what rustls would use, and then asks more.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { chain, pins: trust.pins.clone() }));
    match trust.identity.as_ref().filter(|_| identity) {
        None => Ok(builder.with_no_client_auth()),
        Some(Identity { chain, key }) => {
            let chain = certificates(chain, "the phone's certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
                .map_err(|error| wrong("the key of the phone's certificate", &error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| wrong("the phone's certificate", &error))
        }
    }
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, FetchError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|error| FetchError::Tls(format!("{what}: {error}; PEM is expected")))?;
    if all.is_empty() && !pem.trim().is_empty() {
        return Err(FetchError::Tls(format!("{what}: no BEGIN CERTIFICATE in it; PEM is expected")));
    }
    Ok(all)
}

/// SHA-256 of a certificate's public key, as in [`Trust::pins`]; `None`: not a certificate.
pub fn pin(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(Sha256::digest(parsed.subject_public_key_info()).into())
}

/// The usual check, then the server's key.
#[derive(Debug)]
struct Pinned {
    chain: Arc<WebPkiServerVerifier>,
    pins: Vec<[u8; 32]>,
}

#[derive(Debug)]
struct AnotherKey;

impl std::fmt::Display for AnotherKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server's key is not one of the pinned ones; provision the new pin before its key changes")
    }
}

impl std::error::Error for AnotherKey {}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        // The server's own certificate only: what else it sent along is not all part of the chain that was checked.
        if self.pins.is_empty() || pin(end_entity).is_some_and(|pin| self.pins.contains(&pin)) {
            Ok(verified)
        } else {
            Err(CertificateError::Other(OtherError(Arc::new(AnotherKey))).into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// What went wrong with TLS, and what to do about it.
pub fn explain(error: &rustls::Error) -> String {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another name; use the name that it has".into()
            }
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "the server's certificate is too old, or the phone's date is wrong".into()
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet, or the phone's date is wrong".into()
            }
            Bad::UnknownIssuer => {
                "nobody whom the phone believes has signed the server's certificate; provision its authority".into()
            }
            Bad::Other(other) => other.to_string(),
            other => format!("the server's certificate is not usable: {other}"),
        },
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants to see a certificate of the phone; give it one".into()
        }
        rustls::Error::AlertReceived(alert) => format!("the server refused: {alert:?}"),
        other => other.to_string(),
    }
}

/// Puts TLS on connections to https URLs.
#[derive(Debug)]
pub(crate) struct TlsConnector {
    pub(crate) trust: Arc<Trust>,
    /// The phone's certificate may be shown.
    pub(crate) identity: bool,
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        let transport = chained.ok_or(ureq::Error::ConnectionFailed)?;
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let config = client(&self.trust, self.identity).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        // A URL writes IPv6 in brackets.
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| ureq::Error::Tls("no name to check the certificate with"))?;
        let failed = |error: rustls::Error| ureq::Error::Io(std::io::Error::other(error));
        let mut conn = ClientConnection::new(Arc::new(config), name).map_err(failed)?;
        let mut sock = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        sock.set_timeout(details.timeout);
        conn.complete_io(&mut sock)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream: StreamOwned { conn, sock } })))
    }
}

pub(crate) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsTransport")
    }
}
