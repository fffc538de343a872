//! The W3C trace context that a run passes on to its stages. Pure.

use std::sync::Arc;

use super::quoted::quoted;

/// A trace that somebody else began, and the place in it from which a run was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// `00-<trace id>-<parent id>-<flags>`, in the form of the first version.
    parent: Arc<str>,
    state: Option<Arc<str>>,
}

/// What is wrong with one that was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TraceError {
    #[error(
        "`{}` is no traceparent; it looks like 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01: version, trace \
         id and parent id (small hexadecimal digits, not all of them 0), flags", quoted(.0)
    )]
    Parent(String),
    #[error(
        "a tracestate is a list like rojo=00f067aa0ba902b7,congo=t61rcWkgMzE in printable ASCII, of at most {LONGEST_STATE} \
         characters"
    )]
    State,
}

/// Characters of a tracestate; what must be passed on at least, by the W3C.
pub(crate) const LONGEST_STATE: usize = 512;
/// Characters of a traceparent of the first version; later ones begin in the same way.
const LENGTH: usize = 55;
/// Sampled, and random trace id. The others have no meaning yet, and are not passed on.
const KNOWN_FLAGS: u8 = 0b11;

impl TraceContext {
    /// Holds it against the recommendation. An empty `state` is none. `migrations/functions/trace_parent.sql` and
    /// `trace_state.sql` repeat it.
    pub(crate) fn parse(parent: &str, state: Option<&str>) -> Result<TraceContext, TraceError> {
        let known = in_first_version(parent).ok_or_else(|| TraceError::Parent(parent.to_owned()))?;
        let state = state.filter(|state| !state.is_empty());
        if !state.is_none_or(is_state) {
            return Err(TraceError::State);
        }
        Ok(TraceContext { parent: known.into(), state: state.map(Arc::from) })
    }

    /// As it was given.
    pub(crate) fn parent(&self) -> &str {
        &self.parent
    }

    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Names the trace: 32 hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// The `traceparent` of what is done within it, under a name of its own: 16 hexadecimal digits.
    pub(crate) fn child(&self, span: &str) -> String {
        format!("00-{}-{span}-{}", self.id(), self.parent.get(53..).unwrap_or("00"))
    }
}

fn in_first_version(text: &str) -> Option<String> {
    // Whatever is no ASCII is no traceparent; what is may be cut anywhere.
    if !is_printable(text) || text.len() < LENGTH {
        return None;
    }
    let (version, rest) = text.split_at(2);
    let (trace, span, flags) = (&rest[1..33], &rest[34..50], &rest[51..53]);
    let dashes = [0, 33, 50].iter().all(|at| rest.as_bytes()[*at] == b'-');
    let ends = rest.len() == 53 || version != "00" && rest.as_bytes()[53] == b'-';
    let is_name = |digits: &str| is_hex(digits) && digits.bytes().any(|b| b != b'0');
    if !(dashes && ends && is_hex(version) && version != "ff" && is_name(trace) && is_name(span) && is_hex(flags)) {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()? & KNOWN_FLAGS;
    Some(format!("00-{trace}-{span}-{flags:02x}"))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

/// Only what no header and no variable could carry is refused: it is passed on as it came, and others read it.
fn is_state(text: &str) -> bool {
    let is_member = |member: &str| match member.split_once('=') {
        Some((key, value)) => !key.is_empty() && !value.is_empty() && !value.contains('='),
        None => member.trim_matches(' ').is_empty(),
    };
    text.len() <= LONGEST_STATE && is_printable(text) && text.split(',').all(is_member)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_trace_and_its_flags_stay_and_the_span_is_new() {
        let trace = TraceContext::parse(TRACE, Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")).expect("a trace");
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.child("0123456789abcdef"), "00-4bf92f3577b34da6a3ce929d0e0e4736-0123456789abcdef-01");
        assert_eq!(trace.state(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
        let unsampled = TraceContext::parse(&TRACE.replace("-01", "-00"), Some("")).expect("a trace");
        assert!(unsampled.child("0123456789abcdef").ends_with("-00") && unsampled.state().is_none());
    }

    #[test]
    fn a_later_version_is_read_as_the_first_one() {
        let later = TRACE.replacen("00", "cc", 1).replace("-01", "-ff-what-comes");
        assert_eq!(TraceContext::parse(&later, None).expect("a trace").parent(), TRACE.replace("-01", "-03"));
    }

    proptest! {
        #[test]
        fn whatever_is_given_makes_a_sound_trace_or_none(
            parent in prop_oneof!["\\PC{0,60}", "[0f]{2}-[0-9a-g]{31,33}-[0-9a-f]{16}-[0-9a-f]{2}(-.)?"], state in ".{0,20}"
        ) {
            if let Ok(trace) = TraceContext::parse(&parent, Some(&state)) {
                let again = TraceContext::parse(trace.parent(), trace.state());
                prop_assert_eq!(again.as_ref(), Ok(&trace));
                prop_assert!(TraceContext::parse(&trace.child("0123456789abcdef"), None).is_ok());
            }
        }
    }
}
