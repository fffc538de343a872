//! The order that the needs of stages impose.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::definition::{StageIndex, Workflow};

impl Workflow {
    /// Every stage after all that it needs; where the needs leave a choice, in the order of the file.
    pub(crate) fn topological(&self) -> Vec<StageIndex> {
        let needs: Vec<&[StageIndex]> = self.stages.iter().map(|stage| stage.needs.as_slice()).collect();
        // A workflow has no circle, so the fallback is never taken.
        order(&needs).unwrap_or_else(|| (0..self.stages.len()).map(StageIndex::of).collect())
    }
}

/// The stages in an order that puts needs first; `None` where a circle makes that impossible.
/// Needs that are out of range are as good as a circle: they are never met.
pub(crate) fn order<N: AsRef<[StageIndex]>>(needs: &[N]) -> Option<Vec<StageIndex>> {
    let mut needed_by = vec![Vec::new(); needs.len()];
    let mut unmet: Vec<usize> = needs.iter().map(|n| n.as_ref().len()).collect();
    for (at, list) in needs.iter().enumerate() {
        for need in list.as_ref() {
            needed_by.get_mut(need.at())?.push(at);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..needs.len()).filter(|at| unmet[*at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(StageIndex::of(at));
        for next in &needed_by[at] {
            unmet[*next] -= 1;
            if unmet[*next] == 0 {
                ready.push(Reverse(*next));
            }
        }
    }
    (order.len() == needs.len()).then_some(order)
}

/// One shortest circle for each knot of stages that need each other: `a, b` where a needs b and b needs a.
pub(crate) fn circles<N: AsRef<[StageIndex]>>(needs: &[N]) -> Vec<Vec<StageIndex>> {
    if order(needs).is_some() {
        return Vec::new();
    }
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (at, list) in needs.iter().enumerate() {
        for need in list.as_ref() {
            needed_by[need.at()].push(StageIndex::of(at));
        }
    }
    let mut told = vec![false; needs.len()];
    let mut circles = Vec::new();
    for start in 0..needs.len() {
        if told[start] {
            continue;
        }
        let onward = reached(needs, start);
        let Some(circle) = back_to(start, needs, &onward) else { continue };
        let back = reached(&needed_by, start);
        for at in (0..needs.len()).filter(|at| onward[*at].is_some() && back[*at].is_some()) {
            told[at] = true;
        }
        circles.push(circle);
    }
    circles
}

/// For every stage that can be reached from `start`, the stage it was first reached from.
fn reached<N: AsRef<[StageIndex]>>(edges: &[N], start: usize) -> Vec<Option<usize>> {
    let mut from = vec![None; edges.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in edges[at].as_ref() {
            if from[next.at()].is_none() {
                from[next.at()] = Some(at);
                queue.push_back(next.at());
            }
        }
    }
    from
}

/// The way from `start` to itself, without coming back at its end.
fn back_to<N: AsRef<[StageIndex]>>(start: usize, needs: &[N], from: &[Option<usize>]) -> Option<Vec<StageIndex>> {
    let mut way = Vec::new();
    let mut at = from[start]?;
    while at != start && way.len() < needs.len() {
        way.push(StageIndex::of(at));
        at = from[at]?;
    }
    way.push(StageIndex::of(start));
    way.reverse();
    Some(way)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn indices(list: &[&[u16]]) -> Vec<Vec<StageIndex>> {
        list.iter().map(|needs| needs.iter().map(|n| StageIndex(*n)).collect()).collect()
    }

    fn plain(list: Vec<StageIndex>) -> Vec<u16> {
        list.into_iter().map(|i| i.0).collect()
    }

    #[test]
    fn needs_come_first_and_the_file_decides_the_rest() {
        assert_eq!(order(&indices(&[&[2], &[], &[], &[0, 1]])).map(plain), Some(vec![1, 2, 0, 3]));
        assert_eq!(order(&indices(&[&[1], &[0]])), None);
        assert_eq!(order(&indices(&[&[7]])), None);
    }

    #[test]
    fn every_knot_of_stages_is_told_once_by_its_shortest_circle() {
        let knots = indices(&[&[1], &[0, 2], &[0], &[0, 4], &[5], &[3], &[]]);
        assert_eq!(circles(&knots).into_iter().map(plain).collect::<Vec<_>>(), [vec![0, 1], vec![3, 4, 5]]);
    }

    proptest! {
        #[test]
        fn a_graph_has_an_order_exactly_when_it_has_no_circle(
            edges in proptest::collection::vec((0usize..12, 0u16..12), 0..24)
        ) {
            let mut needs = vec![Vec::new(); 12];
            for (at, need) in edges {
                needs[at].push(StageIndex(need));
            }
            let found = circles(&needs);
            prop_assert_eq!(order(&needs).is_some(), found.is_empty());
            for circle in &found {
                for (i, at) in circle.iter().enumerate() {
                    prop_assert!(needs[at.at()].contains(&circle[(i + 1) % circle.len()]));
                }
            }
        }
    }
}
