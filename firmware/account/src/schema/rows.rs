//! The rows themselves, in the order of the reference. One line a row: id, node, kind, default, effect, meaning.
//! Rows whose name is no element name (an attribute, a rule's condition, an algorithm) stand here for the
//! documentation; they are reached by the same name with `row`.

use super::{
    Effect::{self, Acts, NotApplicable, NotYet},
    Kind::{self, Bool, Container, DialString, HostPort, Secret, Text, Tone, Url},
    Row,
};

macro_rules! table {
    ($($id:literal $node:literal $kind:expr, $default:literal $effect:ident, $meaning:literal;)*) => {
        pub(super) static ROWS: &[Row] = &[$(row($id, $node, $kind, $default, $effect, $meaning)),*];
    };
}

const fn row(
    id: &'static str,
    node: &'static str,
    kind: Kind,
    default: &'static str,
    effect: Effect,
    meaning: &'static str,
) -> Row {
    Row { id, node, kind, default, effect, meaning }
}

const fn int(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}

/// RFC 3261 section 20.19: delta-seconds fit 32 bits.
const EXPIRES: Kind = int(30, 4_294_967_295);
const RANK: Kind = int(0, 4_294_967_295);
const SECONDS: Kind = int(0, 31_536_000);
const MILLISECONDS: Kind = int(0, 86_400_000);
const PTIME: Kind = int(10, 60);
const PORT: Kind = int(1025, 65_535);
const KBIT: Kind = int(1, 100_000);
const TRANSPORT: Kind = Kind::Choice(&["udp", "tcp", "tls", "tls+sip:", "wss"]);
const CODECS: Kind = Kind::List(&["103", "9", "0", "8", "18", "102", "3"]);
const VIDEO_CODECS: Kind = Kind::List(&["108", "99"]);
const OPUS_CLASS: Kind = Kind::Choice(&["nb", "wb", "fb", ""]);
const OPUS_BAND: Kind = Kind::Choice(&["nb", "wb", "fb"]);
const DIMENSIONS: Kind = Kind::Choice(&["qcif", "cif", "vga", "cif4", "cif16", "720p", "1080p"]);
const TRI: Kind = Kind::Choice(&["", "0", "1"]);
const SECURITY: Kind = Kind::Choice(&["", "enabled", "required"]);
const NAT: Kind = Kind::Choice(&["off", "auto", "stunOnly", "stun", "turnAlways", "ice"]);
const CONTACT_IP: Kind = Kind::Choice(&["internal", "external", "static"]);
const ICM: Kind = Kind::Choice(&["auto", "push", "keepAwake", "off"]);
const NETWORK: Kind = Kind::Choice(&["wifi", "cellular", "any", "none", "ethernet"]);
const CONTACT_SOURCE: Kind = Kind::Choice(&["ab", "dav", "ws", "google", "office365", "qd"]);
const IDENTITY: Kind = Kind::List(&["pai", "from", "rpid", "ppi"]);
const DTMF: Kind = Kind::List(&["rfc2833", "info", "audio"]);
const METHOD: Kind = Kind::Choice(&["", "GET", "POST", "PUT", "HEAD", "DELETE"]);
const CANDIDATES: Kind = Kind::List(&["relay", "srflx", "host"]);

table! {
// The document
"axml.root.01" "account" Container, "" Acts, "The document: one account, its nodes in any order. The XML declaration may be missing. Unknown nodes are kept and named.";
"axml.root.02" "accounts" Container, "" Acts, "Several account elements in one document, each a line of its own. An attribute id on account says which one it is when its address changes; without it the address does. An account that is not named any more is taken away when its calls are over.";
"axml.root.03" "*@priority" RANK, "" Acts, "Rank of this value: the higher one wins, at equal rank the newer. Without it: 10 for the first provisioning, 20 for external provisioning, 40 for the user. Above 40 the user cannot change the value.";
"axml.root.04" "*@source" Text, "" Acts, "Where the value comes from, in words. Kept; the rank does not depend on it.";
"axml.root.05" "*@operation" Kind::Choice(&["replace", "subnode-union"]), "replace" Acts, "How a list combines with the stored one: take its place, or add to it.";
"axml.root.06" "%placeholders%" Text, "" Acts, "Names between percent signs, such as %account[username]%, stand for values in URLs and header values. Values are %-encoded in a URL. A password is only put into an https URL (or one on the same machine).";
"axml.root.07" "(unknown nodes)" Container, "" Acts, "A node nobody knows is kept, given back, named once, and can be used as %account[name]%.";
// Credentials
"axml.cred.01" "title" Text, "" Acts, "Name of the account on the screen and line key. Empty: the display name, else username@host.";
"axml.cred.02" "username" Text, "" Acts, "User part of the address of record; also the digest user unless authUsername says otherwise. Required.";
"axml.cred.03" "password" Secret, "" Acts, "Digest secret. Required; an empty element says that the server asks for none. Never printed.";
"axml.cred.04" "cloud_username" Text, "" Acts, "Login of the provisioning portal. Used only where a URL asks for it as %account[cloud_username]%.";
"axml.cred.05" "cloud_password" Secret, "" Acts, "Secret of the provisioning portal, for URLs. Never printed.";
"axml.cred.06" "networkId" Text, "" NotApplicable, "Tenant name of a hosted messaging service. Available as %account[networkId]%.";
"axml.cred.07" "userDisplayName" Text, "" Acts, "Name shown to the other side, quoted in front of the address in From.";
"axml.cred.08" "authUsername" Text, "" Acts, "Digest user name. Empty: username.";
"axml.cred.09" "host" HostPort, "" Acts, "SIP domain, host or host:port, IPv6 in brackets. Also the server unless proxy names one. Required.";
"axml.cred.10" "transport" TRANSPORT, "udp" Acts, "udp or tcp act. tls (sips: addresses), tls+sip: (TLS with sip: addresses, colon included) and wss are accepted and not yet in effect.";
"axml.cred.11" "userCallerId" Text, "" Acts, "User part sent in From of an INVITE in place of username, escaped as needed. Registration does not use it.";
"axml.cred.12" "expires" EXPIRES, "600" Acts, "Time asked for in REGISTER [s]. The server may change it.";
"axml.cred.13" "subscriptionExpires" EXPIRES, "300" Acts, "Time asked for in SUBSCRIBE [s].";
"axml.cred.14" "allowMessage" Bool, "0" NotYet, "Offer to take instant messages (MESSAGE in Allow).";
// Push relay of a softphone
"axml.sipis.01" "sipisHost" HostPort, "" NotApplicable, "Push relay of a softphone. A desk phone stays registered by itself and contacts no relay.";
"axml.sipis.02" "sipisRegServer" HostPort, "" NotApplicable, "Relay that would be given the credentials. A desk phone gives them to nobody.";
"axml.sipis.03" "sipisHostPrefixLength" int(0, 40), "1" NotApplicable, "Load sharing among push relays. No relay is contacted.";
"axml.sipis.04" "udpFromUnknownAddresses" Bool, "0" Acts, "0: ignore SIP over UDP from addresses that do not belong to the account's server. 1: take it from anywhere.";
// Servers
"axml.proxy.01" "proxy" HostPort, "" Acts, "Server to connect to in place of host. Without a port: 5060, or 5061 over TLS.";
"axml.proxy.02" "outboundProxy_enabled" Bool, "0" Acts, "1: send everything through the outbound proxy. Empty means 0.";
"axml.proxy.03" "outboundProxy_host" HostPort, "" Acts, "Outbound proxy, host or host:port.";
"axml.proxy.04" "outboundProxy_transport" TRANSPORT, "udp" Acts, "Transport to the outbound proxy. If it is missing and transport is a TLS one, TLS stays.";
"axml.proxy.05" "(server choice)" Text, "" Acts, "Next hop: the outbound proxy if it is switched on and named, else proxy, else host.";
// Voicemail
"axml.voicemail.01" "voiceMailNumber" DialString, "" Acts, "What the message key dials. Empty: the account named in the server's notification.";
"axml.voicemail.02" "subscribeForVoicemail" Bool, "0" Acts, "Subscribe to the message count.";
"axml.voicemail.03" "pushVoicemail" Bool, "0" NotApplicable, "Ask a push relay to report voicemail.";
// Audio codecs
"axml.codec.01" "codecOrder" CODECS, "103,9,0,8,18,102,3" Acts, "Codecs in order of preference: 103 Opus, 9 G.722, 0 PCMU, 8 PCMA. 18 G.729, 102 iLBC and 3 GSM are skipped with a note. Used on Ethernet and Wi-Fi.";
"axml.codec.02" "codecOrder3G" CODECS, "18,103,102,3,9,0,8" Acts, "Codec order while the uplink in use is metered: a modem, or an interface that the phone was started with --metered for.";
"axml.codec.03" "honorTheirCodecListWiFi" Bool, "1" Acts, "When answering, take the first codec of the caller's list that both have.";
"axml.codec.04" "honorTheirCodecList3G" Bool, "0" Acts, "The same on a metered uplink.";
"axml.codec.05" "ptime" PTIME, "20" Acts, "Packet time [ms], 10 to 60 in steps of 10.";
"axml.codec.06" "ptime3G" PTIME, "30" Acts, "Packet time on a metered uplink [ms].";
"axml.codec.07" "forcePtime" Bool, "0" Acts, "Send with the own packet time even if the other side asks for another.";
"axml.codec.08" "forcePtime3G" Bool, "0" Acts, "The same on a metered uplink.";
// Opus
"axml.opus.01" "opusOptions.class" OPUS_CLASS, "wb" Acts, "Preset: nb 8 kHz 15,500 bit/s, wb 16 kHz 24,000 bit/s, fb 48 kHz 64,000 bit/s, each with FEC, DTX, VBR and 5 % expected loss. The single keys below only count when this is given and empty.";
"axml.opus.02" "opusOptions.bandwidth" OPUS_BAND, "wb" Acts, "Widest audio band to send; anything else counts as wb.";
"axml.opus.03" "opusOptions.complexity" int(0, 10), "" Acts, "Encoder effort. Empty: the codec's own choice.";
"axml.opus.04" "opusOptions.bitrate" int(-1000, 510_000), "" Acts, "Bit rate [bit/s], 6000 to 510000. Empty or -1000: automatic. -1: highest.";
"axml.opus.05" "opusOptions.fec" Bool, "0" Acts, "Forward error correction.";
"axml.opus.06" "opusOptions.dtx" Bool, "0" Acts, "Send less during silence.";
"axml.opus.07" "opusOptions.vbr" Bool, "1" Acts, "Variable bit rate.";
"axml.opus.08" "opusOptions.expectedPacketLoss" int(0, 100), "0" Acts, "Loss to prepare for [%].";
"axml.opus.09" "opusOptions3G.class" OPUS_CLASS, "wb" Acts, "Preset on a metered uplink.";
"axml.opus.10" "opusOptions3G.bandwidth" OPUS_BAND, "wb" Acts, "Widest audio band on a metered uplink.";
"axml.opus.11" "opusOptions3G.complexity" int(0, 10), "" Acts, "Encoder effort on a metered uplink.";
"axml.opus.12" "opusOptions3G.bitrate" int(-1000, 510_000), "" Acts, "Bit rate on a metered uplink [bit/s].";
"axml.opus.13" "opusOptions3G.fec" Bool, "0" Acts, "Forward error correction on a metered uplink.";
"axml.opus.14" "opusOptions3G.dtx" Bool, "0" Acts, "Send less during silence on a metered uplink.";
"axml.opus.15" "opusOptions3G.vbr" Bool, "1" Acts, "Variable bit rate on a metered uplink.";
"axml.opus.16" "opusOptions3G.expectedPacketLoss" int(0, 100), "0" Acts, "Loss to prepare for on a metered uplink [%].";
// Video
"axml.video.01" "allowVideo" Bool, "1" NotApplicable, "Video calls. The phone has no camera; a call with video becomes an audio call.";
"axml.video.02" "videoCodecOrder" VIDEO_CODECS, "108,99" NotApplicable, "Video codecs in order.";
"axml.video.03" "videoCodecOrder3G" VIDEO_CODECS, "108,99" NotApplicable, "Video codecs on a metered uplink.";
"axml.video.04" "videoMinKbpsWifi" KBIT, "64" NotApplicable, "Lower end of the video bit rate [kbit/s].";
"axml.video.05" "videoMaxKbpsWifi" KBIT, "384" NotApplicable, "Upper end of the video bit rate [kbit/s].";
"axml.video.06" "videoMinKbps3G" KBIT, "64" NotApplicable, "Lower end on a metered uplink [kbit/s].";
"axml.video.07" "videoMaxKbps3G" KBIT, "192" NotApplicable, "Upper end on a metered uplink [kbit/s].";
"axml.video.08" "videoDimsWifi" DIMENSIONS, "qcif" NotApplicable, "Picture size to send.";
"axml.video.09" "videoDims3G" DIMENSIONS, "qcif" NotApplicable, "Picture size on a metered uplink.";
"axml.video.10" "videoFPSWifi" int(1, 240), "" NotApplicable, "Pictures a second.";
"axml.video.11" "videoFPS3G" int(1, 240), "" NotApplicable, "Pictures a second on a metered uplink.";
"axml.video.12" "autoSendVideoWifi" TRI, "" NotApplicable, "Add video by itself when calling or answering.";
"axml.video.13" "autoSendVideo3G" TRI, "" NotApplicable, "The same on a metered uplink.";
"axml.video.14" "autoReceiveVideoWifi" TRI, "" NotApplicable, "Take incoming video by itself.";
"axml.video.15" "autoReceiveVideo3G" TRI, "" NotApplicable, "The same on a metered uplink.";
// DTMF
"axml.dtmf.01" "dtmfOrder" DTMF, "rfc2833,info,audio" Acts, "Ways to send digits, tried in this order; one that is not listed is not used.";
"axml.dtmf.02" "dtmfAll" Bool, "0" Acts, "Send each digit in all ways at once. The far end may hear it twice.";
"axml.dtmf.03" "rfc2833NegotiateOnly8kHzClockRate" Bool, "1" Acts, "1: offer telephone-event at 8 kHz only. 0: at the clock rate of every codec.";
"axml.dtmf.04" "rfc2833EnforceDurationIn8KHzTimestampUnits" Bool, "0" Acts, "With the 8 kHz offer and a faster codec: count event durations in 8 kHz units.";
// NAT and network
"axml.nat.01" "STUN" HostPort, "" NotYet, "STUN server. Empty means none: no server of a third party is ever asked.";
"axml.nat.02" "STUNUsername" Text, "" NotYet, "Name for the STUN server; given, the server is taken for a TURN server.";
"axml.nat.03" "STUNPassword" Secret, "" NotYet, "Secret for the TURN server. Never printed.";
"axml.nat.04" "natTraversal" NAT, "auto" NotYet, "Which addresses go into SDP. stun is read as stunOnly.";
"axml.nat.05" "enableRtcpMux" Bool, "0" NotYet, "Offer RTP and RTCP on one port.";
"axml.nat.06" "ignoreSymmetricNat" Bool, "0" NotYet, "Use the public address even behind a symmetric NAT.";
"axml.nat.07" "iceDefaultCandidateOrder" CANDIDATES, "relay,srflx,host" NotYet, "Which ICE candidate becomes the default.";
"axml.nat.08" "contactIP" CONTACT_IP, "internal" Acts, "Address in Contact and Via: of the interface, as the server sees it, or forcedContact.";
"axml.nat.09" "forcedContact" HostPort, "" Acts, "Address for contactIP static, with or without a port.";
"axml.nat.10" "sendAudioBack" Bool, "1" Acts, "Send sound to where the other side's sound comes from.";
"axml.nat.11" "keepAlive" Bool, "0" Acts, "Send keep-alives to the server.";
"axml.nat.12" "keepAlivePeriod" int(5, 86_400), "30" Acts, "Time between keep-alives [s].";
"axml.nat.13" "rtpPortRangeStart" PORT, "10000" Acts, "First RTP port.";
"axml.nat.14" "rtpPortRangeEnd" PORT, "65535" Acts, "Last RTP port; the range needs at least 4 ports.";
"axml.nat.15" "listeningPort" int(0, 65_535), "" Acts, "Local SIP port. Empty: a random one that stays. 0: a new random one at each registration. 1025 to 65535: this one.";
"axml.nat.16" "maxTimeToWaitForWorkingNetworkInMilliseconds" MILLISECONDS, "15000" Acts, "How long a call survives without a network [ms]; then it ends here.";
// Custom headers
"axml.hdr.01" "headers" Container, "" Acts, "Headers to add to what the phone sends.";
"axml.hdr.02" "headers/header@method" Text, "*" Acts, "SIP method to add the header to, * for all.";
"axml.hdr.03" "headers/header@name" Text, "" Acts, "Header name. Names that the SIP stack owns (Via, From, Contact, Authorization, ...) are refused.";
"axml.hdr.04" "headers/header@value" Text, "" Acts, "Header value. Account placeholders are filled in, passwords are not; line breaks become spaces.";
// Do not disturb
"axml.dnd.01" "doNotDisturb" Container, "" Acts, "Times at which calls are rejected (dndRejectCode), or shown without ringing (dndSilent). Does not act before the date is known.";
"axml.dnd.02" "doNotDisturb@gmtOffsetInMinutes" int(-1440, 1440), "" Acts, "Fixed time zone of the entries, east of Greenwich [min], without summer time. Missing: the zone of the attribute tz (such as Europe/Berlin), else the phone's.";
"axml.dnd.03" "doNotDisturb/dndEntry" Container, "" Acts, "One time span.";
"axml.dnd.04" "doNotDisturb/dndEntry/from" Text, "" Acts, "Begin, HH:MM.";
"axml.dnd.05" "doNotDisturb/dndEntry/to" Text, "" Acts, "End, HH:MM; the whole minute counts. An end before the begin means the next day.";
"axml.dnd.06" "doNotDisturb/dndEntry/weekdays" int(0, 127), "" Acts, "Sum of 1 Monday, 2 Tuesday, 4, 8, 16, 32 Saturday, 64 Sunday.";
"axml.dnd.07" "doNotDisturb/dndEntry/contacts" Container, "" Acts, "Callers the entry is about; none means every caller. A contact that cannot be read matches nobody.";
"axml.dnd.08" "doNotDisturb/dndEntry/contacts/contactInfo@name" Text, "" Acts, "Name for the screen.";
"axml.dnd.09" "doNotDisturb/dndEntry/contacts/contactInfo@phone" Text, "" Acts, "Number to compare the caller with, best with + and country code; a caller's number without them matches if it is the end of it (7 digits and more).";
"axml.dnd.10" "doNotDisturb/dndEntry/contacts/contactInfo@identifier" Text, "" Acts, "Key of the contact in its address book.";
"axml.dnd.11" "doNotDisturb/dndEntry/contacts/contactInfo@source" Text, "" Acts, "Which address book.";
"axml.dnd.12" "doNotDisturb/dndEntry/enabled" Bool, "1" Acts, "Switches the entry on or off.";
"axml.dnd.13" "doNotDisturb/dndEntry/comment" Text, "" Acts, "Words for the screen.";
"axml.dnd.14" "(do not disturb and emergency)" Text, "" Acts, "For an hour after a call to one of emergencyNumbers every call rings, and always one that the account's server marks Priority: emergency.";
// Number rewriting
"axml.rew.01" "rewriting" Container, "" Acts, "Rules that change a dialled number; the first whose conditions all hold counts. A rule with a condition that is not understood is not used. An address (user@host, sip:) is dialled as it is. A rule with direction=\"in\" is for incoming calls.";
"axml.rew.02" "rewriting/rule" Container, "" Acts, "One rule: conditions and actions.";
"axml.rew.03" "condition[startsWith]" Text, "" Acts, "The number starts so.";
"axml.rew.04" "condition[doesntStartWith]" Text, "" Acts, "The number does not start so.";
"axml.rew.05" "condition[equals]" Text, "" Acts, "The number is this.";
"axml.rew.06" "condition[lengthEquals]" int(0, 255), "" Acts, "The number has so many characters.";
"axml.rew.07" "condition[shorterThan]" int(0, 255), "" Acts, "The number has fewer.";
"axml.rew.08" "condition[longerThan]" int(0, 255), "" Acts, "The number has more.";
"axml.rew.09" "condition[networkType]" NETWORK, "" Acts, "The link in use. Ethernet counts as wifi and any.";
"axml.rew.10" "condition[ssid]" Text, "" Acts, "Name of the Wi-Fi network.";
"axml.rew.11" "condition[contactIsFromSource]" CONTACT_SOURCE, "" Acts, "The contact comes from this address book.";
"axml.rew.12" "condition[contactIsNotFromSource]" CONTACT_SOURCE, "" Acts, "The contact does not come from it.";
"axml.rew.13" "condition[contactLabelMatches]" Text, "" Acts, "The number's label in the contact is this.";
"axml.rew.14" "condition[contactLabelDoesNotMatch]" Text, "" Acts, "The label is another, or there is none.";
"axml.rew.15" "condition[contains]" Text, "" Acts, "The number contains this; condition[isNumeric]: it has digits only.";
"axml.rew.16" "action[replace]" Text, "" Acts, "Put this in place of what startsWith or equals matched.";
"axml.rew.17" "action[prepend]" Text, "" Acts, "Put this in front.";
"axml.rew.18" "action[append]" Text, "" Acts, "Put this behind.";
"axml.rew.19" "action[continue]" Text, "" Acts, "Go on with the following rules.";
"axml.rew.20" "action[recordCall]" Text, "" NotYet, "Record the call.";
"axml.rew.21" "action[dialOut]" Text, "" Acts, "Call through this account: its number, title, user name or user@host. If it cannot be used, the call goes out as it would have.";
"axml.rew.22" "action[confirm]" Text, "" NotApplicable, "Without a meaning in the reference.";
"axml.rew.23" "action[drop]" Text, "" NotApplicable, "Without a meaning in the reference.";
"axml.rew.24" "action[callThrough]" Text, "" Acts, "Call by way of the access number (call-through).";
"axml.rew.25" "action[overrideDialAction]" Text, "" Acts, "Do this in place of a call: autoCall, voiceCall, videoCall and forceOffnetCall call; webCallback, callThrough and openUrl use the services below; options and customOptions offer a choice on the soft keys; or the id of one of dialActions. gsmCall and text are nothing that a desk phone can do: it calls.";
"axml.rew.26" "action[setHeader]" Text, "" Acts, "Add this header (Name: value) to the call. Names as in headers; account placeholders are filled in.";
"axml.rew.27" "incomingRewriting" Container, "" Acts, "Rules for incoming calls, grammar as in rewriting; action[rejectCall] answers 486. prepend, append and replace change the number that is shown.";
"axml.rew.28" "action[forwardCall]" Text, "" Acts, "Incoming: send the caller to this number.";
"axml.rew.29" "action[answerImmediately]" Text, "" Acts, "Incoming: answer at once.";
// Incoming calls
"axml.inc.01" "icm_auto" Bool, "1" NotApplicable, "Older word for icm auto.";
"axml.inc.02" "incomingDisabled" Bool, "0" Acts, "Older word: 1 is read as icm off.";
"axml.inc.03" "pushMethod" Kind::Choice(&["off", "tunnel"]), "off" NotApplicable, "Older word: tunnel is read as icm push, which a desk phone treats as registered.";
"axml.inc.04" "bgrEnabled" Bool, "0" NotApplicable, "Older word: 1 is read as icm keepAwake, which a desk phone treats as registered.";
"axml.inc.05" "forceRegistration" Bool, "0" Acts, "Older word: stay registered although incoming calls are off.";
"axml.inc.06" "icm" ICM, "auto" Acts, "auto, push and keepAwake: registered all the time. off: not registered, never rings; for a call of its own it registers.";
"axml.inc.07" "requiresRegistrationForOutgoingCalls" Bool, "1" Acts, "With icm off: register for the time of an outgoing call. 0: it is called even if the server refuses that.";
"axml.inc.08" "remoteContact" IDENTITY, "pai,from,rpid,ppi" Acts, "Where to look for the caller's identity, in this order. Only the account's server is believed.";
// Encrypted calls
"axml.sec.01" "sdesIncoming" SECURITY, "" NotYet, "SRTP with keys in SDP, incoming calls: empty off, enabled if possible, required or no call.";
"axml.sec.02" "sdesOutgoing" SECURITY, "" NotYet, "The same, outgoing.";
"axml.sec.03" "zrtpIncoming" SECURITY, "" NotYet, "ZRTP, incoming.";
"axml.sec.04" "zrtpOutgoing" SECURITY, "" NotYet, "ZRTP, outgoing.";
"axml.sec.05" "dtlsIncoming" SECURITY, "" NotYet, "DTLS-SRTP, incoming.";
"axml.sec.06" "dtlsOutgoing" SECURITY, "" NotYet, "DTLS-SRTP, outgoing.";
// External provisioning
"axml.prov.01" "extProvUrl" Url, "" Acts, "Where to fetch this account again; placeholders are filled in.";
"axml.prov.02" "extProvInterval" SECONDS, "0" Acts, "Time between fetches [s], spread by 10 %. 0: only at start and on demand.";
// Balance
"axml.bal.01" "genericBalanceCheckUrl" Url, "" Acts, "Web service that answers with the balance; it is asked after registration and after each call, and shown beside the account. Placeholders are filled in.";
"axml.bal.02" "genericBalanceCheckPostData" Text, "" Acts, "Body; given, the request is a POST.";
"axml.bal.03" "genericBalanceCheckContentType" Text, "application/x-www-form-urlencoded" Acts, "Content type of the body; values are escaped as it demands.";
"axml.bal.04" "balanceCheckIntervalInSeconds" SECONDS, "0" Acts, "Time between checks [s], 10 at least. 0: only after registration and after calls.";
"axml.bal.05" "balanceCheckDelayInSeconds" SECONDS, "0" Acts, "Time from registration, or from the end of a call, to the check [s].";
// Web callback
"axml.wcb.01" "wcb_enabled" Bool, "0" Acts, "Let a web service call both ends.";
"axml.wcb.02" "wcb_url" Url, "" Acts, "Its URL. %targetNumber% is the number wanted, %account[callbackNumber]% the own one.";
"axml.wcb.03" "wcb_method" METHOD, "" Acts, "HTTP method: GET, POST, PUT, HEAD or DELETE. Empty: POST if there is a body, else GET.";
"axml.wcb.04" "wcb_contentType" Text, "" Acts, "Content type of the body; values are escaped as it demands. Empty: application/x-www-form-urlencoded.";
"axml.wcb.05" "wcb_postData" Text, "" Acts, "Body, placeholders as in the URL.";
"axml.wcb.06" "wcb_customHeaders" Text, "" Acts, "More HTTP headers, one a line (or \\n between them).";
// Call-through
"axml.cth.01" "cth_enabled" Bool, "0" Acts, "Call by way of an access number, when a dial action asks for it.";
"axml.cth.02" "cth_dialString" Text, "" Acts, "What to dial: the access number, then after a comma (2 s each) the digits to send once it answers. %targetNumber% is the number wanted; 0 counts as empty.";
"axml.cth.03" "cth_ws_enabled" Bool, "0" Acts, "Ask a web service for that dial string.";
"axml.cth.04" "cth_ws_url" Url, "" Acts, "Its URL, with %targetNumber%.";
"axml.cth.05" "cth_ws_method" METHOD, "" Acts, "HTTP method, as wcb_method.";
"axml.cth.06" "cth_ws_contentType" Text, "" Acts, "Content type of the body, as wcb_contentType.";
"axml.cth.07" "cth_ws_postData" Text, "" Acts, "Body, placeholders as in the URL.";
"axml.cth.08" "cth_ws_customHeaders" Text, "" Acts, "More HTTP headers, one a line (or \\n between them).";
// Forwarding and call waiting
"axml.fwd.01" "forwardingEnabled" Bool, "0" Acts, "Forward every call to forwardingNumber.";
"axml.fwd.02" "forwardingNumber" DialString, "" Acts, "Where to. Without it nothing is forwarded.";
"axml.cw.01" "callWaiting" Bool, "1" Acts, "1: a second call announces itself. 0: the line answers busy.";
// Miscellaneous
"axml.misc.01" "vpnStartupUrl" Url, "" Acts, "URL to fetch before each attempt to register, as a gateway may need to open its VPN. The account registers whatever the answer is, after 45 s also without one.";
"axml.misc.02" "customActionUrl" Url, "" Acts, "URL for the dial action openUrl: fetched with %uri% as the number. The phone has no browser; the answer's status is all that counts.";
// Tones
"axml.tones.01" "sine(duration,amplitude,freqs...)" Tone, "" Acts, "One or several frequencies [Hz] for a time [ms]; amplitude above 0 is the 16-bit peak, below 0 a level [dB].";
"axml.tones.02" "silence(duration)" Tone, "" Acts, "Nothing, for a time [ms].";
"axml.tones.03" "wav(\"file\")" Tone, "" Acts, "A WAV file of the phone's media folder, once.";
"axml.tones.04" "periodic(...)" Tone, "" Acts, "Its parts one after the other, for ever.";
"axml.tones.05" "compound(...)" Tone, "" Acts, "Its parts together.";
"axml.tones.06" "tryingTone" Tone, "periodic(sine(50ms,500,440Hz),silence(40ms))" Acts, "Between dialling and ringing.";
"axml.tones.07" "ringingTone" Tone, "periodic(sine(2000ms,2500,440Hz),silence(4000ms))" Acts, "The other phone rings.";
"axml.tones.08" "endCallTone" Tone, "periodic(sine(300ms,1000,400Hz),silence(400ms),sine(300ms,1000,400Hz),silence(400ms),sine(300ms,1000,400Hz),silence(700000ms))" Acts, "The other side hung up.";
"axml.tones.09" "busyTone" Tone, "periodic(sine(500ms,2000,400Hz),silence(500ms))" Acts, "The other side is busy.";
"axml.tones.10" "callWaitingTone" Tone, "periodic(silence(1000ms),sine(300ms,7500,440Hz),silence(9000ms))" Acts, "A second call is waiting.";
"axml.tones.11" "zrtpHandshakeTone" Tone, "periodic(sine(50ms,500,400Hz,450Hz),silence(80ms))" NotYet, "While ZRTP agrees on keys.";
// Auto answer
"axml.aa.01" "appInitiatedAutoAnswerEnabled" Bool, "0" Acts, "Answer every call by itself.";
"axml.aa.02" "autoAnswerTimeoutInSeconds" int(0, 3600), "0" Acts, "After this time [s]; 0 at once.";
"axml.aa.03" "sipInitiatedAutoAnswerEnabled" Bool, "0" Acts, "Answer by itself when the call's Call-Info says answer-after. Only from the account's server.";
// Lamps
"axml.blf.01" "blf" Container, "" Acts, "Extensions to watch, in the order of the lamp keys. Each uri may carry label and key (number of the lamp key).";
"axml.blf.02" "blf/uri" DialString, "" Acts, "One extension or SIP address.";
"axml.blf.03" "blf@priority" RANK, "" Acts, "Rank of the list, as for every node.";
"axml.blf.04" "blf@operation" Kind::Choice(&["replace", "subnode-union"]), "replace" Acts, "subnode-union adds the entries to the stored list; else the list takes its place.";
// Contacts
"axml.dav.01" "cardDavTitle" Text, "" Acts, "Name of the address book. Empty: the account's.";
"axml.dav.02" "cardDavPrincipalUrl" Url, "" Acts, "CardDAV address: of a server, a user or a book; https if it has no scheme. Placeholders are filled in.";
"axml.dav.03" "cardDavRefresh" SECONDS, "180" Acts, "Time between refreshes [s], 30 at least, spread by 5 %. 0: only at start and on demand.";
"axml.dav.04" "cardDavUsername" Text, "" Acts, "User. Empty: username.";
"axml.dav.05" "cardDavPassword" Secret, "" Acts, "Secret. Never printed. Empty: password, but only over https to a server in the domain of host.";
// Push options of a softphone
"axml.push.01" "taglessSelector" Bool, "0" NotApplicable, "Push relay: one registration for several devices.";
"axml.push.02" "pushBlockReg" Bool, "0" NotApplicable, "Push relay: register only after a pushed call.";
"axml.push.03" "pushNAT" Bool, "1" NotApplicable, "Push relay: pretend to be behind a NAT.";
"axml.push.04" "sipisMustUnregister" Bool, "0" NotApplicable, "Push relay: unregister before the app registers.";
"axml.push.05" "pushProxy" HostPort, "" NotApplicable, "Push relay: its own proxy.";
// Desktop and conferencing options of a softphone
"axml.desk.01" "genericSmsFetchInterval" MILLISECONDS, "8000" NotApplicable, "Time between fetches of web messages [ms].";
"axml.desk.02" "genericSmsFetchInBackgroundInterval" MILLISECONDS, "30000" NotApplicable, "The same in the background [ms].";
"axml.conf.01" "conferencingEnabled" Bool, "1" NotApplicable, "Video conferences of a softphone. Says nothing about three-way calls.";
// Named by the reference, described elsewhere
"axml.ref.01" "dialActions" Container, "" Acts, "Dial actions of the account's own: dialAction elements with id, title and rules as in rewriting. overrideDialAction names one; customOptions offers them on the soft keys.";
"axml.ref.02" "quickDial" Container, "" Acts, "Speed dials: item elements with id, displayName, uri and key. They take the lamp keys that blf leaves free, give names to numbers, and are offered while dialling.";
"axml.ref.03" "callbackNumber" DialString, "" Acts, "Own number, for web callback; its call is expected from it or from the number wanted.";
// Our own, in the manner of the others
"offhook.prov.01" "reportUrl" Url, "" Acts, "Where a report on each provisioned document goes, as JSON by POST: what became of every node. Placeholders as in extProvUrl.";
"offhook.web.01" "extProvUsername" Text, "" Acts, "User name for the provisioning server, when it asks (Digest or Basic).";
"offhook.web.02" "extProvPassword" Secret, "" Acts, "Its secret. Never printed. Basic only over https.";
"offhook.web.03" "extProvPins" Text, "" Acts, "SHA-256 of the public keys that the provisioning server may have, in base64 or hexadecimal. Empty: any that its certificate's chain vouches for.";
"offhook.web.04" "trustedAuthorities" Text, "" Acts, "Certificates (PEM) of authorities that https servers of this account may be signed by, beside the system's.";
"offhook.web.05" "clientCertificate" Text, "" Acts, "Certificate (PEM, with its chain) that the phone shows to the provisioning server.";
"offhook.web.06" "clientKey" Secret, "" Acts, "Its key (PEM, without a password). Never printed.";
"offhook.tones.01" "dialTone" Tone, "periodic(sine(1000ms,-18,425Hz))" Acts, "The handset was lifted.";
"offhook.tones.02" "stutterDialTone" Tone, "periodic(sine(400ms,-18,425Hz),silence(40ms))" Acts, "The handset was lifted and there are new messages.";
"offhook.tones.03" "congestionTone" Tone, "periodic(sine(250ms,-18,425Hz),silence(250ms))" Acts, "The call could not be made.";
"offhook.tones.04" "howlerTone" Tone, "periodic(sine(100ms,-6,1400Hz,2060Hz,2450Hz,2600Hz),silence(100ms))" Acts, "The handset was left off the hook.";
"offhook.fwd.01" "forwardingBusyNumber" DialString, "" Acts, "Where to send a call that finds no line free, or a call in progress and callWaiting 0. Empty: it hears busy.";
"offhook.fwd.02" "forwardingNoAnswerNumber" DialString, "" Acts, "Where to send a call that nobody answers. Empty: it rings on.";
"offhook.fwd.03" "forwardingNoAnswerTimeoutInSeconds" int(1, 600), "20" Acts, "How long it rings before that [s].";
"offhook.fwd.04" "forwardingUnreachableNumber" DialString, "" Acts, "Where to send a call that reaches the phone while it cannot take any: no sound device, or icm off.";
"offhook.dnd.01" "dndRejectCode" int(400, 699), "486" Acts, "SIP status for a call that do not disturb rejects.";
"offhook.dnd.02" "dndSilent" Bool, "0" Acts, "1: do not disturb shows the call without ringing, in place of rejecting it.";
"offhook.dnd.03" "doNotDisturbNow" Bool, "0" Acts, "1: do not disturb now, whatever the schedule says, until it is 0 again: the switch for the person at the phone.";
"offhook.ws.01" "wcb_authUsername" Text, "" Acts, "Name for the web callback service when it asks (Digest; Basic over https).";
"offhook.ws.02" "wcb_authPassword" Secret, "" Acts, "Password for it. Never printed.";
"offhook.ws.03" "cth_ws_authUsername" Text, "" Acts, "Name for the call-through service when it asks.";
"offhook.ws.04" "cth_ws_authPassword" Secret, "" Acts, "Password for it. Never printed.";
"offhook.ws.05" "genericBalanceCheckAuthUsername" Text, "" Acts, "Name for the balance service when it asks.";
"offhook.ws.06" "genericBalanceCheckAuthPassword" Secret, "" Acts, "Password for it. Never printed.";
"offhook.ws.07" "genericBalanceCheckMethod" METHOD, "" Acts, "HTTP method, as wcb_method.";
"offhook.ws.08" "genericBalanceCheckCustomHeaders" Text, "" Acts, "More HTTP headers, as wcb_customHeaders.";
"offhook.ws.09" "wcb_autoAnswer" Bool, "0" Acts, "1: the call of a web callback is answered by itself even with the handset on the hook. While somebody waits for it with the handset lifted it always is.";
"offhook.ws.10" "webServiceTimeoutInSeconds" int(1, 120), "15" Acts, "How long a web service may take [s].";
"offhook.emergency.01" "emergencyNumbers" Text, "112,911" Acts, "Emergency numbers, comma-separated. For an hour after a call to one of them every call rings.";
}
