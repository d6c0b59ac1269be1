//! Random octets for passwords, tokens, nonce keys and SSRCs: SHA-256 in counter mode over the 32 octets of entropy that
//! the driver took from the operating system (the shape of NIST SP 800-90A Hash_DRBG without reseeding, which a process
//! that draws a few hundred octets does not need). The output does not reveal the key, nor earlier or later output.

use sha2::{Digest, Sha256};

/// Letters and digits without the five that people confuse when they type a password from paper (0 O 1 l I).
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

pub(crate) struct Chance {
    key: [u8; 32],
    counter: u64,
    block: [u8; 32],
    used: usize,
}

impl Chance {
    /// Streams of different `purpose` are independent of each other.
    pub(crate) fn new(entropy: &[u8; 32], purpose: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"offhook-pbx key ");
        hash.update(entropy);
        hash.update(purpose.as_bytes());
        Self { key: hash.finalize().into(), counter: 0, block: [0; 32], used: 32 }
    }

    pub(crate) fn octet(&mut self) -> u8 {
        if self.used >= self.block.len() {
            let mut hash = Sha256::new();
            hash.update(b"offhook-pbx block ");
            hash.update(self.key);
            hash.update(self.counter.to_be_bytes());
            self.block = hash.finalize().into();
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        let octet = self.block.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        octet
    }

    pub(crate) fn octets(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.octet())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_be_bytes([self.octet(), self.octet(), self.octet(), self.octet()])
    }

    /// `length` characters of 5.8 bits each; drawn by rejection, so that every character is equally likely.
    pub(crate) fn text(&mut self, length: usize) -> String {
        let limit = (256 / ALPHABET.len() * ALPHABET.len()) as u8;
        let mut text = String::with_capacity(length);
        while text.len() < length {
            let octet = self.octet();
            if octet < limit
                && let Some(&letter) = ALPHABET.get(usize::from(octet) % ALPHABET.len())
            {
                text.push(char::from(letter));
            }
        }
        text
    }
}

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chance(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_entropy_and_purpose_give_the_same_text_and_others_do_not() {
        let text = |entropy: u8, purpose| Chance::new(&[entropy; 32], purpose).text(24);
        assert_eq!(text(1, "a"), text(1, "a"));
        assert_ne!(text(1, "a"), text(2, "a"));
        assert_ne!(text(1, "a"), text(1, "b"));
        assert_eq!(text(1, "a").len(), 24);
    }

    #[test]
    fn every_letter_of_the_alphabet_comes_about_equally_often() {
        let text = Chance::new(&[7; 32], "letters").text(57_000);
        for letter in ALPHABET {
            let count = text.bytes().filter(|b| b == letter).count();
            assert!((850..1150).contains(&count), "{}: {count}", char::from(*letter));
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", Chance::new(&[0; 32], "x")), "Chance(***)");
    }
}
