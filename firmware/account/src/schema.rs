//! The table of every node of the Account XML: the one place for names, types, defaults, limits and what a node
//! means on this phone. Parsing, defaults, reports, the control API's parameters and docs/account-xml.md come from it.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect { /// acts
    Acts, /// parsed, validated, kept; acts in a later version
    NotYet, /// kept and reported: no meaning on a desk phone
    NotApplicable }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind { Text, Secret, Bool, /// inclusive limits
    Integer { min: i64, max: i64 }, Choice(&'static [&'static str]), List(&'static [&'static str]), HostPort, Url, Tone, Container }
/// One row: `id` is the row's name in the specification (`axml.cred.02`).
#[derive(Debug, Clone, Copy)]
pub struct Row { pub id: &'static str, pub node: &'static str, pub kind: Kind, pub default: &'static str, pub effect: Effect, pub meaning: &'static str }
pub fn rows() -> &'static [Row] { todo!() }
pub fn row(node: &str) -> Option<&'static Row> { todo!() }
/// The table as Markdown, for docs/account-xml.md.
pub fn to_markdown() -> String { todo!() }
