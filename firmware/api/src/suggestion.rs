//! "Did you mean": the known name nearest to one that is not known.

/// The name with the fewest letters to change, if these are few enough for a slip of the finger.
pub(crate) fn nearest(given: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // Names are short; a long text is no slip.
    if given.len() > 40 {
        return None;
    }
    let key = super::request::key(given);
    known
        .map(|name| (distance(&key, &super::request::key(name)), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1 + key.len() / 4)
        .map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            *cell = changed.min(*cell + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_changed_added_and_missing_letters() {
        assert_eq!(distance("hangup", "hangup"), 0);
        assert_eq!(distance("hagnup", "hangup"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn a_slip_finds_its_name_and_another_word_does_not() {
        let known = || ["API_Call", "API_Hangup", "API_Hold"].into_iter();
        assert_eq!(nearest("API_Hangupp", known()), Some("API_Hangup"));
        assert_eq!(nearest("Hagnup", known()), Some("API_Hangup"));
        assert_eq!(nearest("SELECT", known()), None);
    }
}
