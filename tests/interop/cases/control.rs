//! The control API over TCP, as a program on the same machine uses it.

use super::together;
use crate::case::{Case, Outcome};
use crate::{Entry, offhook, pbxd, ports, wait};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) fn cases() -> Vec<Entry> {
    vec![together("control_api", control_api, &[])]
}

struct Client {
    stream: TcpStream,
    heard: Arc<Mutex<String>>,
    seen: usize,
}

impl Client {
    fn connect(case: &Case, address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).map_err(|error| format!("control API: {error}"))?;
        let mut from = stream.try_clone().map_err(|error| error.to_string())?;
        let heard = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&heard);
        let record = case.path("control.txt");
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
                let _ = std::fs::write(&record, into.lock().unwrap().as_str());
            }
        });
        Ok(Self { stream, heard, seen: 0 })
    }

    fn say(&mut self, line: &str) -> Outcome {
        write!(self.stream, "{line}\r\n").map_err(|error| format!("control API: {error}"))
    }

    /// Waits for `wanted` in what comes after the last thing waited for.
    fn wait(&mut self, wanted: &str) -> Outcome {
        let (heard, from) = (Arc::clone(&self.heard), self.seen);
        let at = wait::until(
            10,
            || Ok(heard.lock().unwrap()[from..].find(wanted)),
            || format!("the control API did not say {wanted:?} but {:?}", &heard.lock().unwrap()[from..]),
        )?;
        self.seen = from + at + wanted.len();
        Ok(())
    }
}

/// Covers: ctl.api.proto.01, ctl.api.proto.02, ctl.api.proto.04, ctl.api.proto.05, ctl.api.proto.06, ctl.api.proto.07
fn control_api(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let address = SocketAddr::from(([127, 0, 0, 1], ports::take(2)));
    // A phone that knows nothing, and one to be called by.
    let mut phone = offhook::phone(case, "100")?.silent().control(Some(address)).start(case)?;
    let mut other = offhook::phone(case, "101")?.silent().provision(pbx.url("101")?).start(case)?;
    other.wait_registered()?;
    let mut client = Client::connect(case, address)?;
    client.say("API_Start")?;
    client.wait("OK: API_Start succeed")?;
    client.say(&format!("API_Register,{},100,{}", pbx.sip, pbx.password("100")?))?;
    client.wait("OK: API_Register succeed")?;
    client.wait("WPNOTIFICATION,STATUS,-1,Registered,")?;
    phone.wait_registered()?;

    client.say("API_Call,-1,600")?;
    client.wait("OK: API_Call succeed")?;
    for word in ["CallSetup", "CallConnect", "InCall"] {
        client.wait(&format!("WPNOTIFICATION,STATUS,1,{word},600,100,1,"))?;
    }
    let view = phone.wait_calls(&["talking"])?;
    wait::ensure(view["calls"][0]["peer"] == "600", || format!("the call is {}", view["calls"]))?;
    client.say("API_IsInCall,-1")?;
    client.wait("\r\n2\r\n")?;
    client.say("API_Hold,-1,true")?;
    client.wait("OK: API_Hold succeed")?;
    client.wait("STATUS,1,Hold,600,")?;
    client.say("API_Hold,-1,false")?;
    client.wait("STATUS,1,Speaking,600,")?;
    client.say("API_Hangup,-1")?;
    client.wait("STATUS,1,Finished,600,")?;
    client.wait("WPNOTIFICATION,CDR,1,600,100,600,")?;
    phone.wait_idle()?;

    // A call that comes, taken by the encapsulated form.
    other.call("100")?;
    client.wait("STATUS,1,Ringing,101,100,2,")?;
    client.say("BOFCOMMAND BOFLINE function=API_Accept EOFLINE BOFLINE line=-1 EOFLINE EOFCOMMAND")?;
    client.wait("APIREQUEST: API_Accept RPARAM1:-1 APIRESULT:true")?;
    other.wait_calls(&["talking"])?;
    other.put_down()?;
    client.wait("WPNOTIFICATION,CDR,1,101,")?;
    phone.wait_idle()?;

    // What cannot be done says why.
    client.say("API_Accept,-1")?;
    client.wait("ERROR: API_Accept failed: ")?;
    client.say("API_NoSuchThing")?;
    client.wait("ERROR: ")?;

    // The phone's own book, and the accounts as a template: neither has a password in it.
    client.say("API_AddContact,,Bob Builder,,101")?;
    client.wait("OK: API_AddContact succeed")?;
    client.say("API_GetContacts")?;
    client.wait("\r\n,Bob Builder,,101,")?;
    phone.wait_view(5, "the name of who called", |view| view["history"][0]["name"] == "Bob Builder")?;
    client.say("API_DelContact,bob builder")?;
    client.wait("OK: API_DelContact succeed")?;
    client.say("API_ExportAccounts")?;
    client.wait("<!-- Secrets are left out of: password. -->")?;
    client.wait("<username>100</username>")?;
    client.wait("</account>")?;
    let heard = client.heard.lock().unwrap().clone();
    wait::ensure(!heard.contains(&pbx.password("100")?), || "the password came back over the control API".into())?;

    client.say("API_Unregister")?;
    client.wait("OK: API_Unregister succeed")?;
    phone.wait_view(5, "that it is not registered", |view| view["accounts"][0]["state"] == "off")?;
    Ok(())
}
