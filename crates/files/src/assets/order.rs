//! In which order names are given: what a file refers to has its name before the file itself, since that name stands in it.
//!
//! Files that refer to one another in a circle are one group and get their names together. Tarjan's algorithm gives the groups in just this
//! order; it stands here without recursion, since a chain of files may be as long as there are files.

/// The groups of `edges.len()` files, each behind all that it refers to. `edges` says what each refers to.
pub(crate) fn groups(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        edges,
        next: 0,
        number: vec![None; edges.len()],
        lowest: vec![usize::MAX; edges.len()],
        is_waiting: vec![false; edges.len()],
        waiting: Vec::new(),
        groups: Vec::new(),
    };
    for file in 0..edges.len() {
        if search.number.get(file) == Some(&None) {
            search.from(file);
        }
    }
    search.groups
}

struct Search<'a> {
    edges: &'a [Vec<usize>],
    next: usize,
    /// In which order files were come to.
    number: Vec<Option<usize>>,
    /// The lowest number that leads back from a file.
    lowest: Vec<usize>,
    is_waiting: Vec<bool>,
    /// Files whose group is not known yet.
    waiting: Vec<usize>,
    groups: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn from(&mut self, first: usize) {
        // A file, and how many of its references were followed.
        let mut way = vec![(first, 0)];
        self.enter(first);
        while let Some((file, followed)) = way.last_mut() {
            let file = *file;
            if let Some(target) = self.edges.get(file).and_then(|targets| targets.get(*followed)).copied() {
                *followed += 1;
                match self.number.get(target).copied() {
                    Some(None) => {
                        self.enter(target);
                        way.push((target, 0));
                    }
                    Some(Some(number)) if self.is_waiting.get(target) == Some(&true) => self.lower(file, number),
                    _ => {}
                }
                continue;
            }
            way.pop();
            let lowest = self.lowest.get(file).copied().unwrap_or(usize::MAX);
            if let Some((before, _)) = way.last() {
                self.lower(*before, lowest);
            }
            if self.number.get(file) == Some(&Some(lowest)) {
                self.leave(file);
            }
        }
    }

    fn enter(&mut self, file: usize) {
        let number = self.next;
        self.next += 1;
        set(&mut self.number, file, Some(number));
        set(&mut self.lowest, file, number);
        set(&mut self.is_waiting, file, true);
        self.waiting.push(file);
    }

    fn lower(&mut self, file: usize, number: usize) {
        if let Some(lowest) = self.lowest.get_mut(file) {
            *lowest = number.min(*lowest);
        }
    }

    /// Everything that waits behind the file is of its group.
    fn leave(&mut self, file: usize) {
        let mut group = Vec::new();
        while let Some(member) = self.waiting.pop() {
            set(&mut self.is_waiting, member, false);
            group.push(member);
            if member == file {
                break;
            }
        }
        group.sort_unstable();
        self.groups.push(group);
    }
}

fn set<T>(list: &mut [T], place: usize, value: T) {
    if let Some(old) = list.get_mut(place) {
        *old = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_referred_to_comes_first() {
        assert_eq!(groups(&[vec![1], vec![2], vec![]]), [vec![2], vec![1], vec![0]]);
        assert_eq!(groups(&[vec![1, 2], vec![2], vec![0]]), [vec![0, 1, 2]]);
        assert_eq!(groups(&[vec![1], vec![0, 2], vec![2], vec![0]]), [vec![2], vec![0, 1], vec![3]]);
        let chain: Vec<Vec<usize>> = (0..100_000).map(|file| vec![file + 1]).chain([vec![]]).collect();
        assert_eq!(groups(&chain).first(), Some(&vec![100_000]));
    }

    proptest! {
        #[test]
        fn every_file_is_in_one_group_behind_its_references(
            edges in (1..12_usize).prop_flat_map(|count| proptest::collection::vec(proptest::collection::vec(0..count, 0..4), count)),
        ) {
            let groups = groups(&edges);
            let place = |file: usize| groups.iter().position(|group| group.contains(&file)).unwrap();
            prop_assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), edges.len());
            for (file, targets) in edges.iter().enumerate() {
                prop_assert!(targets.iter().all(|target| place(*target) <= place(file)));
            }
            // A group is a circle: from each of its files one comes to all others.
            for group in &groups {
                for start in group {
                    let (mut reached, mut todo) = (vec![*start], vec![*start]);
                    while let Some(file) = todo.pop() {
                        for target in &edges[file] {
                            if !reached.contains(target) {
                                reached.push(*target);
                                todo.push(*target);
                            }
                        }
                    }
                    prop_assert!(group.iter().all(|file| reached.contains(file)));
                }
            }
        }
    }
}
