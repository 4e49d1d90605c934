//! Which things belong together, found pair by pair.

/// Disjoint sets of numbers (Tarjan 1975), joined towards the smaller number.
#[derive(Debug, Clone)]
pub struct Sets(Vec<usize>);

impl Sets {
    /// Each number by itself.
    pub fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    /// The smallest number of those that are joined with this one.
    pub fn root(&mut self, mut item: usize) -> usize {
        while self.0[item] != item {
            self.0[item] = self.0[self.0[item]];
            item = self.0[item];
        }
        item
    }

    /// Joins what two numbers are joined with.
    pub fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }

    /// All that are joined with another, from the smallest number on.
    pub fn groups(mut self) -> Vec<Vec<usize>> {
        let mut groups = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for item in 0..self.0.len() {
            let root = self.root(item);
            groups.entry(root).or_default().push(item);
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_by_way_of_a_third_is_one_group() {
        let mut sets = Sets::new(6);
        for (one, other) in [(4, 2), (5, 1), (2, 0)] {
            sets.join(one, other);
        }
        assert_eq!(sets.root(4), 0);
        assert_eq!(sets.groups(), [vec![0, 2, 4], vec![1, 5]]);
    }
}
