//! The configured lines, with an index by id and one by dialled number.

use super::LineConfig;
use crate::line::Line;
use crate::line::number::NumberIndex;
use std::collections::HashMap;
use std::ops::Deref;

/// The configured lines. Dereferences to a slice of them, in the order of the file; lookups by id and by dialled
/// number use an index.
#[derive(Debug, Clone)]
pub struct Lines {
    all: Vec<LineConfig>,
    by_id: HashMap<String, usize>,
    by_number: NumberIndex<usize>,
}

impl Lines {
    /// Indexes these lines. If two of them share an id or a spelling of a number, which the check of a
    /// configuration refuses, the first one is found.
    pub fn new(all: Vec<LineConfig>) -> Self {
        let mut by_id = HashMap::new();
        let mut by_number = NumberIndex::default();
        for (at, LineConfig { line, .. }) in all.iter().enumerate() {
            by_id.entry(line.id.clone()).or_insert(at);
            for number in line.numbers() {
                by_number.insert(number, at);
            }
        }
        Self {
            all,
            by_id,
            by_number,
        }
    }

    /// Returns the line with this id, and its index in the slice; `None` if there is no such line.
    pub fn by_id(&self, id: &str) -> Option<(usize, &LineConfig)> {
        let at = *self.by_id.get(id)?;
        Some((at, self.all.get(at)?))
    }

    /// Returns the line one of whose numbers [matches](crate::line::number::LineNumber::matches) `dialled`: the first
    /// such line, or `None`.
    pub fn dialled(&self, dialled: &str) -> Option<&Line> {
        let at = *self.by_number.find(dialled)?;
        self.all.get(at).map(|entry| &entry.line)
    }

    /// Removes the pinned keys, so that any key in the database is accepted for each line.
    pub fn unpin_keys(&mut self) {
        for entry in &mut self.all {
            entry.pinned_key = None;
        }
    }
}

impl Deref for Lines {
    type Target = [LineConfig];

    fn deref(&self) -> &[LineConfig] {
        &self.all
    }
}

impl<'a> IntoIterator for &'a Lines {
    type Item = &'a LineConfig;
    type IntoIter = std::slice::Iter<'a, LineConfig>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, EMBEDDED};
    use crate::line::number::LineNumber;
    use std::path::Path;

    fn lines(numbers: &[&[&str]]) -> Lines {
        let config = Config::parse(EMBEDDED, "test", Path::new(".")).unwrap();
        let all = numbers.iter().zip(1..).map(|(numbers, id)| {
            let mut numbers = numbers
                .iter()
                .map(|number| LineNumber::parse(number, "CN").unwrap());
            let mut entry = config.lines[0].clone();
            entry.line.id = format!("line-{id}");
            entry.line.number = numbers.next().unwrap();
            entry.line.answers = numbers.collect();
            entry
        });
        Lines::new(all.collect())
    }

    #[test]
    fn a_line_is_found_by_its_id() {
        let lines = lines(&[&["12388"], &["12389"]]);
        let (at, entry) = lines.by_id("line-2").unwrap();
        assert_eq!((at, entry.line.id.as_str()), (1, "line-2"));
        assert!(lines.by_id("line-3").is_none());
    }

    #[test]
    fn a_line_is_found_by_each_of_its_numbers() {
        let lines = lines(&[&["12388", "18877009155"], &["0770-12345678"]]);
        let found = |dialled: &str| lines.dialled(dialled).map(|line| line.id.clone());
        for (dialled, id) in [
            ("12388", "line-1"),
            ("+8618877009155", "line-1"),
            ("sip:18877009155@example.org", "line-1"),
            ("0770 12345678", "line-2"),
            ("008677012345678", "line-2"),
        ] {
            assert_eq!(found(dialled).as_deref(), Some(id), "{dialled}");
        }
        assert_eq!(found("12389"), None);
        assert_eq!(found(""), None);
    }
}
