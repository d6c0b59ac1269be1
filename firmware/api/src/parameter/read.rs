//! From the value of a parameter to the values of its nodes; `None`: the node goes back to its default.

use crate::request::read_flag;

/// One value for each node of the row, or what was expected.
pub(crate) type Read = fn(&str) -> Result<Vec<Option<String>>, String>;

type Values = Result<Vec<Option<String>>, String>;

pub(super) fn text(value: &str) -> Values {
    Ok(vec![(!value.is_empty()).then(|| value.to_owned())])
}

pub(super) fn flag(value: &str) -> Values {
    let on = read_flag(value).ok_or("true or false expected")?;
    Ok(vec![digit(on)])
}

pub(super) fn not_flag(value: &str) -> Values {
    let on = read_flag(value).ok_or("true or false expected")?;
    Ok(vec![digit(!on)])
}

pub(super) fn expires(value: &str) -> Values {
    let seconds = match number(value, 1, 30_000)? {
        1..10 => 120,
        seconds => seconds.max(30),
    };
    Ok(vec![Some(seconds.to_string())])
}

pub(super) fn keep_alive(value: &str) -> Values {
    match number(value, 0, 86_400_000)? {
        0 => Ok(vec![digit(false), None]),
        milliseconds => Ok(vec![digit(true), Some(((milliseconds + 500) / 1000).max(5).to_string())]),
    }
}

pub(super) fn sip_port(value: &str) -> Values {
    match number(value, 0, 65_535)? {
        0 => Ok(vec![None]),
        port @ 1..1025 => Err(format!("{port} is below 1025")),
        port => Ok(vec![Some(port.to_string())]),
    }
}

pub(super) fn rtp_ports(value: &str) -> Values {
    match number(value, 0, 65_500)? {
        0 => Ok(vec![None, None]),
        port @ 1..1025 => Err(format!("{port} is below 1025")),
        port => Ok(vec![Some(port.to_string()), Some((port + 1000).min(65_535).to_string())]),
    }
}

pub(super) fn proxy(value: &str) -> Values {
    Ok(match value {
        "" => vec![None, None],
        host => vec![Some(host.to_owned()), digit(true)],
    })
}

pub(super) fn forwarding(value: &str) -> Values {
    Ok(match value {
        "" => vec![None, None],
        target => vec![Some(target.to_owned()), digit(true)],
    })
}

pub(super) fn transport(value: &str) -> Values {
    let word = match number(value, -1, 5)? {
        0 => "udp",
        1 => "tcp",
        2 => "tls",
        3 | 4 => return Err("tunnels of one vendor are not applicable on this device".into()),
        _ => return Ok(vec![None]),
    };
    Ok(vec![Some(word.into())])
}

pub(super) fn dtmf_mode(value: &str) -> Values {
    let (order, all) = match number(value, 0, 4)? {
        1 => ("info", false),
        2 => ("rfc2833,info", false),
        3 => ("rfc2833,info", true),
        4 => ("rfc2833", false),
        _ => return Err("digits cannot be switched off".into()),
    };
    Ok(vec![Some(order.into()), digit(all)])
}

pub(super) fn frames(value: &str) -> Values {
    match number(value, 0, 3)? {
        0 => Ok(vec![None]),
        frames => Ok(vec![Some((frames * 20).to_string())]),
    }
}

pub(super) fn voicemail(value: &str) -> Values {
    Ok(vec![digit(number(value, 0, 4)? >= 2)])
}

pub(crate) fn number(value: &str, least: i64, most: i64) -> Result<i64, String> {
    let number: Option<i64> = value.parse().ok();
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| format!("{least} to {most} expected"))
}

fn digit(on: bool) -> Option<String> {
    Some(if on { "1" } else { "0" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Effect, all};
    use super::*;
    use offhook_phone::account::schema;

    fn values(made: Values) -> Vec<Option<String>> {
        made.unwrap()
    }

    #[test]
    fn every_value_that_is_made_is_usable_for_its_node() {
        for parameter in all() {
            let Effect::Node { nodes, read } = &parameter.effect else { continue };
            let mut usable = 0;
            for sample in [
                "-1",
                "0",
                "1",
                "2",
                "3",
                "4",
                "5",
                "9",
                "28000",
                "20000",
                "true",
                "false",
                "",
                "102",
                "pbx.example:5070",
            ] {
                let Ok(made) = read(sample) else { continue };
                assert_eq!(made.len(), nodes.len(), "{}", parameter.id);
                for (node, value) in nodes.iter().zip(made) {
                    let Some(value) = value else { continue };
                    // What a person must get right (a number to dial) is judged by the phone.
                    usable += usize::from(schema::read(schema::row(node).unwrap(), &value).is_ok());
                    let judged = ["forwardingNumber", "forwardingBusyNumber", "voiceMailNumber", "outboundProxy_host"];
                    let judged = judged.contains(node);
                    assert!(judged || schema::read(schema::row(node).unwrap(), &value).is_ok(), "{node} {value}");
                }
            }
            assert!(usable > 0, "{}", parameter.id);
        }
    }

    #[test]
    fn values_mean_what_the_manual_says() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(values(expires("9")), [some("120")]);
        assert_eq!(values(expires("10")), [some("30")]);
        assert_eq!(values(expires("3600")), [some("3600")]);
        assert!(expires("30001").is_err());
        assert_eq!(values(keep_alive("28000")), [some("1"), some("28")]);
        assert_eq!(values(keep_alive("0")), [some("0"), None]);
        assert_eq!(values(dtmf_mode("3")), [some("rfc2833,info"), some("1")]);
        assert!(dtmf_mode("0").is_err());
        assert_eq!(values(transport("5")), [None]);
        assert_eq!(values(transport("1")), [some("tcp")]);
        assert_eq!(values(not_flag("true")), [some("0")]);
        assert_eq!(values(frames("2")), [some("40")]);
    }
}
