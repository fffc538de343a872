//! Rounds: stages that are done again until their result is good enough. Pure.

use std::sync::Arc;

use super::definition::{StageIndex, Workflow};

/// The word before the dot where the round before is named. No stage of a file with rounds has that name.
pub(crate) const PREVIOUS: &str = "previous";

/// The stages of a round: the last one says which is the first, and whether there is another round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) last: StageIndex,
    /// All of them, in the order of the file.
    pub(crate) members: Vec<StageIndex>,
}

impl Workflow {
    /// Of each stage the rounds that it is part of.
    pub(crate) fn groups(&self) -> Vec<Option<Arc<Group>>> {
        let mut groups = vec![None; self.stages.len()];
        let needs: Vec<&[StageIndex]> = self.stages.iter().map(|stage| stage.needs.as_slice()).collect();
        for (at, stage) in self.stages.iter().enumerate() {
            let Some(repeat) = &stage.repeat else { continue };
            let last = StageIndex::of(at);
            let group = Arc::new(Group { last, members: members(&needs, repeat.from, last) });
            group.members.iter().for_each(|member| {
                if let Some(of_member) = groups.get_mut(member.at()) {
                    *of_member = Some(group.clone());
                }
            });
        }
        groups
    }

    /// Whether its rounds can be done again and again: what the files are held to.
    pub(crate) fn has_sound_rounds(&self) -> bool {
        let needs: Vec<&[StageIndex]> = self.stages.iter().map(|stage| stage.needs.as_slice()).collect();
        let mut seen = vec![false; needs.len()];
        self.stages.iter().enumerate().all(|(at, stage)| {
            let Some(repeat) = &stage.repeat else { return true };
            let members = members(&needs, repeat.from, StageIndex::of(at));
            let apart = members
                .iter()
                .all(|member| seen.get_mut(member.at()).is_some_and(|seen| !std::mem::replace(seen, true)));
            repeat.at_most > 0
                && !members.is_empty()
                && stage.for_each.is_none()
                && apart
                && strays(&needs, &members, StageIndex::of(at)).is_empty()
        })
    }
}

/// From the first to the last, and every stage on a way between the two; empty where no way leads from one to the other.
pub(crate) fn members<N: AsRef<[StageIndex]>>(needs: &[N], from: StageIndex, last: StageIndex) -> Vec<StageIndex> {
    let before = before(needs, last);
    let mut behind = vec![false; needs.len()];
    // In a graph without circles a stage is reached in as many passes as there are stages on the way.
    let mut more = behind.get_mut(from.at()).map(|first| *first = true).is_some();
    while std::mem::take(&mut more) {
        for (at, list) in needs.iter().enumerate() {
            let is_behind = |need: &StageIndex| behind.get(need.at()).copied().unwrap_or_default();
            if !behind[at] && list.as_ref().iter().any(is_behind) {
                (behind[at], more) = (true, true);
            }
        }
    }
    let both = before.iter().zip(&behind).map(|(before, behind)| *before && *behind);
    both.enumerate().filter(|(_, both)| *both).map(|(at, _)| StageIndex::of(at)).collect()
}

/// Stages that need one of a round, and do not come behind its last one: they would go on with what the next round takes back.
/// With each, the stage that it needs.
pub(crate) fn strays<N: AsRef<[StageIndex]>>(
    needs: &[N],
    members: &[StageIndex],
    last: StageIndex,
) -> Vec<(StageIndex, StageIndex)> {
    let outside = (0..needs.len()).map(StageIndex::of).filter(|stage| !members.contains(stage));
    let stray = |stage: StageIndex| {
        let need = needs[stage.at()].as_ref().iter().find(|need| members.contains(need))?;
        let waits = before(needs, stage).get(last.at()).copied().unwrap_or_default();
        (!waits).then_some((stage, *need))
    };
    outside.filter_map(stray).collect()
}

/// Of each stage whether that one needs it, however indirectly; it itself does.
fn before<N: AsRef<[StageIndex]>>(needs: &[N], stage: StageIndex) -> Vec<bool> {
    let mut before = vec![false; needs.len()];
    let mut todo = vec![stage];
    while let Some(next) = todo.pop() {
        if let Some(seen) = before.get_mut(next.at()).filter(|seen| !**seen) {
            *seen = true;
            todo.extend(needs[next.at()].as_ref());
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(at: u16) -> StageIndex {
        StageIndex(at)
    }

    fn needs(lists: &[&[u16]]) -> Vec<Vec<StageIndex>> {
        lists.iter().map(|list| list.iter().map(|at| index(*at)).collect()).collect()
    }

    #[test]
    fn a_round_is_all_that_stands_between_its_first_stage_and_its_last() {
        // 0 outline, 1 draft, 2 and 3 beside each other, 4 critic, 5 research, 6 print
        let needs = needs(&[&[], &[0], &[1], &[1, 5], &[2, 3], &[0], &[4, 1]]);
        assert_eq!(members(&needs, index(1), index(4)), [1, 2, 3, 4].map(index));
        assert_eq!(members(&needs, index(4), index(4)), [index(4)]);
        assert_eq!(members(&needs, index(4), index(1)), []);
        assert_eq!(members(&needs, index(6), index(4)), []);
        assert_eq!(members(&needs, index(9), index(4)), []);
    }

    #[test]
    fn what_needs_a_stage_of_a_round_comes_behind_the_last_one() {
        let needs = needs(&[&[], &[0], &[1], &[1], &[2, 1], &[3, 2]]);
        let members = members(&needs, index(0), index(2));
        assert_eq!(members, [0, 1, 2].map(index));
        assert_eq!(strays(&needs, &members, index(2)), [(index(3), index(1))], "4 and 5 need the last one, too");
    }

    #[test]
    fn circles_are_walked_once() {
        let needs = needs(&[&[1], &[0]]);
        assert_eq!(members(&needs, index(0), index(1)), [0, 1].map(index));
    }
}
