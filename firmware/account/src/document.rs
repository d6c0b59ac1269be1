//! One Account XML document as an ordered tree of nodes, kept whole: unknown nodes come back as they came.

/// One element: name, attributes in order, text or children.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node { pub name: String, pub attributes: Vec<(String, String)>, pub text: String, pub children: Vec<Node>, /// 1-based, where it started
    pub line: u32, pub column: u32 }

/// A read document: root `account`. Debug output masks secret nodes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Document { pub nodes: Vec<Node> }

/// Why a document was refused as a whole: the phone stays exactly as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection { /// 1-based; 0 when the place has no meaning (too large, empty)
    pub line: u32, pub column: u32, pub reason: String }

/// Something in an accepted document that the administrator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding { pub line: u32, pub column: u32, /// node name, such as `expires`
    pub node: String, pub kind: FindingKind, pub message: String }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind { /// value unusable: the default is used
    BadValue, /// named twice: the first counts
    Duplicate, /// nobody knows this node; kept
    Unknown, /// known, kept, without meaning on a desk phone
    NotApplicable, /// valid, kept, acts in a later version
    NotYet, /// accepted after a repair (bare `&`)
    Repaired }

/// Largest document [octets].
pub const MAX_DOCUMENT: usize = 1_048_576;

impl Document {
    /// Reads one `<account>`; the rules of tests/corpora/index.csv (A: accepted, R: refused, N: accepted with a finding).
    /// Checks that username, password and host are usable.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<Finding>), Rejection> { todo!() }
    pub fn to_xml(&self) -> String { todo!() }
    pub fn node(&self, name: &str) -> Option<&Node> { todo!() }
    pub fn value(&self, name: &str) -> Option<&str> { todo!() }
    pub fn set(&mut self, name: &str, value: &str) { todo!() }
}
impl std::fmt::Debug for Document { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
