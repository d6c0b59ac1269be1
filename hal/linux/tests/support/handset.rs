//! A USB handset that the kernel believes in, by `uhid` (`linux/uhid.h`).

use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Hook switch and Phone Mute, padding, one key of the keypad as a number; a ring lamp.
const DESCRIPTOR: &[u8] = &[
    0x05, 0x0b, 0x09, 0x04, 0xa1, 0x01, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01, 0x09, 0x20, 0x81, 0x22, 0x09,
    0x2f, 0x81, 0x02, 0x95, 0x06, 0x81, 0x03, 0x09, 0x06, 0xa1, 0x02, 0x19, 0xb0, 0x29, 0xbb, 0x15, 0x01, 0x25, 0x0c,
    0x75, 0x08, 0x95, 0x01, 0x81, 0x40, 0xc0, 0x05, 0x08, 0x15, 0x00, 0x25, 0x01, 0x09, 0x18, 0x75, 0x01, 0x95, 0x01,
    0x91, 0x02, 0x95, 0x07, 0x91, 0x03, 0xc0,
];
const EVENT: usize = 4380;
const DESTROY: u32 = 1;
const OUTPUT: u32 = 6;
const GET_REPORT: u32 = 9;
const GET_REPORT_REPLY: u32 = 10;
const CREATE2: u32 = 11;
const INPUT2: u32 = 12;

pub(crate) struct Handset {
    uhid: File,
    outputs: Receiver<Vec<u8>>,
}

impl Handset {
    /// `None`, and said so, where the kernel has no uhid. `lifted`: what it answers when it is asked.
    pub(crate) fn plug_in(usb: (u16, u16), lifted: bool) -> Option<Self> {
        let Ok(mut uhid) = File::options().read(true).write(true).open("/dev/uhid") else {
            eprintln!("skipped: no /dev/uhid");
            return None;
        };
        let mut create = vec![0_u8; 4 + 128 + 64 + 64];
        create[..4].copy_from_slice(&CREATE2.to_ne_bytes());
        create[4..12].copy_from_slice(b"A Phone!");
        create.extend((DESCRIPTOR.len() as u16).to_ne_bytes());
        create.extend(3_u16.to_ne_bytes());
        for number in [u32::from(usb.0), u32::from(usb.1), 0, 0] {
            create.extend(number.to_ne_bytes());
        }
        create.extend(DESCRIPTOR);
        uhid.write_all(&create).expect("a device");
        let (sender, outputs) = channel();
        let mut kernel = uhid.try_clone().expect("a descriptor");
        std::thread::spawn(move || {
            let mut event = [0_u8; EVENT];
            while let Ok(length) = kernel.read(&mut event) {
                let number = |at: usize| u32::from_ne_bytes(event[at..at + 4].try_into().expect("four bytes"));
                match number(0) {
                    OUTPUT if length > 4100 => {
                        let size = usize::from(u16::from_ne_bytes([event[4100], event[4101]]));
                        let _ = sender.send(event[4..4 + size].to_vec());
                    }
                    GET_REPORT => {
                        let mut reply = GET_REPORT_REPLY.to_ne_bytes().to_vec();
                        reply.extend(number(4).to_ne_bytes());
                        reply.extend([0, 0, 3, 0, 0, u8::from(lifted), 0]);
                        let _ = kernel.write_all(&reply);
                    }
                    _ => {}
                }
            }
        });
        // The driver of the kernel takes hold of it on its own time.
        std::thread::sleep(Duration::from_millis(200));
        Some(Self { uhid, outputs })
    }

    pub(crate) fn send(&mut self, report: &[u8]) {
        let mut event = INPUT2.to_ne_bytes().to_vec();
        event.extend((report.len() as u16).to_ne_bytes());
        event.extend(report);
        self.uhid.write_all(&event).expect("a report");
    }

    /// The next output report that says something is lit.
    pub(crate) fn received(&self) -> Option<Vec<u8>> {
        self.outputs.recv_timeout(Duration::from_secs(2)).ok()
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        let _ = self.uhid.write_all(&DESTROY.to_ne_bytes());
    }
}
