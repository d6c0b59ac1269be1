//! Cuts the client's bytes into requests (`ctl.api.proto.02`, `.04`): a line up to LF, or everything between
//! `BOFCOMMAND` and `EOFCOMMAND`. How the bytes were cut on their way makes no difference.

/// A request, line or encapsulated, is at most this long [bytes]. A longer one ends the connection.
pub const MAX_REQUEST: usize = 65_536;
/// Bytes that may wait behind a request that the phone is still busy with.
pub(crate) const MAX_WAITING: usize = 4 * MAX_REQUEST;

const BEGIN: &[u8] = b"BOFCOMMAND";
const END: &[u8] = b"EOFCOMMAND";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Without its line end, not blank.
    Line(String),
    /// What stood between the two marks.
    Block(String),
    /// An encapsulated request that was begun and not ended before the next one began.
    Broken,
    /// More than [`MAX_REQUEST`] bytes without an end: nothing after it can be understood.
    TooLong,
}

#[derive(Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    /// Where the request at hand begins.
    start: usize,
    /// No end of the request lies before this.
    searched: usize,
}

impl Frames {
    /// `false`: too much is waiting.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.buffer.drain(..self.start);
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
        self.buffer.len() <= MAX_WAITING + MAX_REQUEST
    }

    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let waiting = self.buffer.get(self.start..)?;
            let blank = waiting.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if blank > 0 {
                self.skip(blank);
                continue;
            }
            let begins = waiting.get(..BEGIN.len()).is_some_and(|first| first.eq_ignore_ascii_case(BEGIN));
            // Shorter than the mark, it may still become one; a line end in it says that it does not.
            if waiting.is_empty() || (waiting.len() < BEGIN.len() && !waiting.contains(&b'\n')) {
                return None;
            }
            let window = waiting.get(..MAX_REQUEST).unwrap_or(waiting);
            let from = self.searched.saturating_sub(self.start);
            let end = match begins {
                true => find(window, END, from.max(BEGIN.len())).map(|at| (at, END.len())),
                false => window.iter().skip(from).position(|byte| *byte == b'\n').map(|at| (from + at, 1)),
            };
            let Some((length, mark)) = end else {
                if window.len() == MAX_REQUEST {
                    self.skip(waiting.len());
                    return Some(Frame::TooLong);
                }
                // The mark may be half here.
                self.searched = self.start + window.len().saturating_sub(END.len());
                return None;
            };
            let content = window.get(..length).unwrap_or_default();
            let frame = match begins {
                false => Frame::Line(text(content)),
                true => {
                    let inner = content.get(BEGIN.len()..).unwrap_or_default();
                    if let Some(again) = find(inner, BEGIN, 0) {
                        self.skip(BEGIN.len() + again);
                        return Some(Frame::Broken);
                    }
                    Frame::Block(text(inner))
                }
            };
            self.skip(length + mark);
            return Some(frame);
        }
    }

    fn skip(&mut self, count: usize) {
        self.start += count;
        self.searched = self.start;
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// First place of `mark` at or after `from`, in any case.
fn find(bytes: &[u8], mark: &[u8], from: usize) -> Option<usize> {
    let at = bytes.get(from..)?.windows(mark.len()).position(|window| window.eq_ignore_ascii_case(mark))?;
    Some(from + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
        let mut frames = Frames::default();
        let mut all = Vec::new();
        for piece in pieces {
            frames.push(piece);
            while let Some(frame) = frames.next() {
                all.push(frame);
            }
        }
        all
    }

    fn line(text: &str) -> Frame {
        Frame::Line(text.into())
    }

    /// Covers: ctl.api.proto.02
    #[test]
    fn lines_end_with_or_without_a_carriage_return_and_blank_ones_are_nothing() {
        assert_eq!(
            frames(&[b"API_Test\r\nAPI_TestEx\n\r\n  \n x \n"]),
            [line("API_Test"), line("API_TestEx"), line("x")]
        );
        assert_eq!(frames(&[b"ab\n"]), [line("ab")]);
        assert_eq!(frames(&[b"BOFCOMM\n"]), [line("BOFCOMM")]);
    }

    #[test]
    fn a_block_needs_no_line_end_and_may_hold_lines() {
        let block = |text: &str| Frame::Block(text.into());
        assert_eq!(
            frames(&[b"BOFCOMMAND BOFLINE a\r\nb EOFLINE EOFCOMMANDAPI_Test\n"]),
            [block("BOFLINE a\r\nb EOFLINE"), line("API_Test")]
        );
        assert_eq!(frames(&[b"bofcommand x eofcommand\r\n"]), [block("x")]);
    }

    #[test]
    fn a_block_that_was_never_ended_does_not_swallow_the_next() {
        assert_eq!(
            frames(&[b"BOFCOMMAND lost BOFCOMMAND kept EOFCOMMAND"]),
            [Frame::Broken, Frame::Block("kept".into())]
        );
    }

    #[test]
    fn a_request_may_be_as_long_as_allowed_and_not_longer() {
        let mut longest = vec![b'a'; MAX_REQUEST - 1];
        longest.push(b'\n');
        assert_eq!(frames(&[&longest]), [line(&"a".repeat(MAX_REQUEST - 1))]);
        longest.insert(0, b'a');
        assert_eq!(frames(&[&longest]), [Frame::TooLong]);
        let block = [b"BOFCOMMAND".as_slice(), &vec![b'a'; MAX_REQUEST]].concat();
        assert_eq!(frames(&[&block]), [Frame::TooLong]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_frames(
            words in prop::collection::vec(prop::sample::select(vec![
                "BOFCOMMAND", "EOFCOMMAND", "BOFLINE", "EOFLINE", "API_Test", ",", " ", "\r\n", "\n", "B", "\u{fc}", "EOFCOMM",
            ]), 0..60),
            cuts in prop::collection::vec(0_usize..400, 0..20),
        ) {
            let bytes = words.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(frames(&pieces), frames(&[&bytes]));
        }
    }
}
