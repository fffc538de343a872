//! How much is read at once: the inputs of as many claims as fit into a number of bytes, and of at least one. Pure.

use std::collections::{HashMap, HashSet};

use crate::model::payload::PayloadLimits;
use crate::store::checkpoints::{PREVIOUS, Wanted};

/// Bytes of outputs that one statement reads.
pub(super) const AT_ONCE: u64 = 128 << 20;

/// Sizes of outputs, where they were asked for.
pub(super) type Sizes = HashMap<Wanted, u64>;

/// Those whose sizes have to be known before anything is read: a stage has as many items as it likes, and of other outputs
/// there may be too many. `None` where all of them are few enough, as they mostly are.
pub(super) fn sizes_to_ask_for(mut wanted: Vec<Wanted>, limits: &PayloadLimits) -> Option<Vec<Wanted>> {
    let few = AT_ONCE / (limits.payload_bytes.max(1) as u64);
    let are_few = |wanted: &[Wanted]| {
        wanted.len() as u64 <= few && wanted.iter().all(|wanted| wanted.item.is_some_and(|item| item != PREVIOUS))
    };
    if are_few(&wanted) {
        return None;
    }
    wanted.sort_unstable();
    wanted.dedup();
    (!are_few(&wanted)).then_some(wanted)
}

/// How many of the claims, which want these outputs, are read together: for each portion, in their order. An output that two of
/// them want is read once.
pub(super) fn portions(wants: &[Vec<Wanted>], sizes: &Sizes, at_once: u64) -> Vec<usize> {
    let mut portions = Vec::new();
    let (mut counted, mut bytes, mut claims) = (HashSet::new(), 0, 0);
    for wants in wants {
        let size = |wanted: &Wanted| sizes.get(wanted).copied().unwrap_or(0);
        let more: u64 = wants.iter().filter(|wanted| !counted.contains(*wanted)).map(size).sum();
        if claims > 0 && bytes + more > at_once {
            portions.push(claims);
            counted.clear();
            (bytes, claims) = (0, 0);
        }
        bytes += wants.iter().filter(|wanted| counted.insert(**wanted)).map(size).sum::<u64>();
        claims += 1;
    }
    portions.push(claims);
    portions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::RunKey;

    fn wanted(stage: i16) -> Wanted {
        Wanted { run: RunKey(1), stage, item: None }
    }

    #[test]
    fn what_two_claims_share_is_counted_once() {
        let sizes = Sizes::from([(wanted(0), 60), (wanted(1), 50), (wanted(2), 200)]);
        let wants = [vec![wanted(0)], vec![wanted(0)], vec![wanted(1)], vec![wanted(2)], vec![]];
        assert_eq!(portions(&wants, &sizes, 100), [2, 1, 1, 1]);
        assert_eq!(portions(&wants, &sizes, 1000), [5]);
    }

    #[test]
    fn small_outputs_are_read_without_asking_for_their_sizes() {
        let limits = PayloadLimits::default();
        let single = |stage| Wanted { item: Some(-1), ..wanted(stage) };
        let few: Vec<Wanted> = (0..128).map(single).collect();
        assert_eq!(sizes_to_ask_for(few.clone(), &limits), None);
        assert_eq!(sizes_to_ask_for(vec![single(0); 500], &limits), None, "all of them share one");
        let larger = PayloadLimits { payload_bytes: 2 << 20, ..limits };
        assert_eq!(sizes_to_ask_for(few.clone(), &larger), Some(few));
        assert_eq!(sizes_to_ask_for(vec![wanted(0)], &limits), Some(vec![wanted(0)]));
    }

    proptest! {
        #[test]
        fn no_claim_is_left_out_and_no_portion_of_several_is_too_large(
            stages in prop::collection::vec(prop::collection::vec(0i16..20, 0..4), 1..30),
            bytes in prop::collection::vec(0u64..150, 20),
        ) {
            let sizes: Sizes = (0i16..).zip(bytes).map(|(stage, bytes)| (wanted(stage), bytes)).collect();
            let wants: Vec<Vec<Wanted>> = stages.iter().map(|own| own.iter().map(|s| wanted(*s)).collect()).collect();
            let portions = portions(&wants, &sizes, 100);
            prop_assert_eq!(portions.iter().sum::<usize>(), wants.len());
            let mut rest = wants.as_slice();
            for claims in portions {
                let (portion, after) = rest.split_at(claims);
                rest = after;
                let read: HashSet<&Wanted> = portion.iter().flatten().collect();
                prop_assert!(claims == 1 || read.iter().map(|wanted| sizes[*wanted]).sum::<u64>() <= 100);
            }
        }
    }
}
