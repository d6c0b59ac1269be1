//! The control API over TCP, as a program on the same machine uses it.

use super::{account_at, together};
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

fn control_api(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let address = SocketAddr::from(([127, 0, 0, 1], ports::take(2)));
    let account = account_at(&pbx.sip.to_string(), "100", &pbx.password("100")?, &[]);
    let mut phone = offhook::phone(case, "100")?.silent().control(Some(address)).account(&account)?.start(case)?;
    let mut client = Client::connect(case, address)?;
    client.say("API_Register")?;
    phone.wait_registered()?;
    client.say("API_IsRegistered")?;
    client.say("API_Call,-1,600")?;
    client.wait("STATUS,1,")?;
    let view = phone.wait_calls(&["talking"])?;
    wait::ensure(view["calls"][0]["peer"] == "600", || format!("{}", view["calls"]))?;
    client.say("API_Hangup,-1")?;
    client.wait("CDR,")?;
    phone.wait_idle()?;
    Ok(())
}
