//! Provisioning from the servers that administrators run: nginx with TLS, client certificates, entity tags and compression,
//! lighttpd with Digest.

use super::{account_at, together};
use crate::case::{self, Case, Outcome, Tool};
use crate::offhook::{self, Offhook};
use crate::process::{self, Process};
use crate::{Entry, ports, wait};
use std::process::Command;

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("nginx_tls_with_a_provisioned_authority", tls, &[Tool::Nginx, Tool::Openssl]),
        together("nginx_tls_refuses_what_it_must", refusals, &[Tool::Nginx, Tool::Openssl]),
        together("nginx_asks_for_a_client_certificate", client_certificate, &[Tool::Nginx, Tool::Openssl]),
        together("nginx_compresses_and_knows_entity_tags", compression, &[Tool::Nginx, Tool::Openssl]),
        together("lighttpd_digest_sha256_and_md5", digest, &[Tool::Lighttpd]),
    ]
}

// ---- What the servers are made of

/// An authority, and a certificate for `name` signed by it, as an administrator makes them.
fn certificates(case: &Case, name: &str) -> Outcome {
    let run = |args: &[&str]| -> Outcome {
        let output = Command::new("openssl").args(args).current_dir(&case.folder).output();
        let output = output.map_err(|error| format!("openssl: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        wait::ensure(output.status.success(), || format!("openssl {args:?}: {said}"))
    };
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let with = |more: &[&'static str]| new.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    run(&with(&["-subj", "/CN=Office authority", "-keyout", "ca.key", "-out", "ca.pem"]))?;
    let alternative = format!("subjectAltName={name}");
    for (who, extension) in [("server", alternative.as_str()), ("phone", "extendedKeyUsage=clientAuth")] {
        let (key, pem, subject) = (format!("{who}.key"), format!("{who}.pem"), format!("/CN={who}"));
        let mut args = new.to_vec();
        args.extend(["-CA", "ca.pem", "-CAkey", "ca.key", "-subj", &subject, "-addext", extension]);
        args.extend(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", &key, "-out", &pem]);
        run(&args)?;
    }
    Ok(())
}

struct Nginx {
    _process: Process,
    port: u16,
}

/// nginx with `more` in its server block; it gives what is in the case's folder `www`.
fn nginx(case: &Case, more: &str) -> Outcome<Nginx> {
    let port = ports::take(2);
    let folder = case.folder.display();
    std::fs::create_dir_all(case.path("www")).map_err(|error| error.to_string())?;
    let config = format!(
        "daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.error info;\nworker_processes 1;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n  access_log {folder}/nginx.access;\n  types {{ application/xml xml; }}\n\
         client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;\n\
         uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;\n\
         server {{\n  listen 127.0.0.1:{port} ssl;\n  root {folder}/www;\n\
         ssl_certificate {folder}/server.pem;\n  ssl_certificate_key {folder}/server.key;\n  {more}\n }}\n}}\n"
    );
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let path = case.path("nginx.conf");
    std::fs::write(&path, format!("{user}{config}")).map_err(|error| error.to_string())?;
    let program = case::find("nginx").ok_or("nginx is gone")?;
    let mut command = Command::new(program);
    command.arg("-e").arg(case.path("nginx.start")).arg("-c").arg(path).arg("-p").arg(&case.folder);
    let mut process = Process::start(case, "nginx", &mut command)?;
    listening(port, &mut process)?;
    Ok(Nginx { _process: process, port })
}

fn listening(port: u16, process: &mut Process) -> Outcome {
    let log = process.log.clone();
    wait::until(
        10,
        || match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Ok(_) => Ok(Some(())),
            Err(_) if process.is_alive() => Ok(None),
            Err(_) => Err(format!("the web server ended: {}", process::last(&process::read(&log)))),
        },
        || "the web server does not listen".to_owned(),
    )
}

impl Nginx {
    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/{path}", self.port)
    }
}

fn document(case: &Case, more: &[(&str, &str)]) -> Outcome {
    // Nobody is at that port: what is provisioned is to be seen, not to be registered.
    let text = account_at("127.0.0.1:9", "100", "pw100", more);
    std::fs::create_dir_all(case.path("www")).map_err(|error| error.to_string())?;
    std::fs::write(case.path("www/phone.xml"), text).map_err(|error| error.to_string())
}

fn phone(case: &Case, name: &str, url: &str, more: &[(&str, &str)]) -> Outcome<Offhook> {
    let options = offhook::phone(case, name)?.silent().provision(url);
    more.iter().fold(options, |options, (option, value)| options.option(option, value)).start(case)
}

fn provisioned(phone: &mut Offhook) -> Outcome {
    phone.wait_view(15, "the account of the server", |view| view["accounts"][0]["username"] == "100").map(drop)
}

/// The phone says this about its fetch, and has no account.
fn refused(phone: &mut Offhook, word: &str) -> Outcome {
    let name = phone.process.log.clone();
    wait::until(
        15,
        || Ok(process::read(&name).contains(word).then_some(())),
        || format!("the phone does not say {word:?}: {}", process::last(&process::read(&name))),
    )?;
    let view = phone.view()?;
    wait::ensure(view["accounts"].as_array().is_some_and(Vec::is_empty), || format!("there is an account: {view}"))
}

fn text(path: &std::path::Path) -> String {
    path.display().to_string()
}

// ---- The cases

/// Covers: feat.85, feat.91.
fn tls(case: &Case) -> Outcome {
    certificates(case, "IP:127.0.0.1")?;
    document(case, &[])?;
    let nginx = nginx(case, "")?;
    let authority = text(&case.path("ca.pem"));
    let mut phone = phone(case, "phone", &nginx.url("phone.xml"), &[("--authorities", &authority)])?;
    provisioned(&mut phone)
}

fn refusals(case: &Case) -> Outcome {
    certificates(case, "DNS:other.example")?;
    document(case, &[])?;
    let nginx = nginx(case, "")?;
    let authority = text(&case.path("ca.pem"));
    let url = nginx.url("phone.xml");
    let mut unknown = phone(case, "unknown", &url, &[])?;
    refused(&mut unknown, "provision its authority")?;
    let mut other = phone(case, "other", &url, &[("--authorities", &authority)])?;
    refused(&mut other, "for another name")?;
    let asked = process::read(&case.path("nginx.access"));
    wait::ensure(asked.is_empty(), || format!("a server that is not believed was asked: {asked}"))
}

fn client_certificate(case: &Case) -> Outcome {
    certificates(case, "IP:127.0.0.1")?;
    document(case, &[])?;
    let folder = case.folder.display();
    let nginx = nginx(case, &format!("ssl_verify_client on; ssl_client_certificate {folder}/ca.pem;"))?;
    let (authority, certificate, key) =
        (text(&case.path("ca.pem")), text(&case.path("phone.pem")), text(&case.path("phone.key")));
    let url = nginx.url("phone.xml");
    let mut stranger = phone(case, "stranger", &url, &[("--authorities", &authority)])?;
    refused(&mut stranger, "400")?;
    let all = [("--authorities", authority.as_str()), ("--certificate", &certificate), ("--key", &key)];
    let mut phone = phone(case, "phone", &url, &all)?;
    provisioned(&mut phone)
}

/// Covers: feat.93, axml.prov.02.
fn compression(case: &Case) -> Outcome {
    certificates(case, "IP:127.0.0.1")?;
    let comment = "Number one is the front desk. ".repeat(8);
    document(case, &[("extProvInterval", "5"), ("note", &comment)])?;
    let folder = case.folder.display();
    let gzip = format!("gzip on; gzip_types application/xml; gzip_min_length 10; add_header X-Folder {folder};");
    let nginx = nginx(case, &gzip)?;
    let authority = text(&case.path("ca.pem"));
    let mut phone = phone(case, "phone", &nginx.url("phone.xml"), &[("--authorities", &authority)])?;
    provisioned(&mut phone)?;
    let access = case.path("nginx.access");
    wait::until(
        20,
        || Ok(process::read(&access).contains("\" 304 ").then_some(())),
        || format!("no conditional request: {}", process::read(&access)),
    )?;
    let seen = process::read(&access);
    let length = std::fs::metadata(case.path("www/phone.xml")).map_err(|error| error.to_string())?.len();
    let first: u64 = seen.split_whitespace().nth(9).and_then(|word| word.parse().ok()).unwrap_or(length);
    wait::ensure(first < length, || format!("{first} octets of {length} were sent: not compressed? {seen}"))?;
    // Another document is another one at once, without a restart.
    document(case, &[("extProvInterval", "5"), ("title", "Reception")])?;
    phone.wait_view(20, "the new title", |view| view["accounts"][0]["title"] == "Reception").map(drop)
}

/// Covers: feat.85.
fn digest(case: &Case) -> Outcome {
    document(case, &[])?;
    for (algorithm, name) in [("SHA-256", "sha"), ("MD5", "md5")] {
        let port = ports::take(2);
        let folder = case.folder.display();
        let users = case.path(format!("{name}.users"));
        std::fs::write(&users, "anna:s3cret\n").map_err(|error| error.to_string())?;
        let config = format!(
            "server.document-root = \"{folder}/www\"\nserver.port = {port}\nserver.bind = \"127.0.0.1\"\n\
             server.errorlog = \"{folder}/{name}.error\"\nserver.modules = (\"mod_auth\", \"mod_authn_file\", \"mod_accesslog\")\n\
             accesslog.filename = \"{folder}/{name}.access\"\n\
             auth.backend = \"plain\"\nauth.backend.plain.userfile = \"{}\"\n\
             auth.require = ( \"/\" => ( \"method\" => \"digest\", \"realm\" => \"phones\", \"require\" => \"valid-user\",\n\
             \"algorithm\" => \"{algorithm}\" ) )\n",
            users.display()
        );
        let path = case.path(format!("{name}.conf"));
        std::fs::write(&path, config).map_err(|error| error.to_string())?;
        let program = case::find("lighttpd").ok_or("lighttpd is gone")?;
        let mut process = Process::start(case, name, Command::new(program).arg("-D").arg("-f").arg(&path))?;
        listening(port, &mut process)?;
        let wrong = format!("http://anna:guess@127.0.0.1:{port}/phone.xml");
        let right = format!("http://anna:s3cret@127.0.0.1:{port}/phone.xml");
        let mut stranger = phone(case, &format!("{name}-wrong"), &wrong, &[])?;
        refused(&mut stranger, "401")?;
        // One try without, one with the password; a server locks out who asks again and again.
        let tries = || process::read(&case.path(format!("{name}.access"))).lines().count();
        wait::until(10, || Ok((tries() >= 2).then_some(())), || format!("{} tries are in its log", tries()))?;
        wait::ensure(tries() == 2, || format!("{} tries with a wrong password", tries()))?;
        let mut phone = phone(case, &format!("{name}-right"), &right, &[])?;
        provisioned(&mut phone)?;
        let log = phone.process.log();
        wait::ensure(!log.contains("s3cret"), || format!("the password is in the log: {log}"))?;
    }
    Ok(())
}
