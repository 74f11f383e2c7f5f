//! Which units an instance takes and which it gives back; pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Unit;

/// What an instance knows when it decides.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub instance: Uuid,
    /// Those that are alive, ours included, with the groups in which each wants its share.
    pub alive: &'a [(Uuid, Vec<String>)],
    /// What we want, with how each stands.
    pub wanted: Vec<(&'a Unit, Hold)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Ours,
    Free,
    Others,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decided {
    pub take: Vec<String>,
    pub give_back: Vec<String>,
}

impl Situation<'_> {
    /// In each group as many as fall to one of those that are alive: all take what is free up to
    /// that, and give back what is more, so that who comes later finds its share.
    pub(crate) fn decide(&self) -> Decided {
        let mut groups: BTreeMap<&str, Vec<(&str, Hold)>> = BTreeMap::new();
        for (unit, hold) in &self.wanted {
            let group = groups.entry(&unit.group).or_default();
            group.push((&unit.name, *hold));
        }
        let mut decided = Decided::default();
        for (group, units) in groups {
            let quota = self.quota(group, units.len());
            let with = |hold| units.iter().filter(move |(_, it)| *it == hold);
            let ours = with(Hold::Ours).count();
            let name = |(it, _): &(&str, Hold)| (*it).to_owned();
            let lacking = quota.saturating_sub(ours);
            decided
                .take
                .extend(with(Hold::Free).take(lacking).map(name));
            decided
                .give_back
                .extend(with(Hold::Ours).skip(quota).map(name));
        }
        decided
    }

    /// How many of a group's units fall to us. Those of all add up to all units; which instances
    /// have one more than the others differs from group to group, so that not all that is left over
    /// falls to the same one.
    fn quota(&self, group: &str, units: usize) -> usize {
        let of_group = self.alive.iter();
        let of_group = of_group.filter(|(_, groups)| groups.iter().any(|it| it == group));
        let mut instances: Vec<Uuid> = of_group.map(|(it, _)| *it).collect();
        instances.sort_unstable();
        let Some(rank) = instances.iter().position(|it| *it == self.instance) else {
            return 0;
        };
        let count = instances.len();
        let first: usize = group.bytes().map(usize::from).sum();
        let has_one_more = (rank + first) % count < units % count;
        units / count + usize::from(has_one_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units `a0`, `a1`, … of group `a`, and so on.
    fn units(of: &[(&str, usize)]) -> Vec<Unit> {
        let unit = |group: &str, number| Unit {
            group: group.to_owned(),
            name: format!("{group}{number}"),
        };
        of.iter()
            .flat_map(|(group, count)| (0..*count).map(move |it| unit(group, it)))
            .collect()
    }

    /// A world of instances whose rounds follow one another as the numbers say.
    struct Instances {
        units: Vec<Unit>,
        alive: Vec<(Uuid, Vec<String>)>,
        owners: BTreeMap<String, Uuid>,
    }

    impl Instances {
        fn new(of: &[(&str, usize)]) -> Instances {
            Instances {
                units: units(of),
                alive: Vec::new(),
                owners: BTreeMap::new(),
            }
        }

        fn start(&mut self, number: u128) {
            let mut groups: Vec<String> = self.units.iter().map(|it| it.group.clone()).collect();
            groups.dedup();
            self.alive.push((Uuid::from_u128(number), groups));
        }

        /// Killed: what it had is free.
        fn kill(&mut self, number: u128) {
            let killed = Uuid::from_u128(number);
            self.alive.retain(|(it, _)| *it != killed);
            self.owners.retain(|_, it| *it != killed);
        }

        /// How many units changed hands.
        fn round(&mut self, number: u128) -> usize {
            let instance = Uuid::from_u128(number);
            let hold = |it: &Unit| match self.owners.get(&it.name) {
                Some(it) if *it == instance => Hold::Ours,
                Some(_) => Hold::Others,
                None => Hold::Free,
            };
            let situation = Situation {
                instance,
                alive: &self.alive,
                wanted: self.units.iter().map(|it| (it, hold(it))).collect(),
            };
            let Decided { take, give_back } = situation.decide();
            let changed = take.len() + give_back.len();
            self.owners.retain(|it, _| !give_back.contains(it));
            self.owners
                .extend(take.into_iter().map(|it| (it, instance)));
            changed
        }

        /// Rounds of all until nothing changes any more; then all have their share.
        fn settle(&mut self) {
            for _ in 0..3 {
                let alive: Vec<u128> = self.alive.iter().map(|(it, _)| it.as_u128()).collect();
                let changed: usize = alive.into_iter().map(|it| self.round(it)).sum();
                if changed == 0 {
                    return;
                }
            }
            panic!("they do not agree: {:?}", self.owners);
        }

        /// What each has of a group, in the order of the instances' numbers.
        fn shares(&self, group: &str) -> Vec<usize> {
            let mut alive: Vec<Uuid> = self.alive.iter().map(|(it, _)| *it).collect();
            alive.sort_unstable();
            let has = |instance: &Uuid| {
                let units = self.units.iter().filter(|it| it.group == group);
                units
                    .filter(|it| self.owners.get(&it.name) == Some(instance))
                    .count()
            };
            alive.iter().map(has).collect()
        }
    }

    #[test]
    fn one_alone_has_all_at_once() {
        let mut instances = Instances::new(&[("a", 4), ("b", 1)]);
        instances.start(7);
        assert_eq!(instances.round(7), 5);
        assert_eq!(instances.round(7), 0);
    }

    #[test]
    fn who_comes_gets_its_share_of_every_group_and_who_goes_leaves_it() {
        let mut instances = Instances::new(&[("a", 4), ("b", 14), ("c", 1)]);
        instances.start(2);
        instances.settle();
        instances.start(1);
        instances.settle();
        assert_eq!(instances.shares("a"), [2, 2]);
        assert_eq!(instances.shares("b"), [7, 7]);
        instances.start(3);
        instances.settle();
        for group in ["a", "b", "c"] {
            let shares = instances.shares(group);
            let (least, most) = (shares.iter().min(), shares.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{group}: {shares:?}");
        }
        instances.kill(2);
        instances.settle();
        assert_eq!(instances.shares("a"), [2, 2]);
        assert_eq!(instances.owners.len(), 19);
    }

    #[test]
    fn whatever_their_number_all_units_are_somebodys() {
        for count in 1..=20 {
            let mut instances = Instances::new(&[("a", 4), ("b", 14), ("c", 1), ("d", 8)]);
            (1..=count).for_each(|it| instances.start(it));
            instances.settle();
            assert_eq!(instances.owners.len(), 27, "{count} instances");
        }
    }

    #[test]
    fn what_is_left_over_of_many_groups_does_not_fall_to_one() {
        let names: Vec<String> = (0..40).map(|it| format!("group {it}")).collect();
        let of: Vec<(&str, usize)> = names.iter().map(|it| (&it[..], 1)).collect();
        let mut instances = Instances::new(&of);
        instances.start(1);
        instances.start(2);
        instances.settle();
        let first = Uuid::from_u128(1);
        let of_first = instances.owners.values().filter(|it| **it == first).count();
        assert!((15..=25).contains(&of_first), "{of_first} of 40");
    }

    #[test]
    fn who_wants_nothing_of_a_group_is_not_counted_in_it() {
        let mut instances = Instances::new(&[("a", 4)]);
        instances.start(1);
        let other = vec!["b".to_owned()];
        instances.alive.push((Uuid::from_u128(2), other));
        instances.round(1);
        assert_eq!(instances.owners.len(), 4);
    }
}
