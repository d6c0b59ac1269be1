//! As much of a device-tree source as the overlays of the boards have: nodes with properties, read without a library so
//! that the test runs where `dtc` is not installed.

use std::collections::{BTreeMap, BTreeSet};

/// Pins of the groups that Linux' device trees of the Broadcom chips define (`bcm283x.dtsi`), and of the buses whose
/// pins are theirs from the start.
const GROUPS: [(&str, &[u32]); 5] = [
    ("pcm_gpio18", &[18, 19, 20, 21]),
    ("gpclk0_gpio4", &[4]),
    ("pwm0_gpio12", &[12]),
    ("pwm1_gpio13", &[13]),
    ("i2c1", &[2, 3]),
];

#[derive(Debug, Default, Clone)]
pub(crate) struct Node {
    /// with its unit address, without its label
    pub(crate) name: String,
    pub(crate) label: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) children: Vec<Self>,
}

impl Node {
    fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        for child in &self.children {
            all.extend(child.all());
        }
        all
    }

    fn text(&self, property: &str) -> Option<&str> {
        Some(self.properties.get(property)?.trim_matches('"'))
    }

    /// The words between `<` and `>`.
    fn cells(&self, property: &str) -> Vec<String> {
        let Some(value) = self.properties.get(property) else { return Vec::new() };
        let inside = value.replace(['<', '>', ','], " ");
        inside.split_whitespace().map(str::to_owned).collect()
    }

    fn compatible(&self, with: &str) -> bool {
        self.text("compatible") == Some(with)
    }
}

pub(crate) struct Overlay(Node);

impl Overlay {
    pub(crate) fn read(text: &str) -> Self {
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("/*") {
            plain.push_str(before);
            rest = after.split_once("*/").unwrap_or_else(|| panic!("a comment has no end")).1;
        }
        plain.push_str(rest);
        let body = plain.split_once("/plugin/;").unwrap_or_else(|| panic!("no /plugin/")).1;
        let mut words = Words(body);
        let root = words.node().unwrap_or_else(|| panic!("no root node"));
        assert_eq!(words.0.trim(), "", "something follows the root node");
        Self(root)
    }

    /// Lines of the GPIO chip that the overlay takes.
    pub(crate) fn lines(&self) -> BTreeSet<u32> {
        let mut lines = BTreeSet::new();
        let own: BTreeSet<&str> = self.0.all().into_iter().filter_map(|node| node.label.as_deref()).collect();
        for node in self.0.all() {
            lines.extend(node.cells("brcm,pins").iter().map(|pin| number(pin)));
            for property in node.properties.keys().filter(|name| name.as_str() == "gpios" || name.ends_with("-gpios")) {
                let cells = node.cells(property);
                assert_eq!(cells[0], "&gpio", "{}: lines of another chip", node.name);
                lines.insert(number(&cells[1]));
            }
            for group in node.cells("pinctrl-0").iter().chain(&node.cells("target")) {
                let group = group.trim_start_matches('&');
                if let Some((_, pins)) = GROUPS.iter().find(|(name, _)| *name == group) {
                    lines.extend(*pins);
                } else {
                    let without_pins = ["gpio", "i2s", "pwm"].contains(&group) || own.contains(group);
                    assert!(without_pins, "which pins has {group}? tell this test in GROUPS");
                }
            }
        }
        lines
    }

    /// Devices on the I2C bus: node and address.
    pub(crate) fn i2c(&self) -> Vec<(String, u32)> {
        let Some(bus) = self.fragment("i2c1") else { return Vec::new() };
        bus.children.iter().map(|device| (device.name.clone(), number(&device.cells("reg")[0]))).collect()
    }

    /// Does a fragment set this device to okay?
    pub(crate) fn switches_on(&self, device: &str) -> bool {
        self.fragment(device).is_some_and(|node| node.text("status") == Some("okay"))
    }

    /// `label` of the nodes with this driver.
    pub(crate) fn labels_of(&self, compatible: &str) -> BTreeSet<&str> {
        let nodes = self.0.all().into_iter().filter(|node| node.compatible(compatible));
        nodes.filter_map(|node| node.text("label")).collect()
    }

    /// `label` of the children of the nodes with this driver.
    pub(crate) fn labels_below(&self, compatible: &str) -> BTreeSet<&str> {
        let nodes = self.0.all().into_iter().filter(|node| node.compatible(compatible));
        nodes.flat_map(|node| &node.children).filter_map(|node| node.text("label")).collect()
    }

    /// Channels whose pins the overlay gives to the PWM.
    pub(crate) fn pwm_channels(&self) -> BTreeSet<u32> {
        let Some(pwm) = self.fragment("pwm").filter(|_| self.switches_on("pwm")) else { return BTreeSet::new() };
        let groups = pwm.cells("pinctrl-0");
        groups.iter().map(|group| number(&group.trim_start_matches("&pwm")[..1])).collect()
    }

    /// The name of the sound card that the overlay makes.
    pub(crate) fn card(&self) -> Option<&str> {
        self.0.all().into_iter().find_map(|node| node.text("simple-audio-card,name"))
    }

    /// What the overlay lays over the node with this label.
    fn fragment(&self, target: &str) -> Option<&Node> {
        let wanted = format!("&{target}");
        let fragment = self.0.children.iter().find(|fragment| fragment.cells("target").first() == Some(&wanted))?;
        fragment.children.first()
    }
}

fn number(cell: &str) -> u32 {
    let parsed = match cell.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => cell.parse(),
    };
    parsed.unwrap_or_else(|error| panic!("{cell}: {error}"))
}

/// The text still to be read.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// A node up to its `};`, `None` where none begins.
    fn node(&mut self) -> Option<Node> {
        let (head, body) = self.0.split_once('{')?;
        let (label, name) = match head.split_once(':') {
            Some((label, name)) => (Some(label.trim().to_owned()), name),
            None => (None, head),
        };
        let mut node = Node { name: name.trim().to_owned(), label, ..Node::default() };
        self.0 = body;
        loop {
            self.0 = self.0.trim_start();
            if let Some(rest) = self.0.strip_prefix("};") {
                self.0 = rest;
                return Some(node);
            }
            let end = self.0.find([';', '{'])?;
            if self.0[end..].starts_with('{') {
                node.children.push(self.node()?);
                continue;
            }
            let (property, rest) = (&self.0[..end], &self.0[end + 1..]);
            let (name, value) = property.split_once('=').unwrap_or((property, ""));
            node.properties.insert(name.trim().to_owned(), value.trim().to_owned());
            self.0 = rest;
        }
    }
}
